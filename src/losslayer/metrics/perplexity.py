"""Perplexity."""

import keras
from keras import ops

from losslayer.core.reduction import ExactMean


@keras.saving.register_keras_serializable(package="losslayer")
class Perplexity(ExactMean):
    """How many equally likely words a model hesitates between.

        result = exp( sum(weights * values) / sum(weights) )

    over all tokens of all batches, where `values` are cross entropies in nats: what
    `SequenceCrossEntropy()` gives. (The mean of perplexities of batches is another, larger
    number.) Nothing counted: 1.

    Example:

    >>> metric = Perplexity()
    >>> metric.update_state(np.log([2.0, 8.0, 5.0]), sample_weight=[1, 1, 0])
    >>> round(float(metric.result()), 4)
    4.0
    """

    def __init__(self, name="perplexity", dtype=None):
        super().__init__(name=name, dtype=dtype)

    def result(self):
        """The perplexity so far, a scalar."""
        return ops.exp(super().result())
