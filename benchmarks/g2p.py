"""From spelling to sounds: the word and phoneme error rates of five languages.

    python benchmarks/g2p.py --languages ita wel_sw            # one seed, on the development splits
    python benchmarks/g2p.py --languages ita --set model.dropout=0.4 --seeds 0 1 2
    python benchmarks/g2p.py --split test --seeds 0 1 2 --ensemble --runs runs/g2p    # final

The data are those of SIGMORPHON 2021, task 1 (Ashby et al. 2021), with its splits: 8,000 pairs to
learn from (dut, fre, hun: "medium"), or 800 (ita, wel_sw: "low"). The settings are the same for all
languages of a size, and chosen on the development splits.

The model learns one output for each letter: the sounds that the letter stands for, most often one
or none. Which these are is learned from the training pairs alone (alignment.py), and decoding ends
after as many outputs as there are letters. What is measured is the sounds, put together again: WER,
words that are not all right, and PER, edits per sound.

The ensemble is four models that err in different words: one reads and speaks from the end of the
word, one learns the sounds without letters that they belong to, where attention finds out by
itself, and one is a tagger (losslayer.tag), to which a share of sounds is the tag of its letter.
With 800 pairs it is weak, so a second model that reads from the end stands in for it. Each gives
its likeliest sounds of a word with their probabilities; the answer is the one with the largest sum.

With --runs, models are kept in that folder: an interrupted run goes on, and a finished one isn't
trained again. The data are read where LOSSLAYER_DATA says (default: ../shared/data). Prints a table
in Markdown, then one JSON line; progress on standard error.
"""

import argparse
import dataclasses
import functools
import heapq
import json
import math
import os
import shutil
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from alignment import Probabilities, align, as_text, learn, sounds_of
from faq_banking77 import machine  # before losslayer: it chooses the engine

from losslayer import tag
from losslayer.seq2seq import Pairs, Seq2Seq, Settings, changed, pairs, read_pairs
from losslayer.seq2seq.measures import measures

ROOT = Path(__file__).parents[1]
DATA = Path(os.environ.get("LOSSLAYER_DATA", ROOT.parent / "shared" / "data"))
SIZES = {"dut": "medium", "fre": "medium", "hun": "medium", "ita": "low", "wel_sw": "low"}
# Test WER of the task's baseline, an ensemble of ten neural transducers (Ashby et al. 2021).
BASELINE = {"dut": 14.7, "fre": 8.5, "hun": 1.8, "ita": 19.0, "wel_sw": 10.0}
ALL = (
    "data.source_tokens=characters",
    "data.target_tokens=words",
    "model.model=gru",
    "model.layers=1",
    "model.dim=256",
    "model.diagonal=true",
    "model.longest=64",
    "training.decode_epochs=0",
    "training.learning_rate=2e-3",
    "training.ema=0.99",
    "training.keep=last",
    "decoding.length_penalty=0",
)
DEFAULTS = {
    "medium": (
        *ALL,
        "model.dropout=0.3",
        "training.epochs=15",
        "training.tokens=768",
        "training.warmup_steps=200",
    ),
    "low": (
        *ALL,
        "model.dropout=0.4",
        "training.epochs=40",
        "training.tokens=256",
        "training.warmup_steps=100",
    ),
}
TAGGER = tag.Settings(
    loss="token",
    layers=2,
    units=384,
    embedding_dim=128,
    letters=0,
    dropout=0.5,
    unknown=0.0,
    least=1,
    longest=64,
    tokens=768,
    epochs=20,
    patience=20,
    learning_rate=2e-3,
)
MEASURES = ("wer", "per")
Model = Seq2Seq | tag.Tagger
# Outputs for a word, with their probabilities.
Likeliest = list[tuple[str, float]]
# Outputs of a word that are looked at, and hypotheses that are kept to find them.
N_BEST, BEAM = 5, 8


class Member(NamedTuple):
    """A model of the ensemble.

    Attributes:
        kind: "letters": an output is the sounds of a letter; "sounds": it is one sound; "tagger":
            the sounds of a letter are its tag.
        seed: Of its first weights and batches.
        backwards: Whether words and sounds are read from their end.
    """

    kind: str
    seed: int = 0
    backwards: bool = False

    @property
    def name(self) -> str:
        return f"{self.kind}-{'backwards' if self.backwards else 'forwards'}-{self.seed}"


