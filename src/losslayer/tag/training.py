"""The progress of a training, with the time that is left."""

import time
from collections.abc import Callable
from typing import Any

import keras

NAMES = {"val_f1": "F1", "val_accuracy": "accuracy"}


class Progress(keras.callbacks.Callback):
    """Reports each epoch, and what is going on within one.

    Args:
        steps: Steps of an epoch.
        measure: The figure by which epochs are compared.
        report: Called with a line at the end of each epoch.
        status: Called now and then within an epoch, with a line that the next one may replace.
        every: Seconds between these.
    """

    def __init__(
        self,
        steps: int,
        measure: str,
        report: Callable[[str], None],
        status: Callable[[str], None],
        every: float = 1.0,
    ) -> None:
        super().__init__()
        self.steps, self.measure, self.every = steps, measure, every
        self.report, self.status = report, status
        self.best = -1.0
        self.latest = 0.0  # seconds of the epoch before; the first one compiles the model

    def get_state(self) -> dict[str, Any]:
        """The best figure so far; times are those of each process."""
        return {"best": self.best}

    def set_state(self, state: dict[str, Any]) -> None:
        """Go back to what `get_state` returned."""
        self.best = state["best"]

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Look at the clock."""
        self.epoch, self.made = epoch, 0
        self.started = self.said = time.monotonic()

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Say how far the epoch is."""
        self.made += 1
        now = time.monotonic()
        if now - self.said < self.every:
            return
        self.said = now
        to_do = self.steps - batch - 1
        pace = (now - self.started) / self.made
        left = pace * to_do + self._epochs_left(self.latest or pace * (self.made + to_do))
        self.status(
            f"{self._name()}  {(batch + 1) / self.steps:4.0%}  "
            f"nll {float((logs or {}).get('nll', 0)):.4f}  {clock(left)} left"
        )

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Report the epoch's figures."""
        logs = logs or {}
        now = time.monotonic()
        self.latest = now - self.started
        value = float(logs.get(self.measure, 0))
        mark = " *" if value > self.best else "  "
        self.best = max(self.best, value)
        self.report(
            f"{self._name()}  nll {float(logs.get('nll', 0)):8.4f}  "
            f"dev nll {float(logs.get('val_nll', 0)):8.4f}  "
            f"dev {NAMES[self.measure]} {100 * value:6.2f}{mark}  "
            f"{self.latest:.0f} s, {clock(self._epochs_left(self.latest))} left"
        )

    def _epochs_left(self, seconds: float) -> float:
        """Seconds for the epochs after this one, if each takes so many."""
        return seconds * (self.params["epochs"] - self.epoch - 1)

    def _name(self) -> str:
        epochs = self.params["epochs"]
        return f"epoch {self.epoch + 1:{len(str(epochs))}}/{epochs}"


def clock(seconds: float) -> str:
    """A time as minutes and seconds.

    Example:
        >>> clock(75)
        '1:15'
    """
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02}"
