"""Chunks: runs of tags such as B-NP I-NP I-NP."""

import keras
import numpy as np
from keras import ops

from losslayer.core import check
from losslayer.core.positions import moved_together
from losslayer.core.reduction import ExactMean, expand
from losslayer.core.tags import parsed


@keras.saving.register_keras_serializable(package="losslayer")
class ChunkF1(ExactMean):
    """F1 of chunks, or their precision or recall: right is a chunk with both ends and its type.

        precision = right / predicted,  recall = right / true
        F1 = 2 * right / (predicted + true)         over all batches; 0 when there are no chunks

    Chunks are read as by CoNLL's evaluation script, which makes sense of any sequence of tags: one
    begins with "B" or "S", but also with any tag of a chunk after "O", after the end of a chunk
    and after another type; it ends where the next begins, before "O", and after "E" and "S".
    Segmentation into words is the case without types: ["B", "M", "E", "S"].

    `update_state` takes `labels` and `tags`, integers `(batch, time)`, and as `sample_weight` a
    mask, `(batch, time)` or `(batch,)`. Positions that don't count are as if they were removed; a
    chunk counts once, whatever the weight. A number that is no tag's, -1 say, is outside of all
    chunks. A `CRF` gives `tags` by its `decode`.

    Args:
        tags: Names of the tags in the order of their numbers: a letter of the scheme, with or
            without a type, as in "B-NP".
        scheme: "BIO", "BIOES", "BMES" or "BILOU".
        measure: "f1", "precision" or "recall".

    Example:

    >>> metric = ChunkF1(["O", "B-NP", "I-NP", "B-VP"], scheme="BIO")
    >>> metric.update_state(np.array([[1, 2, 3, 0]]), np.array([[1, 1, 3, 0]]))
    >>> round(float(metric.result()), 4)  # 1 right, 3 predicted, 2 true
    0.4

    Source: Tjong Kim Sang and Buchholz 2000, Introduction to the CoNLL-2000
    Shared Task: Chunking.
    """

    def __init__(self, tags, scheme="BIO", measure="f1", name=None, dtype=None):
        self.measure = check.choice(self, "measure", measure, ("f1", "precision", "recall"))
        super().__init__(name=name or f"chunk_{measure}", dtype=dtype)
        known = parsed(self, tags, scheme)
        self.tags, self.scheme = list(tags), scheme
        # What is beyond both ends of a sequence is a tag of its own, outside of all chunks.
        known.append(("outside", ""))
        self._begins = np.array([[_begins(a, b) for b in known] for a in known])
        self._ends = np.array([[_ends(a, b) for b in known] for a in known])
        kinds = sorted({kind for _, kind in known})
        self._kinds = np.array([kinds.index(kind) for _, kind in known], "int32")

    def update_state(self, labels, tags, sample_weight=None):  # type: ignore[override]
        """Add the chunks of a batch."""
        labels = ops.cast(ops.convert_to_tensor(labels), "int32")
        tags = ops.cast(ops.convert_to_tensor(tags), "int32")
        weights = ops.ones_like(labels) if sample_weight is None else sample_weight
        weights = ops.convert_to_tensor(weights)
        check.axes(
            self,
            {"labels": "batch time", "tags": "batch time", "sample_weight": "batch [time]"},
            {"labels": labels.shape, "tags": tags.shape, "sample_weight": weights.shape},
        )
        counts = expand(ops.not_equal(weights, ops.zeros_like(weights)), 2)
        counts = ops.broadcast_to(counts, ops.shape(labels))
        counts, labels, tags = moved_together(counts, labels, tags)
        true, predicted = self._chunks(labels, counts), self._chunks(tags, counts)
        right = ops.logical_and(true[0], predicted[0])
        for one, other in zip(true[1:], predicted[1:]):
            right = ops.logical_and(right, ops.equal(one, other))
        right, true, predicted = (
            ops.sum(ops.cast(ends, self.dtype)) for ends in (right, true[0], predicted[0])
        )
        if self.measure == "f1":
            self.add(2 * right, true + predicted)
        else:
            self.add(right, predicted if self.measure == "precision" else true)

    def _chunks(self, tags, counts):
        """Whether a chunk ends at each position, that chunk's first position, and its type."""
        known = ops.logical_and(tags >= 0, tags < len(self.tags))
        tags = ops.where(ops.logical_and(counts, known), tags, len(self.tags))
        outside = ops.full_like(tags[:, :1], len(self.tags))
        size = len(self.tags) + 1
        before = ops.concatenate([outside, tags[:, :-1]], axis=1)
        after = ops.concatenate([tags[:, 1:], outside], axis=1)
        begins = ops.take(self._begins.ravel(), before * size + tags)
        ends = ops.take(self._ends.ravel(), tags * size + after)
        # The beginnings in front, in order; a position's own is as many as it has seen.
        places = ops.arange(ops.shape(tags)[1], dtype="int32")
        firsts = ops.sort(ops.where(begins, places, ops.shape(tags)[1]), axis=1)
        seen = ops.cumsum(ops.cast(begins, "int32"), axis=1)
        own = ops.take_along_axis(firsts, ops.maximum(seen - 1, 0), axis=1)
        return ends, own, ops.take(self._kinds, tags)

    def get_config(self):
        """The arguments of the constructor."""
        config = super().get_config()
        return {**config, "tags": self.tags, "scheme": self.scheme, "measure": self.measure}


def _begins(before, tag):
    """Whether a chunk begins with `tag`, after `before`: (role, type) each."""
    role = tag[0]
    if role == "outside":
        return False
    fresh = role in ("begin", "single") or before[0] in ("outside", "end", "single")
    return fresh or before[1] != tag[1]


def _ends(tag, after):
    """Whether a chunk ends with `tag`, before `after`."""
    role = tag[0]
    if role == "outside":
        return False
    fresh = role in ("end", "single") or after[0] in ("begin", "single", "outside")
    return fresh or after[1] != tag[1]
