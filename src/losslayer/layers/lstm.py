"""`keras.layers.LSTM` with another loop in it."""

from typing import Any

import keras
from keras import activations, ops

from losslayer.kernels import lstm


@keras.saving.register_keras_serializable(package="losslayer")
class LSTM(keras.layers.LSTM):
    """`keras.layers.LSTM`, faster on JAX and PyTorch; on TensorFlow it is Keras's.

    The same arguments, weights, names and numbers, alone and in `keras.layers.Bidirectional`, so
    weights of the one load into the other, and a seed gives both the same first ones:

        i, f, g, o = split(inputs_t kernel + hidden_t-1 recurrent_kernel + bias)
        carry_t = sigmoid(f) carry_t-1 + sigmoid(i) tanh(g)
        hidden_t = sigmoid(o) tanh(carry_t)

    A step that the mask passes over leaves both as they are, wherever it stands. On JAX the slopes
    by the weights are one product over all steps instead of a sum in the loop; PyTorch runs its own
    loop, as `torch.nn.LSTM` does, over the steps that count.

    What Keras computes with other arguments (`dropout`, `recurrent_dropout`, `unroll`, other
    activations, `use_cudnn=True`) is left to it; a `keras.layers.Dropout` before it is faster.

    Args:
        units: Size of the state.
        **arguments: As of `keras.layers.LSTM`.

    Example:
        >>> tokens = keras.Input((None,), dtype="int32")
        >>> embedded = keras.layers.Embedding(100, 8, mask_zero=True)(tokens)
        >>> ll.layers.LSTM(16)(embedded).shape
        (None, 16)

    Source:
        Hochreiter and Schmidhuber, Long Short-Term Memory (1997), with the forget gate of Gers,
        Schmidhuber and Cummins, Learning to Forget (2000).
    """

    def inner_loop(self, sequences: Any, initial_state: Any, mask: Any, training: bool = False):
        """The loop over the steps: what Keras's layer calls when all else is done.

        Args:
            sequences: `(batch, time, dim)`.
            initial_state: hidden and carry, `(batch, units)` each.
            mask: Boolean, `(batch, time)`, or None.
            training: Whether dropout is on.

        Returns:
            The last output, all outputs `(batch, time, units)`, and the last states.
        """
        if isinstance(mask, (list, tuple)):
            mask = mask[0]
        if not self._is_usual():
            return super().inner_loop(sequences, initial_state, mask, training=training)
        mask = None if mask is None else ops.cast(mask, "bool")
        if self.go_backwards:
            sequences = ops.flip(sequences, axis=1)
            mask = None if mask is None else ops.flip(mask, axis=1)
        weights = self.cell.kernel, self.cell.recurrent_kernel, self.cell.bias
        tensors = [None if w is None else ops.convert_to_tensor(w) for w in weights]
        outputs, *states = lstm(
            sequences, *tensors, mask, *initial_state, sequences=self.return_sequences
        )
        if not self.return_sequences:
            return states[0], ops.expand_dims(states[0], 1), states
        if self.zero_output_for_mask and mask is not None:
            outputs = ops.where(ops.expand_dims(mask, 2), outputs, ops.zeros_like(outputs))
        return outputs[:, -1], outputs, states

    def _is_usual(self) -> bool:
        """Whether the arguments are those that the faster loop is for."""
        return (
            lstm is not None
            and self.activation is activations.tanh
            and self.recurrent_activation is activations.sigmoid
            and not (self.dropout or self.recurrent_dropout or self.unroll)
            and self.use_cudnn is not True
            and (self.return_sequences or not self.zero_output_for_mask)
        )
