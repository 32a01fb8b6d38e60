"""The state of a training: what to store of model, optimizer, metrics and callbacks."""

import inspect
import json
import re

import keras

from losslayer.callbacks.plain import is_plain
from losslayer.core.errors import ResumeError


def groups(model):
    """All variables that a training changes, by what they belong to.

    The model's are its weights, the rest of its layers' state, and seed generators.
    """
    return {
        "model": model.variables,
        "optimizer": model.optimizer.variables,
        "metrics": model.metrics_variables,
    }


def values(model):
    """The values of all variables, by group."""
    return {
        name: [keras.ops.convert_to_numpy(v.value) for v in variables]
        for name, variables in groups(model).items()
    }


def set_values(model, stored):
    """Give all variables the values that `values` returned."""
    for name, variables in groups(model).items():
        for variable, value in zip(variables, stored[name], strict=True):
            variable.assign(value)


def made_of(model, data, settings):
    """What must be the same in a run that goes on, as plain data.

    Args:
        model: The compiled model.
        data: Description of the training data.
        settings: Anything else, a dict.
    """
    return {
        "backend": keras.config.backend(),
        "steps_per_execution": model.steps_per_execution,
        "model": _described(model.variables),
        "optimizer": optimizer_settings(model),
        "data": data,
        **settings,
    }


def optimizer_settings(model):
    """The optimizer's configuration as plain data."""
    config = keras.saving.serialize_keras_object(model.optimizer)
    kept = {name: config[name] for name in ("class_name", "config")}
    # Keras numbers names through the life of a process: the second optimizer is `adam_1`.
    return json.loads(re.sub(r'("name": "[^"]*?)_[0-9]+"', r'\1"', json.dumps(kept, default=str)))


def described_metrics(model):
    """The variables of the metrics; some make theirs in the first step only."""
    return _described(model.metrics_variables)


def require_same(stored, here, later=None):
    """Raise unless what the run is made of is what it was.

    Args:
        stored: What it was when the run began, nested plain data.
        here: What it is now.
        later: What had changed when the state was stored: a callback may set the learning rate.
    """
    before, now, later = _flat(stored), _flat(here), _flat(later or {})
    different = [
        f"{name}: {before.get(name)!r} then, {now.get(name)!r} now"
        for name in dict.fromkeys([*before, *now])
        if now.get(name) not in (before.get(name), later.get(name, before.get(name)))
    ]
    if different:
        listed = "; ".join(different[:3]) + ("; ..." if len(different) > 3 else "")
        raise ResumeError(
            f"Resume: `folder` must hold a run of this model, on these data. Received: another one "
            f"({listed}). Make them the same, or give another folder (or delete this one) to start "
            "anew."
        )


def callback_states(callbacks):
    """The class and the state of each callback."""
    return [[type(c).__name__, _callback_state(c)] for c in callbacks]


def set_callback_states(callbacks, stored):
    """Give callbacks their states back; those of one class in their order."""
    left = [list(pair) for pair in stored]
    for callback in callbacks:
        pair = next((p for p in left if p[0] == type(callback).__name__), None)
        if pair is None:
            continue
        left.remove(pair)
        if hasattr(callback, "set_state"):
            callback.set_state(pair[1])
        else:
            vars(callback).update(pair[1])


def _callback_state(callback):
    """What `get_state` says; else its plain attributes, but for the arguments it was made with."""
    if hasattr(callback, "get_state"):
        return callback.get_state()
    given = {"params", "_model", *inspect.signature(type(callback).__init__).parameters}
    return {n: v for n, v in vars(callback).items() if n not in given and is_plain(v)}


def _described(variables):
    # Here too: the second model has a `dense_1`.
    return [
        f"{re.sub(r'_[0-9]+(?=/|$)', '', v.path)} {tuple(v.shape)} "
        f"{keras.backend.standardize_dtype(v.dtype)}"
        for v in variables
    ]


def _flat(value, name=""):
    """Nested dicts and lists as one dict, with names like `optimizer.config.learning_rate`."""
    if isinstance(value, dict) and value:
        pairs = [(f"{name}.{k}" if name else str(k), v) for k, v in value.items()]
    elif isinstance(value, (list, tuple)) and value:
        pairs = [(f"{name}[{i}]", v) for i, v in enumerate(value)]
    else:
        return {name: value}
    return {k: v for child, content in pairs for k, v in _flat(content, child).items()}
