"""What can't work is refused by name, before the step that would use it."""

import keras
import numpy as np
import pytest

import losslayer as ll
from tests.core.conftest import regression, tagger, tagger_data, two_towers


def weights_unmoved(model, act):
    """Run `act`, which must raise a LosslayerError, and assert that no weight moved."""
    before = model.get_weights()
    with pytest.raises(ll.LosslayerError) as caught:
        act()
    for old, new in zip(before, model.get_weights()):
        np.testing.assert_array_equal(old, new)
    return str(caught.value)


def test_no_loss():
    """fit without any loss."""
    x = keras.Input((3,), name="x")
    model = ll.Model(x, keras.layers.Dense(1)(x))
    model.compile("adam")
    for act in (lambda: model.fit(np.ones((2, 3))), lambda: model.train_on_batch(np.ones((2, 3)))):
        assert "there must be a loss" in weights_unmoved(model, act)


@pytest.mark.parametrize("cut", ["input", "stop_gradient", "argmax", "frozen"])
def test_loss_that_reaches_no_weight(cut):
    """Found in the structure, or by a gradient; beside a loss that does reach one."""
    x = keras.Input((3,), name="x")
    layer = keras.layers.Dense(2, name="head")
    y = layer(x)
    cuts = {
        "input": lambda: keras.ops.sum(x, -1),
        "stop_gradient": lambda: keras.ops.stop_gradient(keras.ops.sum(y, -1)),
        "argmax": lambda: keras.ops.cast(keras.ops.argmax(y, -1), "float32"),
        "frozen": lambda: keras.ops.sum(y, -1),
    }
    model = ll.Model(x, y)
    model.add_loss(cuts[cut](), name="cut")
    if cut == "frozen":
        layer.trainable = False
    else:
        model.add_loss(keras.ops.sum(keras.ops.square(y), -1), name="good")
    model.compile("adam")
    message = weights_unmoved(model, lambda: model.fit(np.ones((4, 3)), verbose=0))
    assert "'cut' must reach a trainable weight" in message


def test_names():
    """A name used twice, or `loss`, or no string."""
    model = regression()
    tensor = model.outputs[0]
    for name in ("error", "loss"):
        with pytest.raises(
            ll.ObjectiveError, match=f"must differ.*'error'.*Received: name='{name}'"
        ):
            model.add_loss(tensor, name=name)
    with pytest.raises(ll.ObjectiveError, match="must differ"):
        model.add_metric(tensor, name="error")
    with pytest.raises(ll.ArgumentError, match="`name` must be a non-empty string"):
        model.add_metric(tensor, name="")


def test_tensor_of_another_graph():
    """The message names the inputs that the model lacks."""
    model = regression()
    other = keras.Input((3,), name="elsewhere")
    with pytest.raises(ll.ObjectiveError, match="'elsewhere'.*inputs.*'x'"):
        model.add_loss(keras.layers.Dense(1)(other), name="foreign")
    with pytest.raises(ll.ObjectiveError, match="'elsewhere'"):
        model.add_metric(keras.metrics.Mean(), other, name="foreign")
    with pytest.raises(ll.ObjectiveError, match="must need only the inputs"):
        ll.Model(model.inputs, keras.layers.Dense(1)(other))


def test_no_tensor():
    """A number, a layer, a triple is no loss."""
    model = regression()
    for wrong in (1.0, keras.layers.Dense(1), (1, 2, 3), np.ones(3)):
        with pytest.raises(ll.ArgumentTypeError, match="must be a tensor of the graph"):
            model.add_loss(wrong)
    with pytest.raises(ll.ArgumentError, match="`weight` must be a number"):
        model.add_loss(model.outputs[0], weight="much")
    with pytest.raises(ll.ArgumentError, match=r"`tensors` must name what Mean"):
        model.add_metric(keras.metrics.Mean())
    with pytest.raises(ll.ArgumentError, match="`on` must be one of"):
        model.add_metric(model.outputs[0], on="predict")


