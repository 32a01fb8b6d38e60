"""What a loss is multiplied with: a number, a schedule over the steps, or a learned weight."""

import inspect
import warnings
from collections.abc import MutableMapping

import keras
from keras import ops

from losslayer.core import check
from losslayer.core.errors import ArgumentTypeError, ObjectiveError, UnknownNameError, refuse
from losslayer.core.reduction import sum_dtype

WHAT = (
    "be a number, a schedule or function of the step that gives a scalar, or a weighting such as "
    "losslayer.weighting.Uncertainty()"
)


class Weighting(keras.layers.Layer):
    """The weight of one loss: a layer, so that its variables are those of the model.

    A subclass says what the weight is, in `current`, from variables that it makes in `__init__`
    (`self.add_weight`): what is trainable there is trained, and everything is saved. One whose
    variables move from step to step by a rule of its own writes `advance` too.

    Example:

    >>> @keras.saving.register_keras_serializable()
    ... class Positive(Weighting):
    ...     '''A learned weight that can't be negative.'''
    ...
    ...     def __init__(self, **kwargs):
    ...         super().__init__(**kwargs)
    ...         self.raw = self.add_weight((), initializer="zeros", name="raw")
    ...
    ...     def current(self):
    ...         return keras.ops.softplus(self.raw)
    >>> print(keras.ops.convert_to_numpy(Positive().current()).round(4))
    0.6931
    """

    is_logged = True  # whether `fit` reports the weight

    def __init__(self, *, dtype=None, **kwargs):
        super().__init__(dtype=dtype or sum_dtype(), **kwargs)
        self.built = True  # there is nothing to build: no tensors come in

    def current(self):
        """The weight in force, a scalar tensor."""
        raise NotImplementedError(f"{type(self).__name__} must define `current(self)`.")

    def advance(self):
        """The weight for a training step that begins; called once in each."""
        return self.current()

    def set(self, name, number):
        """Change the weight of the loss `name` from outside."""
        kind = self.describe()
        raise ObjectiveError(
            f"Model.loss_weights: `{name}` must have been added with a number to be set. Received: "
            f"{number}, but its weight is {kind}, which determines it. Add the loss with a number, "
            "or write a function of the step."
        )

    def describe(self):
        """The weight in a word, for `summary`."""
        return type(self).__name__


@keras.saving.register_keras_serializable(package="losslayer")
class Given(Weighting):
    """A number, the same in each step until somebody sets another; or a schedule of numbers.

    The number in force is a variable of the model: with a schedule that of the last training step,
    which `evaluate` uses too. Like the state of a random seed it is none of the `weights`: a
    model's `get_weights()` doesn't depend on how its losses are weighed.

    Args:
        number: The number; of a schedule, left out, the one that it gives for step 0.
        schedule: A function of the step, an int32 scalar that counts from 0; or None.
    """

    def __init__(self, number=None, schedule=None, **kwargs):
        super().__init__(**kwargs)
        if schedule is not None:
            number = as_float(_at_step(schedule, ops.convert_to_tensor(0, dtype="int32")))
            if number != number:
                refuse("Model.add_loss", "weight", WHAT, schedule, "For step 0 it gives NaN.")
            self.step = self._variable(0, "step", dtype="int32")
        self._given = number
        self.number = self._variable(number, "number")
        self.schedule = schedule
        self.is_logged = schedule is not None or number != 1

    def _variable(self, value, name, **kwargs):
        start = keras.initializers.Constant(value)
        kwargs["aggregation"] = "only_first_replica"  # all have the same
        return self.add_weight((), initializer=start, trainable=False, name=name, **kwargs)

    @property
    def weights(self):
        """None: the number is a variable, but no weight of the network."""
        return []

    def current(self):
        """The number in force."""
        return ops.convert_to_tensor(self.number)

    def advance(self):
        """The number for a training step that begins; a schedule counts the step."""
        if self.schedule is None:
            return self.current()
        number = _at_step(self.schedule, ops.convert_to_tensor(self.step))
        self.number.assign(number)
        self.step.assign_add(1)
        return number

    def set(self, name, number):
        """Change the number; from then on it is reported."""
        if self.schedule is not None:
            super().set(name, number)
        self.number.assign(number)
        self.is_logged = True

    def describe(self):
        """The number, or the name of the schedule."""
        if self.schedule is None:
            return f"{as_float(self.number):g}"
        return getattr(self.schedule, "__name__", type(self.schedule).__name__)

    def get_config(self):
        """The number that was given, and the schedule, if there is one and it can be loaded.

        An hour of training must not be lost because a lambda can't be saved: in its place there is
        the number in force.
        """
        config = {**super().get_config(), "number": self._given, "schedule": None}
        if self.schedule is None:
            return config
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # Keras's own, about lambdas
                schedule = keras.saving.serialize_keras_object(self.schedule)
                keras.saving.deserialize_keras_object(schedule)
            return {**config, "schedule": schedule}
        except Exception:  # whatever a user's function or class may raise
            number = as_float(self.number)
            warnings.warn(
                f"Model.save: the weight {self.describe()} can't be loaded again, so the file "
                f"keeps its present number, {number:g}. Register the function with "
                "@keras.saving.register_keras_serializable(), or use a Keras schedule.",
                stacklevel=2,
            )
            return {**config, "number": number}

    @classmethod
    def from_config(cls, config):
        """A weighting from what `get_config` returned."""
        schedule = keras.saving.deserialize_keras_object(config["schedule"])
        return super().from_config({**config, "schedule": schedule})

    def save_own_variables(self, store):
        """The number, and the step of a schedule."""
        store["number"] = self.number
        if self.schedule is not None:
            store["step"] = self.step

    def load_own_variables(self, store):
        """The number; and the step, unless the schedule was one that could not be saved."""
        self.number.assign(store["number"])
        if self.schedule is not None:
            self.step.assign(store["step"])
        self.is_logged = self.is_logged or as_float(self.number) != 1


