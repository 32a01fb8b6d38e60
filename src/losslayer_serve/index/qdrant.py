"""Nearest vectors by a Qdrant server, when one machine is outgrown."""

import hashlib
import uuid
from typing import Any

import numpy as np
from qdrant_client import QdrantClient, models

from losslayer_serve.index.rows import Rows

# Points in one request.
BATCH = 512


class Qdrant:
    """Asks a collection, which is brought up to date with the shards first.

    A point's id is made of the encoder's fingerprint, the entry's id and the SHA-256 of its text:
    what has changed has another one. So only that is sent, and what is left over is deleted; a
    search on older rows, while another process does so, just doesn't see the points that it
    doesn't know.

    Args:
        client: Of `qdrant_client`.
        collection: Its name; made if it isn't there. It is the index's own.
        rows: Of the index.
    """

    def __init__(self, client: QdrantClient, collection: str, rows: Rows) -> None:
        self._client = client
        self._collection = collection
        self._row = {_point(rows, row): row for row in rows.live.tolist()}
        if not client.collection_exists(collection):
            # The vectors have length 1: the inner product is the cosine, and they stay as they are.
            config = models.VectorParams(size=rows.generation.dim, distance=models.Distance.DOT)
            client.create_collection(collection, vectors_config=config)
        there = self._points()
        missing = [point for point in self._row if point not in there]
        for start in range(0, len(missing), BATCH):
            points: list[Any] = missing[start : start + BATCH]
            vectors = rows.vectors(np.array([self._row[point] for point in points]))
            batch = models.Batch(ids=points, vectors=vectors.tolist())
            client.upsert(collection, batch, wait=True)
        left_over: list[Any] = list(there - set(self._row))
        for start in range(0, len(left_over), BATCH):
            chosen = models.PointIdsList(points=left_over[start : start + BATCH])
            client.delete(collection, chosen, wait=True)

    def search(self, vectors: np.ndarray, count: int) -> np.ndarray:
        """See `Nearest.search`."""
        found = np.full((len(vectors), count), -1)
        requests = [models.QueryRequest(query=vector, limit=count) for vector in vectors.tolist()]
        answers = self._client.query_batch_points(self._collection, requests)
        for place, answer in enumerate(answers):
            rows = [self._row[str(p.id)] for p in answer.points if str(p.id) in self._row]
            found[place, : len(rows)] = rows
        return found

    def _points(self) -> set[str]:
        """The ids of all points of the collection."""
        found: set[str] = set()
        offset = None
        while True:
            points, offset = self._client.scroll(
                self._collection,
                limit=BATCH,
                offset=offset,
                with_payload=False,
                with_vectors=False,
            )
            found.update(str(point.id) for point in points)
            if offset is None:
                return found


def _point(rows: Rows, row: int) -> str:
    parts = (rows.generation.fingerprint, rows.entries[row].id, rows.digests[row])
    digest = hashlib.sha256("\0".join(parts).encode()).digest()
    return str(uuid.UUID(bytes=digest[:16]))