def test_one_metric_for_two_terms():
    """A metric object has one state, so it can report one thing."""
    model = regression()
    metric = keras.metrics.Mean()
    model.add_metric(metric, model.outputs[0], name="first")
    with pytest.raises(ll.ArgumentError, match="must be used once"):
        model.add_metric(metric, model.outputs[0], name="second")


def test_after_compile():
    """add_loss and add_metric come before compile."""
    model = regression()
    model.compile("adam")
    for method in (model.add_loss, model.add_metric):
        with pytest.raises(ll.ObjectiveError, match="must come before compile.*compile again"):
            method(model.outputs[0], name="late")


def test_inputs_and_labels():
    """Inputs are what keras.Input returned, with names of their own."""
    x = keras.Input((3,), name="x")
    y = keras.layers.Dense(1)(x)
    with pytest.raises(ll.ArgumentTypeError, match="`inputs` must hold only what `keras.Input`"):
        ll.Model(y, y)
    with pytest.raises(ll.ArgumentError, match="`labels` must not be inputs too"):
        ll.Model(x, y, labels=x)
    with pytest.raises(ll.ArgumentError, match="tensors' own names as keys"):
        ll.Model({"other": x}, y)
    with pytest.raises(ll.ArgumentTypeError, match="`outputs` must hold tensors"):
        ll.Model(x, 3)


def test_labels_and_compile_loss():
    """y can't feed labels and Keras's own loss at once."""
    with pytest.raises(ll.ObjectiveError, match="`loss` must be left out of compile"):
        regression().compile("adam", loss="mse")
    with pytest.raises(ll.ObjectiveError, match="`metrics` must be left out of compile"):
        regression().compile("adam", metrics=["mse"])


def batches(kind, data):
    """`data` as an array argument, or as one batch from a source of batches."""
    return data if kind == "arrays" else (batch for batch in [(data,), (data,)])


@pytest.mark.parametrize("kind", ["arrays", "generator"])
def test_missing_input(rng, kind):
    """The message says which losses need it, and proposes the nearest name."""
    model = two_towers()
    model.compile("adam")
    data = {"a": np.ones((4, 3)), "bb": np.ones((4, 3))}
    message = weights_unmoved(
        model, lambda: model.fit(batches(kind, data), verbose=0, shuffle=False)
    )
    assert "fit needs 'b', for loss 'distance'" in message
    assert "Did you mean 'bb'?" in message
    message = weights_unmoved(model, lambda: model.evaluate(batches(kind, data), verbose=0))
    assert "evaluate needs 'b'" in message
    data = {"b": np.ones((4, 3))}
    message = weights_unmoved(model, lambda: model.predict(batches(kind, data), verbose=0))
    assert "predict needs 'a', for outputs" in message


@pytest.mark.parametrize("kind", ["arrays", "generator"])
def test_missing_label(rng, kind):
    """Without y the message says which terms need the label."""
    model = tagger()
    model.compile("adam")
    tokens, _ = tagger_data(rng)
    data = tokens if kind == "arrays" else (batch for batch in [(tokens,)])
    message = weights_unmoved(model, lambda: model.fit(data, verbose=0, shuffle=False))
    assert "needs 'tags', for loss 'nll', metric 'ppl', metric 'accuracy'" in message


def test_unwanted_y(rng):
    """y without labels is refused: it would be ignored in silence."""
    model = two_towers()
    model.compile("adam")
    data = {n: np.ones((4, 3)) for n in "ab"}
    act = lambda: model.fit(data, np.ones(4), verbose=0)
    assert "`y` must be left out" in weights_unmoved(model, act)


MISFITS = {
    "rows": ((5, 3), "must have as many rows. Received: a 4, b 5"),
    "width": ((4, 2), "'b' must have shape (batch, 3). Received: shape ("),
}


