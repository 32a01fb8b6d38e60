"""Everything about a training run that is a choice."""

from dataclasses import dataclass
from typing import Any

import losslayer as ll

OBJECTIVES = ("triplet", "in-batch", "both")


@dataclass(frozen=True)
class Settings:
    """Settings of a matcher; how the defaults were chosen is in docs/faq.md.

    Args:
        encoder: "lstm", "bilstm-maxpool", "cnn", "transformer", or "pretrained:PATH" with the
            folder of a BERT's checkpoint; a matcher trained from one has "bert".
        objective: "triplet", a title against a wrong one; "in-batch", against all titles of the
            batch; or "both".
        vocabulary_size: Number of token ids at most.
        longest: Tokens of a text that are read; the rest is cut off.
        embedding_dim: Size of a token's embedding.
        units: Size of the LSTM, per direction; a text's vector has twice as many.
        dropout: Share of the embeddings' values dropped in training.
        word_dropout: Share of a question's tokens that training replaces by "unknown".
        margin: By how much the right title has to be nearer than the wrong one.
        temperature: What in-batch cosines are divided by.
        batch_size: Questions in a step.
        epochs: Times that each question is seen.
        random_epochs: The first epochs, whose wrong titles are drawn from all.
        nearest: Later, a wrong title is one of this many nearest wrong ones.
        learning_rate: Its first value; it falls to a tenth along a cosine.
        seed: Fixes the first weights, the dropout, the batches and the wrong titles.
        bert: The sizes of a pretrained encoder; they come from its checkpoint.
    """

    encoder: str = "bilstm-maxpool"
    objective: str = "in-batch"
    vocabulary_size: int = 4000
    longest: int = 64
    embedding_dim: int = 128
    units: int = 128
    dropout: float = 0.3
    word_dropout: float = 0.1
    margin: float = 0.2
    temperature: float = 0.05
    batch_size: int = 32
    epochs: int = 9
    random_epochs: int = 2
    nearest: int = 5
    learning_rate: float = 1e-3
    seed: int = 0
    bert: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        if self.objective not in OBJECTIVES:
            raise ll.ArgumentError(
                f"Settings: `objective` must be one of {OBJECTIVES}. "
                f"Received: objective={self.objective!r}."
            )
