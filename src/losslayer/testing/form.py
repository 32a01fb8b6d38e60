"""Checks of configuration, errors and documentation."""

import doctest
import inspect
import json
import re
import sys

import keras
import numpy as np

import losslayer
from losslayer.core import check as rules
from losslayer.core.errors import LosslayerError
from losslayer.core.layer import tensor_signature
from losslayer.testing.registry import check, close


@check
def configuration(subject):
    """The configuration survives JSON and makes a layer with the same configuration and values."""
    written = json.dumps(keras.saving.serialize_keras_object(subject.layer))
    layer = keras.saving.deserialize_keras_object(json.loads(written))
    if type(layer) is not type(subject.layer):
        raise AssertionError(f"it loads as a {type(layer).__name__}.")
    again = json.loads(json.dumps(keras.saving.serialize_keras_object(layer)))["config"]
    before = json.loads(written)["config"]
    changed = [k for k in before.keys() | again.keys() if before.get(k) != again.get(k)]
    if changed:
        key = min(changed)
        raise AssertionError(
            f"`{key}` is {before.get(key)!r} in the configuration, {again.get(key)!r} once loaded."
        )
    forgotten = [n for n in _settings(type(subject.layer)) if n not in before]
    if forgotten:
        raise AssertionError(f"the configuration lacks the arguments {tuple(forgotten)}.")
    subject.build(layer)
    layer.set_weights(subject.layer.get_weights())
    close("values of the loaded layer", subject.run(layer=layer)[0], subject.run()[0])


def _settings(cls):
    """The arguments of the constructor, those that it hands to its base classes included."""
    names: list = []
    for base in cls.__mro__:
        if base is losslayer.LossLayer:
            break
        if "__init__" in vars(base):
            parameters = list(inspect.signature(base.__init__).parameters.values())[1:]
            names += [p.name for p in parameters if p.kind is not p.VAR_KEYWORD]
            if not any(p.kind is p.VAR_KEYWORD for p in parameters):
                break
    return [n for n in dict.fromkeys(names) if n not in ("name", "dtype", "trainable")]


@check
def errors(subject):
    """Wrong arguments and shapes are refused by an error in the common form."""
    for what, attempt in _mistakes(subject):
        try:
            attempt()
        except LosslayerError as error:
            message = str(error)
            if not re.search(rf"{subject.name}: .*`\w+`.* must .*Received: ", message, re.DOTALL):
                raise AssertionError(
                    f"{what}: the message must read 'Class: `argument` must <rule>. Received: "
                    f"<value>.', but is: {message}"
                ) from None
        except Exception as error:
            raise AssertionError(
                f"{what}: {type(error).__name__} instead of a LosslayerError: {error}"
            ) from None
        else:
            raise AssertionError(f"{what}: it was not refused.")


def _mistakes(subject):
    """Pairs of a description and a function that must raise."""
    layer, cls = subject.layer, type(subject.layer)
    tensors = {n: keras.KerasTensor(a.shape, str(a.dtype)) for n, a in subject.arrays.items()}
    names = list(tensors)
    yield "a call without tensors", lambda: layer()
    more = {"not_an_argument": tensors[names[0]]}
    yield "a call with an unknown name", lambda: layer(*tensors.values(), **more)
    text = {**tensors, names[-1]: "text"}
    yield f"a text for `{names[-1]}`", lambda: layer(*text.values())
    for name, shape in _wrong_shapes(layer, {n: t.shape for n, t in tensors.items()}):
        wrong = {**tensors, name: keras.KerasTensor(shape, tensors[name].dtype)}
        yield f"shape {shape} of `{name}`", lambda wrong=wrong: layer(*wrong.values())
    for name in [n for n in layer.integers if n in tensors]:
        wrong = {**tensors, name: keras.KerasTensor(tensors[name].shape, "float32")}
        yield f"floats for `{name}`", lambda wrong=wrong: layer(*wrong.values())
    mask = np.ones((*subject.elements, 1, 1), bool)
    yield f"a mask of shape {mask.shape}", lambda: layer(*tensors.values(), mask=mask)
    mask = np.ones(subject.batch + 1, bool)
    yield "a mask with more examples", lambda: layer(*tensors.values(), mask=mask)
    unknown = {**layer.get_config(), "not_an_argument": 1}
    yield "an unknown constructor argument", lambda: cls.from_config(unknown)
    for arguments in subject.refused:
        yield f"{cls.__name__}(**{arguments})", lambda arguments=arguments: cls(**arguments)


def _wrong_shapes(layer, shapes):
    """One too many or too few axes, and sizes that differ where the axes are the same."""
    axes = {n: spec for n, spec in layer.axes.items() if n in shapes}  # others are optional
    for name, spec in axes.items():
        for rank in range(len(shapes[name]) + 3):
            if rules.words(spec, rank) is None:
                yield name, (2,) * rank
    seen = set()
    for name, spec in axes.items():
        for axis, word in enumerate(rules.words(spec, len(shapes[name]))):
            if word in seen:
                wrong = list(shapes[name])
                wrong[axis] += 1
                yield name, tuple(wrong)
            seen.add(word)


@check
def docstring(subject):
    """The docstring has a formula, all arguments, an example that runs, and a source."""
    cls = type(subject.layer)
    text = inspect.getdoc(cls) or ""
    missing = [] if re.search(r"^ {4}\S.* = ", text, re.MULTILINE) else ["an indented formula"]
    for section, names in (
        ("Args:", _settings(cls)),
        ("Call with:", tensor_signature(subject.layer).parameters),
    ):
        listed = re.search(rf"^{section}\n((?:    .*\n|\n)*)", text + "\n", re.MULTILINE)
        for name in names:
            if not (listed and re.search(rf"^    .*\b{name}\b.*:", listed[1], re.MULTILINE)):
                missing.append(f"`{name}` under '{section}'")
    if not re.search(r"^Source: \S", text, re.MULTILINE):
        missing.append("'Source: '")
    examples = doctest.DocTestParser().get_doctest(text, _namespace(cls), cls.__name__, None, 0)
    if not examples.examples:
        missing.append("an example with >>>")
    if missing:
        raise AssertionError(f"the docstring lacks {', '.join(missing)}.")
    said: list = []
    doctest.DocTestRunner(verbose=False).run(examples, out=said.append)
    if said:
        lines = [line.strip() for line in "".join(said).splitlines() if line.strip("* ")]
        raise AssertionError(f"the example does not give what it says: {' / '.join(lines[-8:])}")


def _namespace(cls):
    module = vars(sys.modules[cls.__module__])
    return {**module, "np": np, "keras": keras, "losslayer": losslayer, cls.__name__: cls}
