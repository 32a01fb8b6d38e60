"""Several devices and several processes: the gradient and the numbers of one device."""

import keras
import numpy as np
import pytest

from tests import processes

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "jax", reason="keras.distribution is for JAX only"
)


def run(out, *arguments, count=1):
    """What that many processes of `tests.core.devices_job` say, and the codes they end with."""
    given = [[out, *arguments, "--processes", count]] * count
    ended = processes.run("tests.core.devices_job", *given)
    return [said + errors for said, errors, _ in ended], [code for _, _, code in ended]


def results(out, *arguments, count=1):
    """What they wrote, by case."""
    said, codes = run(out, *arguments, count=count)
    assert not any(codes), "\n".join(text[-3000:] for text in said)
    with np.load(out) as found:
        return dict(found)


def assert_equal(found, expected):
    """Equal to 1e-5, relative to the largest number of a case."""
    assert found
    assert set(found) <= set(expected)
    for case, values in found.items():
        largest = max(np.abs(v).max() for c, v in expected.items() if c[:-1] == case[:-1])
        assert np.abs(values - expected[case]).max() <= 1e-5 * largest, case


@pytest.fixture(scope="module")
def one(tmp_path_factory):
    """What one device gives."""
    return results(tmp_path_factory.mktemp("one") / "one.npz", "--devices", 1)


@pytest.fixture(scope="module")
def four(tmp_path_factory):
    """What four devices of one process give."""
    return results(tmp_path_factory.mktemp("four") / "four.npz", "--devices", 4)


def without_dropout(found):
    """Without what is random: in slices each device draws numbers of its own."""
    return {case: values for case, values in found.items() if case != "dropout"}


@pytest.mark.slow
def test_devices(one, four, tmp_path):
    """Each loss and the sum of all, with slices and without, `fit`, `evaluate`, `predict`."""
    two = results(tmp_path / "found.npz", "--devices", 2)
    for found in (two, four):
        assert set(found) == set(one)
        assert_equal(without_dropout(found), one)
    assert np.isfinite(two["dropout"]).all()


@pytest.mark.slow
def test_two_processes(one, four, tmp_path):
    """Two processes of two devices each, which are given the same data."""
    found = results(tmp_path / "found.npz", "--devices", 2, count=2)
    assert {"fit", "evaluate", "dropout"} <= set(found)
    assert_equal(without_dropout(found), one)
    assert_equal(found, four)  # dropout too


@pytest.mark.slow
def test_processes_with_data_of_their_own(tmp_path):
    """Six rows here and four there are the batch of ten of one process."""
    expected = results(tmp_path / "one.npz", "--devices", 1, "--own-data", "--whole")
    found = results(tmp_path / "two.npz", "--devices", 2, "--own-data", count=2)
    assert_equal(found, expected)


@pytest.mark.slow
@pytest.mark.parametrize("kind", [[], ["--generator"]], ids=["dataset", "generator"])
def test_processes_with_fewer_batches(tmp_path, kind):
    """All of them end with an error that says so; none waits for ever."""
    arguments = ("--devices", 1, "--own-data", "--fewer", *kind)
    said, codes = run(tmp_path / "x.npz", *arguments, count=2)
    assert codes == [3, 3], "\n".join(text[-3000:] for text in said)
    counts = "[1, 0]" if kind else "[2, 1]"
    assert all(f"must have as many batches. Received: {counts}" in text for text in said)
