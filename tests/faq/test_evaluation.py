"""Results of questions, counted by hand, and as a file."""

import json

import ir_measures
import numpy as np
import pytest

from losslayer.faq.asked import Asked
from losslayer.faq.evaluation import DEPTH, evaluate, read_results, results_text, values
from losslayer.text import TableError
from losslayer_serve.index import Hit


class Fixed:
    """A searcher that answers each question with the ids that it holds, best first."""

    def ask(self, texts, top):
        return [
            [
                Hit(id, f"title {id}", "", 1 - place / 10, place == 0 and "sure" in text)
                for place, id in enumerate(text.split()[1:][:top])
            ]
            for text in texts
        ]


ASKED = [
    Asked("sure a b c", "a", "x", "en", 2),
    Asked("sure a b c", "b", "x", "en", 3),
    Asked("maybe a b c d e f g", "g", "y", "zh", 4),
    Asked("maybe a b", "z", "y", "", 5),
    Asked("sure a", None, "", "", 6),
    Asked("nothing", "a", "", "", 7),
]


def test_results_by_hand():
    """The place of the right entry among the hits, the first five of them, the first's score."""
    results = evaluate(Fixed(), ASKED)
    assert [one.rank for one in results] == [1, 2, 7, None, None, None]
    assert [one.right for one in results] == [True, False, False, False, False, False]
    assert [one.accepted for one in results] == [True, True, False, False, True, False]
    assert [hit.id for hit in results[2].hits] == ["a", "b", "c", "d", "e"]
    assert [one.score for one in results] == [1, 1, 1, 1, 1, 0]
    assert (results[1].group, results[1].language, results[1].line) == ("x", "en", 3)
    found = values(results)
    assert found["mrr"].tolist() == [1, 1 / 2, 1 / 7, 0, 0]
    assert found["recall@5"].tolist() == [1, 1, 0, 0, 0]
    assert found["recall@10"].tolist() == [1, 1, 1, 0, 0]


def test_hits_beyond_the_hundredth_are_not_asked_for():
    """A right entry there counts as not found."""
    ids = " ".join(f"e{n}" for n in range(DEPTH + 1))
    asked = [Asked(f"q {ids}", f"e{place}") for place in (DEPTH - 1, DEPTH)]
    assert [one.rank for one in evaluate(Fixed(), asked)] == [DEPTH, None]


def test_a_file_brings_the_results_back(tmp_path):
    """One object a line; what is no such line is an error with its number."""
    results = evaluate(Fixed(), [*ASKED, Asked("sure 答 b", "b")])
    path = tmp_path / "r.jsonl"
    path.write_text(results_text(results), encoding="utf-8")
    assert read_results(path) == results
    lines = path.read_text(encoding="utf-8").splitlines()
    for bad in ('{"rank": 1}', "[]", "x", lines[1].replace('"rank": 2', '"rank": 0')):
        path.write_text("\n".join([lines[0], bad]))
        with pytest.raises(TableError, match=r"r\.jsonl:2: not what `evaluate --out` writes"):
            read_results(path)
    path.write_text("")
    with pytest.raises(TableError, match="no results to read"):
        read_results(path)
    path.write_bytes(b"\xff")
    with pytest.raises(TableError, match="can't be read"):
        read_results(path)
    assert json.loads(lines[0])["entry"] == "a"


def test_trec_eval_agrees():
    """`ir-measures`, on NIST's trec_eval, from the same hits."""
    rng = np.random.default_rng(0)
    asked = []
    for number in range(60):
        ids = rng.permutation(40)[: rng.integers(1, 40)]
        asked.append(Asked(f"{number} " + " ".join(map(str, ids)), str(rng.integers(40))))
    ours = values(evaluate(Fixed(), asked))
    of = {
        "accuracy@1": ir_measures.Success @ 1,
        "recall@5": ir_measures.R @ 5,
        "recall@10": ir_measures.R @ 10,
        "mrr": ir_measures.RR,
        "ndcg": ir_measures.nDCG,
    }
    qrels = [ir_measures.Qrel(one.question, one.entry, 1) for one in asked]
    run = [
        ir_measures.ScoredDoc(one.question, hit.id, hit.score)
        for one, hits in zip(asked, Fixed().ask([one.question for one in asked], DEPTH))
        for hit in hits
    ]
    for name, measure in of.items():
        theirs = {m.query_id: m.value for m in ir_measures.iter_calc([measure], qrels, run)}
        expected = [theirs.get(one.question, 0.0) for one in asked]
        np.testing.assert_allclose(ours[name], expected, atol=1e-12, err_msg=name)
