"""What the engines' kernels share."""


def rows_of_a_chunk(dim):
    """About as many rows as a row is long: then the chunk's logits are as large as the table."""
    return max(dim, 128)
