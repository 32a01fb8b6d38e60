"""Random requests: made from the OpenAPI document, and right ones with something broken."""

import http.client
import os
import pathlib
import random
import subprocess
import sys

import pytest

EXAMPLES = int(os.environ.get("SCHEMATHESIS_EXAMPLES", "150"))
BODIES = [
    b'{"question": "What is sid?"}',
    '{"questions": ["什么是 sid", "\\u95ee\\ud83d\\ude00"], "top": 3}'.encode(),
    b'{"question": "a", "top": 20}',
]
PIECES = [
    *(bytes([value]) for value in range(256)),
    *(b"NaN", b"-1", b"1e999", b"true", b"null", b"[", b"]", b"{", b"}", b'"', b"\\ud800"),
    *(b"[" * 5000, b"9" * 5000, b"\xf0\x9f\x98", "é".encode(), "\u202e".encode(), b"question"),
]
TYPES = ["application/json"] * 9 + ["text/plain", "application/json; charset=utf-16", "", "\xff"]


@pytest.mark.slow
def test_requests_of_the_document_find_nothing(start, tmp_path):
    """No 5xx, every answer as documented, valid requests accepted and others refused, no growth.

    Schemathesis takes its time to make them; SCHEMATHESIS_EXAMPLES=10000 is for a long evening.
    """
    pytest.importorskip("schemathesis", reason="needs it: pip install schemathesis")
    server = start()
    for _ in range(1000):  # what is made once is made now
        server.ask({"question": "What is sid?"})
    before = server.memory()
    command = [pathlib.Path(sys.executable).parent / "schemathesis", "run"]
    options = ["--phases", "coverage,fuzzing", "--max-examples", str(EXAMPLES), "--seed", "0"]
    done = subprocess.run(
        [*command, f"{server.url}/openapi.json", *options, "--no-color"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    asked = {name: count for name, count in server.figures().items() if "requests_total" in name}
    assert sum(asked.values()) > EXAMPLES
    assert not [name for name in asked if 'status="5' in name]
    print(asked, f"memory: {before / 2**20:.1f} MB before, {server.memory() / 2**20:.1f} after")
    assert server.memory() - before < 5 * 2**20


@pytest.mark.slow
def test_10_000_broken_bodies(start):
    """200 or a refusal in words, never a 5xx, and the memory doesn't grow."""
    server = start()
    rng = random.Random(0)
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    seen = {}
    for number in range(10_000):
        if number == 1_000:
            before = server.memory()
        body = bytearray(rng.choice(BODIES))
        for _ in range(rng.randrange(4)):
            at = rng.randrange(len(body) + 1)
            body[at : at + rng.choice([0, 0, 1, 1, 5])] = rng.choice(PIECES)
        connection.request("POST", "/ask", bytes(body), {"Content-Type": rng.choice(TYPES)})
        answer = connection.getresponse()
        content = answer.read()
        assert content.startswith((b'{"results":', b'{"error":'))
        seen[answer.status] = seen.get(answer.status, 0) + 1
    connection.close()
    assert set(seen) == {200, 400, 415}
    assert min(seen.values()) > 500
    assert server.memory() - before < 5 * 2**20
    server.stop()
    assert "Traceback" not in server.log
