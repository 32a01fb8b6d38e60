"""Kill a training at random moments until it is through, and compare it with one left alone.

    python tests/callbacks/kill.py --kills 100 --backends jax,torch,tensorflow

Each training runs in processes of its own, which get a SIGKILL at a random moment of the training:
between steps, in one, in the validation, while a state is written (`in a write` counts the
processes that left a half-written file). Then it is started again. The hash of weights and
optimizer, and the history, must be those of the training that nothing interrupted.
"""

import argparse
import hashlib
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).parents[2]
EPOCHS, STEPS, SIZE = 4, 12, 8
SOURCES = ("arrays", "py_dataset")


def train(folder, source, seconds):
    """The training, in this process; prints a line when it begins, and its outcome."""
    import keras
    import numpy as np

    import losslayer as ll

    rng = np.random.default_rng(0)
    x = rng.normal(size=(STEPS * SIZE, 16)).astype("float32")
    target = rng.normal(size=(STEPS * SIZE, 1)).astype("float32")

    class Noisy(keras.utils.PyDataset):
        """Batches with noise that depends on the epoch and the step."""

        def begin(self, epoch):
            self.epoch = epoch

        def __len__(self):
            return STEPS

        def __getitem__(self, step):
            rows = slice(step * SIZE, (step + 1) * SIZE)
            noise = np.random.default_rng((self.epoch, step)).normal(size=(SIZE, 16))
            return (x[rows] + noise).astype("float32"), target[rows]

    class Pace(keras.callbacks.Callback):
        """Says when training has begun, and keeps it long enough to be hit anywhere."""

        def on_train_batch_begin(self, batch, logs=None):
            if not getattr(self, "said", False):
                print("training", flush=True)
                self.said = True
            time.sleep(seconds)

        def get_state(self):
            return {}

        def set_state(self, state):
            pass

    keras.utils.set_random_seed(1)
    inputs, label = keras.Input((16,), name="x"), keras.Input((1,), name="target")
    hidden = keras.layers.Dense(64, "relu")(inputs)
    hidden = keras.layers.BatchNormalization()(keras.layers.Dropout(0.3)(hidden))
    prediction = keras.layers.Dense(1)(hidden)
    model = ll.Model(inputs, prediction, labels=label)
    model.add_loss(keras.ops.square(prediction - label), name="error")
    model.add_metric(keras.metrics.MeanAbsoluteError(), label, prediction, name="distance")
    rate = keras.optimizers.schedules.CosineDecay(0.01, EPOCHS * STEPS)
    in_one = 2 if source == "arrays" and keras.config.backend() != "torch" else 1
    model.compile(keras.optimizers.Adam(rate), steps_per_execution=in_one)
    given = {"x": Noisy()} if source == "py_dataset" else {"x": x, "y": target, "batch_size": SIZE}
    history = model.fit(
        **given,
        epochs=EPOCHS,
        verbose=0,
        validation_data=(x[:16], target[:16]),
        callbacks=[Pace(), ll.callbacks.Resume(folder, steps=1)],
    )
    digest = hashlib.sha256()
    for variable in [*model.variables, *model.optimizer.variables]:
        digest.update(keras.ops.convert_to_numpy(variable.value).tobytes())
    print(json.dumps([history.history, history.epoch, digest.hexdigest()]), flush=True)


def start(folder, backend, source, seconds):
    """A process that trains; its output is read line by line."""
    paths = [str(ROOT / "src"), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {
        **os.environ,
        "KERAS_BACKEND": backend,
        "PYTHONPATH": os.pathsep.join(paths),
        "OMP_NUM_THREADS": "1",
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
    line = [sys.executable, __file__, "--train", str(folder), source, str(seconds)]
    return subprocess.Popen(
        line, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def until_training(process):
    """Read until the training has begun; the line that says so, or that of the outcome."""
    for line in process.stdout:
        if line.startswith(("training", "[")):
            return line
    raise SystemExit(f"a process ended before it trained:\n{process.stderr.read()}")


def finish(process):
    """The outcome of a process that is left alone."""
    line = until_training(process)
    while not line.startswith("["):
        line = process.stdout.readline()
        if not line:
            raise SystemExit(f"a process failed:\n{process.stderr.read()}")
    process.wait()
    return json.loads(line)


def wait_for_a_write(folder, process):
    """Return while the process writes a state, or after it has ended."""
    while process.poll() is None and not any(folder.glob(".*.partial")):
        pass


def kill_until_done(backend, source, kills, seconds, chance):
    """Kill trainings at random until there have been `kills`.

    Returns:
        Numbers: kills, those of them in the middle of a write, trainings, trainings that ended
        unlike the one left alone.
    """
    counts = dict.fromkeys(("kills", "in a write", "trainings", "different"), 0)
    with tempfile.TemporaryDirectory() as place:
        expected = finish(start(pathlib.Path(place) / "whole", backend, source, seconds))
        span = EPOCHS * STEPS * (seconds + 0.004)
        while counts["kills"] < kills:
            folder = pathlib.Path(place) / f"run{counts['trainings']}"
            outcome = None
            while outcome is None:
                process = start(folder, backend, source, seconds)
                if counts["kills"] >= kills:
                    outcome = finish(process)
                    break
                line = until_training(process)
                if not line.startswith("["):
                    # Several times in one training: each is a share of what it takes.
                    time.sleep(chance.uniform(0, span / 4))
                    if chance.random() < 0.5:
                        wait_for_a_write(folder, process)
                    process.kill()
                    rest = process.stdout.read()
                    line = next((r for r in rest.splitlines() if r.startswith("[")), "")
                    process.wait()
                    counts["kills"] += process.returncode < 0
                    counts["in a write"] += any(folder.glob(".*.partial"))
                if line.startswith("["):
                    outcome = json.loads(line)
            counts["trainings"] += 1
            counts["different"] += outcome != expected
    return counts


def main():
    """Print a line of counts for each backend and source; exit with 1 if any run differs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=100, help="in all")
    parser.add_argument("--backends", default="jax,torch,tensorflow")
    parser.add_argument("--sources", default=",".join(SOURCES))
    parser.add_argument("--seconds", type=float, default=0.01, help="pause before each step")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--train", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.train:
        train(given.train[0], given.train[1], float(given.train[2]))
        return
    chance = random.Random(given.seed)
    pairs = [(b, s) for b in given.backends.split(",") for s in given.sources.split(",")]
    different = 0
    for number, (backend, source) in enumerate(pairs):
        kills = given.kills // len(pairs) + (number < given.kills % len(pairs))
        started = time.perf_counter()
        counts = kill_until_done(backend, source, kills, given.seconds, chance)
        different += counts["different"]
        text = ", ".join(f"{name} {count}" for name, count in counts.items())
        print(f"{backend:10} {source:10} {text}, {time.perf_counter() - started:.0f} s", flush=True)
    raise SystemExit(1 if different else 0)


if __name__ == "__main__":
    main()
