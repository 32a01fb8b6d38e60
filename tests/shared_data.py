"""Data sets outside of the project; a test that needs one is skipped where it is missing."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def shared_data(name):
    """The folder of a data set: in $LOSSLAYER_DATA, else in ../shared/data."""
    folder = Path(os.environ.get("LOSSLAYER_DATA", ROOT.parent / "shared" / "data")) / name
    if not folder.is_dir():
        pytest.skip(f"{name} is not there; LOSSLAYER_DATA names the folder of data sets")
    return folder
