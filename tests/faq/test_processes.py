"""A matcher that two processes train together."""

import dataclasses
import json

import keras
import numpy as np
import pytest

from tests import processes


@pytest.mark.slow
@pytest.mark.skipif(keras.backend.backend() != "jax", reason="keras.distribution is for JAX")
def test_two_processes(small, table, test_table):
    """Losses of one process with as many devices, wrong titles from all and from the nearest."""
    settings = json.dumps(dataclasses.asdict(small))

    def outcomes(count):
        given = [table, test_table, "--settings", settings, "--processes", count]
        given += ["--devices", 2 // count]
        for output, errors, code in processes.run("tests.faq.processes_job", *[given] * count):
            assert code == 0, errors[-3000:]
            yield json.loads(output.splitlines()[-1])

    [(expected, measured)] = outcomes(1)
    for history, here in outcomes(2):
        np.testing.assert_allclose(history["loss"], expected["loss"], rtol=1e-5, atol=1e-6)
        assert here == measured
