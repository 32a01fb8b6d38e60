"""The application's object: train, predict, score, evaluate, save, load."""

import dataclasses
import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from os import PathLike
from typing import Any, NamedTuple

import keras
import numpy as np

import losslayer as ll
from losslayer.seq2seq import store, training
from losslayer.seq2seq.check import SelfCheck, self_check
from losslayer.seq2seq.decoding import Decoder, DecodingSettings
from losslayer.seq2seq.evaluation import Weights, mean_weights, set_weights, weights_of
from losslayer.seq2seq.export import export
from losslayer.seq2seq.exported import Exported
from losslayer.seq2seq.measures import measures
from losslayer.seq2seq.model import Models
from losslayer.seq2seq.pairs import Pairs
from losslayer.seq2seq.parity import ExportParity
from losslayer.seq2seq.rows import Rows, rows
from losslayer.seq2seq.scoring import Scorer
from losslayer.seq2seq.settings import Settings
from losslayer.seq2seq.symbols import UNKNOWN
from losslayer.seq2seq.tokens import Tokens


class Prediction(NamedTuple):
    """An output for a source.

    Attributes:
        text: The output.
        score: Its log-probability, with the length penalty if there is one; larger is better.
        tokens: The text of each of its tokens, the end included.
        source_tokens: The text of each token of the source.
        attention: What each output token read, `(target time, source time)`; None where the
            settings don't ask for it.
    """

    text: str
    score: float
    tokens: list[str]
    source_tokens: list[str]
    attention: np.ndarray | None = None


