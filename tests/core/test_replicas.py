"""TensorFlow's MirroredStrategy: the gradient and the numbers of one replica."""

import os
import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest

import losslayer as ll
from tests.core import cuts

ROOT = pathlib.Path(__file__).parents[2]


def results(out, replicas):
    """What `tests.core.replicas_job` wrote, by case."""
    command = [sys.executable, "-m", "tests.core.replicas_job", out, "--replicas", str(replicas)]
    done = subprocess.run(command, cwd=ROOT, env=dict(os.environ), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    with np.load(out) as found:
        return dict(found)


@pytest.mark.slow
@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="only TensorFlow has it")
def test_two_replicas(tmp_path):
    """Gradients of each loss and of all, with slices too; batches that don't divide."""
    one, two = (results(tmp_path / f"{n}.npz", n) for n in (1, 2))
    assert set(one) == set(two)
    for case, values in two.items():
        largest = max(np.abs(v).max() for c, v in one.items() if c[:-1] == case[:-1])
        assert np.abs(values - one[case]).max() <= 1e-5 * largest, case


@pytest.mark.skipif(keras.backend.backend() != "torch", reason="the others have distributions")
def test_several_processes_of_torch(monkeypatch):
    """Refused, as torchrun starts them: each would train by itself in silence."""
    monkeypatch.setenv("WORLD_SIZE", "2")
    model = cuts.build()
    model.compile("sgd")
    with pytest.raises(ll.ObjectiveError, match="there must be one process. Received: 2"):
        model.fit(cuts.data(), verbose=0)
