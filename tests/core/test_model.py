"""The two graphs: what runs, what is asked for, what moves."""

import keras
import numpy as np
import pytest

import losslayer as ll
from tests.core.conftest import regression, tagger, tagger_data, two_towers


class Counts(keras.layers.Layer):
    """Passes its input on and counts how often it was called."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.calls = 0
        self.factor = self.add_weight(shape=(), initializer="ones", name="factor")

    def call(self, x):
        self.calls += 1
        return x * self.factor


def towers_data(rng, rows=8):
    return {n: rng.normal(size=(rows, 3)).astype("float32") for n in ("a", "b")}


def test_inference_only_layer_is_not_called_in_fit(rng):
    """A layer only on the way to the outputs is not called, not moved by AdamW; no warning."""
    x = keras.Input((3,), name="x")
    hidden = keras.layers.Dense(4, name="hidden")(x)
    alone = Counts(name="alone")
    model = ll.Model(x, alone(hidden))
    model.add_loss(keras.ops.sum(keras.ops.square(hidden), -1), name="size")
    model.compile(keras.optimizers.AdamW(0.1, weight_decay=0.5))
    alone.calls = 0
    model.fit(rng.normal(size=(8, 3)).astype("float32"), epochs=2, verbose=0)
    assert alone.calls == 0
    assert alone.get_weights() == [1.0]
    assert [v.path.split("/")[0] for v in model.trainable_variables] == ["hidden", "hidden"]
    model.predict(np.ones((2, 3)), verbose=0)
    assert alone.calls > 0


def test_loss_only_layer_is_not_called_in_predict(rng):
    """predict runs nothing that only a loss needs."""
    x = keras.Input((3,), name="x")
    hidden = keras.layers.Dense(4)(x)
    probe = Counts()
    model = ll.Model(x, hidden)
    model.add_loss(probe(hidden)[:, 0] ** 2, name="probe")
    model.compile("adam")
    probe.calls = 0
    model.predict(np.ones((2, 3)), verbose=0)
    model(np.ones((2, 3)))
    assert probe.calls == 0


def test_weights_behind_stop_gradient_do_not_move(rng):
    """A teacher behind stop_gradient stays put under weight decay, though it lies on the way."""
    x = keras.Input((3,), name="x")
    teacher, student = keras.layers.Dense(2, name="teacher"), keras.layers.Dense(2, name="student")
    target = keras.ops.stop_gradient(teacher(x))
    model = ll.Model(x, student(x))
    model.add_loss(keras.ops.mean(keras.ops.square(student(x) - target), -1), name="imitate")
    model.compile(keras.optimizers.AdamW(0.1, weight_decay=0.5))
    before = teacher.get_weights(), student.get_weights()
    model.fit(rng.normal(size=(8, 3)).astype("float32"), epochs=2, batch_size=4, verbose=0)
    np.testing.assert_array_equal(before[0][0], teacher.get_weights()[0])
    assert np.abs(before[1][0] - student.get_weights()[0]).max() > 0.1


def test_a_satisfied_hinge_is_no_error(rng):
    """A loss that happens to be flat everywhere still reaches its weights."""
    x = keras.Input((3,), name="x")
    y = keras.layers.Dense(1)(x)
    model = ll.Model(x, y)
    model.add_loss(keras.ops.relu(y - 1000.0), name="hinge")
    model.compile("sgd")
    assert model.fit(np.ones((4, 3)), verbose=0).history["hinge"] == [0.0]


def test_predict_takes_what_the_outputs_need(rng):
    """A list of all inputs or of those needed, a dict with more or less, one tensor: the same."""
    model = two_towers()
    model.compile("adam")
    data = towers_data(rng)
    expected = model.inference.predict(data["a"], verbose=0)
    extra = np.array(["text"] * 8)
    ways = [data, {"a": data["a"], "unused": extra}, [data["a"], data["b"]], [data["a"]], data["a"]]
    for x in ways:
        np.testing.assert_allclose(model.predict(x, verbose=0), expected, rtol=1e-6)
        np.testing.assert_allclose(model.predict_on_batch(x), expected, rtol=1e-6)
    got = keras.ops.convert_to_numpy(model(data))
    np.testing.assert_allclose(got, expected, rtol=1e-6)
    again = keras.ops.convert_to_numpy(model([data["a"], data["b"]]))
    np.testing.assert_allclose(again, got, rtol=1e-6)


def test_outputs_keep_their_structure(rng):
    """A dict of outputs comes back as a dict."""
    x = keras.Input((3,), name="x")
    hidden = keras.layers.Dense(4)(x)
    model = ll.Model({"x": x}, {"hidden": hidden, "sum": keras.ops.sum(hidden, -1)})
    got = model.predict(np.ones((5, 3)), verbose=0)
    assert {name: value.shape for name, value in got.items()} == {"hidden": (5, 4), "sum": (5,)}


def test_labels_by_y_or_by_name_or_in_x(rng):
    """One array, a list, a dict as y; or named in x: the same numbers."""
    model = tagger()
    model.compile("adam")
    tokens, tags = tagger_data(rng)
    settings = {"verbose": 0, "return_dict": True}
    expected = model.evaluate(tokens, tags, **settings)
    assert model.evaluate([tokens], [tags], **settings) == pytest.approx(expected)
    assert model.evaluate({"tokens": tokens}, {"tags": tags}, **settings) == pytest.approx(expected)
    both = {"tokens": tokens, "tags": tags, "other": tokens}
    assert model.evaluate(both, **settings) == pytest.approx(expected)


def test_submodels_share_weights(rng):
    """keras.Model cuts any part out of the same graph; training moves it too."""
    model = two_towers()
    a = model.inputs[0]
    encoder = keras.Model(a, model.get_layer("shared")(a))
    model.compile("adam")
    data = towers_data(rng)
    before = encoder.predict(data["a"], verbose=0)
    model.fit(data, verbose=0)
    assert np.abs(encoder.predict(data["a"], verbose=0) - before).max() > 1e-4


def test_objective_on_an_existing_model(rng):
    """ll.Model(model.inputs, model.outputs) trains any functional model."""
    x = keras.Input((3,), name="x")
    existing = keras.Model(x, keras.layers.Dense(1)(x))
    target = keras.Input((1,), name="target")
    model = ll.Model(existing.inputs, existing.outputs, labels=target)
    model.add_loss(keras.ops.square(existing.output - target), name="error")
    model.compile(keras.optimizers.SGD(0.1))
    data = rng.normal(size=(32, 3)).astype("float32")
    truth = data.sum(-1, keepdims=True)
    history = model.fit(data, truth, epochs=60, verbose=0).history["error"]
    assert history[-1] < 0.001 * history[0]
    np.testing.assert_allclose(existing.predict(data, verbose=0), truth, atol=0.2)


def test_metric_only_in_evaluate(rng):
    """on="evaluate" keeps a metric, and what only it needs, out of fit."""
    x = keras.Input((3,), name="x")
    hidden = keras.layers.Dense(4)(x)
    probe = Counts()
    model = ll.Model(x, hidden)
    model.add_loss(keras.ops.sum(keras.ops.square(hidden), -1), name="size")
    model.add_metric(probe(hidden)[:, 0], name="probe", on="evaluate")
    model.compile("adam")
    data = np.ones((6, 3), "float32")
    probe.calls = 0
    assert set(model.fit(data, verbose=0).history) == {"loss", "size"}
    assert probe.calls == 0
    history = model.fit(data, validation_data=data, verbose=0).history
    assert set(history) == {"loss", "size", "val_loss", "val_size", "val_probe"}


def test_compile_on_outputs_beside_named_terms(rng):
    """compile(loss=, metrics=) gives Keras's own numbers, beside the named ones."""
    x = keras.Input((3,), name="x")
    hidden = keras.layers.Dense(2, name="hidden", kernel_regularizer="l2")(x)
    y = keras.layers.Dense(1, name="head")(hidden)
    model = ll.Model(x, y)
    model.add_loss(keras.ops.sum(keras.ops.square(hidden), -1), name="size", weight=0.5)
    plain = keras.Model(x, y)
    settings = {"loss": "mse", "metrics": ["mae"]}
    for m in (model, plain):
        m.compile(keras.optimizers.SGD(0.0), **settings)
    data, truth = rng.normal(size=(7, 3)), rng.normal(size=(7, 1))
    theirs = plain.evaluate(data, truth, batch_size=4, return_dict=True, verbose=0)
    ours = model.evaluate(data, truth, batch_size=4, return_dict=True, verbose=0)
    expected = {**theirs, "loss": theirs["loss"] + 0.5 * ours["size"], "size": ours["size"]}
    assert ours == pytest.approx(expected, rel=1e-5)
    history = model.fit(data, truth, batch_size=4, verbose=0).history
    expected["size_weight"] = 0.5
    assert {n: v[0] for n, v in history.items()} == pytest.approx(expected, rel=1e-5)


