"""The operations that are worth an engine's own code, each beside a reference in `keras.ops`.

crf                         linear chains of tags: their sum, the best, the share of each
ctc_loss(...)               negative log-probability of labels, over all alignments
linear_cross_entropy(...)   cross entropy of the words of a linear head, without its logits
lstm(...)                   a long short-term memory, read over all steps
sum_of_rows(...)            of values of rows that meet all others, without a score for each pair
values_of_rows(...)         these values, without a gradient
"""

from losslayer.kernels.ctc import ctc_loss
from losslayer.kernels.linear_cross_entropy import linear_cross_entropy
from losslayer.kernels.lstm import lstm
from losslayer.kernels.rows import sum_of_rows, values_of_rows

__all__ = ["ctc_loss", "linear_cross_entropy", "lstm", "sum_of_rows", "values_of_rows"]
