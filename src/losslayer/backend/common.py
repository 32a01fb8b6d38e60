"""What the engines share."""


def slice_sizes(rows, size):
    """How many slices of at most `size` rows there must be, and the size that fills them best."""
    count = -(-rows // size)
    return count, -(-rows // count)