def test_stock_callbacks(rng, tmp_path):
    """EarlyStopping, ModelCheckpoint, ReduceLROnPlateau and CSVLogger see the named values."""
    model = tagger()
    model.compile("adam")
    tokens, tags = tagger_data(rng)
    callbacks = [
        keras.callbacks.EarlyStopping("val_ppl", mode="min", restore_best_weights=True),
        keras.callbacks.ModelCheckpoint(tmp_path / "best.keras", "val_accuracy", mode="max"),
        keras.callbacks.ReduceLROnPlateau("val_nll", mode="min"),
        keras.callbacks.CSVLogger(tmp_path / "log.csv"),
    ]
    fit = {"validation_split": 0.3, "epochs": 2, "callbacks": callbacks, "verbose": 0}
    model.fit(tokens, tags, **fit)
    callbacks[-1].csv_file.close()  # Keras leaves it open
    header = (tmp_path / "log.csv").read_text().splitlines()[0].split(",")
    assert {"loss", "nll", "ppl", "accuracy", "val_ppl"} <= set(header)
    loaded = keras.saving.load_model(tmp_path / "best.keras")
    assert loaded.evaluate(tokens, tags, verbose=0, return_dict=True)["ppl"] > 1


@pytest.mark.parametrize("settings", [{"run_eagerly": True}, {"jit_compile": False}])
def test_ways_to_run(rng, settings):
    """Eager and uncompiled steps report what compiled ones do."""
    model = tagger()
    model.compile(keras.optimizers.SGD(0.0), **settings)
    tokens, tags = tagger_data(rng)
    expected = model.evaluate(tokens, tags, return_dict=True, verbose=0)
    history = model.fit(tokens, tags, batch_size=5, verbose=0).history
    assert {n: v[0] for n, v in history.items()} == pytest.approx(expected, rel=1e-5)


