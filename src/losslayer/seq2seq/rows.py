"""Pairs as token ids, and as batches."""

from typing import NamedTuple

from losslayer.seq2seq.pairs import Pairs
from losslayer.seq2seq.symbols import BEGIN, END, UNKNOWN
from losslayer.seq2seq.tokens import Tokens
from losslayer.text import TokenBatches
from losslayer.text.buckets import best_bounds

# Where no text is longer, bounds that are multiples of 8 would make a quarter of it padding.
_SHORT = 64


class Rows(NamedTuple):
    """Pairs as token ids.

    Attributes:
        sources: Ids of each source.
        targets: Ids of each target, from begin to end.
        kept: Which pairs they are: those that are not too long.
        report: How many were left out as too long, and how many tokens are unknown; or empty.
    """

    sources: list[list[int]]
    targets: list[list[int]]
    kept: list[int]
    report: str

    def batches(self, tokens: int, seed: int | None = None) -> TokenBatches:
        """Batches of about equal numbers of tokens, in few shapes.

        Args:
            tokens: Most tokens of a batch, padding included, in sources and in targets.
            seed: Fixes the order; without it that of the rows.
        """
        columns = {"source": self.sources, "target": self.targets}
        lengths = [max(map(len, row)) for row in zip(self.sources, self.targets)]
        bounds = best_bounds(lengths)
        if bounds[-1] <= _SHORT:
            bounds = best_bounds(lengths, count=len(bounds), multiple=2)
        room = max(tokens, bounds[-1])  # one row must fit
        return TokenBatches(
            columns, room, bounds=bounds, texts=("source", "target"), lengths=lengths, seed=seed
        )


def rows(pairs: Pairs, source: Tokens, target: Tokens, longest: int) -> Rows:
    """Token ids of pairs; those with a text of more than `longest` tokens are left out."""
    sources, targets = source(pairs.sources), target(pairs.targets)
    kept = [
        row
        for row, (left, right) in enumerate(zip(sources, targets))
        if len(left) <= longest and len(right) <= longest
    ]
    said = []
    if len(kept) < len(pairs):
        most = max(map(len, [*sources, *targets]))
        said.append(
            f"{len(pairs) - len(kept):,} of {len(pairs):,} pairs left out because a text has more "
            f"than {longest} tokens (the longest has {most:,})"
        )
    sources, targets = [sources[row] for row in kept], [targets[row] for row in kept]
    for name, texts in (("source", sources), ("target", targets)):
        unknown, all_of_them = sum(map(_unknown, texts)), sum(map(len, texts))
        if unknown:
            said.append(f"{unknown:,} of {all_of_them:,} {name} tokens are unknown")
    whole = [[BEGIN, *ids, END] for ids in targets]
    report = f"{pairs.origin}: {'; '.join(said)}" if said else ""
    return Rows(sources, whole, kept, report)


def _unknown(ids: list[int]) -> int:
    return ids.count(UNKNOWN)
