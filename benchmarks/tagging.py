"""A BiLSTM with a CRF, trained on two public tagging tasks: F1 of chunks or words over seeds.

    python benchmarks/tagging.py conll2000                       # three seeds on the test split
    python benchmarks/tagging.py conll2000 --split dev --set dim=150 --seeds 0
    python benchmarks/tagging.py ud_chinese --dictionary

The second form is how settings are compared: it measures on development data, so that the test
split decides nothing. The third segments Chinese into words with features of the dictionary of the
package `jieba`.

The data are looked for in the folder `--data`, else in $LOSSLAYER_DATA, else in ../shared/data
beside the repository:

    conll2000/{train,dev,test}.txt.gz          word, part of speech and chunk tag on each line
    ud_chinese_cws/{train,dev,test}.conll.gz   CoNLL-U, of which the words are used

A model is a few embeddings and a BiLSTM, whose scores are added to those of n-gram features that
have a weight for each tag; nothing is pretrained. The number of epochs is fixed and the learning
rate falls to 0, so the last weights are taken and no data choose among epochs. Prints a table in
Markdown and a line of JSON, and progress on standard error.
"""

import argparse
import collections
import dataclasses
import gzip
import json
import os
import platform
import sys
import time
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras
import numpy as np
from keras import ops

import losslayer as ll
from losslayer.text import TokenBatches

SPLITS = ("train", "dev", "test")
LETTERS = 16  # of a word that the convolution reads: its first and its last half of these


@dataclasses.dataclass
class Settings:
    """What may be set by --set; chosen on development data, as are those of each task below."""

    epochs: int
    dim: int  # of each direction of the LSTM
    embedding: int  # of words, characters and their bigrams
    dropout: float  # of the LSTM's input and output
    unknown: float  # share of embeddings that are dropped as a whole
    feature_dropout: float  # of n-gram features
    least_feature: int  # how often these must occur in training
    least: int = 2  # and what has an embedding
    tokens: int = 2048  # in a batch
    rate: float = 3e-3
    clip: float = 5.0
    layers: int = 1
    letters: int = 50  # filters of the convolution over letters


# --- data: sentences as lists of tokens, and what is read off them ---


def blocks(path):
    """The fields of each line, in blocks between empty lines."""
    found: list = [[]]
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            if line.strip():
                found[-1].append(line.split())
            elif found[-1]:
                found.append([])
    return [block for block in found if block]


def window(values, *places):
    """For each position, the values at these distances from it, joined."""
    last = len(values)
    return [
        "|".join(values[t + p] if 0 <= t + p < last else "-" for p in places) for t in range(last)
    ]


def shape(word):
    """What a word looks like: capitals, digits, signs."""
    kinds = [
        "X" if c.isupper() else "x" if c.islower() else "9" if c.isdigit() else c for c in word
    ]
    return "".join(k for i, k in enumerate(kinds) if i == 0 or kinds[i - 1] != k)[:6]


def conll2000(folder, arguments):
    """Chunks of English; those development sentences that are in train or test are left out."""
    read = {s: blocks(folder / "conll2000" / f"{s}.txt.gz") for s in SPLITS}
    known = {" ".join(t[0] for t in b) for s in ("train", "test") for b in read[s]}
    read["dev"] = [b for b in read["dev"] if " ".join(t[0] for t in b) not in known]

    def sentence(block):
        words, pos, tags = zip(*block)
        lower = [w.lower() for w in words]
        embedded = {
            "word": lower,
            "pos": pos,
            "shape": [shape(w) for w in words],
            "suffix": [w[-3:] for w in lower],
        }
        places = [(-2,), (-1,), (0,), (1,), (2,), (-1, 0), (0, 1)]
        features = [window(lower, *p) for p in places]
        places += [(-2, -1), (1, 2), (-2, -1, 0), (-1, 0, 1), (0, 1, 2)]
        features += [window(pos, *p) for p in places]
        return words, embedded, features, tags

    return {s: [sentence(b) for b in read[s]] for s in SPLITS}, "BIO"


