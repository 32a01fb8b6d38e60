"""RetrievalEvaluation: equal to a loop, in the history, seen by later callbacks."""

import keras
import numpy as np
import pytest

import losslayer as ll
from losslayer.callbacks import retrieval

from .conftest import Fail

WORDS, QUERIES, ENTRIES = 12, 9, 14


def arrays():
    """Queries and entries of two words each, and which entries are right for each query."""
    random = np.random.default_rng(5)
    queries = random.integers(0, WORDS, (QUERIES, 2))
    corpus = random.integers(0, WORDS, (ENTRIES, 2))
    corpus[3] = corpus[7]  # the same vector: a tie
    right = [random.permutation(ENTRIES)[: 1 + row % 3] for row in range(QUERIES)]
    right[0] = np.array([7])
    return queries, corpus, right


@pytest.fixture
def encoders():
    """Two encoders of words that share a table, and a model that trains it."""
    words, others = (keras.Input((2,), dtype="int32", name=n) for n in ("words", "others"))
    table = keras.layers.Embedding(WORDS, 3, embeddings_initializer="normal")
    pool = keras.layers.GlobalAveragePooling1D()
    query = keras.layers.Dense(3, kernel_initializer="identity")(pool(table(words)))
    entry = pool(table(others))
    model = ll.Model(inputs=[words, others], outputs=query)
    model.add_loss(ll.losses.InBatchNegatives(0.5)(query, entry), name="in_batch")
    model.compile(keras.optimizers.Adam(0.1))
    return keras.Model(words, query), keras.Model(others, entry), model


def fit(model, callbacks, **settings):
    """Train on pairs."""
    random = np.random.default_rng(6)
    data = dict(zip(("words", "others"), random.integers(0, WORDS, (2, 8, 2))))
    arguments = {"batch_size": 4, "epochs": 3, "verbose": 0, **settings}
    return model.fit(data, callbacks=callbacks, **arguments)


def loop(encoders, similarity="cosine"):
    """The figures, entry by entry."""
    queries, corpus, right = arrays()
    firsts, recalls = [], {1: [], 3: []}
    vectors = [e.predict(x, verbose=0) for e, x in zip(encoders, (queries, corpus))]
    if similarity == "cosine":
        vectors = [v / np.linalg.norm(v, axis=1, keepdims=True) for v in vectors]
    scores = vectors[0] @ vectors[1].T
    for row in range(QUERIES):
        order = sorted(range(ENTRIES), key=lambda j: (-scores[row, j], j in right[row]))
        places = [order.index(j) + 1 for j in right[row]]
        firsts.append(1 / min(places))
        for k, found in recalls.items():
            found.append(sum(place <= k for place in places) / len(places))
    return {**{f"recall@{k}": np.mean(v) for k, v in recalls.items()}, "mrr": np.mean(firsts)}


@pytest.mark.parametrize("similarity", ["cosine", "dot"])
@pytest.mark.parametrize("scores", [1, 40, 2**24])
def test_equals_a_loop(encoders, similarity, scores, monkeypatch):
    """The same figures in blocks of any size, encoded in batches of any size."""
    monkeypatch.setattr(retrieval, "_SCORES", scores)
    expected = loop(encoders[:2], similarity)
    for batch_size in (4, 256):
        callback = ll.callbacks.RetrievalEvaluation(
            *encoders[:2], *arrays(), k=(1, 3), similarity=similarity, batch_size=batch_size
        )
        assert callback.evaluate() == pytest.approx(expected)


def test_ties_go_to_the_wrong_entry():
    """Where all vectors are equal, the right entry is last; NaN is worse than all."""
    scores = np.array([[1.0, 1.0, 1.0, 1.0], [np.nan, 0.0, 0.0, -np.inf]])
    assert retrieval._places(scores[0], np.array([1])).tolist() == [4]
    assert retrieval._places(scores[0], np.array([0, 2])).tolist() == [3, 4]
    assert retrieval._places(scores[1], np.array([0, 1])).tolist() == [2, 4]


def test_is_in_the_history_with_the_weights_of_each_epoch(encoders):
    """One figure an epoch, under the names of the prefix: those of the weights at its end."""
    *pair, model = encoders
    callback = ll.callbacks.RetrievalEvaluation(*pair, *arrays(), k=(1, 3), prefix="test_")
    expected = []
    after = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: expected.append(dict(logs))
    )
    history = fit(model, [callback, after]).history
    assert set(history) >= {"loss", "test_recall@1", "test_recall@3", "test_mrr"}
    assert len(set(history["test_mrr"])) > 1  # it sees the weights change
    last = loop(pair)
    for name in ("recall@1", "recall@3", "mrr"):
        assert history[f"test_{name}"] == [logs[f"test_{name}"] for logs in expected]
        assert history[f"test_{name}"][-1] == pytest.approx(last[name])


