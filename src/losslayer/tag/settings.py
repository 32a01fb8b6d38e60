"""Everything about a training run that is a choice."""

from dataclasses import dataclass

import losslayer as ll

ENCODERS = ("bilstm", "transformer")
LOSSES = ("crf", "token")


@dataclass(frozen=True)
class Settings:
    """Settings of a tagger; the defaults follow benchmarks/tagging.py, chosen on development data.

    Args:
        encoder: "bilstm" or "transformer".
        loss: "crf", of whole sentences, or "token", the cross entropy of each tag. What is
            predicted keeps to the scheme with both.
        layers: Of the encoder.
        units: Size of the LSTM, per direction; a transformer has twice as many.
        embedding_dim: Size of the embedding of a word, a character or a pair of characters.
        letters: Filters of the convolution over the letters of a word; 0: none.
        dropout: Share of values dropped in training, in front of the encoder and behind it.
        unknown: Share of embeddings that training drops as a whole.
        least: How often a word, or the like, must occur in training to have an embedding.
        longest: Tokens of a sentence that are read at once; a longer one is read in pieces.
        tokens: Tokens of a batch, padding included.
        epochs: Times that each sentence is seen, at most.
        patience: Training ends after so many epochs without a better one.
        learning_rate: Its highest value; it falls to 0 along a cosine.
        clip: Gradients have this norm at most.
        seed: Fixes the first weights, the dropout and the batches.
    """

    encoder: str = "bilstm"
    loss: str = "crf"
    layers: int = 1
    units: int = 128
    embedding_dim: int = 100
    letters: int = 50
    dropout: float = 0.5
    unknown: float = 0.2
    least: int = 2
    longest: int = 512
    tokens: int = 2048
    epochs: int = 12
    patience: int = 4
    learning_rate: float = 3e-3
    clip: float = 5.0
    seed: int = 0

    def __post_init__(self) -> None:
        for name, known in (("encoder", ENCODERS), ("loss", LOSSES)):
            if getattr(self, name) not in known:
                raise ll.ArgumentError(
                    f"Settings: `{name}` must be one of {known}. "
                    f"Received: {name}={getattr(self, name)!r}."
                )
        at_least = {"layers": 1, "units": 1, "embedding_dim": 1, "letters": 0, "least": 1}
        at_least |= {"longest": 2, "epochs": 1, "patience": 1, "seed": 0, "tokens": self.longest}
        for name, least in at_least.items():
            if getattr(self, name) < least:
                raise ll.ArgumentError(
                    f"Settings: `{name}` must be >= {least}. Received: {getattr(self, name)}."
                )
        for name in ("learning_rate", "clip"):
            if not getattr(self, name) > 0:
                raise ll.ArgumentError(
                    f"Settings: `{name}` must be > 0. Received: {getattr(self, name)}."
                )
        for name in ("dropout", "unknown"):
            if not 0 <= getattr(self, name) < 1:
                raise ll.ArgumentError(
                    f"Settings: `{name}` must be in [0, 1). Received: {getattr(self, name)}."
                )
