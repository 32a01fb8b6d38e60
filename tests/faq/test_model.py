"""The network: what padding may do to it (nothing), and what is trained."""

import dataclasses

import keras
import numpy as np
import pytest

import losslayer as ll
from losslayer.faq.encoders import ENCODERS, SHARPNESS
from losslayer.faq.model import build
from losslayer.faq.pooling import masked_max

TOKENS = np.array([[5, 6, 7, 0], [8, 9, 0, 0], [3, 3, 3, 3]], "int32")


def numpy_of(tensor):
    return keras.ops.convert_to_numpy(tensor)


def unit(model, tokens):
    vectors = numpy_of(model(tokens, training=False))
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_masked_max_against_numpy():
    """The largest of what counts, although what doesn't is larger."""
    generator = np.random.default_rng(0)
    values = generator.normal(size=(6, 5, 4)).astype("float32")
    mask = np.arange(5) < generator.integers(1, 6, 6)[:, None]
    values[~mask] = 100.0
    expected = np.stack([row[counts].max(axis=0) for row, counts in zip(values, mask, strict=True)])
    np.testing.assert_array_equal(numpy_of(masked_max(values, mask)), expected)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_masked_max_of_nothing_is_finite(dtype):
    """A row without any step that counts is no infinity and no NaN, in half precision too."""
    values = keras.ops.ones((1, 2, 3), dtype)
    found = keras.ops.cast(masked_max(values, np.zeros((1, 2), "bool")), "float32")
    assert np.isfinite(numpy_of(found)).all()


@pytest.mark.parametrize("name", ENCODERS)
def test_padding_changes_no_vector(small, name):
    """More padding, the same vectors: no encoder reads it, and it never wins a maximum."""
    encoder = ENCODERS[name](20, small)
    padded = np.pad(TOKENS, ((0, 0), (0, 9)))
    short, long = (numpy_of(encoder(tokens, training=False)) for tokens in (TOKENS, padded))
    assert short.shape == (3, 2 * small.units)
    np.testing.assert_allclose(short, long, rtol=1e-5, atol=1e-6)
    assert np.abs(short[0] - short[1]).max() > 1e-3  # and a text does change it
    nothing = numpy_of(encoder(np.zeros((1, 4), "int32"), training=False))
    assert np.isfinite(nothing).all()


def test_bag_against_numpy(small):
    """The mean of the embeddings, weighted by the token's own weight and by that of its place."""
    encoder = ENCODERS["bag"](20, small)
    generator = np.random.default_rng(0)
    for weight in encoder.weights:
        weight.assign(generator.normal(size=weight.shape))
    words, word_weights, place_weights = (
        numpy_of(encoder.get_layer(name).embeddings)
        for name in ("words", "word_weights", "place_weights")
    )
    for tokens, found in zip(TOKENS, numpy_of(encoder(TOKENS, training=False)), strict=True):
        total, shares = 0.0, 0.0
        for place, token in enumerate(tokens[tokens != 0]):
            share = np.exp(SHARPNESS * (word_weights[token, 0] + place_weights[place, 0]))
            total, shares = total + share * words[token], shares + share
        np.testing.assert_allclose(found, total / shares, rtol=1e-4, atol=1e-5)


