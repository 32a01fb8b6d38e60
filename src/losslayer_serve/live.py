"""The searcher in use, replaced whole when its files change."""

import asyncio
import logging
import signal
import threading
from collections.abc import Callable, Sequence
from os import PathLike
from pathlib import Path

from losslayer_serve.index.entries import Hit
from losslayer_serve.searcher import Searcher

log = logging.getLogger("uvicorn.error")  # the one that shows up

Opened = Searcher | Callable[[], Searcher]
Stamp = tuple[int, int, int] | None


class Live:
    """Holds the searcher; a batch is searched from begin to end with one and the same.

    If `searcher` is a function, it is called again, in a thread, when the file
    `watch` has changed, or at SIGHUP. If that fails, the old one stays, and it is
    tried again, after longer and longer waits.

    Args:
        searcher: The searcher, or a function that opens it.
        watch: A file that is written last when the index changes.
        seconds: How often that file is looked at.
    """

    longest_wait = 60.0

    def __init__(
        self,
        searcher: Opened,
        watch: str | PathLike[str] | None = None,
        seconds: float = 1.0,
    ) -> None:
        self.reloads = {"done": 0, "failed": 0}
        self._path = None if watch is None else Path(watch)
        self._seconds = seconds
        self._seen = self._stamp()  # before opening: a change meanwhile is seen later
        self._open = searcher if callable(searcher) else None
        self.searcher = searcher() if callable(searcher) else searcher
        self._asked = asyncio.Event()

    def ask(self, texts: Sequence[str], top: int) -> list[list[Hit]]:
        """The hits of each text."""
        return self.searcher.ask(texts, top)

    async def run(self) -> None:
        """Watch until cancelled."""
        if self._open is None:
            return
        wait = self._seconds
        loop = asyncio.get_running_loop()
        if hasattr(signal, "SIGHUP") and threading.current_thread() is threading.main_thread():
            loop.add_signal_handler(signal.SIGHUP, self._asked.set)
        while True:
            try:
                async with asyncio.timeout(wait):
                    await self._asked.wait()
            except TimeoutError:
                pass
            stamp = self._stamp()
            if not self._asked.is_set() and stamp in (self._seen, None):
                continue
            self._asked.clear()
            try:
                self.searcher = await asyncio.to_thread(self._open)
            except Exception as problem:
                self.reloads["failed"] += 1
                log.error("The index can't be reloaded, the old one stays: %s", problem)
                wait = min(2 * wait, self.longest_wait)
                self._seen = None
            else:
                self.reloads["done"] += 1
                log.info("Reloaded: %d entries", len(self.searcher))
                wait = self._seconds
                self._seen = stamp

    def _stamp(self) -> Stamp:
        """What changes when the file does; `None` without one, or while it is being replaced."""
        try:
            status = self._path.stat() if self._path else None
        except OSError:
            return None
        return (status.st_mtime_ns, status.st_size, status.st_ino) if status else None
