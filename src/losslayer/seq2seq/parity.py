"""Whether an exported model says what the model says that it was made from."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from keras import ops

import losslayer as ll
from losslayer.saving import ExportError
from losslayer.seq2seq.exported import DECODER, SCORER, Exported
from losslayer.seq2seq.model import Models
from losslayer.seq2seq.symbols import BEGIN, COUNT, END, PADDING

# Sources and targets of a batch, padded.
Pair = tuple[np.ndarray, np.ndarray]


class ExportParity(NamedTuple):
    """How near an exported model is to the one it was made from.

    Attributes:
        score: The largest difference of the log-probability of a token of a given target.
        padding: The same between a pair with padding behind it and without.
        next_token: The largest difference of a log-probability of what comes after a prefix.
        rows: How many pairs were compared.
        shapes: The batches: rows, padded length of sources, and of targets.
    """

    score: float
    padding: float
    next_token: float
    rows: int
    shapes: list[tuple[int, ...]]


def golden_pairs(
    source_vocabulary: int, target_vocabulary: int, longest: int, seed: int = 0
) -> list[Pair]:
    """Random pairs of all lengths from 1 to `longest`, in batches of several shapes.

    Args:
        source_vocabulary: Number of source ids.
        target_vocabulary: The same for targets.
        longest: Most tokens of a source or a target, without begin and end.
        seed: Another seed, other pairs.

    Returns:
        For each batch sources, and targets from begin to end: int32 `(batch, time)`, zeros behind
        the shorter ones.
    """
    generator = np.random.default_rng(seed)
    few, half = min(5, longest), -(-longest // 2)

    def rows(batch: int, time: int, vocabulary: int) -> list[list[int]]:
        lengths = generator.integers(1, time + 1, batch)
        lengths[0] = time
        return [generator.integers(COUNT, vocabulary, length).tolist() for length in lengths]

    batches = []
    for batch, source, target in ((1, 1, few), (3, few, half), (2, longest, 1), (5, half, longest)):
        sources = rows(batch, source, source_vocabulary)
        targets = [[BEGIN, *row, END] for row in rows(batch, target, target_vocabulary)]
        batches.append((_padded(sources), _padded(targets)))
    return batches


def compare(
    models: Models, exported: Exported, golden: Sequence[Pair], tolerance: float = 1e-4
) -> ExportParity:
    """Ask both the same.

    Args:
        models: What `build` returned.
        exported: What was made from it.
        golden: What to ask, as `golden_pairs` returns it.
        tolerance: The largest difference of a log-probability. The default is what float32 keeps.

    Returns:
        The differences that were found.

    Raises:
        ExportError: A difference is larger than `tolerance`: the message has the batch, the row and
            the number.
    """

    def log_probabilities(source: Any, target: Any) -> Any:
        given = [ops.convert_to_tensor(source), ops.convert_to_tensor(target)]
        return ops.log_softmax(ops.cast(models.training.inference(given), "float32"))

    expect = ll.inference(log_probabilities, [models.training])
    worst: dict[str, float] = {}

    def hold(name: str, part: str, batch: int, found: np.ndarray, expected: np.ndarray) -> None:
        """Note how far two arrays are apart, with a row for each of the batch."""
        apart = np.abs(found - expected).reshape(len(found), -1).max(axis=1)
        row = int(np.argmax(apart))  # that of a NaN, if there is one
        if not apart[row] <= tolerance:  # not: `>`, which NaN passes
            source, target = (ids[row][ids[row] != PADDING].tolist() for ids in golden[batch])
            raise ExportError(
                f"{part}.onnx: says something else than the model ({name}). For row {row} of batch "
                f"{batch}, of the shapes {_shape(golden[batch])}, log-probabilities differ by "
                f"{apart[row]:.2g}, at most {tolerance:.2g} is allowed. "
                f"Its source is {source!s:.100}, its target {target!s:.100}"
            )
        worst[name] = max(worst.get(name, 0.0), float(apart[row]))

    for batch, (source, target) in enumerate(golden):
        log_p = ops.convert_to_numpy(expect(source, target))
        labels = target[:, 1:, None]
        right = np.where(labels, np.take_along_axis(log_p, labels, axis=-1), 0.0)[..., 0]
        found = exported.token_scores(source, target)
        hold("score", SCORER, batch, found, right)
        alone = np.zeros_like(found)
        for row, pair in enumerate(zip(source, target)):
            of_source, of_target = (ids[None, ids != PADDING] for ids in pair)
            alone[row, : of_target.shape[1] - 1] = exported.token_scores(of_source, of_target)
        hold("padding", SCORER, batch, found, alone)
        memory, last = exported.memory(source), target.shape[1] - 2
        for place in sorted({0, last // 2, last}):
            logits = exported.logits(target[:, : place + 1], memory)
            next_token = ops.convert_to_numpy(ops.log_softmax(ops.convert_to_tensor(logits)))
            there = labels[:, place] != PADDING
            right = np.where(there, log_p[:, place], 0.0)
            hold("next_token", DECODER, batch, np.where(there, next_token, 0.0), right)
    shapes = [_shape(pair) for pair in golden]
    return ExportParity(**worst, rows=sum(shape[0] for shape in shapes), shapes=shapes)


def _shape(pair: Pair) -> tuple[int, ...]:
    source, target = pair
    return (*source.shape, target.shape[1])


def _padded(rows: list[list[int]]) -> np.ndarray:
    found = np.full((len(rows), max(map(len, rows))), PADDING, "int32")
    for own, row in zip(found, rows):
        own[: len(row)] = row
    return found
