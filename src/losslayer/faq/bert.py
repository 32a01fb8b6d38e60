"""A BERT as the encoder: its shape, its network, its weights from a checkpoint on disk.

A checkpoint is a folder as Hugging Face's libraries write it: `config.json`, `model.safetensors`,
`tokenizer.json`. It is read once, before the training; a saved matcher holds all it needs.

Source: Devlin et al., BERT, 2019, https://arxiv.org/abs/1810.04805.
"""

import json
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any

import keras
import numpy as np
import safetensors
import safetensors.numpy
from keras import layers, ops

import losslayer as ll
from losslayer.faq.pooling import masked_mean
from losslayer.faq.settings import Settings
from losslayer.saving import WeightsError

CONFIG, WEIGHTS, TOKENIZER = "config.json", "model.safetensors", "tokenizer.json"
# What is built below, by the names of `config.json`.
FIXED = {"model_type": "bert", "hidden_act": "gelu", "position_embedding_type": "absolute"}
SHAPE = {
    "vocabulary_size": "vocab_size",
    "dim": "hidden_size",
    "layers": "num_hidden_layers",
    "heads": "num_attention_heads",
    "feedforward": "intermediate_size",
    "longest": "max_position_embeddings",
    "epsilon": "layer_norm_eps",
}

# A checkpoint is trained further on texts as they are, in small steps, and with batches so large
# that most other titles are in them; docs/faq.md has what was compared.
FINE_TUNING: dict[str, Any] = {
    "epochs": 6,
    "batch_size": 128,
    "negatives": "in-batch",
    "learning_rate": 2e-4,
    "dropout": 0.1,
    "word_dropout": 0.0,
}


class CheckpointError(ll.LosslayerError, ValueError):
    """A folder that is no checkpoint of a BERT; the message says what is wrong with it."""


def suited(**given: Any) -> Settings:
    """Settings as given, with defaults that suit the encoder: of a checkpoint `FINE_TUNING`.

    Where the objective compares triplets, wrong titles come from where they do for other encoders.
    """
    pretrained = given.get("encoder", "").startswith("pretrained:")
    defaults = dict(FINE_TUNING) if pretrained else {}
    if given.get("objective", Settings.objective) != "in-batch":
        defaults.pop("negatives", None)
    return Settings(**{**defaults, **given})


def read_shape(path: str | PathLike[str]) -> dict[str, Any]:
    """The sizes of a checkpoint, by the names of `SHAPE`.

    Raises:
        CheckpointError: If a file is missing, can't be read, or describes another kind of network.
    """
    for name in (CONFIG, WEIGHTS, TOKENIZER):
        if not (Path(path) / name).is_file():
            raise CheckpointError(
                f"{path}: no checkpoint is there (it holds no {name}). Give the folder that holds "
                f"{CONFIG}, {WEIGHTS} and {TOKENIZER}"
            )
    file = Path(path) / CONFIG
    try:
        config = json.loads(file.read_text(encoding="utf-8"))
        shape = {name: config[theirs] for name, theirs in SHAPE.items()}
    except (KeyError, TypeError, ValueError) as problem:
        raise CheckpointError(f"{file}: can't be read ({problem!r})") from None
    for name, value in FIXED.items():
        if config.get(name, value) != value:
            raise CheckpointError(f"{file}: {name} must be {value!r}, is {config[name]!r:.80}")
    return shape


def adopt(settings: Settings) -> tuple[Path | None, Settings]:
    """The checkpoint of "pretrained:PATH", and the settings with its sizes in place of it.

    Raises:
        CheckpointError: If no checkpoint of a BERT is there.
        losslayer.ArgumentError: If it reads fewer tokens than the settings say.
    """
    kind, _, path = settings.encoder.partition(":")
    if kind != "pretrained":
        return None, settings
    shape = read_shape(path)
    if settings.longest > shape["longest"]:
        raise ll.ArgumentError(
            f"Settings: `longest` must be at most {shape['longest']}, the places that {path} has. "
            f"Received: longest={settings.longest}."
        )
    return Path(path), replace(settings, encoder="bert", bert=shape)


