"""Two models or two passes: who learns, and classes without probability."""

import keras
import numpy as np
import pytest
from keras import ops

import losslayer as ll
from losslayer.testing.subject import Subject

INF = float("inf")


def run(layer, *arrays):
    """The values as NumPy."""
    return ops.convert_to_numpy(layer(*arrays)[0])


@pytest.mark.parametrize("loss", [ll.losses.Distillation(2.0), ll.losses.RDrop()])
def test_a_class_without_probability_adds_nothing(loss):
    """With a logit of -inf in both: the values and slopes of the other classes alone."""
    first, second = np.random.default_rng(0).normal(size=(2, 3, 4)).astype("float32")
    names = ("logits", "teacher_logits") if loss.constants else ("logits_a", "logits_b")
    whole = Subject(loss, dict(zip(names, (first, second))))
    wide = {n: np.insert(a, 1, -INF, axis=1) for n, a in whole.arrays.items()}
    np.testing.assert_allclose(whole.run(wide)[0], whole.run()[0], rtol=1e-6)
    expected = whole.gradient()
    for name, slopes in Subject(loss, wide).gradient().items():
        np.testing.assert_allclose(np.delete(slopes, 1, 1), expected[name], rtol=1e-5, atol=1e-7)
        assert not slopes[:, 1].any()


def test_certain_teacher():
    """Distilled from certainty it is cross entropy; from a class held impossible, infinite."""
    student = np.log(np.array([[0.5, 0.25, 0.25]], "float32"))
    teacher = np.array([[-INF, 0, -INF]], "float32")
    assert run(ll.losses.Distillation(), student, teacher) == pytest.approx(np.log(4), rel=1e-6)
    assert run(ll.losses.Distillation(), teacher, student).tolist() == [INF]
    assert run(ll.losses.RDrop(), teacher, student).tolist() == [INF]


def classifier(inputs, name):
    """Two layers, whose variables carry the name."""
    hidden = keras.layers.Dense(6, activation="tanh", name=f"{name}_hidden")(inputs)
    return hidden, keras.layers.Dense(3, name=f"{name}_logits")(hidden)


def test_the_student_learns_and_the_teacher_stays():
    """The student comes near to what the teacher says; no weight of the teacher moves."""
    keras.utils.set_random_seed(0)
    x = keras.Input((4,), name="x")
    (teacher_features, teacher), (features, student) = classifier(x, "t"), classifier(x, "s")
    model = ll.Model(x, student)
    model.add_loss(ll.losses.Distillation(2.0)(student, teacher), name="soft")
    hint = ll.losses.FeatureDistillation()(features, teacher_features)
    model.add_loss(hint, name="hint")
    model.compile(keras.optimizers.Adam(0.05))
    before = {v.path: ops.convert_to_numpy(v) for v in model.trainable_variables}
    history = model.fit(np.random.default_rng(1).normal(size=(32, 4)), epochs=40, verbose=0).history
    assert history["soft"][-1] < 0.1 * history["soft"][0]
    assert history["hint"][-1] < 0.5 * history["hint"][0]
    for variable in model.trainable_variables:
        moved = (ops.convert_to_numpy(variable) != before[variable.path]).any()
        assert moved == variable.path.startswith("s_"), variable.path


def test_dropout_makes_two_passes_differ():
    """The same layers called twice: R-Drop is above 0 in training, and 0 in `evaluate`."""
    keras.utils.set_random_seed(0)
    x = keras.Input((8,), name="x")
    drop, head = keras.layers.Dropout(0.5), keras.layers.Dense(3)
    logits_a, logits_b = head(drop(x)), head(drop(x))
    model = ll.Model(x, logits_a)
    model.add_loss(ll.losses.RDrop()(logits_a, logits_b), name="r_drop")
    model.compile("sgd")
    data = np.random.default_rng(1).normal(size=(16, 8)).astype("float32")
    assert model.fit(data, verbose=0).history["r_drop"][0] > 1e-3
    assert model.evaluate(data, verbose=0, return_dict=True)["r_drop"] == 0