@pytest.mark.skipif(
    keras.backend.backend() == "torch", reason="Keras refuses steps_per_execution on torch"
)
def test_several_steps_per_execution(rng):
    """Ten steps in one execution: the same figures, a short last batch included."""
    model = tagger()
    model.compile(keras.optimizers.SGD(0.0), steps_per_execution=3)
    tokens, tags = tagger_data(rng)
    expected = model.evaluate(tokens, tags, return_dict=True, verbose=0, batch_size=23)
    history = model.fit(tokens, tags, batch_size=5, verbose=0).history
    assert {n: v[0] for n, v in history.items()} == pytest.approx(expected, rel=1e-5)


def test_progress_bar_names_every_term(rng, capsys):
    """The progress bar shows loss, nll, ppl and accuracy."""
    model = tagger()
    model.compile("adam")
    model.fit(*tagger_data(rng), verbose=2)
    line = capsys.readouterr().out
    assert all(f"{name}:" in line for name in ("loss", "nll", "ppl", "accuracy"))


def test_batch_normalisation_and_dropout_advance(rng):
    """Moving statistics and seeds of layers on the way to a loss move in fit."""
    x = keras.Input((3,), name="x")
    normal = keras.layers.BatchNormalization()
    dropout = keras.layers.Dropout(0.5, seed=1)
    y = keras.layers.Dense(1)(dropout(normal(x)))
    model = ll.Model(x, y)
    model.add_loss(keras.ops.square(y), name="size")
    model.compile("adam")
    before = np.array(dropout.seed_generator.state.value)
    model.fit(5 + rng.normal(size=(8, 3)).astype("float32"), verbose=0)
    assert np.abs(np.array(normal.moving_mean.value)).min() > 0
    assert (np.array(dropout.seed_generator.state.value) != before).any()


def test_frozen_layer_stays(rng):
    """layer.trainable = False before compile is respected."""
    model = two_towers()
    model.get_layer("shared").trainable = False
    assert model.trainable_variables == []
    model = regression()
    head = model.get_layer("head")
    head.bias.trainable = False
    model.compile("adam")
    model.fit(np.ones((4, 3)), np.ones((4, 1)), verbose=0)
    assert head.get_weights()[1].tolist() == [0.0]


def test_list_of_losses(rng):
    """add_loss([a, b]) adds each under the name of its layer, or under names given."""
    x = keras.Input((3,), name="x")
    first, second = (keras.layers.Dense(1, name=n)(x) for n in ("first", "second"))
    model = ll.Model(x, first)
    model.add_loss([first**2, second**2], name=["one", "two"], weight=[1.0, 2.0])
    model.add_loss([first])
    model.compile("sgd")
    names = ["loss", "one", "two", "first"]
    assert [metric.name for metric in model.metrics] == names
    assert set(model.evaluate(np.ones((2, 3)), return_dict=True, verbose=0)) == set(names)


def test_summary_names_terms_and_needs():
    """summary() says what each term needs and whether it is exact."""
    model = tagger()
    lines = []
    model.summary(print_fn=lambda text, **kwargs: lines.append(text))
    text = "\n".join(lines)
    assert "nll" in text
    assert "needs tokens, tags; exact" in text


