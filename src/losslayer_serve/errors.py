"""Errors of serving; `losslayer`'s own can't be used, importing that starts an engine."""


class ServeError(Exception):
    """Base of every error that this package raises on purpose."""


class ArgumentError(ServeError, ValueError):
    """An argument breaks its rule."""


class QuestionError(ServeError, ValueError):
    """What was asked can't be read; the message is for the person who asked."""


class Busy(ServeError):
    """Too many questions wait already."""
