r"""English captions into German: BLEU on Multi30k, texts only.

    pip install sacremoses
    python benchmarks/multi30k.py                              # as published: for a GPU
    python benchmarks/multi30k.py --epochs 2 --split val --set training.warmup_steps=200 \
      training.decode_epochs=0 training.average=0 training.keep=last    # on a CPU: it learns

The data are those of Multi30k's task 1 (Elliott et al. 2016): 29,000 pairs to learn from, 1,014 to
choose by, 1,000 to test with (test_2016_flickr). They are read where LOSSLAYER_DATA says (default:
../shared/data). As published with them, texts are lower-cased, their punctuation normalised, and
split by Moses' rules (sacremoses here); then into 10,000 pieces that both languages share.

The model is the smallest Transformer of Wu et al. 2021 (https://arxiv.org/abs/2105.14462), who
report 41.0 for it: four layers of 128, inner ones of 256, dropout 0.3, shared embeddings; batches
of 4,096 tokens, the mean of the last ten checkpoints, beam 5. BLEU is that of the split and
lower-cased texts. The second command has 12.3 on val (2 epochs, 316 s on one core of an AMD EPYC,
PyTorch); the first hasn't been run.

`--set` changes any setting; an interrupted training goes on with the same command if `--runs`
names a folder. Prints the figures and one JSON line; progress on standard error.
"""

import argparse
import gzip
import json
import os
import time
from collections.abc import Sequence
from pathlib import Path

from faq_banking77 import machine  # before losslayer: it chooses the engine
from g2p import say, trained
from sacremoses import MosesPunctNormalizer, MosesTokenizer

from losslayer.seq2seq import Pairs, Settings, changed, pairs
from losslayer.seq2seq.measures import measures

ROOT = Path(__file__).parents[1]
DATA = Path(os.environ.get("LOSSLAYER_DATA", ROOT.parent / "shared" / "data")) / "multi30k" / "raw"
SPLITS = {"train": "train", "val": "val", "test": "test_2016_flickr"}
PUBLISHED = 41.0
SETTINGS = (
    "data.source_tokens=bpe",
    "data.target_tokens=bpe",
    "data.vocabulary=10000",
    "data.shared=true",
    "data.bleu=none",
    "model.shared=true",
    "model.layers=4",
    "model.dim=128",
    "model.heads=4",
    "model.feedforward=256",
    "model.dropout=0.3",
    "model.fused=true",
    "training.tokens=4096",
    "training.learning_rate=5e-3",
    "training.schedule=inverse_sqrt",
    "training.warmup_steps=2000",
    "training.average=10",
    "training.keep=average",
    "training.decode_epochs=5",
    "decoding.beam=5",
    "decoding.length_penalty=1",
)


def texts(split: str, language: str) -> list[str]:
    """Lower-cased, with spaces between words and punctuation."""
    normal, words = MosesPunctNormalizer(language), MosesTokenizer(language)
    with gzip.open(DATA / f"{SPLITS[split]}.{language}.gz", "rt", encoding="utf-8") as file:
        lines = [normal.normalize(line.strip().lower()) for line in file]
    return [words.tokenize(line, escape=False, return_str=True) for line in lines]


def read(split: str) -> Pairs:
    return pairs(texts(split, "en"), texts(split, "de"))


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--epochs", type=int, default=80)
    parser.add_argument("--split", choices=["val", "test"], default="test")
    parser.add_argument("--runs", type=Path, help="folder that keeps the model")
    parser.add_argument(
        "--set", nargs="*", default=[], metavar="KEY=VALUE", dest="changes", action="extend"
    )
    given = parser.parse_args(arguments)
    if not DATA.is_dir():
        parser.error(f"{DATA}: no data are there. Set LOSSLAYER_DATA to the folder of multi30k")
    changes = [*SETTINGS, f"training.epochs={given.epochs}", *given.changes]
    settings = changed(Settings(), changes)
    model = trained("multi30k", read("train"), read("val"), settings, given.runs)
    on = read(given.split)
    start = time.perf_counter()
    outputs = model.texts(on.sources)
    decoding = time.perf_counter() - start
    found = measures(outputs, on.targets, str.split, "none")
    seconds = model.metrics["training"]["seconds"]
    for source, output in list(zip(on.sources, outputs, strict=True))[:5]:
        say(f"{source}\n  {output}")
    print(f"Multi30k, {SPLITS[given.split]}, English to German, {given.epochs} epochs: ", end="")
    print(f"BLEU {found['bleu']:.1f}, chrF {found['chrf']:.1f} ({PUBLISHED} published for test).")
    print(f"Trained in {seconds:,.0f} s, decoded in {decoding:,.0f} s; {machine()}.\n")
    result = {"split": given.split, "bleu": found["bleu"], "chrf": found["chrf"]}
    result |= {"training_seconds": seconds, "decoding_seconds": decoding}
    print(json.dumps({**result, "changes": changes, "machine": machine()}))


if __name__ == "__main__":
    main()
