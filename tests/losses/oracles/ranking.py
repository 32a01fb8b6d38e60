"""Losses on scores by which candidates are ranked."""

import math

import numpy as np

import losslayer as ll

from .common import Case, log_of_sum_of_exp, random


def MarginMSE():
    def values(positive, negative, targets):
        def example(p, ns, ts):
            return sum((p - n - t) ** 2 for n, t in zip(ns, ts)) / len(ns)

        several = [a.reshape(len(a), -1).tolist() for a in (negative, targets)]
        return np.array([example(*row) for row in zip(positive, *several)])

    def inputs(*shape):
        shapes = {"positive": shape[:1], "negative": shape, "targets": shape}
        return {n: random(i).normal(size=s) for i, (n, s) in enumerate(shapes.items())}

    symmetries = {"a constant more": lambda p, n, t: (p + 2, n + 2, t)}
    order = {"order of negatives": lambda p, n, t: (p, n[:, ::-1], t[:, ::-1])}
    loss = ll.losses.MarginMSE
    yield Case(loss(), values, inputs(6), symmetries, whole=True)
    yield Case(loss(), values, inputs(6, 3), {**symmetries, **order})


def ListSoftmax():
    def values(scores, targets):
        def query(row, grades):
            total, top = math.fsum(grades), log_of_sum_of_exp(row)
            return -sum(g / total * (s - top) for s, g in zip(row, grades)) if total else 0

        return np.array([query(*pair) for pair in zip(scores, targets)])

    grades = random().integers(0, 4, (6, 8))
    chosen = np.eye(8)[random().integers(0, 8, 6)]
    symmetries = {
        "a constant more": lambda s, t: (s + 2, t),
        "order of candidates": lambda s, t: (s[:, ::-1], t[:, ::-1]),
        "larger grades": lambda s, t: (s, 3 * t),
    }
    scores, loss = random(2).normal(size=(6, 8)), ll.losses.ListSoftmax
    inputs = {"scores": scores, "targets": grades.astype(float)}
    yield Case(loss(), values, inputs, symmetries, whole=True)
    yield Case(loss(), values, {"scores": scores, "targets": grades}, symmetries)
    # Of the choices some lie behind a mask: nothing relevant is left there.
    yield Case(loss(), values, {"scores": scores, "targets": chosen}, symmetries)
