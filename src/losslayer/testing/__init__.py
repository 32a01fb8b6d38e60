"""The checks that every loss layer must pass, ours and yours alike.

    check_loss(layer, inputs, oracle=...)   run them; AssertionError with all that failed
    Report, Outcome                         what it returns
    CHECKS                                  the checks by name; their docstrings say what each is

    registry     what a check is, and the comparisons with which it asserts
    subject      the loss layer under test, its example inputs, the ways to run it
    counting     what mask and weights do: garbage, removal, repetition, permutation
    form         configuration, errors, docstring
    graphs       compiled, with unknown sizes, in a model that is trained, saved and loaded
    numbers      values and gradients: oracle, differences, symmetries, extremes, half precision

No test runner is needed:

>>> from losslayer.testing import check_loss
>>> layer = losslayer.losses.KLDivergence()
>>> report = check_loss(layer, only=["permutation", "half_precision"])
>>> print(report)
KLDivergence: 2 passed
  permutation      passed
  half_precision   passed
"""

from losslayer.testing.registry import CHECKS
from losslayer.testing.suite import Outcome, Report, check_loss

__all__ = ["CHECKS", "Outcome", "Report", "check_loss"]
