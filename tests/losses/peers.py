"""How a loss of ours is compared with the same loss of PyTorch, whatever engine runs ours."""

import numpy as np
import pytest

from losslayer.testing.subject import Subject

torch = pytest.importorskip("torch", reason="the peer of these tests")


def assert_same(layer, inputs, peer, **weights):
    """Assert that values and slopes of the weighted mean are those of `peer`, to 1e-5.

    Args:
        layer: The loss.
        inputs: Arrays by argument name.
        peer: A function of torch tensors, in that order, that gives the values.
        **weights: `mask` or `sample_weight`, as for the layer.
    """
    subject = Subject(layer, inputs)
    values, counts = subject.run(**weights)
    tensors = {n: torch.tensor(a, requires_grad=a.dtype.kind == "f") for n, a in inputs.items()}
    expected = peer(*tensors.values())
    same("values", values[counts != 0], expected.detach().numpy()[counts != 0])
    factors = torch.tensor(counts)
    mean = (torch.where(factors != 0, expected, 0.0) * factors).sum() / factors.sum()
    mean.backward()
    for name, slopes in subject.gradient(**weights).items():
        grad = tensors[name].grad
        expected = np.zeros_like(slopes) if grad is None else grad.numpy()
        same(f"slopes by {name}", slopes, expected)


def same(what, found, expected):
    """Assert equality to 1e-5, or 1e-6 near 0."""
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6, err_msg=what)
