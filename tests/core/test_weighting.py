"""Weights of losses that change while a model is trained: by hand, by schedule, by gradient."""

import math

import keras
import numpy as np
import pytest

import losslayer as ll
from tests.core.conftest import regression

BATCH = 2
QUIET = {"verbose": 0, "shuffle": False, "batch_size": BATCH}


class Trace:
    """Counts how often the code of a loss is run by Python: once per compilation."""

    count = 0


@ll.loss_layer
def square(value):
    """value^2, `(batch,)`."""
    Trace.count += 1
    return keras.ops.square(value)


@keras.saving.register_keras_serializable(package="test_weighting")
def warm_up(step):
    """0, 1/4, 2/4, ... up to 1."""
    return keras.ops.minimum(1.0, keras.ops.cast(step, "float32") / 4)


def two_losses(first=1.0, second=1.0):
    """`a` and `b` are trained scalars times the input; the losses are their squares."""
    x = keras.Input((1,), name="x")
    layers = [
        keras.layers.Dense(1, use_bias=False, kernel_initializer="ones", name=n) for n in "ab"
    ]
    a, b = (layer(x)[:, 0] for layer in layers)
    model = ll.Model(x, [a, b])
    model.add_loss(square()(a), name="first", weight=first)
    model.add_loss(square()(b), name="second", weight=second)
    return model


def by_hand(data, weights, rate=0.0, momentum=0.0, start=1.0):
    """Train one kernel w with the loss weight * mean((w x)^2), step by step.

    Returns:
        w after the last step, and the mean of the loss of each step.
    """
    w, velocity, losses = start, 0.0, []
    batches = [data[i : i + BATCH] for i in range(0, len(data), BATCH)]
    for batch, weight in zip(batches * 99, weights):
        losses.append(np.mean((w * batch) ** 2))
        velocity = momentum * velocity - rate * weight * np.mean(2 * w * batch**2)
        w += velocity
    return w, losses


def kernels(model):
    """The two trained scalars."""
    return [float(model.get_layer(n).get_weights()[0][0, 0]) for n in "ab"]


@pytest.fixture
def data(rng):
    """Three batches of two."""
    return rng.normal(size=(6, 1)).astype("float32")


class Sets(keras.callbacks.Callback):
    """Sets weights: before the steps, or epochs, of these numbers."""

    def __init__(self, of, steps=(), epochs=()):
        super().__init__()
        self.of, self.steps, self.epochs = of, dict(steps), dict(epochs)
        self.step = -1

    def on_epoch_begin(self, epoch, logs=None):
        self.of.loss_weights.update(self.epochs.get(epoch, {}))

    def on_train_batch_begin(self, batch, logs=None):
        self.step += 1
        # Through a model of one's own: Keras puts values back only for `self.model`.
        self.of.loss_weights.update(self.steps.get(self.step, {}))


# Numbers


def test_a_callback_changes_weights_in_exactly_its_step(data):
    """Between epochs and within one: weights, losses and kernels are those of a run by hand."""
    model = two_losses(first=0.5)
    model.compile(keras.optimizers.SGD(0.3, momentum=0.9))
    sets = Sets(model, steps={1: {"first": 3.0}, 5: {"second": 0.25}}, epochs={1: {"first": 2.0}})
    history = model.fit(data, epochs=2, callbacks=[sets], **QUIET).history
    first, second = [0.5, 3.0, 3.0, 2.0, 2.0, 2.0], [1.0] * 5 + [0.25]
    w_first, losses_first = by_hand(data, first, 0.3, 0.9)
    w_second, losses_second = by_hand(data, second, 0.3, 0.9)
    assert kernels(model) == pytest.approx([w_first, w_second], rel=1e-5)
    assert history["first_weight"] == [3.0, 2.0]
    assert history["second_weight"] == [0.25]  # it was 1, as given, through the first epoch
    assert history["first"] == pytest.approx(np.reshape(losses_first, (2, 3)).mean(1), rel=1e-5)
    each = np.multiply(first, losses_first) + np.multiply(second, losses_second)
    assert history["loss"] == pytest.approx(each.reshape(2, 3).mean(1), rel=1e-5)
    assert dict(model.loss_weights) == {"first": 2.0, "second": 0.25}