def bert(vocabulary_size: int, settings: Settings) -> keras.Model:
    """Blocks of self-attention, normalised after each part, and the mean over the tokens.

    Its sizes are `settings.bert`, what `read_shape` returns.
    """
    shape = settings.bert or {}
    dim, epsilon, seed = shape["dim"], shape["epsilon"], settings.seed
    tokens = keras.Input((None,), dtype="int32", name="tokens")
    mask = ops.not_equal(tokens, 0)
    dropout = iter(layers.Dropout(settings.dropout, seed=seed + n) for n in range(1 << 10))

    def dense(units: int, name: str, **arguments: Any) -> layers.Dense:
        start = keras.initializers.GlorotUniform(seed=seed)
        return layers.Dense(units, kernel_initializer=start, name=name, **arguments)

    def normed(values: Any, name: str) -> Any:
        return layers.LayerNormalization(epsilon=epsilon, name=name)(values)

    def table(rows: int, name: str) -> layers.Embedding:
        start = keras.initializers.RandomNormal(stddev=0.02, seed=seed)
        return layers.Embedding(rows, dim, embeddings_initializer=start, name=name)

    # Padding stands behind the tokens, so a token's place is its number among those that count.
    place = ops.maximum(ops.cumsum(ops.cast(mask, "int32"), axis=1) - 1, 0)
    values = table(vocabulary_size, "words")(tokens) + table(shape["longest"], "places")(place)
    values = next(dropout)(normed(values, "embedded"))
    for block in range(shape["layers"]):
        attended = layers.MultiHeadAttention(
            shape["heads"],
            dim // shape["heads"],
            kernel_initializer=keras.initializers.GlorotUniform(seed=seed + block),
            name=f"attention_of_{block}",
        )(values, values, attention_mask=ops.expand_dims(mask, 1))
        values = normed(values + next(dropout)(attended), f"attended_of_{block}")
        wide = dense(shape["feedforward"], f"wide_of_{block}", activation="gelu")(values)
        narrow = dense(dim, f"narrow_of_{block}")(wide)
        values = normed(values + next(dropout)(narrow), f"normed_of_{block}")
    return keras.Model(tokens, masked_mean(values, mask), name="bert")


def read_checkpoint(path: str | PathLike[str], encoder: keras.Model) -> None:
    """Put the weights of a checkpoint into what `bert` made with its sizes.

    Raises:
        losslayer.saving.WeightsError: If the file is damaged, or lacks a weight of that size.
    """
    file = Path(path) / WEIGHTS
    try:
        stored = safetensors.numpy.load_file(file)
    except (OSError, safetensors.SafetensorError) as problem:
        raise WeightsError(f"{file}: can't be read ({problem})") from None
    stored = {name.removeprefix("bert."): array for name, array in stored.items()}
    try:
        found = {layer.name: _weights(layer, stored) for layer in encoder.layers if layer.weights}
    except KeyError as problem:
        raise WeightsError(f"{file}: holds no {problem.args[0]}, as a BERT does") from None
    for name, arrays in found.items():
        layer = encoder.get_layer(name)
        for variable, array in zip(layer.weights, arrays, strict=True):
            if array.size != np.prod(variable.shape):
                raise WeightsError(
                    f"{file}: {name} must have {tuple(variable.shape)} values, has {array.shape}"
                )
            variable.assign(array.reshape(variable.shape).astype("float32"))


def _weights(layer: layers.Layer, stored: dict[str, np.ndarray]) -> list[np.ndarray]:
    """The stored arrays for the weights of a layer, in its order."""

    def linear(*names: str) -> list[np.ndarray]:
        """Kernel and bias of each; kernels are stored as `(output, input)`."""
        pairs = [(stored[f"{name}.weight"].T, stored[f"{name}.bias"]) for name in names]
        return [array for pair in pairs for array in pair]

    def norm(name: str) -> list[np.ndarray]:
        return [stored[f"{name}.weight"], stored[f"{name}.bias"]]

    kind, _, block = layer.name.partition("_of_")
    within = f"encoder.layer.{block}"
    attention = f"{within}.attention"
    match kind:
        case "words":
            return [stored["embeddings.word_embeddings.weight"]]
        case "places":
            # Each text is of the first type: its vector is added to every place.
            first = stored["embeddings.token_type_embeddings.weight"][0]
            return [stored["embeddings.position_embeddings.weight"] + first]
        case "embedded":
            return norm("embeddings.LayerNorm")
        case "attention":
            projections = [f"{attention}.self.{part}" for part in ("query", "key", "value")]
            return linear(*projections, f"{attention}.output.dense")
        case "attended":
            return norm(f"{attention}.output.LayerNorm")
        case "wide":
            return linear(f"{within}.intermediate.dense")
        case "narrow":
            return linear(f"{within}.output.dense")
        case _:
            return norm(f"{within}.output.LayerNorm")
