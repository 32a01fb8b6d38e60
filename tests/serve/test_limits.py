"""What happens at each limit: too much, too many, too slow. The service goes on in all cases."""

import concurrent.futures
import contextlib
import socket
import time

import pytest

QUESTION = {"question": "What is incoming?"}


@contextlib.contextmanager
def connection(server, *parts):
    """A socket to the server, with something sent."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=15) as client:
        for part in parts:
            client.sendall(part)
        yield client


def head(*lines):
    """The head of a request to ask something."""
    lines = ["POST /ask HTTP/1.1", "Host: localhost", "Content-Type: application/json", *lines]
    return "\r\n".join([*lines, "", ""]).encode()


def received(client):
    """All that the server sends before it closes the connection."""
    answer = b""
    with contextlib.suppress(ConnectionResetError):
        while part := client.recv(65536):
            answer += part
    return answer


def all_at_once(server, count, body=QUESTION):
    """Status codes of so many requests, and the seconds of each."""

    def one(_):
        started = time.perf_counter()
        status, headers, _ = server.request("POST", "/ask", body)
        return status, headers.get("retry-after"), time.perf_counter() - started

    with concurrent.futures.ThreadPoolExecutor(count) as pool:
        return list(pool.map(one, range(count)))


def test_a_huge_body_is_refused_before_it_is_sent(server):
    """The length in the head is enough; 400 MB aren't waited for."""
    with connection(server, head(f"Content-Length: {400 * 2**20}")) as client:
        started = time.perf_counter()
        answer = received(client)
    assert answer.startswith(b"HTTP/1.1 413")
    assert b"at most 131072 bytes" in answer
    assert time.perf_counter() - started < 2


@pytest.mark.parametrize("stated", [True, False], ids=["with its length", "in chunks"])
def test_a_huge_body_that_is_sent_all_the_same_is_not_held(server, stated):
    """The connection ends early, and the memory stays where it was."""
    server.ask(QUESTION)
    before = server.memory()
    lines = f"Content-Length: {400 * 2**20}" if stated else "Transfer-Encoding: chunked"
    block = b" " * 2**20
    part = block if stated else b"100000\r\n" + block + b"\r\n"
    sent = 0
    with connection(server, head(lines)) as client, contextlib.suppress(ConnectionError):
        for _ in range(400):
            client.sendall(part)
            sent += 1
    assert sent < 20
    assert server.memory() - before < 10 * 2**20
    assert server.ask(QUESTION)[0] == 200


def test_a_client_may_ask_whether_to_send(server):
    """`Expect: 100-continue`: yes for what is small, no for what is large."""
    with connection(server, head("Content-Length: 17", "Expect: 100-continue")) as client:
        assert client.recv(100).startswith(b"HTTP/1.1 100")
        client.sendall(b'{"question": "a"}')
        assert client.recv(100).startswith(b"HTTP/1.1 200")
    with connection(server, head("Content-Length: 999999", "Expect: 100-continue")) as client:
        assert client.recv(100).startswith(b"HTTP/1.1 413")


def test_slow_senders_are_cut_off(start):
    """In the head or in the body, silent or byte by byte; others are served meanwhile."""
    server = start(limits={"read_seconds": 0.6})
    whole = head("Content-Length: 17") + b'{"question": "a"}'
    begun = {"nothing": 0, "half a head": 30, "half a body": len(whole) - 5}
    started = time.perf_counter()
    with contextlib.ExitStack() as stack:
        clients = {
            name: stack.enter_context(connection(server, whole[:sent]))
            for name, sent in begun.items()
        }
        dripping = stack.enter_context(connection(server))
        with contextlib.suppress(ConnectionError):
            for at in range(len(whole)):
                dripping.sendall(whole[at : at + 1])
                time.sleep(0.05)
                if at == 5:
                    assert server.ask(QUESTION)[0] == 200
                if time.perf_counter() - started > 2:
                    break
        answers = {name: received(client) for name, client in clients.items()}
        assert received(dripping).startswith((b"HTTP/1.1 408", b""))
    for name, answer in answers.items():
        assert answer.startswith(b"HTTP/1.1 408"), name
        assert b"took too long to arrive" in answer
    assert time.perf_counter() - started < 5
    assert server.ask(QUESTION)[0] == 200


