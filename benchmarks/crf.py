"""How long a CRF takes: value and gradient, and the best tags, beside pytorch-crf.

    python benchmarks/crf.py                                  # Keras's engine, and pytorch-crf
    KERAS_BACKEND=jax python benchmarks/crf.py --shapes 64x40x23 32x500x9

Each shape is batch x time x tags; half of the positions of a batch are padding, as many as random
lengths have. On JAX ours is compiled. Times are medians, in
milliseconds; a machine with nothing else to do is what they mean something on. Prints a table in
Markdown and a line of JSON.
"""

import argparse
import json
import os
import statistics
import sys
import time

os.environ.setdefault("KERAS_BACKEND", "torch")

import keras
import numpy as np
import torch
import torchcrf
from keras import ops

import losslayer as ll
from losslayer import backend


def median(function, repeats):
    """Milliseconds of one call."""
    function()
    taken = []
    for _ in range(repeats):
        started = time.perf_counter()
        function()
        taken.append(1e3 * (time.perf_counter() - started))
    return statistics.median(taken)


def example(batch, length, tags):
    """Scores, labels and a mask."""
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(batch, length, tags)).astype("float32")
    mask = np.arange(length) < rng.integers(1, length + 1, (batch, 1))
    return logits, rng.integers(0, tags, (batch, length)).astype("int32"), mask


def ours(logits, labels, mask):
    """Functions that run the loss with its gradient, and the search."""
    crf = ll.losses.CRF(logits.shape[-1])
    crf.build([logits.shape])
    labels, mask = ops.convert_to_tensor(labels), ops.convert_to_tensor(mask)

    def mean(leaves):
        pair, _ = crf.stateless_call(leaves[1:], [], (leaves[0], labels), mask=mask)
        return ops.mean(pair[0])

    leaves = [logits, *(ops.convert_to_numpy(v) for v in crf.weights)]
    gradient = backend.value_and_gradient(mean)
    decode = backend.fast(lambda logits, mask: crf.decode(logits, mask=mask))
    scores = ops.convert_to_tensor(logits)
    return (
        lambda: gradient(leaves),
        lambda: ops.convert_to_numpy(decode(scores, mask)),
    )


def theirs(logits, labels, mask):
    """The same of pytorch-crf."""
    crf = torchcrf.CRF(logits.shape[-1], batch_first=True)
    scores = torch.tensor(logits, requires_grad=True)
    labels, mask = torch.tensor(labels).long(), torch.tensor(mask)

    def gradient():
        loss = -crf(scores, labels, mask, reduction="mean")
        return torch.autograd.grad(loss, [scores, *crf.parameters()])

    def decode():
        with torch.no_grad():
            return crf.decode(scores, mask)

    return gradient, decode


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    default = ["64x40x23", "32x128x9", "16x512x4"]
    parser.add_argument("--shapes", nargs="+", default=default, help="batch x time x tags")
    parser.add_argument(
        "--repeats", type=int, default=20, help="calls of which the median is taken"
    )
    parser.add_argument("--threads", type=int, help="of torch; default: its own choice")
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    found = []
    engine = keras.config.backend()
    print(
        f"| batch x time x tags | gradient, {engine} | pytorch-crf | tags, {engine} | pytorch-crf |"
    )
    print("|---|---:|---:|---:|---:|")
    for shape in arguments.shapes:
        print(shape, file=sys.stderr, flush=True)
        given = example(*map(int, shape.split("x")))
        pairs = zip(ours(*given), theirs(*given))
        times = [median(f, arguments.repeats) for pair in pairs for f in pair]
        found.append({"shape": shape, "engine": engine, "milliseconds": times})
        print(f"| {shape} | {' | '.join(f'{t:.2f}' for t in times)} |")
    print(json.dumps(found))


if __name__ == "__main__":
    main()
