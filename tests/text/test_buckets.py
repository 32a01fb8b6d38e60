"""Batches by tokens: every row once, few shapes, one order for (seed, epoch), exact numbers."""

import collections
import doctest
import itertools
import pathlib
import pickle
import random

import grain
import keras
import numpy as np
import pytest
from keras import ops

import losslayer as ll
import losslayer.text
from losslayer.core import rows as added
from losslayer.text import TokenBatches, buckets, rows

BACKEND = keras.backend.backend()


def columns(count=203, seed=3):
    """Texts of many lengths, one empty, whose ids are their row's number; a number and a vector."""
    generator = np.random.default_rng(seed)
    lengths = np.minimum(generator.lognormal(2.5, 0.8, count).astype(int), 60)
    lengths[7] = 0
    return {
        "text": [[row + 1] * length for row, length in enumerate(lengths)],
        "title": [np.full(1 + row % 5, row + 1) for row in range(count)],
        "number": generator.normal(size=count).tolist(),
        "vector": generator.normal(size=(count, 3)).astype("float32"),
    }


def lengths_of(data):
    return np.array([max(len(a), len(b)) for a, b in zip(data["text"], data["title"])])


def without_padding(row):
    return [int(token) for token in row if token]


@pytest.mark.parametrize("fill", [False, True])
@pytest.mark.parametrize("multiple", [1, 4])
@pytest.mark.parametrize("bounds", [None, (8, 24, 64), (64,)])
def test_every_row_once_within_the_budget(fill, multiple, bounds):
    """What the batches hold, put together again, is the data; in an epoch of any number."""
    given = columns()
    settings = {"bounds": bounds, "rows_multiple": multiple, "fill": fill}
    data = TokenBatches(given, 300, **settings)
    for epoch in (0, 5):
        data.begin(epoch)
        seen, shapes = [], set()
        for number, (batch,) in enumerate(data):
            counts = batch.pop("__rows__", None)
            assert set(batch) == set(given)
            assert (counts is not None) == fill
            size, bound = batch["text"].shape
            assert batch["title"].shape == (size, bound)
            assert size * bound <= 300
            assert bound in data.bounds
            assert not fill or size % multiple == 0
            shapes.add((size, bound))
            kept = slice(None) if counts is None else counts.astype(bool)
            seen += list(zip(*(column[kept] for column in batch.values())))
            assert len(data.rows(number)) == len(batch["text"][kept])
        assert shapes == set(data.shapes)
        assert len(shapes) <= len(data.bounds) * (1 if fill else 2)
        assert len(seen) == len(given["text"])
        order = np.concatenate([data.rows(number) for number in range(len(data))])
        assert sorted(order) == list(range(len(seen)))
        for row, (text, title, number, vector) in zip(order, seen):
            assert without_padding(text) == given["text"][row]
            assert without_padding(title) == given["title"][row].tolist()
            assert number == np.float32(given["number"][row])
            assert (vector == given["vector"][row]).all()
            longest = lengths_of(given)[row]
            assert len(text) == min(bound for bound in data.bounds if bound >= longest)


def test_texts_are_int32_and_numbers_floatx():
    """What a model's inputs are, whatever the columns held."""
    [batch] = TokenBatches(columns(), 4000)[0]
    dtypes = {name: str(array.dtype) for name, array in batch.items()}
    assert dtypes == dict.fromkeys(dtypes, "float32") | {"text": "int32", "title": "int32"}


def as_lists(data):
    return [{name: array.tolist() for name, array in batch.items()} for (batch,) in data]


