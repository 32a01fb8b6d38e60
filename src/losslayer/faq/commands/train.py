"""`losslayer faq train`."""

import json
import time
from pathlib import Path
from typing import Annotated, Any

import keras
import typer

import losslayer as ll
from losslayer.commands.console import Json, Out, Overwrite, note
from losslayer.commands.place import Place
from losslayer.faq import bert
from losslayer.faq.audit import audit
from losslayer.faq.commands.shared import Question
from losslayer.faq.encoders import encoder_of
from losslayer.faq.entries import Examples, read_examples
from losslayer.faq.matcher import Matcher
from losslayer.faq.ranking import baselines
from losslayer.faq.reading import read_faq, read_pairs
from losslayer.faq.settings import Settings
from losslayer_serve.saved import DEFAULT, MARKER, MODEL, PARTS


def train(
    table: Annotated[Path, typer.Argument(help="CSV or TSV, one question and its entry a row.")],
    question: Question = "question",
    entry: Annotated[
        str | None,
        typer.Option(help="Column with the entries' ids; default: entry, or id with --answer."),
    ] = None,
    title: Annotated[
        str | None,
        typer.Option(help="Column with the entries' titles; else the id is the title."),
    ] = None,
    answer: Annotated[
        str | None,
        typer.Option(help="Column with answers: each row is then an entry, found by its answer."),
    ] = None,
    test: Annotated[
        Path | None, typer.Option(help="A table with other questions, to measure with.")
    ] = None,
    dev: Annotated[
        Path | None,
        typer.Option(help="A table with other questions, to choose the best epoch with."),
    ] = None,
    hold_out: Annotated[
        float,
        typer.Option(help="Without --dev: share of the questions to do that with, such as 0.1."),
    ] = Settings.hold_out,
    patience: Annotated[
        int, typer.Option(min=1, help="With either: epochs without a better one before the end.")
    ] = Settings.patience,
    out: Out = DEFAULT,
    epochs: Annotated[
        int | None,
        typer.Option(
            min=1,
            help=f"Times each question is seen; default: {Settings.epochs}, or "
            f"{bert.FINE_TUNING['epochs']} for a checkpoint.",
        ),
    ] = None,
    encoder: Annotated[
        str,
        typer.Option(
            help="lstm, bilstm-maxpool, cnn, bag, bag-cnn, transformer, or pretrained:PATH, "
            "the folder of a BERT's checkpoint."
        ),
    ] = Settings.encoder,
    objective: Annotated[
        str, typer.Option(help="in-batch, triplet, or both.")
    ] = Settings.objective,
    negatives: Annotated[
        str | None,
        typer.Option(
            help="Wrong titles: in-batch (no others), random, mined (near ones, found once) or "
            f"refresh:K (found again every K epochs); default: {Settings.negatives}, or "
            f"{bert.FINE_TUNING['negatives']} for a checkpoint without triplets."
        ),
    ] = None,
    batch_size: Annotated[
        int | None,
        typer.Option(
            min=2,
            help=f"Questions in a step; default: {Settings.batch_size}, or "
            f"{bert.FINE_TUNING['batch_size']} for a checkpoint.",
        ),
    ] = None,
    microbatch_size: Annotated[
        int | None,
        typer.Option(min=1, help="Questions encoded at a time, if all of a step need much memory."),
    ] = Settings.microbatch_size,
    dtype: Annotated[
        str,
        typer.Option(
            help="What the training computes in: float32, or mixed_bfloat16 or mixed_float16, "
            "faster on some machines."
        ),
    ] = Settings.dtype,
    seed: Annotated[int, typer.Option(min=0, help="Another seed, another run.")] = Settings.seed,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Train a matcher on a table of questions.

    Each row of the table has a question and the id of the FAQ entry that answers
    it; the same entry comes in many rows. Below the header `question,entry`, say:

        Where is my new card?,card_arrival

    With such a file, and another one with questions to measure with:

        losslayer faq train questions.csv --test more_questions.csv --out runs/faq

        losslayer faq ask --model runs/faq "my card isn't here"

    With --dev or --hold-out the model of the best epoch is kept, by the mean reciprocal
    rank on these questions; otherwise that of the last one.

    Ctrl-C ends the training early and keeps what has been learned so far. The same
    command then goes on where it was; so it does after any other end.
    """
    started = time.perf_counter()
    place = Place(out, MARKER, overwrite, PARTS)
    given = {"epochs": epochs, "negatives": negatives, "batch_size": batch_size}
    settings = bert.suited(
        **{name: value for name, value in given.items() if value is not None},
        encoder=encoder,
        objective=objective,
        microbatch_size=microbatch_size,
        dtype=dtype,
        hold_out=hold_out,
        patience=patience,
        seed=seed,
    )
    encoder_of(bert.adopt(settings)[1])  # a name that there isn't is told before anything is read
    if answer and title:
        raise ll.ArgumentError(
            "train: `--title` must be left out beside `--answer`: a question is its entry's title. "
            f"Received: --title {title}."
        )
    if dev and hold_out:
        raise ll.ArgumentError(
            "train: `--hold-out` must be left out beside `--dev`: one of them chooses the epoch. "
            f"Received: --hold-out {hold_out}."
        )
    entry = entry or ("id" if answer else "entry")
    if answer:
        known = read_faq(table, question, answer, id=entry)
    else:
        known = read_examples(table, question, entry, title)
    tested = _read_more(test, known, question, entry, pairs=bool(answer))
    development = _read_more(dev, known, question, entry, pairs=bool(answer))
    note(str(audit(known, tested)))
    note(
        f"{table}: {len(known):,} questions, {len(known.entries)} entries. "
        f"Training on {keras.config.backend()}; the first epoch compiles the model."
    )
    matcher = place.train(
        lambda state: Matcher.train(known, settings, report=note, resume=state, dev=development)
    )
    if tested is not None:
        matcher.metrics = {"this model": matcher.evaluate(tested), **baselines(known, tested)}
    place.save(matcher)
    seconds = time.perf_counter() - started
    if as_json:
        result = {
            "model": str(out),
            "questions": len(known),
            "entries": len(known.entries),
            "test_questions": len(tested) if tested else 0,
            "metrics": matcher.metrics,
            "epochs": len(matcher.history.get("loss", [])),
            "development": _best_epoch(matcher.history),
            "interrupted": matcher.interrupted,
            "seconds": round(seconds, 1),
        }
        print(json.dumps(result))
        return
    if tested is not None:
        print(f"\n{test}: {len(tested):,} questions that the training has not seen\n")
        print(_measures_table(matcher.metrics))
    print(f"\nmodel   {out}   ({seconds:.0f} s)")
    print(f"curves  {out / MODEL / 'curves.png'}")
    print(f'try it  losslayer faq ask --model {out} "your question"')


def _read_more(
    path: Path | None, known: Examples, question: str, entry: str, pairs: bool
) -> Examples | None:
    """Other questions with the entries that are known."""
    if path is None:
        return None
    if pairs:
        return read_pairs(path, known.entries, question, entry)
    return read_examples(path, question, entry, entries=known.entries)


def _best_epoch(history: dict[str, list[float]]) -> dict[str, float] | None:
    """The epoch that is kept, and its measures; None without a development split."""
    if not history.get("dev_mrr"):
        return None
    best = history["dev_mrr"].index(max(history["dev_mrr"]))
    measured = {name: history[f"dev_{name}"][best] for name in ("mrr", "accuracy@1")}
    return {"epoch": best + 1, **measured}


def _measures_table(metrics: dict[str, Any]) -> str:
    width = max(map(len, metrics))
    lines = [f"{'':{width}}  accuracy@1  recall@5    MRR"]
    for name, row in metrics.items():
        lines.append(
            f"{name:{width}}  {100 * row['accuracy@1']:10.1f}  {100 * row['recall@5']:8.1f}"
            f"  {row['mrr']:5.3f}"
        )
    return "\n".join(lines)
