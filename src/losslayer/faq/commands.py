"""The commands of `losslayer faq`."""

import contextlib
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import keras
import typer

import losslayer as ll
from losslayer.faq import search
from losslayer.faq.audit import audit
from losslayer.faq.encoders import encoder_of
from losslayer.faq.entries import read_examples
from losslayer.faq.matcher import Matcher
from losslayer.faq.ranking import baselines
from losslayer.faq.reading import read_faq, read_pairs
from losslayer.faq.settings import Settings
from losslayer_serve.command import serve
from losslayer_serve.errors import FolderError
from losslayer_serve.index import Hit
from losslayer_serve.new_folder import check_replaceable
from losslayer_serve.saved import DEFAULT, MARKER, MODEL, PARTS
from losslayer_serve.searcher import Searcher

app = typer.Typer(
    no_args_is_help=True,
    help="Find the FAQ entry that a question means, by a model trained on your own questions.",
)

# Of an answer in the terminal; `--json` and the page give all of it.
WIDTH = 160
STATES = "*.run"  # the files of ll.callbacks.Resume


@app.command()
def train(
    table: Annotated[Path, typer.Argument(help="CSV or TSV, one question and its entry a row.")],
    question: Annotated[str, typer.Option(help="Column with the questions.")] = "question",
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
    out: Annotated[Path, typer.Option(help="Folder to write the model to.")] = DEFAULT,
    epochs: Annotated[int, typer.Option(min=1, help="Times each question is seen.")] = (
        Settings.epochs
    ),
    encoder: Annotated[
        str, typer.Option(help="lstm, bilstm-maxpool, cnn or transformer.")
    ] = Settings.encoder,
    objective: Annotated[
        str, typer.Option(help="in-batch, triplet, or both.")
    ] = Settings.objective,
    seed: Annotated[int, typer.Option(min=0, help="Another seed, another run.")] = Settings.seed,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an earlier model in that folder.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the result as one JSON object.")
    ] = False,
) -> None:
    """Train a matcher on a table of questions.

    Each row of the table has a question and the id of the FAQ entry that answers
    it; the same entry comes in many rows. Below the header `question,entry`, say:

        Where is my new card?,card_arrival

    With such a file, and another one with questions to measure with:

        losslayer faq train questions.csv --test more_questions.csv --out runs/faq

        losslayer faq ask --model runs/faq "my card isn't here"

    Ctrl-C ends the training early and keeps what has been learned so far. The same
    command then goes on where it was; so it does after any other end.
    """
    started = time.perf_counter()
    if not out.name:
        raise FolderError(f"{out}: must have a name of its own. Give another --out")
    check_replaceable(out, MARKER, PARTS)
    state = out.with_name(f"{out.name}.partial")
    goes_on = any(state.glob(STATES))
    if (out / MARKER).exists() and not overwrite and not goes_on:
        raise FolderError(f"{out}: holds a model already. Add --overwrite to replace it")
    settings = Settings(encoder=encoder, objective=objective, epochs=epochs, seed=seed)
    encoder_of(settings)  # a name that there isn't is told before anything is read
    if answer and title:
        raise ll.ArgumentError(
            "train: `--title` must be left out beside `--answer`: a question is its entry's title. "
            f"Received: --title {title}."
        )
    entry = entry or ("id" if answer else "entry")
    if answer:
        known = read_faq(table, question, answer, id=entry)
        tested = read_pairs(test, known.entries, question, entry) if test else None
    else:
        known = read_examples(table, question, entry, title)
        tested = read_examples(test, question, entry, entries=known.entries) if test else None
    _note(str(audit(known, tested)))
    _note(
        f"{table}: {len(known):,} questions, {len(known.entries)} entries. "
        f"Training on {keras.config.backend()}; the first epoch compiles the model."
    )
    if goes_on:
        _note(f"{state}: holds a training that ended early; going on with it.")
    try:
        matcher = Matcher.train(known, settings, report=_note, resume=state)
    except ll.ResumeError as problem:
        if not overwrite:
            advice = "Add --overwrite to start anew, or give another --out"
            raise FolderError(f"{state}: {problem} {advice}") from problem
        _note(f"{state}: holds another training, or none that can be read; starting anew.")
        _remove(state)
        matcher = Matcher.train(known, settings, report=_note, resume=state)
    if matcher.interrupted:
        _note("Stopped early, what has been learned so far is kept; the same command goes on.")
    if tested is not None:
        matcher.metrics = {"this model": matcher.evaluate(tested), **baselines(known, tested)}
    matcher.save(out)
    if not matcher.interrupted:
        _remove(state)
    seconds = time.perf_counter() - started
    if as_json:
        result = {
            "model": str(out),
            "questions": len(known),
            "entries": len(known.entries),
            "test_questions": len(tested) if tested else 0,
            "metrics": matcher.metrics,
            "epochs": len(matcher.history.get("loss", [])),
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


@app.command()
def ask(
    questions: Annotated[
        list[str] | None, typer.Argument(help="Questions, each in quotes.")
    ] = None,
    model: Annotated[Path, typer.Option(help="Folder that `train` wrote.")] = DEFAULT,
    top: Annotated[int, typer.Option(min=1, help="Entries to show for each question.")] = 3,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object a question, one a line.")
    ] = False,
) -> None:
    """Show the entries nearest to each question, with their scores.

    The questions are the arguments:

        losslayer faq ask --model runs/faq "where is my card?" "how do I top up?"

    Without arguments they are asked for at a terminal, or read from a pipe, one a line:

        losslayer faq ask --model runs/faq --json < questions.txt

    A score is the cosine of the question's vector and the entry's, at most 1; after
    `losslayer faq tune` the words count too, and what is not sure enough is marked.
    """
    searcher = Searcher(*search.open_index(model))
    for asked in questions or _lines():
        if not asked.strip():
            continue
        [hits] = searcher.ask([asked], top)
        if as_json:
            answered = any(hit.accepted for hit in hits)
            found = [hit._asdict() for hit in hits]
            result = {"question": asked, "answered": answered, "hits": found}
            print(json.dumps(result, ensure_ascii=False), flush=True)
        else:
            print(_hits_text(asked, hits), flush=True)