def test_order_is_a_function_of_seed_and_epoch():
    """Not of what was read before, nor of the world's random numbers; each epoch has its own."""

    def plan(epoch, seed=1, begin_first=()):
        data = TokenBatches(columns(), 300, seed=seed)
        for other in begin_first:
            data.begin(other)
            data[1]
        data.begin(epoch)
        return as_lists(data)

    random.seed(0)
    np.random.seed(0)  # noqa: NPY002  the very thing that must not matter
    first = plan(2)
    random.seed(1)
    np.random.seed(1)  # noqa: NPY002
    assert plan(2, begin_first=(4, 0)) == first
    assert plan(3) != first
    assert plan(2, seed=2) != first
    data = TokenBatches(columns(), 300, seed=1)
    data.begin(2)
    backwards = [as_lists([data[number]])[0] for number in reversed(range(len(data)))]
    assert backwards[::-1] == first
    assert as_lists(pickle.loads(pickle.dumps(data))) == first
    times = [len(batch["text"][0]) for batch in first]
    assert sum(a > b for a, b in itertools.pairwise(times)) > 5, "batches are in order"
    assert plan(0, seed=None) == plan(7, seed=None)


def test_the_second_batch_has_another_length():
    """Keras on TensorFlow takes what the first two have in common for fixed."""
    for epoch in range(20):
        data = TokenBatches(columns(), 300)
        data.begin(epoch)
        assert data[0][0]["text"].shape[1] != data[1][0]["text"].shape[1]


@pytest.mark.parametrize("kind", ["rows", "grain"])
def test_sources_of_rows(kind):
    """A list of rows and a Grain dataset give the batches that columns give."""
    given = columns()
    expected = as_lists(TokenBatches(given, 300))
    source = [
        {name: np.asarray(column[row]) for name, column in given.items()}
        for row in range(len(given["text"]))
    ]
    if kind == "grain":
        source = grain.MapDataset.source(source).map(lambda row: {**row})
    assert as_lists(TokenBatches(source, 300)) == expected
    assert as_lists(TokenBatches(source, 300, lengths=lengths_of(given))) == expected


class Reads:
    """A source that counts how often it is read."""

    def __init__(self, rows):
        self.rows, self.count = rows, 0

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, number):
        self.count += 1
        return self.rows[number]


def test_known_lengths_spare_a_pass(capsys, monkeypatch):
    """With `lengths` only the first row is read; without, all, with a sign of life."""
    source = Reads([{"text": [1] * (1 + n % 9)} for n in range(50)])
    TokenBatches(source, 64, lengths=[1 + n % 9 for n in range(50)])
    assert source.count == 1
    TokenBatches(source, 64)
    assert source.count == 1 + 1 + 50
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(rows, "_PATIENCE", 0.0)
    TokenBatches(source, 64)
    assert "TokenBatches: read 49 of 50 rows\n" in capsys.readouterr().err


def test_long_rows_are_cut_and_said_to_be():
    """Never in silence; the rest of the row is there."""
    given = columns()
    longer = int((lengths_of(given) > 16).sum())
    assert longer > 3
    with pytest.warns(UserWarning, match=f"{longer} of 203 rows are longer than the last bound"):
        data = TokenBatches(given, 300, bounds=(8, 16), fill=False)
    assert data.cut == longer
    order = np.concatenate([data.rows(number) for number in range(len(data))])
    found = itertools.chain.from_iterable(batch["text"] for (batch,) in data)
    for row, text in zip(order, found, strict=True):
        assert without_padding(text) == given["text"][row][:16]
    assert TokenBatches(given, 300).cut == 0


def test_padding_is_the_share_of_zeros():
    """Of the longest texts, here the only ones."""
    texts = {"text": columns()["text"]}
    for fill in (False, True):
        data = TokenBatches(texts, 300, bounds=(8, 24, 64), fill=fill)
        cells = [batch["text"] for (batch,) in data]
        real = sum(map(len, texts["text"]))
        assert data.padding == pytest.approx(1 - real / sum(c.size for c in cells))


