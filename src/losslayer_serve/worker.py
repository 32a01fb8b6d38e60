"""Threads that search; the questions that wait meanwhile are searched for together.

A search that compares with all reads every vector: 50,000 entries of 256 values are 50 MB from
memory. Reading them for sixteen questions at once costs two to three times as much as for one, not
sixteen times, so a service that is busy gets faster by taking what waits as one batch.

While one batch is in the encoder or the graph of neighbours, which need no Python, a second thread
has the next one, and the event loop the answers of the last; more than two would wait for Python.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import accumulate
from typing import NamedTuple

from losslayer_serve.errors import Busy, ServeError
from losslayer_serve.index.entries import Hit

Found = list[list[Hit]]
LONGEST_PAUSE = 0.005


class _Job(NamedTuple):
    texts: list[str]
    top: int
    found: asyncio.Future[Found]


class Worker:
    """Runs `ask` for many who wait, in threads, in batches.

    Args:
        ask: Texts and a number of hits to the hits of each text.
        batch: Most questions in one call; a single request may have more.
        waiting: From so many waiting questions on, further ones are refused.
        threads: Calls at the same time.
        observe: Called with the number of questions of each batch.
    """

    def __init__(
        self,
        ask: Callable[[Sequence[str], int], Found],
        batch: int,
        waiting: int,
        threads: int = 2,
        observe: Callable[[int], None] = lambda questions: None,
    ) -> None:
        self._ask = ask
        self._batch = batch
        self._most = waiting
        self._threads = threads
        self._observe = observe
        self._jobs: deque[_Job] = deque()
        self._arrived = asyncio.Event()

    @property
    def waiting(self) -> int:
        """Questions that wait."""
        return sum(len(job.texts) for job in self._jobs)

    async def ask(self, texts: list[str], top: int) -> Found:
        """The hits of each text. A caller that is cancelled leaves the queue.

        Raises:
            Busy: If too many questions wait already.
        """
        if self.waiting >= self._most:
            raise Busy(f"{self.waiting} questions wait already")
        job = _Job(texts, top, asyncio.get_running_loop().create_future())
        self._jobs.append(job)
        self._arrived.set()
        try:
            return await job.found
        finally:
            if job in self._jobs:
                self._jobs.remove(job)

    async def run(self) -> None:
        """Search until cancelled."""
        with ThreadPoolExecutor(self._threads, "search") as threads:
            async with asyncio.TaskGroup() as group:
                for _ in range(self._threads):
                    group.create_task(self._answer(threads))

    async def _answer(self, threads: ThreadPoolExecutor) -> None:
        """Take what waits, search, hand out what is found; again and again."""
        loop = asyncio.get_running_loop()
        while True:
            await self._arrived.wait()
            jobs = self._take()
            if not jobs:
                self._arrived.clear()
                continue
            self._observe(sum(len(job.texts) for job in jobs))
            started = loop.time()
            results = await loop.run_in_executor(threads, self._search, jobs)
            took = loop.time() - started
            for job, found in zip(jobs, results, strict=True):
                if job.found.done():  # nobody waits any more
                    continue
                if isinstance(found, Exception):
                    job.found.set_exception(found)
                else:
                    job.found.set_result(found)
            if 0 < self.waiting < self._batch:
                # Who got an answer may ask again at once, and can still join the batch.
                await asyncio.sleep(min(took / 10, LONGEST_PAUSE))

    def _take(self) -> list[_Job]:
        """The next jobs, in order, that want the same number of hits.

        What a question gets must not depend on who asks beside it, and an index
        may find other hits when more are asked for.
        """
        jobs: list[_Job] = []
        room = self._batch
        while self._jobs and (not jobs or self._jobs[0].top == jobs[0].top):
            room -= len(self._jobs[0].texts)
            if jobs and room < 0:
                break
            jobs.append(self._jobs.popleft())
        return jobs

    def _search(self, jobs: list[_Job]) -> list[Found | Exception]:
        """Hits of each job; one that fails doesn't take the others along."""
        texts = [text for job in jobs for text in job.texts]
        try:
            found = self._ask(texts, jobs[0].top)
            if len(found) != len(texts):
                raise ServeError(f"{len(texts)} texts were asked, {len(found)} were answered")
            ends = list(accumulate(len(job.texts) for job in jobs))
            return [found[end - len(job.texts) : end] for job, end in zip(jobs, ends, strict=True)]
        except Exception as problem:
            if len(jobs) == 1:
                return [problem]
            return [result for job in jobs for result in self._search([job])]
