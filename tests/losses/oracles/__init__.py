"""For each loss a function of its name: configurations, example inputs, and the values once more.

The values are loops over elements with `math`, written from the formula and not from the code. A
module for each of `losslayer.losses`, by the same name.
"""

import importlib
import inspect
import pkgutil


def has_cases(cls):
    """Whether the loss has any."""
    return hasattr(_module(cls), cls.__name__)


def cases(cls):
    """The cases of a loss."""
    return list(getattr(_module(cls), cls.__name__)())


def _module(cls):
    name = inspect.getmodule(cls).__name__.rpartition(".")[2]
    known = {m.name for m in pkgutil.iter_modules(__path__)}
    return importlib.import_module(f"{__name__}.{name}") if name in known else None
