"""Which tokens may come next, by what each hypothesis has said: found on the host, in NumPy.

What depends on no history (tokens that never come, the shortest and the longest output) is no
matter of this file: it is part of the compiled step.
"""

from collections.abc import Iterable, Sequence

import numpy as np

from losslayer.seq2seq.symbols import END

Trie = dict[int, "Trie"]


def trie_of(sequences: Iterable[Sequence[int]]) -> Trie:
    """The sequences, each with its end, as nested dicts from token to what may follow."""
    root: Trie = {}
    for sequence in sequences:
        node = root
        for token in (*sequence, END):
            node = node.setdefault(int(token), {})
    return root


def following(trie: Trie, said: Sequence[int]) -> list[int]:
    """The tokens that may follow `said`; none where it is the beginning of no sequence."""
    for token in said:
        if token not in trie:
            return []
        trie = trie[token]
    return list(trie)


def repeating(said: Sequence[int], n: int) -> set[int]:
    """The tokens that would complete a sequence of `n` tokens that `said` has already."""
    said = list(said)
    last = said[len(said) - n + 1 :] if n > 1 else []
    starts = range(len(said) - n + 1)
    return {said[start + n - 1] for start in starts if said[start : start + n - 1] == last}


class Constraints:
    """Of a batch.

    Args:
        vocabulary: Number of target ids.
        prefixes: How the output of each row must begin.
        no_repeat: No sequence of so many tokens comes twice; 0: any may. Prefixes are as they are.
        trie: The outputs that are allowed, as `trie_of` gives them, or None.
    """

    def __init__(
        self, vocabulary: int, prefixes: Sequence[Sequence[int]], no_repeat: int, trie: Trie | None
    ) -> None:
        self.vocabulary, self.prefixes = vocabulary, prefixes
        self.no_repeat, self.trie = no_repeat, trie

    def allowed(self, said: np.ndarray) -> np.ndarray:
        """What may come next.

        Args:
            said: The tokens of each hypothesis, `(batch, width, time)`.

        Returns:
            Booleans, `(batch, width, vocab)`.
        """
        batch, width, time = said.shape
        found = np.ones((batch, width, self.vocabulary), bool)
        for row, prefix in enumerate(self.prefixes):
            for slot in range(width):
                self._restrict(found[row, slot], said[row, slot].tolist(), prefix[time : time + 1])
        return found

    def _restrict(self, found: np.ndarray, said: list[int], forced: Sequence[int]) -> None:
        if len(forced):
            found[:] = False
            found[forced[0]] = True
        elif self.no_repeat:
            banned = repeating(said, self.no_repeat) - {END}
            found[list(banned)] = False
        if self.trie is not None:
            inside = np.zeros_like(found)
            inside[following(self.trie, said)] = True
            found &= inside


def moved(said: np.ndarray, parent: np.ndarray, token: np.ndarray) -> np.ndarray:
    """What hypotheses have said, one token later.

    Args:
        said: `(batch, width, time)`.
        parent: The hypothesis that each one continues, `(batch, width)`.
        token: What it says, `(batch, width)`.

    Returns:
        `(batch, width, time + 1)`.
    """
    kept = np.take_along_axis(said, parent[:, :, None], axis=1)
    return np.concatenate([kept, token[:, :, None]], axis=2)
