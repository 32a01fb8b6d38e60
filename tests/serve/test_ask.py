"""What a running service answers."""

import concurrent.futures
import json
import subprocess
import sys

import jsonschema
import pytest

from losslayer_serve.errors import ArgumentError
from losslayer_serve.service import application, run
from tests.serve import faq
from tests.serve.conftest import ROOT

PRONOUNCE = {
    "en": "How is Debian pronounced, how to pronounce the word?",
    "zh": "Debian 一词怎么发音？",
}


def test_neither_keras_nor_an_engine_is_imported():
    """Serving starts in the time and memory of NumPy."""
    code = (
        "import sys, losslayer_serve.service\n"
        "print({name.partition('.')[0] for name in sys.modules}"
        " & {'keras', 'jax', 'torch', 'tensorflow', 'losslayer'})"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT / "src", capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize(
    ("language", "id"), [("en", "debian-en-basic-defs-6"), ("zh", "debian-zh-basic-defs-6")]
)
def test_the_nearest_entry_comes_first(server, language, id):
    status, content = server.ask({"question": PRONOUNCE[language]})
    assert status == 200
    [result] = content["results"]
    assert result["question"] == PRONOUNCE[language]
    assert result["hits"][0]["id"] == id
    scores = [hit["score"] for hit in result["hits"]]
    assert scores == sorted(scores, reverse=True)
    assert len(scores) == 3


def test_a_batch_is_what_its_questions_are(server):
    """Whoever asks beside it, a question gets the same hits, with the scores of the searcher."""
    questions = [*PRONOUNCE.values(), "unheard", "What is sid?"]
    status, content = server.ask({"questions": questions, "top": 2})
    assert status == 200
    alone = [server.ask({"question": q, "top": 2})[1]["results"][0] for q in questions]
    for result, expected, hits in zip(
        content["results"], alone, faq.searcher().ask(questions, 2), strict=True
    ):
        assert [hit["id"] for hit in result["hits"]] == [hit.id for hit in hits]
        assert [hit["id"] for hit in result["hits"]] == [hit["id"] for hit in expected["hits"]]
        assert result["hits"] == [
            {**hit._asdict(), "score": pytest.approx(hit.score, abs=1e-6)} for hit in hits
        ]


def test_no_answer_is_said(server):
    """Hits below the threshold come all the same, each saying that it isn't accepted."""
    [result] = server.ask({"question": "zebra crossing"})[1]["results"]
    assert result["answered"] is False
    assert [hit["accepted"] for hit in result["hits"]] == [False] * 3
    [result] = server.ask({"question": "What is incoming?"})[1]["results"]
    assert result["answered"] is True


def test_answers_are_what_the_document_says(server):
    """Each kind of answer, held against the schemas of /openapi.json."""
    _, _, document = server.request("GET", "/openapi.json")
    ask = document["paths"]["/ask"]["post"]
    asked = [
        (200, {"questions": list(PRONOUNCE.values()), "top": 20}),
        (400, {"question": 1}),
        (400, b"{"),
        (413, b" " * 200_000),
    ]
    schema = ask["requestBody"]["content"]["application/json"]["schema"]
    jsonschema.validate(asked[0][1], schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(asked[1][1], schema)
    for expected, body in asked:
        status, content = server.ask(body)
        assert status == expected
        valid(content, document, ask, status)
    status, content = server.ask({"question": "?"}, content_type="text/plain")
    assert status == 415
    valid(content, document, ask, 415)
    status, _, content = server.request("GET", "/healthz")
    valid(content, document, document["paths"]["/healthz"]["get"], status)
    assert content["entries"] == len(faq.searcher())
    assert content["fingerprint"] == faq.HashedWords.fingerprint


def valid(content, document, operation, status):
    schema = operation["responses"][str(status)]["content"]["application/json"]["schema"]
    jsonschema.validate(content, {**schema, "components": document["components"]})


def test_figures_count_what_was_asked(server):
    before = server.figures()
    server.ask({"questions": ["What is incoming?", "zebra crossing"]})
    server.ask({"question": ""})
    server.request("GET", "/some/path/nobody/knows")
    after = server.figures()

    def added(name):
        return after[name] - before.get(name, 0)

    assert added('losslayer_questions_total{answered="true"}') == 1
    assert added('losslayer_questions_total{answered="false"}') == 1
    assert added('losslayer_requests_total{path="/ask",status="200"}') == 1
    assert added('losslayer_requests_total{path="/ask",status="400"}') == 1
    assert added('losslayer_requests_total{path="other",status="404"}') == 1
    assert added("losslayer_batch_questions_sum") == 2
    assert after["losslayer_entries"] == len(faq.searcher())


@pytest.mark.parametrize("path", ["/", "/page.js", "/page.css", "/healthz", "/nowhere", "/ask"])
def test_headers_that_protect_the_page(server, path):
    """They are on every answer, refusals included, and no other site may read one."""
    _, headers, _ = server.request("GET", path, origin="http://elsewhere.example")
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "no-referrer"
    assert not [name for name in headers if name.lower().startswith("access-control")]
    assert "server" not in headers


def test_methods_are_refused_by_name(server):
    status, headers, content = server.request("GET", "/ask")
    assert (status, headers["allow"], content) == (405, "POST", {"error": "Method Not Allowed"})


def test_another_models_vectors_are_refused():
    encoder = faq.HashedWords()
    encoder.fingerprint = "0" * 64
    with pytest.raises(ArgumentError, match="Build the index anew"):
        faq.searcher(encoder=encoder)


def test_nothing_is_served_to_others_without_a_token():
    """Nor with one that can be guessed; the token itself is in no message."""
    for host in ("0.0.0.0", "::", "192.168.1.2", "example.org", ""):
        with pytest.raises(ArgumentError, match="`token` must be given"):
            run(faq.searcher(), host=host)
    for token in ("", "short", "x" * 15, "with spaces in between", "schlüssel-schlüssel"):
        with pytest.raises(ArgumentError, match="visible ASCII") as problem:
            application(faq.searcher(), token=token)
        assert not token or token not in str(problem.value)


def test_a_token_is_wanted_where_one_is_set(start):
    """For questions and figures; the page and the health are for who has none yet."""
    token = "a-token-of-the-tests"
    server = start(token=token)
    body = {"question": "What is incoming?"}
    for headers in ({}, {"authorization": f"Bearer {token}x"}, {"authorization": f"Basic {token}"}):
        status, answer_headers, content = server.request("POST", "/ask", body, **headers)
        assert (status, answer_headers["www-authenticate"]) == (401, "Bearer")
        assert token not in json.dumps(content)
        assert server.request("GET", "/metrics", **headers)[0] == 401
    assert server.ask(body, authorization=f"Bearer {token}")[0] == 200
    assert server.ask(body, authorization=f"bearer {token}", host="faq.example")[0] == 200
    assert server.request("GET", "/metrics", authorization=f"Bearer {token}")[0] == 200
    for path in ("/", "/page.js", "/page.css", "/healthz"):
        assert server.request("GET", path)[0] == 200
    _, _, document = server.request("GET", "/openapi.json", authorization=f"Bearer {token}")
    assert document["paths"]["/ask"]["post"]["security"] == [{"token": []}]


@pytest.mark.parametrize("host", ["elsewhere.example", "elsewhere.example:8000", "localhost.evil"])
def test_another_name_for_this_machine_is_refused(server, host):
    """A page of another site can have its own name point here; it would be our page's origin."""
    assert server.ask({"question": "What is incoming?"}, host=host)[0] == 400
    assert server.ask({"question": "What is incoming?"}, host=f"localhost:{server.port}")[0] == 200


def test_a_question_that_breaks_the_encoder_fails_alone(start):
    """Those in its batch get their answers; the reason is in the log, not in the answer."""
    server = start(slow=0.1)
    asked = ["What is incoming?", "nan", "poison", *PRONOUNCE.values()]
    with concurrent.futures.ThreadPoolExecutor(5) as pool:
        answers = list(pool.map(lambda text: server.ask({"question": text}), asked))
    assert [status for status, _ in answers] == [200, 500, 500, 200, 200]
    for _, content in answers[1:3]:
        assert set(content) == {"error"}
        assert "poison" not in content["error"]
    server.stop()
    assert "losslayer_serve/searcher.py" in server.log
