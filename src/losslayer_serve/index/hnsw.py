"""Nearest vectors by an HNSW graph of `faiss`: not all are compared, and a few may be missed.

    cache/hnsw.faiss     the graph and a copy of the vectors, as `faiss` writes it
    cache/hnsw.json      its SHA-256, and those of the shards it was made of

The graph is made of the shards, and made again when it doesn't fit them. Rows that come after those
that it has are added to it; dead ones stay in it and are passed over.
"""

import contextlib
import json
import os
from pathlib import Path
from typing import Any

import faiss
import numpy as np

from losslayer_serve.files import sha256, whole_file
from losslayer_serve.index.rows import Rows

# Links of a row, and rows looked at when one is added: the usual values for a few 100 dimensions.
LINKS = 32
CONSTRUCTION = 100


class HNSW:
    """Compares with a few hundred vectors, which a graph of neighbours leads to.

    Args:
        rows: Of the index. The graph is read from its cache, or made and left there.
        effort: Rows looked at per search, `efSearch`; never fewer than are asked for.
    """

    def __init__(self, rows: Rows, effort: int = 256) -> None:
        self._effort = effort
        shards = [shard.vectors for shard in rows.generation.shards]
        self._graph, held = _read_cache(rows.folder / "cache", shards, rows)
        if held < len(shards):
            for vectors in rows.shards[held:]:
                self._graph.add(np.ascontiguousarray(vectors))
            # A folder that can't be written to is no reason not to search it.
            with contextlib.suppress(OSError):
                _write_cache(rows.folder / "cache", self._graph, shards)
        dead = np.setdiff1d(np.arange(len(rows.entries)), rows.live)
        self._alive = faiss.IDSelectorNot(faiss.IDSelectorBatch(dead)) if len(dead) else None

    def search(self, vectors: np.ndarray, count: int) -> np.ndarray:
        """See `Nearest.search`."""
        how = faiss.SearchParametersHNSW(efSearch=max(self._effort, count), sel=self._alive)
        found = np.empty((len(vectors), count), "int64")
        # One by one: for several faiss starts threads, which then wait for more by running in
        # circles, on the cores that the rest of a service needs.
        for place in range(len(vectors)):
            vector = np.ascontiguousarray(vectors[place : place + 1])
            found[place] = self._graph.search(vector, count, params=how)[1][0]
        return found


def _read_cache(folder: Path, shards: list[str], rows: Rows) -> tuple[Any, int]:
    """A graph, and how many of the shards it holds: none where the cache doesn't fit them."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError, RuntimeError):
        about = json.loads((folder / "hnsw.json").read_bytes())
        held = about["shards"]
        graph_file = folder / "hnsw.faiss"
        if held == shards[: len(held)] and sha256(graph_file) == about["sha256"]:
            graph = faiss.read_index(os.fspath(graph_file))
            if (graph.ntotal, graph.d) == (int(rows.starts[len(held)]), rows.generation.dim):
                return graph, len(held)
    graph = faiss.IndexHNSWFlat(rows.generation.dim, LINKS, faiss.METRIC_INNER_PRODUCT)
    graph.hnsw.efConstruction = CONSTRUCTION
    return graph, 0


def _write_cache(folder: Path, graph: Any, shards: list[str]) -> None:
    """Leave a graph for the next reader; the file that describes it comes last."""
    folder.mkdir(exist_ok=True)
    with whole_file(folder / "hnsw.faiss") as file:
        faiss.write_index(graph, faiss.PyCallbackIOWriter(file.write))
    about = {"sha256": sha256(folder / "hnsw.faiss"), "shards": shards}
    with whole_file(folder / "hnsw.json") as file:
        file.write(json.dumps(about).encode())
