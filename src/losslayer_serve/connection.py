"""One connection of uvicorn, with an end to everything a slow client can do.

Uvicorn waits without end for the head of a request, and for a client that doesn't read its answer.
(The body's time is kept where the body is read.)
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

from losslayer_serve.limits import Limits


def _answer(status: str, message: str, *headers: str) -> bytes:
    body = f'{{"error": "{message}"}}'
    lines = [
        f"HTTP/1.1 {status}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        "Connection: close",
        *headers,
    ]
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()


BUSY = _answer("429 Too Many Requests", "Too many connections", "Retry-After: 1")
SLOW = _answer("408 Request Timeout", "The request took too long to arrive")


class Connection(H11Protocol):
    """Closed if a request's head, or the whole of it with its answer, takes too long."""

    def __init__(self, *args: Any, limits: Limits, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._limits = limits
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Refuse the connection if there are too many."""
        super().connection_made(transport)
        if len(self.connections) > self._limits.connections:
            self._end(BUSY)
        else:
            self._after(self._limits.read_seconds, self._head_is_due)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the timer."""
        if self._timer:
            self._timer.cancel()
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        """Begin to wait for the next request; of a closing connection, for the client to read."""
        self._after(self._limits.read_seconds, self._head_is_due)
        super().on_response_complete()

    def _head_is_due(self) -> None:
        if self.transport.is_closing():
            self.transport.abort()
        elif self.cycle is None or self.cycle.response_complete:
            self._end(SLOW)
        else:
            # The rest of the request and its answer, each of which has its own deadline, and as
            # long again for the client to read it.
            seconds = 2 * self._limits.read_seconds + self._limits.work_seconds
            self._after(seconds, self.transport.abort)

    def _end(self, answer: bytes) -> None:
        self.transport.write(answer)
        self.transport.close()
        self._after(self._limits.read_seconds, self.transport.abort)

    def _after(self, seconds: float, act: Any) -> None:
        if self._timer:
            self._timer.cancel()
        self._timer = self.loop.call_later(seconds, act)
