"""Figures of decoded outputs, against closed forms and another path of sacrebleu."""

import functools

import numpy as np
import pytest
import sacrebleu

from losslayer.seq2seq.compare import compare
from losslayer.seq2seq.measures import edit_distance, measures


def slow_distance(a, b):
    """The recursion of the definition."""

    @functools.cache
    def cost(i, j):
        if not i or not j:
            return i + j
        last = cost(i - 1, j - 1) + (a[i - 1] != b[j - 1])
        return min(cost(i - 1, j) + 1, cost(i, j - 1) + 1, last)

    return cost(len(a), len(b))


def test_edit_distance_is_its_recursion():
    """Random strings of three letters, empty ones too."""
    rng = np.random.default_rng(0)
    for _ in range(200):
        a, b = ("".join(rng.choice(list("abc"), rng.integers(0, 8))) for _ in range(2))
        assert edit_distance(a, b) == slow_distance(a, b) == edit_distance(b, a)


def test_rates():
    """One of four outputs is wrong, by two of ten phonemes."""
    targets = ["K AE T", "D AO G", "B ER D", "M"]
    outputs = ["K AE T", "D AO G", "B D D D", "M"]
    found = measures(outputs, targets, str.split)
    assert found["wer"] == 25
    assert found["per"] == 20
    assert found["bleu"] == pytest.approx(
        sacrebleu.corpus_bleu(outputs, [targets], force=True).score
    )
    assert found["chrf"] == pytest.approx(sacrebleu.corpus_chrf(outputs, [targets]).score)
    right = ["a b c d e", "b c d e"]
    best = {"wer": 0, "per": 0, "bleu": 100, "chrf": 100}
    assert measures(right, right, str.split) == pytest.approx(best)


def test_the_tokenisation_of_bleu_counts():
    """Texts are taken as they are, or a comma is split off."""
    outputs, targets = ["a b, c d e"], ["a b , c d e"]
    as_it_is = measures(outputs, targets, str.split, "none")["bleu"]
    assert as_it_is < measures(outputs, targets, str.split, "13a")["bleu"] == pytest.approx(100)


def test_a_model_compared_with_itself():
    """No difference, and so no significance."""
    texts = ["a b c d", "b c d e", "c d e f"]
    for row in compare(texts, texts, texts[::-1], str.split, samples=50).values():
        assert row.first == row.second
        assert (row.low, row.high, row.p) == (0, 0, 1)


def test_comparison_is_the_plain_loop():
    """The same draws, each measured anew: the same intervals."""
    rng = np.random.default_rng(0)
    words = np.array(list("abcdefg"))
    targets = [" ".join(rng.choice(words, 6)) for _ in range(30)]

    def noisy(share):
        return [
            " ".join(rng.choice(words) if rng.random() < share else w for w in target.split())
            for target in targets
        ]

    first, second = noisy(0.3), noisy(0.28)
    found = compare(first, second, targets, str.split, samples=40, seed=3)
    counts = np.random.default_rng(3).multinomial(30, np.full(30, 1 / 30), 40)
    differences = {"wer": [], "per": [], "bleu": []}
    for row in counts:
        drawn = np.repeat(np.arange(30), row)

        def of(outputs, drawn=drawn):
            return measures([outputs[i] for i in drawn], [targets[i] for i in drawn], str.split)

        a, b = of(first), of(second)
        for name, values in differences.items():
            values.append(b[name] - a[name])
    whole = measures(first, targets, str.split), measures(second, targets, str.split)
    for name, values in differences.items():
        low, high = np.quantile(values, [0.025, 0.975])
        row = found[name]
        assert (row.first, row.second) == pytest.approx((whole[0][name], whole[1][name]))
        assert (row.low, row.high) == pytest.approx((low, high))
        assert row.p == pytest.approx(
            min(1, 2 * np.mean(np.sign(row.second - row.first) * np.array(values) <= 0))
        )
