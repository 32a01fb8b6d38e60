"""Everything about a training run that is a choice."""

from dataclasses import dataclass

from losslayer import options

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
        owner = "Settings"
        options.choice(owner, "encoder", self.encoder, ENCODERS)
        options.choice(owner, "loss", self.loss, LOSSES)
        options.whole(owner, 1, layers=self.layers, units=self.units, least=self.least)
        options.whole(owner, 1, embedding_dim=self.embedding_dim)
        options.whole(owner, 1, epochs=self.epochs, patience=self.patience)
        options.whole(owner, 0, letters=self.letters, seed=self.seed)
        options.whole(owner, 2, longest=self.longest)
        options.whole(owner, self.longest, tokens=self.tokens)
        options.positive(owner, "learning_rate", self.learning_rate)
        options.positive(owner, "clip", self.clip)
        options.number(owner, "dropout", self.dropout, 0, below=1)
        options.number(owner, "unknown", self.unknown, 0, below=1)