def test_bag_cnn_reads_the_words_of_all_tokens_and_windows_of_the_first(small, monkeypatch):
    """Its first half is `bag`'s, of length 1; the other sees the first tokens only."""
    monkeypatch.setattr("losslayer.faq.encoders.BEGINNING", 2)
    encoder = ENCODERS["bag-cnn"](20, small)
    bag = ENCODERS["bag"](20, dataclasses.replace(small, units=small.units // 2))
    for layer in bag.layers:
        layer.set_weights(encoder.get_layer(layer.name).get_weights() if layer.weights else [])
    vectors = numpy_of(encoder(TOKENS, training=False))
    words, windows = np.split(vectors, 2, axis=1)
    np.testing.assert_allclose(words, unit(bag, TOKENS), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(windows, axis=1), 1, rtol=1e-5)
    other = np.where(np.arange(4) < 2, TOKENS, 9).astype("int32")
    np.testing.assert_allclose(
        numpy_of(encoder(other, training=False))[:, small.units :], windows, rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize("name", ENCODERS)
def test_encoders_start_from_the_seed_alone(small, name):
    """Two of them have the same weights."""
    first, second = (ENCODERS[name](20, small).get_weights() for _ in range(2))
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, other)


def test_unknown_names(small):
    """The names that there are, before anything is built."""
    with pytest.raises(ll.ArgumentError, match="`encoder` must be one of.*'cnn'.*'rnn'"):
        build(20, dataclasses.replace(small, encoder="rnn"))
    with pytest.raises(ll.ArgumentError, match="`objective` must be one of.*'both'.*'all'"):
        dataclasses.replace(small, objective="all")
    for name, value in (
        ("negatives", "refresh:0"),
        ("negatives", "hard"),
        ("hold_out", 1.0),
        ("patience", 0),
        ("longest_answer", 0),
    ):
        with pytest.raises(ll.ArgumentError, match=rf"`{name}` must .*Received: {name}={value!r}"):
            dataclasses.replace(small, **{name: value})
    with pytest.raises(ll.ArgumentError, match="`negatives` must give each question a wrong title"):
        dataclasses.replace(small, negatives="in-batch", objective="triplet")


def test_objectives_are_named_terms(small):
    """In-batch: the cross entropy among all titles that are not right for a question, by hand.

    7, a wrong title of the second, is right for the first; so is 9, which none of them has.
    """
    settings = dataclasses.replace(small, objective="both", temperature=0.5)
    models = build(20, settings)
    models.training.compile("sgd")
    right_text = np.array([[4, 7, 9], [5, 5, 5], [4, 4, 4]], "int32")
    wrong_text = np.array([5, 7, 6], "int32")
    batch = {"question": TOKENS, "right": TOKENS[[1, 2, 1]], "wrong": TOKENS[[2, 0, 0]]}
    batch |= {"right_text": right_text, "wrong_text": wrong_text}
    logs = models.training.evaluate(batch, return_dict=True, verbose=0)
    asked, right, wrong = (
        unit(model, batch[name])
        for model, name in (
            (models.question, "question"),
            (models.answer, "right"),
            (models.answer, "wrong"),
        )
    )
    values = []
    for row in range(3):
        scores = [asked[row] @ right[row] / 0.5]
        for vectors, entries in ((right, right_text[:, 0]), (wrong, wrong_text)):
            scores += [
                asked[row] @ vector / 0.5
                for vector, entry in zip(vectors, entries)
                if entry not in right_text[row]
            ]
        values.append(np.log(np.sum(np.exp(scores))) - scores[0])
    assert logs["in_batch"] == pytest.approx(np.mean(values), rel=1e-5)
    assert logs["loss"] == pytest.approx(logs["in_batch"] + logs["triplet"], rel=1e-5)


def test_negatives_of_the_batch_alone(small):
    """Without wrong titles: the cross entropy among the right titles of others, by hand."""
    settings = dataclasses.replace(small, negatives="in-batch", temperature=0.5)
    models = build(20, settings)
    models.training.compile("sgd")
    right_text = np.array([[4, 7], [5, 5], [7, 7]], "int32")
    batch = {"question": TOKENS, "right": TOKENS[[1, 2, 0]], "right_text": right_text}
    logs = models.training.evaluate(batch, return_dict=True, verbose=0)
    scores = unit(models.question, TOKENS) @ unit(models.answer, batch["right"]).T / 0.5
    scores[[0, 2], [2, 0]] = -np.inf  # the third's is right for the first
    expected = np.log(np.exp(scores).sum(axis=1)) - np.diag(scores)
    assert logs["loss"] == pytest.approx(expected.mean(), rel=1e-5)
    assert set(logs) == {"loss", "in_batch"}


def test_first_weights_depend_on_the_seed_alone(small):
    """Two builds agree, and the two directions of the LSTM don't start alike."""
    first, second = (build(20, small).training.get_weights() for _ in range(2))
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, other)
    kernels = [weight for weight in first if weight.shape == (16, 32)]
    assert len(kernels) == 2
    assert not np.allclose(*kernels)


def test_the_loss_by_hand(small):
    """The named loss is relu(margin + cos(question, wrong) - cos(question, right))."""
    models = build(20, dataclasses.replace(small, objective="triplet"))
    models.training.compile("sgd")
    question, right, wrong = TOKENS, TOKENS[[1, 2, 0]], TOKENS[[2, 0, 1]]
    batch = {"question": question, "right": right, "wrong": wrong}
    logs = models.training.evaluate(batch, return_dict=True, verbose=0)

    asked = unit(models.question, question)
    nearness = [(asked * unit(models.answer, tokens)).sum(axis=1) for tokens in (right, wrong)]
    values = np.maximum(0, small.margin + nearness[1] - nearness[0])
    assert logs["triplet"] == pytest.approx(values.mean(), rel=1e-4)
    assert logs["loss"] == pytest.approx(logs["triplet"], rel=1e-6)
    assert logs["in_order"] == pytest.approx((nearness[0] > nearness[1]).mean())


def test_question_and_answer_share_all_but_the_dense(small):
    """The encoders are made of the same layers: only `ask` belongs to questions alone."""
    models = build(20, small)
    shared = {id(variable) for variable in models.answer.variables}
    own = [v for v in models.question.trainable_variables if id(v) not in shared]
    assert sorted(variable.path for variable in own) == ["ask/bias", "ask/kernel"]
