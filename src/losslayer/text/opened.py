"""Opening text files, with errors that name the line."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

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


@contextmanager
def opened(path: Path, newline: str = "") -> Iterator[TextIO]:
    """A UTF-8 file without its byte order mark; what can't be read is a `TableError`."""
    try:
        with path.open(encoding="utf-8-sig", newline=newline) as file:
            yield file
    except FileNotFoundError:
        raise TableError(f"{path}: there is no such file") from None
    except OSError as problem:
        raise TableError(f"{path}: can't be read ({problem.strerror})") from None
    except UnicodeDecodeError:
        raise _not_utf8(path, newline) from None


def _not_utf8(path: Path, newline: str) -> TableError:
    """The error for a byte that isn't UTF-8: a second look at the file finds its line."""
    with path.open("rb") as raw:
        start = raw.read(4)
    hint = next((text for magic, text in _BEGINNINGS.items() if start.startswith(magic)), "")
    # `surrogateescape` keeps such a byte as a character of its own.
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline=newline) as file:
        found = (
            (number, re.search("[\udc80-\udcff]", line)) for number, line in enumerate(file, 1)
        )
        number, byte = next((number, ord(match[0]) - 0xDC00) for number, match in found if match)
    return TableError(
        f"{path}:{number}: not UTF-8 (byte 0x{byte:02x}){hint}. Save the file with UTF-8 encoding"
    )
