"""The commands of `losslayer tag`."""

import json
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import keras
import typer

import losslayer as ll
from losslayer.tag import reading
from losslayer.tag.measures import chunks_of, table
from losslayer.tag.page import Marked, write_page
from losslayer.tag.reading import FORMATS, read
from losslayer.tag.scheme import AUTO
from losslayer.tag.sentences import Sentence, to_words
from losslayer.tag.settings import Settings
from losslayer.tag.store import CURVES
from losslayer.tag.tagger import Tagger
from losslayer.text.opened import opened
from losslayer_serve.errors import FolderError
from losslayer_serve.folder import MANIFEST
from losslayer_serve.new_folder import check_replaceable

app = typer.Typer(
    no_args_is_help=True,
    help="Tag the words of sentences, or cut text into words, by a model trained on your own.",
)

DEFAULT = Path("runs/tagger")
STATES = "*.run"  # the files of ll.callbacks.Resume
AT_ONCE = 512  # sentences that are read, tagged and written together
ON_PAGE = 200  # sentences on a page that `evaluate` or `predict` writes
INPUTS = ("text", "lines", "columns")

Format = Annotated[
    str,
    typer.Option(
        help="columns: a word and its tag a line. words: the same, but learn to cut text into the "
        "words. lines: the same from lines with spaces between words."
    ),
]
Word = Annotated[int, typer.Option(help="Column of the words, from 0; -1 is the last.")]
Tag = Annotated[int, typer.Option(help="Column of the tags, from 0; -1 is the last.")]
Model = Annotated[Path, typer.Option(help="Folder that `train` wrote.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Page = Annotated[
    Path | None, typer.Option(help=f"Write a page with marked chunks, of {ON_PAGE} sentences.")
]


@app.command()
def train(
    data: Annotated[Path, typer.Argument(help="Sentences to learn from; UTF-8, plain or .gz.")],
    dev: Annotated[
        Path | None,
        typer.Option(help="Others, to choose the best epoch by; default: a tenth of the first."),
    ] = None,
    test: Annotated[Path | None, typer.Option(help="Others, to measure with at the end.")] = None,
    format: Format = "columns",
    word: Word = 0,
    tag: Tag = -1,
    scheme: Annotated[
        str,
        typer.Option(help="BIO, BIOES, BMES, BILOU, or none: any tags; auto: by their letters."),
    ] = AUTO,
    out: Annotated[Path, typer.Option(help="Folder to write the model to.")] = DEFAULT,
    encoder: Annotated[str, typer.Option(help="bilstm or transformer.")] = Settings.encoder,
    loss: Annotated[
        str, typer.Option(help="crf, of whole sentences, or token, of each tag.")
    ] = Settings.loss,
    layers: Annotated[int, typer.Option(help="Layers of the encoder.")] = Settings.layers,
    units: Annotated[int, typer.Option(help="Its size, per direction.")] = Settings.units,
    dropout: Annotated[float, typer.Option(help="Share of dropped values.")] = Settings.dropout,
    epochs: Annotated[
        int, typer.Option(help="Times each sentence is seen, at most.")
    ] = Settings.epochs,
    patience: Annotated[
        int, typer.Option(help="End after so many epochs without a better one.")
    ] = Settings.patience,
    learning_rate: Annotated[
        float, typer.Option(help="Its highest value.")
    ] = Settings.learning_rate,
    tokens: Annotated[int, typer.Option(help="Tokens of a batch.")] = Settings.tokens,
    longest: Annotated[
        int, typer.Option(help="Tokens of a sentence that are read at once.")
    ] = Settings.longest,
    seed: Annotated[int, typer.Option(help="Another seed, another run.")] = Settings.seed,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an earlier model in that folder.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Train a tagger on sentences whose tags are known.

    A word and its tag on each line, in columns, and an empty line between sentences:

        losslayer tag train train.conll --dev dev.conll --test test.conll --out runs/ner

    With other columns between, `--word 0 --tag -1` say which; from lines of words with spaces
    between them, it learns to cut text into words:

        losslayer tag train train.txt --dev dev.txt --format lines --out runs/words

    The epoch with the best F1 on the development data is kept. Ctrl-C ends the training early
    and keeps the best so far. The same command then goes on where it was; so it does after any
    other end.
    """
    started = time.perf_counter()
    _check_choice("--format", format, FORMATS)
    if not out.name:
        raise FolderError(f"{out}: must have a name of its own. Give another --out")
    check_replaceable(out, MANIFEST)
    state = out.with_name(f"{out.name}.partial")
    goes_on = any(state.glob(STATES))
    if (out / MANIFEST).exists() and not overwrite and not goes_on:
        raise FolderError(f"{out}: holds a model already. Add --overwrite to replace it")
    settings = Settings(
        encoder=encoder,
        loss=loss,
        layers=layers,
        units=units,
        dropout=dropout,
        epochs=epochs,
        patience=patience,
        learning_rate=learning_rate,
        tokens=tokens,
        longest=longest,
        seed=seed,
    )
    parts = {
        name: read(path, format, word, tag)
        for name, path in (("train", data), ("dev", dev), ("test", test))
        if path is not None
    }
    _note(
        ", ".join(f"{name}: {_size(part)}" for name, part in parts.items())
        + f". Training on {keras.config.backend()}; the first epoch compiles the model."
    )
    if goes_on:
        _note(f"{state}: holds a training that ended early; going on with it.")
    arguments: dict[str, Any] = {
        "train": parts["train"],
        "dev": parts.get("dev"),
        "settings": settings,
        "scheme": scheme,
        "segment": format != "columns",
        "report": _note,
        "status": _status,
        "resume": state,
    }
    try:
        tagger = Tagger.train(**arguments)
    except ll.ResumeError as problem:
        if not overwrite:
            advice = "Add --overwrite to start anew, or give another --out"
            raise FolderError(f"{state}: {problem} {advice}") from problem
        _note(f"{state}: holds another training, or none that can be read; starting anew.")
        _remove(state)
        tagger = Tagger.train(**arguments)
    if tagger.interrupted:
        _note("Stopped early, the best epoch so far is kept; the same command goes on.")
    if test is not None:
        tagger.metrics = {"test": tagger.evaluate(parts["test"])}
    tagger.save(out)
    if not tagger.interrupted:
        _remove(state)
    seconds = time.perf_counter() - started
    if as_json:
        result = {
            "model": str(out),
            "scheme": tagger.scheme,
            "sentences": {name: len(part) for name, part in parts.items()},
            "history": tagger.history,
            "metrics": tagger.metrics,
            "interrupted": tagger.interrupted,
            "seconds": round(seconds, 1),
        }
        print(json.dumps(result, ensure_ascii=False))
        return
    if test is not None:
        print(f"\n{test}: {_size(parts['test'])} that the training has not seen\n")
        print(table(tagger.metrics["test"], _all(tagger)))
    print(f"\nmodel   {out}   ({seconds:.0f} s)")
    if tagger.history:
        print(f"curves  {out / CURVES}")
    print(f"try it  losslayer tag predict --model {out}")


@app.command()
def evaluate(
    data: Annotated[Path, typer.Argument(help="Sentences with tags to measure with.")],
    model: Model = DEFAULT,
    format: Annotated[
        str | None,
        typer.Option(help="As for `train`; default: columns, or lines for a model that cuts text."),
    ] = None,
    word: Word = 0,
    tag: Tag = -1,
    html: Page = None,
    as_json: Json = False,
) -> None:
    """Measure how well the tags agree with the true ones.

        losslayer tag evaluate test.conll --model runs/ner --html errors.html

    Precision, recall and F1 of chunks, for each type and over all, as `seqeval` and CoNLL's
    script count them. A chunk is right if both its ends and its type are. With `--html` a page
    shows the sentences, the wrong chunks framed.
    """
    tagger = Tagger.load(model)
    format = format or ("lines" if tagger.segments else "columns")
    _check_choice("--format", format, FORMATS)
    if tagger.segments != (format != "columns"):
        learned = "to cut text into words" if tagger.segments else "the tags of words"
        raise FolderError(f"{model}: has learned {learned}; --format {format} doesn't fit")
    sentences = read(data, format, word, tag)
    _note_long(tagger, sentences)
    measured = tagger.evaluate(sentences)
    if html:
        some = sentences[:ON_PAGE]
        marked = [Marked(s.tokens, t, s.tags) for s, t in zip(some, tagger.predict(some))]
        _write_page(html, str(data), marked, len(sentences), tagger)
    if as_json:
        print(json.dumps(measured, ensure_ascii=False))
        return
    print(f"{data}: {_size(sentences)}\n")
    print(table(measured, _all(tagger)))


@app.command()
def predict(
    files: Annotated[
        list[Path] | None, typer.Argument(help="Sentences; default: standard input.")
    ] = None,
    model: Model = DEFAULT,
    format: Annotated[
        str,
        typer.Option(
            help="text: a sentence a line. lines: the same, its words between spaces. "
            "columns: a word a line."
        ),
    ] = "text",
    word: Word = 0,
    html: Page = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object a sentence, one a line.")
    ] = False,
) -> None:
    """Tag sentences, or cut text into words.

    From files, a pipe or a terminal, a sentence a line:

        echo "Angela Merkel visited Rome." | losslayer tag predict --model runs/ner

        losslayer tag predict new.txt --model runs/ner --html new.html > new.conll

    Prints a word and its tag a line, behind the columns of `--format columns`; text that is cut
    into words is printed with spaces between these.
    """
    _check_choice("--format", format, INPUTS)
    tagger = Tagger.load(model)
    at_terminal = not files and sys.stdin.isatty()
    inputs = {str(path): _file(path) for path in files or []}
    if not files:
        inputs["standard input"] = _stdin(at_terminal)
    marked: list[Marked] = []
    count = 0
    for name, lines in inputs.items():
        if format == "columns":
            sentences = reading.columns(lines, name, word, tag=None)
        else:
            sentences = reading.plain(lines, name, tagger.segments, spaces=format == "lines")
        while some := [*islice(sentences, 1 if at_terminal else AT_ONCE)]:
            if tagger.segments and format == "columns":
                some = [reading.joined(sentence) for sentence in some]
            _note_long(tagger, some)
            found = tagger.predict(some)
            for sentence, tags in zip(some, found):
                print(_written(sentence, tags, tagger, as_json), flush=at_terminal)
            count += len(some)
            fresh = [Marked(s.tokens, tags) for s, tags in zip(some, found)]
            marked += fresh[: ON_PAGE - len(marked)]
    if html:
        _write_page(html, ", ".join(inputs), marked, count, tagger)


def _file(path: Path) -> Iterator[str]:
    """The lines of a file."""
    with opened(path) as lines:
        yield from lines


def _written(sentence: Sentence, tags: Sequence[str], tagger: Tagger, as_json: bool) -> str:
    """A tagged sentence as text or JSON."""
    if tagger.segments:
        words = to_words(sentence, tags)
        if as_json:
            content: dict[str, Any] = {"text": "".join(sentence.tokens), "words": words}
            return json.dumps(content, ensure_ascii=False)
        return " ".join(words)
    if as_json:
        found = [
            {**chunk._asdict(), "text": " ".join(sentence.tokens[chunk.start : chunk.stop])}
            for chunk in chunks_of(tags, tagger.scheme)
        ]
        content = {"tokens": sentence.tokens, "tags": tags, "chunks": found}
        return json.dumps(content, ensure_ascii=False)
    rows = sentence.rows or [[token] for token in sentence.tokens]
    lines = ["\t".join([*row, tag]) for row, tag in zip(rows, tags)]
    return "\n".join([*sentence.comments, *lines, ""])


def _write_page(
    path: Path, title: str, marked: Sequence[Marked], count: int, tagger: Tagger
) -> None:
    write_page(path, title, marked, tagger.scheme, tagger.segments)
    shown = f"the first {len(marked):,} of " if len(marked) < count else ""
    _note(f"{path}: a page with {shown}{count:,} sentences")


def _stdin(at_terminal: bool) -> Iterator[str]:
    """Lines typed at a terminal, or those of a pipe."""
    if not at_terminal:
        try:
            yield from sys.stdin
        except UnicodeDecodeError as problem:
            raise ll.ArgumentError(
                f"predict: standard input must be UTF-8. Received: {problem}. Save it as UTF-8"
            ) from None
        return
    _note("Type a sentence; an empty line ends.")
    while True:
        try:
            line = input("> ")
        except EOFError:
            return
        if not line.strip():
            return
        yield line


def _check_choice(name: str, value: str, known: Sequence[str]) -> None:
    if value not in known:
        raise ll.ArgumentError(f"tag: `{name}` must be one of {known}. Received: {value!r}.")


def _note_long(tagger: Tagger, sentences: Sequence[Sentence]) -> None:
    longest = tagger.settings.longest
    if more := sum(len(sentence.tokens) > longest for sentence in sentences):
        _note(f"{more:,} sentences have more than {longest} tokens; they are tagged in pieces.")


def _size(sentences: Sequence[Sentence]) -> str:
    return f"{len(sentences):,} sentences, {sum(len(s.tokens) for s in sentences):,} tokens"


def _all(tagger: Tagger) -> str:
    """What the line over all types is called."""
    return "words" if tagger.segments else "all"


def _remove(state: Path) -> None:
    """Remove the stored states, and their folder if nothing else is in it."""
    for path in state.glob(STATES):
        path.unlink()
    with suppress(OSError):
        state.rmdir()


def _note(line: str) -> None:
    """Progress goes to standard error, so that what a command prints can be piped."""
    clear = "\r\x1b[K" if sys.stderr.isatty() else ""
    print(f"{clear}{line}", file=sys.stderr, flush=True)


def _status(line: str) -> None:
    """A line that the next one replaces; only where somebody watches."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{line}", end="", file=sys.stderr, flush=True)
