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
        stop: Called after each step; when it returns true, training ends there.
    """

    def __init__(
        self,
        models: Models,
        triplets: Triplets,
        report: Callable[[str], None],
        stop: Callable[[], bool],
    ) -> None:
        super().__init__()
        self.models = models
        self.triplets = triplets
        self.report = report
        self.stop = stop
        self.history: dict[str, list[float]] = {}

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Draw the wrong titles: of all at first, then of the nearest ones."""
        self.started = time.perf_counter()
        settings = self.triplets.settings
        scores = self.scores() if epoch >= settings.random_epochs else None
        self.triplets.begin(epoch, scores)

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """End the training after this step if that was asked for."""
        if self.stop():
            self.model.stop_training = True

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Note the epoch's figures and report them."""
        figures = {**(logs or {}), "seconds": time.perf_counter() - self.started}
        for name, value in figures.items():
            self.history.setdefault(name, []).append(float(value))
        settings = self.triplets.settings
        kind = "any" if epoch < settings.random_epochs else f"of the {settings.nearest} nearest"
        self.report(
            f"epoch {epoch + 1:2}/{settings.epochs}  triplet {figures['triplet']:.4f}  "
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
