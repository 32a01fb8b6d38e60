"""Figures of decoded outputs against the right ones."""

from collections.abc import Callable, Sequence

import numpy as np
from sacrebleu import BLEU, CHRF

Symbols = Callable[[str], Sequence[str]]


def measures(
    outputs: Sequence[str], targets: Sequence[str], symbols: Symbols, bleu: str = "13a"
) -> dict[str, float]:
    """Error rates, BLEU and chrF over all outputs, each from 0 to 100.

        wer    100 * outputs that are not their target / outputs
        per    100 * sum of edit distances, in symbols / sum of the targets' symbols
        bleu   of sacrebleu
        chrf   of sacrebleu

    The word error rate is that of grapheme-to-phoneme conversion: a whole output is right or
    wrong. The edit distance counts phonemes where these are separated by spaces, characters where
    the targets' tokens are characters (the rate is then called CER), words elsewhere.

    Args:
        outputs: Texts.
        targets: The right ones.
        symbols: From a text to what an edit distance counts.
        bleu: How sacrebleu splits texts for BLEU.
    """
    wrong, edits = errors(outputs, targets, symbols)
    total = sum(len(symbols(target)) for target in targets)
    outputs, references = list(outputs), [list(targets)]
    return {
        "wer": 100 * float(wrong.mean()),
        "per": 100 * float(edits.sum()) / max(total, 1),
        # Silent about texts that look tokenised: phonemes do.
        "bleu": BLEU(tokenize=bleu, force=True).corpus_score(outputs, references).score,
        "chrf": CHRF().corpus_score(outputs, references).score,
    }


def errors(
    outputs: Sequence[str], targets: Sequence[str], symbols: Symbols
) -> tuple[np.ndarray, np.ndarray]:
    """For each output whether it is wrong, and its edit distance in symbols; float64 `(batch,)`."""
    pairs = list(zip(outputs, targets, strict=True))
    wrong = np.array([output != target for output, target in pairs], "float64")
    edits = [edit_distance(symbols(output), symbols(target)) for output, target in pairs]
    return wrong, np.array(edits, "float64")


def edit_distance(output: Sequence[str], target: Sequence[str]) -> int:
    """The fewest symbols that must be put in, left out or replaced (Levenshtein).

    Example:
        >>> edit_distance("kitten", "sitting")
        3
    """
    row = list(range(len(target) + 1))
    for i, symbol in enumerate(output, 1):
        before, row[0] = row[0], i
        for j, right in enumerate(target, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (symbol != right))
    return row[-1]
