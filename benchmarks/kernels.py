"""The fused losses against the same losses written out: time and memory of value and gradient.

    linear:TOKENSxDIMxVOCAB   cross entropy from hidden states and the table of a linear head,
                              against what makes the logits first
    rows:BATCHxDIM            InBatchNegatives, against what makes all scores first
    symmetric:BATCHxDIM       the same in both directions
    sigmoid:BATCHxDIM         SigmoidPairs, likewise

What is written out is written with Keras's and with the engine's own functions (on JAX optax's,
where it is installed; on PyTorch also `F.linear_cross_entropy`, where it exists). All ways run in
one process in turn; each round takes the ways in another order. The rate of a matrix product of
the same size, measured in the same rounds, says how much is left to gain: value and gradient
need three of them.

Peak memory is what the compiled step needs for intermediate results (JAX), or what a process of its
own holds at most beyond what it held before the step (the others; median of three processes).

    KERAS_BACKEND=jax python benchmarks/kernels.py [--work linear:2048x256x32768 rows:16384x64]

Prints tables in Markdown, then one JSON line.
"""

import argparse
import contextlib
import functools
import gc
import json
import os
import pathlib
import platform
import resource
import statistics
import subprocess
import sys
import time

import keras
import numpy as np

import losslayer as ll
from losslayer import kernels

ENGINE = keras.backend.backend()


def example(kind, *shape, counted=1.0):
    """Two arrays to differentiate by, and what else a way takes.

    For linear heads hidden states, a table, labels and weights, of which the first tokens of each
    sequence of 64 count; else anchors and positives.
    """
    rng = np.random.default_rng(0)
    if kind != "linear":
        return [rng.normal(size=shape).astype("float32") for _ in range(2)]
    tokens, dim, vocab = shape
    hidden = rng.normal(size=(tokens, dim)).astype("float32")
    table = (rng.normal(size=(vocab, dim)) / np.sqrt(dim)).astype("float32")
    labels = rng.integers(0, vocab, tokens).astype("int32")
    counts = (np.arange(tokens) % 64) < 64 * counted
    return [hidden, table, labels, (counts / counts.sum()).astype("float32")]


def linear(hidden, table, labels, weights):
    """The kernel."""
    return kernels.linear_cross_entropy(hidden, table, None, labels, weights)


def linear_written_out(losses, hidden, table, labels, weights):
    """A mean of the cross entropies that `losses` makes of logits."""
    logits = keras.ops.matmul(hidden, keras.ops.transpose(table))
    return keras.ops.sum(weights * losses(logits, labels))


def by_keras(logits, labels):
    """Keras's."""
    return keras.ops.sparse_categorical_crossentropy(labels, logits, from_logits=True)


def engines_own():
    """The engine's own cross entropy of logits, by its name."""
    if ENGINE == "jax":
        try:
            import optax
        except ImportError:
            print("optax is not installed", file=sys.stderr)
            return {}
        return {"optax": optax.losses.softmax_cross_entropy_with_integer_labels}
    if ENGINE == "torch":
        from torch.nn import functional

        return {
            "F.cross_entropy": lambda logits, labels: functional.cross_entropy(
                logits, labels.long(), reduction="none"
            )
        }
    import tensorflow as tf

    own = tf.nn.sparse_softmax_cross_entropy_with_logits
    return {"tf.nn": lambda logits, labels: own(labels, logits)}


def scores(anchor, positive):
    """All cosines / 0.05."""
    anchor, positive = (keras.ops.normalize(t, axis=-1) for t in (anchor, positive))
    return keras.ops.matmul(anchor, keras.ops.transpose(positive)) / 0.05


def softmax_written_out(losses, symmetric, anchor, positive):
    """The right candidate of each row, and of each column, among all."""
    found = scores(anchor, positive)
    labels = keras.ops.arange(found.shape[0])
    value = keras.ops.mean(losses(found, labels))
    if symmetric:
        value = (value + keras.ops.mean(losses(keras.ops.transpose(found), labels))) / 2
    return value


def sigmoid_written_out(anchor, positive):
    """Yes or no for each pair."""
    found = scores(anchor, positive)
    signs = 2 * keras.ops.eye(found.shape[0]) - 1
    return -keras.ops.sum(keras.ops.log_sigmoid(signs * (found - 10))) / found.shape[0]


