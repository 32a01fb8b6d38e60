"""Losses over the positions of sequences."""

import typing

import keras
from keras import ops

from losslayer import kernels
from losslayer.core import check
from losslayer.core.errors import ArgumentTypeError, refuse
from losslayer.core.layer import LossLayer
from losslayer.core.reduction import mean, mean_of_counted
from losslayer.losses.classification import logit_of
from losslayer.losses.fused import FusedLoss


class SequenceCrossEntropy(LossLayer):
    """Cross entropy of each token of a sequence, in nats.

        value = logsumexp(logits) - (1 - e) * logits[label] - e * mean over vocab of logits
                + z_loss * logsumexp(logits)^2

    with `e` the label smoothing: the target is the label with probability `1 - e + e / vocab`,
    every other word with `e / vocab`.

    Args:
        label_smoothing: `e`, in [0, 1).
        per: "token": a value for each token, all tokens count alike; "sequence": the mean over
            the counted tokens of each sequence, all sequences count alike.
        z_loss: Factor of the squared logsumexp, >= 0; keeps the logits near 0. 1e-4 is common.

    Call with:
        logits: `(batch, time, vocab)`.
        labels: Integers in [0, vocab), `(batch, time)`; anything where the mask is False.
        mask, sample_weight: `(batch, time)` or `(batch,)`.

    Returns:
        `(values, weights)`, `(batch, time)` each, or `(batch,)` per sequence. There a sequence
        weighs the mean weight of its tokens that count, and one without any weighs 0.

    Raises:
        ArgumentError: an argument is out of its range, or shapes don't match.
        ArgumentTypeError: `labels` are no integers.

    Example:

    >>> logits, labels = np.zeros((1, 2, 4), "float32"), np.array([[3, 0]])
    >>> values, weights = SequenceCrossEntropy()(logits, labels, mask=np.array([[True, False]]))
    >>> print(keras.ops.convert_to_numpy(values).round(4), keras.ops.convert_to_numpy(weights))
    [[1.3863 0.    ]] [[1. 0.]]

    Source: Szegedy et al. 2016, arXiv:1512.00567, section 7 (label smoothing); de Brebisson and
    Vincent 2016, arXiv:1604.08859, section 4 (z-loss).
    """

    axes: typing.ClassVar[dict] = {"logits": "batch time vocab", "labels": "batch time"}
    integers = ("labels",)
    tables: typing.ClassVar[dict] = {"labels": "logits"}

    def __init__(self, label_smoothing=0.0, per="token", z_loss=0.0, **kwargs):
        super().__init__(**kwargs)
        self.label_smoothing = check.number(
            self, "label_smoothing", label_smoothing, at_least=0, below=1
        )
        self.per = check.choice(self, "per", per, ("token", "sequence"))
        self.z_loss = check.number(self, "z_loss", z_loss, at_least=0)

    def values(self, logits, labels):
        """Cross entropy of each token."""
        return _cross_entropy(logits, labels, self.label_smoothing, self.z_loss)

    def weigh(self, values, weights):
        """Per sequence: the mean over its tokens, and their mean weight."""
        if self.per == "token":
            return values, weights
        total = ops.sum(weights, axis=1)
        return mean(ops.sum(values * weights, axis=1), total), mean_of_counted(weights)


