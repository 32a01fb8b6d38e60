"""The transformer, normalised before each part, for whole sequences and step by step.

Vaswani et al. 2017, arXiv:1706.03762; normalised before: Xiong et al. 2020, arXiv:2002.04745.
"""

import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from keras import layers, ops

from losslayer.seq2seq.attention import Attention
from losslayer.seq2seq.symbols import PADDING

if TYPE_CHECKING:
    from losslayer.seq2seq.model import ModelSettings


def sinusoids(places: Any, dim: int) -> Any:
    """`sin` and `cos` of places at `dim / 2` wavelengths: `(...)` to `(..., dim)`, any length."""
    rates = np.exp(-math.log(10_000) * np.arange(dim // 2) / max(dim // 2 - 1, 1))
    places = ops.expand_dims(ops.cast(places, "float32"), -1)
    angles = ops.multiply(places, rates.astype("float32"))
    return ops.concatenate([ops.sin(angles), ops.cos(angles)], axis=-1)


class Part:
    """What each part of a block is: `x + dropout(part(norm(x)))`; here the norm and the dropout."""

    def __init__(self, name: str, settings: "ModelSettings", seeds: Iterator[int]) -> None:
        self.norm = layers.LayerNormalization(epsilon=1e-5, name=f"{name}_norm")
        self.drop = layers.Dropout(settings.dropout, seed=next(seeds), name=f"{name}_dropout")


class AttentionPart(Part):
    """Attention, as a part of a block."""

    def __init__(self, name: str, settings: "ModelSettings", seeds: Iterator[int]) -> None:
        super().__init__(name, settings, seeds)
        self.attend = Attention(name, settings.dim, settings.heads, seeds)


class FeedForward(Part):
    """Two dense layers, applied to each place by itself."""

    def __init__(self, name: str, settings: "ModelSettings", seeds: Iterator[int]) -> None:
        super().__init__(name, settings, seeds)

        def dense(units: int, part: str, **arguments: Any) -> layers.Dense:
            start = keras.initializers.GlorotUniform(seed=next(seeds))
            return layers.Dense(units, kernel_initializer=start, name=f"{name}_{part}", **arguments)

        self.wide = dense(settings.feedforward, "in", activation="relu")
        self.inner = layers.Dropout(settings.dropout, seed=next(seeds), name=f"{name}_in_dropout")
        self.back = dense(settings.dim, "out")

    def __call__(self, x: Any) -> Any:
        """`(..., dim)` to the same."""
        return x + self.drop(self.back(self.inner(self.wide(self.norm(x)))))


class Transformer:
    """Encoder and decoder over shared layers.

    `encode` gives the memory that `decode` and `step` read, a dict of tensors; `decode` runs all
    places of a target at once, `step` one place, with the keys and values of those before it.

    Args:
        settings: What to build.
        embed_source: Token ids to vectors.
        embed_target: The same for targets.
        seeds: Where seeds come from.
    """

    def __init__(
        self,
        settings: "ModelSettings",
        embed_source: layers.Layer,
        embed_target: layers.Layer,
        seeds: Iterator[int],
    ) -> None:
        self.settings = settings
        self.embed_source, self.embed_target = embed_source, embed_target
        numbers = range(settings.layers)

        def parts(kind: type, name: str) -> list:
            return [kind(name.format(n), settings, seeds) for n in numbers]

        self.source_drop = layers.Dropout(settings.dropout, seed=next(seeds), name="source_dropout")
        self.encoder_self = parts(AttentionPart, "encoder_{}_self")
        self.encoder_wide = parts(FeedForward, "encoder_{}_feedforward")
        self.encoder_norm = layers.LayerNormalization(epsilon=1e-5, name="encoder_norm")
        self.target_drop = layers.Dropout(settings.dropout, seed=next(seeds), name="target_dropout")
        self.decoder_self = parts(AttentionPart, "decoder_{}_self")
        self.decoder_cross = parts(AttentionPart, "decoder_{}_cross")
        self.decoder_wide = parts(FeedForward, "decoder_{}_feedforward")
        self.decoder_norm = layers.LayerNormalization(epsilon=1e-5, name="decoder_norm")

    def _embedded(self, embed: Callable, tokens: Any, places: Any) -> Any:
        x = embed(tokens) * math.sqrt(self.settings.dim)
        return x + ops.cast(sinusoids(places, self.settings.dim), x.dtype)

    def encode(self, source: Any) -> dict[str, Any]:
        """Read sources.

        Args:
            source: Token ids, `(batch, time)`; padding may stand anywhere.

        Returns:
            The memory: `mask` `(batch, time)`, true where there is a token; for each layer of the
            decoder `keys` and `values`, `(batch, heads, time, size)` each.
        """
        seen = ops.not_equal(source, PADDING)
        places = ops.maximum(ops.cumsum(ops.cast(seen, "int32"), axis=1) - 1, 0)
        mask = ops.expand_dims(ops.expand_dims(seen, 1), 1)
        x = self.source_drop(self._embedded(self.embed_source, source, places))
        for part, wide in zip(self.encoder_self, self.encoder_wide):
            normed = part.norm(x)
            read, _ = part.attend(normed, *part.attend.memory(normed), mask)
            x = wide(x + part.drop(read))
        x = self.encoder_norm(x)
        made = [part.attend.memory(x) for part in self.decoder_cross]
        return {"mask": seen, "keys": [k for k, _ in made], "values": [v for _, v in made]}

    def _layers(self) -> Iterator[tuple]:
        return zip(self.decoder_self, self.decoder_cross, self.decoder_wide)

    def decode(self, target: Any, memory: dict[str, Any]) -> Any:
        """What the head makes logits of, at all places of a target: `(batch, time, dim)`."""
        places = ops.cumsum(ops.ones_like(target), axis=1) - 1
        before = ops.expand_dims(places, 2) >= ops.expand_dims(places, 1)
        before = ops.expand_dims(before, 1)
        mask = ops.expand_dims(ops.expand_dims(memory["mask"], 1), 1)
        x = self.target_drop(self._embedded(self.embed_target, target, places))
        for number, (own, cross, wide) in enumerate(self._layers()):
            normed = own.norm(x)
            read, _ = own.attend(normed, *own.attend.memory(normed), before)
            x = x + own.drop(read)
            keys, values = memory["keys"][number], memory["values"][number]
            read, _ = cross.attend(cross.norm(x), keys, values, mask)
            x = wide(x + cross.drop(read))
        return self.decoder_norm(x)

    def start(self, memory: dict[str, Any], beam: int, longest: int) -> list[Any]:
        """Room for the keys and values of `longest` places of `beam` hypotheses per source.

        Returns:
            For each layer two tensors `(batch * beam, heads, longest, size)`.
        """
        batch, heads, _, size = memory["keys"][0].shape
        shape = (batch * beam, heads, longest, size)
        return [ops.zeros(shape, k.dtype) for k in memory["keys"] for _ in range(2)]

    def step(
        self, token: Any, place: Any, memory: dict[str, Any], state: list[Any]
    ) -> tuple[Any, Any, list[Any]]:
        """One place of each hypothesis.

        Args:
            token: The token said last, `(batch, beam)`.
            place: Its place, a scalar.
            memory: What `encode` returned, `(batch, ...)`.
            state: What `start` or the last step returned, `(batch * beam, ...)`.

        Returns:
            What the head makes logits of, `(batch, beam, dim)`; the mean attention of the last
            layer's heads to the source, `(batch, beam, time)`; the new state.
        """
        batch, beam = token.shape
        longest = state[0].shape[2]
        numbers = ops.arange(longest)
        here = ops.reshape(ops.equal(numbers, place), (longest, 1))
        before = numbers <= place
        mask = ops.expand_dims(ops.expand_dims(memory["mask"], 1), 1)
        weights, after = None, []
        x = self._embedded(self.embed_target, token, place)
        for number, (own, cross, wide) in enumerate(self._layers()):
            normed = ops.reshape(own.norm(x), (batch * beam, 1, -1))
            new = own.attend.memory(normed)
            kept = [ops.where(here, n, s) for n, s in zip(new, state[2 * number :])]
            after += kept
            read, _ = own.attend(normed, *kept, before)
            x = x + ops.reshape(read, (batch, beam, -1))
            keys, values = memory["keys"][number], memory["values"][number]
            read, weights = cross.attend(cross.norm(x), keys, values, mask)
            x = wide(x + read)
        return self.decoder_norm(x), ops.mean(weights, axis=1), after
