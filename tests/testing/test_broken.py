"""Every check rejects the layers that are broken in its respect, and passes the sound one."""

import pytest

from losslayer.testing import CHECKS, check_loss

from . import broken

BROKEN = [
    cls
    for cls in vars(broken).values()
    if isinstance(cls, type) and issubclass(cls, broken.Broken) and cls is not broken.Broken
]


def test_sound_layer_passes_every_check():
    """Nothing but its one fault distinguishes a broken layer from one that passes everything."""
    report = check_loss(broken.Sound(), **broken.DECLARED)
    assert {o.check: o.status for o in report.outcomes} == dict.fromkeys(CHECKS, "passed")


@pytest.mark.parametrize("cls", BROKEN, ids=lambda cls: cls.__name__)
def test_broken_layer_is_rejected(cls):
    """The check that a broken layer names rejects it."""
    with pytest.raises(AssertionError, match=f"{cls.__name__} fails 1 of 1 checks") as caught:
        check_loss(cls(), **broken.DECLARED, only=[cls.rejected_by])
    assert f"\n  {cls.rejected_by}: " in str(caught.value)


def test_no_check_lacks_a_broken_layer():
    """A check that has never rejected anything proves nothing."""
    assert {cls.rejected_by for cls in BROKEN} == set(CHECKS)