def torchs_fused(function, options, hidden, table, labels, weights):
    """PyTorch's own fused loss; it takes no weights, and all tokens count."""
    return function(hidden, table, labels.long(), options=options)


def functions(kind):
    """The ways to the value, by name; ours first."""
    losses = {"Keras": by_keras, **engines_own()}
    if kind == "linear":
        found = {n: functools.partial(linear_written_out, loss) for n, loss in losses.items()}
        if ENGINE == "torch":
            import torch
            from torch.nn import functional

            if hasattr(functional, "linear_cross_entropy"):
                options = {"": None, ", chunked": torch.nn.LinearCrossEntropyOptions()}
                for kind, chosen in options.items():
                    found[f"F.linear_cross_entropy{kind}"] = functools.partial(
                        torchs_fused, functional.linear_cross_entropy, chosen
                    )
        return {"losslayer": linear, **found}
    if kind == "sigmoid":
        layer = ll.losses.SigmoidPairs(temperature=0.05, learned=False)
        return {"losslayer": lambda *pair: layer(*pair)[0], "written out": sigmoid_written_out}
    symmetric = kind == "symmetric"
    layer = ll.losses.InBatchNegatives(temperature=0.05, symmetric=symmetric)
    found = {n: functools.partial(softmax_written_out, f, symmetric) for n, f in losses.items()}
    return {"losslayer": lambda *pair: layer(*pair)[0], **found}


def jax_ways(functions):
    """Functions from arrays to the value and both gradients, by name."""
    import jax

    ways = {n: jax.jit(jax.value_and_grad(f, argnums=(0, 1))) for n, f in functions.items()}
    return ways, jax.jit(lambda one, other, *_: one @ other.T), jax.block_until_ready


def torch_ways(functions):
    """Functions from tensors to the value and both gradients, by name."""
    import torch

    def way(function):
        def run(one, other, *more):
            leaves = [t.detach().requires_grad_() for t in (one, other)]
            value = function(*leaves, *more)
            return value, torch.autograd.grad(value, leaves)

        return run

    ways = {name: way(function) for name, function in functions.items()}
    return ways, lambda one, other, *_: one @ other.T, lambda found: found


def tensorflow_ways(functions):
    """Functions from tensors to the value and both gradients, by name."""
    import tensorflow as tf

    def way(function):
        @tf.function
        def run(one, other, *more):
            with tf.GradientTape() as tape:
                tape.watch([one, other])
                value = function(one, other, *more)
            return value, tape.gradient(value, [one, other])

        return run

    ways = {name: way(function) for name, function in functions.items()}
    product = tf.function(lambda one, other, *_: tf.matmul(one, other, transpose_b=True))

    def wait(found):  # for one number of each: all would be copied
        keras.tree.map_structure(lambda t: tf.reshape(t, [-1])[0].numpy(), found)

    return ways, product, wait


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


def measure_time(kind, shape, counted, rounds):
    """Medians, and ratios of each round, of all ways in this process."""
    ways, product, wait = WAYS[ENGINE](functions(kind))
    arguments = list(map(keras.ops.convert_to_tensor, example(kind, *shape, counted=counted)))
    if counted < 1:  # against itself without padding
        ways = {"losslayer": ways["losslayer"]}
    found = times({**ways, "product": product}, arguments, wait, rounds)
    ours = found["losslayer"]
    ratios = {
        name: sorted(a / b for a, b in zip(ours, seconds))
        for name, seconds in found.items()
        if name not in ("losslayer", "product")
    }
    return {
        "seconds": {name: statistics.median(seconds) for name, seconds in found.items()},
        "ratios": {n: [statistics.median(r), r[0], r[-1]] for n, r in ratios.items()},
        "product_rate": 3 * statistics.median(found["product"]) / statistics.median(ours),
    }


def measure_memory(kind, shape, name):
    """Peak bytes of one way."""
    ways, _, wait = WAYS[ENGINE](functions(kind))
    if ENGINE == "jax":
        import jax

        shapes = [jax.ShapeDtypeStruct(a.shape, a.dtype) for a in example(kind, *shape)]
        return ways[name].lower(*shapes).compile().memory_analysis().temp_size_in_bytes
    wait(ways[name](*map(keras.ops.convert_to_tensor, example(kind, *(16 for _ in shape)))))
    arguments = list(map(keras.ops.convert_to_tensor, example(kind, *shape)))
    gc.collect()
    forget_peak()
    unit = 1 if sys.platform == "darwin" else 1024
    before = resident()
    wait(ways[name](*arguments))
    peak = peak_of_status() or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    return max(peak - before, 0)


