"""Letters and their sounds, against all ways to share out the sounds of short words."""

import importlib.util
import itertools
import math
import pathlib
from collections import Counter

import pytest

FILE = pathlib.Path(__file__).parents[2] / "benchmarks" / "alignment.py"


@pytest.fixture(scope="module")
def alignment():
    """Benchmarks are scripts, not a package: they are imported by path."""
    spec = importlib.util.spec_from_file_location("alignment", FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


WORDS = ["tax", "axes", "sit", "at", "x", "sheep"]
SOUNDS = [
    ("t", "a", "k", "s"),
    ("a", "k", "s", "i", "z"),
    ("s", "i", "t"),
    ("a", "t"),
    ("e", "k", "s"),  # more than 2 for its only letter
    ("S", "i", "p"),
]


def every_way(word, spoken):
    """All ways to cut the sounds into a share for each letter."""
    most = max(2, math.ceil(len(spoken) / len(word)))
    for cuts in itertools.combinations_with_replacement(range(len(spoken) + 1), len(word) - 1):
        bounds = [0, *cuts, len(spoken)]
        way = [spoken[start:end] for start, end in itertools.pairwise(bounds)]
        if max(map(len, way)) <= most:
            yield way


def probability(word, way, table):
    return math.prod(table.get(key, 1e-12) if table else 1.0 for key in zip(word, way))


def test_probabilities_are_expected_counts_over_all_ways(alignment):
    """Three rounds by enumeration give the table."""
    table = {}
    for _ in range(3):
        counts = Counter()
        for word, spoken in zip(WORDS, SOUNDS):
            ways = list(every_way(word, spoken))
            weights = [probability(word, way, table) for way in ways]
            for way, weight in zip(ways, weights):
                for key in zip(word, way):
                    counts[key] += weight / sum(weights)
        of_letter = Counter()
        for (letter, _), count in counts.items():
            of_letter[letter] += count
        table = {key: count / of_letter[key[0]] for key, count in counts.items()}
    found = alignment.learn(WORDS, SOUNDS, rounds=3)
    assert found.keys() == table.keys()
    assert found == pytest.approx(table, rel=1e-9)


def test_an_alignment_is_the_likeliest_of_all_ways(alignment):
    """Of those that are equal, the first letters have the sounds."""
    table = alignment.learn(WORDS, SOUNDS)
    for word, spoken in [*zip(WORDS, SOUNDS), ("taxis", ("t", "a", "k", "s", "i", "s"))]:
        ways = list(every_way(word, spoken))
        best = max(probability(word, way, table) for way in ways)
        equal = [w for w in ways if probability(word, w, table) >= best * (1 - 1e-9)]
        first = max(equal, key=lambda way: [len(share) for share in way])
        assert alignment.align(word, spoken, table) == first
    assert alignment.align("tax", ("t", "a", "k", "s"), table)[2] == ("k", "s")


def test_letters_that_were_never_seen_are_aligned_too(alignment):
    table = alignment.learn(["ab", "a", "b"], [("A", "B"), ("A",), ("B",)])
    assert alignment.align("aqb", ("A", "Q", "B"), table) == [("A",), ("Q",), ("B",)]


def test_texts_give_the_sounds_back(alignment):
    for word, spoken in zip(WORDS, SOUNDS):
        shares = alignment.align(word, spoken, alignment.learn(WORDS, SOUNDS))
        text = alignment.as_text(shares)
        assert len(text.split()) == len(word)
        assert alignment.sounds_of(text) == " ".join(spoken)