def test_best_bounds_are_the_best():
    """Against all choices of multiples of 8, in tokens."""
    generator = np.random.default_rng(1)
    for _ in range(40):
        lengths, count = generator.integers(0, 70, 12), int(generator.integers(1, 5))
        last = max(8, -(-max(lengths) // 8) * 8)
        choices = [
            (*rest, last)
            for few in range(count)
            for rest in itertools.combinations(range(8, last, 8), few)
        ]

        def tokens(bounds, lengths=lengths):
            return sum(min(b for b in bounds if b >= length) for length in lengths)

        found = buckets.best_bounds(lengths, count)
        assert found in choices
        assert tokens(found) == min(map(tokens, choices))
    assert buckets.best_bounds([1, 100_000])[-1] >= 100_000


def test_batches_of_a_bucket_are_of_about_one_size():
    """Ten rows, three of which have room: 3, 3, 3, 1 at worst; here 130 over 64 are 44, 44, 42."""
    data = TokenBatches({"text": [[1] * 8] * 130}, 64 * 8)
    assert sorted(len(data.rows(number)) for number in range(len(data))) == [42, 44, 44]


# In a model


def model_of(traces=None, pooling=False):
    """A regression on bags of tokens; its loss notes the shapes it is traced with."""
    text = keras.Input((None,), dtype="int32", name="text")
    number = keras.Input((), name="number")
    embedded = keras.layers.Embedding(300, 4, mask_zero=pooling)(text)
    mean = keras.layers.GlobalAveragePooling1D()
    bag = mean(embedded) if pooling else ops.sum(embedded, axis=1)
    prediction = ops.squeeze(keras.layers.Dense(1)(bag), -1)

    class Noting(ll.LossLayer):
        def values(self, embedded, prediction, number):
            if traces is not None:
                traces[tuple(embedded.shape)[:2]] += 1
            return ops.square(prediction - number)

    model = ll.Model([text, number], prediction)
    loss = Noting()(ops.stop_gradient(embedded) * 1, prediction, number)
    model.add_loss(loss, name="error")
    model.add_metric(ops.abs(prediction - number), name="absolute")
    model.compile(keras.optimizers.SGD(1e-4))
    return model


def by_hand(model, given, bounds):
    """The mean squared and absolute error, by a loop over rows in NumPy."""
    table, kernel, bias = model.get_weights()
    errors = []
    for text, number in zip(given["text"], given["number"]):
        bound = min(b for b in bounds if b >= len(text))
        bag = sum((table[token] for token in text), (bound - len(text)) * table[0])
        errors.append((bag @ kernel + bias)[0] - number)
    return np.mean(np.square(errors)), np.mean(np.abs(errors))


def test_numbers_do_not_know_of_batches():
    """evaluate gives what a loop gives; filled rows weigh nothing in losses and metrics."""
    given = {name: columns()[name] for name in ("text", "number")}
    model = model_of()
    squared, absolute = by_hand(model, given, (8, 24, 64))
    for fill in (False, True):
        data = TokenBatches(given, 300, bounds=(8, 24, 64), fill=fill, rows_multiple=4)
        got = model.evaluate(data, verbose=0, return_dict=True)
        assert got["error"] == pytest.approx(squared, rel=1e-5)
        assert got["loss"] == pytest.approx(squared, rel=1e-5)
        if fill:
            added = sum(int((batch["__rows__"] == 0).sum()) for (batch,) in data)
            assert 0 < added < 20
        assert got["absolute"] == pytest.approx(absolute, rel=1e-5)


def test_filled_rows_do_no_harm():
    """Mean pooling of an empty row is 0 / 0, so what fills a batch is no empty row."""
    texts = [[1 + n] * (1 + n % 20) for n in range(53)]
    given = {"text": texts, "number": np.arange(53.0)}
    data = TokenBatches(given, 150, rows_multiple=5, fill=True)
    assert any(0 in batch["__rows__"] for (batch,) in data)
    model = model_of(pooling=True)
    model.fit(data, epochs=2, verbose=0, shuffle=False)
    assert all(np.isfinite(weight).all() for weight in model.get_weights())


def test_filled_rows_do_not_train():
    """A step on a filled batch is the step on its rows alone."""
    given = {"text": [[1, 2]] * 5, "number": [1.0, 2.0, 3.0, 4.0, 5.0]}
    model = model_of()
    start, ends = model.get_weights(), []
    for settings in ({}, {"rows_multiple": 8, "fill": True}):
        data = TokenBatches(given, 64, **settings)
        assert data.shapes == [(8 if settings else 5, 8)]
        model.set_weights(start)
        model.fit(data, verbose=0, shuffle=False)
        ends.append(model.get_weights())
    for one, other, before in zip(*ends, start):
        assert not np.allclose(one, before, rtol=0, atol=1e-5)
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-7)


class Noted(TokenBatches):
    """Notes from which epoch each batch was read."""

    def __init__(self, *args, **kwargs):
        self.read = []
        super().__init__(*args, **kwargs)

    def __getitem__(self, batch):
        self.read.append((self.epoch, batch))
        return super().__getitem__(batch)


def noted():
    given = {name: columns()[name] for name in ("text", "number")}
    return Noted(given, 300, fill=True)


def read_epochs(data, epochs):
    """The batches read; without the two that Keras on TensorFlow reads to learn the shapes."""
    found = data.read[2:] if BACKEND == "tensorflow" else data.read
    assert found == [(epoch, batch) for epoch in epochs for batch in range(len(data))]


def test_epochs_of_fit_are_ours():
    """Keras moves on by itself, from epoch 0, through all batches in order."""
    data = noted()
    model_of().fit(data, epochs=3, verbose=0, shuffle=False)
    read_epochs(data, [0, 1, 2])
    assert data.epoch == 3


def test_a_resumed_fit_reads_what_was_left():
    """`begin`, once or by a callback, makes the epochs of a resumed run those of the first."""
    settings = {"verbose": 0, "shuffle": False}
    model = model_of()
    start = model.get_weights()
    expected = model.fit(noted(), epochs=3, **settings).history["error"]
    model.set_weights(start)
    found = model.fit(noted(), epochs=1, **settings).history["error"]
    data = noted()
    follow = keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: data.begin(epoch))
    settings["initial_epoch"] = 1
    found += model.fit(data, epochs=2, callbacks=[follow], **settings).history["error"]
    read_epochs(data, [1])
    data = noted()
    data.begin(2)
    settings["initial_epoch"] = 2
    found += model.fit(data, epochs=3, **settings).history["error"]
    read_epochs(data, [2])
    assert found == pytest.approx(expected, rel=1e-5)