def test_ten_changes_are_one_trace(data):
    """Neither the step is compiled again nor the optimizer reset."""
    model = two_losses()
    optimizer = keras.optimizers.SGD(0.1, momentum=0.9)
    model.compile(optimizer)
    built = Trace.count
    model.fit(data, **QUIET)
    traced = Trace.count
    assert traced > built
    steps = {i: {"first": 0.1 * (i + 1)} for i in range(10)}
    model.fit(data, epochs=4, callbacks=[Sets(model, steps=steps)], **QUIET)
    if keras.backend.backend() != "torch":  # which compiles nothing: Python runs in each step
        assert Trace.count == traced
    assert model.optimizer is optimizer
    assert int(keras.ops.convert_to_numpy(optimizer.iterations)) == 15
    weights = [1.0] * 3 + [0.1 * (i + 1) for i in range(10)] + [1.0] * 2
    # The momentum of all steps is in it.
    assert kernels(model)[0] == pytest.approx(by_hand(data, weights, 0.1, 0.9)[0], rel=1e-4)


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        ("schedule", {}),
        ("function", {}),
        ("schedule", {"run_eagerly": True}),
        ("function", {"steps_per_execution": 3}),
    ],
)
def test_a_schedule_step_by_step(data, kind, settings):
    """The kernel, `loss` and the reported weight are those of the schedule's own numbers."""
    if settings.get("steps_per_execution") and keras.backend.backend() == "torch":
        pytest.skip("Keras refuses steps_per_execution on torch")
    decay = keras.optimizers.schedules.ExponentialDecay(2.0, decay_steps=2, decay_rate=0.5)
    model = two_losses(first=decay if kind == "schedule" else warm_up)
    model.compile(keras.optimizers.SGD(0.1), **settings)
    history = model.fit(data, epochs=2, **QUIET).history
    steps = np.arange(6)
    weights = 2.0 * 0.5 ** (steps / 2) if kind == "schedule" else np.minimum(1, steps / 4)
    w, losses = by_hand(data, weights, 0.1)
    other, other_losses = by_hand(data, [1.0] * 6, 0.1)
    assert kernels(model) == pytest.approx([w, other], rel=1e-5)
    assert history["first_weight"] == pytest.approx(weights[[2, 5]], rel=1e-5)
    total = (weights * losses + other_losses).reshape(2, 3).mean(1)
    assert history["loss"] == pytest.approx(total, rel=1e-5)
    assert "second_weight" not in history


def test_evaluate_uses_the_weight_in_force(data):
    """A number that was set, a schedule's last one, a learned one: evaluate's loss has them."""
    for weight, change in ((1.0, 0.3), (warm_up, None), (ll.weighting.Uncertainty(0.5), None)):
        model = two_losses(first=weight)
        model.compile(keras.optimizers.SGD(0.1))
        if change:
            model.loss_weights["first"] = change
        validation = {"validation_data": data, "validation_batch_size": 5}
        history = model.fit(data, **validation, **QUIET).history
        got = model.evaluate(data, batch_size=4, return_dict=True, verbose=0)
        assert set(got) == {"loss", "first", "second"}
        assert {f"val_{n}" for n in got} | set(got) | {"first_weight"} == set(history)
        factor = model.loss_weights["first"]
        penalty = -0.5 * math.log(factor) if isinstance(weight, ll.weighting.Weighting) else 0.0
        expected = factor * got["first"] + got["second"] + penalty
        assert got["loss"] == pytest.approx(expected, rel=1e-5)
        assert history["val_loss"][0] == pytest.approx(expected, rel=1e-5)
        if change is None and not penalty:
            assert factor == 0.5  # of the third step


def test_the_weights_are_weighed_by_what_counts(rng):
    """`loss` is sum(w_t * total_t) / sum(count_t): batches with more that counts count more."""
    x = keras.Input((1,), name="x")
    count = keras.Input((), name="count")
    y = keras.layers.Dense(1, use_bias=False)(x)[:, 0]
    model = ll.Model([x, count], y)
    model.add_loss(square()(y, sample_weight=count), name="size", weight=warm_up)
    model.compile(keras.optimizers.SGD(0.0))
    data, counts = rng.normal(size=(5, 1)).astype("float32"), np.array([4, 0, 1, 1, 2], "float32")
    each = model.predict([data], verbose=0) ** 2 * counts
    factors = np.array([0, 0, 0.25, 0.25, 0.5])  # by row: three batches, the last one short
    history = model.fit([data, counts], **QUIET).history
    assert history["loss"] == pytest.approx([(factors * each).sum() / counts.sum()], rel=1e-5)
    assert history["size"] == pytest.approx([each.sum() / counts.sum()], rel=1e-5)


