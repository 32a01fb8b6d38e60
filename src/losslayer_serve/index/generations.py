"""Generations: which shards count, and the one file whose renaming is a change.

    index.json                     the generation that counts, and the SHA-256 of its list
    generations/00000007.json      the list: shards with their SHA-256, dead rows, the ranking
    lock                           held by the one who writes
    cache/                         can be deleted at any time

A change writes shards of what is new, then a list, each beside its place and renamed; `index.json`
comes last, and with it the change. Whatever happens before leaves the index as it was.
"""

import hashlib
import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from losslayer_serve.files import whole_file
from losslayer_serve.index.errors import DamagedIndexError
from losslayer_serve.index.files import checked
from losslayer_serve.index.shards import Shard

ROOT = "index.json"
FORMAT = 1


@dataclass(frozen=True)
class Generation:
    """One state of an index: everything but what the files of its shards hold.

    Args:
        number: Larger than that of any generation before.
        fingerprint: Of the encoder that made the vectors.
        dim: Size of a vector.
        shards: In the order of their rows.
        ranking: How hits are scored and accepted, as `Ranking` stores it.
    """

    number: int
    fingerprint: str
    dim: int
    shards: tuple[Shard, ...]
    ranking: dict[str, Any]


def read_root(folder: Path) -> tuple[int, str]:
    """Number of the generation that counts, and the SHA-256 of its list."""
    if not (folder / ROOT).is_file():
        raise DamagedIndexError(f"{folder}: no index is there (it holds no {ROOT})")

    def parse() -> tuple[int, str]:
        root = json.loads((folder / ROOT).read_bytes())
        if root["format"] != FORMAT:
            raise ValueError(f"format {root['format']!r}, this version reads {FORMAT}")
        return int(root["generation"]), str(root["sha256"])

    return checked(folder / ROOT, parse)


def read_generation(folder: Path) -> Generation:
    """The generation that counts."""
    number, digest = read_root(folder)
    path = _list(folder, number)

    def parse() -> Generation:
        content = path.read_bytes()
        if hashlib.sha256(content).hexdigest() != digest:
            raise ValueError(f"its SHA-256 is not the one in {ROOT}")
        read = json.loads(content)
        shards = [Shard(**{**shard, "dead": tuple(shard["dead"])}) for shard in read["shards"]]
        for shard in shards:
            if not re.fullmatch(r"\d{8}-\d{3,}", shard.name):
                raise ValueError(f"no shard is called {shard.name!r}")
            if not all(0 <= row < shard.rows for row in shard.dead):
                raise ValueError(f"shard {shard.name} has no such dead rows")
        return Generation(**{**read, "shards": tuple(shards)})

    return checked(path, parse)


def commit(folder: Path, generation: Generation) -> None:
    """Make a generation the one that counts; then delete what no longer does."""
    path = _list(folder, generation.number)
    path.parent.mkdir(exist_ok=True)
    content = json.dumps(asdict(generation)).encode()
    with whole_file(path) as file:
        file.write(content)
    digest = hashlib.sha256(content).hexdigest()
    root = {"format": FORMAT, "generation": generation.number, "sha256": digest}
    with whole_file(folder / ROOT) as file:
        file.write(json.dumps(root).encode() + b"\n")
    named = {path, *(file for shard in generation.shards for file in shard.files(folder))}
    # Ours begin with a digit, or with a dot where a writer was killed.
    for pattern in ("generations/[.0-9]*", "shards/[.0-9]*", f".{ROOT}.*"):
        for left_over in set(folder.glob(pattern)) - named:
            left_over.unlink()


def next_number(folder: Path) -> int:
    """A number that no generation has, also where `index.json` can't be read."""
    names = [path.stem for path in folder.glob("generations/*.json")]
    return 1 + max((int(name) for name in names if name.isdigit()), default=0)


def _list(folder: Path, number: int) -> Path:
    return folder / "generations" / f"{number:08}.json"
