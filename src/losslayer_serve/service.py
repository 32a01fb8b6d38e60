"""The service: `POST /ask`, its figures and documents, and the page.

    run(searcher)                          # http://127.0.0.1:8000, for this machine only
    run(searcher, host="0.0.0.0", token="...")

One process, two threads that search (`worker.py`), one event loop for all else. Every request is
bounded in size and time before it costs anything (`limits.py`, `connection.py`), and checked as a
whole (`guard.py`, `question.py`).
"""

import asyncio
import contextlib
import functools
import ipaddress
from collections.abc import AsyncIterator, Callable
from importlib import metadata, resources
from os import PathLike
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from losslayer_serve.connection import Connection
from losslayer_serve.errors import ArgumentError, Busy, QuestionError
from losslayer_serve.guard import Guard
from losslayer_serve.limits import Limits
from losslayer_serve.live import Live, Opened
from losslayer_serve.metrics import Metrics
from losslayer_serve.openapi import document
from losslayer_serve.question import read
from losslayer_serve.worker import Worker

PAGE = {"/": "page.html", "/page.js": "page.js", "/page.css": "page.css"}
TYPES = {"html": "text/html", "js": "text/javascript", "css": "text/css"}
SHORTEST_TOKEN = 16


def run(
    searcher: Opened,
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    token: str | None = None,
    watch: str | PathLike[str] | None = None,
    limits: Limits | None = None,
) -> None:
    """Serve until SIGINT or SIGTERM; running requests are answered first.

    Args:
        searcher: What answers, or a function that opens it: the index can then be
            replaced while the service runs, see `watch`.
        host: Address to listen at; one that others can reach needs a token.
        port: Port; 0 takes a free one, the log on standard error says which.
        token: What clients must send as `Authorization: Bearer`; at least 16
            characters without spaces.
        watch: A file that is written last when the index changes; after that, and at
            SIGHUP, the searcher is opened anew and takes the old one's place.
        limits: Caps on what clients can make the service do.

    Raises:
        ArgumentError: If an argument breaks its rule.
    """
    if token is None and not _is_loopback(host):
        raise ArgumentError(
            "run: `token` must be given when others can reach the service. "
            f"Received: host={host!r}, token=None. Give a token, or listen at 127.0.0.1"
        )
    limits = limits or Limits()
    config = uvicorn.Config(
        application(searcher, token=token, watch=watch, limits=limits),
        host=host,
        port=port,
        http=functools.partial(Connection, limits=limits),  # type: ignore[arg-type]
        ws="none",
        lifespan="on",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=max(1, min(5, int(limits.read_seconds))),
        timeout_graceful_shutdown=int(2 * limits.read_seconds + limits.work_seconds) + 1,
    )
    with contextlib.suppress(KeyboardInterrupt):  # uvicorn has stopped by then
        uvicorn.Server(config).run()


def application(
    searcher: Opened,
    *,
    token: str | None = None,
    watch: str | PathLike[str] | None = None,
    limits: Limits | None = None,
) -> ASGIApp:
    """The ASGI application of `run`, for a server of your own; arguments as there.

    Slow heads of requests, slow readers and the number of connections are then that
    server's business.
    """
    if token is not None and not (
        len(token) >= SHORTEST_TOKEN
        and token.isascii()
        and token.isprintable()
        and " " not in token
    ):
        # Not shown: it would be in the log.
        raise ArgumentError(
            f"application: `token` must have {SHORTEST_TOKEN} or more visible ASCII characters. "
            f"Received: one of {len(token)} characters. "
            'Make one with: python -c "import secrets; print(secrets.token_urlsafe())"'
        )
    service = _Service(searcher, token, watch, limits or Limits())
    routes = [
        Route("/ask", service.ask, methods=["POST"]),
        Route("/healthz", service.healthz),
        Route("/metrics", service.metrics_text),
        Route("/openapi.json", service.openapi),
        *(Route(path, _file(name)) for path, name in PAGE.items()),
    ]
    handlers: Any = {HTTPException: _error, Exception: _failure}
    inner = Starlette(routes=routes, exception_handlers=handlers, lifespan=service.lifespan)
    inner.router.redirect_slashes = False
    return Guard(inner, token, service.metrics)


