"""Which search by cosine an index uses."""

import warnings
from collections.abc import Callable

from losslayer_serve.index.errors import InputError
from losslayer_serve.index.exact import Exact, Nearest
from losslayer_serve.index.rows import Rows

# Up to so many entries all are compared.
MOST_EXACT = 50_000

Engine = str | Callable[[Rows], Nearest]


def search_by(engine: Engine, rows: Rows) -> Nearest:
    """The search that is asked for."""
    if callable(engine):
        return engine(rows)
    if engine not in ("auto", "exact", "hnsw"):
        raise InputError(
            "Index: `engine` must be 'auto', 'exact', 'hnsw' or a function. "
            f"Received: engine={engine!r}."
        )
    if engine == "exact" or (engine == "auto" and len(rows.live) <= MOST_EXACT):
        return Exact(rows)
    try:
        from losslayer_serve.index.hnsw import HNSW
    except ImportError:
        if engine == "hnsw":
            raise InputError(
                "Index: engine='hnsw' needs the package faiss. Install `losslayer[faiss]`"
            ) from None
        warnings.warn(
            f"{rows.folder}: {len(rows.live)} entries are searched one by one. "
            "Install `losslayer[faiss]` for a faster search",
            stacklevel=2,
        )
        return Exact(rows)
    return HNSW(rows)
