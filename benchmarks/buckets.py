"""What length buckets save: compiling, against a little more padding.

The same rows, of 40 lengths, and the same number of tokens per batch, in one run:

- every length a shape of its own (no padding at all);
- the bounds that `losslayer.text.TokenBatches` chooses;
- one bound for all.

The time of compiling is that of the first epoch less the median of the later ones. The model is a
classifier with an LSTM over the tokens.

    KERAS_BACKEND=jax python benchmarks/buckets.py [--rows 4000] [--epochs 5]

Prints a line for each, then one JSON line.
"""

import argparse
import json
import os
import platform
import statistics
import time

import keras
import numpy as np

import losslayer as ll
from losslayer.text import TokenBatches

LENGTHS = range(5, 45)
CLASSES = 10


def columns(rows):
    """Rows of 40 lengths, short ones more often, all of them there; a label each."""
    rng = np.random.default_rng(0)
    share = 1.0 / np.array(LENGTHS)
    lengths = rng.choice(LENGTHS, rows, p=share / share.sum())
    lengths[: len(LENGTHS)] = LENGTHS
    return {
        "text": [rng.integers(1, 2000, length) for length in lengths],
        "label": rng.integers(0, CLASSES, rows),
    }


def classifier():
    """Tokens to logits, with a cross entropy."""
    text = keras.Input((None,), dtype="int32", name="text")
    label = keras.Input((), dtype="int32", name="label")
    embedded = keras.layers.Embedding(2000, 64, mask_zero=True)(text)
    logits = keras.layers.Dense(CLASSES)(keras.layers.LSTM(64)(embedded))
    model = ll.Model([text, label], logits)
    model.add_loss(ll.losses.Focal(gamma=0)(logits, label), name="nll")
    model.compile(keras.optimizers.Adam())
    return model


def measure(name, given, tokens, bounds, epochs):
    """Times of the epochs of one way of cutting the data."""
    keras.utils.set_random_seed(0)
    data = TokenBatches(given, tokens, bounds=bounds, fill=True)
    model = classifier()
    times = []
    for _ in range(epochs):
        start = time.perf_counter()
        model.fit(data, verbose=0, shuffle=False)
        times.append(time.perf_counter() - start)
    epoch = statistics.median(times[1:])
    result = {
        "name": name,
        "shapes": len(data.shapes),
        "batches": len(data),
        "padding": round(data.padding, 3),
        "compiling_s": round(times[0] - epoch, 2),
        "epoch_s": round(epoch, 3),
    }
    print(
        f"{name:12} {result['shapes']:3} shapes  {result['batches']:4} batches  "
        f"padding {data.padding:6.1%}  compiling {result['compiling_s']:7.2f} s  "
        f"epoch {epoch:6.3f} s",
        flush=True,
    )
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rows", type=int, default=4000, help="rows of data")
    parser.add_argument("--tokens", type=int, default=2048, help="tokens in a batch")
    parser.add_argument("--epochs", type=int, default=5, help="epochs of each, the first included")
    args = parser.parse_args()
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, load {load:.2f} at the start; "
        f"Python {platform.python_version()}, Keras {keras.__version__}, "
        f"{keras.backend.backend()}; at most {args.tokens} tokens in a batch"
    )
    given = columns(args.rows)
    classifier()  # what the engine does once in a process is no part of any of them
    results = [
        measure(name, given, args.tokens, bounds, args.epochs)
        for name, bounds in (
            ("warming up", (LENGTHS[-1],)),
            ("one bound", (LENGTHS[-1],)),
            ("buckets", None),
            ("unbucketed", LENGTHS),
        )
    ]
    print(json.dumps({"load": load, "tokens": args.tokens, "results": results[1:]}))


if __name__ == "__main__":
    main()