def ud_chinese(folder, arguments):
    """Words of Chinese: a tag for each character."""
    dictionary = Dictionary() if arguments.dictionary else None
    read = {s: blocks(folder / "ud_chinese_cws" / f"{s}.conll.gz") for s in SPLITS}
    lexicon = collections.Counter(w for b in read["train"] for w in {line[1] for line in b})

    def sentence(block, split):
        words = [line[1] for line in block]
        # What other sentences of the training data hold: its own words would give it away.
        own = set(words) if split == "train" else ()
        known = {w: lexicon[w] > (w in own) for w in lexicon.keys() & substrings("".join(words))}
        tags = [t for w in words for t in tags_of(w)]
        characters = list("".join(words))
        kinds = [
            "9" if c.isdigit() else "a" if c.isascii() and c.isalpha() else "." if not c.isalpha()
            else "c" for c in characters
        ]  # fmt: skip
        embedded = {
            "character": characters,
            "before": window(characters, -1, 0),
            "after": window(characters, 0, 1),
            "kind": kinds,
        }
        places = [(-2,), (-1,), (0,), (1,), (2,), (-2, -1), (-1, 0), (0, 1), (1, 2), (-1, 1)]
        features = [window(characters, *p) for p in [*places, (-1, 0, 1), (-2, -1, 0), (0, 1, 2)]]
        features += [window(kinds, *p) for p in ((-1, 0, 1), (-2, -1, 0, 1, 2))]
        said = places_of(characters, known)
        if dictionary is not None:
            said.update({f"dictionary_{n}": v for n, v in dictionary(characters).items()})
        embedded.update(said)
        for names in (["begins", "ends"], ["begins", "ends", "inside"], list(said)):
            together = ["".join(x) for x in zip(*(said[n] for n in names))]
            features += [window(together, *p) for p in ((0,), (-1, 0), (0, 1))]
        return characters, embedded, features, tags

    return {s: [sentence(b, s) for b in read[s]] for s in SPLITS}, "BMES"


def substrings(text, longest=6):
    """All strings of at least two characters in it."""
    return {text[i : i + n] for n in range(2, longest + 1) for i in range(len(text) - n + 1)}


def places_of(characters, known, longest=6):
    """Of each character, how long the longest known word is that begins, ends, goes on there."""
    text = "".join(characters)
    begins, ends, inside = ([1] * len(text) for _ in range(3))
    for first in range(len(text)):
        for size in range(2, min(longest, len(text) - first) + 1):
            if known.get(text[first : first + size]):
                begins[first] = max(begins[first], size)
                ends[first + size - 1] = max(ends[first + size - 1], size)
                for place in range(first + 1, first + size - 1):
                    inside[place] = max(inside[place], size)
    found = {"begins": begins, "ends": ends, "inside": inside}
    return {name: list(map(str, values)) for name, values in found.items()}


class Dictionary:
    """What the dictionary of jieba says of each character, and how jieba itself would cut."""

    def __init__(self):
        import jieba

        jieba.setLogLevel("ERROR")
        jieba.initialize()
        self.cut, self.known = jieba.lcut, jieba.dt.FREQ

    def __call__(self, characters):
        """For each character, columns of what is said of it, by name."""
        text = "".join(characters)
        ways = {"cut": self.cut(text), "plain": self.cut(text, HMM=False)}
        return {
            **places_of(characters, self.known),
            **{name: [t for w in words for t in tags_of(w)] for name, words in ways.items()},
        }


def tags_of(word):
    return "S" if len(word) == 1 else f"B{'M' * (len(word) - 2)}E"


TASKS = {"conll2000": conll2000, "ud_chinese": ud_chinese}
SETTINGS = {
    "conll2000": Settings(8, 150, 100, 0.5, 0.2, 0.6, 3),
    "ud_chinese": Settings(5, 128, 64, 0.6, 0.4, 0.5, 20),
}


def numbered(sequences, least):
    """A number for each value that occurs so often: 0 is padding, 1 is all that has none."""
    counts = collections.Counter(v for s in sequences for v in s)
    return {v: i + 2 for i, v in enumerate(sorted(v for v, c in counts.items() if c >= least))}


