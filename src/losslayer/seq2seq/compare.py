"""Whether one model is better than another, or only luckier with these rows."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from sacrebleu import BLEU

from losslayer.seq2seq.measures import Symbols, errors


class Comparison(NamedTuple):
    """A figure of two models on the same rows.

    Attributes:
        first: That of the first.
        second: That of the second.
        low: Of 95 % of the resampled rows, the least difference second - first.
        high: The largest.
        p: Share of the resampled rows on which the difference has the other sign or is zero, times
            two and at most 1: small if the difference is no chance.
    """

    first: float
    second: float
    low: float
    high: float
    p: float


def compare(
    first: Sequence[str],
    second: Sequence[str],
    targets: Sequence[str],
    symbols: Symbols,
    bleu: str = "13a",
    samples: int = 1000,
    seed: int = 0,
) -> dict[str, Comparison]:
    """The paired bootstrap over rows: WER, PER and BLEU of two models' outputs.

    Rows are drawn with replacement, the same ones for both, as often as there are rows (Koehn
    2004, "Statistical significance tests for machine translation evaluation").

    Args:
        first: Outputs of the first model.
        second: Outputs of the second model, for the same sources.
        targets: The right ones.
        symbols: From a text to what an edit distance counts.
        bleu: How sacrebleu splits texts for BLEU.
        samples: How often rows are drawn.
        seed: Fixes the draws.
    """
    rng = np.random.default_rng(seed)
    # How often each row was drawn, `(samples, rows)`.
    counts = rng.multinomial(len(targets), np.full(len(targets), 1 / len(targets)), samples)
    length = np.array([len(symbols(target)) for target in targets], "float64")
    of_both = [errors(outputs, targets, symbols) for outputs in (first, second)]

    def rate(number: int, total: np.ndarray) -> Comparison:
        whole = [100 * found[number].sum() / total.sum() for found in of_both]
        drawn = [100 * (counts @ found[number]) / (counts @ total) for found in of_both]
        return _comparison(whole, drawn)

    return {
        "wer": rate(0, np.ones(len(targets))),
        "per": rate(1, length),
        "bleu": _bleu(first, second, targets, bleu, counts),
    }


def _bleu(
    first: Sequence[str],
    second: Sequence[str],
    targets: Sequence[str],
    bleu: str,
    counts: np.ndarray,
) -> Comparison:
    metric = BLEU(tokenize=bleu, force=True)
    whole, drawn = [], []
    for outputs in (first, second):
        # n-grams that match, n-grams, and lengths of each row: BLEU is a function of their sums.
        rows = [metric.corpus_score([o], [[t]]) for o, t in zip(outputs, targets, strict=True)]
        sums = np.array([[*row.counts, *row.totals, row.sys_len, row.ref_len] for row in rows])
        order = len(rows[0].counts)

        def value(total: np.ndarray, order: int = order) -> float:
            correct, of = total[:order].tolist(), total[order : 2 * order].tolist()
            size, reference = total[2 * order :].tolist()
            return metric.compute_bleu(correct, of, size, reference, smooth_method="exp").score

        whole.append(value(sums.sum(axis=0)))
        drawn.append(np.array([value(total) for total in counts @ sums]))
    return _comparison(whole, drawn)


def _comparison(whole: Sequence[float], drawn: Sequence[np.ndarray]) -> Comparison:
    difference = drawn[1] - drawn[0]
    low, high = np.quantile(difference, [0.025, 0.975])
    sign = np.sign(whole[1] - whole[0])
    p = min(1.0, 2 * float(np.mean(sign * difference <= 0))) if sign else 1.0
    return Comparison(float(whole[0]), float(whole[1]), float(low), float(high), p)
