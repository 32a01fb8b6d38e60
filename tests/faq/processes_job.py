"""One of the processes that train a matcher: a script, because devices come at the start.

    python -m tests.faq.processes_job TABLE TEST_TABLE --settings '{"units": 8}' \\
      --processes 2 --devices 1 --id 0 --port 1234

Prints the history and the measures as JSON.
"""

import argparse
import json
import os

parser = argparse.ArgumentParser()
parser.add_argument("table")
parser.add_argument("test_table")
parser.add_argument("--settings", type=json.loads, default={})
parser.add_argument("--processes", type=int, required=True)
parser.add_argument("--devices", type=int, required=True, help="of each process")
parser.add_argument("--id", type=int, required=True)
parser.add_argument("--port", type=int, required=True)
options = parser.parse_args()
os.environ["XLA_FLAGS"] = f"--xla_force_host_platform_device_count={options.devices}"
os.environ["KERAS_BACKEND"] = "jax"

import keras  # noqa: E402

from losslayer.faq import Matcher, Settings, read_examples  # noqa: E402

# After all imports: none of them may start the engine.
if options.processes > 1:
    address = f"localhost:{options.port}"
    keras.distribution.initialize(address, options.processes, options.id)
keras.distribution.set_distribution(keras.distribution.DataParallel())

matcher = Matcher.train(read_examples(options.table), Settings(**options.settings))
unseen = read_examples(options.test_table, entries=matcher.entries)
print(json.dumps([matcher.history, matcher.evaluate(unseen)]))
