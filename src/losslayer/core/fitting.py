"""Callbacks that take part in a whole call of `fit`, not only in what happens within it."""

import contextlib

import keras


class FitCallback(keras.callbacks.Callback):
    """A callback that may change what `fit` is given, and clean up however it ends."""

    @contextlib.contextmanager
    def fitting(self, model, arguments):
        """Around one call of `model.fit`.

        Args:
            model: A compiled `Model`.
            arguments: What `fit` was given, a dict by name; arrays are in a dict by name already.

        Yields:
            What Keras's `fit` is to be given.
        """
        yield arguments


@contextlib.contextmanager
def prepared(model, arguments):
    """`arguments` of `fit` as its callbacks want them, while they take part."""
    given = arguments.get("callbacks")
    with contextlib.ExitStack() as stack:
        for callback in keras.tree.flatten(getattr(given, "callbacks", given)):
            if isinstance(callback, FitCallback):
                arguments = stack.enter_context(callback.fitting(model, arguments))
        yield arguments
