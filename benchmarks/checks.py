"""What it costs to look for ids outside of their tables before they are used.

The same tagger (embedding, LSTM, masked sequence loss), the same batches, in one run, interleaved
in rounds: `compile(check=False)`, "first" (the default: the first batch of each `fit`) and True
(every batch). Each model is compiled before, so what is left of "first" is one look per `fit`.

    KERAS_BACKEND=jax python benchmarks/checks.py [--rounds 9] [--steps 40]

Prints, for each setting, the median ratio of a round's time to that without a check, and the range
over the rounds; then one JSON line.
"""

import argparse
import json
import os
import platform
import statistics
import time

import keras
import numpy as np
from keras import ops

import losslayer as ll

SETTINGS = (False, "first", True)
ROWS, TIME, VOCABULARY, CLASSES = 64, 32, 5000, 20


def build(check):
    """The tagger, compiled."""
    keras.utils.set_random_seed(0)
    tokens = keras.Input((TIME,), dtype="int32", name="tokens")
    labels = keras.Input((TIME,), dtype="int32", name="labels")
    embedded = keras.layers.Embedding(VOCABULARY, 64)(tokens)
    logits = keras.layers.Dense(CLASSES)(keras.layers.LSTM(64, return_sequences=True)(embedded))
    nll = ll.losses.SequenceCrossEntropy()(logits, labels, mask=ops.not_equal(tokens, 0))
    model = ll.Model(tokens, logits, labels)
    model.add_loss(nll, name="nll")
    model.compile("adam", check=check)
    return model


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--steps", type=int, default=40)
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    shape = (options.steps * ROWS, TIME)
    tokens, labels = rng.integers(1, VOCABULARY, shape), rng.integers(0, CLASSES, shape)
    models = {check: build(check) for check in SETTINGS}
    times: dict = {check: [] for check in SETTINGS}
    for turn in range(options.rounds + 1):
        for check in SETTINGS[turn % 3 :] + SETTINGS[: turn % 3]:
            start = time.perf_counter()
            models[check].fit(tokens, labels, batch_size=ROWS, shuffle=False, verbose=0)
            if turn:  # the first round compiles
                times[check].append(time.perf_counter() - start)
    engine = keras.backend.backend()
    print(f"{engine}, {platform.processor() or platform.machine()}, {os.cpu_count()} cores,")
    print(f"load {os.getloadavg()[0]:.1f}; fits of {options.steps} steps")
    found = {}
    for check in SETTINGS[1:]:
        ratios = sorted(a / b for a, b in zip(times[check], times[False]))
        found[str(check)] = {"ratio": statistics.median(ratios), "range": [ratios[0], ratios[-1]]}
        low, high = found[str(check)]["range"]
        print(f"check={check!r}: {found[str(check)]['ratio']:.3f} ({low:.3f} to {high:.3f})")
    print(json.dumps({"engine": engine, "steps": options.steps, "ratios": found}))


if __name__ == "__main__":
    main()
