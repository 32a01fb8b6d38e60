"""Tags and the chunks that they spell out."""

import numpy as np
import pytest

import losslayer as ll
from losslayer.tag import Sentence, chunks, from_words, measures
from losslayer.tag.batches import pieces
from losslayer.tag.sentences import from_text, to_words
from losslayer.text import TableError

TAGS = {
    "BIO": ["O", "B-x", "I-x", "B-y", "I-y"],
    "BIOES": ["O", "B-x", "I-x", "E-x", "S-x", "S-y", "B-y", "E-y"],
    "BMES": ["B", "M", "E", "S"],
    "BILOU": ["O", "B-x", "I-x", "L-x", "U-x", "U-y"],
}


def random_tags(scheme, count=60, seed=0):
    """Any sequences, also such as the scheme doesn't allow."""
    rng = np.random.default_rng(seed)
    return [[str(t) for t in rng.choice(TAGS[scheme], rng.integers(1, 9))] for _ in range(count)]


@pytest.mark.parametrize("scheme", TAGS)
def test_measures_are_those_of_the_exact_metric(scheme):
    """Counted in Python or by `ll.metrics.ChunkF1` in a graph: the same numbers."""
    true, found = random_tags(scheme, seed=1), random_tags(scheme, seed=2)
    found = [f[: len(t)] + t[len(f) :] for t, f in zip(true, found)]
    result = measures(true, found, scheme)
    numbers = np.full((2, len(true), 9), -1)
    for row, pair in enumerate(zip(true, found)):
        for which, tags in enumerate(pair):
            numbers[which, row, : len(tags)] = [TAGS[scheme].index(tag) for tag in tags]
    for measure in ("f1", "precision", "recall"):
        metric = ll.metrics.ChunkF1(TAGS[scheme], scheme, measure)
        metric.update_state(*numbers)
        assert result[measure] == pytest.approx(float(metric.result()), abs=1e-6)
    assert 0 < result["f1"] < 1
    same = np.mean([a == b for t, f in zip(true, found) for a, b in zip(t, f)])
    assert result["accuracy"] == pytest.approx(same)


@pytest.mark.parametrize("scheme", ["BIO", "BIOES"])
def test_measures_are_those_of_seqeval(scheme):
    """Over all and of each type, on any sequences of tags."""
    peer = pytest.importorskip("seqeval.metrics")
    true, found = random_tags(scheme, seed=3), random_tags(scheme, seed=4)
    found = [f[: len(t)] + t[len(f) :] for t, f in zip(true, found)]
    report = peer.classification_report(true, found, output_dict=True, zero_division=0)
    result = measures(true, found, scheme)
    rows = {**result["types"], "micro avg": result, "macro avg": result["macro"]}
    for name, row in rows.items():
        assert row["precision"] == pytest.approx(report[name]["precision"])
        assert row["recall"] == pytest.approx(report[name]["recall"])
        assert row["f1"] == pytest.approx(report[name]["f1-score"])
        if "true" in row:
            assert row["true"] == report[name]["support"]
    assert result["accuracy"] == pytest.approx(peer.accuracy_score(true, found))


def test_measures_of_tags_without_a_scheme():
    """Each tag is a chunk: F1 over all is the accuracy."""
    result = measures([["DT", "NN"], ["NN"]], [["DT", "VB"], ["NN"]], "none")
    assert result["f1"] == result["accuracy"] == pytest.approx(2 / 3)
    assert result["types"]["NN"] == {
        **{"precision": 1.0, "recall": 0.5, "f1": pytest.approx(2 / 3)},
        **{"true": 2, "found": 1, "right": 1},
    }


def test_words_come_back():
    """From words to tagged characters and back, whatever the words; spaces are borders."""
    words = ["图书馆", "的", "人", "Windows", "98"]
    sentence = from_words(words)
    assert "".join(sentence.tags) == "BMESSBMMMMMEBE"
    assert to_words(sentence, sentence.tags) == words
    text = from_text(["图书馆的", "人"])
    assert to_words(text, ["B", "M", "M", "M", "E"]) == ["图书馆的", "人"]


def test_pieces_are_cut_between_chunks():
    """At most so many tokens, whole chunks, nothing lost; a longer chunk is refused."""
    sentence = from_words(["中国", "人", "喜欢", "图书馆", "的"], "a.txt", [1, 1, 1, 1, 1])
    found = pieces(sentence, 4)
    assert ["".join(piece.tokens) for piece in found] == ["中国人", "喜欢", "图书馆的"]
    assert [tag for piece in found for tag in piece.tags] == list(sentence.tags)
    assert [len(piece.lines) for piece in found] == [3, 2, 4]
    assert pieces(sentence, 99)[0].tokens == sentence.tokens
    with pytest.raises(TableError, match=r"a.txt:1: a chunk of more than 2 tokens begins here"):
        pieces(sentence, 2)


def test_a_chunk_of_conlleval():
    """An `I` behind an `O` or of another type begins a chunk, as CoNLL's script has it."""
    assert [c[0] for c in chunks(["I-a", "I-a", "I-b", "O", "I-b"])] == ["a", "b", "b"]
    assert chunks([]) == []
    assert Sentence(["a", "b"]).where(1) == "token 2 of the sentence 'a b'"