class Task:
    """A data set as columns of numbers."""

    def __init__(self, name, folder, arguments, settings):
        splits, self.scheme = TASKS[name](folder, arguments)
        train = splits["train"]
        self.tags = sorted({tag for part in splits.values() for s in part for tag in s[3]})
        numbers = {tag: i for i, tag in enumerate(self.tags)}
        self.ids = {
            column: numbered((s[1][column] for s in train), settings.least)
            for column in train[0][1]
        }
        self.feature_ids: list = []
        first = 2
        for place in range(len(train[0][2])):
            ids = numbered((s[2][place] for s in train), settings.least_feature)
            self.feature_ids.append({v: i - 2 + first for v, i in ids.items()})
            first += len(ids)
        self.features = first
        forms = sorted({word for part in splits.values() for s in part for word in s[0]})
        self.forms = {word: i + 1 for i, word in enumerate(forms)}
        letters = numbered([word for s in train for word in s[0]], 1)
        self.letters = len(letters) + 2
        self.spelling = np.zeros((len(forms) + 1, LETTERS + 2), "int32")
        for word, i in self.forms.items():
            kept = word if len(word) <= LETTERS else word[: LETTERS // 2] + word[-LETTERS // 2 :]
            self.spelling[i, 1 : len(kept) + 1] = [letters.get(c, 1) for c in kept]
        self.columns = {s: self._columns(splits[s], numbers) for s in SPLITS}

    def _columns(self, sentences, numbers):
        found = {"tag": [[numbers[t] for t in s[3]] for s in sentences]}
        found["form"] = [[self.forms[w] for w in s[0]] for s in sentences]
        for name, ids in self.ids.items():
            found[name] = [[ids.get(v, 1) for v in s[1][name]] for s in sentences]
        for place, ids in enumerate(self.feature_ids):
            found[f"feature_{place}"] = [[ids.get(v, 1) for v in s[2][place]] for s in sentences]
        return {name: [np.array(row, "int32") for row in rows] for name, rows in found.items()}


# --- the model ---


def build(task, settings):
    """The model: embeddings, BiLSTM, n-gram features, CRF."""
    names = [n for n in task.columns["train"] if n != "tag"]
    inputs = {n: keras.Input((None,), dtype="int32", name=n) for n in names}
    tag = keras.Input((None,), dtype="int32", name="tag")
    mask = ops.not_equal(inputs["form"], 0)
    parts = []
    for name, ids in task.ids.items():
        large = name in ("word", "character", "before", "after")
        dim = settings.embedding if large else 32 if len(ids) > 20 else 8
        part = keras.layers.Embedding(len(ids) + 2, dim, name=f"of_{name}")(inputs[name])
        parts.append(keras.layers.Dropout(settings.unknown, (None, None, 1))(part))
    if "word" in task.ids and settings.letters:
        spelled = ops.take(task.spelling, inputs["form"], axis=0)
        read = keras.layers.Embedding(task.letters, 30, name="of_letters")(spelled)
        read = keras.layers.Dropout(0.25)(read)
        # A convolution of width 3, as a matrix: faster on a CPU.
        three = ops.concatenate([read[..., :-2, :], read[..., 1:-1, :], read[..., 2:, :]], axis=-1)
        read = keras.layers.Dense(settings.letters, name="letters", activation="relu")(three)
        parts.append(ops.max(read, axis=2))
    hidden = keras.layers.Dropout(settings.dropout)(ops.concatenate(parts, axis=-1))
    for _ in range(settings.layers):
        lstm = keras.layers.LSTM(settings.dim, return_sequences=True)
        hidden = keras.layers.Bidirectional(lstm)(hidden, mask=mask)
        hidden = keras.layers.Dropout(settings.dropout)(hidden)
    logits = keras.layers.Dense(len(task.tags), name="logits")(hidden)
    if task.feature_ids:
        ids = [inputs[n] for n in names if n.startswith("feature_")]
        table = keras.layers.Embedding(task.features, len(task.tags), "zeros", name="features")
        weights = table(ops.stack(ids, axis=-1))
        weights = keras.layers.Dropout(settings.feature_dropout, (None, None, None, 1))(weights)
        logits = logits + ops.sum(weights, axis=-2)

    allowed = ll.losses.allowed_transitions(task.tags, task.scheme)
    crf = ll.losses.CRF(len(task.tags), constraints=allowed)
    tags = crf.decode(logits, mask=mask)
    model = ll.Model(inputs=inputs, outputs=tags, labels={"tag": tag})
    model.add_loss(crf(logits, tag, mask=mask), name="nll")
    for measure in ("f1", "precision", "recall"):
        metric = ll.metrics.ChunkF1(task.tags, task.scheme, measure)
        model.add_metric(metric, tag, tags, sample_weight=mask, name=measure, on="evaluate")
    return model


def trained(task, settings, seed, report):
    """A model after all epochs."""
    keras.utils.set_random_seed(seed)
    model = build(task, settings)
    longest = max(len(row) for split in SPLITS for row in task.columns[split]["form"])
    bounds = [b for b in (24, 40, 64, 112) if b < longest] + [-(-longest // 16) * 16]
    data = {
        split: TokenBatches(
            task.columns[split], max(settings.tokens, bounds[-1]), bounds=bounds, seed=seed
        )
        for split in SPLITS
    }
    rate = keras.optimizers.schedules.CosineDecay(
        settings.rate, settings.epochs * len(data["train"])
    )
    model.compile(keras.optimizers.Adam(rate, global_clipnorm=settings.clip))
    for epoch in range(settings.epochs):
        started = time.perf_counter()
        history = model.fit(
            data["train"], initial_epoch=epoch, epochs=epoch + 1, shuffle=False, verbose=0
        ).history
        line = f"seed {seed}, epoch {epoch + 1}: nll {history['nll'][-1]:.3f}"
        if (epoch + 1) % 3 == 0 or epoch + 1 == settings.epochs:
            f1 = model.evaluate(data["dev"], verbose=0, return_dict=True)["f1"]
            line += f", dev F1 {100 * f1:.2f}"
        report(f"{line}, {time.perf_counter() - started:.0f} s")
    return model, data


def settings_of(task, pairs):
    """The settings of a task, with those that were given."""
    types = {field.name: field.type for field in dataclasses.fields(Settings)}
    values = dict(pair.split("=", 1) for pair in pairs)
    given = {name: types[name](value) for name, value in values.items()}
    return dataclasses.replace(SETTINGS[task], **given)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("task", choices=sorted(TASKS), help="which data to train on")
    shared = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = os.environ.get("LOSSLAYER_DATA", shared)
    parser.add_argument("--data", type=Path, default=folder, help="folder of data sets")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="one run for each")
    parser.add_argument("--split", choices=["test", "dev"], default="test", help="measured on")
    parser.add_argument("--dictionary", action="store_true", help="features of jieba's dictionary")
    known = ", ".join(f.name for f in dataclasses.fields(Settings))
    parser.add_argument(
        "--set", nargs="*", default=[], metavar="NAME=VALUE", dest="pairs", help=f"one of {known}"
    )
    arguments = parser.parse_args()
    settings = settings_of(arguments.task, arguments.pairs)
    task = Task(arguments.task, arguments.data, arguments, settings)

    def report(line):
        print(line, file=sys.stderr, flush=True)

    sizes = {s: f"{len(task.columns[s]['form']):,}" for s in SPLITS}
    report(f"{sizes}, {task.features:,} features, {settings}")
    results, seconds = [], []
    for seed in arguments.seeds:
        started = time.perf_counter()
        model, data = trained(task, settings, seed, report)
        seconds.append(time.perf_counter() - started)
        results.append(model.evaluate(data[arguments.split], verbose=0, return_dict=True))
        report(f"seed {seed}: {results[-1]}")

    print(f"{arguments.task}, {arguments.split} split, F1 of chunks in per cent. {settings}.")
    print(f"{platform.machine()}, Keras {keras.__version__} on {keras.config.backend()}.\n")
    print("| | precision | recall | F1 | training, s |\n|---|---:|---:|---:|---:|")
    for seed, result, taken in zip(arguments.seeds, results, seconds, strict=True):
        print(row(f"seed {seed}", result, f"{taken:.0f}"))
    measures = ("precision", "recall", "f1")
    mean = {n: float(np.mean([r[n] for r in results])) for n in measures}
    print(row("mean", mean, f"{np.mean(seconds):.0f}"))
    if len(results) > 1:
        spread = {n: float(np.std([r[n] for r in results], ddof=1)) for n in measures}
        print(row("standard deviation", spread))
    found = {"task": arguments.task, "split": arguments.split, "f1": [r["f1"] for r in results]}
    print(json.dumps({**found, "dictionary": arguments.dictionary, **dataclasses.asdict(settings)}))


def row(name, measured, seconds=""):
    numbers = (f"{100 * measured[n]:.2f}" for n in ("precision", "recall", "f1"))
    return f"| {name} | {' | '.join(numbers)} | {seconds} |"


if __name__ == "__main__":
    main()
