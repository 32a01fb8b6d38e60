"""The CRF against that of pytorch-crf."""

import itertools

import numpy as np
import pytest
from keras import ops

import losslayer as ll
from losslayer.testing.subject import Subject

torch = pytest.importorskip("torch", reason="the peer computes with torch")
torchcrf = pytest.importorskip("torchcrf", reason="pytorch-crf is the peer")

BATCH, TIME, TAGS = 7, 9, 5
LENGTHS = np.array([9, 1, 4, 9, 2, 7, 3])
MASK = np.arange(TIME) < LENGTHS[:, None]


@pytest.fixture(params=range(3))
def both(request):
    """Scores and labels, and both CRFs with the same weights."""
    rng = np.random.default_rng(request.param)
    logits = rng.normal(size=(BATCH, TIME, TAGS)).astype("float32")
    labels = rng.integers(0, TAGS, (BATCH, TIME)).astype("int32")
    ours = ll.losses.CRF(TAGS)
    ours.build([(None, None, TAGS)])
    weights = [rng.normal(size=s).astype("float32") for s in ((TAGS, TAGS), TAGS, TAGS)]
    ours.set_weights(weights)
    theirs = torchcrf.CRF(TAGS, batch_first=True)
    names = ("transitions", "start_transitions", "end_transitions")
    for name, weight in zip(names, weights):
        getattr(theirs, name).data = torch.tensor(weight)
    return logits, labels, ours, theirs


def test_values_and_gradients(both):
    """Of each sequence, and by the logits and all learned scores."""
    logits, labels, ours, theirs = both
    emissions = torch.tensor(logits, requires_grad=True)
    arguments = torch.tensor(labels).long(), torch.tensor(MASK)
    expected = -theirs(emissions, *arguments, reduction="none")
    subject = Subject(ours, {"logits": logits, "labels": labels})
    values, weights = subject.run(mask=MASK)
    np.testing.assert_allclose(values, expected.detach().numpy(), rtol=1e-5)
    assert (weights == 1).all()
    expected.mean().backward()
    _, slopes = subject.mean_and_slopes(subject.leaves(), mask=MASK)
    wanted = emissions, theirs.transitions, theirs.start_transitions, theirs.end_transitions
    for found, parameter in zip(slopes, wanted, strict=True):
        np.testing.assert_allclose(found, parameter.grad.numpy(), rtol=1e-5, atol=1e-6)


def test_best_tags(both):
    """The same sequences, without and with a mask."""
    logits, _, ours, theirs = both
    for mask in (None, MASK):
        # Without a mask it makes one of bytes, of which torch warns.
        given = torch.tensor(np.ones_like(MASK) if mask is None else mask)
        expected = theirs.decode(torch.tensor(logits), given)
        found = ops.convert_to_numpy(ours.decode(logits, mask))
        for row, tags in zip(found, expected, strict=True):
            assert list(row[: len(tags)]) == tags
            assert all(tag == -1 for tag in itertools.islice(row, len(tags), None))
