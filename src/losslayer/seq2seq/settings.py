"""Everything about a run that is a choice, in four sections: one dataclass each."""

from dataclasses import dataclass, field

from losslayer import options
from losslayer.precision import PRECISIONS
from losslayer.seq2seq.decoding import DecodingSettings
from losslayer.seq2seq.model import ModelSettings
from losslayer.seq2seq.tokens import KINDS

SCHEDULES = ("cosine", "inverse_sqrt", "constant")
CHECKPOINTS = ("best", "last", "average")
# The figures that need decoding.
DECODED = ("wer", "per", "bleu", "chrf")
# What is measured on the development split, and whether more of it is better.
MONITORS = {
    "nll": False,
    "ppl": False,
    "accuracy": True,
    "sequence_accuracy": True,
    "wer": False,
    "per": False,
    "bleu": True,
    "chrf": True,
}


@dataclass(frozen=True)
class DataSettings:
    """Where the pairs are, and how texts become tokens.

    Args:
        train: One table, or two files in which the same lines belong together (`.gz` too).
        dev: The same, measured on while the training runs.
        source: Name of the table's column with the sources.
        target: Name of the column with the targets.
        header: Whether the first line of a CSV or TSV file names its columns; otherwise the first
            is the source and the second the target.
        source_tokens: "characters", "words" (what white space separates), "bpe" or "unigram".
        target_tokens: The same for targets.
        vocabulary: Largest number of different tokens. Characters are all kept.
        shared: Whether sources and targets have the same tokens; both kinds must be the same.
        bleu: How sacrebleu splits texts for BLEU: "13a", "none" for texts that are split already,
            "char", "zh", "intl", ...
    """

    train: tuple[str, ...] = ()
    dev: tuple[str, ...] = ()
    source: str = "source"
    target: str = "target"
    header: bool = True
    source_tokens: str = "characters"
    target_tokens: str = "characters"
    vocabulary: int = 8000
    shared: bool = False
    bleu: str = "13a"

    def __post_init__(self) -> None:
        owner = "DataSettings"
        options.choice(owner, "source_tokens", self.source_tokens, KINDS)
        options.choice(owner, "target_tokens", self.target_tokens, KINDS)
        options.whole(owner, 5, vocabulary=self.vocabulary)
        options.switch(owner, header=self.header, shared=self.shared)
        if self.shared and self.source_tokens != self.target_tokens:
            rule = f"be {self.source_tokens!r} as `source_tokens`, where shared=True"
            options.refuse(owner, "target_tokens", rule, self.target_tokens)
        for name in ("train", "dev"):
            if len(files := getattr(self, name)) > 2:
                rule = "be one table, or a file of sources and one of targets"
                options.refuse(owner, name, rule, files)


@dataclass(frozen=True)
class TrainingSettings:
    """How the model is trained, measured while it is, and which of its weights are kept.

    Args:
        epochs: Times that each pair is seen, at most.
        tokens: Most tokens of a batch, padding included, in sources and in targets.
        learning_rate: Its highest value.
        schedule: "cosine", down to zero at the last step; "inverse_sqrt", as the square root of
            warmup_steps / step; or "constant". All after the warm-up.
        warmup_steps: Steps in which the learning rate rises in a line from zero.
        weight_decay: Of AdamW; 0 is Adam.
        clip_norm: Longest gradient, all weights taken as one vector; 0 doesn't clip.
        ema: Momentum of an exponential moving average of the weights, which is then what is
            measured and kept; 0 keeps the weights themselves.
        precision: "float32", "mixed_bfloat16" or "mixed_float16".
        microbatch_size: Most rows that run through the encoders at a time; 0 for all.
        monitor: By which figure of the development split checkpoints are compared: "nll", "ppl",
            "accuracy", "sequence_accuracy" (all four with the right target before each token), or
            of decoded outputs "wer", "per", "bleu", "chrf".
        patience: End after this many comparisons without a better one; 0: never.
        decode_epochs: Decode the development split after each that many epochs; 0: never.
        decode_steps: Decode it after each that many steps too; 0: only between epochs.
        decode_rows: Decode only the first that many of its rows; 0: all.
        decode_beam: Beam of this decoding; 1 is greedy.
        average: How many of the last checkpoints are averaged; 0: none.
        keep: Which weights become the model: "best", "last" or "average".
        self_check: Whether the trained model is checked against itself: `losslayer.seq2seq.check`.
    """

    epochs: int = 30
    tokens: int = 4096
    learning_rate: float = 1e-3
    schedule: str = "cosine"
    warmup_steps: int = 200
    weight_decay: float = 0.0
    clip_norm: float = 1.0
    ema: float = 0.0
    precision: str = "float32"
    microbatch_size: int = 0
    monitor: str = "ppl"
    patience: int = 0
    decode_epochs: int = 1
    decode_steps: int = 0
    decode_rows: int = 0
    decode_beam: int = 1
    average: int = 0
    keep: str = "best"
    self_check: bool = True

    def __post_init__(self) -> None:
        owner = "TrainingSettings"
        options.choice(owner, "schedule", self.schedule, SCHEDULES)
        options.choice(owner, "precision", self.precision, PRECISIONS)
        options.choice(owner, "monitor", self.monitor, MONITORS)
        options.choice(owner, "keep", self.keep, CHECKPOINTS)
        options.whole(
            owner, 1, epochs=self.epochs, tokens=self.tokens, decode_beam=self.decode_beam
        )
        options.whole(
            owner,
            0,
            warmup_steps=self.warmup_steps,
            microbatch_size=self.microbatch_size,
            patience=self.patience,
            decode_epochs=self.decode_epochs,
            decode_steps=self.decode_steps,
            decode_rows=self.decode_rows,
            average=self.average,
        )
        options.switch(owner, self_check=self.self_check)
        options.number(owner, "learning_rate", self.learning_rate, 0)
        options.number(owner, "weight_decay", self.weight_decay, 0)
        options.number(owner, "clip_norm", self.clip_norm, 0)
        options.number(owner, "ema", self.ema, 0, below=1)
        if self.keep == "average" and not self.average:
            options.refuse(owner, "average", "be >= 1 where keep='average'", self.average)
        if self.monitor in DECODED and not (self.decode_epochs or self.decode_steps):
            rule = f"be >= 1 where monitor={self.monitor!r}"
            options.refuse(owner, "decode_epochs", rule, self.decode_epochs)


@dataclass(frozen=True)
class Settings:
    """The four sections: `[data]`, `[model]`, `[training]` and `[decoding]` of a configuration."""

    data: DataSettings = field(default_factory=DataSettings)
    model: ModelSettings = field(default_factory=ModelSettings)
    training: TrainingSettings = field(default_factory=TrainingSettings)
    decoding: DecodingSettings = field(default_factory=DecodingSettings)

    def __post_init__(self) -> None:
        if self.model.shared and not self.data.shared:
            rule = "be false in [model] where it is false in [data]"
            options.refuse("Settings", "shared", rule, True)
