"""A real server in a process of its own, and plain clients for it."""

import contextlib
import http.client
import json
import os
import pathlib
import re
import subprocess
import sys
import threading

import pytest

ROOT = pathlib.Path(__file__).parents[2]


class Server:
    """A running server; `port` and `process` are its."""

    def __init__(self, **arguments):
        code = ["-m", "tests.serve.server", json.dumps({"port": 0, **arguments})]
        path = os.pathsep.join([str(ROOT / "src"), str(ROOT)])
        self.process = subprocess.Popen(
            [sys.executable, *code],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1"},
            stderr=subprocess.PIPE,
            text=True,
        )
        self.log = ""
        for line in self.process.stderr:
            self.log += line
            if found := re.search(r"running on http://[^:]+:(\d+)", line):
                self.port = int(found[1])
                break
        else:
            raise RuntimeError(self.log)
        self.url = f"http://127.0.0.1:{self.port}"
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self):
        for line in self.process.stderr:
            self.log += line

    def request(self, method, path, body=None, **headers):
        """Status, headers and body of the answer, the body parsed if it is JSON."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        with contextlib.closing(connection):
            if body is not None and not isinstance(body, bytes):
                body = json.dumps(body).encode()
            headers.setdefault("content_type", "application/json")
            headers = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            content = answer.read()
            if answer.headers.get_content_type() == "application/json":
                content = json.loads(content)
            return answer.status, answer.headers, content

    def ask(self, body, **headers):
        """Status and parsed answer of `POST /ask`."""
        status, _, content = self.request("POST", "/ask", body, **headers)
        return status, content

    def figures(self, **headers):
        """The figures of `/metrics`, by name and labels."""
        _, _, text = self.request("GET", "/metrics", **headers)
        lines = [line for line in text.decode().splitlines() if not line.startswith("#")]
        return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}

    def memory(self):
        """Resident memory, bytes."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return 1024 * int(re.search(r"VmRSS:\s+(\d+)", status)[1])

    def stop(self, seconds=20):
        """SIGTERM, then the exit code."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            return self.process.wait(seconds)
        finally:
            self.process.kill()
            self._reader.join()
            self.process.stderr.close()


@pytest.fixture
def start():
    """Starts servers; each is stopped at the end of the test."""
    with contextlib.ExitStack() as stack:

        def started(**arguments):
            server = Server(**arguments)
            stack.callback(server.stop)
            return server

        yield started


@pytest.fixture(scope="session")
def server():
    """One server with the defaults, for tests that leave it as it was."""
    running = Server()
    yield running
    assert "Traceback" not in running.log, running.log
    running.stop()
