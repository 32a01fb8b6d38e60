"""How often the FAQ matcher finds the right entry of BANKING77, over several seeds.

    python benchmarks/faq_banking77.py            # three seeds on the test split, a few minutes
    python benchmarks/faq_banking77.py --split dev --set margin=0.3 --seeds 0
    python benchmarks/faq_banking77.py --set encoder=pretrained:FOLDER dtype=mixed_bfloat16

The second form is how settings are compared: it trains on a part of train.csv and measures on the
rest, so that the test split decides nothing. The third goes on from a checkpoint. Prints a table in
Markdown, and progress on standard error.
"""

import argparse
import ast
import dataclasses
import os
import platform
import sys
import time
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras
import numpy as np

from losslayer.faq import Examples, Matcher, Settings, read_examples
from losslayer.faq.bert import suited
from losslayer.faq.ranking import baselines

DATA = Path(__file__).parent.parent / "data" / "banking77"
MEASURES = ("accuracy@1", "recall@5", "mrr")


def split_off(examples: Examples, share: float, seed: int) -> tuple[Examples, Examples]:
    """Two parts, the second with `share` of each entry's questions, drawn at random."""
    generator = np.random.default_rng(seed)
    held = np.zeros(len(examples), "bool")
    for entry in range(len(examples.entries)):
        rows = generator.permutation(np.flatnonzero(examples.right == entry))
        held[rows[: round(share * len(rows))]] = True
    return take(examples, ~held), take(examples, held)


def take(examples: Examples, chosen: np.ndarray) -> Examples:
    rows = np.flatnonzero(chosen)
    return Examples([examples.questions[r] for r in rows], examples.right[rows], examples.entries)


def parts(split: str) -> tuple[Examples, Examples]:
    """What is trained on, and what is measured on."""
    train = read_examples(DATA / "train.csv", "text", "category")
    if split == "dev":
        return split_off(train, share=0.15, seed=1234)
    return train, read_examples(DATA / "test.csv", "text", "category", entries=train.entries)


def settings_of(pairs: list[str]) -> Settings:
    texts = {f.name for f in dataclasses.fields(Settings) if isinstance(f.default, str)}
    values = dict(pair.split("=", 1) for pair in pairs)
    return suited(**{n: v if n in texts else ast.literal_eval(v) for n, v in values.items()})


def machine() -> str:
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line for line in cpuinfo.read_text().splitlines() if line.startswith("model name")]
        model = names[0].split(":", 1)[1].strip() if names else model
    return (
        f"{os.cpu_count()} cores of {model}, Python {platform.python_version()}, "
        f"Keras {keras.__version__} on {keras.config.backend()}"
    )


def row(name: str, measured: dict[str, float], seconds: str = "") -> str:
    one, five, mrr = (measured[measure] for measure in MEASURES)
    return f"| {name} | {100 * one:.1f} | {100 * five:.1f} | {mrr:.3f} | {seconds} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--split", choices=["test", "dev"], default="test")
    parser.add_argument("--set", nargs="*", default=[], metavar="NAME=VALUE", dest="pairs")
    arguments = parser.parse_args()
    train, measured_on = parts(arguments.split)
    settings = settings_of(arguments.pairs)

    results, seconds = [], []
    for seed in arguments.seeds:
        started = time.perf_counter()
        run = dataclasses.replace(settings, seed=seed)
        matcher = Matcher.train(train, run, report=lambda line: print(line, file=sys.stderr))
        seconds.append(time.perf_counter() - started)
        results.append(matcher.evaluate(measured_on))
        print(row(f"seed {seed}", results[-1], f"{seconds[-1]:.0f}"), file=sys.stderr)

    print(f"BANKING77, {arguments.split} split: {len(measured_on):,} questions, ", end="")
    print(f"{len(train):,} training questions, {len(train.entries)} entries.")
    print(f"{settings}.")
    print(f"{machine()}.\n")
    print("| | accuracy@1 | recall@5 | MRR | training, s |\n|---|---:|---:|---:|---:|")
    for seed, result, taken in zip(arguments.seeds, results, seconds, strict=True):
        print(row(f"matcher, seed {seed}", result, f"{taken:.0f}"))
    mean = {name: float(np.mean([r[name] for r in results])) for name in MEASURES}
    print(row("matcher, mean", mean, f"{np.mean(seconds):.0f}"))
    if len(results) > 1:
        spread = {name: float(np.std([r[name] for r in results], ddof=1)) for name in MEASURES}
        print(row("matcher, standard deviation", spread))
    for name, result in baselines(train, measured_on).items():
        print(row(name, result))


if __name__ == "__main__":
    main()
