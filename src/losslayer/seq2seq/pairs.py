"""Pairs of texts: from a table, from two files with a line each, or from lists."""

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path

import losslayer as ll
from losslayer.seq2seq.lines import parallel_lines
from losslayer.seq2seq.tokens import normal
from losslayer.text import Problem, TableError, read_table

Place = str | PathLike[str]


@dataclass(frozen=True)
class Pairs:
    """Sources, and the target of each; made by `read_pairs` or `pairs`.

    Attributes:
        sources: Texts, in NFC and with single spaces.
        targets: As many.
        left_out: The rows that were left out, and why.
        origin: Where they came from.
    """

    sources: list[str]
    targets: list[str]
    left_out: list[Problem] = field(default_factory=list)
    origin: str = "the pairs"

    def __len__(self) -> int:
        return len(self.sources)

    def digest(self) -> str:
        """A text that other pairs would make another."""
        return hashlib.sha256(json.dumps([self.sources, self.targets]).encode()).hexdigest()

    def report(self) -> str:
        """How many there are, and how many were left out for which reason."""
        text = f"{self.origin}: {len(self):,} pairs"
        if not self.left_out:
            return text
        reasons = Counter(problem.problem for problem in self.left_out)
        first = {problem.problem: problem for problem in reversed(self.left_out)}
        shown = [
            f"{count:,} because {reason} (first at {first[reason].path}:{first[reason].line})"
            for reason, count in reasons.most_common(5)
        ]
        rest = sum(reasons.values()) - sum(count for _, count in reasons.most_common(5))
        listed = "; ".join([*shown, *([f"{rest:,} for other reasons"] if rest else [])])
        return f"{text}; {len(self.left_out):,} left out: {listed}"


def pairs(sources: Sequence[str], targets: Sequence[str]) -> Pairs:
    """Pair texts in the order of two lists.

    Raises:
        losslayer.ArgumentError: If the lists are not of one length, or have no texts.
    """
    if isinstance(sources, str) or isinstance(targets, str):
        raise ll.ArgumentError("pairs: `sources` and `targets` must be lists. Received: a text.")
    if len(sources) != len(targets) or not len(sources):
        raise ll.ArgumentError(
            "pairs: `sources` and `targets` must have one length, at least 1. "
            f"Received: {len(sources)} sources, {len(targets)} targets."
        )
    return Pairs([normal(text) for text in sources], [normal(text) for text in targets])


def read_pairs(
    paths: Place | Sequence[Place],
    source: str = "source",
    target: str = "target",
    header: bool = True,
    drop: bool = False,
) -> Pairs:
    """Read pairs from a table with two columns, or from two files with a text in each line.

    Args:
        paths: A table, as `losslayer.text.read_table` takes it; or two files, UTF-8, plain or
            named `.gz`, in which the lines of one number belong together.
        source: Name of the table's column with the sources.
        target: Name of the column with the targets.
        header: Whether the first line of a CSV or TSV names its columns. Otherwise there are two,
            the sources first.
        drop: Leave out rows that can't be used (an empty one, a line of more than 131,072
            characters) and list them in `left_out`; otherwise the first is an error.

    Raises:
        losslayer.text.TableError: With file and line, if a file can't be read, two files have not
            as many lines, or no pair is left.
    """
    paths = [paths] if isinstance(paths, (str, PathLike)) else list(paths)
    if len(paths) == 2:
        return _of_lines(Path(paths[0]), Path(paths[1]), drop)
    if len(paths) != 1:
        raise ll.ArgumentError(
            "read_pairs: `paths` must be one table, or a file of sources and one of targets. "
            f"Received: paths={[str(path) for path in paths]!r}."
        )
    names = None if header else [source, target]
    try:
        table = read_table(paths[0], [source, target], names=names, drop=drop)
    except TableError as problem:
        if header and "no column" in str(problem):
            raise TableError(
                f"{problem}. Name your columns by `source` and `target`; or, if the first line is "
                "a pair already, say `header = false`"
            ) from None
        raise
    found = pairs(table[source], table[target])
    return Pairs(found.sources, found.targets, table.dropped, str(paths[0]))


def _of_lines(source: Path, target: Path, drop: bool) -> Pairs:
    sources, targets, left_out = [], [], []
    for left, right, problem in parallel_lines(source, target):
        if problem is None:
            sources.append(normal(left))
            targets.append(normal(right))
            continue
        if not drop:
            raise TableError(str(problem))
        left_out.append(problem)
    if not sources:
        why = left_out[0] if left_out else f"{source}: no lines to read"
        raise TableError(f"{why} (and no other pair can be used)" if left_out else str(why))
    return Pairs(sources, targets, left_out, f"{source} and {target}")
