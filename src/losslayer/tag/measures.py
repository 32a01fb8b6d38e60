"""How well tags agree with the true ones, as CoNLL's script and seqeval count."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from losslayer.tag.scheme import NONE
from losslayer.tag.sentences import Chunk, chunks


def measures(
    true: Sequence[Sequence[str]], found: Sequence[Sequence[str]], scheme: str
) -> dict[str, Any]:
    """Precision, recall and F1 of chunks, over all and for each type.

        precision = right / found,  recall = right / true,  F1 = 2 * right / (found + true)

    Right is a chunk with both ends and its type; each is 0 where nothing is counted. `macro` is
    the mean over the types, and `accuracy` the share of tokens with the right tag. With the scheme
    "none" each tag is a chunk by itself.

    Args:
        true: The tags of each sentence.
        found: Those that were predicted.
        scheme: Of the tags.

    Returns:
        Numbers by name, with those of each type under `types`.

    Example:
        >>> found = measures([["B-NP", "I-NP", "O"]], [["B-NP", "I-NP", "B-VP"]], "BIO")
        >>> found["precision"], found["recall"], found["types"]["VP"]["found"]
        (0.5, 1.0, 1)
    """
    counts = {name: Counter[str]() for name in ("true", "found", "right")}
    same = tokens = 0
    for expected, predicted in zip(true, found, strict=True):
        tokens += len(expected)
        same += sum(a == b for a, b in zip(expected, predicted, strict=True))
        one, other = (set(chunks_of(tags, scheme)) for tags in (expected, predicted))
        for name, some in (("true", one), ("found", other), ("right", one & other)):
            counts[name].update(chunk.type for chunk in some)
    types = {
        kind: _ratios(*(counts[name][kind] for name in counts))
        for kind in sorted(counts["true"] | counts["found"])
    }
    macro = {
        name: sum(row[name] for row in types.values()) / max(1, len(types))
        for name in ("precision", "recall", "f1")
    }
    return {
        "sentences": len(true),
        "tokens": tokens,
        "accuracy": same / max(1, tokens),
        **_ratios(*(counts[name].total() for name in counts)),
        "macro": macro,
        "types": types,
    }


def chunks_of(tags: Sequence[str], scheme: str) -> list[Chunk]:
    """The chunks of tags of a scheme; with "none" one for each tag."""
    if scheme == NONE:
        return [Chunk(tag, place, place + 1) for place, tag in enumerate(tags)]
    return chunks(tags)


def _ratios(true: int, found: int, right: int) -> dict[str, Any]:
    return {
        "precision": right / found if found else 0.0,
        "recall": right / true if true else 0.0,
        "f1": 2 * right / (true + found) if true + found else 0.0,
        "true": true,
        "found": found,
        "right": right,
    }


def table(measured: dict[str, Any], all_name: str = "all") -> str:
    """The measures as lines for a terminal, in per cent."""
    rows = dict(measured["types"])
    if list(rows) == [""]:  # chunks without types
        rows = {}
    width = max(len(name) for name in (*rows, all_name, "mean of types"))
    lines = [f"{'':{width}}  precision  recall     F1    true   found   right"]
    for name, row in (*rows.items(), (all_name, measured)):
        lines.append(
            f"{name:{width}}  {_percents(row)}  {row['true']:6,}  {row['found']:6,}"
            f"  {row['right']:6,}"
        )
    if len(rows) > 1:
        lines.append(f"{'mean of types':{width}}  {_percents(measured['macro'])}")
    lines.append(f"accuracy of tags {100 * measured['accuracy']:.2f}")
    return "\n".join(lines)


def _percents(row: dict[str, Any]) -> str:
    numbers = (100 * row[name] for name in ("precision", "recall", "f1"))
    return "{:9.2f}  {:6.2f}  {:5.2f}".format(*numbers)
