"""The CRF: constraints, what a model predicts by it, and files."""

import itertools

import keras
import numpy as np
import pytest
from keras import ops

import losslayer as ll
from losslayer import backend
from losslayer.losses import allowed_transitions
from losslayer.testing.subject import Subject

BIO = ["O", "B-X", "I-X", "B-Y", "I-Y"]
BMES = ["B", "M", "E", "S"]
BIOES = ["O", "B-X", "I-X", "E-X", "S-X", "B-Y", "E-Y"]


def legal(tags, scheme):
    """Whether these are whole chunks, from the meaning of the letters."""
    text = " ".join(tags)
    inside = {"BMES": "M"}.get(scheme, "I")
    for kind in {tag[1:] for tag in tags} - {""} or {""}:
        if scheme == "BIO":
            whole = [f"B{kind}"] + [f"I{kind}"] * len(tags)
            chunks = [" ".join(whole[:n]) for n in range(len(whole), 0, -1)]
        else:
            chunks = [
                " ".join([f"B{kind}", *[f"{inside}{kind}"] * n, f"E{kind}"])
                for n in range(len(tags), -1, -1)
            ] + [f"S{kind}"]
        for chunk in chunks:
            text = f" {text} ".replace(f" {chunk} ", " # ").replace(f" {chunk} ", " # ").strip()
    return set(text.split()) <= {"#", "O"}


@pytest.mark.parametrize(("tags", "scheme"), [(BIO, "BIO"), (BMES, "BMES"), (BIOES, "BIOES")])
@pytest.mark.parametrize("length", [1, 2, 3, 4])
def test_allowed_transitions(tags, scheme, length):
    """They allow those sequences that are made of whole chunks, and no others."""
    allowed = np.array(allowed_transitions(tags, scheme))
    for places in itertools.product(range(len(tags)), repeat=length):
        steps = itertools.pairwise([-1, *places, -1])
        names = [tags[place] for place in places]
        assert all(allowed[step] for step in steps) == legal(names, scheme), names


def test_allowed_transitions_refuses():
    """Names that aren't of the scheme, and an unknown scheme."""
    for tags, scheme in ((["O", "X"], "BIO"), (["B-"], "BIO"), ([], "BIO"), (["B", "B"], "BIO")):
        with pytest.raises(ll.ArgumentError, match="allowed_transitions: `tags` must"):
            allowed_transitions(tags, scheme)
    with pytest.raises(ll.ArgumentError, match="allowed_transitions: `scheme` must"):
        allowed_transitions(["O"], "IOB")


def layer(tags=BIO, scheme="BIO"):
    """A CRF with constraints and random scores."""
    crf = ll.losses.CRF(len(tags), allowed_transitions(tags, scheme))
    crf.build([(None, None, len(tags))])
    rng = np.random.default_rng(1)
    crf.set_weights([3 * rng.normal(size=w.shape) for w in crf.get_weights()])
    return crf


def logits(batch=40, time=6, tags=BIO, scale=3):
    """Random scores."""
    rng = np.random.default_rng(2)
    return scale * rng.normal(size=(batch, time, len(tags))).astype("float32")


@pytest.mark.parametrize(("tags", "scheme"), [(BIO, "BIO"), (BMES, "BMES")])
@pytest.mark.parametrize("scale", [3, 1000])
def test_decodes_only_what_is_allowed(tags, scheme, scale):
    """Whatever the logits say, and however long the sequence is."""
    crf, mask = layer(tags, scheme), np.arange(6) < np.resize([6, 1, 3, 2], 40)[:, None]
    found = ops.convert_to_numpy(crf.decode(logits(tags=tags, scale=scale), mask))
    for row, counts in zip(found, mask):
        assert legal([tags[place] for place in row[counts]], scheme)
        assert (row[~counts] == -1).all()


def test_labels_that_are_not_allowed():
    """Their value is about 1e6 for each step, their gradient finite; the others' are untouched."""
    crf = layer()
    scores, labels = logits(3), np.array([[0, 0, 1, 2, 0, 3], [0, 2, 2, 2, 0, 0], [2, 4, 0] * 2])
    values = ops.convert_to_numpy(crf(scores, labels)[0])
    assert values[0] < 100
    np.testing.assert_allclose(values[1:] / 1e6, [1, 4], rtol=1e-3)
    subject = Subject(crf, {"logits": scores, "labels": labels})
    _, slopes = subject.mean_and_slopes(subject.leaves())
    assert all(np.isfinite(slope).all() for slope in slopes)
    alone = ops.convert_to_numpy(crf(scores[:1], labels[:1])[0])
    np.testing.assert_allclose(values[:1], alone, rtol=1e-6)


def test_holes_are_removed():
    """A position in the middle that doesn't count: its neighbours follow each other."""
    crf, scores = layer(), logits(1)
    labels = np.array([[0, 1, 4, 2, 3, 4]])
    mask = np.array([[False, True, False, True, True, True]])
    kept = [1, 3, 4, 5]
    value, weight = crf(scores, labels, mask=mask)
    expected, _ = crf(scores[:, kept], labels[:, kept])
    np.testing.assert_allclose(*map(ops.convert_to_numpy, (value, expected)), rtol=1e-5)
    assert ops.convert_to_numpy(weight) == [1]
    for function in (crf.decode, crf.marginals):
        found, alone = function(scores, mask), function(scores[:, kept])
        found, alone = (ops.convert_to_numpy(t) for t in (found, alone))
        np.testing.assert_allclose(found[:, kept], alone, rtol=1e-4, atol=1e-6)


