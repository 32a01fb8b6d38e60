"""Resume in two processes: one writes, both go on, and end as if nothing had happened."""

import json

import keras
import pytest

from tests import processes

JOB = "tests.callbacks.processes_job"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(keras.backend.backend() != "jax", reason="keras.distribution is for JAX"),
]


def outcome(*arguments):
    """The outcome of a run that ends by itself, the same in both processes."""
    results = processes.run(JOB, arguments, arguments)
    for _, errors, code in results:
        assert code == 0, errors[-3000:]
    first, second = (json.loads(output.splitlines()[-1]) for output, *_ in results)
    assert first == second
    return first


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """What nothing interrupted."""
    return outcome(tmp_path_factory.mktemp("whole") / "run")


def test_both_go_on_after_a_failure(whole, tmp_path):
    """In the middle of an epoch: after five steps of three and three."""
    failing = [tmp_path / "run", "--fail", 5]
    for _, errors, code in processes.run(JOB, failing, failing):
        assert code == 1
        assert "ZeroDivisionError" in errors
    assert outcome(tmp_path / "run") == whole


def test_ctrl_c_in_one_ends_both(whole, tmp_path):
    """After the same step, so neither waits for the other; both go on."""
    stopped = outcome(tmp_path / "run", "--press", 2)
    assert stopped[1] == []  # the first epoch has no end
    assert outcome(tmp_path / "run") == whole


def test_a_folder_that_they_do_not_share_is_refused(tmp_path):
    """Or each would go on from another place."""
    outcome(tmp_path / "shared", "--press", 2)
    for _, errors, code in processes.run(JOB, [tmp_path / "shared"], [tmp_path / "own"]):
        assert code == 1
        assert "must be one that all processes share" in errors
