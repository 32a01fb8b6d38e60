"""The networks, what they are trained on, and what decoding needs of them."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
from keras import layers, ops

import losslayer as ll
from losslayer import options
from losslayer.seq2seq.recurrent import KINDS, Recurrent
from losslayer.seq2seq.symbols import COUNT, PADDING
from losslayer.seq2seq.transformer import Transformer

MODELS = ("transformer", *KINDS)


@dataclass(frozen=True)
class ModelSettings:
    """Everything about a network that is a choice.

    Args:
        model: "transformer", normalised before each part; "gru" or "lstm", read in both
            directions, with attention.
        layers: Layers of the encoder, and of the decoder.
        dim: Size of embeddings and states; even.
        heads: Heads of the transformer's attention; they divide `dim`.
        feedforward: Size of the transformer's inner layers.
        dropout: Share of values dropped in training, in [0, 1).
        label_smoothing: Probability spread over all words, in [0, 1).
        tied: Whether the table of target embeddings gives the logits too.
        shared: Whether source and target have one embedding, and so one vocabulary.
        fused: Whether training computes the loss in blocks, without ever holding all logits: for
            large vocabularies.
        diagonal: Whether attention begins by reading the source at the target's own place, and
            learns how much the distance matters; for pairs that go along with each other, such as
            letters and sounds. Of "gru" and "lstm".
        r_drop: Weight of the divergence between two passes with different dropout; 0: one pass.
        longest: Tokens of a source or a target at most, without begin and end.
        seed: Fixes the first weights and the dropout.

    Raises:
        ArgumentError: An option is out of its range, or two don't fit together.
    """

    model: str = "transformer"
    layers: int = 3
    dim: int = 256
    heads: int = 4
    feedforward: int = 1024
    dropout: float = 0.2
    label_smoothing: float = 0.1
    tied: bool = True
    shared: bool = False
    fused: bool = False
    diagonal: bool = False
    r_drop: float = 0.0
    longest: int = 256
    seed: int = 0

    def __post_init__(self) -> None:
        owner = type(self).__name__
        options.choice(owner, "model", self.model, MODELS)
        options.whole(owner, 1, layers=self.layers, heads=self.heads, longest=self.longest)
        options.whole(owner, 1, feedforward=self.feedforward)
        options.whole(owner, 2, dim=self.dim)
        options.whole(owner, 0, seed=self.seed)
        options.number(owner, "dropout", self.dropout, 0, below=1)
        options.number(owner, "label_smoothing", self.label_smoothing, 0, below=1)
        options.number(owner, "r_drop", self.r_drop, 0)
        options.switch(owner, tied=self.tied, shared=self.shared, fused=self.fused)
        options.switch(owner, diagonal=self.diagonal)
        if self.dim % 2:
            options.refuse(owner, "dim", "be even", self.dim)
        if self.model == "transformer" and self.dim % self.heads:
            options.refuse(owner, "heads", f"divide dim={self.dim}", self.heads)
        if self.model == "transformer" and self.diagonal:
            options.refuse(owner, "diagonal", "be False where model='transformer'", True)
        if self.fused and self.r_drop:
            advice = "R-Drop compares the logits of all words, which fused=True never makes."
            options.refuse(owner, "r_drop", "be 0 when fused=True", self.r_drop, advice)


@dataclass(frozen=True)
class Models:
    """Several views of the same layers.

    Attributes:
        settings: What was built.
        training: What is trained: inputs `source` and `target`, `(batch, time)` int32 each, padded
            with 0, the target from begin to end; outputs the logits `(batch, time - 1, vocab)`.
        network: `encode`, `start` and `step`, for decoding.
        head: Hidden states `(..., dim)` to logits `(..., vocab)`.
        source_vocabulary: Number of source ids.
        target_vocabulary: Number of target ids.
    """

    settings: ModelSettings
    training: ll.Model
    network: Transformer | Recurrent
    head: Callable
    source_vocabulary: int
    target_vocabulary: int


def build(settings: ModelSettings, source_vocabulary: int, target_vocabulary: int) -> Models:
    """The model to train, and the parts that decoding runs.

    The loss is `nll`, the mean over target tokens of their cross entropy (smoothed), and
    `r_drop` where the settings ask for it. `ppl` is the exact perplexity, without smoothing;
    `accuracy` and `sequence_accuracy`, with the target's own beginning given, are reported by
    `evaluate` only, and with `fused` so is `ppl`: nothing but the loss is computed in training.

    Args:
        settings: What to build.
        source_vocabulary: Number of source ids, symbols included.
        target_vocabulary: The same for targets.

    Returns:
        Views of one set of layers.

    Raises:
        ArgumentError: A vocabulary holds symbols only, or `shared` asks for one and there are two.

    Example:

    >>> models = build(ModelSettings(layers=1, dim=8, heads=2, feedforward=16), 20, 30)
    >>> [tensor.name for tensor in models.training.inputs]
    ['source', 'target']
    """
    sizes = {"source_vocabulary": source_vocabulary, "target_vocabulary": target_vocabulary}
    options.whole("build", COUNT + 1, **sizes)
    if settings.shared and source_vocabulary != target_vocabulary:
        rule = f"be target_vocabulary={target_vocabulary} when shared=True"
        options.refuse("build", "source_vocabulary", rule, source_vocabulary)
    seeds = itertools.count(1000 * settings.seed)

    def embedding(size: int, name: str) -> layers.Layer:
        start = keras.initializers.RandomNormal(stddev=settings.dim**-0.5, seed=next(seeds))
        return layers.ReversibleEmbedding(
            size, settings.dim, embeddings_initializer=start, name=name
        )

    embed_target = embedding(target_vocabulary, "target_embedding")
    embed_source = embed_target
    if not settings.shared:
        embed_source = embedding(source_vocabulary, "source_embedding")
    kind = Transformer if settings.model == "transformer" else Recurrent
    network = kind(settings, embed_source, embed_target, seeds)
    if settings.tied:
        table: layers.Layer = embed_target

        def head(hidden: Any) -> Any:
            return embed_target(hidden, reverse=True)
    else:
        start = keras.initializers.GlorotUniform(seed=next(seeds))
        head = table = layers.Dense(target_vocabulary, kernel_initializer=start, name="head")

    source = keras.Input((None,), dtype="int32", name="source")
    target = keras.Input((None,), dtype="int32", name="target")
    read, labels = target[:, :-1], target[:, 1:]
    mask = ops.not_equal(labels, PADDING)
    hidden = network.decode(read, network.encode(source))
    logits = head(hidden)
    training = ll.Model(inputs=[source, target], outputs=logits)
    if settings.fused:
        _add_fused(training, settings, table, hidden, labels, mask)
    else:
        again = head(network.decode(read, network.encode(source))) if settings.r_drop else None
        _add_losses(training, settings, logits, again, labels, mask)
    for metric in (ll.metrics.MaskedAccuracy(), ll.metrics.SequenceAccuracy()):
        training.add_metric(metric, labels, logits, sample_weight=mask, on="evaluate")
    return Models(settings, training, network, head, source_vocabulary, target_vocabulary)


def _add_losses(
    training: ll.Model, settings: ModelSettings, logits: Any, again: Any, labels: Any, mask: Any
) -> None:
    """`nll`, `ppl` and `r_drop`; `again` are the logits of another pass, or None."""
    smoothed = ll.losses.SequenceCrossEntropy(label_smoothing=settings.label_smoothing)
    values, weights = smoothed(logits, labels, mask=mask)
    if again is not None:
        values = 0.5 * (values + smoothed(again, labels, mask=mask)[0])
    training.add_loss((values, weights), name="nll")
    if again is not None:
        apart = ll.losses.RDrop()(logits, again, mask=mask)
        training.add_loss(apart, name="r_drop", weight=settings.r_drop)
    exact = ll.losses.SequenceCrossEntropy()(logits, labels, mask=mask)
    training.add_metric(ll.metrics.Perplexity(), exact, name="ppl")


def _add_fused(
    training: ll.Model,
    settings: ModelSettings,
    table: layers.Layer,
    hidden: Any,
    labels: Any,
    mask: Any,
) -> None:
    """`nll` and `ppl`, without logits."""
    smoothed = ll.losses.LinearCrossEntropy(table, label_smoothing=settings.label_smoothing)
    training.add_loss(smoothed(hidden, labels, mask=mask), name="nll")
    exact = ll.losses.LinearCrossEntropy(table)(hidden, labels, mask=mask)
    training.add_metric(ll.metrics.Perplexity(), exact, name="ppl", on="evaluate")
