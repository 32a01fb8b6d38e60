"""Examples are scripts, not a package: they are imported by path."""

import importlib.util
import pathlib

import keras
import pytest

FOLDER = pathlib.Path(__file__).parents[2] / "examples"

if keras.backend.backend() == "torch":
    import torch

    # The models are tiny: threads that wait for each other cost far more than they bring.
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def load_example():
    """A function from the name of an example to its module."""

    def load(name):
        spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load


@pytest.fixture
def example(request, load_example):
    """The example that the test file is named after: test_vae.py is about vae.py."""
    return load_example(request.path.stem.removeprefix("test_"))