@app.command()
def tune(
    table: Annotated[
        Path, typer.Argument(help="Questions that were not trained on, nor are measured with.")
    ],
    model: Annotated[Path, typer.Option(help="Folder that `train` wrote.")] = DEFAULT,
    question: Annotated[str, typer.Option(help="Column with the questions.")] = "question",
    entry: Annotated[str, typer.Option(help="Column with the entries' ids.")] = "entry",
    precision: Annotated[
        float, typer.Option(min=0, max=1, help="Share of the accepted answers to be right.")
    ] = 0.95,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the result as one JSON object.")
    ] = False,
) -> None:
    """Choose how much words count, and from which score on an answer is given.

        losslayer faq tune dev_questions.csv --model runs/faq --precision 0.95

    The weight of the cosine beside BM25 is the one with the best mean reciprocal rank on
    these questions; the threshold is the lowest score from which on the share of right
    answers among them reaches the precision. Both are stored with the index, and count
    in `ask` and `serve`.
    """
    encoder, index = search.open_index(model)
    examples = read_pairs(table, search.entries_of(index), question, entry, drop=False)
    ranking, mrr = search.tune(encoder, index, examples, precision)
    if as_json:
        print(json.dumps({**ranking.stored(), "mrr": mrr}))
        return
    print(f"weight of the cosine {ranking.weight:g}, of BM25 {1 - ranking.weight:g}")
    for weight, value in mrr.items():
        print(f"  {weight:4.2f}  MRR {value:.4f}{'  <' if weight == ranking.weight else ''}")
    print(ranking.threshold)


