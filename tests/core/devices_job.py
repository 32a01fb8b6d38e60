"""Gradients of `tests.core.cuts` on several devices: a script, because devices come at the start.

    python -m tests.core.devices_job OUT.npz --devices 4 [--id 0 --processes 2 --port 1234]

Each process makes that many devices of its processor. What it writes are gradients, logs and
numbers of `evaluate`, by the names of the cases.
"""

import argparse
import os
import sys
import warnings

parser = argparse.ArgumentParser()
parser.add_argument("out")
parser.add_argument("--devices", type=int, required=True)
parser.add_argument("--id", type=int, default=0)
parser.add_argument("--processes", type=int, default=1)
parser.add_argument("--port", type=int)
parser.add_argument("--own-data", action="store_true", help="each process reads its own share")
parser.add_argument("--whole", action="store_true", help="its share is all, in one batch")
parser.add_argument("--generator", action="store_true", help="of a generator")
parser.add_argument("--fewer", action="store_true", help="process 1 has one batch less")
options = parser.parse_args()
os.environ["XLA_FLAGS"] = f"--xla_force_host_platform_device_count={options.devices}"
os.environ["KERAS_BACKEND"] = "jax"
warnings.simplefilter("error")
warnings.filterwarnings("ignore", "__array__ implementation", DeprecationWarning)

import jax  # noqa: E402
import keras  # noqa: E402
import numpy as np  # noqa: E402

import losslayer as ll  # noqa: E402
from tests.core import cuts  # noqa: E402

# Else small operations pile up behind a collective, until XLA has no thread left to run it: rarely,
# and on CPUs alone, all processes wait for ever then.
jax.config.update("jax_cpu_enable_async_dispatch", False)

if options.processes > 1:
    address = f"localhost:{options.port}"
    keras.distribution.initialize(address, options.processes, options.id)

LOSSES = [*((n,) for n in cuts.LOSSES), cuts.LOSSES]


class Own(keras.utils.PyDataset):
    """The batches of one process, of many rows each."""

    def __init__(self, x, size):
        super().__init__()
        self.x, self.size = x, size

    def __len__(self):
        return -(-len(self.x["right"]) // self.size)

    def __getitem__(self, place):
        rows = slice(place * self.size, (place + 1) * self.size)
        return ({name: ids[rows] for name, ids in self.x.items()},)


def numbers(history):
    """All figures of a history or of `evaluate`, flat."""
    return [float(n) for value in history.values() for n in np.atleast_1d(value)]


def main():
    layout = keras.distribution.DataParallel(auto_shard_dataset=not options.own_data)
    keras.distribution.set_distribution(layout)
    found = {}
    if options.own_data:
        rows = cuts.data(10)
        share = slice(0, 6) if options.id == 0 else slice(6, 10)
        if options.fewer:
            share = slice(0, 9) if options.id == 0 else slice(9, 10)
        if options.whole:
            share = slice(0, 10)
        mine = Own({name: ids[share] for name, ids in rows.items()}, 10 if options.whole else 6)
        model = cuts.build()
        model.compile(keras.optimizers.SGD(0.1))
        if options.generator:
            mine = (batch for batch in list(map(mine.__getitem__, range(len(mine)))))
        history = model.fit(mine, epochs=2, shuffle=False, verbose=0).history
        found["own"] = numbers(history)
    else:
        for losses in LOSSES:
            for size in (None, 4):
                model = cuts.build(losses)
                gradients, _ = cuts.gradient(model, cuts.data(), microbatch_size=size)
                found.update({f"{'+'.join(losses)} {size} {i}": g for i, g in enumerate(gradients)})
        # Ten rows in batches of 6 and 4: with four devices neither divides.
        model = cuts.build(dropout=0.5)
        model.compile(keras.optimizers.SGD(0.1), microbatch_size=4)
        settings = {"epochs": 2, "verbose": 0}
        found["dropout"] = numbers(model.fit(cuts.data(10), batch_size=6, **settings).history)
        model = cuts.build()
        model.compile(keras.optimizers.SGD(0.1))
        settings |= {"shuffle": False, "validation_split": 0.3}
        found["fit"] = numbers(model.fit(cuts.data(10), batch_size=6, **settings).history)
        found["evaluate"] = numbers(
            model.evaluate(cuts.data(7), batch_size=5, verbose=0, return_dict=True)
        )
        if options.processes == 1:
            found["predict"] = model.predict(cuts.data(7), batch_size=5, verbose=0)
    if options.id == 0:
        np.savez(options.out, **found)


try:
    main()
except ll.LosslayerError as error:
    print(error)
    sys.exit(3)
