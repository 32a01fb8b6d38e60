"""The audit: each finding with its places, counts that add up, and what the terminal shows."""

import dataclasses
import json

import numpy as np
import pytest

from losslayer.faq import audit, examples, read_examples, read_faq, read_pairs
from losslayer.text import Tokenizer
from tests.shared_data import shared_data

FAQ = """id,question,answer,language
a,Where is my card?,On its way.,en
b,Where is it?,On  its WAY.,en
c,怎样充值？,打开App,zh
d,How?,,en
e,How?,So.,en
f,how？,So and so.,en
"""
TRAIN = """question,id
my card,a
My card,b
My card！,c
is it here,a
is it here,e
top up,c
lost,x
"""
TEST = """question,id
MY  CARD,a
top　up,e
new,e
new,e
"""


@pytest.fixture
def tables(tmp_path):
    """The three tables above, read."""
    for name, content in (("faq", FAQ), ("train", TRAIN), ("test", TEST)):
        (tmp_path / f"{name}.csv").write_text(content, encoding="utf-8")
    faq = read_faq(tmp_path / "faq.csv")
    return faq, *(read_pairs(tmp_path / f"{n}.csv", faq.entries) for n in ("train", "test"))


def test_what_is_found(tables):
    """Duplicates, contradictions, leaks, shared answers, entries that nobody asks for."""
    faq, train, test = tables
    found = audit(train, test, faq)
    own, asked, tested = (found.sources[name] for name in ("faq", "train", "test"))

    assert (own.rows, asked.rows, tested.rows) == (5, 6, 4)
    assert [(row.line, row.column) for row in own.dropped] == [(5, "answer")]
    assert [str(row) for row in asked.dropped] == [
        f"{train.table.path}:8: column `id`: the FAQ has no entry 'x'"
    ]
    assert tested.dropped == []

    # One question, two ids, but one answer: nothing contradicts.
    assert [(r.question, r.lines, r.ids) for r in asked.duplicates] == [
        ("my card", [2, 3], ["a", "b"])
    ]
    assert [(r.lines, r.ids) for r in asked.contradictions] == [([5, 6], ["a", "e"])]
    assert [(r.lines, r.ids) for r in own.contradictions] == [([6, 7], ["e", "f"])]
    assert [(r.lines, r.ids) for r in tested.duplicates] == [([4, 5], ["e"])]

    assert [(k.train_lines, k.test_lines, k.same_answer) for k in found.leaks] == [
        ([2, 3], [2], True),
        ([7], [3], False),
    ]
    assert [(s.answer, s.ids, s.questions) for s in found.shared_answers] == [
        ("On its way.", ["a", "b"], 3)
    ]
    assert found.unasked == ["f"]
    assert found.languages == {"en": 4, "zh": 1}
    assert own.questions.scripts == {"Latin": 4, "Han": 1}
    assert found.answers.scripts == {"Latin": 4, "Han + Latin": 1}


def test_clean_data_have_no_findings():
    """Nothing is found where nothing is wrong; without files, rows are numbered from 1."""
    found = audit(examples(["a?", "b?"], ["x", "y"]), examples(["c?"], ["x"]))
    for source in found.sources.values():
        assert (source.dropped, source.duplicates, source.contradictions) == ([], [], [])
    assert (found.leaks, found.shared_answers, found.unasked) == ([], [], [])
    repeated = audit(examples(["a?", "b?", "A?"], ["x", "y", "x"]))
    assert repeated.sources["train"].duplicates[0].lines == [1, 3]


def test_lengths_are_those_of_the_texts():
    """Quantiles are lengths that occur; in tokens if there is a tokenizer."""
    questions = ["x" * length for length in range(1, 101)]
    known = examples(questions, ["a", "b"] * 50)
    measured = audit(known, longest=98).sources["train"].questions
    assert (measured.median, measured.p90, measured.p99, measured.longest) == (50, 90, 99, 100)
    assert (measured.count, measured.limit, measured.cut) == (100, 98, 2)
    tokenizer = Tokenizer.train(questions, 100)
    lengths = np.sort([len(ids) for ids in tokenizer(questions)])
    found = audit(known, tokenizer=tokenizer, longest=1)
    measured = found.sources["train"].questions
    assert (measured.median, measured.longest) == (lengths[49], lengths[-1])
    assert measured.cut == (lengths > 1).sum() > 0
    assert found.unit == "tokens"


