"""A saved matcher searched as the service does it: by meaning and words, with "no answer".

open_index(path)   the question encoder and the index of a matcher
tune(...)          weight of the words and threshold, chosen on a development split
evaluate(...)      how often the right entry is found, and how sure the answers are
"""

from collections.abc import Sequence
from os import PathLike

import numpy as np

from losslayer.faq import store
from losslayer.faq.entries import Entry, Examples
from losslayer.faq.matcher import Matcher
from losslayer.faq.ranking import measures
from losslayer_serve.index import Index, Ranking, choose_ranking
from losslayer_serve.searcher import Searcher

# Hits among which `evaluate` looks for the right entry.
DEPTH = 100


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


def entries_of(index: Index) -> list[Entry]:
    """The entries of an index, to read questions with."""
    return [Entry(entry.id, entry.title, entry.answer) for entry in index.entries]


def tune(
    encoder: QuestionEncoder, index: Index, examples: Examples, precision: float
) -> tuple[Ranking, dict[float, float]]:
    """Choose how hits are scored and accepted, and store it with the index.

    Args:
        encoder: With the index, what `open_index` returned.
        index: It is changed.
        examples: Questions of a development split: not those of the training, nor those to
            measure with.
        precision: Share of the accepted answers that is to be right, in (0, 1].

    Returns:
        The ranking, and the mean reciprocal rank for each weight of the cosine.
    """
    ids = [examples.entries[place].id for place in examples.right]
    vectors = encoder(examples.questions)
    ranking, mrr = choose_ranking(index, examples.questions, vectors, ids, precision)
    index.set_ranking(ranking)
    return ranking, mrr


def evaluate(encoder: QuestionEncoder, index: Index, examples: Examples) -> dict[str, float]:
    """Measures of the hits.

    Returns:
        accuracy@1, recall@5 and mrr, where an entry beyond the first 100 hits counts 0; `accepted`,
        the share of questions whose first hit is accepted, and the `precision` of these hits, 0 if
        there are none.
    """
    found = Searcher(encoder, index).ask(examples.questions, DEPTH)
    ranks, accepted = [], []
    for hits, place in zip(found, examples.right, strict=True):
        ids = [hit.id for hit in hits]
        right = examples.entries[place].id
        ranks.append(1 + ids.index(right) if right in ids else np.inf)
        accepted.append(hits[0].accepted)
    correct = np.array(ranks) == 1
    return {
        **measures(np.array(ranks)),
        "accepted": float(np.mean(accepted)),
        "precision": float(np.mean(correct[accepted])) if any(accepted) else 0.0,
    }
