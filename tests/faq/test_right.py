"""Questions with several right answers, and those that are held out."""

import numpy as np

from losslayer.faq import Entry, Examples
from losslayer.faq.right import FEWEST, all_right, held_out
from losslayer.text import normalised

QUESTIONS = [
    "Is it free?",
    "Where?",
    "is it  FREE？",
    "Who?",
    "Is it free?",
    "where?",
    "Is it free?",
]


def test_all_right_against_a_loop():
    """A question's answers are those of all rows with its text; the row's own is the first."""
    right = np.array([4, 0, 9, 3, 4, 0, 1])
    found = all_right(QUESTIONS, right)
    assert found.shape == (7, 3)
    for row, question in enumerate(QUESTIONS):
        expected = {
            int(right[other])
            for other in range(7)
            if normalised(QUESTIONS[other]) == normalised(question)
        }
        assert found[row, 0] == right[row]
        assert set(found[row].tolist()) == expected
    assert all_right([], np.zeros(0, int)).shape == (0, 1)


def questions(count):
    """Each of them twice, with two entries."""
    texts = [f"question {number}" for number in range(count)] * 2
    right = np.arange(2 * count) % 7
    return Examples(texts, right, [Entry(str(n), str(n)) for n in range(7)])


def test_held_out_questions_are_in_no_training_row():
    """The share counts questions; all rows of one are on one side, and nothing is lost."""
    examples = questions(300)
    train, dev = held_out(examples, 0.1, seed=0)
    assert len(dev) == 60
    assert set(train.questions) & set(dev.questions) == set()
    rows = zip([*train.questions, *dev.questions], [*train.right, *dev.right], strict=True)
    assert sorted(rows) == sorted(zip(examples.questions, examples.right, strict=True))
    assert train.entries == dev.entries == examples.entries
    again, other = held_out(examples, 0.1, seed=0)[1], held_out(examples, 0.1, seed=1)[1]
    assert again.questions == dev.questions != other.questions


def test_too_few_are_not_held_out():
    """Below the fewest none are."""
    train, dev = held_out(questions(10 * FEWEST), 0.1, seed=0)
    assert (len(train), len(dev)) == (18 * FEWEST, 2 * FEWEST)
    few = questions(10 * (FEWEST - 1))
    train, dev = held_out(few, 0.1, seed=0)
    assert (train, dev) == (few, None)
