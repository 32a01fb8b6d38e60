"""The learning rate over the steps, against its formulas."""

import keras
import numpy as np
import pytest

from losslayer.seq2seq import TrainingSettings
from losslayer.seq2seq.schedules import optimizer, schedule


def rates(settings, steps):
    rate = schedule(settings, steps)
    return np.array([float(keras.ops.convert_to_numpy(rate(step))) for step in range(steps)])


def test_inverse_square_root():
    """A line, then down with the root; with the highest rate at the end of the warm-up."""
    settings = TrainingSettings(learning_rate=0.5, warmup_steps=4, schedule="inverse_sqrt")
    expected = [0.5 * min(step / 4, (4 / step) ** 0.5) for step in range(1, 21)]
    np.testing.assert_allclose(rates(settings, 20), expected, rtol=1e-6)
    rate = schedule(settings, 20)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(rate))
    assert again.get_config() == rate.get_config()


@pytest.mark.parametrize("warm", [0, 5])
def test_cosine(warm):
    """A line up, half a cosine down to zero at the last step."""
    settings = TrainingSettings(learning_rate=0.5, warmup_steps=warm, schedule="cosine")
    expected = [
        0.5 * step / warm
        if step < warm
        else 0.25 * (1 + np.cos(np.pi * (step - warm) / (20 - warm)))
        for step in range(20)
    ]
    np.testing.assert_allclose(rates(settings, 20), expected, atol=1e-6)


def test_constant():
    """A line up, and then the same."""
    settings = TrainingSettings(learning_rate=0.5, warmup_steps=5, schedule="constant")
    np.testing.assert_allclose(
        rates(settings, 9), [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.5, 0.5, 0.5], atol=1e-6
    )
    assert schedule(TrainingSettings(warmup_steps=0, schedule="constant"), 9) == 1e-3


def test_a_warmup_longer_than_the_training():
    """It ends with the training, rather than beyond it."""
    for name in ("cosine", "inverse_sqrt", "constant"):
        settings = TrainingSettings(warmup_steps=200, schedule=name)
        assert 0 < rates(settings, 10).max() <= 1e-3 * (1 + 1e-6)


def test_weights_decay_where_that_is_asked_for():
    """AdamW then, Adam otherwise; 0 clips nothing."""
    assert optimizer(TrainingSettings(weight_decay=0.01), 10).weight_decay == 0.01
    plain = optimizer(TrainingSettings(clip_norm=0), 10)
    assert plain.weight_decay is None
    assert plain.global_clipnorm is None
