"""A loss over whole sequences of tags."""

import typing

import keras
import numpy as np
from keras import ops

from losslayer.core import check
from losslayer.core.errors import refuse
from losslayer.core.layer import LossLayer
from losslayer.core.positions import moved_together
from losslayer.core.reduction import at_least_float32, expand
from losslayer.core.tags import SCHEMES, parsed
from losslayer.kernels import crf as kernels

# The score of a transition that is not allowed: finite, so that a loss of one is a number, too.
_FORBIDDEN = -1e6


class CRF(LossLayer):
    """Negative log-likelihood of a sequence of tags under a linear-chain CRF, in nats.

        score(y) = start[y_1] + sum_t logits[t, y_t] + sum_t transitions[y_t, y_t+1] + end[y_n]
        value = logsumexp over all sequences y' of score(y') - score(labels)

    `transitions`, `start` and `end` are learned; they start at 0. Their number is small, so they
    often want a larger learning rate than the rest.

    `decode` and `marginals` make tensors of the same graph with the same learned scores: what a
    model predicts. Neither needs labels.

    Args:
        tags: Number of tags.
        constraints: What may follow what: booleans `(tags + 1, tags + 1)`, from and to, where the
            last row stands for the start of a sequence and the last column for its end;
            `allowed_transitions` makes them of the names of tags. None: everything. What is not
            allowed scores -1e6, so it is never decoded while there is anything else; labels that
            do it give a value of about 1e6 for each time, and finite gradients.

    Call with:
        logits: Scores of the tags at each position, unnormalised, `(batch, time, tag)`.
        labels: Integers in [0, tags), `(batch, time)`; anything where the mask is False.
        mask, sample_weight: `(batch, time)` or `(batch,)`. Positions that don't count are as if
            they were removed, also in the middle of a sequence.

    Returns:
        `(values, weights)`, `(batch,)` each: a sequence weighs the mean weight of its positions
        that count. One in which nothing counts has the value and the weight 0.

    Raises:
        ArgumentError: an argument is out of its range, or shapes don't match.
        ArgumentTypeError: `labels` are no integers.

    Example:

    >>> crf = CRF(tags=3, constraints=allowed_transitions(["O", "B", "I"], "BIO"))
    >>> logits = np.array([[[2.0, 0.0, 3.0], [0.0, 0.0, 1.0]]], "float32")
    >>> values, weights = crf(logits, np.array([[1, 2]]))
    >>> print(keras.ops.convert_to_numpy(values).round(4), keras.ops.convert_to_numpy(weights))
    [1.9702] [1.]
    >>> print(keras.ops.convert_to_numpy(crf.decode(logits)))  # "I" can't be the first
    [[0 0]]

    Source: Lafferty, McCallum and Pereira 2001, Conditional Random Fields, ICML; Lample et al.
    2016, arXiv:1603.01360, section 2.2 (over a recurrent network).
    """

    axes: typing.ClassVar[dict] = {"logits": "batch time tag", "labels": "batch time"}
    integers = ("labels",)
    tables: typing.ClassVar[dict] = {"labels": "logits"}

    def __init__(self, tags, constraints=None, **kwargs):
        super().__init__(**kwargs)
        self.tags = check.whole(self, "tags", tags, at_least=1)
        self.constraints = None if constraints is None else self._checked(constraints)

    def build(self, tensors_shape):
        """Make the learned scores."""
        logits = tuple(tensors_shape[0])
        check.axes(self, self.axes, {"logits": logits})
        if logits[-1] != self.tags:
            refuse(self, "logits", f"have {self.tags} scores in the last axis, as `tags`", logits)
        for name, shape in (
            ("transitions", (self.tags, self.tags)),
            ("start", (self.tags,)),
            ("end", (self.tags,)),
        ):
            setattr(self, name, self.add_weight(shape=shape, initializer="zeros", name=name))
        self.built = True

    def values(self, logits, labels, *, positions=None):
        """The negative log-likelihood of each sequence."""
        labels = ops.cast(labels, "int32")
        if positions is None:
            positions = ops.ones_like(labels, dtype="bool")
        transitions, start, end = self.scores()
        total = kernels.log_partition(logits, transitions, start, end, positions)
        chosen = ops.take_along_axis(logits, ops.expand_dims(labels, -1), axis=-1)[..., 0]
        total = total - ops.sum(ops.where(positions, chosen, 0.0), axis=1)
        positions, labels = moved_together(positions, labels)
        ends = ops.logical_and(positions, ops.logical_not(_shifted(positions)))
        pairs = labels[:, :-1] * self.tags + labels[:, 1:]
        steps = ops.take(ops.reshape(transitions, (-1,)), pairs)
        total = total - ops.sum(ops.where(positions[:, 1:], steps, 0.0), axis=1)
        last = ops.sum(ops.where(ends, labels, 0), axis=1)
        return total - ops.take(start, labels[:, 0]) - ops.take(end, last)

    def scores(self):
        """`transitions`, `start` and `end`, with -1e6 for what the constraints don't allow."""
        found = [ops.convert_to_tensor(v) for v in (self.transitions, self.start, self.end)]
        if self.constraints is None:
            return found
        allowed = np.array(self.constraints)
        parts = allowed[:-1, :-1], allowed[-1, :-1], allowed[:-1, -1]
        return [ops.where(part, score, _FORBIDDEN) for part, score in zip(parts, found)]

    def decode(self, logits, mask=None):
        """The tags with the highest score, by Viterbi.

        Args:
            logits: As in the call.
            mask: Boolean, `(batch, time)` or `(batch,)`; default: the mask that Keras attached.

        Returns:
            int32, `(batch, time)`: -1 where the mask is False.
        """
        return self((logits,), mask=mask, output="tags")[0]

    def marginals(self, logits, mask=None):
        """The probability of each tag at each position, given the whole sequence.

        Args:
            logits: As in the call.
            mask: As in `decode`.

        Returns:
            `(batch, time, tag)`: sums to 1 over the tags, and is 0 where the mask is False.
        """
        return self((logits,), mask=mask, output="marginals")[0]

    def __call__(self, *tensors, mask=None, output=None, **named):
        """As any loss layer; `decode` and `marginals` apply it to logits alone, for an `output`.

        So it is one layer, with its learned scores, in the graph and in the file.
        """
        if output is None:
            return super().__call__(*tensors, mask=mask, **named)
        mask = np.asarray(mask) if isinstance(mask, (list, tuple)) else mask
        return keras.layers.Layer.__call__(self, *tensors, mask=mask, output=output)

    def call(self, tensors, mask=None, sample_weight=None, tensors_mask=None, output=None):
        """The loss, or what `decode` and `marginals` give."""
        if output is None:
            return super().call(tensors, mask, sample_weight, tensors_mask)
        logits = at_least_float32(tensors[0])
        mask = mask[0] if isinstance(mask, (list, tuple)) else mask
        if mask is None:
            mask = ops.ones_like(logits[..., 0], dtype="bool")
        positions = expand(ops.cast(mask, "bool"), 2)
        positions = ops.broadcast_to(positions, ops.shape(logits)[:2])
        function = kernels.viterbi if output == "tags" else kernels.marginals
        transitions, start, end = self.scores()
        # Two tensors, as the loss has: Keras counts on it that all calls of a layer have as many.
        return function(logits, transitions, start, end, positions), positions

    def _checked(self, constraints):
        size = self.tags + 1
        try:
            found = np.array(constraints)
        except ValueError:  # rows of different lengths
            found = np.array(None)
        if found.shape != (size, size) or found.dtype != bool:
            rule = f"be booleans of the shape {(size, size)}, from and to, or None"
            refuse(self, "constraints", rule, constraints)
        return tuple(map(tuple, found.tolist()))


