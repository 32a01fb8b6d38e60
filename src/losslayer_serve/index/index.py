"""An index: entries and their vectors in a folder, to be searched and changed."""

from collections.abc import Iterable, Sequence
from os import PathLike
from pathlib import Path

import numpy as np

from losslayer_serve.index import writing
from losslayer_serve.index.checks import check_vectors
from losslayer_serve.index.engines import Engine, search_by
from losslayer_serve.index.entries import Entry, Hit
from losslayer_serve.index.errors import InputError, OtherModelError
from losslayer_serve.index.exact import Nearest, largest
from losslayer_serve.index.fusion import fuse
from losslayer_serve.index.lexical import Lexical
from losslayer_serve.index.ranking import Ranking
from losslayer_serve.index.rows import Rows, read_rows

# Entries that get a score: so many of the nearest, and so many of those with the best words.
CANDIDATES = 256


class Index:
    """Entries to be found by meaning and by words, kept in a folder.

    `Index.create` and `Index.open` make one. Searching changes nothing and may be done by many
    threads at once; changes are for one at a time, here and among all processes.

    Attributes:
        folder: Where it is.
        rows: What is stored there.
        ranking: How hits are scored and accepted.
    """

    def __init__(self, folder: Path, rows: Rows, engine: Engine) -> None:
        self.folder = folder
        self._engine = engine
        self._use(rows)

    # Making one

    @classmethod
    def create(
        cls,
        folder: str | PathLike[str],
        fingerprint: str,
        entries: Sequence[Entry],
        vectors: np.ndarray,
        *,
        overwrite: bool = False,
        ranking: Ranking | None = None,
        engine: Engine = "auto",
    ) -> "Index":
        """Write an index, whole or not at all.

        Args:
            folder: Not there yet, or empty; or an index, with `overwrite`.
            fingerprint: Of the encoder that made the vectors.
            entries: Ids differ; each has a title or a text.
            vectors: Unit vectors, `(entry, dim)`; with no entries `(0, dim)`.
            overwrite: Whether an index that is there is replaced.
            ranking: How hits are scored and accepted; without it by cosine, and all are.
            engine: As in `open`.

        Raises:
            InputError: An argument breaks its rule; nothing is written.
        """
        folder = Path(folder)
        stored = (ranking or Ranking()).stored()
        writing.create(folder, fingerprint, entries, vectors, stored, overwrite)
        return cls(folder, read_rows(folder), engine)

    @classmethod
    def open(
        cls,
        folder: str | PathLike[str],
        fingerprint: str | None = None,
        *,
        engine: Engine = "auto",
        prepare: bool = True,
    ) -> "Index":
        """Read an index, and check every byte of it.

        Args:
            folder: Of the index.
            fingerprint: Of the encoder whose vectors will be searched for.
            engine: `"exact"`, `"hnsw"`, or a function of `Rows` that returns a search. `"auto"`:
                exact up to 50,000 entries, `"hnsw"` beyond.
            prepare: Whether to make now what the first search needs.

        Raises:
            DamagedIndexError: No index is there, or a file is not what was written.
            OtherModelError: Its vectors are those of another encoder.
        """
        rows = read_rows(Path(folder))
        if fingerprint is not None and fingerprint != rows.generation.fingerprint:
            raise OtherModelError(
                f"{folder}: these vectors were made by another encoder or tokeniser. Its "
                f"fingerprint is {rows.generation.fingerprint}. Received: "
                f"fingerprint={fingerprint!r}. Index the entries anew with this model"
            )
        index = cls(Path(folder), rows, engine)
        if prepare:
            index.prepare()
        return index

    def prepare(self) -> None:
        """Make what a search needs, unless it is there."""
        self._near()
        if len(self) and self.ranking.weight < 1:
            self._words()

    # What it holds

    @property
    def fingerprint(self) -> str:
        """Of the encoder that made the vectors."""
        return self.rows.generation.fingerprint

    @property
    def entries(self) -> list[Entry]:
        """All entries, in the order in which they were written last."""
        return [self.rows.entries[row] for row in self.rows.live.tolist()]

    def __len__(self) -> int:
        return len(self.rows.live)

    # Searching

    def search(
        self,
        texts: Sequence[str],
        vectors: np.ndarray,
        top: int,
        *,
        ranking: Ranking | None = None,
    ) -> list[list[Hit]]:
        """The entries with the highest scores, best first.

        Scored are the 256 entries that are nearest by cosine and, where words count too, the 256
        with the best words. Of equal scores the entry that was written first comes first.

        Args:
            texts: Questions.
            vectors: Theirs, of length 1, `(batch, dim)`.
            top: Hits per question, 1 or more.
            ranking: Used in place of the stored one.

        Returns:
            For each question as many hits as there are entries, at most `top`.
        """
        if isinstance(top, bool) or not isinstance(top, int) or top < 1:
            raise InputError(f"Index.search: `top` must be an integer >= 1. Received: top={top!r}.")
        check_vectors("Index.search", vectors, len(texts), self.rows.generation.dim)
        if not len(self):
            return [[] for _ in texts]
        ranking = ranking or self.ranking
        vectors = np.asarray(vectors, "float32")
        near = self._near().search(vectors, min(max(CANDIDATES, top), len(self)))
        return [
            self._hits(text, vector, np.sort(rows[rows >= 0]), top, ranking)
            for text, vector, rows in zip(texts, vectors, near)
        ]

    def _hits(
        self, text: str, vector: np.ndarray, rows: np.ndarray, top: int, ranking: Ranking
    ) -> list[Hit]:
        """The best entries for one question, of the nearest `rows` and those with its words."""
        if ranking.weight < 1:
            every = self._words().scores(text)
            best = largest(every, max(CANDIDATES, top))
            rows = np.union1d(rows, self.rows.live[best[every[best] > 0]])
            lexical = every[np.searchsorted(self.rows.live, rows)]
        # One sum per row, in the same order for each: equal vectors have equal scores.
        scores = (self.rows.vectors(rows) * vector).sum(axis=1)
        if ranking.weight < 1:
            scores = fuse(scores, lexical, ranking.weight)
        hits = []
        for place in largest(scores, top).tolist():
            entry = self.rows.entries[rows[place]]
            score = float(scores[place])
            hits.append(Hit(entry.id, entry.title, entry.answer, score, ranking.accepts(score)))
        return hits

    def scores(self, texts: Sequence[str], vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Cosine and lexical score of every entry, to choose a weight with.

        Args:
            texts: Questions.
            vectors: Theirs, of length 1, `(batch, dim)`.

        Returns:
            Two float32 arrays, `(batch, entry)`, entries in the order of `entries`.
        """
        check_vectors("Index.scores", vectors, len(texts), self.rows.generation.dim)
        cosine = np.asarray(vectors, "float32") @ self.rows.vectors(self.rows.live).T
        lexical = np.zeros_like(cosine)
        if len(self):
            words = self._words()
            for place, text in enumerate(texts):
                lexical[place] = words.scores(text)
        return cosine, lexical

    # Changing

    def to_encode(self, entries: Sequence[Entry]) -> list[int]:
        """Places of the entries whose text has no vector yet: new ones, and those reworded."""
        return writing.to_encode(self.rows, entries)

    def update(self, entries: Sequence[Entry], vectors: np.ndarray) -> None:
        """Add entries, or put them in the place of those with the same id.

        Only what differs is written. An entry whose title or answer changed, but not the text that
        is encoded, keeps its vector.

        Args:
            entries: Ids differ.
            vectors: Unit vectors of those that `to_encode(entries)` names, `(entry, dim)`.

        Raises:
            InputError: An argument breaks its rule; nothing is written.
            LockedIndexError: Another process is writing.
            ChangedIndexError: Another process has written since this one was opened.
        """
        writing.update(self.rows, entries, vectors)
        self._changed()

    def remove(self, ids: Iterable[str]) -> None:
        """Remove entries; an id that none has is an error, and nothing is removed then."""
        writing.remove(self.rows, ids)
        self._changed()

    def compact(self) -> None:
        """Write everything anew, without what was removed. Changes do so when it is time."""
        writing.compact(self.rows)
        self._use(read_rows(self.folder))

    def set_ranking(self, ranking: Ranking) -> None:
        """Store how hits are scored and accepted."""
        writing.set_ranking(self.rows, ranking.stored())
        self._use(read_rows(self.folder))

    def _changed(self) -> None:
        self._use(read_rows(self.folder))
        if writing.fragmented(self.rows):
            self.compact()

    def _use(self, rows: Rows) -> None:
        self.rows = rows
        self.ranking = Ranking.read(rows.generation.ranking)
        self._nearest: Nearest | None = None
        self._lexical: Lexical | None = None

    def _near(self) -> Nearest:
        """The search by cosine."""
        if self._nearest is None:
            self._nearest = search_by(self._engine, self.rows)
        return self._nearest

    def _words(self) -> Lexical:
        """BM25 of what each entry has to read, each text once."""
        if self._lexical is None:
            kept = ((entry.title, entry.answer, entry.text) for entry in self.entries)
            self._lexical = Lexical(["\n".join(dict.fromkeys(texts)) for texts in kept])
        return self._lexical
