"""What a check is, and the comparisons with which checks assert."""

import numpy as np

# Every check by its name, in the order in which they run.
CHECKS: dict = {}


class NotApplicable(Exception):
    """Raised by a check that has nothing to check; says why."""


def check(function):
    """Register `function(subject)` as a check: it raises AssertionError with a reason."""
    CHECKS[function.__name__] = function
    return function


def close(what, found, expected, rtol=1e-5, atol=1e-6):
    """Assert that two arrays are equal up to rounding; `what` opens the message."""
    found, expected = np.asarray(found, "float64"), np.asarray(expected, "float64")
    if found.shape != expected.shape:
        raise AssertionError(f"{what}: shape {found.shape} instead of {expected.shape}.")
    # Both NaN, or both the same inf, is equal; a value beside a NaN is not.
    wrong = ~np.isclose(found, expected, rtol=rtol, atol=atol, equal_nan=True)
    if wrong.any():
        distance = np.where(np.isfinite(found) & np.isfinite(expected), found - expected, np.inf)
        place = np.unravel_index(np.argmax(np.where(wrong, np.abs(distance), -1)), wrong.shape)
        where = f" at {tuple(map(int, place))}" if place else ""
        raise AssertionError(
            f"{what}: {found[place]:.9g} instead of {expected[place]:.9g}{where}, "
            f"{int(wrong.sum())} of {wrong.size} differ."
        )


def finite(what, array):
    """Assert that an array holds no NaN and no inf."""
    bad = ~np.isfinite(np.asarray(array, "float64"))
    if bad.any():
        raise AssertionError(f"{what}: {int(bad.sum())} of {bad.size} are NaN or inf.")


def zero(what, array):
    """Assert that an array is 0 everywhere, not merely small."""
    bad = np.asarray(array) != 0
    if bad.any():
        first = np.asarray(array)[bad][0]
        raise AssertionError(f"{what}: {first:.6g} instead of exactly 0, {int(bad.sum())} times.")