@dataclass
class Seq2Seq:
    """Turns sequences into sequences. Made by `Seq2Seq.train` or `Seq2Seq.load`.

    Attributes:
        models: The network, as `losslayer.seq2seq.model.build` makes it.
        source_tokens: Texts to token ids and back.
        target_tokens: The same for targets.
        settings: What it was trained with.
        history: For each measurement during the training a dict of figures.
        metrics: What was measured afterwards, by name of the data.
        checkpoint: Which weights it has: "best", "last" or "average".
        checkpoints: The weights that `save` writes beside these.
        others: Further networks, whose probabilities are averaged with its own.
        interrupted: Whether Ctrl-C ended the training early.
    """

    models: Models
    source_tokens: Tokens
    target_tokens: Tokens
    settings: Settings
    history: list[dict[str, Any]] = field(default_factory=list)
    metrics: dict[str, Any] = field(default_factory=dict)
    checkpoint: str = "last"
    checkpoints: dict[str, Weights] = field(default_factory=dict)
    others: list[Models] = field(default_factory=list)
    interrupted: bool = False

    def __post_init__(self) -> None:
        self.forget()

    @classmethod
    def train(
        cls,
        train: Pairs,
        dev: Pairs,
        settings: Settings | None = None,
        report: Callable[[str], None] = lambda line: None,
        resume: str | PathLike[str] | None = None,
        callbacks: Sequence[keras.callbacks.Callback] = (),
    ) -> "Seq2Seq":
        """Learn from pairs.

        Args:
            train: What `read_pairs` or `pairs` returns.
            dev: Other pairs, measured on while the training runs; weights are chosen by them.
            settings: Settings of the run; without it the defaults.
            report: Called with lines of text about the data and the progress.
            resume: A folder for the state of the training. If it holds one, the training goes on
                there; Ctrl-C ends it after the step that is running, and what has been learned so
                far is returned.
            callbacks: Callbacks of `fit`, called after the application's own.

        Raises:
            losslayer.ArgumentError: If all pairs are longer than the model's `longest`.
            losslayer.ResumeError: If the folder holds the state of another training.
        """
        settings = settings or Settings()
        source, target = training.tokens_of(train, settings.data, resume)
        model = cls(training.new_models(settings, source, target), source, target, settings)
        return training.run(model, train, dev, report, resume, callbacks)

    # Use

    def predict(
        self,
        sources: Sequence[str],
        decoding: DecodingSettings | None = None,
        prefixes: Sequence[str] | None = None,
        allowed: Sequence[str] | None = None,
    ) -> list[list[Prediction]]:
        """The outputs for each source, best first.

        Args:
            sources: Texts that are not blank. Those longer than the model's `longest` tokens are
                cut there, with a warning.
            decoding: How to decode; without it as in the settings.
            prefixes: How the output of each source must begin.
            allowed: The only outputs that there are; without it any.

        Returns:
            For each source, in their order, as many as `decoding.n_best`.
        """
        ids = self._source_ids(sources)
        found = self.decoder(decoding or self.settings.decoding).decode(
            ids,
            None if prefixes is None else self.target_tokens(prefixes),
            None if allowed is None else self.target_tokens(allowed),
        )
        return [
            [self._prediction(hypothesis, of) for hypothesis in hypotheses]
            for hypotheses, of in zip(found, ids, strict=True)
        ]

    def score(self, sources: Sequence[str], targets: Sequence[str]) -> np.ndarray:
        """The log-probability of each target, its end included; float64, `(batch,)`."""
        return self._scorer(self._source_ids(sources), self.target_tokens(targets))

    def check(
        self, pairs: Pairs, rows: int = 32, exported: str | PathLike[str] | None = None
    ) -> SelfCheck:
        """Whether the model says the same in all the ways in which it can be asked.

        Args:
            pairs: Pairs, of which those that aren't too long are tried.
            rows: How many of them, at most.
            exported: The folder with its ONNX files, which are asked too.

        Raises:
            losslayer.seq2seq.check.SelfCheckError: If it does not; the message has the numbers.
        """
        found = self.rows(pairs)
        targets = [target[1:-1] for target in found.targets[:rows]]
        files = None if exported is None else Exported(exported)
        return self_check(self.all_models, found.sources[:rows], targets, exported=files)

    def evaluate(self, pairs: Pairs, decoding: DecodingSettings | None = None) -> dict[str, float]:
        """Figures on pairs: with the right targets, and of decoded outputs.

        Returns:
            nll, the mean cross entropy of a token as it is trained (smoothed); ppl, the exact
            perplexity (not smoothed); accuracy and sequence_accuracy, from 0 to 1; of an ensemble
            only nll (not smoothed) and ppl; wer, per, bleu and chrf as `measures` says. The first
            are over the pairs that aren't too long, and `left_out` says how many are; those of
            decoded outputs are over all pairs.
        """
        found = self.rows(pairs)
        figures = self.teacher_forced(found)
        outputs = self.texts(pairs.sources, decoding)
        figures |= self.measures(outputs, pairs.targets)
        figures["left_out"] = len(pairs) - len(found.kept)
        return figures

    def texts(self, sources: Sequence[str], decoding: DecodingSettings | None = None) -> list[str]:
        """The best output for each source."""
        return [best.text for best, *_ in self.predict(sources, decoding)]

    # Parts of these, which the training uses too

    @property
    def all_models(self) -> list[Models]:
        """The networks whose probabilities are averaged."""
        return [self.models, *self.others]

    def decoder(self, decoding: DecodingSettings) -> Decoder:
        """What decodes, made once for each way to decode: it compiles.

        "Unknown" is no output: it never comes.
        """
        never = dict.fromkeys([*decoding.must_not, UNKNOWN])
        decoding = dataclasses.replace(decoding, must_not=(*never,))
        key = repr(decoding)
        if key not in self._decoders:
            self._decoders[key] = Decoder(self.all_models, decoding)
        return self._decoders[key]

    def forget(self) -> None:
        """Forget what was compiled: another network has taken the place of this one."""
        self._decoders: dict[str, Decoder] = {}
        self._scorer = Scorer(self.all_models)

    def rows(self, pairs: Pairs) -> Rows:
        """Pairs as token ids, without those that are too long."""
        return rows(pairs, self.source_tokens, self.target_tokens, self.settings.model.longest)

    def teacher_forced(self, found: Rows) -> dict[str, float]:
        """The figures with the right tokens before each."""
        if not found.kept:
            return {}
        if self.others:  # the networks' own figures are not those of the mean
            targets = [target[1:-1] for target in found.targets]
            tokens = sum(map(len, targets)) + len(targets)
            nll = -float(self._scorer(found.sources, targets).sum()) / tokens
            return {"nll": nll, "ppl": math.exp(nll)}
        training = self.models.training
        if not training.compiled:
            training.compile(keras.optimizers.Adam())  # which no step is made with
        batches = found.batches(self.settings.training.tokens)
        figures = training.evaluate(batches, verbose=0, return_dict=True)
        return {name: float(value) for name, value in figures.items() if name != "loss"}

    def measures(self, outputs: Sequence[str], targets: Sequence[str]) -> dict[str, float]:
        """The figures of decoded outputs."""
        return measures(outputs, targets, self.target_tokens.symbols, self.settings.data.bleu)

    def _source_ids(self, sources: Sequence[str]) -> list[list[int]]:
        if isinstance(sources, str):
            raise ll.ArgumentTypeError(
                "Seq2Seq: `sources` must be a list of texts. "
                f"Received: sources={sources!r:.80}. Put it in a list."
            )
        ids = self.source_tokens(sources)
        for place, found in enumerate(ids):
            if not found:
                raise ll.ArgumentError(
                    "Seq2Seq: `sources` must be texts that are not blank. "
                    f"Received: a blank one at place {place}."
                )
        longest = self.settings.model.longest
        cut = sum(len(found) > longest for found in ids)
        if cut:
            warnings.warn(
                f"{cut} of {len(ids)} sources have more than {longest} tokens and are cut there",
                stacklevel=3,
            )
        return [found[:longest] for found in ids]

    def _prediction(self, hypothesis: Any, source: list[int]) -> Prediction:
        return Prediction(
            self.target_tokens.decode(hypothesis.ids),
            float(hypothesis.score),
            self.target_tokens.pieces(hypothesis.ids),
            self.source_tokens.pieces(source),
            hypothesis.attention,
        )

    # Several

    def together(self, others: Sequence["Seq2Seq"]) -> "Seq2Seq":
        """An ensemble: the same, but with the mean of its and the others' probabilities.

        Raises:
            losslayer.ArgumentError: If one has other tokens.
        """
        self._require_same_tokens(others)
        models = [model for other in others for model in other.all_models]
        return dataclasses.replace(self, others=[*self.others, *models], checkpoints={})

    def average(self, others: Sequence["Seq2Seq"]) -> None:
        """Replace each weight by its mean over this model and the others, in place.

        It is of use for checkpoints of one training, or trainings that began with the same weights.

        Raises:
            losslayer.ArgumentError: If one has other tokens or other sizes.
        """
        self._require_same_tokens(others)
        for other in others:
            if other.settings.model != self.settings.model:
                raise ll.ArgumentError(
                    "average: `others` must have the settings of this model. "
                    f"Received: {other.settings.model}, this one has {self.settings.model}."
                )
        of_all = [weights_of(model.models.training) for model in (self, *others)]
        set_weights(self.models.training, mean_weights(of_all))
        self.checkpoint, self.checkpoints = "average", {}

    def _require_same_tokens(self, others: Sequence["Seq2Seq"]) -> None:
        own = (self.source_tokens.digest(), self.target_tokens.digest())
        for number, other in enumerate(others, 2):
            if (other.source_tokens.digest(), other.target_tokens.digest()) != own:
                raise ll.ArgumentError(
                    "Seq2Seq: `others` must have the same tokens. Received: model number "
                    f"{number}, whose tokenisers are others. Train them on the same data."
                )

    # Files

    def save(self, path: str | PathLike[str]) -> None:
        """Write a folder, whole or not at all; an earlier model there is replaced.

        Raises:
            FolderError: If something else is there already.
        """
        store.save(self, path)

    @classmethod
    def load(cls, path: str | PathLike[str], checkpoint: str | None = None) -> "Seq2Seq":
        """Read what `save` wrote. Nothing in the folder is run as code or unpickled.

        Args:
            path: The folder.
            checkpoint: Which weights: "best", "last" or "average"; by default those that the
                training kept.

        Raises:
            FolderError: If it isn't such a folder, or a part is missing or broken.
        """
        return cls(**store.load(path, checkpoint))

    @staticmethod
    def export(path: str | PathLike[str]) -> ExportParity:
        """Add ONNX files to what `save` wrote, proved to say what the model says.

        What `load` gives is exported, with the weights that the training kept: `scorer.onnx`, the
        log-probability of each token of a target; `encoder.onnx` and `decoder.onnx`, to decode
        without Keras. `losslayer.seq2seq.exported.Exported` runs them.

        Returns:
            The differences that were found.

        Raises:
            FolderError: If no model is saved there.
            losslayer.saving.ExportError: If a package is missing, or a file says something else
                than the model; the folder is then as it was.
        """
        return export(path)
