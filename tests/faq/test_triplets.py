"""Triplets: shapes, and the curriculum of wrong titles."""

import dataclasses

import keras
import numpy as np
import pytest

import losslayer as ll
from losslayer.faq.triplets import Triplets

ENTRIES = 9


@pytest.fixture
def triplets(small):
    generator = np.random.default_rng(0)
    questions = [[7] * length for length in generator.integers(1, 30, 100)]
    right = generator.integers(0, ENTRIES, 100)
    # The title of entry n is the one token n + 2, so that a batch says what it holds.
    titles = np.pad(np.arange(ENTRIES)[:, None] + 2, ((0, 0), (0, 7))).astype("int32")
    settings = dataclasses.replace(small, objective="triplet", batch_size=8, nearest=2, longest=24)
    return Triplets(questions, right, titles, settings)


def epoch(triplets):
    """The batches of an epoch, put together by input."""
    batches = [triplets[number][0] for number in range(len(triplets))]
    return {
        name: np.concatenate([batch[name][:, 0] for batch in batches]) for name in batches[0]
    }, {batch["question"].shape for batch in batches}


def test_shapes_are_few_and_wrong_is_never_right(triplets):
    """Batches are full, `time` is a multiple of 16 up to the longest, wrong is never right."""
    drawn, shapes = epoch(triplets)
    assert shapes <= {(8, 16), (8, 24)}
    assert len(triplets) == 12
    assert (drawn["wrong"] != drawn["right"]).all()
    assert set(drawn["wrong"] - 2) == set(range(ENTRIES))


def test_numbers_of_texts_come_along(triplets):
    """Where titles of one batch are compared, it says which of them have the same text."""
    triplets.settings = dataclasses.replace(triplets.settings, objective="in-batch")
    (batch,) = triplets[0]
    assert batch["right_text"].dtype == batch["wrong_text"].dtype == "int32"
    np.testing.assert_array_equal(batch["right_text"] + 2, batch["right"][:, :1])
    np.testing.assert_array_equal(batch["wrong_text"] + 2, batch["wrong"][:, 0])


@pytest.mark.parametrize("near", [False, True])
def test_the_same_text_is_never_wrong(small, near):
    """Entries 0, 4 and 8 have one text, and 1 and 5 another: compared are texts, not entries."""
    texts = np.array([0, 1, 2, 3, 0, 1, 4, 5, 0])
    right = np.random.default_rng(0).integers(0, ENTRIES, 100)
    titles = np.full((ENTRIES, 8), 2, "int32")
    settings = dataclasses.replace(small, objective="in-batch", batch_size=10, nearest=8)
    triplets = Triplets([[7]] * 100, right, titles, settings, texts)
    if near:
        others = [[text for text in range(6) if text != texts[entry]] for entry in right]
        triplets.near = np.array(others, "int32")
    for start in range(5):
        triplets.begin(start)
        assert (texts[triplets.wrong] != texts[right]).all()
    assert set(texts[triplets.wrong]) == set(range(6))
    (batch,) = triplets[0]
    np.testing.assert_array_equal(batch["right_text"][:, 0], texts[right[triplets.batches[0]]])
    with pytest.raises(ll.ArgumentError, match="two different texts"):
        Triplets([[7]], right[:1], titles[:3], settings, np.zeros(3, int))


def test_what_is_right_in_another_row_is_never_wrong(small):
    """With three of nine right for each question, the wrong ones are the other six."""
    right = np.array([4, 7, 1] * 40)
    right_texts = np.array([[4, 7, 1], [7, 1, 4], [1, 4, 7]] * 40)
    settings = dataclasses.replace(small, batch_size=10)
    triplets = Triplets([[7]] * 120, right, [[2]] * 9, settings, right_texts=right_texts)
    assert set(triplets.wrong) == {0, 2, 3, 5, 6, 8}
    (batch,) = triplets[0]
    np.testing.assert_array_equal(batch["right_text"], right_texts[triplets.batches[0]])
    right_texts = np.array([[0, 1, 1], [1, 2, 0]])
    with pytest.raises(ll.ArgumentError, match="question number 1, from 0, for which all 3"):
        Triplets([[7]] * 2, np.array([0, 1]), [[2]] * 3, settings, right_texts=right_texts)