def test_train_on_batch_reports_the_weight(data):
    """Each call is a step: of a schedule, and after a change."""
    model = two_losses(first=warm_up)
    model.compile(keras.optimizers.SGD(0.0))
    expected = np.mean(data**2)
    for step in range(3):
        logs = model.train_on_batch(data, return_dict=True)
        assert set(logs) == {"loss", "first", "second", "first_weight"}
        assert logs["first_weight"] == pytest.approx(step / 4)
        assert logs["loss"] == pytest.approx(expected * (1 + step / 4), rel=1e-5)
    model.loss_weights["second"] = 2
    logs = model.train_on_batch(data, return_dict=True)
    assert logs["second_weight"] == 2.0
    assert logs["loss"] == pytest.approx(expected * 2.75, rel=1e-5)


# Learned


def test_uncertainty_follows_its_gradient(data):
    """d loss / d s = 1/2 - exp(-s) L: one step of SGD moves s by that, and `loss` has s / 2."""
    weighting = ll.weighting.Uncertainty(initial=0.7)
    model = two_losses(first=weighting)
    model.compile(keras.optimizers.SGD(0.1))
    history = model.fit(data, **{**QUIET, "batch_size": 6}).history
    size = np.mean(data**2)
    total = math.exp(-0.7) * size + 0.7 / 2 + size
    assert history["loss"] == pytest.approx([total], rel=1e-5)
    assert history["first_weight"] == pytest.approx([math.exp(-0.7)], rel=1e-5)
    s = 0.7 - 0.1 * (0.5 - math.exp(-0.7) * size)
    assert weighting.get_weights() == [pytest.approx(s, rel=1e-5)]
    assert model.loss_weights["first"] == pytest.approx(math.exp(-s), rel=1e-5)
    # The kernel's gradient has the weight too.
    moved = by_hand(data[:0], [])[0] - 0.1 * math.exp(-0.7) * 2 * size
    assert kernels(model)[0] == pytest.approx(moved, rel=1e-5)


def test_uncertainty_settles_where_the_formula_says(data):
    """exp(-s) L + s / 2 is least at s = log(2 L): the weight becomes 1 / (2 L)."""
    x = keras.Input((1,), name="x")
    y = keras.layers.Dense(1, use_bias=False, kernel_initializer="ones")(x)[:, 0]
    model = ll.Model(x, y)
    # Its value is 5, whatever the kernel is.
    constant = 5.0 + y - keras.ops.stop_gradient(y)
    model.add_loss(constant, name="constant", weight=ll.weighting.Uncertainty())
    model.compile(keras.optimizers.SGD(0.5))
    history = model.fit(data, epochs=40, **QUIET).history
    assert model.loss_weights["constant"] == pytest.approx(1 / (2 * 5.0), rel=1e-3)
    assert history["loss"][-1] == pytest.approx(0.5 + math.log(2 * 5.0) / 2, rel=1e-3)


def test_uncertainty_is_a_weight_like_others(data):
    """It is trained and decays; a number, or a schedule, is a variable but no weight."""
    model = two_losses(first=ll.weighting.Uncertainty(initial=1.0), second=warm_up)
    assert len(model.trainable_variables) == len(model.get_weights()) == 3
    assert len(model.variables) == 5
    assert not any(isinstance(layer, ll.weighting.Weighting) for layer in model.layers)
    optimizer = keras.optimizers.SGD(0.1, weight_decay=0.5)
    model.compile(optimizer)
    model.fit(0 * data, **{**QUIET, "batch_size": 6})
    # The step, with L = 0: the decay takes 0.1 * 0.5 of s, and then comes the gradient 1/2.
    assert model.loss_weights["first"] == pytest.approx(math.exp(-(1 - 0.05 - 0.05)), rel=1e-5)


