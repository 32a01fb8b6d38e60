"""One run: the curriculum, the progress and the figures of each epoch."""

import time
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from losslayer.faq.model import Models
from losslayer.faq.triplets import Triplets
from losslayer.faq.vectors import unit_vectors


class Curriculum(keras.callbacks.Callback):
    """Draws each epoch's triplets, and looks at the questions again when it needs to.

    It is a callback rather than the data's own `on_epoch_end` because a callback
    is where every backend lets the weights be read between two epochs.

    Args:
        models: The model in training and its encoders.
        triplets: The data that `fit` reads.
        report: Called with a line of text at the end of each epoch.
    """

    def __init__(
        self,
        models: Models,
        triplets: Triplets,
        report: Callable[[str], None],
    ) -> None:
        super().__init__()
        self.models = models
        self.triplets = triplets
        self.report = report
        self.history: dict[str, list[float]] = {}

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Draw the wrong titles: of all at first, then of the nearest ones."""
        self.started = time.perf_counter()
        settings = self.triplets.settings
        scores = self.scores() if epoch >= settings.random_epochs else None
        self.triplets.begin(epoch, scores)

    def get_state(self) -> dict[str, Any]:
        """The figures so far, and the seconds that the running epoch has taken."""
        return {"history": self.history, "seconds": time.perf_counter() - self.started}

    def set_state(self, state: dict[str, Any]) -> None:
        """Go back to what `get_state` returned."""
        self.history = state["history"]
        self.started = time.perf_counter() - state["seconds"]

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Note the epoch's figures and report them."""
        figures = {**(logs or {}), "seconds": time.perf_counter() - self.started}
        for name, value in figures.items():
            self.history.setdefault(name, []).append(float(value))
        settings = self.triplets.settings
        kind = "any" if epoch < settings.random_epochs else f"of the {settings.nearest} nearest"
        self.report(
            f"epoch {epoch + 1:2}/{settings.epochs}  loss {figures['loss']:.4f}  "
            f"in order {100 * figures['in_order']:5.1f} %  "
            f"(wrong title: {kind})  {figures['seconds']:.0f} s"
        )

    def scores(self) -> np.ndarray:
        """Cosine of each training question with each title, `(question, entry)`."""
        longest = self.triplets.settings.longest
        titles = [title[title > 0] for title in self.triplets.titles]
        return (
            unit_vectors(self.models.question, self.triplets.questions, longest)
            @ unit_vectors(self.models.answer, titles, longest).T
        )
