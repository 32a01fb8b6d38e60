"""A saved matcher searched as the service does it: by meaning and words, with "no answer"."""

from collections.abc import Sequence
from os import PathLike

import numpy as np

from losslayer.faq import store
from losslayer.faq.asked import Asked
from losslayer.faq.matcher import Matcher
from losslayer_serve.index import Index, Ranking, choose_ranking
from losslayer_serve.searcher import Searcher


class QuestionEncoder:
    """The question encoder of a matcher, as `losslayer_serve` calls encoders."""

    def __init__(self, matcher: Matcher, fingerprint: str) -> None:
        self.fingerprint = fingerprint
        self._matcher = matcher

    def __call__(self, texts: Sequence[str]) -> np.ndarray:
        """Unit vectors, float32 `(batch, dim)`."""
        return self._matcher.encode(texts)


def open_index(path: str | PathLike[str]) -> tuple[QuestionEncoder, Index]:
    """What the matcher that is saved at `path` searches with.

    Raises:
        FolderError: If no matcher is saved there, or a part of it is damaged.
        losslayer_serve.index.SearchIndexError: If it is the index that is.
    """
    parts, index = store.load(path)  # refuses an index of another model
    index.prepare()
    return QuestionEncoder(Matcher(**parts), index.fingerprint), index


def open_searcher(path: str | PathLike[str]) -> Searcher:
    """The matcher that is saved at `path`, to be asked as the service is.

    With the weight of the words and the threshold that `losslayer faq tune` chose:

        >>> searcher = open_searcher("runs/faq")
        >>> [hits] = searcher.ask(["where is my card?"], 3)
        >>> [(hit.id, hit.score, hit.accepted) for hit in hits]

    Raises:
        FolderError: If no matcher is saved there, or a part of it is damaged.
        losslayer_serve.index.SearchIndexError: If it is the index that is.
    """
    return Searcher(*open_index(path))


def tune(
    encoder: QuestionEncoder, index: Index, asked: Sequence[Asked], precision: float
) -> tuple[Ranking, dict[float, float]]:
    """Choose how hits are scored and accepted, and store it with the index.

    Args:
        encoder: With the index, what `open_index` returned.
        index: It is changed.
        asked: Questions of a development split: not those of the training, nor those to
            measure with. Those that no entry answers count for the threshold.
        precision: Share of the accepted answers that is to be right, in (0, 1].

    Returns:
        The ranking, and the mean reciprocal rank for each weight of the cosine.
    """
    questions = [one.question for one in asked]
    ids = [one.entry for one in asked]
    ranking, mrr = choose_ranking(index, questions, encoder(questions), ids, precision)
    index.set_ranking(ranking)
    return ranking, mrr
