"""Triplets: shapes, and the curriculum of wrong titles."""

import dataclasses

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
    for name in ("right", "wrong"):
        numbers = batch[f"{name}_text"]
        assert numbers.dtype == "int32"
        np.testing.assert_array_equal(numbers + 2, batch[name][:, 0])


@pytest.mark.parametrize("scores", [None, np.tile(np.arange(ENTRIES, dtype="float32"), (100, 1))])
def test_the_same_text_is_never_wrong(small, scores):
    """Entries 0, 4 and 8 have one text, and 1 and 5 another: compared are texts, not entries."""
    texts = np.array([0, 1, 2, 3, 0, 1, 4, 5, 0])
    right = np.random.default_rng(0).integers(0, ENTRIES, 100)
    titles = np.full((ENTRIES, 8), 2, "int32")
    settings = dataclasses.replace(small, objective="in-batch", batch_size=10, nearest=8)
    triplets = Triplets([[7]] * 100, right, titles, settings, texts)
    for start in range(5):
        triplets.begin(start, scores)
        assert (texts[triplets.wrong] != texts[right]).all()
    assert set(texts[triplets.wrong]) == set(range(6))
    (batch,) = triplets[0]
    np.testing.assert_array_equal(batch["right_text"], texts[right[triplets.batches[0]]])
    with pytest.raises(ll.ArgumentError, match="two different texts"):
        Triplets([[7]], right[:1], titles[:3], settings, np.zeros(3, int))


def test_later_wrong_titles_are_the_nearest_wrong_ones(triplets):
    """With scores, a wrong title is one of the `nearest` best, and all of these occur."""
    scores = np.tile(np.arange(ENTRIES, dtype="float32"), (100, 1))
    triplets.begin(5, scores)
    last, before, third = ENTRIES - 1, ENTRIES - 2, ENTRIES - 3
    for right, wrong in zip(triplets.right, triplets.wrong, strict=True):
        allowed = {last, before, third} - {right}
        assert wrong in (allowed if right in (last, before) else {last, before})
    assert {last, before} <= set(triplets.wrong)
    np.testing.assert_array_equal(scores, np.tile(np.arange(ENTRIES), (100, 1)))


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
    """Wrong titles that came from scores are there again without them."""
    generator = np.random.default_rng(1)
    triplets.begin(3, generator.normal(size=(100, ENTRIES)))
    drawn, state = epoch(triplets)[0], triplets.get_state()
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
    """With two entries the wrong title is the other one, whatever the scores."""
    right = np.array([0, 1, 1])
    triplets = Triplets([[2], [3], [4]], right, np.array([[2], [3]], "int32"), small)
    assert (triplets.wrong == 1 - right).all()
    triplets.begin(3, np.zeros((3, 2), "float32"))
    assert (triplets.wrong == 1 - right).all()