def test_mask_of_keras_is_used(rng):
    """Without mask=, the mask that Embedding(mask_zero=True) attached counts."""
    tokens = keras.Input((None,), dtype="int32", name="tokens")
    tags = keras.Input((None,), dtype="int32", name="tags")
    hidden = keras.layers.Embedding(20, 4, mask_zero=True)(tokens)
    logits = keras.layers.Dense(5)(keras.layers.LSTM(4, return_sequences=True)(hidden))
    model = ll.Model(tokens, logits, labels=tags)
    model.add_loss(ll.losses.SequenceCrossEntropy()(logits, tags), name="implicit")
    mask = keras.ops.not_equal(tokens, 0)
    model.add_metric(ll.losses.SequenceCrossEntropy()(logits, tags, mask=mask), name="explicit")
    model.compile("sgd")
    got = model.evaluate(*tagger_data(rng), return_dict=True, verbose=0)
    assert got["implicit"] == pytest.approx(got["explicit"], rel=1e-6)


def test_model_as_a_layer(rng):
    """An ll.Model applied to a symbolic tensor is its inference graph."""
    model = two_towers()
    a = keras.Input((3,), name="other")
    outer = keras.Model(a, model(a))
    data = rng.normal(size=(4, 3)).astype("float32")
    expected = model.predict(data, verbose=0)
    np.testing.assert_allclose(outer.predict(data, verbose=0), expected, rtol=1e-6)


@pytest.mark.parametrize("structure", ["list", "dict"])
def test_compile_on_several_outputs(rng, structure):
    """Losses per output, by name, with weights and metrics: Keras's own numbers."""
    x = keras.Input((3,), name="x")
    one, two = (keras.layers.Dense(1, name=name)(x) for name in ("one", "two"))
    outputs = [one, two] if structure == "list" else {"one": one, "two": two}
    model, plain = ll.Model(x, outputs), keras.Model(x, outputs)
    model.add_loss(one**2, name="size")
    for m in (model, plain):
        losses, weights = {"one": "mse", "two": "mae"}, {"one": 1.0, "two": 3.0}
        m.compile("sgd", loss=losses, loss_weights=weights, metrics={"two": ["mse"]})
    data, truth = rng.normal(size=(7, 3)), [rng.normal(size=(7, 1)) for _ in range(2)]
    truth = truth if structure == "list" else dict(zip(("one", "two"), truth))
    settings = {"batch_size": 4, "return_dict": True, "verbose": 0}
    theirs = plain.evaluate(data, truth, **settings)
    ours = model.evaluate(data, truth, **settings)
    expected = {**theirs, "size": ours["size"], "loss": theirs["loss"] + ours["size"]}
    assert ours == pytest.approx(expected, rel=1e-5)
    model.fit(data, truth, verbose=0)


def test_objective_without_named_terms(rng):
    """Only compile(loss=): as a plain keras.Model, trained alike."""
    x = keras.Input((3,), name="x")
    y = keras.layers.Dense(1)(x)
    model, plain = ll.Model(x, y), keras.Model(x, y)
    data, truth = rng.normal(size=(7, 3)), rng.normal(size=(7, 1))
    histories = []
    start = model.get_weights()
    for m in (model, plain):
        m.set_weights(start)
        m.compile(keras.optimizers.SGD(0.1), loss="mse", metrics=["mae"])
        histories.append(m.fit(data, truth, epochs=2, shuffle=False, verbose=0).history)
    assert histories[0] == {n: pytest.approx(v, rel=1e-5) for n, v in histories[1].items()}


def test_recompiling_starts_anew(rng):
    """Compile again after freezing: what is trained follows, and so does what is reported."""
    model = two_towers()
    shared = model.get_layer("shared")
    model.compile(keras.optimizers.SGD(0.1), metrics=None)
    data = towers_data(rng)
    model.fit(data, verbose=0)
    shared.bias.trainable = False
    model.compile(keras.optimizers.AdamW(0.1, weight_decay=0.5))
    before = shared.get_weights()
    model.fit(data, verbose=0)
    after = shared.get_weights()
    np.testing.assert_array_equal(before[1], after[1])
    assert np.abs(before[0] - after[0]).max() > 0.01


def test_recompiling_without_keras_losses(rng):
    """What an earlier compile() was given for the outputs is gone after the next."""
    x = keras.Input((3,), name="x")
    y = keras.layers.Dense(1)(x)
    model = ll.Model(x, y)
    model.add_loss(y**2, name="size")
    data = np.ones((4, 3), "float32")
    model.compile("sgd", loss="mse", metrics=["mae"])
    assert set(model.fit(data, data[:, :1], verbose=0).history) == {"loss", "size", "mae"}
    model.compile("sgd", metrics=[])
    assert set(model.fit(data, verbose=0).history) == {"loss", "size"}
