"""What a search finds for questions whose answer is known: a `Result` each, as a file too."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from losslayer.faq.asked import Asked
from losslayer.faq.ranking import per_question
from losslayer.text import TableError
from losslayer_serve.searcher import Searcher

# Hits among which the right entry is looked for, hits that are kept, questions asked at once.
DEPTH = 100
KEPT = 5
CHUNK = 1000


@dataclass(frozen=True)
class Found:
    """A hit as it is kept with a result."""

    id: str
    title: str
    score: float


@dataclass(frozen=True)
class Result:
    """What was found for a question.

    Attributes:
        question: The text.
        entry: The id of the right entry; None where no entry answers.
        group: What the question belongs to, or empty.
        language: Its language, or empty.
        line: Where its row begins in the table.
        rank: Of the right entry among the first 100 hits, 1 for the first; None if it isn't there.
        accepted: Whether the first hit is sure enough.
        hits: The first five.
    """

    question: str
    entry: str | None
    group: str
    language: str
    line: int
    rank: int | None
    accepted: bool
    hits: list[Found]

    @property
    def right(self) -> bool:
        """Whether the first hit is the right entry."""
        return self.rank == 1

    @property
    def score(self) -> float:
        """Of the first hit; 0 where there is none."""
        return self.hits[0].score if self.hits else 0.0


def evaluate(
    searcher: Searcher, asked: Sequence[Asked], report: Callable[[str], None] = lambda line: None
) -> list[Result]:
    """Ask questions and look where the right entry is among the hits.

    Args:
        searcher: What answers, as `losslayer.faq.open_searcher` returns it.
        asked: The questions.
        report: Called with lines of text about the progress.
    """
    results: list[Result] = []
    for start in range(0, len(asked), CHUNK):
        some = asked[start : start + CHUNK]
        for one, hits in zip(some, searcher.ask([one.question for one in some], DEPTH)):
            ids = [hit.id for hit in hits]
            rank = 1 + ids.index(one.entry) if one.entry in ids else None
            kept = [Found(hit.id, hit.title, hit.score) for hit in hits[:KEPT]]
            accepted = bool(hits) and hits[0].accepted
            results.append(Result(**one._asdict(), rank=rank, accepted=accepted, hits=kept))
        report(f"{len(results):,} of {len(asked):,} questions asked")
    return results


def values(results: Sequence[Result]) -> dict[str, np.ndarray]:
    """`per_question` of the questions that an entry answers; 0 where it wasn't found."""
    ranks = [one.rank or np.inf for one in results if one.entry is not None]
    return per_question(np.array(ranks, "float64"))


def results_text(results: Sequence[Result]) -> str:
    """One JSON object a line."""
    return "".join(json.dumps(asdict(one), ensure_ascii=False) + "\n" for one in results)


def read_results(path: str | PathLike[str]) -> list[Result]:
    """Read what `results_text` made.

    Raises:
        TableError: With the line, if the file is no such one.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as problem:
        raise TableError(f"{path}: can't be read ({problem})") from None
    results = []
    for number, line in enumerate(lines, 1):
        try:
            results.append(_result(json.loads(line)))
        except (ValueError, TypeError, KeyError) as problem:
            raise TableError(
                f"{path}:{number}: not what `evaluate --out` writes ({problem!r:.80}). "
                "Give such a file, or the folder of a model"
            ) from None
    if not results:
        raise TableError(f"{path}: no results to read")
    return results


def _result(read: dict[str, Any]) -> Result:
    rank = read["rank"]
    if rank is not None and (type(rank) is not int or rank < 1):
        raise ValueError(f"rank {rank!r}")
    return Result(**{**read, "hits": [Found(**hit) for hit in read["hits"]]})
