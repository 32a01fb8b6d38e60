"""Which sounds each letter of a word stands for, learned from words and their sounds.

Every letter stands for 0, 1 or 2 sounds, in order, each share with a probability that depends on
the letter alone:

    p(sounds | word) = sum over all ways to share out the sounds of prod_i p(share_i | letter_i)

The probabilities are those of the largest likelihood, found by expectation maximisation that
begins with all the same; the alignment of a word is its likeliest way. (Jiampojamarn, Kondrak and
Sherif 2007, "Applying many-to-many alignments and hidden Markov models to letter-to-phoneme
conversion", with one letter at a time.)
"""

import math
from collections import defaultdict
from collections.abc import Sequence

Sounds = tuple[str, ...]
Probabilities = dict[tuple[str, Sounds], float]

# A letter has no more sounds than this, unless its word has more for each letter.
MOST = 2
# The probability of a share that was never seen: far below all others.
UNSEEN = 1e-12
# Shares as words of a text: `k+s`, and `_` for no sound.
JOIN, NONE = "+", "_"


def learn(words: Sequence[str], sounds: Sequence[Sounds], rounds: int = 10) -> Probabilities:
    """The probability of each share of sounds, given its letter.

    Args:
        words: The words; each character is a letter.
        sounds: The sounds of each.
        rounds: Of expectation maximisation.
    """
    table: Probabilities = {}
    for _ in range(rounds):
        counts: Probabilities = defaultdict(float)
        for word, spoken in zip(words, sounds, strict=True):
            _count(word, _ways(word, spoken, table), len(spoken), counts)
        of_letter: dict[str, float] = defaultdict(float)
        for (letter, _), count in counts.items():
            of_letter[letter] += count
        table = {key: count / of_letter[key[0]] for key, count in counts.items()}
    return table


def align(word: str, spoken: Sounds, table: Probabilities) -> list[Sounds]:
    """The sounds of each letter: the likeliest way; of equal ones that with the sounds earlier.

    Example:
        >>> table = learn(["ab", "a", "b"], [("A", "B"), ("A",), ("B",)])
        >>> align("aab", ("A", "B"), table)
        [('A',), (), ('B',)]
    """
    ways = _ways(word, spoken, table)
    best = _table(len(word), len(spoken))
    best[-1][-1] = 1.0
    for letter in reversed(range(len(word))):
        for start, end, _, probability in ways[letter]:
            best[letter][start] = max(best[letter][start], probability * best[letter + 1][end])
    place, found = 0, []
    for letter in range(len(word)):
        # Equal ways differ in the last digits: their factors come in another order.
        limit = best[letter][place] * (1 - 1e-9)
        place, share = max(
            (end, share)
            for start, end, share, probability in ways[letter]
            if start == place and probability * best[letter + 1][end] >= limit
        )
        found.append(share)
    return found


def as_text(shares: Sequence[Sounds]) -> str:
    """One word of text for each letter.

    Example:
        >>> as_text([("k", "s"), (), ("e",)])
        'k+s _ e'
    """
    return " ".join(JOIN.join(share) or NONE for share in shares)


def sounds_of(text: str) -> str:
    """The sounds of what `as_text` returned, separated by spaces.

    Example:
        >>> sounds_of("k+s _ e")
        'k s e'
    """
    return " ".join(word.replace(JOIN, " ") for word in text.split() if word != NONE)


def _ways(word: str, spoken: Sounds, table: Probabilities) -> list[list[tuple]]:
    """For each letter its possible shares, from which the end can be reached.

    Returns:
        Tuples of the number of sounds before and after, the share, its probability.
    """
    total = len(spoken)
    most = max(MOST, math.ceil(total / len(word)))
    unseen = UNSEEN if table else 1.0
    found = []
    for number, letter in enumerate(word):
        least = total - most * (len(word) - number - 1)  # sounds that must be spoken after it
        found.append(
            [
                (start, end, share := spoken[start:end], table.get((letter, share), unseen))
                for start in range(min(total, most * number) + 1)
                for end in range(max(start, least), min(total, start + most) + 1)
            ]
        )
    return found


def _count(word: str, ways: list[list[tuple]], total: int, counts: Probabilities) -> None:
    """Add how often each letter of a word is expected to have each share."""
    before, after = _table(len(word), total), _table(len(word), total)
    before[0][0] = after[-1][-1] = 1.0
    for letter, of_letter in enumerate(ways):
        for start, end, _, probability in of_letter:
            before[letter + 1][end] += before[letter][start] * probability
    for letter in reversed(range(len(word))):
        for start, end, _, probability in ways[letter]:
            after[letter][start] += probability * after[letter + 1][end]
    whole = before[-1][-1]
    for letter, of_letter in enumerate(ways):
        for start, end, share, probability in of_letter:
            expected = before[letter][start] * probability * after[letter + 1][end] / whole
            if expected > 0:
                counts[word[letter], share] += expected


def _table(letters: int, sounds: int) -> list[list[float]]:
    return [[0.0] * (sounds + 1) for _ in range(letters + 1)]
