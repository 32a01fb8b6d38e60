"""A bar on standard error that shows how far a training is, and how long it still takes."""

import time
from typing import Any

import keras
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

# Seconds between two looks at the loss: each waits for the step that is running.
_PATIENCE = 1.0


class ProgressBar(keras.callbacks.Callback):
    """Shows steps, loss and the time that is left; where there is no terminal, only its lines."""

    def __init__(self) -> None:
        super().__init__()
        self.console = Console(stderr=True, highlight=False, soft_wrap=True, emoji=False)
        self._bar: Progress | None = None
        self._shown = 0.0

    def line(self, text: str) -> None:
        """Print a line, above the bar if there is one."""
        self.console.print(text, markup=False)

    def get_state(self) -> dict[str, Any]:
        """Nothing: what it shows is not part of the training."""
        return {}

    def set_state(self, state: dict[str, Any]) -> None:
        """Nothing to do."""

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Show the bar, from the first epoch that is trained on."""
        steps = self.params.get("steps") or 0
        if self._bar is None and self.console.is_terminal:
            columns = (
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeRemainingColumn(),
            )
            self._bar = Progress(*columns, console=self.console, transient=True, auto_refresh=False)
            self._bar.start()
            self._task = self._bar.add_task("", total=steps * self.params["epochs"])
        self._begun = epoch * steps
        self._epoch = epoch + 1

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Move on."""
        if self._bar is None or time.monotonic() - self._shown < _PATIENCE:
            return
        loss = f"  loss {float(logs['loss']):.4f}" if logs and "loss" in logs else ""
        text = f"epoch {self._epoch}/{self.params['epochs']}{loss}"
        self._bar.update(
            self._task, completed=self._begun + batch + 1, description=text, refresh=True
        )
        self._shown = time.monotonic()

    def close(self) -> None:
        """Take the bar away; also after an error."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Take the bar away."""
        self.close()
