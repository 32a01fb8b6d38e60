"""What the engines share."""

import numpy as np


def slice_sizes(rows, size):
    """How many slices of at most `size` rows there must be, and the size that fills them best."""
    count = -(-rows // size)
    return count, -(-rows // count)


def process():
    """The number of this process, and how many there are: one, where the engine has no others."""
    return 0, 1


def gathered(numbers):
    """Whole numbers of all processes: `(process, number)`."""
    return np.asarray([numbers])


def replicas():
    """How many replicas run the step side by side, each with rows of its own."""
    return 1


def summed(tensor):
    """The sum over all replicas; no gradient goes through it."""
    return tensor


def of_all(tensors):
    """The rows of all replicas, `(batch, ...)` each; the gradient goes back to where they are."""
    return tensors


def lonely_processes():
    """How many processes would each train on data of its own, none knowing of the others."""
    return 1
