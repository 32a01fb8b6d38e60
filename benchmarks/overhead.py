"""What a step of `ll.Model.fit` costs over a step written by hand.

The same layers, weights, optimizer and batches, in one run, interleaved in rounds:

- by hand on JAX: one jitted function (loss, metrics, gradient, update) over a state of arrays;
- by hand on PyTorch and TensorFlow: a `keras.Model` with its own `train_step`, through `fit`;
- `ll.Model.fit`.

Both sides compute and report the same numbers. Models: the FAQ triplet (one LSTM shared by three
inputs) and seq2seq with teacher forcing (masked loss, perplexity, accuracy).

    KERAS_BACKEND=jax python benchmarks/overhead.py [--rounds 11] [--steps 40]

Prints the median ratio of the times of a round with a 95 % interval (bootstrap over rounds), then
one JSON line.
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


def triplet_parts():
    """Inputs, and the named losses and metrics as tensors, of the FAQ triplet."""
    inputs = [keras.Input((None,), dtype="int32", name=n) for n in ("question", "right", "wrong")]
    encode = keras.Sequential([keras.layers.Embedding(5000, 128), keras.layers.LSTM(128)])
    question, right, wrong = map(encode, inputs)
    query = keras.layers.Dense(128)(question)
    values, weights = ll.losses.TripletMargin(margin=0.1)(query, right, wrong)
    return inputs, query, {"triplet": (values, weights)}, {}


def seq2seq_parts():
    """Inputs, and the named losses and metrics as tensors, of seq2seq."""
    source = keras.Input((None,), dtype="int32", name="source")
    target = keras.Input((None,), dtype="int32", name="target")
    labels = target[:, 1:]
    mask = ops.not_equal(labels, 0)
    _, h, c = keras.layers.LSTM(128, return_state=True)(keras.layers.Embedding(2000, 64)(source))
    decoder = keras.layers.LSTM(128, return_sequences=True)
    hidden = decoder(keras.layers.Embedding(2000, 64)(target[:, :-1]), initial_state=[h, c])
    logits = keras.layers.Dense(2000)(hidden)
    nll = ll.losses.SequenceCrossEntropy()(logits, labels, mask=mask)
    return [source, target], logits, {"nll": nll}, {"accuracy": (labels, logits, mask)}


def batches(parts, count, rows, time_steps):
    """Random token batches, by name."""
    rng = np.random.default_rng(0)
    high = 5000 if len(parts[0]) == 3 else 2000
    return [
        {t.name: rng.integers(1, high, (rows, time_steps)).astype("int32") for t in parts[0]}
        for _ in range(count)
    ]


class Batches(keras.utils.PyDataset):
    """A list of batches, as `fit` takes it."""

    def __init__(self, batches):
        super().__init__()
        self.batches = batches

    def __len__(self):
        return len(self.batches)

    def __getitem__(self, index):
        return (self.batches[index],)


def ours(parts):
    """`ll.Model` with the named terms; perplexity and accuracy where there are tokens."""
    inputs, outputs, losses, metrics = parts
    model = ll.Model(inputs, outputs)
    for name, pair in losses.items():
        model.add_loss(pair, name=name)
    for name, (labels, logits, mask) in metrics.items():
        model.add_metric(ll.metrics.Perplexity(), losses["nll"], name="ppl")
        metric = ll.metrics.MaskedAccuracy()
        model.add_metric(metric, labels, logits, sample_weight=mask, name=name)
    model.compile(keras.optimizers.Adam())
    return model


def sums(tensors, losses, metrics):
    """The loss of a batch, and the pairs of sums that its reported numbers are quotients of."""
    values, weights = tensors[:2]
    total, count = ops.sum(values * weights), ops.sum(weights)
    found = [(total, count)]
    if metrics:
        labels, logits, mask = tensors[2:]
        right = ops.equal(ops.cast(ops.argmax(logits, -1), "int32"), labels)
        counts = ops.cast(mask, "float32")
        found.append((ops.sum(ops.cast(right, "float32") * counts), ops.sum(counts)))
    flat = [number for pair in found for number in pair]
    return total / ops.maximum(count, 1.0), ops.stop_gradient(ops.stack(flat))


def graph_of(parts):
    """A plain functional model that returns all that losses and metrics read, flat."""
    inputs, _, losses, metrics = parts
    tensors = [t for pair in losses.values() for t in pair]
    tensors += [t for triple in metrics.values() for t in triple]
    return keras.Model(inputs, tensors)


def by_hand_jax(parts):
    """A function that runs an epoch of a hand-written jitted step; returns the mean loss."""
    import jax

    graph = graph_of(parts)
    optimizer = keras.optimizers.Adam()
    optimizer.build(graph.trainable_variables)
    names = [t.name for t in graph.inputs]

    def loss_of(trained, others, batch):
        tensors, others = graph.stateless_call(
            trained, others, [batch[n] for n in names], training=True
        )
        loss, found = sums(tensors, parts[2], parts[3])
        return loss, (others, found)

    def step(state, batch):
        trained, others, slots, seen = state
        gradient = jax.value_and_grad(loss_of, has_aux=True)
        (_, (others, found)), grads = gradient(trained, others, batch)
        trained, slots = optimizer.stateless_apply(slots, grads, trained)
        return trained, others, slots, seen + found

    step = jax.jit(step, donate_argnums=0)
    held = {
        "state": (
            [jax.numpy.array(v.value) for v in graph.trainable_variables],
            [jax.numpy.array(v.value) for v in graph.non_trainable_variables],
            [jax.numpy.array(v.value) for v in optimizer.variables],
        )
    }

    def epoch(data):
        state = (*held["state"], jax.numpy.zeros(4 if parts[3] else 2))
        for batch in data:
            state = step(state, batch)
        held["state"] = state[:3]
        seen = np.asarray(state[3])
        return seen[0] / seen[1]

    return epoch


class ByHand(keras.Model):
    """A `keras.Model` with a hand-written `train_step`, for PyTorch and TensorFlow."""

    def __init__(self, parts):
        super().__init__()
        self.graph = graph_of(parts)
        self.parts = parts[2:]
        self.names = [t.name for t in self.graph.inputs]
        self.seen = [keras.metrics.Mean(name=n) for n in ("loss", "accuracy")[: 1 + bool(parts[3])]]
        self.built = True

    @property
    def metrics(self):
        """What `fit` resets and reports."""
        return self.seen

    def call(self, batch):
        """All that losses and metrics read."""
        return self.graph([batch[n] for n in self.names], training=True)

    def report(self, found):
        """Update the means, return them."""
        for i, metric in enumerate(self.seen):
            total, count = found[2 * i], found[2 * i + 1]
            metric.update_state(total / ops.maximum(count, 1.0), sample_weight=count)
        return {m.name: m.result() for m in self.seen}

    def train_step(self, data):
        """One step, as Keras's guides write it for each engine."""
        batch, _, _ = keras.utils.unpack_x_y_sample_weight(data)
        if keras.backend.backend() == "torch":
            import torch

            self.zero_grad()
            loss, found = sums(self(batch), *self.parts)
            loss.backward()
            weights = self.trainable_weights
            with torch.no_grad():
                self.optimizer.apply([v.value.grad for v in weights], weights)
        else:
            import tensorflow as tf

            with tf.GradientTape() as tape:
                loss, found = sums(self(batch), *self.parts)
            weights = self.trainable_weights
            self.optimizer.apply(tape.gradient(loss, weights), weights)
        return self.report(found)