def test_half_precision_keeps_weights_in_float32(data):
    """A weight that float16 would round is used as it is."""
    keras.config.set_dtype_policy("float16")
    try:
        model = two_losses(first=0.1234567, second=ll.weighting.Uncertainty(0.1234567))
        model.compile(keras.optimizers.SGD(0.0))
        history = model.fit(data, **QUIET).history
    finally:
        keras.config.set_dtype_policy("float32")
    assert history["first_weight"] == pytest.approx([0.1234567], rel=1e-6)
    assert history["second_weight"] == pytest.approx([math.exp(-0.1234567)], rel=1e-6)


def test_a_weighting_of_ones_own(data):
    """`current` is all that a subclass must write."""

    class Halved(ll.weighting.Weighting):
        def current(self):
            return keras.ops.convert_to_tensor(0.5)

    model = two_losses(first=Halved())
    model.compile(keras.optimizers.SGD(0.1))
    assert model.fit(data, **QUIET).history["first_weight"] == [0.5]
    assert kernels(model)[0] == pytest.approx(by_hand(data, [0.5] * 3, 0.1)[0], rel=1e-5)


# Files


WEIGHTINGS = {
    "number": lambda: np.float32(0.5),
    "schedule": lambda: keras.optimizers.schedules.CosineDecay(1.0, 9, alpha=0.1),
    "function": lambda: warm_up,
    "learned": lambda: ll.weighting.Uncertainty(initial=0.3),
}


@pytest.mark.parametrize("kind", WEIGHTINGS)
def test_a_loaded_model_trains_on(data, tmp_path, kind):
    """The weight, the step of the schedule and the optimizer go on where they were."""
    model = two_losses(first=WEIGHTINGS[kind]())
    model.compile(keras.optimizers.SGD(0.1, momentum=0.9))
    model.loss_weights["second"] = 0.7  # given as 1
    model.fit(data, **QUIET)
    model.save(tmp_path / "m.keras")
    loaded = keras.saving.load_model(tmp_path / "m.keras")
    assert dict(loaded.loss_weights) == dict(model.loss_weights)
    expected = model.evaluate(data, verbose=0)
    assert loaded.evaluate(data, verbose=0) == pytest.approx(expected, rel=1e-6)
    more = [m.fit(data, epochs=2, **QUIET).history for m in (model, loaded)]
    assert more[0] == {n: pytest.approx(v, rel=1e-6) for n, v in more[1].items()}
    assert "second_weight" in more[1]
    assert kernels(loaded) == pytest.approx(kernels(model), rel=1e-6)


def test_a_function_that_cannot_be_loaded(data, tmp_path):
    """Saving a lambda warns, and keeps the number in force: no training is lost."""
    model = two_losses(first=lambda step: 0.5 + keras.ops.cast(step, "float32"))
    model.compile(keras.optimizers.SGD(0.1))
    save = keras.callbacks.ModelCheckpoint(tmp_path / "m.keras")
    with pytest.warns(UserWarning, match="its present number, 2.5"):
        model.fit(data, callbacks=[save], **QUIET)
    loaded = keras.saving.load_model(tmp_path / "m.keras")
    assert loaded.loss_weights["first"] == 2.5
    expected = model.evaluate(data, verbose=0)
    assert loaded.evaluate(data, verbose=0) == pytest.approx(expected, rel=1e-6)
    loaded.loss_weights["first"] = 0.1
    assert loaded.fit(data, **QUIET).history["first_weight"] == [pytest.approx(0.1)]


def test_weights_file_holds_the_weights_of_losses(tmp_path):
    """save_weights and load_weights: a number that was set, and a learned one."""
    model, other = (two_losses(second=ll.weighting.Uncertainty(s)) for s in (0.2, 0.9))
    model.loss_weights["first"] = 0.3
    model.save_weights(tmp_path / "w.weights.h5")
    other.load_weights(tmp_path / "w.weights.h5")
    assert dict(other.loss_weights) == dict(model.loss_weights)


# The mapping, and what is refused


def test_loss_weights_is_a_mapping():
    """Reading, setting before compile, membership, length; and summary follows."""
    model = two_losses(second=warm_up)
    assert dict(model.loss_weights) == {"first": 1.0, "second": 0.0}
    assert ("first" in model.loss_weights, "loss" in model.loss_weights) == (True, False)
    assert model.loss_weights.get("no", 5) == 5
    assert len(model.loss_weights) == 2
    model.loss_weights["first"] = np.float32(0.25)
    assert repr(model.loss_weights) == "{'first': 0.25, 'second': 0.0}"
    lines = []
    model.summary(print_fn=lambda text, **kwargs: lines.append(text))
    text = "\n".join(lines)
    assert "loss x 0.25, needs x; exact" in text
    assert "loss x warm_up, needs x; exact" in text
    assert "Total params: 2 " in text.replace("[1m", "").replace("[0m", "")


