"""The writer that test_kill.py kills: changes an index again and again, and says so.

    python -m tests.serve.index.kill_job FOLDER

Change `n` gives all entries the number `n` as their answer, and some of them another vector; now
and then it compacts. `n` is printed when the change is through. Imports neither Keras nor pytest.
"""

import sys

import numpy as np

from losslayer_serve.index import Entry, Index

COUNT, DIM = 200, 64


def entries(number):
    """All entries of change `number`; the text of a fifth of them is new."""
    return [
        Entry(f"e{n}", f"title {n}", str(number), f"text {(number + 5 - n % 5) // 5}")
        for n in range(COUNT)
    ]


def vector(entry):
    """The unit vector of a text, which nothing else has."""
    made = np.random.default_rng(list((entry.id + entry.text).encode())).normal(size=DIM)
    return (made / np.linalg.norm(made)).astype("float32")


def main(folder):
    """Change the index until killed."""
    index = Index.open(folder, prepare=False)
    number = int(index.entries[0].answer)
    print(number, flush=True)
    while True:
        number += 1
        changed = entries(number)
        need = index.to_encode(changed)
        vectors = np.array([vector(changed[place]) for place in need]).reshape(-1, DIM)
        index.update(changed, vectors.astype("float32"))
        print(number, flush=True)
        if number % 7 == 0:
            index.compact()


if __name__ == "__main__":
    main(sys.argv[1])
