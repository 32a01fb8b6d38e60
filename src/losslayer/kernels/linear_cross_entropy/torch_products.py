"""The three products of a chunk on PyTorch, by oneDNN where it can be reached.

On CPUs `torch.mm` calls MKL, which may run at half of oneDNN's rate on processors other than
Intel's. PyTorch carries both, but calls oneDNN only for tensors in oneDNN's own layout. These are
copies; so they are made of blocks that stay in the cache, and whose memory the allocator keeps.
"""

import torch

_BLOCK = 2**18  # numbers, 1 MiB
_NAMES = "mkldnn_linear", "mkldnn_linear_backward_input", "mkldnn_linear_backward_weights"
_ONEDNN = torch.backends.mkldnn.is_available() and all(hasattr(torch.ops.aten, n) for n in _NAMES)


def uses_onednn(table):
    """Whether oneDNN computes these products with `table`; then it should be contiguous."""
    return _ONEDNN and table.device.type == "cpu" and table.dtype == torch.float32


def logits(rows, table, out):
    """`rows` times the transpose of `table`, into `out`."""
    if not uses_onednn(table):
        return torch.mm(rows, table.T, out=out)
    size, rows = _words_of_a_block(rows), rows.to_mkldnn()
    for part, words in zip(out.split(size, 1), table.split(size)):
        part.copy_(torch.ops.aten.mkldnn_linear(rows, words).to_dense())
    return out


def add_products(slopes, table, rows, by_rows, by_table):
    """To `by_rows` `slopes` times `table`, to `by_table` their transpose times `rows`.

    What is None is left out.
    """
    if not uses_onednn(table):
        if by_rows is not None:
            by_rows.addmm_(slopes, table)
        if by_table is not None:
            by_table.addmm_(slopes.T, rows)
        return
    size, shape, rows = _words_of_a_block(rows), rows.shape, rows.to_mkldnn()
    for at, part in enumerate(slopes.split(size, 1)):
        part, words = part.to_mkldnn(), slice(at * size, (at + 1) * size)
        if by_rows is not None:
            found = torch.ops.aten.mkldnn_linear_backward_input(shape, part, table[words])
            by_rows += found.to_dense()
        if by_table is not None:
            found, _ = torch.ops.aten.mkldnn_linear_backward_weights(
                part, rows, table[words], False
            )
            by_table[words] += found.to_dense()


def _words_of_a_block(rows):
    return max(_BLOCK // max(rows.shape), 1)