LETTERS, SOUNDS, TAGGED = "letters", "sounds", "tagger"
ENSEMBLE = {
    "medium": (Member(LETTERS), Member(LETTERS, backwards=True), Member(SOUNDS), Member(TAGGED)),
    "low": (
        Member(LETTERS),
        Member(LETTERS, backwards=True),
        Member(LETTERS, 1, backwards=True),
        Member(SOUNDS),
    ),
}


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def read(language: str, split: str) -> Pairs:
    folder = DATA / "sigmorphon2021_g2p" / SIZES[language]
    return read_pairs(folder / f"{language}_{split}.tsv", header=False)


def turned(text: str) -> str:
    """Words of a text in the other order."""
    return " ".join(reversed(text.split()))


@functools.cache
def shares(language: str) -> Probabilities:
    """How likely each share of sounds is for its letter, learned from the training pairs."""
    train = read(language, "train")
    return learn(train.sources, [tuple(text.split()) for text in train.targets])


def data(language: str, member: Member) -> tuple[Pairs, Pairs]:
    """The training and development pairs as the member learns them."""

    def seen(found: Pairs) -> Pairs:
        words, targets = found.sources, found.targets
        if member.kind != SOUNDS:
            both, table = zip(words, targets, strict=True), shares(language)
            targets = [as_text(align(word, tuple(text.split()), table)) for word, text in both]
        if member.backwards:
            words, targets = [word[::-1] for word in words], [turned(text) for text in targets]
        return pairs(words, targets)

    return seen(read(language, "train")), seen(read(language, "dev"))


def trained(language: str, member: Member, settings: Settings, runs: Path | None) -> Model:
    """The model of the folder, or a new one; the CPU time is among its metrics."""
    name, wanted = f"{language}-{member.name}", settings_of(member, settings)
    place = None if runs is None else runs / name
    if place is not None and place.exists():
        model = (tag.Tagger if member.kind == TAGGED else Seq2Seq).load(place)
        if model.settings != wanted:
            sys.exit(f"{place}: has other settings than these. Give another folder by --runs")
        return model
    partial = None if place is None else place.with_name(f"{name}.partial")
    wall, cpu = time.perf_counter(), time.process_time()
    if member.kind == TAGGED:
        train, dev = map(tagged, data(language, member))
        model = tag.Tagger.train(train, dev, wanted, "none", report=say, resume=partial)
    else:
        model = Seq2Seq.train(*data(language, member), wanted, say, resume=partial)
    if model.interrupted:
        sys.exit(f"{name}: interrupted; the same command goes on")
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    model.metrics["training"] = {"seconds": wall, "cpu_seconds": cpu}
    if place is not None:
        model.save(place)
        shutil.rmtree(partial)
    return model


def settings_of(member: Member, settings: Settings) -> Settings | tag.Settings:
    """Those of a member, made of those of the model without an ensemble."""
    if member.kind == TAGGED:
        return dataclasses.replace(TAGGER, seed=member.seed)
    own = changed(settings, [f"model.seed={member.seed}"])
    return changed(own, ["model.diagonal=false"]) if member.kind == SOUNDS else own


def tagged(found: Pairs) -> list[tag.Sentence]:
    """Words as sentences of letters, whose tags are their sounds."""
    both = zip(found.sources, found.targets, strict=True)
    return [tag.Sentence([*word], shares.split()) for word, shares in both]


def candidates(model: Model, member: Member, words: Sequence[str]) -> list[Counter[str]]:
    """The likeliest sounds of each word, with their probabilities."""
    asked = [word[::-1] for word in words] if member.backwards else words
    found = of_tagger(model, asked) if member.kind == TAGGED else of_decoder(model, member, asked)
    together = []
    for likeliest in found:
        sounds: Counter[str] = Counter()
        for text, probability in likeliest:
            text = turned(text) if member.backwards else text
            # Several ways to share the same sounds out to the letters are one answer.
            sounds[text if member.kind == SOUNDS else sounds_of(text)] += probability
        together.append(sounds)
    return together


def of_decoder(model: Seq2Seq, member: Member, words: Sequence[str]) -> list[Likeliest]:
    """The likeliest outputs for each word."""
    decoding = dataclasses.replace(model.settings.decoding, beam=BEAM, n_best=N_BEST)
    found = {}
    for length in sorted(set(map(len, words))):
        same = [word for word in words if len(word) == length]
        if member.kind == LETTERS:
            decoding = dataclasses.replace(decoding, shortest=length, longest=length)
        for word, hypotheses in zip(same, model.predict(same, decoding), strict=True):
            found[word] = [(each.text, math.exp(each.score)) for each in hypotheses]
    return [found[word] for word in words]