def test_sequences_of_one_position():
    """Without a transition: a softmax of logits, start and end."""
    crf, scores, labels = layer(), logits(3, 1), np.array([[0], [1], [3]])
    _, start, end = (ops.convert_to_numpy(t) for t in crf.scores())
    total = scores[:, 0] + start + end
    expected = np.log(np.exp(total).sum(-1)) - total[[0, 1, 2], labels[:, 0]]
    np.testing.assert_allclose(
        ops.convert_to_numpy(crf(scores, labels)[0]), expected, rtol=1e-5, atol=1e-5
    )
    found = ops.convert_to_numpy(crf.decode(scores))
    np.testing.assert_array_equal(found[:, 0], total.argmax(-1))


def test_garbage_where_nothing_counts():
    """NaN there reaches neither tags nor marginals, nor a gradient through them."""
    crf, mask = layer(), np.arange(6) < np.resize([0, 6, 4], 40)[:, None]
    clean = logits()
    spoiled = np.where(mask[..., None], clean, np.nan)
    for function in (crf.decode, crf.marginals):
        np.testing.assert_array_equal(
            *(ops.convert_to_numpy(function(t, mask)) for t in (clean, spoiled))
        )
    assert ops.convert_to_numpy(crf.marginals(spoiled, mask)).sum() == pytest.approx(mask.sum())

    def share(leaves):
        return ops.sum(crf.marginals(leaves[0], mask)[..., 0])

    _, (slope,) = backend.value_and_gradient(share)([spoiled])
    assert np.isfinite(slope).all()
    assert np.any(slope)
    assert not slope[~mask].any()


def test_other_number_of_tags():
    """Refused where the layer is applied."""
    for apply in (
        lambda crf, scores: crf(scores, np.zeros((1, 6), "int32")),
        lambda crf, scores: crf.decode(scores),
    ):
        with pytest.raises(ll.ArgumentError, match="CRF: `logits` must have 4 scores"):
            apply(ll.losses.CRF(4), logits(1))


def tagger():
    """A model that predicts tags and probabilities, trained by the same CRF."""
    keras.utils.set_random_seed(0)
    tokens = keras.Input((None,), dtype="int32", name="tokens")
    tags = keras.Input((None,), dtype="int32", name="tags")
    embed = keras.layers.Embedding(8, 6, mask_zero=True)
    scores = keras.layers.Dense(len(BIO))(embed(tokens))
    crf = ll.losses.CRF(len(BIO), allowed_transitions(BIO, "BIO"))
    mask = ops.not_equal(tokens, 0)
    best, shares = crf.decode(scores), crf.marginals(scores)
    model = ll.Model(tokens, [best, shares], labels=tags)
    model.add_loss(crf(scores, tags, mask=mask), name="nll")
    model.add_metric(ll.metrics.ChunkF1(BIO), tags, best, sample_weight=mask, name="f1")
    return model


def data():
    """Token 1 begins a chunk, 2 goes on with it, what it is of is said by the first token."""
    rng = np.random.default_rng(3)
    kinds, lengths = rng.integers(0, 2, (64, 1)), rng.integers(2, 7, (64, 1))
    steps = np.where(rng.uniform(size=(64, 6)) < 0.5, 1, 2)
    steps[:, 0] = 1
    counts = np.arange(6) < lengths
    return np.where(counts, steps + 2 * kinds, 0), np.where(counts, steps + 2 * kinds, -7)


def test_trains_saves_and_loads(tmp_path):
    """Tags need no labels; the file holds the learned scores once, and they train on for both."""
    model = tagger()
    model.compile(keras.optimizers.Adam(0.05))
    x, y = data()
    history = model.fit(x, y, epochs=30, verbose=0).history
    assert history["f1"][-1] > 0.95
    best, shares = model.predict(x, verbose=0)
    np.testing.assert_array_equal(best, np.where(x, y, -1))
    np.testing.assert_allclose(shares.sum(-1), x != 0, rtol=1e-4)
    model.save(tmp_path / "m.keras")
    loaded = keras.saving.load_model(tmp_path / "m.keras")
    assert len(loaded.weights) == len(model.weights)
    np.testing.assert_allclose(loaded.predict(x, verbose=0)[1], shares, rtol=1e-4, atol=1e-6)
    y = np.where(x, y % 4 + 1, y)  # something else to learn
    more = [m.fit(x, y, epochs=3, shuffle=False, verbose=0).history["nll"] for m in (model, loaded)]
    assert more[0] == pytest.approx(more[1], rel=1e-4)
    found = [m.predict(x, verbose=0)[1] for m in (model, loaded)]
    np.testing.assert_allclose(*found, rtol=1e-3, atol=1e-5)
    assert np.abs(found[0] - shares).max() > 1e-2


def test_inference_file(tmp_path):
    """The inference graph alone, saved and loaded, tags alike."""
    model = tagger()
    model.compile("adam")
    x, _ = data()
    model.inference.save(tmp_path / "plain.keras")
    loaded = keras.saving.load_model(tmp_path / "plain.keras")
    np.testing.assert_array_equal(loaded.predict(x, verbose=0)[0], model.predict(x, verbose=0)[0])


@pytest.mark.slow
def test_any_batches_and_slices():
    """The same numbers in batches of another size, and the same steps in slices."""
    found = []
    for sliced in (None, 5):
        model = tagger()
        model.compile(keras.optimizers.SGD(0.5), microbatch_size=sliced)
        x, y = data()
        model.fit(x, y, batch_size=64, epochs=2, shuffle=False, verbose=0)
        found += [model.evaluate(x, y, batch_size=size, verbose=0) for size in (64, 7)]
    for numbers in found[1:]:
        np.testing.assert_allclose(numbers, found[0], rtol=1e-5)