def test_workers_give_the_same_batches():
    """In threads of Keras's too, each row comes once."""
    given = {name: columns()[name] for name in ("text", "number")}
    data = TokenBatches(given, 300, workers=2)
    model = model_of()
    expected = model.evaluate(TokenBatches(given, 300), verbose=0)
    assert model.evaluate(data, verbose=0) == pytest.approx(expected, rel=1e-5)


@pytest.mark.skipif(BACKEND == "torch", reason="nothing is compiled")
def test_a_model_compiles_once_per_shape():
    """As many traces as shapes, at most one per bucket; none in later epochs."""
    given = {name: columns()[name] for name in ("text", "number")}
    traces = collections.Counter()
    model = model_of(traces)
    data = TokenBatches(given, 300, bounds=(8, 16, 32, 64), fill=True)
    model.test_on_batch(data[0][0])  # what the model looks at once, before its first step
    traces.clear()
    assert len(data.shapes) == 4
    model.evaluate(data, verbose=0)
    assert 0 < sum(traces.values()) <= 4
    before = sum(traces.values())
    data.begin(3)
    model.evaluate(data, verbose=0)
    assert sum(traces.values()) == before
    if BACKEND == "jax":
        assert traces == collections.Counter(data.shapes)
        model.evaluate(TokenBatches(given, 300, bounds=range(5, 65, 5)), verbose=0)
        assert len(traces) > 4 + 8, "it counts shapes"


def test_rows_are_told_where_the_model_looks():
    """The name is the model's."""
    assert buckets._ROWS == added.NAME


# Errors

GOOD = {"text": [[1, 2], [3]], "label": [0, 1]}


