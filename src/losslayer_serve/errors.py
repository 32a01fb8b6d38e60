"""Errors of serving; `losslayer`'s own can't be used, importing that starts an engine."""


class ServeError(Exception):
    """Base of every error that this package raises on purpose."""


class ArgumentError(ServeError, ValueError):
    """An argument breaks its rule."""


class FolderError(ServeError, ValueError):
    """A folder that can't be read or written; the message names it and says what to do."""