def test_later_wrong_titles_are_near_ones(triplets):
    """They are drawn from `near`, and all of them occur; without any it is one of all."""
    near = np.tile([8, 7, 6, -1], (100, 1)).astype("int32")
    near[triplets.right >= 6] = [5, -1, -1, -1]
    near[0] = -1
    triplets.near = near
    drawn = set()
    for number in range(20):
        triplets.begin(number)
        drawn.add(int(triplets.wrong[0]))
        assert (triplets.wrong[1:][triplets.right[1:] >= 6] == 5).all()
        assert set(triplets.wrong[1:][triplets.right[1:] < 6]) == {6, 7, 8}
    assert drawn == set(range(ENTRIES)) - {int(triplets.right[0])}


def test_long_titles_have_few_lengths(small):
    """Titles of similar length share a batch, at most four padded lengths; each is cut once."""
    generator = np.random.default_rng(3)
    titles = [[5] * length for length in generator.integers(1, 150, 200)]
    settings = dataclasses.replace(small, batch_size=16, longest_answer=100, negatives="in-batch")
    triplets = Triplets([[7]] * 200, np.arange(200), titles, settings)
    batches = [triplets[number][0] for number in range(len(triplets))]
    assert {"wrong", "wrong_text"} & set(batches[0]) == set()
    # The first may be padded more, as below.
    times = {batch["right"].shape[1] for batch in batches[1:]}
    assert max(times) == 100
    assert 2 <= len(times) <= 4
    read = sum(np.count_nonzero(batch["right"]) for batch in batches)
    rows = np.concatenate(triplets.batches)
    assert read == sum(min(len(titles[row]), 100) for row in rows)
    assert read > 0.7 * sum(batch["right"].size for batch in batches)


@pytest.mark.skipif(keras.config.backend() != "tensorflow", reason="fixes what two have in common")
def test_the_first_two_batches_differ(triplets):
    """In both padded lengths, whatever they hold."""
    first, second = (triplets[number][0] for number in range(2))
    for name in ("question", "right"):
        assert first[name].shape[1] != second[name].shape[1]


def test_epochs_differ_and_repeat(triplets):
    """Each epoch is drawn anew, and the seed and its number give it again."""
    first, _ = epoch(triplets)
    triplets.begin(1)
    second, _ = epoch(triplets)
    triplets.begin(0)
    again, _ = epoch(triplets)
    np.testing.assert_array_equal(first["wrong"], again["wrong"])
    assert (first["wrong"] != second["wrong"]).any()


def test_state_brings_an_epoch_back(triplets):
    """Wrong titles that were drawn from near ones are there again."""
    triplets.near = np.random.default_rng(1).integers(0, ENTRIES, (100, 4)).astype("int32")
    triplets.begin(3)
    drawn, state = epoch(triplets)[0], triplets.get_state()
    triplets.near = None
    triplets.begin(0)
    triplets.set_state(state)
    for name, values in epoch(triplets)[0].items():
        np.testing.assert_array_equal(values, drawn[name])


def test_word_dropout_hides_tokens_but_no_padding(triplets):
    """About that share of the tokens become unknown, others each epoch; padding stays."""
    triplets.settings = dataclasses.replace(triplets.settings, word_dropout=0.25)
    questions = [triplets[number][0]["question"] for number in range(len(triplets))]
    tokens = np.concatenate([question[question > 0] for question in questions])
    assert set(tokens) == {1, 7}
    assert 0.2 < np.mean(tokens == 1) < 0.3
    again = [triplets[number][0]["question"] for number in range(len(triplets))]
    for one, other in zip(questions, again, strict=True):
        np.testing.assert_array_equal(one, other)
    lengths = sorted(np.count_nonzero(question, axis=1).tolist() for question in questions)
    triplets.settings = dataclasses.replace(triplets.settings, word_dropout=0.0)
    questions = [triplets[number][0]["question"] for number in range(len(triplets))]
    assert {7} == set(np.concatenate([question[question > 0] for question in questions]))
    assert lengths == sorted(np.count_nonzero(q, axis=1).tolist() for q in questions)


def test_two_entries_are_enough(small):
    """With two entries the wrong title is the other one."""
    right = np.array([0, 1, 1])
    triplets = Triplets([[2], [3], [4]], right, np.array([[2], [3]], "int32"), small)
    assert (triplets.wrong == 1 - right).all()