def allowed_transitions(tags, scheme):
    """Which tag may follow which, for the `constraints` of a `CRF`.

    Args:
        tags: Names of the tags in the order of their numbers: a letter of the scheme, with or
            without a type, as in "B-NP".
        scheme: "BIO" (a chunk begins with B, goes on with I), "BIOES", "BMES" or "BILOU" (its end
            and a chunk of one position have letters of their own).

    Returns:
        Booleans `(tags + 1, tags + 1)`, tuples in a tuple: from and to, with a last row for the
        start and a last column for the end of a sequence.

    Example:

    >>> allowed_transitions(["B", "I"], "BIO")
    ((True, True, True), (True, True, True), (True, False, True))
    """
    known = parsed("allowed_transitions", tags, scheme)
    has_end = "end" in SCHEMES[scheme].values()
    border = [("outside", "")]

    def allowed(before, after):
        goes_on = after[0] in ("inside", "end")
        if before[0] in ("begin", "inside"):
            return before[1] == after[1] if goes_on else not has_end
        return not goes_on

    nodes = known + border
    return tuple(tuple(allowed(before, after) for after in nodes) for before in nodes)


def _shifted(positions):
    """Whether the next position counts."""
    return ops.concatenate([positions[:, 1:], ops.zeros_like(positions[:, :1])], axis=1)
