"""What holds for every request before its path matters: who may ask, and the headers of answers."""

import hmac
import time

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from losslayer_serve.metrics import Metrics

# The page runs its own script only, puts no text into the document as HTML, and is in no frame.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "cache-control": "no-store",
}
# The page must be seen before its user can give the token; health is for load balancers.
OPEN = {"/", "/page.js", "/page.css", "/healthz"}
PATHS = OPEN | {"/ask", "/metrics", "/openapi.json"}
LOOPBACK_NAMES = {"localhost", "127.0.0.1", "[::1]"}


class Guard:
    """Around the whole application, so that its headers are on errors too.

    Args:
        app: The application.
        token: What `Authorization: Bearer` must hold; `None` lets everybody ask who
            asks a loopback name. (Another name there is a page of another site that
            had its own name point here.)
        metrics: Where requests are counted.
    """

    def __init__(self, app: ASGIApp, token: str | None, metrics: Metrics) -> None:
        self.app = app
        self._token = None if token is None else token.encode()
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started, status = time.perf_counter(), 500

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            await (self._refusal(scope) or self.app)(scope, receive, send_with_headers)
        finally:
            path = scope["path"] if scope["path"] in PATHS else "other"
            self._metrics.requests.labels(path, status).inc()
            self._metrics.seconds.labels(path).observe(time.perf_counter() - started)

    def _refusal(self, scope: Scope) -> JSONResponse | None:
        headers = Headers(scope=scope)
        if self._token is None:
            host = headers.get("host", "")
            if host.rpartition(":")[0] in LOOPBACK_NAMES or host in LOOPBACK_NAMES:
                return None
            message = "Without a token only localhost is answered. Start the service with one"
            return JSONResponse({"error": message}, 400)
        kind, _, given = headers.get("authorization", "").partition(" ")
        right = hmac.compare_digest(given.strip().encode(), self._token)
        if scope["path"] in OPEN or (right and kind.lower() == "bearer"):
            return None
        message = "The token is missing or wrong. Send it as `Authorization: Bearer TOKEN`"
        return JSONResponse({"error": message}, 401, {"www-authenticate": "Bearer"})
