"""The network: what padding may do to it (nothing), and what is trained."""

import keras
import numpy as np
import pytest

from losslayer.faq.model import bilstm_maxpool, build, masked_max

TOKENS = np.array([[5, 6, 7, 0], [8, 9, 0, 0], [3, 3, 3, 3]], "int32")


def numpy_of(tensor):
    return keras.ops.convert_to_numpy(tensor)


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


def test_padding_changes_no_vector(small):
    """More padding, the same vectors: neither LSTM starts in it, and it never wins the maximum."""
    encoder = bilstm_maxpool(20, small)
    padded = np.pad(TOKENS, ((0, 0), (0, 9)))
    short, long = (numpy_of(encoder(tokens, training=False)) for tokens in (TOKENS, padded))
    assert short.shape == (3, 2 * small.units)
    np.testing.assert_allclose(short, long, rtol=1e-5, atol=1e-6)


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
    models = build(20, small)
    models.training.compile("sgd")
    question, right, wrong = TOKENS, TOKENS[[1, 2, 0]], TOKENS[[2, 0, 1]]
    batch = {"question": question, "right": right, "wrong": wrong}
    logs = models.training.evaluate(batch, return_dict=True, verbose=0)

    def unit(model, tokens):
        vectors = numpy_of(model(tokens, training=False))
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    asked = unit(models.question, question)
    nearness = [(asked * unit(models.answer, tokens)).sum(axis=1) for tokens in (right, wrong)]
    values = np.maximum(0, small.margin + nearness[1] - nearness[0])
    assert logs["triplet"] == pytest.approx(values.mean(), rel=1e-4)
    assert logs["loss"] == pytest.approx(logs["triplet"], rel=1e-6)
    assert logs["in_order"] == pytest.approx((nearness[0] > nearness[1]).mean())


def test_question_and_answer_share_all_but_the_dense(small):
    """The encoders are cut out of one graph: only `ask` belongs to questions alone."""
    models = build(20, small)
    shared = {id(variable) for variable in models.answer.variables}
    own = [v for v in models.question.trainable_variables if id(v) not in shared]
    assert sorted(variable.path for variable in own) == ["ask/bias", "ask/kernel"]
