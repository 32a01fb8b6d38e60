"""`check_loss`: all checks on one loss layer."""

from dataclasses import dataclass

from losslayer.core.errors import ArgumentError, ArgumentTypeError, refuse
from losslayer.core.layer import LossLayer

# Importing them registers the checks.
from losslayer.testing import counting, form, graphs, numbers  # noqa: F401
from losslayer.testing.examples import example_inputs
from losslayer.testing.registry import CHECKS, NotApplicable
from losslayer.testing.subject import Subject


@dataclass(frozen=True)
class Outcome:
    """What came of one check: "passed", "failed" or "skipped", and why if not passed."""

    check: str
    status: str
    reason: str = ""


@dataclass(frozen=True)
class Report:
    """What came of all checks of one layer; `print` shows it as a table."""

    layer: str
    outcomes: tuple

    @property
    def failed(self):
        """The outcomes of the checks that failed."""
        return [o for o in self.outcomes if o.status == "failed"]

    def __str__(self):
        statuses = [o.status for o in self.outcomes]
        counts = [f"{statuses.count(s)} {s}" for s in dict.fromkeys(sorted(statuses))]
        width = max((len(o.check) for o in self.outcomes), default=0)
        lines = [
            f"  {o.check:<{width}}   {o.status}{': ' if o.reason else ''}{o.reason}"
            for o in self.outcomes
        ]
        return "\n".join([f"{self.layer}: {', '.join(counts)}", *lines])


def check_loss(
    layer, inputs=None, *, oracle=None, symmetries=None, refused=(), only=None, skip=None, seed=0
):
    """Check that a loss layer keeps what loss layers promise.

    The checks, and what each is about, are in `losslayer.testing.CHECKS`. They run eagerly,
    compiled and in a model, on the backend in use; a few seconds in all.

    Args:
        layer: A `LossLayer`, as its constructor returned it.
        inputs: Example arrays by the names of the arguments of `layer.values`: at least three
            examples, axes of different lengths. Default: random ones, if the layer declares its
            `axes`.
        oracle: The values once more, independently: a function of the arrays, in the order of
            `values` and in float64, that returns an array of values (without mask and weights).
        symmetries: A dict from a description to a function of the arrays that returns arrays
            for which the values must be the same.
        refused: Constructor arguments that must be refused, a dict each.
        only: Names of the checks to run; default: all.
        skip: A dict from the names of checks not to run to the reason.
        seed: Seed of everything random.

    Returns:
        A `Report`.

    Raises:
        AssertionError: A check failed. The message lists all that did, with reasons.
        ArgumentError, ArgumentTypeError: The arguments of `check_loss` itself are wrong.

    Example:

    >>> def oracle(mean, log_variance):
    ...     return np.sum(mean**2 + np.exp(log_variance) - 1 - log_variance, axis=-1) / 2
    >>> numbers = np.random.default_rng(0).normal(size=(2, 6, 4))
    >>> report = check_loss(
    ...     losslayer.losses.KLDivergence(),
    ...     inputs=dict(zip(("mean", "log_variance"), numbers)),
    ...     oracle=oracle,
    ...     symmetries={"sign of the mean": lambda mean, variance: (-mean, variance)},
    ...     only=["value", "symmetry"],
    ... )
    >>> [outcome.status for outcome in report.outcomes]
    ['passed', 'passed']
    """
    if not isinstance(layer, LossLayer):
        advice = "Create it: Hinge(), not Hinge."
        refuse("check_loss", "layer", "be a LossLayer", layer, advice, ArgumentTypeError)
    skip = dict(skip or {})
    for argument, names in (("only", only or ()), ("skip", skip)):
        for name in names:
            if name not in CHECKS:
                refuse("check_loss", argument, f"hold names of {tuple(CHECKS)}", name)
    arrays = example_inputs(layer, seed) if inputs is None else inputs
    subject = Subject(layer, arrays, oracle, symmetries, refused, seed)
    if subject.batch < 3:
        raise ArgumentError(
            f"check_loss: `inputs` must hold at least 3 examples. Received: {subject.batch}."
        )
    errors: list = []
    outcomes = [
        Outcome(name, "skipped", skip[name]) if name in skip else _outcome(name, subject, errors)
        for name in CHECKS
        if only is None or name in only
    ]
    report = Report(subject.name, tuple(outcomes))
    if report.failed:
        reasons = "\n".join(f"  {o.check}: {o.reason}" for o in report.failed)
        raise AssertionError(
            f"{subject.name} fails {len(report.failed)} of {len(outcomes)} checks.\n{reasons}"
        ) from errors[0]
    return report


def _outcome(name, subject, errors):
    try:
        CHECKS[name](subject)
    except NotApplicable as reason:
        return Outcome(name, "skipped", str(reason))
    except AssertionError as error:
        errors.append(error)
        return Outcome(name, "failed", str(error))
    except Exception as error:  # a layer under test may raise anything
        errors.append(error)
        first_lines = " ".join(str(error).split())[:300]
        return Outcome(name, "failed", f"raised {type(error).__name__}: {first_lines}")
    return Outcome(name, "passed")
