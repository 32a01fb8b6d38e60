"""BM25: entries that share words with a question, weighted by how rare the words are."""

import re
import sys
import unicodedata
from collections.abc import Sequence
from itertools import pairwise
from types import ModuleType

import numpy as np

# Written without spaces between words: Chinese characters, Japanese kana.
_UNSPACED = "\u3005\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_RUNS = re.compile(rf"[{_UNSPACED}]+|[^\W{_UNSPACED}]+")
_FIRST_UNSPACED = re.compile(rf"[{_UNSPACED}]")

# A word that more than this share of the texts have is kept as one score for each text: adding all
# of them up is faster then than picking those that have it.
FREQUENT = 1 / 16


def words(text: str) -> list[str]:
    """What BM25 counts: words in lower case; of Chinese and Japanese each character and each pair.

    Full-width forms are read as the ordinary ones (NFKC).

    >>> words("Wi-Fi 密码是？")
    ['wi', 'fi', '密', '码', '是', '密码', '码是']
    """
    found: list[str] = []
    for run in _RUNS.findall(unicodedata.normalize("NFKC", text).lower()):
        if _FIRST_UNSPACED.match(run):
            found += [*run, *map("".join, pairwise(run))]
        else:
            found.append(run)
    return found


class Lexical:
    """BM25 of questions against texts, as a share of what a question's words could bring.

    With `N` texts, `df(w)` of which hold the word `w`, and `tf(w)` counting it in one,

        idf(w) = ln(1 + (N - df(w) + 0.5) / (df(w) + 0.5))
        tfc(w) = tf(w) / (tf(w) + k1 (1 - b + b length / mean length))
        score  = sum over the question's words of idf(w) tfc(w) / sum of idf(w)

    with k1 = 1.5 and b = 0.75; the first sum is BM25 as Lucene has it. The second is what a text
    would have that is nothing but these words, over and over; so the score is between 0 and 1, for
    long and short questions alike, and doesn't depend on which other texts are compared. Words
    that no text has count in it too, with `df = 0`: a question about something else has low scores
    everywhere.

    Args:
        texts: One or more.
    """

    k1 = 1.5
    b = 0.75

    def __init__(self, texts: Sequence[str]) -> None:
        self._count = len(texts)
        self._bm25 = bm25s().BM25(method="lucene", k1=self.k1, b=self.b)
        corpus = [words(text) for text in texts]
        frequency = np.zeros(0)
        self._everywhere: dict[int, np.ndarray] = {}
        if any(corpus):
            self._bm25.index(corpus, show_progress=False)
            frequency = np.diff(self._bm25.scores["indptr"])
            for word in np.flatnonzero(frequency > FREQUENT * self._count).tolist():
                row = self._everywhere[word] = np.zeros(self._count, "float32")
                self._add(word, row)
        self._idf = np.log1p((self._count - frequency + 0.5) / (frequency + 0.5))
        self._unknown = float(np.log1p((self._count + 0.5) / 0.5))

    def scores(self, question: str) -> np.ndarray:
        """The score of each text, `(text,)`, float32; zeros for a question without words."""
        asked = words(question)
        known = self._bm25.get_tokens_ids(asked) if len(self._idf) else []
        if not known:
            return np.zeros(self._count, "float32")
        found = np.zeros(self._count, "float32")
        for word in known:
            if word in self._everywhere:
                found += self._everywhere[word]
            else:
                self._add(word, found)
        most = self._idf[known].sum() + (len(asked) - len(known)) * self._unknown
        found /= np.float32(most)
        return found

    def _add(self, word: int, found: np.ndarray) -> None:
        """Add the scores of a word to those of the texts that have it."""
        kept = self._bm25.scores
        start, end = kept["indptr"][word : word + 2]
        # Not `np.add.at`, as bm25s does: no text is named twice, and this is ten times as fast.
        found[kept["indices"][start:end]] += kept["data"][start:end]


def bm25s() -> ModuleType:
    """The module `bm25s`, without JAX: where that is installed, importing it would start it."""
    if "bm25s" in sys.modules:
        return sys.modules["bm25s"]
    missing = object()
    jax = sys.modules.get("jax", missing)
    sys.modules["jax"] = None  # type: ignore[assignment]  # an import of it fails, as if not there
    try:
        import bm25s
    finally:
        if jax is missing:
            del sys.modules["jax"]
        else:
            sys.modules["jax"] = jax  # type: ignore[assignment]
    return bm25s
