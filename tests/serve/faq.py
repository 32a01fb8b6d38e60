"""A small real searcher: unit vectors of hashed words over the Debian FAQ, English and Chinese.

Words of letters and digits, the longer the heavier; of Chinese text the characters and their pairs.
It needs no training, and finds what shares words with a title.
"""

import hashlib
import pathlib
import re
import zlib

import numpy as np

from losslayer_serve.index.entries import Hit
from losslayer_serve.searcher import Searcher

TABLE = pathlib.Path(__file__).parent / "data" / "debian_faq.tsv"
DIM = 2048
THRESHOLD = 0.4
WORD = re.compile(r"[^\W㐀-鿿]+|[㐀-鿿]+")
SCRIPT = ("script", "What is a script?", '<script>document.title = "run"</script><b>bold</b>')


class HashedWords:
    """The encoder: texts to vectors `(batch, dim)`."""

    fingerprint = hashlib.sha256(b"hashed words").hexdigest()

    def __call__(self, texts):
        vectors = np.zeros((len(texts), DIM), "float32")
        for vector, text in zip(vectors, texts, strict=True):
            for word in set(words(text)):
                vector[zlib.crc32(word.encode()) % DIM] += len(word)
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        return vectors / np.maximum(norms, 1e-9)


def words(text):
    """Words, and characters and pairs of characters of Chinese."""
    for run in WORD.findall(text.lower()):
        if "㐀" <= run[0] <= "鿿":
            yield from run
            yield from (run[at : at + 2] for at in range(len(run) - 1))
        else:
            yield run


class Titles:
    """The index: exact cosine of the question and the titles."""

    fingerprint = HashedWords.fingerprint

    def __init__(self, entries):
        self.entries = entries
        self.vectors = HashedWords()([title for _, title, _ in entries])

    def __len__(self):
        return len(self.entries)

    def search(self, texts, vectors, top):
        scores = vectors @ self.vectors.T
        best = np.argsort(-scores, axis=1, kind="stable")[:, :top]
        return [
            [Hit(*self.entries[at], float(row[at]), bool(row[at] >= THRESHOLD)) for at in places]
            for row, places in zip(scores, best, strict=True)
        ]


def searcher(path=TABLE, encoder=None):
    """The searcher over a table of id, title and answer, separated by tabs."""
    rows = [line.split("\t") for line in pathlib.Path(path).read_text("utf-8").splitlines()[1:]]
    return Searcher(encoder or HashedWords(), Titles([*map(tuple, rows), SCRIPT]))