@pytest.mark.parametrize("kind", ["arrays", "generator"])
@pytest.mark.parametrize("misfit", MISFITS)
def test_shape_that_does_not_fit(kind, misfit):
    """Another number of rows, another width: the message says where and how many."""
    model = two_towers()
    model.compile("adam")
    shape, expected = MISFITS[misfit]
    data = {"a": np.ones((4, 3), "float32"), "b": np.ones(shape, "float32")}
    fit = {"verbose": 0, "shuffle": False}
    assert expected in weights_unmoved(model, lambda: model.fit(batches(kind, data), **fit))


def test_shape_inside_the_graph(rng):
    """Lengths that only the graph finds to differ: the message names the batch."""
    model = tagger()
    model.compile("adam")
    tokens, tags = tagger_data(rng)
    act = lambda: model.fit(tokens, tags[:, :-1], verbose=0)
    message = weights_unmoved(model, act)
    assert "the graph refuses a batch of tokens (" in message


def test_wrong_number_of_tensors():
    """A list that is neither all inputs nor those needed."""
    model = two_towers()
    model.compile("adam")
    data = [np.ones((4, 3))] * 3
    assert "`x` must hold 2 tensors" in weights_unmoved(
        model, lambda: model.fit(data, verbose=0, shuffle=False)
    )


@pytest.mark.parametrize("change", ["width", "name"])
def test_a_later_batch_that_is_wrong(change):
    """The first batches fit, the last one doesn't: named on every backend."""
    model = two_towers()
    model.compile("adam")
    ones = np.ones((4, 3), "float32")
    wrong = {"width": {"a": ones, "b": ones[:, :2]}, "name": {"a": ones, "c": ones}}[change]
    good = ({"a": ones, "b": ones},)
    data = (batch for batch in [good, good, good, (wrong,)])
    with pytest.raises(ll.DataError, match="b"):
        model.fit(data, verbose=0, shuffle=False)
    assert all(np.isfinite(w).all() for w in model.get_weights())


def test_loss_layer_that_reduces():
    """Values without a batch axis have lost their weights: refused where the layer is applied."""

    @ll.loss_layer
    def whole_batch(a, b):
        return keras.ops.mean(keras.ops.square(a - b))

    with pytest.raises(ll.ArgumentError, match="must return one value per element"):
        whole_batch()(np.ones((2, 3), "float32"), np.ones((2, 3), "float32"))


def test_losses_are_added_all_or_none():
    """After a refused list the same names are free."""
    model = regression()
    foreign = keras.layers.Dense(1)(keras.Input((3,), name="elsewhere"))
    good = model.outputs[0]
    with pytest.raises(ll.ObjectiveError):
        model.add_loss([good, foreign], name=["one", "two"])
    model.add_loss([good, good**2], name=["one", "two"])


def test_name_of_a_compiled_metric():
    """A named term and a metric of compile() can't share a name."""
    x = keras.Input((3,), name="x")
    y = keras.layers.Dense(1)(x)
    model = ll.Model(x, y)
    model.add_loss(y**2, name="mae")
    model.compile("sgd", loss="mse", metrics=["mae"])
    with pytest.raises(ll.ObjectiveError, match="must differ from the metrics of compile"):
        model.fit(np.ones((2, 3)), np.ones((2, 1)), verbose=0)


def test_nothing_to_evaluate():
    """Evaluate without losses and metrics says so."""
    x = keras.Input((3,), name="x")
    model = ll.Model(x, keras.layers.Dense(1)(x))
    model.compile("sgd")
    with pytest.raises(ll.ObjectiveError, match="there must be a loss or metric to evaluate"):
        model.evaluate(np.ones((2, 3)), verbose=0)


def test_weights_with_too_many_axes():
    """A weight per token can't weigh one value per row."""
    model = regression()
    model.compile("sgd")
    data = np.ones((4, 3)), np.ones((4, 1))
    with pytest.raises(ll.LosslayerError, match="must have at most the axes of the values"):
        model.evaluate(*data, sample_weight=np.ones((4, 3)), verbose=0)
