"""Triples a second in training the FAQ's `lstm` recipe, beside the same model written in PyTorch.

A question, its right title and a wrong one: embedding, dropout, LSTM, a Dense on the question,
triplet margin on cosines, Adam. The ways:

losslayer         `ll.Model.fit` on JAX, the default engine
losslayer, torch  the same on PyTorch
Keras's LSTM      as the first, with `keras.layers.LSTM` in the place of `ll.layers.LSTM`
by hand           `torch.nn.LSTM` and a loop over batches, each text encoded by itself
by hand, merged   the same, all three texts encoded at once

    python benchmarks/throughput.py                  # on a machine with nothing else to do
    python benchmarks/throughput.py --cores 1        # the least disturbed by other work

Each way is a process of its own, because the engines' threads would disturb each other; they
run in turn, one round each, the others waiting. All have the same cores, and as many threads.
Reported are medians over the rounds with the range of their middle half; and, as other processes
take no part in it, the time of the processor. The ratio is that to the faster of those by hand,
round by round.

Large arrays that the C library maps anew for each step cost JAX up to a quarter of its time. So all
ways run with variables that make it (glibc) keep memory; `--map` leaves them out.

Prints a table in Markdown for each size, and one line of JSON.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time

VOCABULARY, DIM, ROWS, TIME = 4000, 128, 64, 40
TEXTS = ("question", "right", "wrong")
HAND = ("by hand", "by hand, merged")
KEPT = {
    "MALLOC_ARENA_MAX": "1",  # other arenas can't hold large arrays, and map them all the same
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": "8589934592",
}


def texts(steps, padded):
    """Random token ids; with padding behind them, at least a quarter of the length."""
    import numpy as np

    rng = np.random.default_rng(0)
    found = {}
    for name in TEXTS:
        ids = rng.integers(1, VOCABULARY, (steps * ROWS, TIME))
        lengths = rng.integers(TIME // 4, TIME + 1, (len(ids), 1)) if padded else TIME
        found[name] = np.where(np.arange(TIME) < lengths, ids, 0).astype("int32")
    return found


def by_hand(options, units, merged):
    """A function that trains one round, in PyTorch alone."""
    import torch
    from torch import nn
    from torch.nn import functional

    torch.manual_seed(0)

    class Matcher(nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding = nn.Embedding(VOCABULARY, DIM)
            self.dropout = nn.Dropout(0.3)
            self.lstm = nn.LSTM(DIM, units, batch_first=True)
            self.ask = nn.Linear(units, units)

        def encode(self, ids):
            read, _ = self.lstm(self.dropout(self.embedding(ids)))
            return read[torch.arange(len(ids)), (ids != 0).sum(1) - 1]

        def forward(self, question, right, wrong):
            if merged:
                encoded = self.encode(torch.cat([question, right, wrong])).chunk(3)
            else:
                encoded = [self.encode(t) for t in (question, right, wrong)]
            return self.ask(encoded[0]), *encoded[1:]

    model = Matcher()
    optimizer = torch.optim.Adam(model.parameters(), 1e-3, fused=True)
    data = {name: torch.tensor(ids).long() for name, ids in texts(*data_of(options)).items()}

    def run():
        for first in range(0, options.steps * ROWS, ROWS):
            batch = (data[name][first : first + ROWS] for name in TEXTS)
            query, right, wrong = model(*batch)
            near = functional.cosine_similarity
            loss = torch.relu(0.2 + near(query, wrong) - near(query, right)).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    return run


def by_fit(options, units, keras_lstm):
    """A function that trains one round of the recipe itself."""
    import keras

    import losslayer as ll
    from losslayer.faq import Settings
    from losslayer.faq.model import build

    if keras_lstm:
        ll.layers.LSTM = keras.layers.LSTM
    settings = Settings(
        encoder="lstm", objective="triplet", embedding_dim=DIM, units=units // 2, dropout=0.3
    )
    model = build(VOCABULARY, settings).training
    model.compile(keras.optimizers.Adam(1e-3))
    data = texts(*data_of(options))
    return lambda: model.fit(data, batch_size=ROWS, shuffle=False, verbose=0)


def data_of(options):
    return options.steps, options.padded


WAYS = {
    "losslayer": ("jax", lambda o, units: by_fit(o, units, keras_lstm=False)),
    "losslayer, torch": ("torch", lambda o, units: by_fit(o, units, keras_lstm=False)),
    "Keras's LSTM": ("jax", lambda o, units: by_fit(o, units, keras_lstm=True)),
    "by hand": ("torch", lambda o, units: by_hand(o, units, merged=False)),
    "by hand, merged": ("torch", lambda o, units: by_hand(o, units, merged=True)),
}


def work(name, options):
    """One way, in its own process: a round for each line it reads, two times for each it writes."""
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what an engine prints is no answer
    run = WAYS[name][1](options, options.units[0])
    for _ in sys.stdin:
        wall, processor = time.perf_counter(), time.process_time()
        run()
        times = time.perf_counter() - wall, time.process_time() - processor
        print(json.dumps(times), file=out, flush=True)


def measured(options, units):
    """For each way its times, `(round, 2)`: seconds by the clock and of the processor."""
    cores = sorted(os.sched_getaffinity(0))[: options.cores]
    os.sched_setaffinity(0, cores)  # for those started here
    shared = {**os.environ, **({} if options.map else KEPT), "OMP_NUM_THREADS": str(len(cores))}
    again = [sys.executable, __file__, "--units", str(units), "--steps", str(options.steps)]
    again += ["--padded"] * options.padded
    processes = {
        name: subprocess.Popen(
            [*again, "--way", name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**shared, "KERAS_BACKEND": WAYS[name][0]},
        )
        for name in options.ways
    }
    times = {name: [] for name in options.ways}
    for turn in range(options.rounds + 1):
        for name, process in processes.items():
            process.stdin.write("\n")
            process.stdin.flush()
            found = json.loads(process.stdout.readline())
            if turn:  # the first round compiles
                times[name].append(found)
    for process in processes.values():
        process.communicate()
    return times


def middle(values):
    """Median and the ends of the middle half."""
    low, median, high = statistics.quantiles(values, n=4, method="inclusive")
    return median, low, high


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--units", type=int, nargs="+", default=[128, 256], help="size of the LSTM")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--steps", type=int, default=20, help="of a round")
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument(
        "--padded", action="store_true", help="texts of 10 to 40 tokens, not all 40"
    )
    parser.add_argument("--map", action="store_true", help="leave the C library's memory alone")
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.way:
        work(options.way, options)
        return
    results = []
    for units in options.units:
        times = measured(options, units)
        hand = [name for name in HAND if name in times]
        print(f"LSTM of {units}, {ROWS} triples of {TIME} tokens, {options.cores} cores, ", end="")
        print(f"load {os.getloadavg()[0]:.1f}\n")
        print("| | triples/s | middle half | of the faster by hand | by processor time |")
        print("|---|---:|---:|---:|---:|")
        for name, taken in times.items():
            speed = [options.steps * ROWS / wall for wall, _ in taken]
            ratios = [
                [min(times[h][turn][kind] for h in hand) / pair[kind] for kind in (0, 1)]
                for turn, pair in enumerate(taken)
                if hand
            ]
            median, low, high = middle(speed)
            result = {"units": units, "way": name, "triples/s": [median, low, high]}
            columns = [name, f"{median:.0f}", f"{low:.0f} to {high:.0f}"]
            for kind, key in enumerate(("ratio", "processor ratio")):
                result[key] = middle([r[kind] for r in ratios]) if hand else None
                columns.append("{:.2f} ({:.2f} to {:.2f})".format(*result[key]) if hand else "")
            results.append(result)
            print(f"| {' | '.join(columns)} |")
        print(flush=True)
    options = {key: value for key, value in vars(options).items() if key != "way"}
    print(json.dumps({**options, "load": os.getloadavg()[0], "results": results}))


if __name__ == "__main__":
    main()
