"""Rows of a Parquet file, by their number."""

from collections.abc import Generator
from pathlib import Path

from losslayer.text.formats import Row, Wanted
from losslayer.text.opened import TableError


def parquet_rows(path: Path, wanted: Wanted) -> Generator[Row, None, None]:
    """The rows, numbered from 1, a few thousand in memory at a time."""
    try:
        import pyarrow.parquet  # here: it is in an extra, and only this format needs it
    except ModuleNotFoundError:
        raise TableError(
            f'{path}: Parquet needs pyarrow. Run: pip install "losslayer[parquet]"'
        ) from None
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            header = file.schema_arrow.names
            places = wanted.places(str(path), header)
            names = [header[place] for place in places if place is not None]
            number = 0
            for batch in file.iter_batches(batch_size=10_000, columns=names):
                absent = [None] * batch.num_rows
                columns = [
                    absent if place is None else batch.column(header[place]).to_pylist()
                    for place in places
                ]
                for cells in zip(*columns):
                    number += 1
                    yield Row(number, cells)
    except FileNotFoundError:
        raise TableError(f"{path}: there is no such file") from None
    except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as problem:
        reason = str(problem).partition("\n")[0].rstrip(". ")
        raise TableError(f"{path}: can't be read as Parquet ({reason})") from None
