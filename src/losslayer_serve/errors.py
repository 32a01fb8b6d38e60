"""Errors of serving; `losslayer`'s own can't be used, importing that starts an engine.

ServeError
├── ArgumentError     (ValueError) an argument breaks its rule
├── FolderError       (ValueError) a folder can't be read or written
├── QuestionError     (ValueError) what was asked can't be read
├── Busy              too many questions wait already
└── SearchIndexError  those of an index, in `index/errors.py`
"""


class ServeError(Exception):
    """Base of every error that this package raises on purpose."""


class ArgumentError(ServeError, ValueError):
    """An argument breaks its rule."""


class FolderError(ServeError, ValueError):
    """A folder that can't be read or written; the message names it and says what to do."""


class QuestionError(ServeError, ValueError):
    """What was asked can't be read; the message is for the person who asked."""


class Busy(ServeError):
    """Too many questions wait already."""