def forget_peak():
    """Have Linux forget the largest resident size so far; elsewhere there is no way."""
    with contextlib.suppress(OSError):
        pathlib.Path("/proc/self/clear_refs").write_text("5")


def peak_of_status():
    """The largest resident size since then, bytes; None where Linux doesn't say."""
    with contextlib.suppress(OSError):
        lines = pathlib.Path("/proc/self/status").read_text().splitlines()
        return next(1024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
    return None


def resident():
    """Bytes that this process holds now (as after `forget_peak`)."""
    peak = peak_of_status()
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit if peak is None else peak


def in_process(*arguments):
    """Run this script again with `arguments`; what it prints last, as JSON."""
    command = [sys.executable, __file__, *map(str, arguments)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def work_of(text):
    kind, _, sizes = text.partition(":")
    shape = tuple(map(int, sizes.split("x")))
    if len(shape) != {"linear": 3, "rows": 2, "symmetric": 2, "sigmoid": 2}.get(kind):
        raise argparse.ArgumentTypeError(
            f"must be linear:TOKENSxDIMxVOCAB, or rows|symmetric|sigmoid:BATCHxDIM; not {text!r}"
        )
    return kind, shape


def report(text, rounds):
    """Measure one work in processes of its own, print its table; what was found."""
    kind, _ = work_of(text)
    one = ("--work", text, "--rounds", rounds)
    timed = in_process("--part", "time", *one)
    names = [n for n in timed["seconds"] if n != "product"]
    # JAX's compiler knows its peak; elsewhere it depends on what the allocator finds free.
    processes = 1 if ENGINE == "jax" else 3
    memory = {
        way: statistics.median(
            in_process("--part", "memory", "--way", way, *one) for _ in range(processes)
        )
        for way in names
    }
    timed["memory"] = memory
    print(f"{text}; {100 * timed['product_rate']:.0f} % of the rate of three products of that size")
    print("\n| | ms | losslayer takes | memory, MB | losslayer takes |\n|---|---:|---:|---:|---:|")
    for name in names:
        cells = [name, f"{1e3 * timed['seconds'][name]:.0f}", "", f"{memory[name] / 1e6:,.0f}", ""]
        if name != "losslayer":
            cells[2] = "{:.2f} ({:.2f} to {:.2f})".format(*timed["ratios"][name])
            cells[4] = f"1/{memory[name] / max(memory['losslayer'], 1):.1f}"
        print("| " + " | ".join(cells) + " |", flush=True)
    for counted in (0.5, 0.25) if kind == "linear" else ():
        found = in_process("--part", "time", "--counted", counted, *one)["seconds"]
        part = found["losslayer"] / timed["seconds"]["losslayer"]
        timed[f"counted {counted}"] = part
        print(f"\n{100 * counted:.0f} % of the tokens count: {part:.2f} of the time", flush=True)
    print()
    return timed


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    work = ["linear:2048x256x32768", "linear:2048x256x131072"]
    work += ["rows:16384x64", "symmetric:16384x64", "sigmoid:16384x64"]
    parser.add_argument("--work", nargs="+", default=work, help=f"default: {' '.join(work)}")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--counted", type=float, default=1.0, help=argparse.SUPPRESS)
    parser.add_argument("--part", choices=["time", "memory"], help=argparse.SUPPRESS)
    parser.add_argument("--way", help=argparse.SUPPRESS)
    given = parser.parse_args()
    try:
        works = list(map(work_of, given.work))
    except (argparse.ArgumentTypeError, ValueError) as error:
        parser.error(f"argument --work: {error}")
    if given.part == "time":
        print(json.dumps(measure_time(*works[0], given.counted, given.rounds)))
    elif given.part == "memory":
        print(json.dumps(measure_memory(*works[0], given.way)))
    else:
        print(f"{ENGINE}, {platform.machine()}, {os.cpu_count()} cores,", end=" ")
        print(f"load {os.getloadavg()[0]:.1f}, allocator: the system's\n")
        found = {text: report(text, given.rounds) for text in given.work}
        print(json.dumps({"engine": ENGINE, "work": found}))


if __name__ == "__main__":
    main()
