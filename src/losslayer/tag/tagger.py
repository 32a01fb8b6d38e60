"""The tagger: train, predict, evaluate, save, load."""

import functools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from os import PathLike
from typing import Any

import keras
import numpy as np

import losslayer as ll
from losslayer.tag import store
from losslayer.tag.batches import Batches, batches_of, pieces
from losslayer.tag.measures import measures
from losslayer.tag.model import build, marginals
from losslayer.tag.scheme import AUTO, check_order, check_tags, find_scheme, measure_of
from losslayer.tag.sentences import Sentence, digest, from_text, from_words, to_words
from losslayer.tag.settings import Settings
from losslayer.tag.training import Progress
from losslayer.tag.vocabulary import Vocabulary
from losslayer.text import TableError

HELD_OUT = 10  # one of so many sentences is for development where no data are given for that


@dataclass
class Tagger:
    """Gives each token of a sentence a tag; or cuts text into words.

    Made by `Tagger.train` or `Tagger.load`.

    Attributes:
        model: Views and letters of tokens to the numbers of tags, `(batch, time)`.
        vocabulary: What has a number.
        scheme: Of the tags: "BIO", "BIOES", "BMES", "BILOU" or "none".
        settings: What it was trained with.
        history: For each figure of the training its value per epoch.
        metrics: What was measured; `save` writes it too.
        interrupted: Whether Ctrl-C ended the training early.
    """

    model: ll.Model
    vocabulary: Vocabulary
    scheme: str
    settings: Settings
    history: dict[str, list[float]] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)
    interrupted: bool = False

    @classmethod
    def train(
        cls,
        train: Sequence[Sentence],
        dev: Sequence[Sentence] | None = None,
        settings: Settings | None = None,
        scheme: str = AUTO,
        segment: bool = False,
        report: Callable[[str], None] = lambda line: None,
        status: Callable[[str], None] = lambda line: None,
        resume: str | PathLike[str] | None = None,
    ) -> "Tagger":
        """Learn from sentences whose tags are known.

        Args:
            train: What `read` returns; or `Sentence(tokens, tags)` of your own.
            dev: Other sentences, by which the best epoch is chosen. Without them a tenth of
                `train` is held out, chosen by the seed.
            settings: Settings of the run; without it the defaults.
            scheme: Of the tags: "BIO", "BIOES", "BMES", "BILOU", "none" (any tags); "auto" finds it
                by their letters.
            segment: Whether tokens are characters, to be joined to words.
            report: Called with lines of text about the progress.
            status: Called within epochs, with a line that the next one may replace.
            resume: A folder for the state of the training. If it holds one, the training goes on
                there; Ctrl-C ends it after the step that is running, and the best weights so far
                are returned.

        Raises:
            losslayer.text.TableError: A sentence can't be used; the message says where it is.
            losslayer.ResumeError: If the folder holds the state of another training.
        """
        settings = settings or Settings()
        _require_tags(train)
        scheme = find_scheme(train, "BMES" if segment else scheme)
        if dev is None:
            train, dev = _held_out(train, settings.seed, report)
        _require_tags(dev)
        check_tags(dev, scheme)
        tags = {tag for sentence in (*train, *dev) for tag in sentence.tags}
        if settings.loss == "crf":
            check_order((*train, *dev), sorted(tags), scheme)
        train, dev = (_in_pieces(part, settings.longest, report) for part in (train, dev))
        vocabulary = Vocabulary.of(train, tags, segment, settings)
        model = build(vocabulary, settings, scheme)
        data, unseen = (
            Batches(vocabulary, part, settings.tokens, seed=settings.seed) for part in (train, dev)
        )
        steps = settings.epochs * len(data)
        rate = keras.optimizers.schedules.CosineDecay(
            0.0, steps, warmup_target=settings.learning_rate, warmup_steps=len(data) // 2
        )
        model.compile(keras.optimizers.Adam(rate, global_clipnorm=settings.clip))
        measure = measure_of(scheme)
        callbacks: list[Any] = [
            Progress(len(data), measure, report, status),
            keras.callbacks.EarlyStopping(
                measure, mode="max", patience=settings.patience, restore_best_weights=True
            ),
        ]
        if resume is not None:
            same = {"settings": asdict(settings), "scheme": scheme, "segment": segment}
            same |= {"train": digest(train), "dev": digest(dev)}
            callbacks.append(ll.callbacks.Resume(resume, same=same, verbose=0))
        fitted = model.fit(
            data,
            validation_data=unseen,
            epochs=settings.epochs,
            callbacks=callbacks,
            shuffle=False,
            verbose=0,
        )
        history = {name: [*map(float, values)] for name, values in fitted.history.items()}
        if values := history.get(measure):
            report(f"Kept: epoch {values.index(max(values)) + 1} of {len(values)}.")
        interrupted = any(getattr(callback, "interrupted", False) for callback in callbacks)
        return cls(model, vocabulary, scheme, settings, history, interrupted=interrupted)

    @property
    def segments(self) -> bool:
        """Whether it cuts text into words."""
        return self.vocabulary.segment

    def predict(self, sentences: Sequence[Sentence | Sequence[str]]) -> list[list[str]]:
        """The tags of sentences.

        A sentence of more than `settings.longest` tokens is read in pieces of so many.

        Args:
            sentences: Each a list of tokens, or a `Sentence`, whose own tags are not looked at.

        Returns:
            A list of tags for each, one for each token.
        """
        numbers = self._values(self.model, "predict", sentences)
        found = [[self.vocabulary.tags[number] for number in row] for row in numbers]
        for row, one in enumerate(sentences):
            if isinstance(one, Sentence) and one.breaks:
                found[row] = [*from_words(to_words(one, found[row])).tags]
        return found

    def probabilities(self, sentences: Sequence[Sentence | Sequence[str]]) -> list[np.ndarray]:
        """How likely each tag is for each token, given the whole sentence.

        The likeliest tags of the tokens, together, need not keep to the scheme; those of `predict`
        do.

        Args:
            sentences: As in `predict`. Spaces in text that is to be cut aren't looked at.

        Returns:
            For each sentence an array `(token, tag)`, whose rows sum to 1; the columns are
            `vocabulary.tags`.
        """
        found = self._values(self._marginals, "probabilities", sentences)
        return [np.reshape(rows, (len(rows), len(self.vocabulary.tags))) for rows in found]

    @functools.cached_property
    def _marginals(self) -> keras.Model:
        return marginals(self.model, self.vocabulary)

    def _values(
        self, model: Any, method: str, sentences: Sequence[Sentence | Sequence[str]]
    ) -> list[list[Any]]:
        """What a model with the inputs of `self.model` gives for each token of each sentence."""
        listed = isinstance(sentences, Sequence) and not isinstance(sentences, str)
        if not listed or not all(map(_is_sentence, sentences)):
            raise ll.ArgumentTypeError(
                f"Tagger.{method}: `sentences` must be lists of tokens, which are texts. Received: "
                f"{sentences!r:.60}. Split a text, or call `Tagger.segment`."
            )
        given = [one.tokens if isinstance(one, Sentence) else [*one] for one in sentences]
        longest = self.settings.longest
        owners, parts = [], []
        for row, tokens in enumerate(given):
            for start in range(0, len(tokens), longest):
                owners.append(row)
                parts.append(Sentence(tokens[start : start + longest]))
        values: list[Any] = [None] * len(parts)
        for rows, x in batches_of(self.vocabulary, parts, self.settings.tokens):
            batch = keras.ops.convert_to_numpy(model.predict_on_batch(x))
            for row, one in zip(rows, batch):
                values[row] = one[: len(parts[row].tokens)]
        found: list[list[Any]] = [[] for _ in given]
        for owner, one in zip(owners, values):
            found[owner] += [*one]
        return found

    def segment(self, texts: Iterable[str]) -> list[list[str]]:
        """The words of texts. Spaces are in no word, and no word goes across one.

        Raises:
            losslayer.ArgumentError: If the tagger has learned tags of words.
        """
        if not self.segments:
            raise ll.ArgumentError(
                "Tagger.segment: must be called on a tagger of characters. Received: one of words. "
                "Call `predict`."
            )
        sentences = [from_text(text.split()) for text in texts]
        return [to_words(one, tags) for one, tags in zip(sentences, self.predict(sentences))]

    def evaluate(self, sentences: Sequence[Sentence]) -> dict[str, Any]:
        """Precision, recall and F1 of chunks, over all and for each type, and accuracy.

        The numbers are those of `seqeval` and of CoNLL's script; see `losslayer.tag.measures`.
        """
        _require_tags(sentences)
        check_tags(sentences, self.scheme)
        return measures([s.tags for s in sentences], self.predict(sentences), self.scheme)

    def save(self, path: str | PathLike[str]) -> None:
        """Write a folder, whole or not at all; an earlier tagger there is replaced.

        Raises:
            FolderError: If something else is there already.
        """
        store.save(self, path)

    @classmethod
    def load(cls, path: str | PathLike[str]) -> "Tagger":
        """Read what `save` wrote. Nothing in the folder is run as code or unpickled.

        Raises:
            FolderError: If it isn't such a folder, or a part is missing or broken.
        """
        return cls(**store.load(path))


