"""Opening text files, with errors that name the line."""

import contextlib
import gzip
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

import losslayer as ll


class TableError(ll.LosslayerError, ValueError):
    """A file that can't be used as it is: the message says where and what to do."""


# How a file begins that isn't what its name says.
_BEGINNINGS = {
    b"\xff\xfe": ". The file begins like UTF-16",
    b"\xfe\xff": ". The file begins like UTF-16",
    b"PK\x03\x04": ". The file begins like an Excel or zip file",
    b"\x1f\x8b": ". The file begins like a gzip file",
    b"PAR1": ". The file begins like a Parquet file",
}


@contextlib.contextmanager
def opened(path: Path, newline: str = "") -> Iterator[TextIO]:
    """A UTF-8 file, or a `.gz` of one, without its byte order mark.

    What can't be read is a `TableError`.
    """
    try:
        try:
            with _open(path, "rt", encoding="utf-8-sig", newline=newline) as file:
                yield file
        except UnicodeDecodeError:
            raise _not_utf8(path, newline) from None
    except FileNotFoundError:
        raise TableError(f"{path}: there is no such file") from None
    except (gzip.BadGzipFile, EOFError, zlib.error) as problem:
        raise TableError(
            f"{path}: can't be unpacked after line {_unpacked(path)} ({problem}). Copy it anew"
        ) from None
    except OSError as problem:
        raise TableError(f"{path}: can't be read ({problem.strerror})") from None


def _open(path: Path, mode: str, **arguments: Any) -> Any:
    """The file, unpacked if its name ends in `.gz`."""
    packed = path.suffix.lower() == ".gz"
    return gzip.open(path, mode, **arguments) if packed else path.open(mode, **arguments)


def _unpacked(path: Path) -> int:
    """How many lines of a damaged `.gz` can be read."""
    number = 0
    with contextlib.suppress(EOFError, OSError, zlib.error), _open(path, "rb") as file:
        for _ in file:
            number += 1
    return number


def _not_utf8(path: Path, newline: str) -> TableError:
    """The error for a byte that isn't UTF-8: a second look at the file finds its line."""
    with _open(path, "rb") as raw:
        start = raw.read(4)
    hint = next((text for magic, text in _BEGINNINGS.items() if start.startswith(magic)), "")
    # `surrogateescape` keeps such a byte as a character of its own.
    with _open(path, "rt", encoding="utf-8-sig", errors="surrogateescape", newline=newline) as file:
        found = (
            (number, re.search("[\udc80-\udcff]", line)) for number, line in enumerate(file, 1)
        )
        number, byte = next((number, ord(match[0]) - 0xDC00) for number, match in found if match)
    return TableError(
        f"{path}:{number}: not UTF-8 (byte 0x{byte:02x}){hint}. Save the file with UTF-8 encoding"
    )