def test_scripts_are_told_apart():
    """A script is counted by its letters; full-width ones are Latin, digits are none."""
    questions = ["Ａ b", "カードは", "卡", "карта", "12?", "카드", "々", "カード銀行"]
    known = examples(questions, ["a", "b"] * 4)
    assert audit(known).sources["train"].questions.scripts == {
        "Latin": 1,
        "Hiragana + Katakana": 1,
        "Han": 2,
        "Cyrillic": 1,
        "no letters": 1,
        "Hangul": 1,
        "Han + Katakana": 1,
    }


def test_all_of_it_is_plain_data(tables):
    """`json.dumps` takes it and nothing is left out."""
    faq, train, test = tables
    found = audit(train, test, faq)
    content = json.loads(json.dumps(found.as_dict()))
    assert set(content) == {field.name for field in dataclasses.fields(found)}
    assert content["sources"]["faq"]["dropped"] == [
        {"path": str(faq.table.path), "line": 5, "column": "answer", "problem": "the cell is empty"}
    ]
    assert content["leaks"][0]["test_lines"] == [2]
    assert content["shared_answers"][0]["ids"] == ["a", "b"]


def test_the_text_says_it_in_lines(tables):
    """Counts with their first places."""
    faq, train, test = tables
    text = str(audit(train, test, faq, longest=10))
    for line in (
        f"train ({train.table.path}): 6 rows, 1 dropped",
        f"    {train.table.path}:8: column `id`: the FAQ has no entry 'x'",
        "  duplicate questions: 1 (2 rows)",
        "    lines 2, 3, ids a, b: my card",
        "  questions with several answers: 1 (2 rows)",
        "questions of the training in the test: 2 (2 rows)",
        "    train lines 7, test lines 3, other answer: top up",
        "answers under several ids: 1 (of 3 training questions)",
        "entries: 5",
        "  languages: en 4, zh 1",
        "  without a training question: 1",
    ):
        assert line in text.split("\n"), line
    assert "the longest 12; 2 (40.0%) are cut at 10" in text


def test_the_text_stays_short_and_plain():
    """Of many findings a few are shown, the others counted; control characters aren't."""
    bad = "\x1b[2J" + "x" * 5000
    known = examples([bad, "b", "c", "d", "e"] * 2, ["1", "2", "3", "4", "5"] * 2)
    text = str(audit(known))
    assert "  duplicate questions: 5 (10 rows)" in text
    assert "    and 2 more" in text
    assert len(text) < 2000
    assert all(line.isprintable() for line in text.split("\n"))


def test_banking77_in_its_own_folder(pytestconfig):
    """The counts of the bundled data, counted in another way."""
    folder = pytestconfig.rootpath / "data" / "banking77"
    train = read_examples(folder / "train.csv", "text", "category")
    test = read_examples(folder / "test.csv", "text", "category", entries=train.entries)
    found = audit(train, test)
    plain = [" ".join(question.lower().split()) for question in train.questions]
    repeated = found.sources["train"].duplicates + found.sources["train"].contradictions
    extra = sum(len(r.lines) - 1 for r in repeated)
    assert extra == len(plain) - len(set(plain))
    both = set(plain) & {" ".join(question.lower().split()) for question in test.questions}
    assert len(found.leaks) == len(both)


def test_the_debian_faq_is_chinese():
    """All answers have Chinese characters, and none is there twice."""
    path = shared_data("faq_docs") / "debian_faq.zh.tsv"
    found = audit(read_faq(path, names=["id", "question", "answer"]))
    assert set(found.answers.scripts) == {"Han", "Han + Latin"}
    assert sum(found.answers.scripts.values()) == 145
    assert found.shared_answers == []
