"""A matcher that two processes train together."""

import dataclasses
import json

import keras
import numpy as np
import pytest

from losslayer.faq import read_examples
from tests import processes


@pytest.mark.slow
@pytest.mark.skipif(keras.backend.backend() != "jax", reason="keras.distribution is for JAX")
def test_two_processes(trained, small, table, test_table):
    """The losses of one process, with wrong titles from all and from the nearest; its measures."""
    given = [table, test_table, "--settings", json.dumps(dataclasses.asdict(small))]
    results = processes.run("tests.faq.processes_job", given, given)
    for _, errors, code in results:
        assert code == 0, errors[-3000:]
    measured = trained.evaluate(read_examples(test_table, entries=trained.entries))
    for output, *_ in results:
        history, here = json.loads(output.splitlines()[-1])
        np.testing.assert_allclose(
            history["triplet"], trained.history["triplet"], rtol=1e-4, atol=1e-6
        )
        assert here == measured
