"""Checks of what counts: masks, weights, and which examples share a batch."""

import numpy as np

from losslayer.testing.registry import NotApplicable, check, close, finite, zero

# What padding may hold: for real numbers, and for integers that are no valid labels.
_GARBAGE = ((float("nan"), -1), (float("inf"), 2**31 - 1), (float("-inf"), 10**6))


@check
def garbage(subject):
    """What stands at weight 0 (NaN, inf, no label) changes neither value nor gradient."""
    for mask in subject.masks():
        expected, counts = subject.run(mask=mask)
        expected_gradient = subject.gradient(mask=mask)
        for how, weights in _ways_to_mask(mask, mask.ndim == len(subject.elements[:2])):
            for real, integer in _GARBAGE:
                spoiled = subject.spoiled(mask, real, integer)
                what = f"with {real} and {integer} where {how}"
                found = subject.run(spoiled, **weights)
                finite(f"values {what}", found[0])
                close(f"values {what}", found[0], expected, rtol=1e-6)
                close(f"weights {what}", found[1], counts)
                zero(f"values that don't count {what}", found[0][found[1] == 0])
                for name, slope in subject.gradient(spoiled, **weights).items():
                    finite(f"gradient by `{name}` {what}", slope)
                    close(f"gradient by `{name}` {what}", slope, expected_gradient[name])
                    keep = subject.reach(mask, name)
                    outside = slope[~np.broadcast_to(keep, slope.shape)]
                    zero(f"gradient by `{name}` at weight 0 {what}", outside)


def _ways_to_mask(mask, thorough):
    yield "mask is False", {"mask": mask}
    if not thorough:  # the other ways once are enough
        return
    yield "sample_weight is 0", {"sample_weight": mask.astype("float32")}
    spoiled = np.where(mask, 1, np.nan).astype("float32")
    yield "mask is False and sample_weight NaN", {"mask": mask, "sample_weight": spoiled}


@check
def masking(subject):
    """Masked examples are as if they were not there, and so are masked positions."""
    rows = np.arange(subject.batch) % 3 != 1
    found = subject.run(mask=rows)
    expected = subject.run(subject.rows(rows))
    if found[0].ndim:
        found = [part[rows] for part in found]
    close("values with examples masked, against removed", found[0], expected[0])
    close("weights with examples masked, against removed", found[1], expected[1])
    if len(subject.elements) > 1:
        _masked_positions(subject)


def _masked_positions(subject):
    time = subject.elements[1]
    if subject.layer.couples_examples:
        lengths = np.full(subject.batch, time // 2)
    else:
        lengths = np.where(np.arange(subject.batch) % 2, time, time // 2)
    mask = np.arange(time) < lengths[:, None]
    if subject.layer.couples_examples:
        short = {
            n: a[:, : lengths[0]] if subject.shared(a) > 1 else a for n, a in subject.arrays.items()
        }
        pairs = [(subject.run(mask=mask), subject.run(short))]
    else:
        values, weights = subject.run(mask=mask)
        pairs = []
        for i in range(subject.batch):
            own = slice(i, i + 1)
            if values.ndim:
                masked = values[own], weights[own]
            else:  # one number for all: then each example alone
                masked = subject.run(subject.rows(own), mask=mask[own])
            pairs.append((masked, subject.run(subject.cut(i, lengths[i]))))
    for (values, weights), (expected, counts) in pairs:
        if values.ndim > 1:
            values, weights = (a[:, : expected.shape[1]] for a in (values, weights))
        close("values with positions masked, against removed", values, expected)
        close("weights with positions masked, against removed", weights, counts)


@check
def all_masked(subject):
    """If nothing counts, values, weights, mean and gradient are 0."""
    nothing = np.zeros(subject.elements[:2], bool)
    for mask in (nothing, nothing[:, 0] if nothing.ndim > 1 else nothing):
        for real, integer in ((1.0, 0), *_GARBAGE):
            spoiled = subject.spoiled(mask, real, integer)
            for what, part in zip(("values", "weights"), subject.run(spoiled, mask=mask)):
                zero(f"{what} with all masked", part)
            for name, slope in subject.gradient(spoiled, mask=mask).items():
                zero(f"gradient by `{name}` with all masked", slope)


@check
def permutation(subject):
    """Examples in another order give the same values in that order."""
    order = np.roll(subject.random.permutation(subject.batch), 1)
    for mask in (None, *subject.masks()):
        expected = subject.run(mask=mask)
        found = subject.run(subject.rows(order), mask=None if mask is None else mask[order])
        for what, part, before in zip(("values", "weights"), found, expected):
            close(f"{what} in another order", part, before[order] if before.ndim else before)


@check
def independence(subject):
    """Each example has in the batch the value and weight that it has alone."""
    if subject.layer.couples_examples:
        raise NotApplicable("the layer declares that it couples the examples of a batch")
    for mask in (None, *subject.masks()):
        values, weights = subject.run(mask=mask)
        total, weight = 0.0, 0.0
        for i in range(subject.batch):
            one = None if mask is None else mask[i : i + 1]
            if values.ndim:
                alone, counts = subject.run(subject.rows([i]), mask=one)
                close(f"values of example {i} in the batch, against alone", values[[i]], alone)
                close(f"weights of example {i} in the batch, against alone", weights[[i]], counts)
            part = subject.sums(subject.rows([i]), mask=one)
            total, weight = total + part[0], weight + part[1]
        sums = subject.sums(mask=mask)
        close("weighted sum of the batch, against its examples one by one", sums[0], total)
        close("weight of the batch, against its examples one by one", sums[1], weight)


@check
def weights(subject):
    """Weights 1 change nothing, 0 is a mask, integers repeat, a common factor cancels."""
    batch, ones = subject.batch, np.ones(subject.elements[:2], "float32")
    plain = subject.run()
    for what, given in (
        ("sample_weight 1 per element", {"sample_weight": ones}),
        ("sample_weight 1 per example", {"sample_weight": np.ones(batch, "float32")}),
        ("a mask that is True", {"mask": ones.astype(bool)}),
    ):
        for part, found, expected in zip(("values", "weights"), subject.run(**given), plain):
            close(f"{part} with {what}, against none", found, expected)
    for mask in subject.masks():
        expected = subject.run(mask=mask)
        found = subject.run(sample_weight=mask.astype("float32"))
        for part, one, other in zip(("values", "weights"), found, expected):
            close(f"{part} with sample_weight 0, against a mask", one, other)
    counts = np.resize([0, 2, 1], batch)
    total, weight = subject.sums(sample_weight=counts.astype("float32"))
    _, weight_of_one = subject.sums()
    close("weight of integer weights", weight, weight_of_one * counts.sum() / batch)
    if not subject.layer.couples_examples:  # a repeated example would be its own negative
        repeated = subject.sums(subject.rows(np.repeat(np.arange(batch), counts)))
        close("weighted sum with integer weights, against repetition", total, repeated[0])
        close("weight with integer weights, against repetition", weight, repeated[1])
    thrice = subject.sums(sample_weight=3 * counts.astype("float32"))
    close("weighted sum with three times the weights", thrice[0], 3 * total)
    close("weight with three times the weights", thrice[1], 3 * weight)
