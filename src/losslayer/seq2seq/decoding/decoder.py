"""From sources to hypotheses."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

import losslayer as ll
from losslayer.seq2seq import checks
from losslayer.seq2seq.decoding import search as steps
from losslayer.seq2seq.decoding.batches import Batch, batches
from losslayer.seq2seq.decoding.settings import DecodingSettings
from losslayer.seq2seq.model import Models
from losslayer.seq2seq.symbols import BEGIN, END, PADDING


class Hypothesis(NamedTuple):
    """An output.

    Attributes:
        ids: Token ids, without begin and end.
        score: Its log probability, end included, over the length penalty.
        attention: `(target time, source time)`, a row for each of `ids`; or None.
    """

    ids: list[int]
    score: float
    attention: np.ndarray | None


class Decoder:
    """Searches for the best outputs of one model, or of several together.

    The probability of a token is the mean over the models of theirs. One step is compiled for each
    padded length of sources. The weights are those that the models have when `decode` is called.

    Args:
        models: What `build` returned, once or more, for the same vocabularies.
        settings: How to search.

    Raises:
        ArgumentError: There is no model, or their vocabularies differ.
    """

    def __init__(
        self, models: Models | Sequence[Models], settings: DecodingSettings | None = None
    ) -> None:
        self.models = members(models, "Decoder")
        self.settings = settings or DecodingSettings()
        self.vocabulary = self.models[0].target_vocabulary
        never = np.zeros(self.vocabulary, "float32")
        for token in (PADDING, BEGIN, *self.settings.must_not):
            if token >= self.vocabulary:
                rule = f"hold ids below {self.vocabulary}, the size of the vocabulary"
                checks.refuse("Decoder", "must_not", rule, self.settings.must_not)
            never[token] = steps.NEVER
        self._never = never
        run = [m.training for m in self.models]
        self._begin = ll.inference(self._begin_batch, run)
        self._advance = ll.inference(self._advance_batch, run)

    def decode(self, sources: Sequence[Sequence[int]]) -> list[list[Hypothesis]]:
        """The best outputs for each source.

        Args:
            sources: Token ids of each, without padding.

        Returns:
            For each source, in the order given, its hypotheses, the best first.
        """
        sync(self.models)
        sources = checked_ids("sources", sources, self.models[0].source_vocabulary)
        found: list = [None] * len(sources)
        for batch in batches([len(s) for s in sources], self.settings.batch_size):
            for row, hypotheses in zip(batch.rows, self._decode_batch(batch, sources)):
                found[row] = hypotheses
        return found

    def longest(self, time: int) -> int:
        """Most tokens of an output, for sources of a padded length."""
        if self.settings.longest is not None:
            return self.settings.longest
        bound = min(2 * time + 10, *(m.settings.longest for m in self.models))
        return max(bound, self.settings.shortest)

    def _decode_batch(self, batch: Batch, sources: list[list[int]]) -> list[list[Hypothesis]]:
        ids, longest = batch.padded(sources), self.longest(batch.time)
        search, memories, states = self._begin(ids, batch.real)
        said = []
        for place in range(longest + 1):
            search, states, step = self._advance(
                search, memories, states, np.asarray(place, "int32")
            )
            said.append(step)
            if ops.convert_to_numpy(search["done"]).all():
                break
        said = [{name: ops.convert_to_numpy(x) for name, x in step.items()} for step in said]
        best = ops.convert_to_numpy(search["best"])
        ended = ops.convert_to_numpy(search["ended"])
        return [
            [
                self._hypothesis(
                    said, row, int(ended[row, n]), float(best[row, n]), sources[number]
                )
                for n in range(self.settings.n_best)
                if best[row, n] > steps.NOTHING
            ]
            for row, number in enumerate(batch.rows)
        ]

    def _hypothesis(
        self, said: list[dict], row: int, ended: int, score: float, source: list[int]
    ) -> Hypothesis:
        """Walk back from where it ended."""
        place, slot = divmod(ended, self.settings.width)
        ids, attention = [], []
        for step in reversed(said[:place]):
            ids.append(int(step["token"][row, slot]))
            slot = int(step["parent"][row, slot])
            if self.settings.attention:
                attention.append(step["attention"][row, slot, : len(source)])
        weights = None
        if self.settings.attention:
            weights = np.array(attention[::-1], "float32").reshape(len(ids), len(source))
        return Hypothesis(ids[::-1], score, weights)

    # What is compiled

    def _begin_batch(self, source: Any, real: Any) -> tuple:
        width = self.settings.width
        source, real = ops.convert_to_tensor(source), ops.convert_to_tensor(real)
        memories = [m.network.encode(source) for m in self.models]
        longest = self.longest(source.shape[1])
        states = [
            m.network.start(memory, width, longest + 1) for m, memory in zip(self.models, memories)
        ]
        return steps.begin(real, width, self.settings.sample), memories, states

    def _advance_batch(self, search: dict, memories: list, states: list, place: Any) -> tuple:
        place = ops.convert_to_tensor(place, "int32")
        longest = self.longest(memories[0]["mask"].shape[1])
        log_p, attention, after = self._read(search["token"], place, memories, states)
        vocabulary = ops.arange(self.vocabulary)
        log_p = ops.add(log_p, self._never)
        too_early = ops.logical_and(vocabulary == END, place < self.settings.shortest)
        too_late = ops.logical_and(vocabulary != END, place >= longest)
        log_p = ops.where(ops.logical_or(too_early, too_late), steps.NEVER, log_p)
        search, parent = steps.search_step(search, log_p, place, longest, self.settings)
        step = {"token": search["token"], "parent": parent}
        if self.settings.attention:
            step["attention"] = attention
        return search, self._moved(after, parent), step

    def _read(self, token: Any, place: Any, memories: list, states: list) -> tuple:
        """Log probabilities of the next token, the attention, and the states: of all models."""
        found, attentions, after = [], [], []
        for model, memory, state in zip(self.models, memories, states):
            hidden, attention, state = model.network.step(token, place, memory, state)
            logits = ops.cast(model.head(hidden), "float32")
            found.append(ops.log_softmax(logits))
            attentions.append(attention)
            after.append(state)
        return mean_of_probabilities(found), sum(attentions) / len(attentions), after

    def _moved(self, states: list, parent: Any) -> list:
        """The states of the hypotheses that are continued."""
        batch, width = parent.shape
        if width == 1 or self.settings.sample:
            return states
        rows = ops.reshape(ops.expand_dims(ops.arange(batch), 1) * width + parent, (-1,))
        return [[ops.take(x, rows, axis=0) for x in state] for state in states]


def members(models: Models | Sequence[Models], owner: str) -> list[Models]:
    """One model or several as a list; of several the vocabularies must be the same."""
    found = [models] if isinstance(models, Models) else list(models)
    if not found:
        checks.refuse(owner, "models", "hold a model", found)
    sizes = {(m.source_vocabulary, m.target_vocabulary) for m in found}
    if len(sizes) > 1:
        rule = "have the same vocabularies"
        checks.refuse(owner, "models", rule, sorted(sizes))
    return found


def sync(models: Sequence[Models]) -> None:
    """Put the weights where they can be read: while JAX trains they are elsewhere."""
    if keras.backend.backend() == "jax":
        for model in models:
            model.training.jax_state_sync()


def mean_of_probabilities(log_p: list[Any]) -> Any:
    """The log of the mean of probabilities, given their logs."""
    if len(log_p) == 1:
        return log_p[0]
    return ops.logsumexp(ops.stack(log_p), axis=0) - float(np.log(len(log_p)))


def checked_ids(
    name: str, sequences: Sequence[Sequence[int]], vocabulary: int, least: int = 1
) -> list[list[int]]:
    """Lists of ids that are in the vocabulary and no padding, none of them shorter than `least`."""
    found = []
    for number, sequence in enumerate(sequences):
        ids = np.asarray(sequence)
        if ids.ndim != 1 or len(ids) < least or (len(ids) and ids.dtype.kind not in "iu"):
            rule = "hold a list of token ids for each row" + (", none empty" if least else "")
            checks.refuse("Decoder", f"{name}[{number}]", rule, sequence)
        if len(ids) and not 0 < ids.min() <= ids.max() < vocabulary:
            rule = f"hold ids from 1 to {vocabulary - 1}"
            checks.refuse("Decoder", f"{name}[{number}]", rule, sequence)
        found.append(ids.tolist())
    return found
