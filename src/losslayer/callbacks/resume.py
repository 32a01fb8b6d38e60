"""Go on after any end of the process, with the same numbers as if there had been none."""

import contextlib
import time
import warnings
import zlib
from typing import Any

import keras

from losslayer import backend
from losslayer.callbacks import sources, state
from losslayer.callbacks.checkpoints import Checkpoints
from losslayer.callbacks.interrupt import interruptible
from losslayer.callbacks.passing import Callbacks, PassingOver
from losslayer.callbacks.plain import is_plain
from losslayer.core import check
from losslayer.core.errors import ArgumentTypeError, ResumeError, refuse
from losslayer.core.fitting import FitCallback


class Resume(FitCallback):
    """Stores the whole state of a training, and goes on from it when `fit` is called again.

    Weights, optimizer, seed generators, metrics, position in the data, history and the states of
    the other callbacks: the run ends with the same weights and history, bit for bit, as one that
    nothing interrupted, on the same kind and number of devices. The order of arrays, and of the
    batches of a `PyDataset`, is a function of `seed` and the epoch.

    Ctrl-C ends `fit` after the step that is running, with its state stored; a second one raises
    `KeyboardInterrupt`. A run that is finished is not trained again: `fit` gives back its history
    and weights, and goes on if `epochs` has become larger.

    Of several processes the first one writes, and all go on from what it wrote; Ctrl-C in any of
    them ends all.

    Args:
        folder: Where the states are, a folder for each run; the last two are kept. Several
            processes must share it.
        seed: Fixes the order of the data.
        steps: Store the state after this many steps too, not only at the end of each epoch.
        seconds: The same after this time; None: never.
        replays: Whether you vouch that data which nobody can go back in (tf.data, a loader, a
            generator) give the same batches in the same order in each process, and in each pass.
            They are then read up to the position.
        same: Plain values, by name, that must not be others when the run goes on: settings, say.
        verbose: Whether to say in a line where the run goes on or stops.

    Attributes:
        interrupted: Whether Ctrl-C ended the last `fit`.

    Raises:
        ResumeError: The folder holds another run, or none that can be read, or the data can't be
            gone back in.

    Example:

    >>> import tempfile
    >>> x = keras.Input((3,), name="x")
    >>> prediction = keras.layers.Dense(1)(keras.layers.Dropout(0.5)(x))
    >>> model = losslayer.Model(inputs=x, outputs=prediction)
    >>> model.add_loss(keras.ops.square(prediction - 1), name="error")
    >>> model.compile("adam")
    >>> run = {"x": np.ones((8, 3)), "epochs": 2, "verbose": 0}
    >>> with tempfile.TemporaryDirectory() as folder:  # rather one that outlives the process
    ...     first = model.fit(**run, callbacks=[Resume(folder, verbose=0)])
    ...     again = model.fit(**run, callbacks=[Resume(folder, verbose=0)])
    >>> again.history == first.history
    True
    """

    def __init__(
        self, folder, *, seed=0, steps=None, seconds=60, replays=False, same=None, verbose=1
    ):
        super().__init__()
        check.number(self, "seed", seed, at_least=0)
        for name, value in (("steps", steps), ("seconds", seconds)):
            if value is not None:
                check.number(self, name, value, at_least=0)
        if not isinstance(same or {}, dict) or not is_plain(same or {}):
            refuse(self, "same", "be a dict of plain values", same, error=ArgumentTypeError)
        self.folder = folder
        self.seed, self.steps, self.seconds = seed, steps, seconds
        self.replays, self.same, self.verbose = replays, same or {}, verbose
        self.interrupted = False
        self._callbacks: Any = None  # those of the running fit
        self._stored: Any = None  # the state that is to be restored, and its file
        self._path: Any = None
        self._random: Any = None

    # Around fit

    @contextlib.contextmanager
    def fitting(self, model, arguments):
        """Change the arguments of `fit` so that it can be gone on with, and goes on."""
        if not model.compiled:
            yield arguments  # Keras says what is missing
            return
        given = arguments.get("callbacks")
        given = keras.tree.flatten(getattr(given, "callbacks", given))
        if sum(isinstance(callback, Resume) for callback in given) > 1:
            refuse("Model.fit", "callbacks", "hold one Resume", given)
        if not model.optimizer.built:  # now, on all engines: its variables are part of the state
            model.optimizer.build(model.trainable_variables)
        epoch, self._epochs = arguments.get("initial_epoch", 0), arguments.get("epochs", 1)
        begin, self._source = sources.prepare(
            arguments, self.seed, self.replays, model.steps_per_execution
        )
        self._stored, self._path = self._read()
        settings = {"seed": self.seed, "same": self.same}
        self._made_of = state.made_of(model, self._source.description, settings)
        if self._stored:
            self._require_same_run()
            epoch = self._epochs if self._finished() else self._stored["epoch"]
        arguments = {**begin(epoch), "initial_epoch": epoch}
        if self._stored:
            arguments["x"] = self._with_all_metrics(model, arguments["x"])
        self.interrupted = False
        self._callbacks = Callbacks(self, model, arguments, self._source.steps)
        try:
            with interruptible() as pressed:
                # All end after the same step, wherever Ctrl-C was pressed.
                self._pressed = lambda: bool(backend.gathered([pressed()]).any())
                yield {**arguments, "callbacks": self._callbacks}
        finally:
            self._callbacks = self._source = self._stored = None
            if isinstance(model.train_function, PassingOver):
                model.train_function = model.train_function.step_function

    def _read(self):
        """The stored state and its file; all processes read the same."""
        backend.gathered([0])  # when all are here, what an earlier fit writes has been written
        self._files = Checkpoints(self.folder)
        stored, path = self._files.read() or (None, None)
        name = path.name if path else "none"
        if len(set(backend.gathered([zlib.crc32(name.encode()) >> 1])[:, 0])) > 1:
            raise ResumeError(
                "Resume: `folder` must be one that all processes share. Received: "
                f"folder='{self.folder}', where they don't find the same state. Here: {name}."
            )
        return stored, path

    def _require_same_run(self):
        before, now = self._stored["made_of"], self._stored["optimizer_now"]
        state.require_same(before, self._made_of, {"optimizer": now})
        self._made_of = before

    def _finished(self):
        return self._stored["stopped"] or self._stored["epoch"] >= self._epochs

    def _with_all_metrics(self, model, x):
        """Make the metrics' variables that come into being in the first step; return the data."""
        stored = self._stored["metric_variables"]
        if len(stored) != len(model.metrics_variables):
            batch, x = sources.first(x)
            x_batch, y, weight = keras.utils.unpack_x_y_sample_weight(batch)
            # The state that this step leaves is replaced by the stored one.
            model.train_on_batch(x_batch, y, sample_weight=weight)
        state.require_same({"metrics": stored}, {"metrics": state.described_metrics(model)})
        return x

    # Within fit. This callback is called after all others: what they do is stored, or undone.

    def on_train_begin(self, logs=None):
        """Restore the run, unless it begins here."""
        if self._callbacks is None:
            refuse("Resume", "fit", "be that of a losslayer.Model", type(self._model).__name__)
        self._saved_at, self._saved_step = time.monotonic(), 0
        stored = self._stored
        if stored is None:
            return
        self._source.replay(stored["epoch"])
        self._restore(stored)
        history = self._callbacks.history
        history.history, history.epoch = dict(stored["history"]), list(stored["epochs"])
        if self._finished():
            self._say(f"the run is finished after {len(stored['epochs'])} epochs; nothing is left.")
            return
        step = f", step {stored['step'] + 1}" if stored["step"] else ""
        self._say(f"going on at epoch {stored['epoch'] + 1}{step}, from {self._path}")
        if stored["step"]:
            model = self._model
            model.train_function = PassingOver(
                model.train_function,
                model.steps_per_execution,
                is_passing=lambda: self._callbacks.passing,
                logs=stored["logs"],
                pass_over=lambda: backend.set_random_state(stored["random"]),
            )

    def on_epoch_begin(self, epoch, logs=None):
        """Go to the place in the data; undo what an epoch's beginning does to a restored state."""
        stored, self._stored = self._stored, None
        start = stored["step"] if stored else 0
        self._epoch, self._saved_step, self._callbacks.start = epoch, start, start
        batches = self._source.batches
        if batches is not None and (batches.epoch, batches.start) != (epoch, start):
            batches.begin(epoch, start)
        if start:
            self._restore(stored)
        self._random = backend.random_state()

    def on_train_batch_begin(self, batch, logs=None):
        """Undo what has been drawn since the last step.

        On PyTorch, loaders draw from the engine's generator when they begin, in each epoch or
        only in the first one of a process. No step is to depend on that.
        """
        backend.set_random_state(self._random)

    def on_train_batch_end(self, batch, logs=None):
        """Store the state if it is time, and end the training if that was asked for."""
        self._random = backend.random_state()
        step = batch + 1
        if self._source.steps is not None:
            step = min(step, self._source.steps)  # the last of several steps in one call
        if self._pressed():
            self._callbacks.muted = True
            self._save(self._epoch, step, logs)
            self._stop()
        elif self._is_time(step):
            self._save(self._epoch, step, logs)

    def _is_time(self, step):
        if self.steps and step - self._saved_step >= self.steps:
            return True
        return self.seconds is not None and time.monotonic() - self._saved_at >= self.seconds

    def on_test_batch_end(self, batch, logs=None):
        """Leave a validation whose numbers nobody will see."""
        if self.interrupted:
            self._model.stop_evaluating = True

    def on_epoch_end(self, epoch, logs=None):
        """Store the state between two epochs."""
        self._save(epoch + 1, 0, stopped=self._model.stop_training)
        if self._pressed():
            self._stop()

    def _stop(self):
        self.interrupted = self._model.stop_training = True
        self._say("stopped; the same fit goes on here.")

    # The state

    def _save(self, epoch, step, logs=None, stopped=False):
        if not self._writes():
            return
        model, history = self.model, self._callbacks.history
        content = {
            "made_of": self._made_of,
            "optimizer_now": state.optimizer_settings(model),
            "metric_variables": state.described_metrics(model),
            "epoch": epoch,
            "step": step,
            "stopped": stopped,
            "logs": dict(logs or {}),
            "history": dict(history.history),
            "epochs": list(history.epoch),
            "variables": state.values(model),
            "callbacks": state.callback_states(self._callbacks.others),
            "data": self._source.state(),
            "random": backend.random_state(),
        }
        try:
            self._files.write(epoch, step, content)
        except OSError as problem:
            # A full disk costs no more than what would have been stored.
            warnings.warn(
                f"Resume: no state was written to {self.folder} ({problem}); the training goes on.",
                stacklevel=2,
            )
        self._saved_at, self._saved_step = time.monotonic(), step

    def _restore(self, stored):
        state.set_values(self.model, stored["variables"])
        state.set_callback_states(self._callbacks.others, stored["callbacks"])
        self._source.set_state(stored["data"])
        backend.set_random_state(stored["random"])

    def _writes(self):
        """Whether this process is the one that writes: all of them hold the same state."""
        return backend.process()[0] == 0

    def _say(self, text):
        if self.verbose and self._writes():
            print(f"Resume: {text}", flush=True)
