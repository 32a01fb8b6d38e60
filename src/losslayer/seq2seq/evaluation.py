"""What happens between steps: the development split is measured, the best weights are kept."""

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
import numpy as np

from losslayer.seq2seq.settings import MONITORS, TrainingSettings

Weights = list[np.ndarray]


class DevEvaluation(keras.callbacks.Callback):
    """Measures the development split, keeps the best weights, ends a run that stands still.

    `fit` measures with the right targets after each epoch, by its `validation_data`. This callback
    adds to that what decoding shows, `val_wer` and so on, and compares.

    Args:
        decode: Returns the figures of the decoded development split, by name, with the weights as
            they are.
        settings: When to decode, what to compare by, what to keep.
        report: Called with a line of text after each measurement.
        swap: The callback that puts averaged weights into the model while it is measured.

    Attributes:
        records: For each measurement a dict: epoch, step, and all figures.
        best: The best value of the monitored figure, and the weights that had it.
        recent: The weights after each of the last epochs, oldest first.
    """

    def __init__(
        self,
        decode: Callable[[], dict[str, float]],
        settings: TrainingSettings,
        report: Callable[[str], None],
        swap: keras.callbacks.SwapEMAWeights | None = None,
    ) -> None:
        super().__init__()
        self.decode, self.settings, self.report, self.swap = decode, settings, report, swap
        self.records: list[dict[str, float]] = []
        self.best: tuple[float, Weights] | None = None
        self.recent: list[Weights] = []
        self._step = self._waited = 0
        self._seconds = self._first = 0.0

    def get_state(self) -> dict[str, Any]:
        """All that a training which goes on must know."""
        return {
            "records": self.records,
            "best": self.best,
            "recent": self.recent,
            "step": self._step,
            "waited": self._waited,
            "seconds": self._seconds + time.perf_counter() - self._began,
            "first": self._first,
        }

    def set_state(self, state: dict[str, Any]) -> None:
        """Go back to what `get_state` returned."""
        self.records, self.best, self.recent = state["records"], state["best"], state["recent"]
        self._step, self._waited = state["step"], state["waited"]
        self._seconds, self._first = state["seconds"], state["first"]
        self._began = time.perf_counter()

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Start the clock."""
        self._began = time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Decode if this step is one after which that is asked for."""
        self._step += 1
        every = self.settings.decode_steps
        if every and self._step % every == 0:
            with self._averaged():
                found = {f"val_{name}": value for name, value in self.decode().items()}
                ending = self._compare(found)
            self.records.append({"step": self._step, **found})
            self._tell(f"step {self._step:,}  {_figures(found)}", ending)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Decode if it is time, compare, note everything and report it."""
        logs = {} if logs is None else logs
        every = self.settings.decode_epochs
        with self._averaged():
            if every and ((epoch + 1) % every == 0 or epoch + 1 == self.settings.epochs):
                logs.update({f"val_{name}": value for name, value in self.decode().items()})
            ending = self._compare(logs)
            if self.settings.average:
                self.recent = [*self.recent, self._weights()][-self.settings.average :]
        figures = {name: float(value) for name, value in logs.items()}
        self.records.append({"epoch": epoch + 1, "step": self._step, **figures})
        self._tell(
            f"epoch {epoch + 1:2}/{self.settings.epochs}  loss {figures['loss']:.4f}  "
            f"{_figures(figures)}  {self._time_left(epoch + 1)}",
            ending,
        )

    def averages(self) -> Weights | None:
        """The mean of the recent weights."""
        return mean_weights(self.recent) if self.recent else None

    def _tell(self, *lines: str) -> None:
        for line in filter(None, lines):
            self.report(line)

    def _compare(self, figures: dict[str, Any]) -> str:
        """Keep the weights if they are the best so far; if not for long, say that it ends."""
        value = figures.get(f"val_{self.settings.monitor}")
        if value is None:
            return ""
        sign = 1 if MONITORS[self.settings.monitor] else -1
        # NaN is better than nothing.
        if self.best is None or sign * float(value) > sign * self.best[0]:
            self.best, self._waited = (float(value), self._weights()), 0
            return ""
        self._waited += 1
        if not self.settings.patience or self._waited < self.settings.patience:
            return ""
        self.model.stop_training = True
        return (
            f"no better {self.settings.monitor} in {self._waited} comparisons: the training ends; "
            f"the best is {self.best[0]:.4g}"
        )

    def _weights(self) -> Weights:
        return weights_of(self.model)

    @contextlib.contextmanager
    def _averaged(self) -> Iterator[None]:
        """The averaged weights in the model, if there are any."""
        if self.swap is None:
            yield
            return
        self.swap.on_test_begin()
        try:
            yield
        finally:
            self.swap.on_test_end()

    def _time_left(self, epochs: int) -> str:
        seconds = self._seconds + time.perf_counter() - self._began
        if epochs == 1:
            self._first = seconds
        # The first epoch compiles, which no other does; alone it is an upper bound.
        each = (seconds - self._first) / (epochs - 1) if epochs > 1 else seconds
        left = each * (self.settings.epochs - epochs)
        return f"{duration(seconds)}, {duration(left)} left"


def weights_of(model: keras.Model) -> Weights:
    """Copies of a model's weights, in their order."""
    return [np.array(keras.ops.convert_to_numpy(weight.value)) for weight in model.weights]


def set_weights(model: keras.Model, weights: Weights) -> None:
    """Give a model weights that `weights_of` returned."""
    for variable, value in zip(model.weights, weights, strict=True):
        variable.assign(value)


def mean_weights(several: Sequence[Weights]) -> Weights:
    """The mean of each weight, summed in double precision: the mean of the same is the same."""
    return [
        np.mean(same, axis=0, dtype="float64").astype(same[0].dtype)
        for same in zip(*several, strict=True)
    ]


def duration(seconds: float) -> str:
    """A time in words, such as `3 min 20 s`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _figures(figures: dict[str, float]) -> str:
    """Those of the development split, shortly: `dev: ppl 1.234  wer 23.4`."""
    names = [name for name in MONITORS if f"val_{name}" in figures and name != "nll"]
    return "dev: " + "  ".join(f"{name} {_number(name, figures[f'val_{name}'])}" for name in names)


def _number(name: str, value: float) -> str:
    return f"{value:.1f}" if name in ("wer", "per", "bleu", "chrf") else f"{value:.3f}"