class _Service:
    """What the requests share."""

    def __init__(
        self,
        searcher: Opened,
        token: str | None,
        watch: str | PathLike[str] | None,
        limits: Limits,
    ) -> None:
        self.limits = limits
        self.metrics = Metrics()
        self.live = Live(searcher, watch)
        self.worker = Worker(
            self.live.ask, limits.batch, limits.waiting, observe=self.metrics.batches.observe
        )
        self.metrics.watch(self.worker, self.live)
        self.document = document(limits, metadata.version("losslayer"), token is not None)

    @contextlib.asynccontextmanager
    async def lifespan(self, app: Starlette) -> AsyncIterator[None]:
        """Run the worker and the watch beside the requests."""
        tasks = [asyncio.create_task(part.run()) for part in (self.worker, self.live)]
        yield
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def ask(self, request: Request) -> Response:
        """`POST /ask`."""
        if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
            # A page of another site can send other types without asking the browser first.
            raise HTTPException(415, "The body must be JSON: Content-Type: application/json")
        body = await self._body(request)
        try:
            asked = read(body, self.limits)
        except QuestionError as problem:
            raise HTTPException(400, str(problem)) from None
        try:
            async with asyncio.timeout(self.limits.work_seconds):
                found = await self.worker.ask(*asked)
        except Busy as problem:
            raise HTTPException(429, f"{problem}. Ask again", {"retry-after": "1"}) from None
        except TimeoutError:
            message = "The answer took too long. Ask again"
            raise HTTPException(503, message, {"retry-after": "5"}) from None
        results = []
        for text, hits in zip(asked.texts, found, strict=True):
            answered = any(hit.accepted for hit in hits)
            self.metrics.questions.labels(str(answered).lower()).inc()
            found_here = [hit._asdict() for hit in hits]
            results.append({"question": text, "answered": answered, "hits": found_here})
        return JSONResponse({"results": results})

    async def healthz(self, request: Request) -> Response:
        """`GET /healthz`."""
        searcher = self.live.searcher
        state = {"status": "ok", "entries": len(searcher), "fingerprint": searcher.fingerprint}
        return JSONResponse(state)

    async def metrics_text(self, request: Request) -> Response:
        """`GET /metrics`."""
        return Response(self.metrics.text(), media_type="text/plain; version=0.0.4")

    async def openapi(self, request: Request) -> Response:
        """`GET /openapi.json`."""
        return JSONResponse(self.document)

    async def _body(self, request: Request) -> bytes:
        """The body, within its size and time; else the connection is closed, the rest unread."""
        most = self.limits.body
        close = {"connection": "close"}
        body = bytearray()
        try:
            if int(request.headers.get("content-length", 0)) > most:
                raise HTTPException(413, f"The body must have at most {most} bytes", close)
            async with asyncio.timeout(self.limits.read_seconds):
                async for chunk in request.stream():
                    body += chunk
                    if len(body) > most:
                        raise HTTPException(413, f"The body must have at most {most} bytes", close)
        except TimeoutError:
            raise HTTPException(408, "The request took too long to arrive", close) from None
        except ClientDisconnect:
            raise HTTPException(400, "The request ended early", close) from None
        return bytes(body)


def _file(name: str) -> Callable[[Request], Any]:
    """Serves a file of the page."""
    content = (resources.files("losslayer_serve") / "page" / name).read_bytes()
    kind = TYPES[name.rpartition(".")[2]]

    async def serve(request: Request) -> Response:
        return Response(content, media_type=kind, headers={"cache-control": "no-cache"})

    return serve


async def _error(request: Request, problem: HTTPException) -> Response:
    return JSONResponse({"error": problem.detail}, problem.status_code, problem.headers)


async def _failure(request: Request, problem: Exception) -> Response:
    """For what nobody foresaw; the log has the rest."""
    return JSONResponse({"error": "The service failed at this. Its log says why"}, 500)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"
