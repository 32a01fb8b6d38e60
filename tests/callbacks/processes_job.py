"""One of several processes that train with `Resume`: a script, because devices come at the start.

    python -m tests.callbacks.processes_job FOLDER --id 0 --port 1234 [--fail 5] [--press 5]

Prints the outcome as JSON.
"""

import argparse
import json
import os
import signal

parser = argparse.ArgumentParser()
parser.add_argument("folder")
parser.add_argument("--id", type=int, required=True)
parser.add_argument("--port", type=int, required=True)
parser.add_argument("--fail", type=int, default=0, help="the step after which all fail")
parser.add_argument("--press", type=int, default=0, help="the step after which one gets Ctrl-C")
options = parser.parse_args()
os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=1"
os.environ["KERAS_BACKEND"] = "jax"

import keras  # noqa: E402

from losslayer.callbacks.checkpoints import Checkpoints  # noqa: E402
from tests.callbacks import conftest  # noqa: E402

keras.distribution.initialize(f"localhost:{options.port}", 2, options.id)
keras.distribution.set_distribution(keras.distribution.DataParallel())
keras.utils.set_random_seed(0)


class Press(conftest.Fail):
    """Ctrl-C in the second process after some steps."""

    def on_train_batch_end(self, batch, logs=None):
        self.left -= 1
        if self.left == 0 and options.id == 1:
            os.kill(os.getpid(), signal.SIGINT)


def refuse(*args):
    """Stands in for writing."""
    raise AssertionError("another process than the first one wrote")


if options.id > 0:
    Checkpoints.write = refuse
model = conftest.model()
callbacks = [conftest.Fail(options.fail)] if options.fail else []
callbacks += [Press(options.press)] if options.press else []
history = conftest.fit(model, options.folder, callbacks=callbacks)
print(json.dumps([history.history, history.epoch, conftest.outcome(model, history)[-1]]))
