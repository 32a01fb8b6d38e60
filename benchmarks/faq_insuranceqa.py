"""How often the FAQ matcher, trained from random weights, finds a right answer of InsuranceQA V2.

    python benchmarks/faq_insuranceqa.py                                # one seed, on valid
    python benchmarks/faq_insuranceqa.py --set units=128 --questions 2000
    python benchmarks/faq_insuranceqa.py --language zh --lists random500 solr500
    python benchmarks/faq_insuranceqa.py --split test --seeds 0 1 2     # the final figures

12,889 training questions have 21,325 pairs with one of 27,413 answers: a question with several
right answers gives several pairs, and none of them is a wrong one for it. What is measured is
accuracy@1 among 500 candidates for each of 2,000 questions: `random500`, all right answers and
random ones; `solr500`, what a search engine found, a right answer or none.

Beside the encoder stand BM25, and both together, `weight * cosine + (1 - weight) * BM25`; the
weight is chosen on valid, so it tells nothing about valid itself. Settings are chosen there too.

The data are for research only: they are read where LOSSLAYER_DATA says (default: ../shared/data),
and stay there. Prints a table in Markdown, then one JSON line; progress on standard error.
"""

import argparse
import dataclasses
import gzip
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from faq_banking77 import machine, settings_of  # first: it chooses the engine

from losslayer.faq import Entry, Examples, Matcher
from losslayer_serve.index.fusion import GRID, fuse
from losslayer_serve.index.lexical import Lexical

ROOT = Path(__file__).parents[1]
DATA = Path(os.environ.get("LOSSLAYER_DATA", ROOT.parent / "shared" / "data")) / "insuranceqa_v2"
LISTS = ("random500", "solr500")

# Compared on valid, with one seed each; in plain words in docs/faq.md.
DEFAULTS = (
    "encoder=bag",
    "negatives=in-batch",
    "vocabulary_size=16000",
    "longest=32",
    "longest_answer=128",
    "units=256",
    "dropout=0.2",
    "word_dropout=0.1",
    "batch_size=256",
    "epochs=5",
    "learning_rate=5e-3",
)


class Scorer(Protocol):
    """What is measured: a matcher, or a peer."""

    def scores(self, questions: list[str]) -> np.ndarray: ...


@dataclasses.dataclass
class Questions:
    """Questions with their right answers, and the candidates of each by the name of the list."""

    texts: list[str]
    right: list[set[int]]
    candidates: dict[str, list[np.ndarray]]


@dataclasses.dataclass
class Data:
    """What is trained on and measured on, and the BM25 of each candidate by split and list."""

    train: Examples
    splits: dict[str, Questions]
    lexical: dict[str, dict[str, list[np.ndarray]]]


def rows(name: str) -> Iterator[list[str]]:
    with gzip.open(DATA / f"{name}.tsv.gz", "rt", encoding="utf-8") as file:
        for line in file:
            yield line.rstrip("\n").split("\t")


def read_entries(language: str) -> list[Entry]:
    return [Entry(label, text) for label, text in rows(f"answers.{language}")]


def read_training(language: str, entries: list[Entry], count: int | None) -> Examples:
    """A row for each question and each of its right answers."""
    place = {entry.id: number for number, entry in enumerate(entries)}
    questions, right = [], []
    for _, _, english, chinese, labels, _ in list(rows("train"))[:count]:
        for label in labels.split():
            questions.append(english if language == "en" else chinese)
            right.append(place[label])
    return Examples(questions, np.array(right), entries)


def read_questions(split: str, language: str, entries: list[Entry]) -> Questions:
    place = {entry.id: number for number, entry in enumerate(entries)}

    def places(labels: str) -> np.ndarray:
        return np.array([place[label] for label in labels.split()])

    found = Questions([], [], {name: [] for name in LISTS})
    ids = []
    for id, _, english, chinese, labels, pool in rows(split):
        ids.append(id)
        found.texts.append(english if language == "en" else chinese)
        found.right.append(set(places(labels).tolist()))
        found.candidates["solr500"].append(places(pool))
    for id, (known, _, labels) in zip(ids, rows(f"{split}.random500"), strict=True):
        assert id == known
        found.candidates["random500"].append(places(labels))
    return found


def of_candidates(scores: Iterator[np.ndarray], candidates: list[np.ndarray]) -> list[np.ndarray]:
    """Of each question's scores for all answers, those of its candidates."""
    return [row[listed] for row, listed in zip(scores, candidates, strict=True)]


def accuracy(scores: list[np.ndarray], questions: Questions, name: str) -> float:
    """Share of the questions whose first candidate is right."""
    first = [
        int(listed[row.argmax()])
        for row, listed in zip(scores, questions.candidates[name], strict=True)
    ]
    return float(np.mean([one in right for one, right in zip(first, questions.right)]))