@pytest.mark.parametrize(
    ("source", "settings", "message"),
    [
        ({"text": []}, {}, "`source` must have rows. Received: none"),
        ({}, {}, "`source` must have rows"),
        ({"text": [[1]], "label": [1, 2]}, {}, "as many rows in each column. Received: {'text': 1"),
        ([[1, 2]], {}, "each row as a dict by name. Received: row 0 is [1, 2]"),
        ([{"text": [1]}, None], {}, "each row as a dict by name. Received: row 1 is None"),
        ({"label": [1, 2]}, {}, "`texts` must name columns of token ids, of ('label',)"),
        (GOOD, {"texts": ["txt"]}, "`texts` must name columns of token ids, of ('text', 'label')"),
        ({**GOOD, "raw": ["a", "b"]}, {}, "token ids and numbers. Received: column 'raw' begins"),
        ({"text": [[1], [[2], [3, 4]]]}, {}, "a list of integers in each row of 'text'"),
        ({"text": [[1], [0.5]]}, {}, "Received: [0.5] in row 1"),
        ([{"text": [1]}, {"label": 1}], {}, "in each row of 'text'. Received: None in row 1"),
        (GOOD, {"tokens": 0}, "`tokens` must be an integer >= 1. Received: tokens=0"),
        (GOOD, {"tokens": 7}, "`tokens` must be >= 8, room for rows_multiple=1 rows of the last"),
        (GOOD, {"rows_multiple": 5}, "`tokens` must be >= 40"),
        (GOOD, {"rows_multiple": 0}, "`rows_multiple` must be an integer >= 1"),
        (GOOD, {"seed": -1}, "`seed` must be an integer >= 0. Received: seed=-1"),
        (GOOD, {"seed": True}, "`seed` must be an integer >= 0. Received: seed=True"),
        (GOOD, {"bounds": (8, 8)}, "`bounds` must be integers > 0, increasing. Received: bounds="),
        (GOOD, {"bounds": (0, 8)}, "`bounds` must be integers > 0"),
        (GOOD, {"bounds": ()}, "`bounds` must be integers > 0"),
        (GOOD, {"bounds": (8.0,)}, "`bounds` must be integers > 0"),
        (GOOD, {"lengths": [2]}, "an integer >= 0 for each of the 2 rows. Received: int64 of"),
        (GOOD, {"lengths": [2, -1]}, "the least -1"),
        (GOOD, {"lengths": [2.0, 1.0]}, "Received: float64 of shape (2,)"),
    ],
)
def test_wrong_arguments(source, settings, message):
    """The error says what must be and what came."""
    with pytest.raises(ll.LosslayerError) as caught:
        TokenBatches(source, **{"tokens": 32, **settings})
    assert str(caught.value).startswith("TokenBatches: `")
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("source", "settings", "message"),
    [
        (
            {"text": [[1] * 9, [2]]},
            {"lengths": [2, 1]},
            "Received: 2 for row 0, whose 'text' has 9",
        ),
        ({"text": [[1], [-2]]}, {}, "32 bits in 'text'. Received: -2 to 1"),
        ({"text": [[1], [2**31]]}, {}, "Received: 1 to 2147483648"),
        ({**GOOD, "label": [1, [2, 3]]}, {}, "one shape in all rows of 'label'"),
        (GOOD, {"lengths": [2, 1], "texts": ["text", "label"]}, "list of integers in each row"),
    ],
)
def test_wrong_rows(source, settings, message):
    """What only the rows can show is an error when they are read."""
    data = TokenBatches(source, 32, **{"bounds": (8, 16), **settings})
    with pytest.raises(ll.ArgumentError) as caught:
        list(data)
    assert str(caught.value).startswith("TokenBatches: `")
    assert message in str(caught.value)


def test_begin_takes_epochs_only():
    """A wrong epoch leaves the data at the one they were at."""
    data = TokenBatches(GOOD, 32)
    with pytest.raises(ll.ArgumentError, match=r"TokenBatches.begin: `epoch` must be an integer"):
        data.begin(-1)
    assert data.epoch == 0


def test_docstring(tmp_path, monkeypatch):
    """The example gives what it says."""
    monkeypatch.chdir(tmp_path)
    said = []
    names = {**vars(losslayer.text), **vars(buckets), "Path": pathlib.Path}
    [example] = doctest.DocTestFinder().find(TokenBatches, "TokenBatches", globs=names)[:1]
    assert example.examples
    doctest.DocTestRunner(verbose=False).run(example, out=said.append)
    assert not said, "".join(said)