def of_tagger(model: tag.Tagger, words: Sequence[str]) -> list[Likeliest]:
    """The likeliest tags of each word."""
    tags = model.vocabulary.tags
    return [likeliest(rows, tags) for rows in model.probabilities([[*word] for word in words])]


def likeliest(probabilities: np.ndarray, tags: Sequence[str], count: int = N_BEST) -> Likeliest:
    """The likeliest sequences of tags where those of one letter don't depend on the others'.

    So it is with the loss "token".

    Args:
        probabilities: Of each tag at each letter, `(letter, tag)`.
        tags: Names of the columns.
        count: How many sequences; the likeliest is the first.

    Example:
        >>> likeliest(np.array([[0.75, 0.25], [0.625, 0.375]]), ["_", "a"], 2)
        [('_ _', 0.46875), ('_ a', 0.28125)]
    """
    found: list[tuple[float, tuple[str, ...]]] = [(1.0, ())]
    for row in probabilities:
        best = [(float(row[i]), tags[i]) for i in np.argsort(-row)[:count]]
        longer = ((p * q, (*path, name)) for p, path in found for q, name in best)
        found = heapq.nlargest(count, longer)
    return [(" ".join(path), probability) for probability, path in found]


def measured(found: Sequence[Counter[str]], on: Pairs) -> dict[str, float]:
    """The error rates of the likeliest sounds, in per cent."""
    best = [each.most_common(1)[0][0] for each in found]
    figures = measures(best, on.targets, str.split)
    return {name: figures[name] for name in MEASURES}


def of_language(language: str, given: argparse.Namespace) -> dict:
    """All figures of a language."""
    on = read(language, given.split)
    settings = changed(Settings(), [*DEFAULTS[SIZES[language]], *given.changes])
    found = {"pairs": len(on), "settings": dataclasses.asdict(settings), "seeds": [], "members": []}
    singles = [Member(LETTERS, seed) for seed in given.seeds]
    together = ENSEMBLE[SIZES[language]] if given.ensemble else ()
    outputs = {}
    for member in dict.fromkeys([*singles, *together]):
        model = trained(language, member, settings, given.runs)
        outputs[member] = candidates(model, member, on.sources)
        figures = {"model": member.name, **measured(outputs[member], on)}
        figures |= {"seed": member.seed, **model.metrics["training"]}
        say(f"{language} {given.split} {json.dumps(figures)}")
        found["seeds" if member in singles else "members"].append(figures)
    if together:
        each = zip(*(outputs[member] for member in together), strict=True)
        found["ensemble"] = measured([sum(of_word, Counter()) for of_word in each], on)
        say(f"{language} {given.split} ensemble {json.dumps(found['ensemble'])}")
    return found


def row(language: str, found: dict, split: str) -> str:
    seeds = found["seeds"]
    cells = [language, " ".join(f"{run['wer']:.1f}" for run in seeds)]
    for name in MEASURES:
        values = [run[name] for run in seeds]
        spread = f" ({np.std(values, ddof=1):.1f})" if len(values) > 1 else ""
        cells.append(f"{np.mean(values):.1f}{spread}")
    ensemble = found.get("ensemble")
    cells += [f"{ensemble[name]:.1f}" if ensemble else "" for name in MEASURES]
    cells.append(f"{BASELINE[language]:.1f}" if split == "test" else "")
    cells.append(f"{np.mean([run['cpu_seconds'] for run in seeds]):.0f}")
    return f"| {' | '.join(cells)} |"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--languages", nargs="+", choices=SIZES, default=list(SIZES))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--split", choices=["dev", "test"], default="dev")
    parser.add_argument("--ensemble", action="store_true", help="measure four models together too")
    parser.add_argument("--runs", type=Path, help="folder that keeps the models")
    parser.add_argument(
        "--set", nargs="*", default=[], metavar="KEY=VALUE", dest="changes", action="extend"
    )
    given = parser.parse_args(arguments)
    found = {language: of_language(language, given) for language in given.languages}

    print(f"SIGMORPHON 2021, grapheme to phoneme, {given.split}: per cent; mean (sd) of the seeds.")
    print(f"{machine()}.\n")
    columns = [f"WER of seeds {' '.join(map(str, given.seeds))}", "WER", "PER"]
    columns += ["WER of four together", "PER", "baseline, ten together", "training, CPU s"]
    print(f"| | {' | '.join(columns)} |\n|---|{'---:|' * len(columns)}")
    for language in found:
        print(row(language, found[language], given.split))
    result = {"split": given.split, "machine": machine(), "baseline": BASELINE, **found}
    print(f"\n{json.dumps(result)}")


if __name__ == "__main__":
    main()
