"""Makes this folder's tables from the file `cmudict.dict` of CMUdict, plain or .gz.

    python data/cmudict/slice.py cmudict.dict

Of each word of three letters or more, without other signs, the first pronunciation, without stress.
A SHA-1 of the word says whether it is in the slice, a sixth of all, and in which split.
"""

import gzip
import hashlib
import re
import sys
from pathlib import Path

HERE = Path(__file__).parent
SLICE = 6


def split_of(word):
    """`train`, `dev` or `test`; or None: not in the slice."""
    digest = hashlib.sha1(word.encode()).hexdigest()
    if int(digest[:8], 16) % SLICE:
        return None
    place = int(digest[8:16], 16) % 100
    return "test" if place < 10 else "dev" if place < 15 else "train"


def main(path):
    """Read the dictionary, write the tables."""
    rows = {"train": [], "dev": [], "test": []}
    with gzip.open(path, "rt") if path.endswith(".gz") else open(path) as file:
        for line in file:
            word, _, rest = line.partition("#")[0].strip().partition(" ")
            # Further pronunciations are named `word(2)`.
            if re.fullmatch("[a-z]{3,}", word) and (split := split_of(word)):
                rows[split].append(f"{word}\t{re.sub('[0-9]', '', rest)}\n")
    for split, found in rows.items():
        (HERE / f"{split}.tsv").write_text("".join(["word\tphonemes\n", *found]))
        print(f"{split}.tsv: {len(found):,} words")


if __name__ == "__main__":
    main(sys.argv[1])
