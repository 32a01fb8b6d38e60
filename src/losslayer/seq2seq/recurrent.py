"""GRUs or LSTMs with attention, for whole sequences and step by step.

The encoder reads in both directions. What the decoder has read asks the encoder's states once per
token, after its last layer: Luong et al. 2015, arXiv:1508.04025, "general" scores. With `diagonal`
the score of the distance between the places of both is added.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import keras
from keras import layers, ops

from losslayer.seq2seq.attention import Nearness, weights_of
from losslayer.seq2seq.symbols import PADDING

if TYPE_CHECKING:
    from losslayer.seq2seq.model import ModelSettings

KINDS = {"gru": layers.GRU, "lstm": layers.LSTM}


class Recurrent:
    """Encoder and decoder over shared layers; the same interface as `Transformer`'s.

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
        self.embed_source, self.embed_target = embed_source, embed_target
        dim, kind = settings.dim, KINDS[settings.model]
        self.states = 2 if settings.model == "lstm" else 1  # tensors that one layer remembers

        def recurrent(units: int, **arguments: Any) -> layers.Layer:
            return kind(
                units,
                kernel_initializer=keras.initializers.GlorotUniform(seed=next(seeds)),
                recurrent_initializer=keras.initializers.Orthogonal(seed=next(seeds)),
                return_sequences=True,
                return_state=True,
                **arguments,
            )

        def dense(name: str, **arguments: Any) -> layers.Dense:
            start = keras.initializers.GlorotUniform(seed=next(seeds))
            return layers.Dense(dim, kernel_initializer=start, name=name, **arguments)

        def dropout(name: str) -> layers.Dropout:
            return layers.Dropout(settings.dropout, seed=next(seeds), name=name)

        numbers = range(settings.layers)
        self.source_drops = [dropout(f"encoder_{n}_dropout") for n in numbers]
        self.encoder = [
            layers.Bidirectional(
                recurrent(dim // 2, name=f"encoder_{n}_forward"),
                backward_layer=recurrent(dim // 2, go_backwards=True, name=f"encoder_{n}_backward"),
                name=f"encoder_{n}",
            )
            for n in numbers
        ]
        self.bridges = [
            [dense(f"bridge_{n}_{state}") for state in range(self.states)] for n in numbers
        ]
        self.target_drops = [dropout(f"decoder_{n}_dropout") for n in numbers]
        self.decoder = [recurrent(dim, name=f"decoder_{n}") for n in numbers]
        self.score = dense("attention_key", use_bias=False)
        self.join = dense("attention_out", activation="tanh")
        self.last_drop = dropout("attention_dropout")
        self.nearness = Nearness("attention_nearness") if settings.diagonal else None

    def encode(self, source: Any) -> dict[str, Any]:
        """Read sources.

        Args:
            source: Token ids, `(batch, time)`; padding may stand anywhere.

        Returns:
            The memory: `mask` `(batch, time)`, true where there is a token; `keys` and `values`,
            `(batch, time, dim)`; `states`, with which the decoder begins, `(batch, dim)` each;
            with `diagonal` the `places` of the tokens, `(batch, time)`.
        """
        seen = ops.not_equal(source, PADDING)
        x = self.embed_source(source)
        states = []
        for drop, read, bridges in zip(self.source_drops, self.encoder, self.bridges):
            x, *last = read(drop(x), mask=seen)
            for state, bridge in enumerate(bridges):
                both = ops.concatenate([last[state], last[self.states + state]], axis=-1)
                made = bridge(both)
                states.append(ops.tanh(made) if state == 0 else made)  # a cell has no bounds
        memory = {"mask": seen, "keys": self.score(x), "values": x, "states": states}
        if self.nearness is not None:
            memory["places"] = ops.cumsum(ops.cast(seen, "int32"), axis=1) - 1
        return memory

    def decode(self, target: Any, memory: dict[str, Any]) -> Any:
        """What the head makes logits of, at all places of a target: `(batch, time, dim)`."""
        x = self.embed_target(target)
        for number, (drop, read) in enumerate(zip(self.target_drops, self.decoder)):
            x, *_ = read(drop(x), initial_state=self._of(memory["states"], number))
        places = ops.cumsum(ops.ones_like(target), axis=1) - 1
        return self._attend(x, places, memory)[0]

    def start(self, memory: dict[str, Any], beam: int, longest: int) -> list[Any]:
        """The states of `beam` hypotheses per source, `(batch * beam, dim)` each."""
        return [ops.repeat(state, beam, axis=0) for state in memory["states"]]

    def step(
        self, token: Any, place: Any, memory: dict[str, Any], state: list[Any]
    ) -> tuple[Any, Any, list[Any]]:
        """One place of each hypothesis; as `Transformer.step`."""
        batch, beam = token.shape
        x = ops.reshape(self.embed_target(token), (batch * beam, -1))
        after: list = []
        for number, read in enumerate(self.decoder):
            x, kept = read.cell(x, self._of(state, number))
            after += kept
        places = ops.reshape(ops.cast(place, "int32"), (1, 1))
        hidden, weights = self._attend(ops.reshape(x, (batch, beam, -1)), places, memory)
        return hidden, weights, after

    def _of(self, states: list[Any], number: int) -> list[Any]:
        """Those of one layer."""
        return states[number * self.states : (number + 1) * self.states]

    def _attend(self, x: Any, places: Any, memory: dict[str, Any]) -> tuple[Any, Any]:
        """`(batch, queries, dim)` with what it finds in the memory, and the weights."""
        scores = ops.einsum("bqd,bkd->bqk", x, memory["keys"])
        if self.nearness is not None:
            scores = scores + self.nearness(places, memory["places"])
        weights = weights_of(scores, ops.expand_dims(memory["mask"], 1))
        found = ops.einsum("bqk,bkd->bqd", ops.cast(weights, x.dtype), memory["values"])
        return self.last_drop(self.join(ops.concatenate([x, found], axis=-1))), weights
