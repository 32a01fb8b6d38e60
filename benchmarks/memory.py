"""What micro-batches save: memory and time of a training step, with and without them.

A bidirectional LSTM encodes questions and answers, in-batch negatives compare all with all. Peak
memory is what the compiled step needs for intermediate results (on JAX, as the compiler states
it) and what a process holds at most beyond what it held before its first step (all engines). Each
is measured in a process of its own; times of both ways are taken in one process, interleaved.

The matrix of all similarities belongs to the loss, not to the encoders. So the compiler's figure
is printed a second time, with a loss that compares each example with its neighbour only: what the
encoders take.

    KERAS_BACKEND=jax python benchmarks/memory.py [--batches 512 1024 2048 4096 8192] [--size 256]

Prints a table, then one JSON line.
"""

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time

import keras
import numpy as np
from keras import ops

import losslayer as ll

VOCABULARY, TIME, EMBEDDING, UNITS = 5000, 32, 64, 128


@ll.loss_layer(couples_examples=True)
def neighbours(anchor, positive):
    """A loss of a batch that holds no matrix: the wrong answer is the one of the row before."""
    right = ops.sum(anchor * positive, axis=-1)
    wrong = ops.sum(anchor * ops.roll(positive, 1, axis=0), axis=-1)
    return ops.softplus(wrong - right)


def build(size, loss):
    """The model, compiled; `size` is its microbatch_size."""
    keras.utils.set_random_seed(0)
    question = keras.Input((TIME,), dtype="int32", name="question")
    answer = keras.Input((TIME,), dtype="int32", name="answer")
    encode = keras.Sequential(
        [
            keras.layers.Embedding(VOCABULARY, EMBEDDING),
            keras.layers.Bidirectional(keras.layers.LSTM(UNITS)),
        ]
    )
    query = encode(question)
    model = ll.Model([question, answer], query)
    model.add_loss(loss(query, encode(answer)), name="nll")
    model.compile(keras.optimizers.SGD(0.1), microbatch_size=size)
    return model


def data(rows):
    """A batch of random tokens, by name."""
    rng = np.random.default_rng(0)
    tokens = rng.integers(1, VOCABULARY, (2, rows, TIME)).astype("int32")
    return {"question": tokens[0], "answer": tokens[1]}


def stepper(size, rows, loss=None):
    """A function that runs a training step to its end, and the compiler's figure, if it has one."""
    model, batch = build(size, loss or ll.losses.InBatchNegatives()), data(rows)
    if keras.backend.backend() != "jax":
        return lambda: model.train_on_batch(batch), None
    import jax

    model.optimizer.build(model.trainable_variables)
    groups = (
        model.trainable_variables,
        model.non_trainable_variables,
        model.optimizer.variables,
        model.metrics_variables,
    )
    held = {"state": tuple([jax.numpy.array(v.value) for v in group] for group in groups)}
    # The step that `fit` compiles, compiled here to ask what it needs.
    jitted = jax.jit(model.train_step, donate_argnums=0)
    compiled = jitted.lower(held["state"], (batch,)).compile()

    def step():
        _, held["state"] = compiled(held["state"], (batch,))
        jax.block_until_ready(held["state"])

    return step, compiled.memory_analysis().temp_size_in_bytes


def held_now():
    """The most memory that this process has held so far, in bytes."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def measure(rows, size):
    """Peak memory of steps, in this process."""
    before = held_now()
    step, temporary = stepper(size, rows)
    for _ in range(2):
        step()
    held = held_now() - before
    encoders = None if temporary is None else stepper(size, rows, neighbours())[1]
    return {"temporary": temporary, "encoders": encoders, "held": held}


def compare(rows, size, rounds):
    """Times of a step with slices over those without, in pairs."""
    ways = [stepper(size, rows)[0], stepper(None, rows)[0]]
    for step in ways:
        step()
    times: list = [[], []]
    for turn in range(rounds):
        for way in (0, 1) if turn % 2 else (1, 0):
            start = time.perf_counter()
            ways[way]()
            times[way].append(time.perf_counter() - start)
    ratios = [a / b for a, b in zip(*times)]
    spread = sorted(ratios)
    return {
        "seconds": [statistics.median(t) for t in times],
        "ratio": statistics.median(ratios),
        "range": [spread[0], spread[-1]],
    }


def in_process(*arguments):
    """Run this script again with `arguments`; what it prints last, as JSON."""
    command = [sys.executable, __file__, *map(str, arguments)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def megabytes(count):
    return "-" if count is None else f"{count / 1e6:,.0f}"


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--batches", type=int, nargs="+", default=[512, 1024, 2048, 4096, 8192])
    parser.add_argument("--size", type=int, default=256, help="microbatch_size")
    parser.add_argument("--timed", type=int, nargs="*", default=[2048], help="batches to time")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--part", choices=["memory", "time"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.part:
        [rows], size = options.batches, options.size or None
        parts = {
            "memory": lambda: measure(rows, size),
            "time": lambda: compare(rows, size, options.rounds),
        }
        print(json.dumps(parts[options.part]()))
        return
    engine = keras.backend.backend()
    print(f"{engine}, {platform.processor() or platform.machine()}, {os.cpu_count()} cores,")
    print(f"load {os.getloadavg()[0]:.1f}; slices of {options.size}; memory in MB\n")
    print("batch  temporary: whole   sliced   encoders: whole   sliced   held: whole   sliced")
    found = {}
    for rows in options.batches:
        whole, sliced = (
            in_process("--part", "memory", "--batches", rows, "--size", size)
            for size in (0, options.size)
        )
        found[rows] = {"whole": whole, "sliced": sliced}
        figures = [(kind, way) for kind in ("temporary", "encoders", "held") for way in found[rows]]
        widths = (16, 8, 17, 8, 13, 8)
        cells = [megabytes(found[rows][way][kind]) for kind, way in figures]
        row = " ".join(f"{cell:>{width}}" for cell, width in zip(cells, widths))
        print(f"{rows:5} {row}", flush=True)
    for rows in options.timed:
        arguments = ("--batches", rows, "--size", options.size, "--rounds", options.rounds)
        found.setdefault(rows, {})["time"] = timed = in_process("--part", "time", *arguments)
        low, high = timed["range"]
        print(f"\ntime of a step at {rows}: {timed['ratio']:.3f} of the whole batch's", end="")
        print(f" (median of {options.rounds} pairs, {low:.3f} to {high:.3f})", flush=True)
    print(json.dumps({"engine": engine, "size": options.size, "batches": found}))


if __name__ == "__main__":
    main()
