"""A model's training and evaluation steps: which one runs, and what is done around it."""

import contextlib
import contextvars
from dataclasses import dataclass

import keras

from losslayer import backend
from losslayer.core.errors import DataError

# The step that is running, in this thread: TensorFlow runs those of several replicas in turns.
_running: contextvars.ContextVar = contextvars.ContextVar("running", default=None)


@dataclass
class Step:
    """A step that is running: of which model, for "fit" or "evaluate"."""

    model: keras.Model
    stage: str
    excluded: frozenset = frozenset()  # ids of variables that it must not touch


@contextlib.contextmanager
def run(model, stage):
    """Inside of it a step of `model` is running."""
    token = _running.set(Step(model, stage))
    try:
        yield _running.get()
    finally:
        _running.reset(token)


def running(model):
    """The step of `model` that is running, or None."""
    step = _running.get()
    return step if step is not None and step.model is model else None


def kept(model, unreached, result, state):
    """What a step of JAX returned, with the old values of variables that no loss reaches.

    Weight decay moved them.
    """
    logs, (trainable, *rest) = result
    pairs = zip(model.trainable_variables, state[0], trainable)
    return logs, ([old if id(v) in unreached else new for v, old, new in pairs], *rest)


def make(model, name, make_function, force):
    """Let Keras make "train_function", "test_function" or "predict_function", then wrap it.

    The batches are looked at before it; when it fails, the weights are as they were.
    """
    old = getattr(model, name)
    make_function(force)
    made = getattr(model, name)
    if made is old:
        return

    def state():
        """The variables in the order in which JAX passes them to this kind of step."""
        groups = [model.trainable_variables, model.non_trainable_variables]
        if name == "train_function":
            groups.append(model.optimizer.variables)
        return [*groups, model.metrics_variables]

    def step(*args):
        *given, batches = args
        if model._inspection is not None:  # predict needs no compile
            batches = model._inspection.looked_at(name, batches, model, *given)
        result = made(*given, batches)
        return _only_logged(model, result) if name == "train_function" else result

    setattr(model, name, backend.guarded(step, state, DataError))


def _only_logged(model, result):
    """What a training step returned, without the weights that are not reported."""
    logs = result[0] if isinstance(result, tuple) else result  # on JAX with the state
    for term in model._objective.losses:
        if not term.weight.is_logged:
            logs.pop(term.weight_name, None)
    return result
