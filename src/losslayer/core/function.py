"""The short way to a loss layer: a decorated function."""

import inspect

from losslayer.core.errors import ArgumentTypeError, refuse
from losslayer.core.layer import LossLayer


def loss_layer(function=None, *, couples_examples=False):
    """Make a loss layer of a plain function of tensors.

    Positional arguments are tensors, keyword-only arguments hyper-parameters (but for `counts`,
    which `LossLayer` explains). The function returns one value per element; mask, weights,
    precision and saving are `LossLayer`'s. It replaces a `Lambda` layer, and a function that
    returns a closure: unlike these, what it makes is saved with its hyper-parameters and loads in
    safe mode (where the module that defines it has been imported).

    Args:
        function: `function(tensor, ..., *, hyper_parameter=default, ...)`.
        couples_examples: Whether a value depends on other examples of the batch.

    Returns:
        A subclass of `LossLayer` with the name of the function.

    Raises:
        ArgumentTypeError: if `function` takes no tensor, or `**` arguments.

    Example:

    >>> import keras
    >>> import numpy as np
    >>> @loss_layer
    ... def margin_loss(right, wrong, *, margin=0.1):
    ...     return keras.ops.relu(margin + wrong - right)
    >>> values, weights = margin_loss(margin=0.5)(np.array([0.9, 0.2]), np.array([0.1, 0.3]))
    >>> print(keras.ops.convert_to_numpy(values).round(1))
    [0.  0.6]
    """
    if function is None:
        return lambda f: loss_layer(f, couples_examples=couples_examples)
    parameters = list(inspect.signature(function).parameters.values())
    tensors = [p for p in parameters if p.kind is not inspect.Parameter.KEYWORD_ONLY]
    named = [p for p in parameters if p.kind is inspect.Parameter.KEYWORD_ONLY]
    settings = [p for p in named if p.name != "counts"]
    counts = [p for p in named if p.name == "counts"]
    if not tensors or any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters):
        refuse(
            "loss_layer",
            "function",
            "take tensors by position and hyper-parameters as keyword-only arguments, without **",
            str(inspect.signature(function)),
            "Put a `*` before the first hyper-parameter.",
            ArgumentTypeError,
        )
    names = [p.name for p in settings]

    def __init__(self, *tensors, name=None, dtype=None, **kwargs):
        if tensors:
            raise ArgumentTypeError(
                f"{function.__name__}: hyper-parameters must be given by name, of {tuple(names)}. "
                f"Received: {tensors!r}. Tensors go to the layer: {function.__name__}()(...)."
            )
        given = {n: kwargs.pop(n) for n in names if n in kwargs}
        LossLayer.__init__(self, name=name, dtype=dtype, **kwargs)
        for p in settings:
            if p.default is p.empty and p.name not in given:
                raise ArgumentTypeError(
                    f"{function.__name__}: `{p.name}` must be given, it has no default. "
                    f"Received: {given}."
                )
        for p in settings:
            setattr(self, p.name, given.get(p.name, p.default))

    # The constructor's signature is what `get_config`, editors and `help()` read.
    keras_own = inspect.signature(LossLayer.__init__).parameters
    __init__.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [keras_own["self"], *settings, keras_own["name"], keras_own["dtype"], keras_own["kwargs"]]
    )

    def values(self, *args, **counts):
        return function(*args, **{n: getattr(self, n) for n in names}, **counts)

    values.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [keras_own["self"], *tensors, *counts]
    )
    return type(
        function.__name__,
        (LossLayer,),
        {
            "__init__": __init__,
            "values": values,
            "__doc__": function.__doc__,
            "__module__": function.__module__,
            "__qualname__": function.__qualname__,
            "couples_examples": couples_examples,
        },
    )
