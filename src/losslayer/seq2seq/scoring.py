"""The log probability of given targets."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from keras import ops

import losslayer as ll
from losslayer.seq2seq.decoding.batches import batches
from losslayer.seq2seq.ensemble import checked_ids, mean_of_probabilities, members, sync
from losslayer.seq2seq.model import Models
from losslayer.seq2seq.symbols import BEGIN, END, PADDING


class Scorer:
    """Scores targets by teacher forcing: all places at once, each with what truly precedes it.

        score = sum over the target's tokens and its end of log p(token | source, tokens before)

    Args:
        models: What `build` returned, once or more: of several the mean of probabilities counts.
        batch_size: Most pairs that are scored side by side.
    """

    def __init__(self, models: Models | Sequence[Models], batch_size: int = 64) -> None:
        self.models = members(models, "Scorer")
        self.batch_size = batch_size
        self._run = ll.inference(self._token_scores, [m.training for m in self.models])

    def __call__(
        self, sources: Sequence[Sequence[int]], targets: Sequence[Sequence[int]], padding: int = 0
    ) -> np.ndarray:
        """The score of each target.

        Args:
            sources: Token ids of each, without padding.
            targets: The same, without begin and end.
            padding: Further columns of padding; they change nothing.

        Returns:
            Float64, `(rows,)`.

        Raises:
            ArgumentError: There are not as many targets as sources, or ids are in no vocabulary.
        """
        sync(self.models)
        sources, targets = checked_pairs(self.models, sources, targets)
        targets = [[BEGIN, *ids, END] for ids in targets]
        found = np.zeros(len(sources))
        lengths = [max(len(s), len(t)) for s, t in zip(sources, targets)]
        for batch in batches(lengths, self.batch_size):
            wide = batch._replace(time=batch.time + padding)
            scores = ops.convert_to_numpy(self._run(wide.padded(sources), wide.padded(targets)))
            found[batch.rows] = scores[: len(batch.rows)].sum(axis=1, dtype="float64")
        return found

    def _token_scores(self, source: Any, target: Any) -> Any:
        """`(batch, time - 1)`, 0 at padding."""
        source, target = ops.convert_to_tensor(source), ops.convert_to_tensor(target)
        found = [
            ops.log_softmax(ops.cast(m.training.inference([source, target]), "float32"))
            for m in self.models
        ]
        return of_targets(mean_of_probabilities(found), target)


def of_targets(log_p: Any, target: Any) -> Any:
    """What log probabilities say of the tokens of targets.

    Args:
        log_p: `(batch, time - 1, vocab)`, of what comes after each place of a target.
        target: From begin to end, `(batch, time)`.

    Returns:
        `(batch, time - 1)`, 0 at padding.
    """
    labels = ops.expand_dims(target[:, 1:], -1)
    scores = ops.take_along_axis(log_p, labels, axis=-1)
    return ops.where(ops.equal(labels, PADDING), 0.0, scores)[..., 0]


def score(
    models: Models | Sequence[Models],
    sources: Sequence[Sequence[int]],
    targets: Sequence[Sequence[int]],
) -> np.ndarray:
    """The log probability of each target; a `Scorer` that is used once.

    Args:
        models: What `build` returned, once or more.
        sources: Token ids of each, without padding.
        targets: The same, without begin and end.

    Returns:
        Float64, `(rows,)`.
    """
    return Scorer(models)(sources, targets)


def checked_pairs(
    models: Sequence[Models], sources: Sequence[Sequence[int]], targets: Sequence[Sequence[int]]
) -> tuple[list[list[int]], list[list[int]]]:
    """Both as lists of ids of the models' vocabularies."""
    if len(sources) != len(targets):
        raise ll.ArgumentError(
            f"score: `targets` must be as many as `sources`. Received: {len(targets)} targets, "
            f"{len(sources)} sources."
        )
    return (
        checked_ids("score", "sources", sources, models[0].source_vocabulary),
        checked_ids("score", "targets", targets, models[0].target_vocabulary, least=0),
    )