@app.command()
def evaluate(
    table: Annotated[Path, typer.Argument(help="Questions to measure with.")],
    model: Annotated[Path, typer.Option(help="Folder that `train` wrote.")] = DEFAULT,
    question: Annotated[str, typer.Option(help="Column with the questions.")] = "question",
    entry: Annotated[str, typer.Option(help="Column with the entries' ids.")] = "entry",
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the result as one JSON object.")
    ] = False,
) -> None:
    """Measure how often the right entry is found, and how sure the answers are.

    losslayer faq evaluate test_questions.csv --model runs/faq
    """
    encoder, index = search.open_index(model)
    examples = read_pairs(table, search.entries_of(index), question, entry, drop=False)
    found = search.evaluate(encoder, index, examples)
    if as_json:
        print(json.dumps({"questions": len(examples), **found}))
        return
    print(f"{table}: {len(examples):,} questions\n")
    for name, value in found.items():
        print(f"{name:12}{100 * value:6.1f}" if name != "mrr" else f"{name:12}{value:6.3f}")


@app.command()
def export(
    model: Annotated[Path, typer.Option(help="Folder that `train` wrote.")] = DEFAULT,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the result as one JSON object.")
    ] = False,
) -> None:
    """Add the encoders as ONNX to a model, and prove that they give the same vectors.

        losslayer faq export --model runs/faq

    ONNX Runtime then runs them without Keras: `losslayer faq serve` does. Texts of several
    lengths go through the old and the new form; the command fails, and the folder stays
    as it was, if a value of a vector differs by more than 1e-5.
    """
    _note(f"{model}: TensorFlow writes the encoders, in a process of its own.")
    parities = Matcher.export(model)
    if as_json:
        print(json.dumps({side: parity._asdict() for side, parity in parities.items()}))
        return
    for side, parity in parities.items():
        print(
            f"{side:8}  largest difference {parity.difference:.1e}, by padding "
            f"{parity.padding:.1e}, over {parity.texts} texts of up to {parity.times[-1]} tokens"
        )
    print(f"next      losslayer faq serve --model {model}")


app.command()(serve)


def _remove(state: Path) -> None:
    """Remove the stored states, and their folder if nothing else is in it."""
    for path in state.glob(STATES):
        path.unlink()
    with contextlib.suppress(OSError):
        state.rmdir()


def _note(line: str) -> None:
    """Progress goes to standard error, so that what a command prints can be piped."""
    print(line, file=sys.stderr, flush=True)


def _lines() -> Iterator[str]:
    """Questions typed at a terminal, or the lines of a pipe."""
    if not sys.stdin.isatty():
        try:
            yield from (line.rstrip("\n") for line in sys.stdin)
        except UnicodeDecodeError as problem:
            raise ll.ArgumentError(
                f"ask: standard input must be UTF-8. Received: {problem}. Save it as UTF-8"
            ) from None
        return
    _note("Type a question; an empty line ends.")
    while True:
        try:
            line = input("> ")
        except EOFError:
            return
        if not line.strip():
            return
        yield line


def _hits_text(question: str, hits: list[Hit]) -> str:
    lines = [question]
    if hits and not hits[0].accepted:
        lines.append("  no answer is sure enough; the nearest are")
    for hit in hits:
        lines.append(f"  {hit.score:6.3f}  {hit.title}  [{hit.id}]")
        if hit.answer:
            lines.append(f"          {_start(hit.answer)}")
    return "\n".join([*lines, ""])


def _start(text: str) -> str:
    """The beginning of a text, in one line."""
    line = " ".join(text.split())
    return line if len(line) <= WIDTH else f"{line[: WIDTH - 1]}…"


def _measures_table(metrics: dict[str, Any]) -> str:
    width = max(map(len, metrics))
    lines = [f"{'':{width}}  accuracy@1  recall@5    MRR"]
    for name, row in metrics.items():
        lines.append(
            f"{name:{width}}  {100 * row['accuracy@1']:10.1f}  {100 * row['recall@5']:8.1f}"
            f"  {row['mrr']:5.3f}"
        )
    return "\n".join(lines)