@keras.saving.register_keras_serializable(package="losslayer")
class Uncertainty(Weighting):
    """A weight that is learned with the model: the noisier the task, the smaller.

        weight = exp(-s),  loss = ... + exp(-s) * L + s / 2

    with a trainable s, the logarithm of the task's variance; s / 2 keeps the weight from going to
    0. For a constant L the minimum is at s = log(2 L), where the weight is 1 / (2 L): losses of any
    size end up contributing alike. The loss L must not be negative, or there is no minimum.

    Args:
        initial: s at the start; the first weight is exp(-initial).
        name: Name of the layer.

    Source: Kendall, Gal and Cipolla (2018), "Multi-Task Learning Using Uncertainty to Weigh Losses
    for Scene Geometry and Semantics", arXiv:1705.07115. There classification has this form, and
    regression 1/2 exp(-s) L: which is this one, with half the squared error as L.

    Example:

    >>> x = keras.Input((3,), name="x")
    >>> y = keras.layers.Dense(2)(x)
    >>> model = losslayer.Model(x, y)
    >>> model.add_loss(y[:, 0] ** 2, name="first", weight=Uncertainty())
    >>> model.add_loss(y[:, 1] ** 2, name="second", weight=Uncertainty(initial=1.0))
    >>> {name: round(weight, 4) for name, weight in model.loss_weights.items()}
    {'first': 1.0, 'second': 0.3679}
    >>> model.compile("adam")
    >>> sorted(model.fit(np.ones((4, 3)), verbose=0).history)
    ['first', 'first_weight', 'loss', 'second', 'second_weight']
    """

    def __init__(self, initial=0.0, **kwargs):
        super().__init__(**kwargs)
        self.initial = check.number(self, "initial", initial)
        start = keras.initializers.Constant(self.initial)
        # As a regulariser s / 2 enters `loss` by the way that all others take.
        self.log_variance = self.add_weight(
            (), initializer=start, regularizer=_half, name="log_variance"
        )

    def current(self):
        """exp(-s)."""
        return ops.exp(-ops.convert_to_tensor(self.log_variance))

    def get_config(self):
        """The argument of `__init__`."""
        return {**super().get_config(), "initial": self.initial}


class LossWeights(MutableMapping):
    """The weights in force by the names of the losses, as numbers: to be read, and to be set.

    Args:
        weightings: A dict from name to `Weighting`.
        sync: A function that puts the values of variables where they can be read and set.
    """

    def __init__(self, weightings, sync):
        self._weightings = weightings
        self._sync = sync

    def __getitem__(self, name):
        return as_float(self._find(name).current())

    def __setitem__(self, name, number):
        self._find(name).set(name, check.number("Model.loss_weights", name, number))

    def __delitem__(self, name):
        raise ObjectiveError(
            f"Model.loss_weights: `{name}` must stay. Received: del. To train without this loss, "
            "set its weight to 0."
        )

    def __iter__(self):
        return iter(self._weightings)

    def __len__(self):
        return len(self._weightings)

    def __repr__(self):
        return repr(dict(self))

    def _find(self, name):
        if name not in self._weightings:
            rule = f"be one of the losses {tuple(self._weightings)}"
            advice = check.nearest(name, self._weightings).strip()
            refuse("Model.loss_weights", "name", rule, name, advice, UnknownNameError)
        self._sync()
        return self._weightings[name]


def as_weighting(weight):
    """The weighting that `add_loss(weight=)` describes."""
    if isinstance(weight, Weighting):
        return weight
    if inspect.isclass(weight):
        advice = f"Make one: {weight.__name__}()."
        refuse("Model.add_loss", "weight", WHAT, weight, advice, ArgumentTypeError)
    if callable(weight):
        return Given(schedule=weight)
    return Given(check.number("Model.add_loss", "weight", weight, rule=WHAT))


def as_float(scalar):
    """A tensor or variable as a number."""
    return float(ops.convert_to_numpy(scalar))


def _at_step(schedule, step):
    try:
        number = ops.cast(ops.convert_to_tensor(schedule(step)), sum_dtype())
    except Exception as error:  # each engine has its own for what it can't compile
        problem = str(error).partition("\n")[0]
        advice = f"Write it with keras.ops; it raises {type(error).__name__}: {problem}"
        refuse("Model.add_loss", "weight", WHAT, schedule, advice)
    if len(number.shape):
        advice = f"It gives a tensor of shape {tuple(number.shape)}."
        refuse("Model.add_loss", "weight", WHAT, schedule, advice)
    return ops.stop_gradient(number)


def _half(log_variance):
    return 0.5 * log_variance
