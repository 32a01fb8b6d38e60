"""Everything about a training run that is a choice."""

import re
from dataclasses import dataclass
from typing import Any

from losslayer import options
from losslayer.precision import PRECISIONS

OBJECTIVES = ("triplet", "in-batch", "both")
NEGATIVES = ("in-batch", "random", "mined", "refresh:K")


@dataclass(frozen=True)
class Settings:
    """Settings of a matcher; how the defaults were chosen is in docs/faq.md.

    Args:
        encoder: "lstm", "bilstm-maxpool", "cnn", "bag", "bag-cnn", "transformer", or
            "pretrained:PATH" with the folder of a BERT's checkpoint; a matcher trained from one
            has "bert". The defaults below suit the others; `losslayer.faq.bert.suited` makes
            settings whose defaults suit a checkpoint, as the command does.
        objective: "triplet", a title against a wrong one; "in-batch", against all titles of the
            batch; or "both".
        negatives: Where the wrong title of each question comes from. "in-batch": there is none, but
            for the right titles of the others in the batch. "random": drawn from all. "mined":
            after `random_epochs`, one of the nearest wrong ones. "refresh:K": these are looked for
            again every K epochs, with the encoders as they are then.
        vocabulary_size: Number of token ids at most.
        longest: Tokens of a question that are read; the rest is cut off.
        longest_answer: The same for titles and answers.
        embedding_dim: Size of a token's embedding.
        units: Size of the LSTM, per direction; a text's vector has twice as many.
        dropout: Share of the embeddings' values dropped in training.
        word_dropout: Share of a question's tokens that training replaces by "unknown".
        margin: By how much the right title has to be nearer than the wrong one.
        temperature: What in-batch cosines are divided by.
        batch_size: Questions in a step.
        microbatch_size: Questions that the encoders read at a time, so that large batches fit in
            memory; the loss is that of the whole batch. None: all at once.
        epochs: Times that each question is seen, at most.
        random_epochs: The first epochs, whose wrong titles are drawn from all.
        nearest: Later, a wrong title is one of this many nearest wrong ones.
        mining_margin: A title whose cosine with a question is larger than that of its right one by
            more than this is never mined: it may be right, too. None: each may be.
        learning_rate: Its first value; it falls to a tenth along a cosine.
        dtype: What the training computes in: "float32", or "mixed_bfloat16" or "mixed_float16",
            faster where the machine has products of such numbers. The matcher that comes out of it
            computes in float32.
        hold_out: Share of the questions that are held out as a development split.
        patience: With a development split, the training ends after this many epochs without a
            better mean reciprocal rank on it; what is kept is the best model.
        seed: Fixes the first weights, the dropout, the batches, the wrong titles and what is held
            out.
        bert: The sizes of a pretrained encoder; they come from its checkpoint.
    """

    encoder: str = "bilstm-maxpool"
    objective: str = "in-batch"
    negatives: str = "refresh:1"
    vocabulary_size: int = 4000
    longest: int = 64
    longest_answer: int = 256
    embedding_dim: int = 128
    units: int = 128
    dropout: float = 0.3
    word_dropout: float = 0.1
    margin: float = 0.2
    temperature: float = 0.05
    batch_size: int = 32
    microbatch_size: int | None = None
    epochs: int = 9
    random_epochs: int = 2
    nearest: int = 5
    mining_margin: float | None = None
    learning_rate: float = 1e-3
    dtype: str = "float32"
    hold_out: float = 0.0
    patience: int = 3
    seed: int = 0
    bert: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        owner = "Settings"
        options.choice(owner, "objective", self.objective, OBJECTIVES)
        if not re.fullmatch("in-batch|random|mined|refresh:[1-9][0-9]*", self.negatives):
            rule = f"be one of {NEGATIVES}, with K >= 1"
            options.refuse(owner, "negatives", rule, self.negatives)
        if self.negatives == "in-batch" and self.objective != "in-batch":
            rule = "give each question a wrong title: a triplet needs one"
            options.refuse(owner, "negatives", rule, self.negatives)
        options.choice(owner, "dtype", self.dtype, PRECISIONS)
        options.number(owner, "hold_out", self.hold_out, 0, below=1)
        options.whole(owner, 1, longest=self.longest, longest_answer=self.longest_answer)
        options.whole(owner, 1, patience=self.patience)

    def mines(self, epoch: int) -> bool:
        """Whether the nearest wrong titles are looked for before an epoch, counted from 0."""
        later = epoch - self.random_epochs
        if self.negatives == "mined":
            return later == 0
        every = self.negatives.removeprefix("refresh:")
        return every.isdecimal() and later >= 0 and later % int(every) == 0