def _is_sentence(given: Any) -> bool:
    if isinstance(given, str) or not isinstance(given, Iterable):
        return isinstance(given, Sentence)
    return all(isinstance(token, str) for token in given)


def _held_out(
    train: Sequence[Sentence], seed: int, report: Callable[[str], None]
) -> tuple[list[Sentence], list[Sentence]]:
    """Sentences for training, and a tenth of them for development."""
    if len(train) < 2:
        raise ll.ArgumentError(
            "Tagger.train: `train` must have two sentences at least, one to develop with. "
            f"Received: {len(train)}."
        )
    held = set(np.random.default_rng(seed).permutation(len(train))[: -(-len(train) // HELD_OUT)])
    report(f"No development data: {len(held):,} of {len(train):,} sentences are held out for that.")
    return (
        [sentence for row, sentence in enumerate(train) if row not in held],
        [sentence for row, sentence in enumerate(train) if row in held],
    )


def _require_tags(sentences: Sequence[Sentence]) -> None:
    if not sentences:
        raise TableError("no sentences")
    for sentence in sentences:
        if not sentence.tokens or len(sentence.tags) != len(sentence.tokens):
            raise TableError(
                f"a sentence must have tokens, and a tag for each. Received: "
                f"{len(sentence.tokens)} tokens and {len(sentence.tags)} tags"
            )


def _in_pieces(
    sentences: Sequence[Sentence], longest: int, report: Callable[[str], None]
) -> list[Sentence]:
    """Sentences of at most `longest` tokens."""
    found = [piece for sentence in sentences for piece in pieces(sentence, longest)]
    if more := sum(len(sentence.tokens) > longest for sentence in sentences):
        report(f"{more:,} sentences have more than {longest} tokens and are read in pieces.")
    return found
