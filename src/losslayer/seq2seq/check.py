"""Whether a model says the same in all the ways in which it can be asked."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from keras import ops

import losslayer as ll
from losslayer.seq2seq.decoding import Decoder, DecodingSettings
from losslayer.seq2seq.decoding.batches import batches
from losslayer.seq2seq.ensemble import mean_of_probabilities, members, sync
from losslayer.seq2seq.model import Models
from losslayer.seq2seq.scoring import Scorer, checked_pairs
from losslayer.seq2seq.symbols import BEGIN, END, PADDING

BEAM = 5
_PADDING = 13


class SelfCheckError(ll.LosslayerError, ValueError):
    """A model whose scores differ by how it is asked."""


@dataclass(frozen=True)
class SelfCheck:
    """What `self_check` found. Differences are of log probabilities, per token.

    Attributes:
        rows: How many pairs it was tried on.
        cached: Largest difference between the score of all places at once, and that of step by
            step with what earlier steps kept.
        padding: The same between more and less padding.
        search: The same between what the search says of its outputs, and their score.
        greedy: Mean log probability of the outputs of greedy search.
        beam: Mean log probability of those of a beam of 5.
        worse: How many outputs of the beam are less likely than the greedy ones. That happens: a
            beam may drop the beginning of the greedy output for others.
        tolerance: What the differences were held against.
        exported: Largest difference between the score of all places at once, and that of the
            exported model; None: there is none.
    """

    rows: int
    cached: float
    padding: float
    search: float
    greedy: float
    beam: float
    worse: int
    tolerance: float
    exported: float | None = None

    def failures(self) -> list[str]:
        """A sentence for each check that fails."""
        found = [
            f"{name}: scores differ by {value:.2g} per token, at most {self.tolerance:.2g} is right"
            for name, value in (
                ("step by step", self.cached),
                ("more padding", self.padding),
                ("search", self.search),
                ("exported", self.exported),
            )
            if value is not None and not value <= self.tolerance  # not: `>`, which NaN passes
        ]
        if not self.beam >= self.greedy - self.tolerance:
            found.append(
                f"beam: the mean log probability of its outputs is {self.beam:.6g}, that of greedy "
                f"search {self.greedy:.6g}; a beam of {BEAM} must find as good ones"
            )
        return found


def self_check(
    models: Models | Sequence[Models],
    sources: Sequence[Sequence[int]],
    targets: Sequence[Sequence[int]],
    tolerance: float | None = None,
    exported: Callable[[list[list[int]], list[list[int]]], np.ndarray] | None = None,
) -> SelfCheck:
    """Compare the ways in which a model can be asked.

    Args:
        models: What `build` returned, once or more.
        sources: Token ids of each pair, without padding.
        targets: The same, without begin and end.
        tolerance: The largest difference per token; None: 1e-4, and 0.05 in half precision.
        exported: An `Exported` of the model, whose scores are compared too.

    Returns:
        What was found.

    Raises:
        SelfCheckError: A check fails; the message has the numbers.
    """
    models = members(models, "self_check")
    sources, targets = checked_pairs(models, sources, targets)
    if not sources:
        raise ll.ArgumentError("self_check: `sources` must hold a row. Received: none.")
    if tolerance is None:
        half = models[0].network.embed_target.compute_dtype in ("float16", "bfloat16")
        tolerance = 0.05 if half else 1e-4
    scorer = Scorer(models)
    forced = scorer(sources, targets)
    lengths = np.array([len(t) + 1 for t in targets])

    def apart(scores: np.ndarray) -> float:
        return float(np.max(np.abs(scores - forced) / lengths))

    outputs, found = {}, []
    for beam in (1, BEAM):
        settings = DecodingSettings(beam=beam, length_penalty=0.0)
        best = [h[0] for h in Decoder(models, settings).decode(sources)]
        outputs[beam] = scorer(sources, [h.ids for h in best])
        said = np.array([h.score for h in best])
        found.append(np.abs(said - outputs[beam]) / np.array([len(h.ids) + 1 for h in best]))
    report = SelfCheck(
        rows=len(sources),
        cached=apart(step_scores(models, sources, targets)),
        padding=apart(scorer(sources, targets, padding=_PADDING)),
        search=float(np.max(found)),
        greedy=float(np.mean(outputs[1])),
        beam=float(np.mean(outputs[BEAM])),
        worse=int(np.sum(outputs[BEAM] < outputs[1] - tolerance * lengths)),
        tolerance=tolerance,
        exported=None if exported is None else apart(exported(sources, targets)),
    )
    if failures := report.failures():
        raise SelfCheckError("self_check: " + "; ".join(failures) + ".")
    return report


def step_scores(
    models: Sequence[Models], sources: list[list[int]], targets: list[list[int]]
) -> np.ndarray:
    """The score of each target, `(rows,)`, step by step as decoding does it."""
    sync(models)
    run = [m.training for m in models]

    def begin(source: Any, room: Any) -> tuple:
        memories = [m.network.encode(ops.convert_to_tensor(source)) for m in models]
        return memories, [
            m.network.start(memory, 1, room.shape[0]) for m, memory in zip(models, memories)
        ]

    def advance(token: Any, label: Any, place: Any, memories: list, states: list) -> tuple:
        token, place = ops.convert_to_tensor(token), ops.convert_to_tensor(place)
        log_p, after = [], []
        for model, memory, state in zip(models, memories, states):
            hidden, _, state = model.network.step(token, place, memory, state)
            log_p.append(ops.log_softmax(ops.cast(model.head(hidden), "float32")))
            after.append(state)
        label = ops.expand_dims(ops.convert_to_tensor(label), -1)
        return ops.take_along_axis(mean_of_probabilities(log_p), label, axis=-1), after

    begin, advance = ll.inference(begin, run), ll.inference(advance, run)
    found = np.zeros(len(sources))
    whole = [[BEGIN, *ids, END] for ids in targets]
    for batch in batches([max(len(s), len(t)) for s, t in zip(sources, whole)], 64):
        target = batch.padded(whole)
        memories, states = begin(batch.padded(sources), np.zeros(batch.time, "int32"))
        for place in range(batch.time - 1):
            token, label = target[:, place : place + 1], target[:, place + 1 : place + 2]
            now = np.asarray(place, "int32")
            scores, states = advance(token, label, now, memories, states)
            counted = np.where(label != PADDING, ops.convert_to_numpy(scores)[..., 0], 0.0)
            found[batch.rows] += counted[: len(batch.rows), 0]
    return found
