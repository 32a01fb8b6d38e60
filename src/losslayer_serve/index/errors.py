"""Every error that an index raises on purpose.

SearchIndexError
├── InputError         (ValueError) an argument breaks its rule
├── OtherModelError    (ValueError) the vectors are those of another model
├── DamagedIndexError  a file of the index is not what was written, or is no index
├── LockedIndexError   another process is writing the index
└── ChangedIndexError  the index was written since it was opened
"""

from losslayer_serve.errors import ServeError


class SearchIndexError(ServeError):
    """Base of every error that an index raises on purpose."""


class InputError(SearchIndexError, ValueError):
    """An argument has a value that breaks its rule."""


class OtherModelError(SearchIndexError, ValueError):
    """The vectors are those of another model."""


class DamagedIndexError(SearchIndexError):
    """A file of the index is missing, damaged, or none that an index has."""


class LockedIndexError(SearchIndexError):
    """Another process is writing the index."""


class ChangedIndexError(SearchIndexError):
    """The index was written by somebody else since it was opened."""
