"""BM25: the formula written out, words of several scripts, and real questions."""

import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from losslayer_serve.index import Entry, Index, Ranking
from losslayer_serve.index import lexical as lexical_module
from losslayer_serve.index.lexical import Lexical, words

from .conftest import FINGERPRINT, unit

SHARED = Path(__file__).resolve().parents[4] / "shared" / "data"
DATA = Path(os.environ.get("LOSSLAYER_DATA", SHARED)) / "faq_docs"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Where's my Card-Nr. 12?", "where s my card nr 12"),
        ("卡", "卡"),
        ("我的卡 丢了", "我 的 卡 我的 的卡 丢 了 丢了"),
        ("用wifi上网3天", "用 wifi 上 网 上网 3 天"),
        ("ＡＢＣ１２", "abc12"),
        ("東京タワー", "東 京 タ ワ ー 東京 京タ タワ ワー"),
        ("내 카드 Ünïcode 😀 !?", "내 카드 ünïcode"),
        ("", ""),
    ],
)
def test_words(text, expected):
    """Words between spaces; characters and pairs where none are written."""
    assert words(text) == expected.split()


def by_hand(texts, question):
    """The formula of `Lexical`, with loops."""
    corpus = [words(text) for text in texts]
    mean = sum(map(len, corpus)) / len(corpus) or 1.0

    def idf(word):
        frequency = sum(word in text for text in corpus)
        return math.log(1 + (len(corpus) - frequency + 0.5) / (frequency + 0.5))

    scores = []
    for text in corpus:
        score = most = 0.0
        for word in words(question):
            count = text.count(word)
            score += idf(word) * count / (count + 1.5 * (0.25 + 0.75 * len(text) / mean))
            most += idf(word)
        scores.append(score / most if most else 0.0)
    return scores


@pytest.mark.parametrize("frequent", [0, 0.4, 1])
def test_the_formula(frequent, monkeypatch):
    """Repeated words, unknown words, empty texts and questions, in two languages.

    Whichever words are kept as a score for each text: all, the frequent ones, none.
    """
    monkeypatch.setattr(lexical_module, "FREQUENT", frequent)
    texts = ["the card is lost", "lost lost card", "", "卡丢了怎么办", "the the the", "怎么办理卡"]
    lexical = Lexical(texts)
    for question in (
        "lost card",
        "card card",
        "the unknown card",
        "卡",
        "怎么丢 card",
        "zzz",
        "",
        "?",
    ):
        found = lexical.scores(question)
        np.testing.assert_allclose(found, by_hand(texts, question), atol=1e-6)
        assert found.min() >= 0
        assert found.max() < 1
    assert lexical.scores("card unknown").max() < lexical.scores("card").max()


@pytest.mark.parametrize("texts", [["a"], [""], ["", ""], ["？"]])
def test_hardly_any_words(texts):
    """One text, or none that has a word: scores all the same, and zero where nothing is shared."""
    lexical = Lexical(texts)
    for question in ("a", "b", ""):
        np.testing.assert_allclose(lexical.scores(question), by_hand(texts, question), atol=1e-6)


def test_jax_is_left_alone():
    """Neither imported by BM25, nor taken from those who import it before or after."""
    code = (
        "import sys\n"
        "from losslayer_serve.index.lexical import bm25s\n"
        "bm25s()\n"
        "assert 'jax' not in sys.modules\n"
        "del sys.modules['bm25s'], sys.modules['bm25s.selection']\n"
        "sys.modules['jax'] = mark = type(sys)('jax')\n"
        "bm25s()\n"
        "assert sys.modules['jax'] is mark\n"
        "from bm25s.selection import JAX_IS_AVAILABLE\n"
        "assert not JAX_IS_AVAILABLE\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(not DATA.is_dir(), reason="needs the data set faq_docs")
@pytest.mark.parametrize(
    ("name", "at_least"),
    [("debian_faq.en", 0.45), ("debian_faq.zh", 0.45), ("python_faq.en", 0.55)],
)
def test_real_questions(tmp_path, name, at_least):
    """A question finds its own answer by words, also with vectors that say nothing."""
    lines = (DATA / f"{name}.tsv").read_text(encoding="utf-8").splitlines()
    ids, questions, answers = zip(*(line.split("\t") for line in lines))
    # The title doesn't help: it is the question.
    entries = [Entry(id, id, answer) for id, answer in zip(ids, answers)]
    vectors = unit(len(entries), dim=32)
    index = Index.create(tmp_path / "index", FINGERPRINT, entries, vectors)
    asked = unit(len(entries), dim=32, seed=1)

    def mrr(weight):
        found = index.search(questions, asked, len(entries), ranking=Ranking(weight))
        ranks = [[hit.id for hit in hits].index(id) + 1 for id, hits in zip(ids, found)]
        return np.mean([1 / rank for rank in ranks])

    assert mrr(0.0) >= at_least
    assert mrr(0.1) >= 0.9 * mrr(0.0)
    assert mrr(1.0) < 0.1