@pytest.mark.slow
def test_a_client_that_reads_nothing_is_cut_off(start):
    """Its connection ends though it sent whole requests, and the memory stays bounded."""
    server = start(limits={"read_seconds": 0.5, "work_seconds": 0.5})
    whole = head("Content-Length: 28") + b'{"question": "a", "top": 20}'
    with contextlib.closing(socket.socket()) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(("127.0.0.1", server.port))
        client.settimeout(5)
        started = time.perf_counter()
        with contextlib.suppress(ConnectionError):
            while time.perf_counter() - started < 10:
                client.sendall(whole * 100)
        assert time.perf_counter() - started < 5
    assert server.ask(QUESTION)[0] == 200
    assert server.memory() < 200 * 2**20


def test_too_many_connections_are_refused(start):
    """And there is room again when they are gone."""
    server = start(limits={"connections": 4})
    with contextlib.ExitStack() as stack:
        for _ in range(4):
            stack.enter_context(connection(server, b"GET"))
        with connection(server) as fifth:
            answer = received(fifth)
    assert answer.startswith(b"HTTP/1.1 429")
    assert b"Retry-After: 1" in answer
    time.sleep(0.2)
    assert server.ask(QUESTION)[0] == 200


def test_an_overload_is_refused_at_once_and_passes(start):
    """64 at once, slow batches: some are answered, the others refused; then all is well."""
    server = start(slow=0.3, limits={"batch": 4, "waiting": 8})
    answers = all_at_once(server, 64)
    statuses = [status for status, _, _ in answers]
    assert set(statuses) == {200, 429}
    assert statuses.count(200) >= 8
    assert {again for status, again, _ in answers if status == 429} == {"1"}
    assert server.figures()["losslayer_waiting_questions"] == 0
    assert all_at_once(server, 4)[0][0] == 200


def test_waiting_questions_are_searched_for_together(start):
    """Nine questions behind a slow one take two batches, not nine."""
    server = start(slow=0.3, limits={"batch": 16})
    started = time.perf_counter()
    assert {status for status, _, _ in all_at_once(server, 10)} == {200}
    assert time.perf_counter() - started < 5 * 0.3
    assert server.figures()["losslayer_batch_questions_sum"] == 10


def test_slow_work_ends_with_503(start):
    """Those that waited leave the queue; it isn't searched for them later."""
    server = start(slow=1.0, limits={"work_seconds": 0.3, "batch": 1})
    answers = all_at_once(server, 5)
    assert [status for status, _, _ in answers] == [503] * 5
    assert {again for _, again, _ in answers} == {"5"}
    assert max(seconds for _, _, seconds in answers) < 0.9
    figures = server.figures()
    assert figures["losslayer_waiting_questions"] == 0
    time.sleep(1)
    assert server.figures()["losslayer_batch_questions_sum"] == 2  # one in each thread


def test_who_leaves_early_harms_nobody(server):
    """Clients that close in the head, in the body, or before the answer."""
    whole = head("Content-Length: 17") + b'{"question": "a"}'
    for sent in (1, 60, len(whole) - 3, len(whole)):
        with connection(server, whole[:sent]):
            pass
    assert server.ask(QUESTION)[0] == 200


@pytest.mark.parametrize(
    "sent",
    [
        b"\x00\xff\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST /ask HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        b"POST /ask HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: \xff\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nX: " + b"x" * 100_000,
    ],
)
def test_what_is_no_request_gets_400(server, sent):
    with connection(server, sent) as client:
        client.shutdown(socket.SHUT_WR)
        assert received(client).startswith(b"HTTP/1.1 400")


def test_paths_of_all_kinds_are_just_not_found(server):
    for path in ("/%ff%fe", "/..%2f..%2fetc/passwd", "/ask/", "//ask", "/page/page.js", "/%00"):
        assert server.request("GET", path)[0] == 404
