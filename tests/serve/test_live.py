"""A new index while the service runs, and the end of the service."""

import concurrent.futures
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from tests.serve import faq
from tests.serve.conftest import ROOT

pytestmark = pytest.mark.skipif(os.name == "nt", reason="sends POSIX signals")


def write(path, *titles):
    """A table of these titles, put in place whole."""
    beside = path.with_suffix(".new")
    rows = [f"{number}\t{title}\tanswer" for number, title in enumerate(titles)]
    beside.write_text("\n".join(["id\ttitle\tanswer", *rows]))
    os.replace(beside, path)


def title(server, question="old new"):
    status, content = server.ask({"question": question, "top": 1})
    assert status == 200
    return content["results"][0]["hits"][0]["title"]


def until(holds, seconds=10):
    """Wait until it holds."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.05)


def test_a_changed_index_is_taken_and_no_request_is_dropped(start, tmp_path):
    """Asked without a pause by two, while the table is replaced: only 200, first old, then new."""
    table = tmp_path / "table.tsv"
    write(table, "old")
    server = start(table=str(table))
    seen, done = [[], []], threading.Event()

    def asks(own):
        while not done.is_set():
            own.append(title(server))
            time.sleep(0.01)

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        asking = [pool.submit(asks, own) for own in seen]
        time.sleep(0.3)
        write(table, "new")
        try:
            until(lambda: all(own and own[-1] == "new" for own in seen))
        finally:
            done.set()
        for one in asking:
            one.result()
    for own in seen:
        assert own == sorted(own, reverse=True)
        assert set(own) == {"old", "new"}
    assert server.figures()['losslayer_reloads{outcome="done"}'] == 1


def test_a_broken_index_leaves_the_old_one_until_it_is_mended(start, tmp_path):
    table = tmp_path / "table.tsv"
    write(table, "old")
    server = start(table=str(table))
    table.write_bytes(b"id\ttitle\tanswer\n\xff")
    until(lambda: server.figures()['losslayer_reloads{outcome="failed"}'] >= 1)
    assert title(server) == "old"
    write(table, "new")
    until(lambda: title(server) == "new")
    server.stop()
    assert "the old one stays" in server.log


def test_sighup_opens_the_index_anew(start):
    server = start()
    server.process.send_signal(signal.SIGHUP)
    until(lambda: server.figures()['losslayer_reloads{outcome="done"}'] == 1)
    assert title(server, "What is incoming?") == 'What is "incoming"?'


def test_a_stop_lets_running_requests_end(start):
    """Those that run and wait are answered; new connections are not taken."""
    server = start(slow=0.5, limits={"batch": 1})
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        running = [pool.submit(server.ask, {"question": "sid"}) for _ in range(3)]
        time.sleep(0.3)
        server.process.terminate()
        time.sleep(0.2)
        with pytest.raises(ConnectionError):
            server.request("GET", "/healthz")
        assert [one.result()[0] for one in running] == [200] * 3
    assert server.stop() == -signal.SIGTERM
    assert "Traceback" not in server.log


def test_ctrl_c_ends_it_in_silence(start):
    server = start()
    server.process.send_signal(signal.SIGINT)
    assert server.process.wait(10) == 0
    server.stop()
    assert "Traceback" not in server.log


def test_an_index_that_can_not_be_opened_is_the_callers_error(tmp_path):
    """Nothing is served then."""
    code = f'{{"port": 0, "table": "{tmp_path}/missing"}}'
    done = subprocess.run(
        [sys.executable, "-m", "tests.serve.server", code],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "FileNotFoundError" in done.stderr
    assert "running on" not in done.stderr
    assert len(faq.searcher()) > 0
