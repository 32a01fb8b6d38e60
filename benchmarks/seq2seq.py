"""Training tokens and decoded sentences a second, beside JoeyNMT with a model of the same size.

    python -m venv peer && peer/bin/pip install joeynmt      # an environment of its own
    python benchmarks/seq2seq.py --peer peer/bin/python      # on a machine with nothing else to do

Spelling to phonemes (`data/cmudict`), split into the same tokens for both: a Transformer,
normalised before each part, target embeddings tied to the output, label smoothing and dropout 0.1,
Adam; batches by the same budget of tokens. JoeyNMT (Kreutzer et al. 2019,
https://arxiv.org/abs/1907.12484) runs by its own commands `train` and `test`, whose logs say how
long an epoch and the decoding took; `losslayer.seq2seq` by its Python functions, on the engine that
KERAS_BACKEND names. Each run is a process of its own, in turn, with the same number of threads.

Counted are target tokens with their ends, in the epochs after the first, which compiles; and
sentences of the test split, beam 5. Ours decodes them twice: the first time compiles a program for
each length. Neither side's time has reading data or writing checkpoints in it, nor the development
split. Reported are medians over the rounds, and one line of JSON.
"""

import argparse
import csv
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

DATA = Path(__file__).parents[1] / "data" / "cmudict"
BEAM, PENALTY, DROPOUT, RATE, WARMUP = 5, 1.0, 0.1, 1e-3, 200
JOEYNMT = """
name: peer
model_dir: {folder}/model
use_cuda: False
random_seed: 1
data:
  train: {folder}/train
  dev: {folder}/dev
  test: {folder}/test
  dataset_type: plain
  src: {{lang: src, level: word, max_length: 64}}
  trg: {{lang: trg, level: word, max_length: 64}}
training:
  optimizer: adam
  learning_rate: {rate}
  learning_rate_min: 0.0
  scheduling: warmupinversesquareroot
  learning_rate_warmup: {warmup}
  batch_size: {tokens}
  batch_type: token
  epochs: {epochs}
  label_smoothing: 0.1
  clip_grad_norm: 1.0
  normalization: tokens
  early_stopping_metric: ppl
  logging_freq: {steps}
  validation_freq: {steps}
  keep_best_ckpts: 1
testing:
  batch_size: {tokens}
  batch_type: token
  beam_size: {beam}
  beam_alpha: {penalty}
  max_output_length: 32
model:
  tied_softmax: True
  encoder: &part
    type: transformer
    num_layers: {layers}
    num_heads: {heads}
    embeddings: {{embedding_dim: {dim}, scale: True, dropout: {dropout}}}
    hidden_size: {dim}
    ff_size: {wide}
    dropout: {dropout}
    layer_norm: pre
  decoder: *part
"""


