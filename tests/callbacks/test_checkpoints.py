"""Files: whole or not at all, checked when read, the last two kept; plain values as they were."""

import math
import os
import warnings

import keras
import numpy as np
import pytest

import losslayer as ll
from losslayer.callbacks.checkpoints import Checkpoints
from losslayer.callbacks.plain import is_plain

CONTENT = {
    "none": None,
    "numbers": [True, 3, 2**80, 0.1, -math.inf, 1e-320],
    "pair": (1, ("a", [])),
    (1, "key"): {},
    "text": "\u00e9\n\u6211",
    "arrays": [np.arange(6, dtype="int8").reshape(2, 3)[:, ::2], np.array("ab"), np.zeros((0, 2))],
    "scalar": np.float32(0.1),
    "big end": np.arange(3, dtype=">i4"),
}


def same(one, other):
    """Whether two nested values are equal in types and bits."""
    if isinstance(one, np.ndarray | np.generic):
        return (
            type(one) is type(other) and one.shape == other.shape and one.tolist() == other.tolist()
        )
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[k], other[k]) for k in one)
    if isinstance(one, list | tuple):
        return type(one) is type(other) and all(map(same, one, other)) and len(one) == len(other)
    return type(one) is type(other) and one == other


def test_round_trip(tmp_path):
    """What is read is what was written, types and bits."""
    assert is_plain(CONTENT)
    half = keras.ops.convert_to_numpy(keras.ops.cast([1.5, -2.0, 3e38], "bfloat16"))
    Checkpoints(tmp_path).write(1, 2, {**CONTENT, "half": half})
    content, path = Checkpoints(tmp_path).read()
    got = content.pop("half")
    assert got.dtype == half.dtype
    assert got.tobytes() == half.tobytes()
    assert same(content, CONTENT)
    assert path.name.startswith("epoch000001-step000000002-")


def test_what_is_not_plain_is_refused(tmp_path):
    """Objects are not pickled; nothing is left behind."""
    for value in (object(), np.array([{}], dtype=object), {"a": {1, 2}}):
        assert not is_plain(value)
        with pytest.raises(TypeError, match="no plain value"):
            Checkpoints(tmp_path).write(0, 0, {"value": value})
    assert list(tmp_path.iterdir()) == []


def test_the_last_two_are_kept(tmp_path):
    """Older ones, and what a killed process left, are removed."""
    (tmp_path / ".abc.partial").write_text("half")
    (tmp_path / "mine.txt").touch()
    files = Checkpoints(tmp_path)
    assert files.read() is None
    for step in range(4):
        files.write(0, step, {"step": step})
    Checkpoints(tmp_path).write(1, 0, {"step": 9})
    steps = [p.name[:26] for p in sorted(tmp_path.glob("*.run"))]
    assert steps == ["epoch000001-step000000000-"]  # who has read nothing keeps its own
    assert Checkpoints(tmp_path).read()[0] == {"step": 9}
    assert (tmp_path / "mine.txt").exists()
    assert not (tmp_path / ".abc.partial").exists()


@pytest.mark.parametrize("damage", ["truncated", "flipped", "empty"])
def test_a_damaged_file_is_passed_over(tmp_path, damage):
    """The one before is used and the warning names both; without it, an error."""
    files = Checkpoints(tmp_path)
    paths = [files.write(0, step, {"step": step, "a": np.arange(99)}) for step in (1, 2)]
    data = bytearray(paths[1].read_bytes())
    if damage == "flipped":
        data[len(data) // 2] ^= 1
    paths[1].write_bytes({"truncated": data[:-1], "empty": b""}.get(damage, data))
    with pytest.warns(UserWarning, match=f"not used: {paths[1].name}.*used: {paths[0].name}"):
        content, path = Checkpoints(tmp_path).read()
    assert (content["step"], path) == (1, paths[0])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        files = Checkpoints(tmp_path)
        files.read()
    files.write(0, 2, {"step": 2})
    assert Checkpoints(tmp_path).read()[0]["step"] == 2
    for path in tmp_path.glob("*.run"):
        path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ll.ResumeError, match="all 2 are damaged"):
        Checkpoints(tmp_path).read()


def test_a_full_disk_costs_nothing_older(tmp_path, monkeypatch):
    """The error leaves no partial file, and the files that were there."""
    files = Checkpoints(tmp_path)
    files.write(0, 1, {"step": 1})

    def full(handle):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space"):
            files.write(0, 2, {"step": 2})
    assert len(list(tmp_path.iterdir())) == 1
    assert Checkpoints(tmp_path).read()[0] == {"step": 1}
