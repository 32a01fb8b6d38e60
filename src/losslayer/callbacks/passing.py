"""How Keras's loop comes to the step at which a training goes on.

Keras counts steps from 0 in each epoch, and ends an epoch with a warning when the data end before
the count does. So its loop runs over the steps that an earlier process made, but nothing happens in
them: the step is not made, and no callback hears of it. All then have the true numbers.
"""

import keras


class PassingOver:
    """A step function that makes no step while `is_passing()`; it only drops the batches.

    Args:
        step_function: What it stands for: Keras's `train_function`.
        steps: Steps that one call makes.
        is_passing: Whether the running step was made by an earlier process.
        logs: What the last one of these returned.
        pass_over: Called in each step that is not made.
    """

    def __init__(self, step_function, steps, is_passing, logs, pass_over):
        self.step_function = step_function
        self.steps, self.is_passing, self.logs = steps, is_passing, logs
        self.pass_over = pass_over

    def __call__(self, *state_and_data):
        """As the step function; JAX passes the state before the data."""
        if not self.is_passing():
            return self.step_function(*state_and_data)
        self.pass_over()
        *state, data = state_and_data
        if hasattr(data, "__next__"):  # PyTorch has the batch by now, the others have an iterator
            for _ in range(self.steps):
                next(data, None)
        return (self.logs, *state) if state else self.logs


class Callbacks(keras.callbacks.CallbackList):
    """The callbacks of a `fit` that goes on.

    Args:
        last: The `Resume`: it is called after all others, Keras's own too.
        model: The model.
        arguments: What Keras's `fit` is given.
        steps: Number of steps in an epoch, or None.

    Attributes:
        history: The `History` among them.
        others: All but `last` and those of Keras's loop.
        start: Steps before this one are passed over.
        passing: Whether the running step is.
        muted: Whether the running epoch has no end, since it will be gone on with.
    """

    def __init__(self, last, model, arguments, steps):
        given, verbose = arguments.get("callbacks"), arguments.get("verbose", "auto")
        given = keras.tree.flatten(getattr(given, "callbacks", given))
        given = [c for c in given if c is not None and c is not last]
        loop = [keras.callbacks.History, *([keras.callbacks.ProgbarLogger] if verbose != 0 else [])]
        given += [kind() for kind in loop if not any(isinstance(c, kind) for c in given)]
        self.history = next(c for c in given if isinstance(c, keras.callbacks.History))
        loop_kinds = (keras.callbacks.History, keras.callbacks.ProgbarLogger)
        self.others = [c for c in given if not isinstance(c, loop_kinds)]
        self.start, self.passing, self.muted = 0, False, False
        params = {"verbose": verbose, "epochs": arguments.get("epochs", 1), "steps": steps}
        super().__init__([*given, last], model=model, **params)

    def on_train_batch_begin(self, batch, logs=None):
        """Unless the step is passed over."""
        self.passing = batch < self.start
        if not self.passing:
            super().on_train_batch_begin(batch, logs)

    def on_train_batch_end(self, batch, logs=None):
        """Unless the step is passed over."""
        if not self.passing:
            super().on_train_batch_end(batch, logs)

    def on_epoch_end(self, epoch, logs=None):
        """Unless the epoch will be gone on with."""
        if not self.muted:
            super().on_epoch_end(epoch, logs)
