"""An index of entries: vectors and words in a folder, searched and changed safely.

    >>> from losslayer_serve.index import Entry, Index
    >>> index = Index.open("runs/faq/index", encoder.fingerprint)
    >>> [hits] = index.search(["where is my card?"], encoder(["where is my card?"]), top=3)

- `Index`: made, opened, searched, changed; `Entry` and `Hit`: what goes in and what comes out;
- `choose_ranking` (or `choose_weight` and `choose_threshold`): how hits are scored and accepted, a
  `Ranking`;
- `losslayer_serve.index.hnsw`, `.qdrant`: searches that need an extra package.
"""

from losslayer_serve.index.choosing import choose_ranking
from losslayer_serve.index.entries import Entry, Hit
from losslayer_serve.index.errors import (
    ChangedIndexError,
    DamagedIndexError,
    InputError,
    LockedIndexError,
    OtherModelError,
    SearchIndexError,
)
from losslayer_serve.index.fusion import choose_weight
from losslayer_serve.index.index import Index
from losslayer_serve.index.ranking import Ranking
from losslayer_serve.index.threshold import Threshold, choose_threshold

__all__ = [
    "ChangedIndexError",
    "DamagedIndexError",
    "Entry",
    "Hit",
    "Index",
    "InputError",
    "LockedIndexError",
    "OtherModelError",
    "Ranking",
    "SearchIndexError",
    "Threshold",
    "choose_ranking",
    "choose_threshold",
    "choose_weight",
]
