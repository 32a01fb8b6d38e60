"""Keras's own losses as loss layers, and loss layers under Keras's own `compile`."""

import inspect

import keras

from losslayer.core.errors import ArgumentTypeError, refuse
from losslayer.core.layer import LossLayer


class FromKeras(LossLayer):
    """Any loss of Keras as a loss layer.

        values = loss.call(y_true, y_pred)      one per element, before any reduction

    What the layer adds is what all loss layers have: a mask, weights, exact means, and integer
    labels that stay integers.

    Args:
        loss: A `keras.losses.Loss`. Its `reduction` is not used.

    Call with:
        y_true: What the loss takes as truth.
        y_pred: What it takes as prediction.

    Returns:
        `(values, weights)`, with the axes that the loss gives: usually all but the last.

    Raises:
        ArgumentTypeError: `loss` is no `keras.losses.Loss`.
        ArgumentError: `loss` has an `ignore_class`.

    Example:

    >>> y_true, y_pred = np.array([[0.0], [0.0]]), np.array([[3.0], [0.5]])
    >>> values, weights = FromKeras(keras.losses.Huber(delta=1.0))(y_true, y_pred)
    >>> print(keras.ops.convert_to_numpy(values))
    [2.5   0.125]

    Source: https://keras.io/api/losses
    """

    def __init__(self, loss, **kwargs):
        super().__init__(**kwargs)
        if not isinstance(loss, keras.losses.Loss):
            advice = "Create it: keras.losses.Huber(), not keras.losses.Huber or 'huber'."
            refuse(self, "loss", "be a keras.losses.Loss", loss, advice, ArgumentTypeError)
        if getattr(loss, "ignore_class", None) is not None:
            advice = "Pass mask=labels != class to the layer instead: then it doesn't count."
            refuse(self, "loss", "have no ignore_class", loss.ignore_class, advice)
        self.loss = loss

    @property
    def tables(self):  # type: ignore[override]  # of this loss, not of the class
        """Sparse labels are ids of classes."""
        sparse = isinstance(self.loss, keras.losses.SparseCategoricalCrossentropy)
        return {"y_true": "y_pred"} if sparse else {}

    def get_config(self):
        """The configuration, with the arguments that Keras's Huber (3.15), say, leaves out."""
        config = super().get_config()
        kept, known = config["loss"]["config"], inspect.signature(type(self.loss)).parameters
        for name, value in getattr(self.loss, "_fn_kwargs", {}).items():
            if name in known:
                kept.setdefault(name, value)
        return config

    def values(self, y_true, y_pred):
        """The loss of each element."""
        return self.loss.call(y_true, y_pred)


@keras.saving.register_keras_serializable(package="losslayer")
def identity(y_true, y_pred):
    """The model's output is the loss: for `keras.Model(inputs, values).compile(loss=identity)`.

        loss = mean of y_pred

    Keras wants some `y` of matching length then; it is not read. Weights are lost on this way,
    and Keras's means over batches are not exact where examples differ in weight.

    Example:

    >>> print(keras.ops.convert_to_numpy(identity(None, np.array([0.5, 1.5]))))
    [0.5 1.5]
    """
    return keras.ops.convert_to_tensor(y_pred)