def test_what_cannot_be_set():
    """An unknown name, no number, a weight that is determined otherwise, deletion."""
    model = two_losses(second=ll.weighting.Uncertainty())
    weights = model.loss_weights
    with pytest.raises(ll.UnknownNameError, match=r"\('first', 'second'\).*Did you mean 'first'\?"):
        weights["frist"] = 1.0
    with pytest.raises(KeyError, match="^Model.loss_weights: `name` must be one of"):
        weights["loss"]
    for wrong in ("much", math.nan, True, None):
        with pytest.raises(ll.ArgumentError, match="`first` must be a number"):
            weights["first"] = wrong
    with pytest.raises(ll.ObjectiveError, match="its weight is Uncertainty, which determines it"):
        weights["second"] = 0.5
    with pytest.raises(ll.ObjectiveError, match="set its weight to 0"):
        del weights["first"]
    assert dict(weights) == {"first": 1.0, "second": 1.0}


WRONG = {
    "string": ("much", "must be a number, a schedule"),
    "nan": (math.nan, "must be a number"),
    "bool": (True, "must be a number"),
    "class": (ll.weighting.Uncertainty, r"Make one: Uncertainty\(\)"),
    "vector": (lambda step: keras.ops.zeros((2,)), r"It gives a tensor of shape \(2,\)"),
    "text": (lambda step: "half", "Write it with keras.ops"),
    "arguments": (lambda: 0.5, "Write it with keras.ops"),
    "not a number": (lambda step: math.nan, "For step 0 it gives NaN"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_wrong_weights(kind):
    """Refused where the loss is added, and the name is free afterwards."""
    wrong, message = WRONG[kind]
    model = regression()
    with pytest.raises(ll.LosslayerError, match=message):
        model.add_loss(model.outputs[0], name="other", weight=wrong)
    model.add_loss(model.outputs[0], name="other")


@pytest.mark.skipif(keras.backend.backend() == "torch", reason="Python runs in each step on torch")
def test_a_function_that_cannot_be_compiled(data):
    """A comparison in Python works outside of a compiled step only: the message says so."""
    model = two_losses(first=lambda step: max(0.5, 1.0 - step / 4))
    model.compile("sgd")
    with pytest.raises(ll.ArgumentError, match="Write it with keras.ops"):
        model.fit(data, **QUIET)
    assert kernels(model) == [1.0, 1.0]


def test_one_weighting_for_one_loss():
    """A second loss with the same Uncertainty, in a list or later, is refused."""
    model = regression()
    tensor, weighting = model.outputs[0], ll.weighting.Uncertainty()
    with pytest.raises(ll.ArgumentError, match="`weight` must be used once"):
        model.add_loss([tensor, tensor], name=["one", "two"], weight=weighting)
    model.add_loss(tensor, name="one", weight=weighting)
    with pytest.raises(ll.ArgumentError, match="each loss has a weight of its own"):
        model.add_loss(tensor, name="two", weight=weighting)


def test_names_of_weights_are_taken():
    """No term may be called as the weight of a loss is reported."""
    model = regression()
    with pytest.raises(ll.ObjectiveError, match="'error_weight'"):
        model.add_metric(model.outputs[0], name="error_weight")
    model.add_metric(model.outputs[0], name="other_weight")
    with pytest.raises(ll.ObjectiveError, match="report 'other_weight' a second time"):
        model.add_loss(model.outputs[0], name="other")


def test_stock_callbacks_keep_working(data):
    """EarlyStopping restores weights of the network, not those of losses."""
    model = two_losses()
    model.compile(keras.optimizers.SGD(0.1))
    stop = keras.callbacks.EarlyStopping("first", mode="max", restore_best_weights=True)
    sets = Sets(model, epochs={1: {"first": 0.5}})
    model.fit(data, epochs=3, callbacks=[stop, sets], **QUIET)
    assert dict(model.loss_weights) == {"first": 0.5, "second": 1.0}
