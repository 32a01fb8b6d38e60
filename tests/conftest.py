"""What all tests share: the backend in the header, and one seed."""

import keras
import pytest


def pytest_report_header():
    """Say on which backend these tests run."""
    return f"KERAS_BACKEND={keras.backend.backend()}, keras {keras.__version__}"


@pytest.fixture(autouse=True)
def _seed():
    """Every test starts from the same random numbers, whichever ran before it."""
    keras.utils.set_random_seed(0)
