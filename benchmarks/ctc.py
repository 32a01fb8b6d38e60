"""How long CTC takes: value and gradient, beside Keras's own and the engine's (on JAX optax's).

    KERAS_BACKEND=jax python benchmarks/ctc.py --shapes 16x200x40x30 8x1000x64x100

Each shape is batch x time x classes x labels; lengths are random, at least half. All ways run in
one process in turn, each compiled as its engine does it. Times are medians, in milliseconds; a
machine with nothing else to do is what they mean something on. Prints a table in Markdown and a
line of JSON.
"""

import argparse
import json
import os
import statistics
import time

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras
import numpy as np
from keras import ops

import losslayer as ll
from losslayer import backend

ENGINE = keras.config.backend()


def example(batch, time, classes, labels):
    """Logits, labels without the blank 0, and both lengths."""
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(batch, time, classes)).astype("float32")
    ids = rng.integers(1, classes, (batch, labels)).astype("int32")
    frames = rng.integers(max(time // 2, 2 * labels + 1), time + 1, batch)
    return logits, ids, frames.astype("int32"), rng.integers(1, labels + 1, batch).astype("int32")


def engines_own(labels, frames, lengths):
    """The engine's own loss of logits, by its name; none where it has none."""
    if ENGINE == "torch":
        from torch.nn import functional

        return {
            "F.ctc_loss": lambda logits: functional.ctc_loss(
                functional.log_softmax(logits, 2).transpose(0, 1),
                labels.long(),
                frames.long(),
                lengths.long(),
                reduction="none",
            )
        }
    if ENGINE == "tensorflow":
        import tensorflow as tf

        return {
            "tf.nn": lambda logits: tf.nn.ctc_loss(
                labels, logits, lengths, frames, logits_time_major=False, blank_index=0
            )
        }
    try:
        import optax
    except ImportError:
        return {}
    given = (ops.arange(s)[None] >= n[:, None] for s, n in zip(
        (int(ops.max(frames)), labels.shape[1]), (frames, lengths)
    ))  # fmt: skip
    frame_padding, label_padding = (ops.cast(p, "float32") for p in given)
    most = frame_padding.shape[1]
    return {
        "optax": lambda logits: optax.ctc_loss(
            logits[:, :most], frame_padding, labels, label_padding
        )
    }


def ways(labels, frames, lengths):
    """Functions from logits to a value for each row, by name; ours first."""
    labels, frames, lengths = map(ops.convert_to_tensor, (labels, frames, lengths))
    layer = ll.losses.CTC(blank=0)
    return {
        "losslayer": lambda logits: layer(logits, labels, frames, lengths)[0],
        "Keras": lambda logits: ops.ctc_loss(labels, logits, lengths, frames, mask_index=0),
        **engines_own(labels, frames, lengths),
    }


def gradient_of(function):
    """From logits to the mean of the values and its slopes, compiled as the engine does it."""
    if ENGINE != "tensorflow":
        return backend.value_and_gradient(lambda leaves: ops.mean(function(leaves[0])))
    import tensorflow as tf

    @tf.function
    def run(logits):
        with tf.GradientTape() as tape:
            tape.watch(logits)
            value = tf.reduce_mean(function(logits))
        return value, tape.gradient(value, logits)

    return lambda leaves: [t.numpy() for t in run(tf.constant(leaves[0]))]


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    default = ["16x200x40x30", "8x1000x64x100"]
    parser.add_argument("--shapes", nargs="+", default=default, help="batch x time x class x label")
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    found = []
    print(f"{ENGINE}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}\n")
    for shape in arguments.shapes:
        logits, *given = example(*map(int, shape.split("x")))
        gradients = {name: gradient_of(f) for name, f in ways(*given).items()}
        taken = {name: [] for name in gradients}
        for turn in range(arguments.rounds + 1):
            for name, gradient in gradients.items():
                started = time.perf_counter()
                gradient([logits])
                if turn:  # the first compiles
                    taken[name].append(1e3 * (time.perf_counter() - started))
        medians = {name: statistics.median(times) for name, times in taken.items()}
        ratios = {
            name: statistics.median(a / b for a, b in zip(taken["losslayer"], times))
            for name, times in taken.items()
        }
        found.append({"shape": shape, "milliseconds": medians, "losslayer takes": ratios})
        print(f"{shape}\n\n| | ms | losslayer takes |\n|---|---:|---:|")
        for name, ms in medians.items():
            print(f"| {name} | {ms:.1f} | {ratios[name]:.2f} |")
        print(flush=True)
    print(json.dumps({"engine": ENGINE, "work": found}))


if __name__ == "__main__":
    main()
