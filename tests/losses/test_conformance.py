"""Every loss of ours, as found in the package, passes the public conformance suite."""

import importlib
import inspect
import pkgutil

import pytest

import losslayer as ll
from losslayer.testing import check_loss

from . import oracles

# What the configuration of a layer has no influence on; one of each loss shows it.
ONCE = dict.fromkeys(
    ("half_precision", "compiled", "unknown_sizes", "training", "errors", "docstring"),
    "another configuration of this loss has passed it",
)


def _losses():
    """The loss layers that the package defines, in any of its modules, but for their bases."""
    found = {}
    for module in pkgutil.walk_packages(ll.losses.__path__, ll.losses.__name__ + "."):
        for cls in vars(importlib.import_module(module.name)).values():
            if inspect.isclass(cls) and issubclass(cls, ll.LossLayer) and "values" in vars(cls):
                found[cls.__name__] = cls
    found.pop("LossLayer")
    return list(found.values())


LOSSES = _losses()
CASES = [
    pytest.param(case, id=f"{cls.__name__}-{number}", marks=[] if case.whole else pytest.mark.slow)
    for cls in LOSSES
    if oracles.has_cases(cls)
    for number, case in enumerate(oracles.cases(cls))
]


def test_losses_are_found():
    """The walk finds at least what the table of contents names."""
    named = [getattr(ll.losses, name) for name in ll.losses.__all__]
    assert set(LOSSES) >= {n for n in named if isinstance(n, type) and issubclass(n, ll.LossLayer)}


@pytest.mark.parametrize("cls", LOSSES, ids=lambda cls: cls.__name__)
def test_loss_has_an_oracle(cls):
    """No loss goes unchecked: each has an oracle, and one case that runs every check."""
    assert any(case.whole and case.refused is not None for case in oracles.cases(cls))


@pytest.mark.parametrize("case", CASES)
def test_conforms(case):
    """The loss passes all checks."""
    report = check_loss(
        case.layer,
        case.inputs,
        oracle=case.oracle,
        symmetries=case.symmetries,
        refused=case.refused,
        skip={} if case.whole else ONCE,
    )
    if case.whole:
        unchecked = {o.check for o in report.outcomes if o.status == "skipped"}
        allowed = {"symmetry": not case.symmetries, "independence": case.layer.couples_examples}
        assert unchecked <= {check for check, may in allowed.items() if may}
