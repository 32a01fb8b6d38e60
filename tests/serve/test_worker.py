"""Questions that wait, taken together."""

import asyncio
import threading

import numpy as np
import pytest

from losslayer_serve.errors import ServeError
from losslayer_serve.searcher import Searcher
from losslayer_serve.worker import Worker
from tests.serve import faq


def test_only_the_same_number_of_hits_is_searched_for_together():
    """In order, at most a batch at once; a larger request goes alone, each gets its own hits."""
    calls = []

    def ask(texts, top):
        calls.append((list(texts), top))
        return [[f"{text}{top}"] for text in texts]

    async def main():
        worker = Worker(ask, batch=3, waiting=100, threads=1)
        asked = [(["a"], 1), (["b", "c"], 1), (["d"], 1), (["e"], 2), (["f"], 1), (list("ghij"), 1)]
        found = [asyncio.create_task(worker.ask(*each)) for each in asked]
        await asyncio.sleep(0)
        running = asyncio.create_task(worker.run())
        answers = await asyncio.gather(*found)
        running.cancel()
        assert answers == [[[f"{text}{top}"] for text in texts] for texts, top in asked]

    asyncio.run(main())
    assert calls == [(list("abc"), 1), (["d"], 1), (["e"], 2), (["f"], 1), (list("ghij"), 1)]


def test_two_searches_at_a_time():
    """Each of the first two waits for the other; a third begins when one has ended."""
    both, running, most = threading.Barrier(2, timeout=30), [], []

    def ask(texts, top):
        running.append(texts)
        if top < 3:
            both.wait()
        most.append(len(running))
        running.remove(texts)
        return [[] for _ in texts]

    async def main():
        worker = Worker(ask, batch=3, waiting=100, threads=2)
        task = asyncio.create_task(worker.run())
        await asyncio.gather(*(worker.ask([f"{top}"], top) for top in (1, 2, 3)))
        task.cancel()

    asyncio.run(main())
    assert len(most) == 3
    assert max(most) == 2


def test_too_few_results_are_an_error():
    async def main():
        worker = Worker(lambda texts, top: [], batch=3, waiting=100)
        running = asyncio.create_task(worker.run())
        with pytest.raises(ServeError, match="1 texts were asked, 0 were answered"):
            await worker.ask(["a"], 1)
        running.cancel()

    asyncio.run(main())


def test_vectors_and_scores_are_numbers():
    """Even where an index doesn't look at the vectors, or the encoder is right."""
    encoder, index = faq.HashedWords(), faq.searcher().index
    right = Searcher(encoder, index)
    assert right.ask(["sid"], 1)[0][0].title
    nan = type("Nan", (), {"fingerprint": index.fingerprint})
    nan.__call__ = lambda self, texts: np.full((len(texts), faq.DIM), np.nan, "float32")
    index.search, search = lambda texts, vectors, top: [[] for _ in texts], index.search
    with pytest.raises(ServeError, match="a vector with NaN"):
        Searcher(nan(), index).ask(["sid"], 1)
    index.search = lambda texts, vectors, top: search(texts, vectors * np.inf, top)
    with pytest.raises(ServeError, match="a score that is NaN"), np.errstate(invalid="ignore"):
        right.ask(["sid"], 1)
