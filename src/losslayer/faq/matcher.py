"""The matcher: train, ask, evaluate, save, load."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from os import PathLike
from typing import Any

import keras
import numpy as np

import losslayer as ll
from losslayer.faq import bert, store
from losslayer.faq.entries import Examples
from losslayer.faq.model import build
from losslayer.faq.ranking import measures
from losslayer.faq.right import all_right, held_out
from losslayer.faq.settings import Settings
from losslayer.faq.training import Curriculum, Development
from losslayer.faq.triplets import Triplets
from losslayer.faq.vectors import unit_vectors
from losslayer.precision import computing_in
from losslayer.saving import Parity
from losslayer.text import Tokenizer, text_ids
from losslayer_serve.index import Entry, Hit
from losslayer_serve.index.fusion import ranks


@dataclass
class Matcher:
    """Finds the FAQ entry that a question means.

    Made by `Matcher.train` or `Matcher.load`. A question and an entry's title
    become vectors; the answer is the entry whose vector has the largest cosine
    with the question's.

    Attributes:
        question_encoder: Token ids `(batch, time)` to vectors `(batch, dim)`.
        answer_encoder: The same for titles.
        tokenizer: Texts to token ids.
        entries: What can be answered.
        vectors: Their unit vectors, `(entry, dim)`.
        settings: What it was trained with.
        history: For each figure of the training its value per epoch.
        metrics: What was measured, by name of the method; `save` writes it too.
        interrupted: Whether Ctrl-C ended the training early.
    """

    question_encoder: keras.Model
    answer_encoder: keras.Model
    tokenizer: Tokenizer
    entries: list[Entry]
    vectors: np.ndarray
    settings: Settings
    history: dict[str, list[float]] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)
    interrupted: bool = False

    @classmethod
    def train(
        cls,
        examples: Examples,
        settings: Settings | None = None,
        report: Callable[[str], None] = lambda line: None,
        resume: str | PathLike[str] | None = None,
        callbacks: Sequence[keras.callbacks.Callback] = (),
        dev: Examples | None = None,
    ) -> "Matcher":
        """Learn from questions whose right entry is known.

        Args:
            examples: What `read_examples` returns, or `losslayer.faq.examples`.
            settings: Settings of the run; without it the defaults.
            report: Called with lines of text about the progress.
            resume: A folder for the state of the training. If it holds one, the
                training goes on there; Ctrl-C ends it after the step that is
                running, and what has been learned so far is returned.
            callbacks: Callbacks of `fit`, called after the matcher's own.
            dev: Other questions with the same entries, a development split: the model with the
                best mean reciprocal rank on them is kept, and the training ends early without a
                better one. Without it they are held out of `examples` if `settings.hold_out` says
                so; else the last model is kept.

        Raises:
            ValueError: If `dev` has other entries.
            losslayer.ResumeError: If the folder holds the state of another training.
        """
        settings = settings or Settings()
        if dev is not None:
            require_entries(dev, examples.entries, "Matcher.train", "dev")
        elif settings.hold_out:
            examples, dev = held_out(examples, settings.hold_out, settings.seed)
            report(
                "Too few questions to hold any out; the last model is kept."
                if dev is None
                else f"{len(dev):,} questions are held out; {len(examples):,} are trained on."
            )
        titles = [entry.encoded for entry in examples.entries]
        checkpoint, settings = bert.adopt(settings)
        if checkpoint is None:
            texts = [*examples.questions, *titles]
            tokenizer = Tokenizer.train(texts, settings.vocabulary_size)
        else:  # its tokenizer marks the end of all texts, so it cuts them all at one length
            settings = replace(settings, longest_answer=settings.longest)
            tokenizer = Tokenizer.pretrained(checkpoint / bert.TOKENIZER, settings.longest)
        title_tokens = tokenizer(titles)
        with computing_in(settings.dtype):
            models = build(tokenizer.vocabulary_size, settings)
        if checkpoint is not None:
            bert.read_checkpoint(checkpoint, models.question.get_layer("bert"))
        text_numbers = text_ids(titles)
        triplets = Triplets(
            tokenizer(examples.questions),
            examples.right,
            title_tokens,
            settings,
            text_numbers,
            all_right(examples.questions, text_numbers[examples.right]),
        )
        development = None if dev is None else Development.of(dev, tokenizer)
        curriculum = Curriculum(models, triplets, report, development)
        callbacks = [curriculum, *callbacks]
        if dev is not None:
            best = {"mode": "max", "restore_best_weights": True, "patience": settings.patience}
            callbacks.insert(1, keras.callbacks.EarlyStopping("dev_mrr", **best))
        if resume is not None:
            same = {"settings": asdict(settings), "examples": examples.digest()}
            if dev is not None:
                same["dev"] = dev.digest()
            callbacks.append(ll.callbacks.Resume(resume, same=same, verbose=0))
        steps = settings.epochs * len(triplets)
        rate = keras.optimizers.schedules.CosineDecay(settings.learning_rate, steps, alpha=0.1)
        # Several devices each read their questions by themselves then, and add up gradients once a
        # step; left to itself, the compiler adds those of an LSTM up at every token.
        several = keras.distribution.distribution() is not None
        at_once = settings.microbatch_size or (settings.batch_size if several else None)
        models.training.compile(keras.optimizers.Adam(rate), microbatch_size=at_once)
        models.training.fit(
            triplets, epochs=settings.epochs, callbacks=callbacks, shuffle=False, verbose=0
        )
        if curriculum.history.get("dev_mrr"):
            report(f"The model of epoch {1 + np.argmax(curriculum.history['dev_mrr'])} is kept.")
        if settings.dtype != "float32":
            # What is used and saved computes in single precision, as it does when it is loaded.
            trained, models = models, build(tokenizer.vocabulary_size, settings)
            models.training.set_weights(trained.training.get_weights())
        vectors = unit_vectors(models.answer, title_tokens, settings.longest_answer)
        return cls(
            models.question,
            models.answer,
            tokenizer,
            examples.entries,
            vectors,
            settings,
            curriculum.history,
            interrupted=any(getattr(c, "interrupted", False) for c in callbacks),
        )

    def encode(self, questions: Sequence[str]) -> np.ndarray:
        """Unit vectors of questions, float32 `(batch, dim)`."""
        tokens = self.tokenizer(questions)
        return unit_vectors(self.question_encoder, tokens, self.settings.longest)

    def scores(self, questions: Sequence[str]) -> np.ndarray:
        """Cosine of each question with each entry, `(batch, entry)`."""
        return self.encode(questions) @ self.vectors.T

    def ask(self, questions: Sequence[str], top: int = 5) -> list[list[Hit]]:
        """The nearest entries of each question by cosine, best first; all are accepted.

        What `losslayer faq tune` chose, the weight of the words and the threshold, counts where the
        index is searched: `losslayer.faq.open_searcher`.

        Args:
            questions: Texts; a single text is refused, put it in a list.
            top: How many entries for each.
        """
        if isinstance(questions, str):
            raise TypeError(
                "Matcher.ask: `questions` must be a list of texts. "
                f"Received: questions={questions!r}. Put it in a list"
            )
        scores = self.scores(questions)
        best = np.argsort(-scores, axis=1, kind="stable")[:, :top]
        return [
            [self._hit(place, row[place]) for place in places]
            for row, places in zip(scores, best, strict=True)
        ]

    def _hit(self, place: int, score: float) -> Hit:
        entry = self.entries[place]
        return Hit(entry.id, entry.title, entry.answer, float(score), True)

    def evaluate(self, examples: Examples) -> dict[str, float]:
        """accuracy@1, recall@5 and MRR on questions whose right entry is known."""
        require_entries(examples, self.entries, "Matcher.evaluate", "examples")
        return measures(ranks(self.scores(examples.questions), examples.right))

    @staticmethod
    def export(path: str | PathLike[str]) -> dict[str, Parity]:
        """Add the encoders as ONNX to what `save` wrote, proved to give the same vectors.

        Returns:
            The differences that were found, for `question` and `answer`.

        Raises:
            FolderError: If no matcher is saved there.
            losslayer.saving.ExportError: If a package is missing, or an encoder differs.
        """
        return store.export(path)

    def save(self, path: str | PathLike[str]) -> None:
        """Write a folder, whole or not at all; an earlier matcher there is replaced.

        What `tune` and `export` added to an earlier one is not kept: they come after it.

        Raises:
            FolderError: If something else is there already.
        """
        store.save(self, path)

    @classmethod
    def load(cls, path: str | PathLike[str]) -> "Matcher":
        """Read what `save` wrote. Nothing in the folder is run as code or unpickled.

        Raises:
            FolderError: If it isn't such a folder, or a part is missing or broken.
        """
        return cls(**store.load(path)[0])


def require_entries(examples: Examples, entries: Sequence[Entry], owner: str, name: str) -> None:
    """Raise unless questions are numbered by these entries."""
    if [entry.id for entry in examples.entries] != [entry.id for entry in entries]:
        raise ValueError(
            f"{owner}: `{name}` must have the matcher's entries. Received: "
            f"{len(examples.entries)} entries, the matcher has {len(entries)}. Read them with "
            "entries=matcher.entries"
        )