def by_hand_keras(parts):
    """A function that runs an epoch of `ByHand.fit`; returns the mean loss."""
    model = ByHand(parts)
    model.compile(keras.optimizers.Adam())
    return lambda data: model.fit(Batches(data), verbose=0, shuffle=False).history["loss"][0]


def measure(name, make_parts, rounds, steps, rows, time_steps):
    """Ratios of the times of interleaved rounds, ours over by hand."""
    keras.utils.set_random_seed(0)
    parts = make_parts()
    data = batches(parts, steps, rows, time_steps)
    keras.utils.set_random_seed(0)
    model = ours(parts)
    start = model.get_weights()
    by_hand = (by_hand_jax if keras.backend.backend() == "jax" else by_hand_keras)(parts)

    def fit(data):
        return model.fit(Batches(data), verbose=0, shuffle=False).history["loss"][0]

    # Compile both, from the same weights, and see that they do the same work.
    theirs = by_hand(data)
    if keras.backend.backend() != "jax":
        model.set_weights(start)  # by hand, the shared layers themselves were trained
    assert abs(fit(data) - theirs) < 1e-3 * abs(theirs) + 1e-4, "the two sides differ"
    times = {"ours": [], "by hand": []}
    for round_number in range(rounds):
        order = [("ours", fit), ("by hand", by_hand)]
        for side, run in order if round_number % 2 else reversed(order):
            begin = time.perf_counter()
            run(data)
            times[side].append((time.perf_counter() - begin) / steps)
    ratios = np.array(times["ours"]) / np.array(times["by hand"])
    draws = np.random.default_rng(0).choice(ratios, (2000, len(ratios)))
    low, high = np.percentile(np.median(draws, axis=1), [2.5, 97.5])
    result = {
        "model": name,
        "backend": keras.backend.backend(),
        "by_hand_ms": round(1e3 * statistics.median(times["by hand"]), 2),
        "ours_ms": round(1e3 * statistics.median(times["ours"]), 2),
        "ratio": round(float(np.median(ratios)), 3),
        "interval": [round(float(low), 3), round(float(high), 3)],
        "rounds": rounds,
        "steps": steps,
        "batch": [rows, time_steps],
    }
    print(
        f"{name:8} {result['backend']:10} by hand {result['by_hand_ms']:8.2f} ms  "
        f"ll.Model {result['ours_ms']:8.2f} ms  ratio {result['ratio']:.3f} "
        f"[{low:.3f}, {high:.3f}]",
        flush=True,
    )
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=11, help="interleaved rounds of each side")
    parser.add_argument("--steps", type=int, default=40, help="steps in a round")
    parser.add_argument("--rows", type=int, default=64, help="batch size")
    parser.add_argument("--time", type=int, default=20, help="tokens in a row")
    args = parser.parse_args()
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, load {load:.2f} at the start; "
        f"Python {platform.python_version()}, Keras {keras.__version__}"
    )
    settings = args.rounds, args.steps, args.rows, args.time
    results = [
        measure("triplet", triplet_parts, *settings),
        measure("seq2seq", seq2seq_parts, *settings),
    ]
    print(json.dumps({"load": load, "results": results}))


if __name__ == "__main__":
    main()
