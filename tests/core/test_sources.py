"""All that keras.Model.fit takes, fit takes: the same steps, the same numbers."""

import keras
import numpy as np
import pytest

import losslayer as ll
from tests.core.conftest import tagger, tagger_data, two_towers


class Sequence(keras.utils.PyDataset):
    """Batches of 5 of some arrays."""

    def __init__(self, batches):
        super().__init__()
        self.batches = batches

    def __len__(self):
        return len(self.batches)

    def __getitem__(self, index):
        return self.batches[index]


def cut(arrays, size=5):
    """The batches of arrays that fit makes, as the structure that each source yields."""
    rows = len(keras.tree.flatten(arrays)[0])
    slices = [slice(start, start + size) for start in range(0, rows, size)]
    return [keras.tree.map_structure(lambda a, part=part: a[part], arrays) for part in slices]


def in_tuples(batches):
    """Keras asks for tuples from generators and torch loaders: a dict alone becomes `(dict,)`."""
    return [batch if isinstance(batch, tuple) else (batch,) for batch in batches]


def as_generator(batches):
    yield from in_tuples(batches)


def as_tf_data(batches):
    tf = pytest.importorskip("tensorflow")
    whole = keras.tree.map_structure(lambda *parts: np.concatenate(parts), *batches)
    return tf.data.Dataset.from_tensor_slices(whole).batch(5)


def as_loader(batches):
    torch = pytest.importorskip("torch")
    whole = keras.tree.map_structure(lambda *parts: np.concatenate(parts), *in_tuples(batches))
    flat = [torch.from_numpy(a) for a in keras.tree.flatten(whole)]

    def collate(rows):
        columns = [torch.stack(column) for column in zip(*rows)]
        return keras.tree.pack_sequence_as(whole, columns)

    data = torch.utils.data.TensorDataset(*flat)
    return torch.utils.data.DataLoader(data, batch_size=5, collate_fn=collate)


def as_grain(batches):
    grain = pytest.importorskip("grain")
    return grain.MapDataset.source(batches)


SOURCES = {
    "generator": as_generator,
    "py_dataset": Sequence,
    "tf_data": as_tf_data,
    "torch_loader": as_loader,
    "grain": as_grain,
}


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("structure", ["x_y", "dict"])
def test_sources(rng, source, structure):
    """Every source, with labels as y or named in x: trained and evaluated as arrays are."""
    tokens, tags = tagger_data(rng)
    data = (tokens, tags) if structure == "x_y" else {"tokens": tokens, "tags": tags}
    model = tagger()
    model.compile(keras.optimizers.SGD(0.5))
    start = model.get_weights()
    arrays = {"shuffle": False, "batch_size": 5, "verbose": 0}
    expected = model.fit(*(data if structure == "x_y" else (data,)), **arrays).history
    trained = model.get_weights()
    model.set_weights(start)
    # The number of steps keeps Keras from warning when a source of unknown length runs out.
    steps = {"steps_per_epoch": 5, "verbose": 0, "shuffle": False}
    got = model.fit(SOURCES[source](cut(data)), **steps).history
    assert got == {name: pytest.approx(values, rel=1e-5) for name, values in expected.items()}
    for a, b in zip(trained, model.get_weights()):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)
    whole = model.evaluate(tokens, tags, return_dict=True, verbose=0)
    got = model.evaluate(SOURCES[source](cut(data)), return_dict=True, verbose=0, steps=5)
    assert got == pytest.approx(whole, rel=1e-5)


@pytest.mark.parametrize("source", SOURCES)
def test_sources_predict(rng, source):
    """predict over batches that hold more than the outputs need."""
    model = two_towers()
    model.compile("adam")
    data = {n: rng.normal(size=(8, 3)).astype("float32") for n in "ab"}
    expected = model.predict(data, verbose=0)
    got = model.predict(SOURCES[source](cut(data)), verbose=0, steps=2)
    np.testing.assert_allclose(got, expected, rtol=1e-5)


def test_sample_weights_in_batches(rng):
    """A third element of a batch weighs the losses."""
    tokens, tags = tagger_data(rng)
    weight = rng.uniform(size=len(tokens)).astype("float32")
    model = tagger()
    model.compile("sgd")
    settings = {"return_dict": True, "verbose": 0}
    expected = model.evaluate(tokens, tags, sample_weight=weight, **settings)
    got = model.evaluate(as_generator(cut((tokens, tags, weight))), steps=5, **settings)
    assert got == pytest.approx(expected, rel=1e-5)
    assert got["nll"] != pytest.approx(model.evaluate(tokens, tags, **settings)["nll"], rel=1e-4)


def test_validation_split_and_sources(rng):
    """validation_split, arrays, and a source as validation_data."""
    tokens, tags = tagger_data(rng)
    model = tagger()
    model.compile(keras.optimizers.SGD(0.0))
    last = {"verbose": 0, "return_dict": True}
    expected = model.evaluate(tokens[-4:], tags[-4:], **last)["nll"]
    split = model.fit(tokens, tags, validation_split=4 / 23, verbose=0).history
    assert split["val_nll"] == pytest.approx([expected], rel=1e-5)
    source = Sequence(cut((tokens[-4:], tags[-4:])))
    named = {"tokens": tokens[-4:], "tags": tags[-4:]}
    for data in (source, named, (tokens[-4:], tags[-4:]), (named, None, None)):
        history = model.fit(tokens, tags, validation_data=data, verbose=0).history
        assert history["val_nll"] == pytest.approx([expected], rel=1e-5)


def test_list_with_validation_split(rng):
    """A list that leaves out an input nobody needs is in the order of the inputs."""
    a, b, c, d = (keras.Input((1,), name=name) for name in "abcd")
    y = keras.layers.Dense(1)(b) + c
    model = ll.Model([a, b, c, d], y)
    model.add_loss(keras.ops.square(y), name="size")
    model.add_metric(a, name="of_a", on="evaluate")
    model.compile("sgd")
    arrays = [np.full((4, 1), number, "float32") for number in (1, 2, 3)]
    history = model.fit(arrays, validation_split=0.5, verbose=0).history
    assert history["val_of_a"] == [1.0]


def test_labels_in_x_and_in_y(rng):
    """One label by name in x, the other in y."""
    x = keras.Input((3,), name="x")
    one, two = (keras.Input((1,), name=name) for name in ("one", "two"))
    y = keras.layers.Dense(1)(x)
    model = ll.Model(x, y, labels=[one, two])
    model.add_loss(keras.ops.square(y - one - two), name="error")
    model.compile("sgd")
    data = np.ones((4, 3)), np.ones((4, 1))
    expected = model.evaluate(data[0], [data[1], data[1]], verbose=0)
    got = model.evaluate({"x": data[0], "one": data[1]}, {"two": data[1]}, verbose=0)
    assert got == pytest.approx(expected)
