"""Checks of arguments and shapes, with errors in the words that the docstrings use."""

import numbers

from losslayer.core.errors import ArgumentError, refuse


def number(owner, name, value, *, at_least=None, at_most=None, above=None, below=None):
    """`value`, if it is a number within the bounds; an error otherwise."""
    bounds = {">=": at_least, ">": above, "<=": at_most, "<": below}
    rule = " and ".join(f"{sign} {bound}" for sign, bound in bounds.items() if bound is not None)
    good = isinstance(value, numbers.Real) and not isinstance(value, bool) and value == value
    if good:
        good = (
            (at_least is None or value >= at_least)
            and (at_most is None or value <= at_most)
            and (above is None or value > above)
            and (below is None or value < below)
        )
    if not good:
        refuse(owner, name, f"be a number {rule}".rstrip(), value)
    return value if isinstance(value, int) else float(value)


def choice(owner, name, value, allowed):
    """`value`, if it is one of `allowed`; an error otherwise."""
    if value not in allowed:
        refuse(owner, name, f"be one of {tuple(allowed)}", value)
    return value


def axes(owner, specs, shapes):
    """Raise unless the shapes of several tensors fit together.

    Args:
        owner: The layer, for the message.
        specs: A dict from argument name to its axes: words, one per axis; ``[word]`` for an axis
            that may be missing, ``...`` in front for any number of axes. A word, or ``...``, means
            the same size wherever it stands: ``{"logits": "... class", "labels": "..."}``.
        shapes: A dict from argument name to shape; None is an unknown size.
    """
    sizes: dict = {}
    for name, shape in shapes.items():
        named = words(specs[name], len(shape))
        if named is None:
            raise ArgumentError(
                f"{type(owner).__name__}: `{name}` must have the axes ({_listed(specs[name])}). "
                f"Received: {name} with shape {tuple(shape)}."
            )
        leading = sum(word.startswith("leading") for word in named)
        fixed = specs[name].startswith("...") and "[" not in specs[name]
        counted = [("...", leading)] if fixed else []
        for word, size in [*counted, *zip(named, shape)]:
            if size is None:
                continue
            first_name, first_shape, first_size = sizes.setdefault(word, (name, shape, size))
            if size != first_size:
                raise ArgumentError(
                    f"{type(owner).__name__}: `{name}` must have the axes "
                    f"({_listed(specs[name])}), with `{word}` as long as in `{first_name}`. "
                    f"Received: {name} with shape {tuple(shape)}, "
                    f"{first_name} with shape {tuple(first_shape)}."
                )


def words(spec, rank):
    """A word for each of `rank` axes, or None if there can't be so many."""
    for fewer in (False, True):
        kept = [w.strip("[]") for w in spec.split() if not (fewer and w.startswith("["))]
        if kept and kept[0] == "...":
            leading = rank - len(kept) + 1
            if leading >= 1:
                return [f"leading axis {i}" for i in range(leading)] + kept[1:]
        elif len(kept) == rank:
            return kept
    return None


def _listed(spec):
    return ", ".join(spec.split())
