"""Checks of settings: an error names the option, what it must be, and what it was."""

import numbers
from collections.abc import Iterable
from typing import Any

import losslayer as ll


def refuse(owner: str, name: str, rule: str, value: Any, advice: str = "") -> None:
    """Raise the error that all wrong settings get."""
    message = f"{owner}: `{name}` must {rule}. Received: {name}={value!r}."
    raise ll.ArgumentError(f"{message} {advice}".rstrip())


def whole(owner: str, least: int, /, **values: Any) -> None:
    """Each value is a whole number, and not below `least`."""
    for name, value in values.items():
        number = isinstance(value, numbers.Integral) and not isinstance(value, bool)
        if not number or value < least:
            refuse(owner, name, f"be a whole number >= {least}", value)


def number(owner: str, name: str, value: Any, least: float, below: float | None = None) -> None:
    """The option is a number >= `least`, and < `below` if that is given."""
    real = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not real or not value >= least or (below is not None and not value < below):
        limit = "" if below is None else f" and < {below}"
        refuse(owner, name, f"be a number >= {least}{limit}", value)


def choice(owner: str, name: str, value: Any, allowed: Iterable) -> None:
    """The option is one of `allowed`."""
    if value not in (allowed := tuple(allowed)):
        refuse(owner, name, f"be one of {allowed}", value)


def switch(owner: str, /, **values: Any) -> None:
    """Each value is True or False."""
    for name, value in values.items():
        if not isinstance(value, bool):
            refuse(owner, name, "be True or False", value)


def positive(owner: str, name: str, value: Any, at_most: float | None = None) -> None:
    """The option is a number > 0, and <= `at_most` if that is given."""
    real = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not real or not value > 0 or (at_most is not None and not value <= at_most):
        limit = "" if at_most is None else f" and <= {at_most}"
        refuse(owner, name, f"be a number > 0{limit}", value)
