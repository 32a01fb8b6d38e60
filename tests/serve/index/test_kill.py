"""A writer killed at any moment leaves the index of before or after, whole."""

import random
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from losslayer_serve.index import Index

from . import kill_job

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("kills", [3, pytest.param(20, marks=pytest.mark.slow)])
def test_killed_at_random_moments(tmp_path, kills):
    """`kill -9` amid changes, one after the other: nothing is half done.

    What was reported as done is there; of what was not, all or nothing. And the next writer goes
    on from there, without anything to repair.
    """
    rng = random.Random(kills)
    first = kill_job.entries(0)
    vectors = np.array([kill_job.vector(entry) for entry in first])
    Index.create(tmp_path / "index", "model", first, vectors)
    half_written = 0
    for _ in range(kills):
        command = [sys.executable, "-m", kill_job.__name__, tmp_path / "index"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT) as writer:
            reported = [int(writer.stdout.readline())]  # it has opened the index
            for _ in range(rng.randint(1, 3)):
                started = time.perf_counter()
                reported.append(int(writer.stdout.readline()))
            # A moment of the next change, if it takes as long as the last.
            time.sleep(rng.uniform(0, time.perf_counter() - started))
            writer.kill()
            reported += [int(line) for line in writer.stdout.read().split()]
        index = Index.open(tmp_path / "index", "model", prepare=False)
        [number] = {int(entry.answer) for entry in index.entries}
        assert sorted(index.entries) == sorted(kill_job.entries(number))
        expected = np.array([kill_job.vector(entry) for entry in index.entries])
        assert np.array_equal(index.rows.vectors(index.rows.live), expected)
        assert number in (reported[-1], reported[-1] + 1)
        named = {file for s in index.rows.generation.shards for file in s.files(index.folder)}
        half_written += set(index.folder.glob("shards/*")) != named
    if kills >= 20:
        assert half_written  # some came in the middle of writing
