"""The fused losses against the same losses written out: time and memory of value and gradient.

Linear cross entropy, from hidden states and the table of a linear head, against what makes the
logits first: Keras's and the engine's own cross entropy (on JAX optax's, where it is installed; on
PyTorch also `F.linear_cross_entropy`, where it exists). All ways run in one process in turn;
each round takes the ways in another order. The rate of a matrix product of the same size, measured
in the same rounds, says how much is left to gain: value and gradient need three of them.

Peak memory is what the compiled step needs for intermediate results (JAX), or what a process of its
own holds at most beyond what it held before its first step (the others).

    KERAS_BACKEND=jax python benchmarks/kernels.py [--shapes 2048x256x32768 2048x256x131072]

Prints tables in Markdown, then one JSON line.
"""

import argparse
import functools
import gc
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

from losslayer import kernels

ENGINE = keras.backend.backend()


def example(tokens, dim, vocab, counted=1.0):
    """Hidden states, a table, labels and weights: the first tokens of each sequence of 64 count."""
    rng = np.random.default_rng(0)
    hidden = rng.normal(size=(tokens, dim)).astype("float32")
    table = (rng.normal(size=(vocab, dim)) / np.sqrt(dim)).astype("float32")
    labels = rng.integers(0, vocab, tokens).astype("int32")
    counts = (np.arange(tokens) % 64) < 64 * counted
    return hidden, table, labels, (counts / counts.sum()).astype("float32")


def ours(hidden, table, labels, weights):
    """The kernel."""
    return kernels.linear_cross_entropy(hidden, table, None, labels, weights)


def written_out(losses, hidden, table, labels, weights):
    """A mean of the cross entropies that `losses` makes of logits."""
    logits = keras.ops.matmul(hidden, keras.ops.transpose(table))
    return keras.ops.sum(weights * losses(logits, labels))


def by_keras(logits, labels):
    """Keras's."""
    return keras.ops.sparse_categorical_crossentropy(labels, logits, from_logits=True)


def jax_ways():
    """Functions from arrays to the value and both gradients, by name."""
    import jax

    losses = {"Keras": by_keras}
    try:
        import optax

        losses["optax"] = optax.losses.softmax_cross_entropy_with_integer_labels
    except ImportError:
        print("optax is not installed", file=sys.stderr)
    functions = {"losslayer": ours}
    functions |= {name: functools.partial(written_out, loss) for name, loss in losses.items()}
    ways = {n: jax.jit(jax.value_and_grad(f, argnums=(0, 1))) for n, f in functions.items()}
    return ways, jax.jit(lambda hidden, table, *_: hidden @ table.T), jax.block_until_ready


def torch_ways():
    """Functions from tensors to the value and both gradients, by name."""
    import torch
    from torch.nn import functional

    def own(logits, labels):
        return functional.cross_entropy(logits, labels.long(), reduction="none")

    functions = {
        "losslayer": ours,
        "Keras": functools.partial(written_out, by_keras),
        "F.cross_entropy": functools.partial(written_out, own),
    }
    if hasattr(functional, "linear_cross_entropy"):

        def fused(hidden, table, labels, weights):
            return functional.linear_cross_entropy(hidden, table, labels.long())

        functions["F.linear_cross_entropy"] = fused

    def way(function):
        def run(hidden, table, labels, weights):
            leaves = [t.detach().requires_grad_() for t in (hidden, table)]
            value = function(*leaves, labels, weights)
            return value, torch.autograd.grad(value, leaves)

        return run

    ways = {name: way(function) for name, function in functions.items()}
    return ways, lambda hidden, table, *_: hidden @ table.T, lambda found: found


def tensorflow_ways():
    """Functions from tensors to the value and both gradients, by name."""
    import tensorflow as tf

    def own(logits, labels):
        return tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)

    functions = {
        "losslayer": ours,
        "Keras": functools.partial(written_out, by_keras),
        "tf.nn": functools.partial(written_out, own),
    }

    def way(function):
        @tf.function
        def run(hidden, table, labels, weights):
            with tf.GradientTape() as tape:
                tape.watch([hidden, table])
                value = function(hidden, table, labels, weights)
            return value, tape.gradient(value, [hidden, table])

        return run

    ways = {name: way(function) for name, function in functions.items()}
    product = tf.function(lambda hidden, table, *_: tf.matmul(hidden, table, transpose_b=True))
    return ways, product, lambda found: keras.tree.map_structure(lambda t: t.numpy(), found)


WAYS = {"jax": jax_ways, "torch": torch_ways, "tensorflow": tensorflow_ways}


def times(ways, arguments, wait, rounds):
    """Seconds of each way in each round."""
    found: dict = {name: [] for name in ways}
    for way in ways.values():
        wait(way(*arguments))
    order = list(ways)
    for turn in range(rounds):
        for name in order[turn % len(order) :] + order[: turn % len(order)]:
            start = time.perf_counter()
            wait(ways[name](*arguments))
            found[name].append(time.perf_counter() - start)
    return found