def fused(cosine: list[np.ndarray], lexical: list[np.ndarray], weight: float) -> list[np.ndarray]:
    return [fuse(c, w, weight) for c, w in zip(cosine, lexical, strict=True)]


def measured(scorer: Scorer, data: Data, name: str, split: str) -> dict[str, float]:
    """accuracy@1 of the encoder, and of both together with the weight that is best on valid."""
    cosine = {
        one: of_candidates(iter(scorer.scores(asked.texts)), asked.candidates[name])
        for one, asked in data.splits.items()
    }

    def both(one: str, weight: float) -> float:
        return accuracy(fused(cosine[one], data.lexical[one][name], weight), data.splits[one], name)

    weight = max(GRID, key=lambda weight: (both("valid", weight), weight))
    return {
        "encoder": accuracy(cosine[split], data.splits[split], name),
        "encoder and BM25": both(split, weight),
        "weight": weight,
    }


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What is trained on, and what is measured."""
    parser.add_argument("--language", choices=["en", "zh"], default="en")
    parser.add_argument("--lists", choices=LISTS, nargs="+", default=["random500"])
    parser.add_argument("--split", choices=["valid", "test"], default="valid")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--questions", type=int, help="train on the first ones only")


def read(given: argparse.Namespace) -> Data:
    """The data that the arguments name, and their BM25."""
    entries = read_entries(given.language)
    train = read_training(given.language, entries, given.questions)
    wanted = dict.fromkeys(["valid", given.split])
    splits = {split: read_questions(split, given.language, entries) for split in wanted}
    words = Lexical([entry.encoded for entry in entries])
    lexical = {
        split: {
            name: of_candidates(map(words.scores, asked.texts), asked.candidates[name])
            for name in given.lists
        }
        for split, asked in splits.items()
    }
    return Data(train, splits, lexical)


def run(
    train: Callable[[int], Scorer], data: Data, given: argparse.Namespace
) -> list[dict[str, Any]]:
    """Train with each seed and measure; what it took, and the figures of each list."""
    runs = []
    for seed in given.seeds:
        started, cpu = time.perf_counter(), time.process_time()
        scorer = train(seed)
        took = {"seconds": time.perf_counter() - started, "cpu_seconds": time.process_time() - cpu}
        found = {name: measured(scorer, data, name, given.split) for name in given.lists}
        runs.append({"seed": seed, **took, **found})
        print(json.dumps(runs[-1]), file=sys.stderr)
    return runs


def show(
    settings: dict[str, Any], runs: list[dict[str, Any]], data: Data, given: argparse.Namespace
) -> None:
    """Print the table, and all figures as JSON."""
    bm25 = {
        name: accuracy(data.lexical[given.split][name], data.splits[given.split], name)
        for name in given.lists
    }
    print(f"InsuranceQA V2, {given.language}, {given.split}: accuracy@1 in per cent.")
    print(f"{settings}.\n{machine()}.\n")
    columns = [f"{name}, {what}" for name in given.lists for what in ("encoder", "and BM25")]
    print(f"| | {' | '.join(columns)} | training, s | CPU, s |")
    print(f"|---|{'---:|' * (len(columns) + 2)}")
    values = [
        [100 * run[name][what] for name in given.lists for what in ("encoder", "encoder and BM25")]
        for run in runs
    ]
    for run, row in zip(runs, values, strict=True):
        cells = " | ".join(f"{value:.1f}" for value in row)
        took = f"{run['seconds']:.0f} | {run['cpu_seconds']:.0f}"
        print(f"| seed {run['seed']} | {cells} | {took} |")
    if len(runs) > 1:
        spread = zip(np.mean(values, axis=0), np.std(values, axis=0, ddof=1), strict=True)
        cells = " | ".join(f"{mean:.1f} ({deviation:.1f})" for mean, deviation in spread)
        print(f"| mean (standard deviation) | {cells} | | |")
    cells = " | ".join(f"{100 * bm25[name]:.1f} |" for name in given.lists)
    print(f"| BM25 alone | {cells} | |")
    result = {
        "language": given.language,
        "split": given.split,
        "settings": settings,
        "machine": machine(),
        "bm25": bm25,
        "runs": runs,
    }
    print(f"\n{json.dumps(result)}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_arguments(parser)
    parser.add_argument(
        "--set", nargs="*", default=[], metavar="NAME=VALUE", dest="pairs", action="extend"
    )
    given = parser.parse_args()
    data, settings = read(given), settings_of([*DEFAULTS, *given.pairs])

    def train(seed: int) -> Scorer:
        chosen = dataclasses.replace(settings, seed=seed)
        return Matcher.train(data.train, chosen, report=lambda line: print(line, file=sys.stderr))

    show(dataclasses.asdict(settings), run(train, data, given), data, given)


if __name__ == "__main__":
    main()
