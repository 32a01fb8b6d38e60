"""Files that hold the state of a run: written whole or not at all, checked when read.

A file is a line that names the format, the length of a JSON text, that text, and the bytes of the
arrays that it refers to. Its name holds its place in the run and the SHA-256 of all its bytes.
"""

import contextlib
import hashlib
import json
import os
import re
import tempfile
import warnings
from pathlib import Path

import numpy as np

from losslayer.callbacks.plain import pack, unpack
from losslayer.core.errors import ResumeError

FORMAT = b"losslayer run, format 1\n"
NAME = re.compile(r"epoch(\d+)-step(\d+)-([0-9a-f]{64})\.run")


class Checkpoints:
    """The checkpoints in a folder, of which the last two are kept.

    Args:
        folder: Where they are; made when the first one is written.
    """

    def __init__(self, folder):
        self.folder = Path(folder)
        self._good = []  # oldest first
        # What a process left that was killed while it wrote.
        for path in self.folder.glob(".*.partial"):
            path.unlink(missing_ok=True)

    def write(self, epoch, step, content):
        """Write `content`, plain values and arrays, for a place in the run.

        Raises:
            OSError: It can't be written; the earlier ones are untouched.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=".", suffix=".partial", dir=self.folder)
        try:
            digest = hashlib.sha256()
            with os.fdopen(handle, "wb") as file:
                for part in _encoded(content):
                    digest.update(part)
                    file.write(part)
                file.flush()
                os.fsync(file.fileno())
            path = self.folder / f"epoch{epoch:06}-step{step:09}-{digest.hexdigest()}.run"
            os.replace(temporary, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise
        _sync(self.folder)
        self._good = [*(p for p in self._good if p != path), path][-2:]
        for other in self._all():
            if other not in self._good:
                other.unlink(missing_ok=True)
        return path

    def read(self):
        """The newest content that is as it was written, and its file; None if there is no file.

        Raises:
            ResumeError: There are files, but none is as it was written.
        """
        paths = self._all()
        damaged: list[Path] = []
        for number in reversed(range(len(paths))):
            content = _decoded(paths[number])
            if content is not None:
                self._good = paths[: number + 1][-2:]
                if damaged:
                    names = ", ".join(path.name for path in damaged)
                    warnings.warn(
                        f"Resume: damaged, so not used: {names} (its bytes don't have the SHA-256 "
                        f"in its name). The one before is used: {paths[number].name}.",
                        stacklevel=2,
                    )
                return content, paths[number]
            damaged.append(paths[number])
        if damaged:
            raise ResumeError(
                f"Resume: `folder` must hold a checkpoint that can be read. Received: "
                f"folder='{self.folder}', where all {len(damaged)} are damaged. Delete it to start "
                "anew."
            )
        return None

    def _all(self):
        """All files that look like checkpoints, in the order of the run."""
        found = [(NAME.fullmatch(path.name), path) for path in self.folder.glob("*.run")]
        placed = [(int(m[1]), int(m[2]), path.stat().st_mtime_ns, path) for m, path in found if m]
        return [path for *_, path in sorted(placed)]


def _encoded(content):
    """The bytes of a file, in parts."""
    arrays: list = []
    packed = pack(content, arrays)
    arrays = [np.asarray(a, a.dtype.newbyteorder("="), order="C") for a in arrays]
    kinds = [[_dtype_name(a.dtype), list(a.shape)] for a in arrays]
    text = json.dumps({"content": packed, "arrays": kinds}).encode()
    yield FORMAT
    yield len(text).to_bytes(8, "little")
    yield text
    for array in arrays:
        yield array.reshape(-1).view(np.uint8).data


def _decoded(path):
    """The content of a file, or None if its bytes aren't those that its name promises."""
    try:
        data = path.read_bytes()
    except OSError:
        return None
    if f"-{hashlib.sha256(data).hexdigest()}." not in path.name:
        return None
    if not data.startswith(FORMAT):
        raise ResumeError(f"Resume: {path} must be of this format: {FORMAT.decode().strip()}.")
    start = len(FORMAT) + 8
    end = start + int.from_bytes(data[start - 8 : start], "little")
    header = json.loads(data[start:end])
    arrays = []
    for name, shape in header["arrays"]:
        dtype = np.dtype(name)
        count = int(np.prod(shape, dtype="int64"))
        arrays.append(np.frombuffer(data, dtype, count, end).reshape(shape).copy())
        end += count * dtype.itemsize
    return unpack(header["content"], arrays)


def _dtype_name(dtype):
    """A name by which NumPy finds the type again; bfloat16 and its like are void to it."""
    return dtype.name if dtype.kind == "V" else dtype.str


def _sync(folder):
    """Make the renaming survive a power failure, where the system lets a folder be synced."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
