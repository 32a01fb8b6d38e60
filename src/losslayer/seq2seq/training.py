"""One run: tokens, model, data and callbacks brought together."""

import dataclasses
import hashlib
import json
from collections.abc import Callable, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras

import losslayer as ll
from losslayer.precision import computing_in
from losslayer.seq2seq.check import SelfCheckError
from losslayer.seq2seq.evaluation import DevEvaluation, set_weights, weights_of
from losslayer.seq2seq.model import Models, build
from losslayer.seq2seq.pairs import Pairs
from losslayer.seq2seq.schedules import optimizer
from losslayer.seq2seq.settings import DataSettings, Settings
from losslayer.seq2seq.tokens import Tokens

if TYPE_CHECKING:
    from losslayer.seq2seq.seq2seq import Seq2Seq

Report = Callable[[str], None]

# What the names of stored tokens end with.
TOKENS = ".tokens.json"


def tokens_of(
    train: Pairs, data: DataSettings, folder: str | PathLike[str] | None = None
) -> tuple[Tokens, Tokens]:
    """The tokens of sources and of targets, learned from the pairs.

    They are kept in `folder`, and read from there the next time: a training that goes on must have
    the same, and learning them takes long from many texts.
    """
    if data.shared:
        texts = [*train.sources, *train.targets]
        both = _tokens("both", texts, data.source_tokens, data.vocabulary, folder)
        return both, both
    return (
        _tokens("source", train.sources, data.source_tokens, data.vocabulary, folder),
        _tokens("target", train.targets, data.target_tokens, data.vocabulary, folder),
    )


def _tokens(
    side: str, texts: list[str], kind: str, size: int, folder: str | PathLike[str] | None
) -> Tokens:
    if folder is None:
        return Tokens.train(texts, kind, size)
    learned_from = hashlib.sha256(json.dumps([texts, kind, size]).encode()).hexdigest()
    kept = Path(folder) / f"{side}-{learned_from[:16]}{TOKENS}"
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        Tokens.train(texts, kind, size).save(kept)
    return Tokens.load(kept, kind)


def new_models(settings: Settings, source: Tokens, target: Tokens) -> Models:
    """The network with its first weights, in the precision of the training."""
    with computing_in(settings.training.precision):
        return build(settings.model, source.vocabulary_size, target.vocabulary_size)


def run(
    model: "Seq2Seq",
    train: Pairs,
    dev: Pairs,
    report: Report,
    resume: str | PathLike[str] | None,
    callbacks: Sequence[keras.callbacks.Callback],
) -> "Seq2Seq":
    """Train a model that was just made; it comes back with the weights that are to be kept."""
    settings, chosen = model.settings, model.settings.training
    known, measured = model.rows(train), model.rows(dev)
    for pairs, found in ((train, known), (dev, measured)):
        if not found.kept:
            raise ll.ArgumentError(
                f"Seq2Seq.train: [model] `longest` must be larger. Received: "
                f"longest={settings.model.longest}, and all of {found.report or pairs.origin}."
            )
        if found.report:
            report(found.report)
    batches = known.batches(chosen.tokens, settings.model.seed)
    report(
        f"{len(batches):,} batches of the shapes {batches.shapes}, {batches.padding:.0%} padding; "
        f"{model.source_tokens.vocabulary_size:,} source and "
        f"{model.target_tokens.vocabulary_size:,} target tokens; "
        f"{model.models.training.count_params():,} weights"
    )
    swap = keras.callbacks.SwapEMAWeights() if chosen.ema else None
    evaluation = DevEvaluation(_decode(model, dev, measured.kept), chosen, report, swap)
    all_callbacks = [*([swap] if swap else []), evaluation, *callbacks]
    if resume is not None:
        same = {
            # Where the files lie makes no difference.
            "settings": dataclasses.asdict(settings) | {"data": _kept_data(settings.data)},
            "train": train.digest(),
            "dev": dev.digest(),
            "tokens": model.source_tokens.digest() + model.target_tokens.digest(),
        }
        seed = settings.model.seed
        all_callbacks.append(ll.callbacks.Resume(resume, seed=seed, same=same, verbose=0))
    training = model.models.training
    training.compile(
        optimizer(chosen, chosen.epochs * len(batches)),
        microbatch_size=chosen.microbatch_size or None,
    )
    training.fit(
        batches,
        epochs=chosen.epochs,
        validation_data=measured.batches(chosen.tokens),
        callbacks=all_callbacks,
        shuffle=False,
        verbose=0,
    )
    model.interrupted = any(getattr(c, "interrupted", False) for c in all_callbacks)
    model.history = evaluation.records
    _keep(model, evaluation)
    if chosen.self_check:
        model.metrics["self_check"] = _checked(model, dev, report)
    return model


def _decode(model: "Seq2Seq", dev: Pairs, kept: list[int]) -> Callable[[], dict[str, float]]:
    """What measures the decoded development split, with the weights as they are then."""
    chosen = model.settings.training
    rows = kept[: chosen.decode_rows or len(kept)]
    sources, targets = [dev.sources[row] for row in rows], [dev.targets[row] for row in rows]
    decoding = dataclasses.replace(model.settings.decoding, beam=chosen.decode_beam, n_best=1)

    def decode() -> dict[str, float]:
        return model.measures(model.texts(sources, decoding), targets)

    return decode


def _keep(model: "Seq2Seq", evaluation: DevEvaluation) -> None:
    """Put the weights into the model that the settings ask for; all go into `checkpoints`."""
    training, settings = model.models.training, model.settings
    found = {"last": weights_of(training)}
    if evaluation.best is not None:
        found["best"] = evaluation.best[1]
    if (average := evaluation.averages()) is not None:
        found["average"] = average
    # A training that was interrupted early has only the last ones.
    model.checkpoint = settings.training.keep if settings.training.keep in found else "last"
    model.checkpoints = found
    if settings.training.precision != "float32":
        # What is used and saved computes in single precision, as it does when it is loaded.
        source, target = model.source_tokens, model.target_tokens
        model.models = build(settings.model, source.vocabulary_size, target.vocabulary_size)
        model.forget()
    set_weights(model.models.training, found[model.checkpoint])


def _checked(model: "Seq2Seq", dev: Pairs, report: Report) -> dict[str, Any]:
    """What the self-check found; a failure is told, and no reason to lose the model."""
    try:
        found = model.check(dev)
    except SelfCheckError as problem:
        report(str(problem))
        return {"failed": str(problem)}
    report(
        f"self-check over {found.rows} pairs: scores step by step differ by {found.cached:.1e}, "
        f"with more padding by {found.padding:.1e}, at most {found.tolerance:.0e} is right"
    )
    return dataclasses.asdict(found)


def _kept_data(data: DataSettings) -> dict[str, object]:
    return dataclasses.asdict(dataclasses.replace(data, train=(), dev=()))
