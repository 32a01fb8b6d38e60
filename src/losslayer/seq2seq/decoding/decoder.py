"""From sources to hypotheses."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from keras import ops

import losslayer as ll
from losslayer import options
from losslayer.seq2seq.decoding.batches import Batch, batches
from losslayer.seq2seq.decoding.constraints import Constraints, moved, trie_of
from losslayer.seq2seq.decoding.search import NEVER, NOTHING, begin, sampling_step, search_step
from losslayer.seq2seq.decoding.settings import DecodingSettings
from losslayer.seq2seq.ensemble import checked_ids, mean_of_probabilities, members, sync
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
                options.refuse("Decoder", "must_not", rule, self.settings.must_not)
            never[token] = NEVER
        self._never = never
        run = [m.training for m in self.models]
        self._begin = ll.inference(self._begin_batch, run)
        self._advance = ll.inference(self._advance_batch, run)

    def decode(
        self,
        sources: Sequence[Sequence[int]],
        prefixes: Sequence[Sequence[int]] | None = None,
        allowed: Sequence[Sequence[int]] | None = None,
    ) -> list[list[Hypothesis]]:
        """The best outputs for each source.

        Args:
            sources: Token ids of each, without padding.
            prefixes: How the output of each source must begin, token ids without begin; None: all
                as they like.
            allowed: The only outputs that there are, for all sources, token ids without begin and
                end; None: any.

        Returns:
            For each source, in the order given, its hypotheses, the best first. The same source
            has the same hypotheses whatever stands beside it.

        Raises:
            ArgumentError: Ids are not in the vocabulary, or nothing that fits a source was found.
        """
        sync(self.models)
        sources = checked_ids(
            "Decoder.decode", "sources", sources, self.models[0].source_vocabulary
        )
        if prefixes is None:
            prefixes = [[]] * len(sources)
        elif len(prefixes) != len(sources):
            options.refuse("Decoder.decode", "prefixes", f"be {len(sources)} lists", len(prefixes))
        prefixes = checked_ids("Decoder.decode", "prefixes", prefixes, self.vocabulary, least=0)
        if allowed is not None:
            allowed = checked_ids("Decoder.decode", "allowed", allowed, self.vocabulary, least=0)
            if not allowed:
                options.refuse("Decoder.decode", "allowed", "hold a sequence", allowed)
        found: list = [None] * len(sources)
        for batch in batches([len(s) for s in sources], self.settings.batch_size):
            for row, hypotheses in zip(
                batch.rows, self._decode_batch(batch, sources, prefixes, allowed)
            ):
                if not hypotheses:
                    raise ll.ArgumentError(
                        f"Decoder.decode: no output was found for sources[{row}] that has at most "
                        f"{self.longest(batch.time, allowed)} tokens and keeps to the settings, "
                        "prefixes and allowed sequences. Allow more, or search a wider beam."
                    )
                found[row] = hypotheses
        return found

    def longest(self, time: int, allowed: Sequence[Sequence[int]] | None = None) -> int:
        """Most tokens of an output, for sources of a padded length."""
        if self.settings.longest is not None:
            return self.settings.longest
        bound = min(2 * time + 10, *(m.settings.longest for m in self.models))
        return max(bound, self.settings.shortest, *(len(ids) for ids in allowed or [[]]))

    @property
    def compiled(self) -> int:
        """How many shapes the step has been compiled for so far; PyTorch compiles none."""
        return len(self._advance.traces)

    def _decode_batch(
        self,
        batch: Batch,
        sources: list[list[int]],
        prefixes: list[list[int]],
        allowed: list[list[int]] | None,
    ) -> list[list[Hypothesis]]:
        settings = self.settings
        longest = self.longest(batch.time, allowed)
        own = [prefixes[row] for row in batch.rows]
        if longest < max(map(len, own)):
            rule = f"have at most {longest} tokens, the longest output"
            options.refuse("Decoder.decode", "prefixes", rule, max(own, key=len))
        constraints = None
        if any(own) or settings.no_repeat_ngram or allowed is not None:
            trie = None if allowed is None else trie_of(allowed)
            constraints = Constraints(self.vocabulary, own, settings.no_repeat_ngram, trie)
        draws = self._draws(batch, longest + 1) if settings.sample else [None] * (longest + 1)

        ids, room = batch.padded(sources), np.zeros(longest + 1, "int32")
        search, memories, states = self._begin(ids, batch.real, room)
        so_far = np.zeros((batch.size, settings.width, 0), "int32")
        said: list = []
        for place in range(longest + 1):
            may = None if constraints is None else constraints.allowed(so_far)
            now = np.asarray([place, longest], "int32")
            search, states, step = self._advance(search, memories, states, now, may, draws[place])
            said.append(step)
            if ops.convert_to_numpy(search["done"]).all():
                break
            if constraints is not None:
                parent, token = (ops.convert_to_numpy(step[name]) for name in ("parent", "token"))
                so_far = moved(so_far, parent, token)
        said = [{name: ops.convert_to_numpy(x) for name, x in step.items()} for step in said]
        best = ops.convert_to_numpy(search["best"])
        ended = ops.convert_to_numpy(search["ended"])
        found = []
        for row, number in enumerate(batch.rows):
            slots = [n for n in np.argsort(-best[row], kind="stable") if best[row, n] > NOTHING]
            found.append(
                [
                    self._hypothesis(
                        said, row, int(ended[row, n]), float(best[row, n]), sources[number]
                    )
                    for n in slots[: settings.n_best]
                ]
            )
        return found

    def _draws(self, batch: Batch, steps: int) -> np.ndarray:
        """Uniform numbers `(steps, batch, width)`: its own for each row."""
        drawn = np.zeros((steps, batch.size, self.settings.width), "float32")
        for place, row in enumerate(batch.rows):
            generator = np.random.default_rng((self.settings.seed, row))
            drawn[:, place] = generator.random(drawn[:, place].shape, "float32")
        return drawn

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

    def _begin_batch(self, source: Any, real: Any, room: Any) -> tuple:
        """The memory of each source, and the first states; `room` counts for its length only."""
        width, source = self.settings.width, ops.convert_to_tensor(source)
        memories = [m.network.encode(source) for m in self.models]
        states = [
            m.network.start(memory, width, room.shape[0])
            for m, memory in zip(self.models, memories)
        ]
        real = ops.convert_to_tensor(real)
        return begin(real, width, self.settings.sample), memories, states

    def _advance_batch(
        self, search: dict, memories: list, states: list, now: Any, may: Any, draw: Any
    ) -> tuple:
        """One more token; `now` is how many each hypothesis has, and how many it may have."""
        now = ops.convert_to_tensor(now)
        place, longest = now[0], now[1]
        log_p, attention, after = self._read(search["token"], place, memories, states)
        vocabulary = ops.arange(self.vocabulary)
        too_early = ops.logical_and(vocabulary == END, place < self.settings.shortest)
        too_late = ops.logical_and(vocabulary != END, place >= longest)
        log_p = ops.add(log_p, self._never)
        log_p = ops.where(ops.logical_or(too_early, too_late), NEVER, log_p)
        if may is not None:
            log_p = ops.where(ops.convert_to_tensor(may), log_p, NEVER)
        if draw is None:
            search, parent = search_step(search, log_p, place, longest, self.settings)
        else:
            draw = ops.convert_to_tensor(draw)
            search, parent = sampling_step(search, log_p, draw, place, self.settings)
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