def test_training_is_what_it_was_without(encoders):
    """Looking does not change what is trained."""
    *pair, model = encoders
    weights = model.get_weights()
    fit(model, [ll.callbacks.RetrievalEvaluation(*pair, *arrays())], shuffle=False)
    watched = model.get_weights()
    model.set_weights(weights)
    model.compile(keras.optimizers.Adam(0.1))
    fit(model, [], shuffle=False)
    for one, other in zip(watched, model.get_weights()):
        np.testing.assert_array_equal(one, other)


def test_early_stopping_sees_it(encoders, tmp_path):
    """Behind it in the list, EarlyStopping and ModelCheckpoint watch a figure."""
    *pair, model = encoders
    watch = {"monitor": "val_mrr", "mode": "max"}
    callbacks = [
        ll.callbacks.RetrievalEvaluation(*pair, *arrays()),
        # No figure is better by 2: it ends after the second epoch.
        keras.callbacks.EarlyStopping(**watch, min_delta=2.0, patience=1, baseline=0.0),
        keras.callbacks.ModelCheckpoint(tmp_path / "best.keras", save_best_only=True, **watch),
    ]
    history = fit(model, callbacks, epochs=9).history
    assert len(history["val_mrr"]) < 9
    assert (tmp_path / "best.keras").exists()


def test_goes_on_after_an_interruption(encoders, tmp_path):
    """With Resume the history is that of a run without interruption."""
    *pair, model = encoders
    weights = model.get_weights()

    def callbacks(folder, *more):
        evaluation = ll.callbacks.RetrievalEvaluation(*pair, *arrays())
        return [evaluation, *more, ll.callbacks.Resume(folder, steps=1, verbose=0)]

    expected = fit(model, callbacks(tmp_path / "whole")).history
    for again in (False, True):
        model.set_weights(weights)
        model.compile(keras.optimizers.Adam(0.1))
        if not again:
            with pytest.raises(ZeroDivisionError):
                fit(model, callbacks(tmp_path / "ended", Fail(3)))
    assert fit(model, callbacks(tmp_path / "ended")).history == expected


@pytest.mark.parametrize(
    ("argument", "wrong", "rule"),
    [
        ("query_encoder", "encoder", "be a keras.Model"),
        ("corpus_encoder", None, "be a keras.Model"),
        ("queries", [1, 2], "be arrays with the same number of rows"),
        ("corpus", np.zeros((0, 2)), "be arrays with the same number of rows"),
        ("right", [0] * (QUERIES - 1), "have a row for each of 9 queries"),
        ("right", [ENTRIES] * QUERIES, "hold numbers of entries"),
        ("right", [-1] * QUERIES, "hold numbers of entries"),
        ("right", [[]] * QUERIES, "hold numbers of entries"),
        ("right", [[0.5]] * QUERIES, "hold numbers of entries"),
        ("k", 0, "be a whole number >= 1"),
        ("k", (1, 2.5), "be a whole number >= 1"),
        ("similarity", "euclidean", "be one of"),
        ("prefix", None, "be a text"),
        ("batch_size", 0, "be a whole number >= 1"),
    ],
)
def test_wrong_input_is_refused_by_name(encoders, argument, wrong, rule):
    """Each argument has its rule, and the message names it."""
    names = ("query_encoder", "corpus_encoder", "queries", "corpus", "right")
    arguments = {**dict(zip(names, (*encoders[:2], *arrays()))), argument: wrong}
    with pytest.raises(ll.LosslayerError, match=f"RetrievalEvaluation: `{argument}` must {rule}"):
        ll.callbacks.RetrievalEvaluation(**arguments)


def test_an_encoder_that_gives_no_vectors_is_refused(encoders):
    """Vectors have the axes (batch, dim)."""
    words = keras.Input((2,), dtype="int32")
    wide = keras.Model(words, keras.layers.Embedding(WORDS, 3)(words))
    callback = ll.callbacks.RetrievalEvaluation(encoders[0], wide, *arrays())
    with pytest.raises(ll.ArgumentError, match="`corpus_encoder` must give vectors"):
        callback.evaluate()
