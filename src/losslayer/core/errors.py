"""Every error that losslayer raises.

    LosslayerError
    ├── ArgumentError     (ValueError) an argument breaks its rule, at construction or at the call
    ├── ArgumentTypeError (TypeError)  the same, of the wrong type
    ├── ObjectiveError    (ValueError) the losses and metrics can't be trained as they are
    ├── DataError         (ValueError) the data of a batch don't fit the graph
    ├── UnknownNameError  (KeyError)   there is nothing of this name
    └── ResumeError       (ValueError) a stored run can't be gone on with

One sentence for all of them: ``Class: `argument` must <rule>. Received: argument=<value>. <what to
do>``. They are raised before the step that would use what is wrong.
"""


class LosslayerError(Exception):
    """Base of every error that losslayer raises on purpose."""


class ArgumentError(LosslayerError, ValueError):
    """An argument has a value that breaks its rule."""


class ArgumentTypeError(LosslayerError, TypeError):
    """An argument has a type that breaks its rule."""


class ObjectiveError(LosslayerError, ValueError):
    """The losses and metrics of a model can't be trained or evaluated as they are."""


class DataError(LosslayerError, ValueError):
    """The data of a batch don't fit the graph."""


class UnknownNameError(LosslayerError, KeyError):
    """There is nothing of this name."""

    __str__ = Exception.__str__  # a KeyError would put the message in quotes


class ResumeError(LosslayerError, ValueError):
    """A stored run can't be gone on with: it is another one, or nothing of it can be read."""


def refuse(owner, argument, rule, received, advice="", error=ArgumentError):
    """Raise `error` in the one form that all messages share.

    Args:
        owner: The object or class whose argument it is; its class name opens the message.
        argument: Name of the argument.
        rule: What it must be: the words after "must".
        received: The value that was given.
        advice: What to do, as a full sentence.
        error: Class of the error.
    """
    name = owner if isinstance(owner, str) else getattr(owner, "__name__", type(owner).__name__)
    message = f"{name}: `{argument}` must {rule}. Received: {argument}={received!r}."
    raise error(f"{message} {advice}".rstrip())


def shape_words(shape):
    """A shape as text, with a word for each unknown size: ``(batch, axis 1, 64)``."""
    words = ["batch", *(f"axis {i}" for i in range(1, len(shape)))]
    return "(" + ", ".join(w if d is None else str(d) for d, w in zip(shape, words)) + ")"
