"""What all tests share: the backend in the header, and one seed."""

import signal

import keras
import pytest

# A shell that starts the tests in the background has them ignore Ctrl-C, which some of them send.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_report_header():
    """Say on which backend these tests run."""
    return f"KERAS_BACKEND={keras.backend.backend()}, keras {keras.__version__}"


@pytest.fixture(autouse=True)
def _seed():
    """Every test starts from the same random numbers, whichever ran before it."""
    keras.utils.set_random_seed(0)
