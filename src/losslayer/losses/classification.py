"""Losses over classes."""

import math
import typing

from keras import ops

from losslayer.core import check
from losslayer.core.errors import refuse
from losslayer.core.layer import LossLayer
from losslayer.losses.similarity import direction, length


class Focal(LossLayer):
    """Cross entropy that looks away from what is already right.

        value = alpha * (1 - p)^gamma * -log(p)

    with `p` the probability given to the true class. `gamma` 0 is plain cross entropy.

    Args:
        gamma: How strongly easy examples are discounted, >= 0.
        alpha: Factor per class: a tuple with a number for each class; for two-class logits
            without a class axis one number, the factor of class 1 (class 0 has `1 - alpha`).
            Default: 1 for all.

    Call with:
        logits: `(..., class)`; or `(...)` for two classes, the log-odds of class 1.
        labels: Integers, `(...)`.

    Returns:
        `(values, weights)`, `(...)` each.

    Raises:
        ArgumentError: an argument is out of its range, or shapes don't match.
        ArgumentTypeError: `labels` are no integers.

    Example:

    >>> logits, labels = np.array([0.0, 0.0], "float32"), np.array([1, 0])
    >>> values, weights = Focal(gamma=2.0, alpha=0.75)(logits, labels)
    >>> print(keras.ops.convert_to_numpy(values).round(4))
    [0.13   0.0433]

    Source: Lin et al. 2017, arXiv:1708.02002, equation 5.
    """

    axes: typing.ClassVar[dict] = {"logits": "... [class]", "labels": "..."}
    integers = ("labels",)
    tables: typing.ClassVar[dict] = {"labels": "logits"}

    def __init__(self, gamma=2.0, alpha=None, **kwargs):
        super().__init__(**kwargs)
        self.gamma = check.number(self, "gamma", gamma, at_least=0)
        several = isinstance(alpha, (tuple, list))
        for factor in (alpha if several else [alpha]) if alpha is not None else []:
            check.number(self, "alpha", factor, at_least=0, at_most=None if several else 1)
        self.alpha = tuple(alpha) if several else alpha

    def values(self, logits, labels):
        """Focal loss of each element."""
        binary = len(logits.shape) == len(labels.shape)
        if (self.alpha is not None) and binary == isinstance(self.alpha, tuple):
            rule = "be one number when logits have no class axis, a tuple per class when they have"
            refuse(self, "alpha", rule, self.alpha)
        if isinstance(self.alpha, tuple) and logits.shape[-1] != len(self.alpha):
            rule = f"have a number for each of {logits.shape[-1]} classes"
            refuse(self, "alpha", rule, self.alpha)
        if binary:
            odds = ops.where(ops.equal(labels, 1), logits, -logits)
        else:
            odds = _log_odds(logits, labels)
        log_p, log_rest = ops.log_sigmoid(odds), ops.log_sigmoid(-odds)
        value = -ops.exp(self.gamma * log_rest) * log_p if self.gamma else -log_p
        if self.alpha is None:
            return value
        factors = [1.0 - self.alpha, self.alpha] if binary else self.alpha  # type: ignore[operator]
        return ops.take(ops.convert_to_tensor(factors, value.dtype), labels) * value


class ArcFace(LossLayer):
    """Cross entropy of cosines to learned centres, with an angle added to the true class's.

        value = -log( exp(scale * cos(t + margin))
                      / (exp(scale * cos(t + margin)) + sum over other classes c of
                         exp(scale * cos(embedding, centre_c))) )

    with `t` the angle between the embedding and the centre of its label. Where `t + margin` is
    more than pi, cos(t) - margin * sin(margin) stands for its cosine, so that turning away never
    pays. The centres are weights of this layer, `centres`, one row per class; a model that is used
    to embed does not hold them. Gradients are finite at all angles.

    Args:
        classes: Number of classes.
        margin: The angle, in radians, in [0, pi / 2].
        scale: > 0; multiplies the cosines.

    Call with:
        embeddings: `(batch, dim)`, of any length.
        labels: Integers in [0, classes), `(batch,)`.

    Returns:
        `(values, weights)`, `(batch,)` each.

    Raises:
        ArgumentError: an argument is out of its range, or shapes don't match.
        ArgumentTypeError: `labels` are no integers.

    Example:

    >>> layer = ArcFace(classes=2, margin=0.0, scale=1.0)
    >>> layer.build([(None, 2), (None,)])
    >>> layer.set_weights([np.eye(2)])
    >>> values, weights = layer(np.array([[3.0, 0.0]]), np.array([0]))
    >>> print(keras.ops.convert_to_numpy(values).round(4))  # log(1 + exp(-1))
    [0.3133]

    Source: Deng et al. 2019, ArcFace, arXiv:1801.07698, equation 3.
    """

    axes: typing.ClassVar[dict] = {"embeddings": "batch dim", "labels": "batch"}
    integers = ("labels",)
    tables: typing.ClassVar[dict] = {"labels": "classes"}

    def __init__(self, classes, margin=0.5, scale=64.0, **kwargs):
        super().__init__(**kwargs)
        self.classes = check.whole(self, "classes", classes, at_least=2)
        self.margin = check.number(self, "margin", margin, at_least=0, at_most=math.pi / 2)
        self.scale = check.number(self, "scale", scale, above=0)

    def build(self, tensors_shape):
        """Make the centres."""
        shape = (self.classes, tensors_shape[0][-1])
        self.centres = self.add_weight(shape, initializer="glorot_uniform", name="centres")

    def values(self, embeddings, labels):
        """Cross entropy of each example."""
        own, centres = direction(embeddings), direction(ops.convert_to_tensor(self.centres))
        centre = ops.take(centres, labels, axis=0)
        cosine = ops.sum(own * centre, axis=-1)
        # Of unit vectors at an angle t. That of sqrt(1 - cos^2) would have no gradient at 0 or pi,
        # and few correct digits near them.
        sine = length(own - centre) * length(own + centre) / 2
        shifted = cosine * math.cos(self.margin) - sine * math.sin(self.margin)
        turned = cosine - self.margin * math.sin(self.margin)
        target = ops.where(cosine > -math.cos(self.margin), shifted, turned)
        labelled = ops.one_hot(labels, self.classes, dtype="bool")
        logits = self.scale * ops.matmul(own, ops.transpose(centres))
        others = ops.logsumexp(ops.where(labelled, -float("inf"), logits), axis=-1)
        return -ops.log_sigmoid(self.scale * target - others)


def logit_of(logits, labels):
    """The logit of each element's label: `(..., class)` and `(...)` to `(...)`."""
    return ops.squeeze(ops.take_along_axis(logits, ops.expand_dims(labels, -1), axis=-1), -1)


def _log_odds(logits, labels):
    """log(p / (1 - p)) of the labelled class: of it neither p nor 1 - p is rounded away."""
    labelled = ops.one_hot(labels, logits.shape[-1], dtype="bool")
    others = ops.where(labelled, -float("inf"), logits)
    return logit_of(logits, labels) - ops.logsumexp(others, axis=-1)
