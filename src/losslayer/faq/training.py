"""One run: the curriculum, the progress and the figures of each epoch."""

import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np

from losslayer.faq.entries import Examples
from losslayer.faq.mining import nearest_wrong, share_of_new
from losslayer.faq.model import Models
from losslayer.faq.ranking import first_ranks, measures
from losslayer.faq.right import all_right
from losslayer.faq.triplets import Triplets
from losslayer.faq.vectors import unit_vectors
from losslayer.text import Tokenizer, text_ids


class Development(NamedTuple):
    """Questions that choose the best model.

    Attributes:
        questions: Token ids of each.
        right: Numbers of all entries that are right for each, `(batch, num_right)`, a number again
            where there are fewer.
    """

    questions: Sequence[Sequence[int]]
    right: np.ndarray

    @classmethod
    def of(cls, examples: Examples, tokenizer: Tokenizer) -> "Development":
        """Each question once, with all entries that are right for it."""
        _, first = np.unique(text_ids(examples.questions), return_index=True)
        questions = tokenizer([examples.questions[row] for row in first])
        right = all_right(examples.questions, examples.right)[first]
        return cls(questions, right)


class Curriculum(keras.callbacks.Callback):
    """Draws each epoch's triplets, and looks at questions and titles again when it needs to.

    It is a callback rather than the data's own `on_epoch_end` because a callback
    is where every backend lets the weights be read between two epochs.

    With a development split, `dev_mrr` and `dev_accuracy@1` are in the logs of each epoch, for
    callbacks behind this one. Where the nearest wrong titles are looked for again, `drift` is the
    share of them that weren't among these before: how far the encoders have moved since.

    Args:
        models: The model in training and its encoders.
        triplets: The data that `fit` reads.
        report: Called with a line of text at the end of each epoch.
        dev: The development split, or None.
    """

    def __init__(
        self,
        models: Models,
        triplets: Triplets,
        report: Callable[[str], None],
        dev: Development | None = None,
    ) -> None:
        super().__init__()
        self.models = models
        self.triplets = triplets
        self.report = report
        self.dev = dev
        self.history: dict[str, list[float]] = {}
        self.begun: int | None = None
        self.drift = 0.0
        self._titles: np.ndarray | None = None

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Draw the wrong titles: of all at first, then of the nearest ones."""
        if self.begun == epoch:  # and goes on here
            return
        self.begun, self.started, self.drift = epoch, time.perf_counter(), 0.0
        if self.triplets.settings.mines(epoch):
            self.mine()
        self._titles = None
        self.triplets.begin(epoch)

    def get_state(self) -> dict[str, Any]:
        """The figures so far, and the seconds that the running epoch has taken."""
        return {
            "history": self.history,
            "begun": self.begun,
            "drift": self.drift,
            "seconds": time.perf_counter() - self.started,
        }

    def set_state(self, state: dict[str, Any]) -> None:
        """Go back to what `get_state` returned."""
        self.history = state["history"]
        self.begun, self.drift = state["begun"], state["drift"]
        self.started = time.perf_counter() - state["seconds"]

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Note the epoch's figures and report them."""
        logs = {} if logs is None else logs
        if self.dev is not None:
            found = self.measured(self.dev)
            logs.update({f"dev_{name}": found[name] for name in ("mrr", "accuracy@1")})
        figures = {**logs, "seconds": time.perf_counter() - self.started}
        if self.triplets.settings.negatives.startswith("refresh:"):
            figures["drift"] = self.drift
        for name, value in figures.items():
            self.history.setdefault(name, []).append(float(value))
        self.report(self._line(epoch, figures))

    def mine(self) -> None:
        """Find the nearest wrong titles of each question."""
        data = self.triplets
        titles = self._title_vectors()[data.first]
        questions = unit_vectors(self.models.question, data.questions, data.settings.longest)
        near = nearest_wrong(
            questions, titles, data.right_texts, data.settings.nearest, data.settings.mining_margin
        )
        if data.near is not None:
            self.drift = share_of_new(data.near, near)
        data.near = near

    def measured(self, dev: Development) -> dict[str, float]:
        """Measures on a development split, by the best of each question's right entries."""
        self._titles = self._title_vectors()
        longest = self.triplets.settings.longest
        questions = unit_vectors(self.models.question, dev.questions, longest)
        return measures(first_ranks(questions, self._titles, dev.right))

    def _title_vectors(self) -> np.ndarray:
        """Unit vectors of the titles; the next epoch takes those from the end of this one."""
        if self._titles is not None:
            return self._titles
        longest = self.triplets.settings.longest_answer
        return unit_vectors(self.models.answer, self.triplets.titles, longest)

    def _line(self, epoch: int, figures: dict[str, Any]) -> str:
        settings = self.triplets.settings
        parts = [f"epoch {epoch + 1:2}/{settings.epochs}", f"loss {figures['loss']:.4f}"]
        if "in_order" in figures:
            kind = "any" if self.triplets.near is None else f"of the {settings.nearest} nearest"
            parts.append(f"in order {100 * figures['in_order']:5.1f} %  (wrong title: {kind})")
        if self.drift:
            parts.append(f"drift {100 * self.drift:.0f} %")
        if self.dev is not None:
            accuracy = 100 * figures["dev_accuracy@1"]
            parts.append(f"development MRR {figures['dev_mrr']:.3f}, accuracy@1 {accuracy:.1f} %")
        return "  ".join([*parts, f"{figures['seconds']:.0f} s"])