def measure_time(shape, counted, rounds):
    """Medians, and ratios of each round, of all ways in this process."""
    ways, product, wait = WAYS[ENGINE]()
    arguments = list(map(keras.ops.convert_to_tensor, example(*shape, counted)))
    if counted < 1:  # against itself without padding
        ways = {"losslayer": ways["losslayer"]}
    found = times({**ways, "product": product}, arguments, wait, rounds)
    ours_ = found["losslayer"]
    ratios = {
        name: sorted(a / b for a, b in zip(ours_, seconds))
        for name, seconds in found.items()
        if name not in ("losslayer", "product")
    }
    tokens, dim, vocab = shape
    share = 3 * statistics.median(found["product"]) / statistics.median(ours_)
    return {
        "seconds": {name: statistics.median(seconds) for name, seconds in found.items()},
        "ratios": {n: [statistics.median(r), r[0], r[-1]] for n, r in ratios.items()},
        "product_rate": share,
        "gflops": 6e-9 * tokens * dim * vocab / statistics.median(ours_),
    }


def measure_memory(shape, name):
    """Peak bytes of one way."""
    ways, _, wait = WAYS[ENGINE]()
    if ENGINE == "jax":
        import jax

        shapes = [jax.ShapeDtypeStruct(a.shape, a.dtype) for a in example(2, *shape[1:])]
        shapes = [jax.ShapeDtypeStruct((shape[0], *s.shape[1:]), s.dtype) for s in shapes]
        shapes[1] = jax.ShapeDtypeStruct((shape[2], shape[1]), "float32")
        analysis = ways[name].lower(*shapes).compile().memory_analysis()
        return analysis.temp_size_in_bytes
    wait(ways[name](*map(keras.ops.convert_to_tensor, example(64, 8, 16))))
    arguments = list(map(keras.ops.convert_to_tensor, example(*shape)))
    gc.collect()
    unit = 1 if sys.platform == "darwin" else 1024
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    wait(ways[name](*arguments))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit - before


def in_process(*arguments):
    """Run this script again with `arguments`; what it prints last, as JSON."""
    command = [sys.executable, __file__, *map(str, arguments)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def shape_of(text):
    tokens, dim, vocab = map(int, text.split("x"))
    return tokens, dim, vocab


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    shapes = ["2048x256x32768", "2048x256x131072"]
    parser.add_argument("--shapes", nargs="+", default=shapes, help="tokens x dim x vocab")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--counted", type=float, default=1.0, help=argparse.SUPPRESS)
    parser.add_argument("--part", choices=["time", "memory"], help=argparse.SUPPRESS)
    parser.add_argument("--way", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.part:
        [shape] = map(shape_of, given.shapes)
        if given.part == "time":
            print(json.dumps(measure_time(shape, given.counted, given.rounds)))
        else:
            print(json.dumps(measure_memory(shape, given.way)))
        return
    print(f"{ENGINE}, {platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f},")
    print("allocator: the system's\n")
    found = {}
    for text in given.shapes:
        one = ("--shapes", text, "--rounds", given.rounds)
        found[text] = timed = in_process("--part", "time", *one)
        memory = {w: in_process("--part", "memory", "--way", w, *one) for w in WAYS[ENGINE]()[0]}
        timed["memory"] = memory
        print(f"{text} (tokens x dim x vocab); {100 * timed['product_rate']:.0f} % of the rate of")
        print("three products of that size\n")
        print(
            "| | ms | losslayer takes | memory, MB | losslayer takes |\n|---|---:|---:|---:|---:|"
        )
        for name in memory:
            cells = [name, f"{1e3 * timed['seconds'][name]:.0f}"]
            if name in timed["ratios"]:
                median, low, high = timed["ratios"][name]
                cells.append(f"{median:.2f} ({low:.2f} to {high:.2f})")
            else:
                cells.append("")
            cells.append(f"{memory[name] / 1e6:,.0f}")
            cells.append(
                "" if name == "losslayer" else f"1/{memory[name] / memory['losslayer']:.1f}"
            )
            print("| " + " | ".join(cells) + " |", flush=True)
        padded = {}
        for counted in (0.5, 0.25):
            padded[counted] = in_process("--part", "time", "--counted", counted, *one)["seconds"]
            part = padded[counted]["losslayer"] / timed["seconds"]["losslayer"]
            print(
                f"\n{100 * counted:.0f} % of the tokens count: {part:.2f} of the time", flush=True
            )
        timed["padded"] = padded
        print()
    print(json.dumps({"engine": ENGINE, "shapes": found}))


if __name__ == "__main__":
    main()