class LinearCrossEntropy(FusedLoss):
    """Cross entropy of tokens under a linear head, whose logits are never all in memory.

        logits = hidden @ head.kernel + head.bias
        value = logsumexp(logits) - (1 - e) * logits[label] - e * mean over vocab of logits
                + z_loss * logsumexp(logits)^2

    with `e` the label smoothing: what `SequenceCrossEntropy` is of these logits, in blocks, and
    averaged. With 131,072 words the logits of 2,048 tokens, their exponentials and their gradient
    would take 1 GB each. Tokens that don't count cost nothing.

    The gradient is computed along with the value, so it is that of the mean, not of each token: the
    result is one number with its total weight. For a value per token, or where `fit` gets a
    `sample_weight`, give the logits to `SequenceCrossEntropy`; weights of the graph go to
    `sample_weight` below.

    Args:
        head: What makes logits of hidden states: a `keras.layers.Dense` without activation, or a
            `keras.layers.Embedding`, whose table is then the kernel (tied embeddings). The layer
            itself: the model's outputs may use it too, and share its weights.
        label_smoothing: `e`, in [0, 1).
        z_loss: Factor of the squared logsumexp, >= 0; keeps the logits near 0. 1e-4 is common.

    Call with:
        hidden: `(batch, time, dim)` or `(batch, dim)`.
        labels: Integers in [0, vocab), `(batch, time)` or `(batch,)`; anything where the mask is
            False.
        mask, sample_weight: `(batch, time)` or `(batch,)`.

    Returns:
        `(value, weight)`, scalars: the exact mean, in nats, and the total weight.

    Raises:
        ArgumentTypeError: `head` is no such layer, or `labels` are no integers.
        ArgumentError: an argument is out of its range, or shapes don't match.

    Example:

    >>> head = keras.layers.Dense(4, kernel_initializer="zeros")
    >>> hidden, labels = np.ones((1, 2, 3), "float32"), np.array([[3, 0]])
    >>> value, weight = LinearCrossEntropy(head)(hidden, labels, mask=np.array([[True, False]]))
    >>> print(keras.ops.convert_to_numpy(value).round(4), keras.ops.convert_to_numpy(weight))
    1.3863 1.0

    Source: Wijmans et al. 2024, Cut Your Losses, arXiv:2411.09009 (blocks); de Brebisson and
    Vincent 2016, arXiv:1604.08859, section 4 (z-loss).
    """

    axes: typing.ClassVar[dict] = {"hidden": "batch [time] dim", "labels": "batch [time]"}
    integers = ("labels",)
    tables: typing.ClassVar[dict] = {"labels": "vocab"}

    def __init__(self, head, label_smoothing=0.0, z_loss=0.0, **kwargs):
        super().__init__(**kwargs)
        linear = isinstance(head, keras.layers.Dense) and (
            keras.activations.serialize(head.activation) == "linear"
        )
        if not (linear or isinstance(head, keras.layers.Embedding)):
            rule = "be a Dense layer without activation, or an Embedding"
            refuse(self, "head", rule, head, error=ArgumentTypeError)
        self.head = head
        self.label_smoothing = check.number(
            self, "label_smoothing", label_smoothing, at_least=0, below=1
        )
        self.z_loss = check.number(self, "z_loss", z_loss, at_least=0)

    @property
    def vocab(self):
        """How many words the head knows."""
        is_table = isinstance(self.head, keras.layers.Embedding)
        return self.head.input_dim if is_table else self.head.units

    def build(self, tensors_shape):
        """Give the head its weights, if it has none yet."""
        hidden = tuple(tensors_shape[0])
        if not self.head.built:
            self.head.build(hidden)
        tied = isinstance(self.head, keras.layers.Embedding)
        dim = self.head.output_dim if tied else self.head.kernel.shape[0]
        if hidden[-1] != dim:
            rule = f"have {dim} values in its last axis, as many as `head` reads"
            refuse(self, "hidden", rule, hidden)

    def values(self, hidden, labels):
        """The cross entropy of each token, from logits written out."""
        table, bias = self._table()
        logits = ops.matmul(hidden, ops.transpose(table))
        logits = logits if bias is None else logits + bias
        return _cross_entropy(logits, labels, self.label_smoothing, self.z_loss)

    def _table(self):
        """A row for each word, and a bias or None."""
        if isinstance(self.head, keras.layers.Embedding):
            return ops.convert_to_tensor(self.head.embeddings), None
        bias = None if self.head.bias is None else ops.convert_to_tensor(self.head.bias)
        return ops.transpose(self.head.kernel), bias

    def weighted_sum(self, tensors, weights, counts):
        """The sum over tokens, in blocks of them."""
        hidden, labels = tensors
        table, bias = self._table()
        return kernels.linear_cross_entropy(
            ops.reshape(hidden, (-1, hidden.shape[-1])),
            table,
            bias,
            ops.reshape(labels, (-1,)),
            ops.reshape(weights, (-1,)),
            smoothing=self.label_smoothing,
            z_loss=self.z_loss,
        )


def _cross_entropy(logits, labels, smoothing, z_loss=0.0):
    """Of each element: `(..., vocab)` and `(...)` to `(...)`."""
    target = logit_of(logits, labels)
    if smoothing:
        target = (1 - smoothing) * target + smoothing * ops.mean(logits, axis=-1)
    log_sum = ops.logsumexp(logits, axis=-1)
    value = log_sum - target
    return value + z_loss * ops.square(log_sum) if z_loss else value