def sentences(split):
    """Spellings and phonemes, their tokens separated by spaces."""
    with open(DATA / f"{split}.tsv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    return [" ".join(row["word"]) for row in rows], [row["phonemes"] for row in rows]


def target_tokens(targets):
    """How many tokens there are, ends included."""
    return sum(len(text.split()) + 1 for text in targets)


def ours(options):
    """Seconds of each epoch, and of decoding twice."""
    import keras

    from losslayer.seq2seq import DecodingSettings, ModelSettings, Seq2Seq, Settings, pairs
    from losslayer.seq2seq.settings import DataSettings, TrainingSettings

    class Clock(keras.callbacks.Callback):
        """The steps of an epoch, without what is measured after them."""

        def __init__(self):
            super().__init__()
            self.seconds = []

        def on_epoch_begin(self, epoch, logs=None):
            self.start = time.perf_counter()
            self.seconds.append(0.0)

        def on_train_batch_end(self, batch, logs=None):
            self.seconds[-1] = time.perf_counter() - self.start

    sources, targets = sentences("test")
    settings = Settings(
        DataSettings(source_tokens="words", target_tokens="words"),
        ModelSettings(
            layers=options.layers,
            dim=options.dim,
            heads=options.heads,
            feedforward=options.wide,
            dropout=DROPOUT,
            longest=64,
        ),
        TrainingSettings(
            epochs=options.epochs,
            tokens=options.tokens,
            learning_rate=RATE,
            schedule="inverse_sqrt",
            warmup_steps=WARMUP,
            decode_epochs=0,
            self_check=False,
        ),
        DecodingSettings(
            beam=BEAM,
            length_penalty=PENALTY,
            longest=32,
            batch_size=options.tokens // 16,
        ),
    )
    clock = Clock()
    dev = pairs(*(texts[:64] for texts in sentences("dev")))
    model = Seq2Seq.train(pairs(*sentences("train")), dev, settings, callbacks=[clock])
    decoding = []
    for _ in range(2):
        start = time.perf_counter()
        found = model.predict(sources[: options.sentences])
        decoding.append(time.perf_counter() - start)
    return {
        "epochs": clock.seconds,
        "decoding": decoding,
        "right": right([best[0].text for best in found], targets),
        "weights": model.models.training.count_params(),
    }


def theirs(options):
    """The same from JoeyNMT's logs."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for split, most in (("train", None), ("dev", 64), ("test", options.sentences)):
            for side, texts in zip(("src", "trg"), sentences(split)):
                text = "".join(f"{line}\n" for line in texts[:most])
                (folder / f"{split}.{side}").write_text(text, encoding="utf-8")
        # It writes a checkpoint after a validation only: one in the middle of the last epoch.
        tokens = target_tokens(sentences("train")[1])
        steps = max(1, int((options.epochs - 0.5) * tokens / options.tokens))
        config = folder / "config.yaml"
        config.write_text(
            JOEYNMT.format(
                folder=folder,
                rate=RATE,
                warmup=WARMUP,
                steps=steps,
                beam=BEAM,
                penalty=PENALTY,
                dropout=DROPOUT,
                **{n: getattr(options, n) for n in ("tokens", "epochs", "layers", "heads", "dim")},
                wide=options.wide,
            )
        )
        log = joeynmt(options.peer, "train", config, "--skip-test")
        epochs = [
            float(s) for s in re.findall(r"Epoch .* num\. of tokens: .* ([\d.]+)\[sec\]", log)
        ]
        weights = int(re.search(r"Total params: (\d+)", log)[1])
        log = joeynmt(options.peer, "test", config, "-o", str(folder / "out"))
        *_, decoding = re.findall(r"Generation took ([\d.]+)\[sec\]", log)
        found = (folder / "out.test").read_text(encoding="utf-8").splitlines()
    return {
        "epochs": epochs,
        "decoding": [float(decoding)],
        "right": right(found, sentences("test")[1]),
        "weights": weights,
    }


def joeynmt(python, *arguments):
    """What one of its commands logs."""
    done = subprocess.run(
        [python, "-m", "joeynmt", *map(str, arguments)],
        capture_output=True,
        text=True,
        # Its checkpoints hold more than weights, which PyTorch reads on demand only.
        env={**os.environ, "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD": "1"},
    )
    if done.returncode:
        sys.exit(f"JoeyNMT failed: {done.stderr[-2000:]}")
    return done.stdout + done.stderr


def right(found, targets):
    """Share of outputs that are wholly right."""
    return sum(a == b for a, b in zip(found, targets)) / len(found)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--peer", default=sys.executable, help="a Python that has joeynmt")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=4, help="of a round")
    parser.add_argument("--sentences", type=int, default=1000, help="to decode")
    parser.add_argument("--tokens", type=int, default=2048, help="of a batch")
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--dim", type=int, default=128)
    parser.add_argument("--heads", type=int, default=4)
    parser.add_argument("--wide", type=int, default=512, help="the inner layers")
    parser.add_argument("--ours", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.ours:
        print(json.dumps(ours(options)))
        return
    found = {"losslayer": [], "JoeyNMT": []}
    for turn in range(options.rounds):
        print(f"round {turn + 1} of {options.rounds}", file=sys.stderr)
        again = subprocess.run(
            [sys.executable, __file__, *sys.argv[1:], "--ours"], stdout=subprocess.PIPE, check=True
        )
        found["losslayer"].append(json.loads(again.stdout.splitlines()[-1]))
        found["JoeyNMT"].append(theirs(options))
    tokens = target_tokens(sentences("train")[1])
    print(f"{len(os.sched_getaffinity(0))} cores, load {os.getloadavg()[0]:.1f}; {options}\n")
    print("| side | weights | tokens/s trained | sentences/s decoded | the first time | right |")
    print("|---|---:|---:|---:|---:|---:|")
    for side, runs in found.items():
        trained = [tokens / seconds for run in runs for seconds in run["epochs"][1:]]
        first, last = ([options.sentences / run["decoding"][n] for run in runs] for n in (0, -1))
        shown = [statistics.median(each) for each in (trained, last, first)]
        share = statistics.median(run["right"] for run in runs)
        figures = " | ".join(f"{value:,.0f}" for value in shown)
        print(f"| {side} | {runs[0]['weights']:,} | {figures} | {share:.1%} |")
    print("\n" + json.dumps(found))


if __name__ == "__main__":
    main()
