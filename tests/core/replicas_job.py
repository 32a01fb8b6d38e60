"""Gradients and numbers of `tests.core.cuts` under TensorFlow's MirroredStrategy: a script.

    python -m tests.core.replicas_job OUT.npz --replicas 2

Devices must be made before TensorFlow starts, hence a process of its own.
"""

import argparse
import os

parser = argparse.ArgumentParser()
parser.add_argument("out")
parser.add_argument("--replicas", type=int, required=True)
options = parser.parse_args()
os.environ["KERAS_BACKEND"] = "tensorflow"

import tensorflow as tf  # noqa: E402

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(
    cpu, [tf.config.LogicalDeviceConfiguration()] * options.replicas
)

import keras  # noqa: E402
import numpy as np  # noqa: E402

from tests.core import cuts  # noqa: E402

found = {}
names = [f"CPU:{i}" for i in range(options.replicas)]
strategy = (
    tf.distribute.MirroredStrategy(names) if options.replicas > 1 else tf.distribute.get_strategy()
)


def numbers(history):
    return [float(n) for value in history.values() for n in np.atleast_1d(value)]


with strategy.scope():
    for losses in [*((n,) for n in cuts.LOSSES), cuts.LOSSES]:
        for size in (None, 2):
            model = cuts.build(losses)
            model.compile(keras.optimizers.SGD(cuts.RATE), microbatch_size=size)
            before = model.get_weights()
            history = model.fit(cuts.data(), batch_size=cuts.ROWS, shuffle=False, verbose=0)
            for i, (a, b) in enumerate(zip(before, model.get_weights())):
                found[f"{'+'.join(losses)} {size} {i}"] = (a - b) / cuts.RATE
            found[f"{'+'.join(losses)} {size} logs"] = numbers(history.history)
    # Shares of 4 and 4 rows, then of 2 and 1, or of 1 and none.
    for rows in (11, 9):
        model = cuts.build(regularised=True)
        model.loss_weights["triplet"] = 0.5
        model.compile(keras.optimizers.SGD(0.1))
        settings = {"batch_size": 8, "verbose": 0}
        history = model.fit(cuts.data(rows), epochs=2, shuffle=False, **settings).history
        found[f"fit {rows}"] = numbers(history)
        logs = model.evaluate(cuts.data(rows), return_dict=True, **settings)
        found[f"evaluate {rows}"] = numbers(logs)
        found[f"predict {rows}"] = model.predict(cuts.data(rows), **settings)

np.savez(options.out, **found)
