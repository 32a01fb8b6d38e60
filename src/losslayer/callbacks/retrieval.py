"""Retrieval over a whole corpus, at the end of each epoch."""

import keras
import numpy as np

from losslayer.core import check
from losslayer.core.errors import ArgumentTypeError, refuse

# Most scores that are in memory at a time: 64 MB of float32.
_SCORES = 2**24


class RetrievalEvaluation(keras.callbacks.Callback):
    """Ranks a corpus for each query with the weights as they are, and puts the figures into `logs`.

        recall@k = mean over queries of (right entries among the first k) / (right entries)
        mrr      = mean over queries of 1 / (place of the first right entry)

    over the exact order of all entries by score, not over the batch. Where a wrong entry has the
    same score as a right one, the wrong one comes first. The figures are in the history, as
    `val_recall@1` and so on, and callbacks that come later in the list can watch them: put
    `EarlyStopping(monitor="val_mrr", mode="max")` behind this one.

    Only a block of queries is scored at a time, so memory grows with the vectors, not with
    `queries * corpus`. With several processes each ranks all.

    Args:
        query_encoder: A model from what `queries` holds to vectors `(batch, dim)`, on layers that
            are being trained.
        corpus_encoder: The same for the corpus; may be the same model.
        queries: An array `(queries, ...)`, or a list or dict of them, as `predict` takes it.
        corpus: The same, `(corpus, ...)`.
        right: Which entries of the corpus are right for each query, from 0: integers `(queries,)`
            where it is one, or a list with a sequence of integers for each query.
        k: The places of the recalls.
        similarity: "cosine", or "dot" for the product of the vectors as they are.
        prefix: What the names of the figures begin with.
        batch_size: How many rows are encoded at a time.

    Raises:
        ArgumentTypeError: An encoder is no `keras.Model`.
        ArgumentError: Another argument breaks its rule.

    Example:

    >>> word = keras.Input((), dtype="int32")
    >>> encoder = keras.Model(word, keras.layers.Embedding(4, 2, weights=[np.eye(4)[:, :2]])(word))
    >>> found = RetrievalEvaluation(encoder, encoder, np.array([0, 1]), np.array([1, 0]), [1, 0])
    >>> found.evaluate()["recall@1"]
    1.0
    """

    def __init__(
        self,
        query_encoder,
        corpus_encoder,
        queries,
        corpus,
        right,
        *,
        k=(1, 10),
        similarity="cosine",
        prefix="val_",
        batch_size=256,
    ):
        super().__init__()
        for name, encoder in (("query_encoder", query_encoder), ("corpus_encoder", corpus_encoder)):
            if not isinstance(encoder, keras.Model):
                refuse(self, name, "be a keras.Model", encoder, error=ArgumentTypeError)
        self.query_encoder, self.corpus_encoder = query_encoder, corpus_encoder
        self.queries, self.corpus = queries, corpus
        self.k = tuple(check.whole(self, "k", place, at_least=1) for place in _several(k))
        self.similarity = check.choice(self, "similarity", similarity, ("cosine", "dot"))
        if not isinstance(prefix, str):
            refuse(self, "prefix", "be a text", prefix)
        self.prefix = prefix
        self.batch_size = check.whole(self, "batch_size", batch_size, at_least=1)
        self.right = self._checked(right, _rows(self, "queries", queries))

    def on_epoch_end(self, epoch, logs=None):
        """Add the figures to `logs`."""
        if logs is not None:
            figures = self.evaluate().items()
            logs.update({f"{self.prefix}{name}": value for name, value in figures})

    def evaluate(self):
        """The figures with the weights as they are now, by name, without the prefix."""
        queries = self._vectors("query_encoder", self.queries)
        entries = self._vectors("corpus_encoder", self.corpus).T
        size = max(1, _SCORES // entries.shape[1])
        places = [
            _places(scores, right)
            for start in range(0, len(queries), size)
            for scores, right in zip(
                queries[start : start + size] @ entries, self.right[start : start + size]
            )
        ]
        recalls = {f"recall@{k}": [np.mean(place <= k) for place in places] for k in self.k}
        values = {**recalls, "mrr": [1 / place[0] for place in places]}
        return {name: float(np.mean(value)) for name, value in values.items()}

    def get_state(self):
        """Nothing: the figures are a function of the weights."""
        return {}

    def set_state(self, state):
        """Nothing to do."""

    def _vectors(self, name, arrays):
        encoder, count = getattr(self, name), _rows(self, name, arrays)
        parts = []
        for start in range(0, count, self.batch_size):
            # The last batch is filled up with the last row: another shape would compile again.
            rows = np.minimum(np.arange(start, start + self.batch_size), count - 1)
            batch = keras.tree.map_structure(lambda array, rows=rows: array[rows], arrays)
            parts.append(keras.ops.convert_to_numpy(encoder.predict_on_batch(batch)))
        vectors = np.concatenate(parts)[:count].astype("float32")
        if vectors.ndim != 2:
            refuse(self, name, "give vectors (batch, dim)", vectors.shape)
        if self.similarity == "dot":
            return vectors
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        return np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0)

    def _checked(self, right, queries):
        """The right entries of each query, as an array each."""
        entries, found = _rows(self, "corpus", self.corpus), []
        for numbers in right:
            numbers = np.unique(numbers)
            whole = numbers.dtype.kind in "iu" and numbers.size
            if not whole or numbers[0] < 0 or numbers[-1] >= entries:
                rule = f"hold numbers of entries for each query, from 0 to {entries - 1}"
                refuse(self, "right", rule, numbers.tolist())
            found.append(numbers)
        if len(found) != queries:
            rule = f"have a row for each of {queries} queries"
            refuse(self, "right", rule, f"{len(found)} rows")
        return found


def _places(scores, right):
    """The places, from 1, of the right entries in the order of the scores, the first one first."""
    # NaN is last, as in `losslayer.metrics`.
    scores = np.where(np.isnan(scores), -np.inf, scores)
    own = -np.sort(-scores[right])
    wrong = np.delete(scores, right)
    before = [np.count_nonzero(wrong >= score) for score in own]
    return np.array(before) + np.arange(1, len(own) + 1)


def _several(k):
    return k if isinstance(k, (tuple, list)) else (k,)


def _rows(owner, name, arrays):
    """How many rows the arrays have."""
    shapes = [getattr(array, "shape", ()) for array in keras.tree.flatten(arrays)]
    sizes = {shape[0] if shape else 0 for shape in shapes}
    if len(sizes) != 1 or 0 in sizes:
        refuse(owner, name, "be arrays with the same number of rows, at least one", shapes)
    return sizes.pop()
