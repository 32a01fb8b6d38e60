"""Checks in compiled functions, symbolic graphs and models."""

import os
import tempfile

import keras
import numpy as np
from keras import ops

from losslayer import backend
from losslayer.core.model import Model
from losslayer.testing.registry import check, close, finite
from losslayer.testing.subject import named_input


@check
def compiled(subject):
    """Compiled equals eager, on a second batch too, which does not compile again."""
    layer = subject.layer
    function, traces = backend.compiled(lambda tensors, mask: layer.call(tensors, mask=mask))
    order = np.roll(np.arange(subject.batch), 1)
    *_, mask = subject.masks()
    first, count = subject.arrays, 0
    second = {n: a * 0.5 if n in subject.floats else a for n, a in subject.rows(order).items()}
    for batch, (arrays, which) in enumerate(((first, mask), (second, mask[order]))):
        tensors = tuple(map(ops.convert_to_tensor, arrays.values()))
        found = function(tensors, ops.convert_to_tensor(which))
        # Not `subject.run`, which compiles on JAX.
        eager = map(ops.convert_to_numpy, layer(*arrays.values(), mask=which))
        for what, part, expected in zip(("values", "weights"), found, eager):
            close(f"compiled {what} of batch {batch + 1}", ops.convert_to_numpy(part), expected)
        count = count or len(traces)
        if len(traces) != count:
            raise AssertionError(f"batch {batch + 1}, of the same shape, compiles again.")


@check
def unknown_sizes(subject):
    """A graph with unknown batch and time sizes runs on batches of different sizes."""
    names = [*subject.arrays, "mask"]
    inputs = [named_input(subject, n, unknown_sizes=True) for n in names]
    model = keras.Model(inputs, list(subject.remade()(*inputs[:-1], mask=inputs[-1])))
    run = backend.fast(model)
    *_, mask = subject.masks()
    for batch, time in ((None, None), (-1, -1), (-1, None)):
        shared = {n: subject.shared(a) for n, a in subject.arrays.items()}
        cut = subject.rows(slice(batch))
        cut = {n: a[:, :time] if shared[n] > 1 else a for n, a in cut.items()}
        which = mask[:batch, :time] if mask.ndim > 1 else mask[:batch]
        found = run([*map(ops.convert_to_tensor, cut.values()), ops.convert_to_tensor(which)])
        for what, part, expected in zip(("values", "weights"), found, subject.run(cut, mask=which)):
            where = f"{what} of the graph on {which.shape}, against eager"
            close(where, ops.convert_to_numpy(part), expected)


@check
def training(subject):
    """In a model it trains; saved and loaded in safe mode it has the same loss and trains on."""
    *_, mask = subject.masks()
    data = {**subject.arrays, "mask": mask}
    weights = subject.layer.get_weights()
    try:
        _train_and_reload(_model(subject), data)
    finally:
        subject.layer.set_weights(weights)


def _train_and_reload(model, data):
    before = _evaluate(model, data)
    finite("loss before training", before)
    model.fit(data, batch_size=len(data["mask"]), epochs=3, verbose=0)
    after = _evaluate(model, data)
    if not after < before:
        raise AssertionError(f"three small steps take the loss from {before:.6g} to {after:.6g}.")
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "model.keras")
        model.save(path)
        loaded = keras.saving.load_model(path)  # safe mode is Keras's default
    close("loss of the loaded model", _evaluate(loaded, data), after)
    for trained in (model, loaded):
        trained.fit(data, batch_size=len(data["mask"]), epochs=1, verbose=0)
    close("loss of the loaded model, trained on", _evaluate(loaded, data), _evaluate(model, data))


def _evaluate(model, data):
    batch = len(data["mask"])
    return model.evaluate(data, batch_size=batch, verbose=0, return_dict=True)["loss"]


def _model(subject):
    """The layer behind a trainable map of each float input that starts as the identity."""
    inputs = {n: named_input(subject, n) for n in [*subject.arrays, "mask"]}
    fed = [_trainable(t) if n in subject.floats else t for n, t in inputs.items() if n != "mask"]
    pair = subject.layer(*fed, mask=inputs["mask"])
    model = Model(inputs=list(inputs.values()), outputs=fed)
    model.add_loss(pair, name="subject")
    model.compile(keras.optimizers.SGD(0.01))
    return model


def _trainable(tensor):
    size = tensor.shape[-1] if len(tensor.shape) > 1 else 1
    dense = keras.layers.Dense(size, kernel_initializer="identity")
    if len(tensor.shape) > 1:
        return dense(tensor)
    return keras.layers.Reshape(())(dense(keras.layers.Reshape((1,))(tensor)))
