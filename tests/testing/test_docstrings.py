"""The examples in the docstrings of everything public give what they say, on every backend."""

import doctest
import inspect
import sys

import keras
import numpy as np
import pytest

import losslayer
import losslayer.testing


def _public():
    """Every public class and function by its full name, and the modules that list them."""
    found = {}
    for module in (
        losslayer,
        losslayer.callbacks,
        losslayer.losses,
        losslayer.metrics,
        losslayer.weighting,
        losslayer.testing,
    ):
        found[module.__name__] = module
        for name in module.__all__:
            thing = getattr(module, name)
            if inspect.isclass(thing) or inspect.isfunction(thing):
                found[f"{thing.__module__}.{thing.__qualname__}"] = thing
    return found


PUBLIC = _public()
PROMISED = [
    "losslayer.core.layer.LossLayer",
    "losslayer.core.function.loss_layer",
    "losslayer.core.model.Model",
]


def _examples(name):
    thing = PUBLIC[name]
    module = thing if inspect.ismodule(thing) else sys.modules[thing.__module__]
    namespace = {**vars(module), "np": np, "keras": keras, "losslayer": losslayer}
    text = inspect.cleandoc(thing.__doc__ or "")
    return doctest.DocTestParser().get_doctest(text, namespace, name, module.__file__, 0)


@pytest.mark.parametrize("name", PUBLIC)
def test_examples_run(name):
    """Each example gives what stands below it."""
    said: list = []
    doctest.DocTestRunner(verbose=False).run(_examples(name), out=said.append)
    assert not said, "".join(said)


@pytest.mark.parametrize(
    "name",
    [n for n, t in PUBLIC.items() if inspect.isclass(t) and not issubclass(t, Exception)]
    + PROMISED,
)
def test_has_a_docstring(name):
    """Whoever asks for help gets some; the two concepts come with an example."""
    assert PUBLIC[name].__doc__
    if name in PROMISED:
        assert _examples(name).examples
