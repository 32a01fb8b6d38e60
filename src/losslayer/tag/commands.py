"""The commands of `losslayer tag`."""

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import keras
import typer

from losslayer import options
from losslayer.commands.console import Json, Model, Out, Overwrite, note, status
from losslayer.commands.place import Place
from losslayer.tag.console import (
    DEFAULT,
    ON_PAGE,
    Page,
    Tag,
    Word,
    note_long,
    save_page,
)
from losslayer.tag.measures import table
from losslayer.tag.page import Marked
from losslayer.tag.predicting import predict
from losslayer.tag.reading import FORMATS, read
from losslayer.tag.scheme import AUTO
from losslayer.tag.sentences import Sentence
from losslayer.tag.settings import Settings
from losslayer.tag.store import CURVES
from losslayer.tag.tagger import Tagger
from losslayer_serve.errors import FolderError
from losslayer_serve.folder import MANIFEST

app = typer.Typer(
    no_args_is_help=True,
    help="Tag the words of sentences, or cut text into words, by a model trained on your own.",
)

Format = Annotated[
    str,
    typer.Option(
        help="columns: a word and its tag a line. words: the same, but learn to cut text into the "
        "words. lines: the same from lines with spaces between words."
    ),
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
    out: Out = DEFAULT,
    encoder: Annotated[str, typer.Option(help="bilstm or transformer.")] = Settings.encoder,
    loss: Annotated[
        str, typer.Option(help="crf, of whole sentences, or token, of each tag.")
    ] = Settings.loss,
    layers: Annotated[int, typer.Option(help="Layers of the encoder.")] = Settings.layers,
    units: Annotated[int, typer.Option(help="Its size, per direction.")] = Settings.units,
    dropout: Annotated[float, typer.Option(help="Share of dropped values.")] = Settings.dropout,
    unknown: Annotated[
        float, typer.Option(help="Share of words, or the like, that training hides.")
    ] = Settings.unknown,
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
    overwrite: Overwrite = False,
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
    options.choice("tag", "--format", format, FORMATS)
    place = Place(out, MANIFEST, overwrite)
    settings = Settings(
        encoder=encoder,
        loss=loss,
        layers=layers,
        units=units,
        dropout=dropout,
        unknown=unknown,
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
    note(
        ", ".join(f"{name}: {_size(part)}" for name, part in parts.items())
        + f". Training on {keras.config.backend()}; the first epoch compiles the model."
    )
    tagger = place.train(
        lambda state: Tagger.train(
            parts["train"],
            parts.get("dev"),
            settings,
            scheme,
            segment=format != "columns",
            report=note,
            status=status,
            resume=state,
        ),
        kept="the best epoch so far",
    )
    if test is not None:
        tagger.metrics = {"test": tagger.evaluate(parts["test"])}
    place.save(tagger)
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
    options.choice("tag", "--format", format, FORMATS)
    if tagger.segments != (format != "columns"):
        learned = "to cut text into words" if tagger.segments else "the tags of words"
        raise FolderError(f"{model}: has learned {learned}; --format {format} doesn't fit")
    sentences = read(data, format, word, tag)
    note_long(tagger, sentences)
    measured = tagger.evaluate(sentences)
    if html:
        some = sentences[:ON_PAGE]
        marked = [Marked(s.tokens, t, s.tags) for s, t in zip(some, tagger.predict(some))]
        save_page(html, str(data), marked, len(sentences), tagger)
    if as_json:
        print(json.dumps(measured, ensure_ascii=False))
        return
    print(f"{data}: {_size(sentences)}\n")
    print(table(measured, _all(tagger)))


app.command()(predict)


def _size(sentences: Sequence[Sentence]) -> str:
    return f"{len(sentences):,} sentences, {sum(len(s.tokens) for s in sentences):,} tokens"


def _all(tagger: Tagger) -> str:
    """What the line over all types is called."""
    return "words" if tagger.segments else "all"
