"""What is in the data, before anything is trained on them."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from losslayer.faq.entries import Examples
from losslayer.faq.profile import Texts, profile
from losslayer.text import Problem, Tokenizer, text_ids
from losslayer_serve.index import Entry


@dataclass(frozen=True)
class Repeated:
    """A question that several rows ask, and the entries that they name."""

    question: str
    lines: list[int]
    ids: list[str]


@dataclass(frozen=True)
class Shared:
    """An answer that several entries have, and how many questions have one of these as theirs."""

    answer: str
    ids: list[str]
    questions: int


@dataclass(frozen=True)
class Leak:
    """A question of the training that the test asks too; whether with the same answers."""

    question: str
    train_lines: list[int]
    test_lines: list[int]
    same_answer: bool


@dataclass(frozen=True)
class Source:
    """The rows of one table: those dropped, and what the others say twice.

    A duplicate is a question that comes again with the same answer; a contradiction one that comes
    with different answers.
    """

    file: str
    rows: int
    dropped: list[Problem]
    duplicates: list[Repeated]
    contradictions: list[Repeated]
    questions: Texts


@dataclass(frozen=True)
class Audit:
    """What `audit` found; all of it, whatever `str(...)` leaves out.

    Texts are the same if their `losslayer.text.normalised` forms are.

    Attributes:
        sources: What is in the tables, by name: `faq`, `train`, `test`.
        leaks: Questions that training and test share.
        shared_answers: Answers under several ids: each is a wrong negative for the others'
            questions, unless texts are compared, not ids.
        unasked: Ids of the entries that no training question has.
        answers: Lengths and scripts of the answers; of the titles where there are none.
        languages: For each language that the table names, the number of entries.
        unit: What lengths count: `tokens` or `characters`.
    """

    sources: dict[str, Source]
    leaks: list[Leak]
    shared_answers: list[Shared]
    unasked: list[str]
    answers: Texts
    languages: dict[str, int]
    unit: str

    def as_dict(self) -> dict[str, Any]:
        """All of it as what `json.dumps` takes."""
        content = asdict(self)
        for name, source in self.sources.items():
            content["sources"][name]["dropped"] = [row._asdict() for row in source.dropped]
        return content

    def __str__(self) -> str:
        """The figures, each with a few of the places, for a terminal."""
        from losslayer.faq.audit_text import written

        return written(self)


def audit(
    train: Examples,
    test: Examples | None = None,
    faq: Examples | None = None,
    tokenizer: Tokenizer | None = None,
    longest: int | None = None,
) -> Audit:
    """Look for what spoils a training or its measures.

    Args:
        train: The questions to train on.
        test: Those to measure with, on the same entries.
        faq: The FAQ itself, where `train` are questions of users.
        tokenizer: With it lengths are in tokens, else in characters.
        longest: The length at which the model cuts texts, in that unit.
    """
    named = {"faq": faq, "train": train, "test": test}
    given = {name: examples for name, examples in named.items() if examples is not None}
    answers = text_ids(entry.encoded for entry in train.entries)
    questions = np.bincount(train.right, minlength=len(train.entries))
    shared = [
        Shared(
            train.entries[places[0]].encoded,
            [train.entries[place].id for place in places],
            int(questions[places].sum()),
        )
        for places in _same(answers)
    ]
    asked = set(train.right.tolist())
    return Audit(
        sources={
            name: _source(examples, answers, tokenizer, longest) for name, examples in given.items()
        },
        leaks=_leaks(train, test, answers) if test is not None else [],
        shared_answers=shared,
        unasked=[entry.id for place, entry in enumerate(train.entries) if place not in asked],
        answers=profile([entry.encoded for entry in train.entries], tokenizer, longest),
        languages=dict(Counter(entry.language for entry in train.entries if entry.language)),
        unit="characters" if tokenizer is None else "tokens",
    )


def _same(ids: np.ndarray) -> list[list[int]]:
    """The places of equal numbers, for each that comes several times."""
    places = defaultdict(list)
    for place, number in enumerate(ids.tolist()):
        places[number].append(place)
    return [found for found in places.values() if len(found) > 1]


def _lines(examples: Examples) -> Sequence[int]:
    """Where each question begins; its number, from 1, if it came from no table."""
    return examples.table.lines if examples.table else range(1, len(examples) + 1)


def _ids(entries: Sequence[Entry], places: Iterable[int]) -> list[str]:
    return list(dict.fromkeys(entries[place].id for place in places))


def _source(
    examples: Examples, answers: np.ndarray, tokenizer: Tokenizer | None, longest: int | None
) -> Source:
    lines = _lines(examples)
    duplicates: list[Repeated] = []
    contradictions: list[Repeated] = []
    for rows in _same(text_ids(examples.questions)):
        right = examples.right[rows].tolist()
        found = duplicates if len(set(answers[right])) == 1 else contradictions
        found.append(
            Repeated(
                examples.questions[rows[0]],
                [lines[row] for row in rows],
                _ids(examples.entries, right),
            )
        )
    table = examples.table
    return Source(
        file=str(table.path) if table else "",
        rows=len(examples),
        dropped=table.dropped if table else [],
        duplicates=duplicates,
        contradictions=contradictions,
        questions=profile(examples.questions, tokenizer, longest),
    )


def _leaks(train: Examples, test: Examples, answers: np.ndarray) -> list[Leak]:
    ids = text_ids([*train.questions, *test.questions])
    trained, tested = defaultdict(list), defaultdict(list)
    for row, number in enumerate(ids[: len(train)].tolist()):
        trained[number].append(row)
    for row, number in enumerate(ids[len(train) :].tolist()):
        if number in trained:
            tested[number].append(row)
    train_lines, test_lines = _lines(train), _lines(test)
    return [
        Leak(
            test.questions[rows[0]],
            [train_lines[row] for row in trained[number]],
            [test_lines[row] for row in rows],
            set(answers[train.right[trained[number]]]) == set(answers[test.right[rows]]),
        )
        for number, rows in tested.items()
    ]
