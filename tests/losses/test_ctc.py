"""CTC: what its lengths mean, in graphs of unknown sizes, and data that don't fit."""

import keras
import numpy as np
import pytest
from keras import ops

import losslayer as ll
from losslayer.testing.subject import Subject

LOGITS = np.random.default_rng(0).normal(size=(4, 6, 4)).astype("float32")
LABELS = np.array([[1, 2, 3], [2, 2, 2], [1, 1, 0], [3, 0, 0]], "int32")
FRAMES, LENGTHS = np.array([6, 4, 3, 0], "int32"), np.array([3, 3, 2, 1], "int32")


def run(layer, *arrays, **weights):
    """Values and weights as NumPy."""
    return [ops.convert_to_numpy(part) for part in layer(*arrays, **weights)]


def test_without_an_alignment_it_does_not_count():
    """Three equal labels need five frames, two three: one with fewer has weight 0."""
    values, weights = run(ll.losses.CTC(), LOGITS, LABELS, FRAMES, LENGTHS)
    assert weights.tolist() == [1, 0, 1, 0]
    assert values[[1, 3]].tolist() == [0, 0]
    assert (values[[0, 2]] > 0).all()
    more = np.array([6, 5, 2, 1], "int32")
    weights = run(ll.losses.CTC(), LOGITS, LABELS, more, LENGTHS, sample_weight=[2, 3, 4, 5])[1]
    assert weights.tolist() == [2, 3, 0, 5]


def test_beyond_the_lengths_nothing_is_read():
    """NaN in frames and any number in labels there change neither value nor gradient."""
    names = ("logits", "labels", "logit_lengths", "label_lengths")
    subject = Subject(ll.losses.CTC(), dict(zip(names, (LOGITS, LABELS, FRAMES, LENGTHS))))
    logits = np.where(np.arange(6)[:, None] < FRAMES[:, None, None], LOGITS, np.float32("nan"))
    labels = np.where(np.arange(3) < LENGTHS[:, None], LABELS, -7).astype("int32")
    spoiled = {**subject.arrays, "logits": logits, "labels": labels}
    np.testing.assert_array_equal(subject.run(spoiled)[0], subject.run()[0])
    slopes = subject.gradient()["logits"]
    np.testing.assert_array_equal(subject.gradient(spoiled)["logits"], slopes)
    assert not slopes[[1, 3]].any()
    assert not slopes[2, 3:].any()


def recogniser():
    """A model of frames of any number, with a mask of Keras's own attached to the logits."""
    frames = keras.Input((None, 4), name="frames")
    labels = keras.Input((None,), dtype="int32", name="labels")
    lengths = [keras.Input((), dtype="int32", name=n) for n in ("frame_count", "label_count")]
    hidden = keras.layers.Masking(-1.0)(frames)
    logits = keras.layers.Dense(4, kernel_initializer="identity")(hidden)
    model = ll.Model([frames, labels, *lengths], logits)
    model.add_loss(ll.losses.CTC(name="ctc")(logits, labels, *lengths), name="ctc")
    return model


def data():
    """Inputs of the model by name: all rows have an alignment."""
    counts = {"frame_count": np.array([6, 5, 3, 1]), "label_count": LENGTHS.copy()}
    return {"frames": LOGITS.copy(), "labels": LABELS.copy(), **counts}


def test_in_a_model_of_unknown_sizes():
    """It trains, and `evaluate` gives the same number for any batches and padding."""
    model = recogniser()
    model.compile(keras.optimizers.SGD(0.1), microbatch_size=2)
    expected = run(ll.losses.CTC(), *data().values())[0].mean()

    def evaluated(arrays, size):
        return model.evaluate(arrays, batch_size=size, verbose=0, return_dict=True)["ctc"]

    assert evaluated(data(), 4) == pytest.approx(expected, rel=1e-5)
    wide = data()
    wide["frames"] = np.pad(wide["frames"], ((0, 0), (0, 3), (0, 0)), constant_values=-1)
    wide["labels"] = np.pad(wide["labels"], ((0, 0), (0, 2)), constant_values=-1)
    assert evaluated(wide, 3) == pytest.approx(expected, rel=1e-5)
    losses = model.fit(wide, batch_size=4, epochs=3, verbose=0).history["loss"]
    assert losses == sorted(losses, reverse=True)


@pytest.mark.parametrize(
    ("name", "row", "value", "message"),
    [
        ("frame_count", 1, 7, r"'frame_count' must hold ids from 0 to 6, for the frames of .*ctc"),
        ("label_count", 2, 4, r"'label_count' must hold ids from 0 to 3, for the labels of .*ctc"),
        ("labels", 0, (1, 4, 1), r"'labels' must hold ids from 0 to 3 without 0, for the classes"),
        ("labels", 0, (1, 2, 0), r"without 0, .*Received: 0 in row 0 of the batch, at position 2"),
    ],
)
def test_what_does_not_fit_is_named(name, row, value, message):
    """A length beyond its array, a label beyond the classes, a blank as a label: before a step."""
    model, wrong = recogniser(), data()
    model.compile("sgd")
    wrong[name][row] = value
    with pytest.raises(ll.DataError, match=message):
        model.fit(wrong, shuffle=False, verbose=0)


def test_blank_is_a_class():
    """A blank beyond the logits' classes is refused where the layer is applied."""
    tensors = [keras.KerasTensor((2, 3, 4)), *(keras.KerasTensor((2,), "int32"),) * 2]
    tensors.insert(1, keras.KerasTensor((2, 3), "int32"))
    with pytest.raises(ll.ArgumentError, match="CTC: `blank` must be one of the 4 classes"):
        ll.losses.CTC(blank=4)(*tensors)
