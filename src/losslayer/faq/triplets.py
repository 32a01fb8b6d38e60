"""What the matcher is trained on: a question, its right title and a wrong one."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

import losslayer as ll
from losslayer.faq.settings import Settings
from losslayer.text import Tokenizer, length_batches, pad, padded_length
from losslayer.text.buckets import best_bounds

# Lengths to which titles are padded, at most: a model is compiled for each.
_BOUNDS = 4


class Triplets(keras.utils.PyDataset):
    """Batches of `question`, `right`, `wrong`, each int32 `(batch, time)`.

    Titles with the same text are never wrong for each other, and a question that comes in several
    rows has none of its right titles as a wrong one. Where the objective compares titles of one
    batch, numbers of their texts come along: `right_text`, `(batch, num_right)`, each row's own
    first; and `wrong_text`, `(batch,)`. With `negatives="in-batch"` there is no `wrong`.

    Every epoch has its own batches and wrong titles, both fixed by the seed, the epoch's number
    and `near`. At first a wrong title is any of the others: most are easy to tell from the right
    one, and a model that knows nothing yet learns from that. Then it is one of `near`.

    Args:
        questions: Token ids of each question.
        right: The entry of each, `(batch,)`.
        titles: Token ids of each entry's title.
        settings: The settings of the run.
        texts: For each entry a number from 0, the same for the same text. Default: all differ.
        right_texts: Numbers of all texts that are right for each question, its own first,
            `(batch, num_right)`. Default: its own alone.

    Attributes:
        near: Numbers of the texts that a wrong title is drawn from, `(batch, nearest)`, -1 where
            there are fewer; or None.
        first: For each text the first entry that has it.
    """

    def __init__(
        self,
        questions: Sequence[Sequence[int]],
        right: np.ndarray,
        titles: Sequence[Sequence[int]],
        settings: Settings,
        texts: np.ndarray | None = None,
        right_texts: np.ndarray | None = None,
    ) -> None:
        super().__init__()
        self.texts = np.arange(len(titles)) if texts is None else texts
        _, self.first = np.unique(self.texts, return_index=True)
        if len(self.first) < 2:
            raise ll.ArgumentError(
                "Triplets: entries must have two different texts at least. Received: "
                f"{len(titles)} entries with the same one."
            )
        self.settings = settings
        self.questions = [question[: settings.longest] for question in questions]
        self.right = right
        self.titles = [title[: settings.longest_answer] for title in titles]
        self.right_texts = self.texts[right][:, None] if right_texts is None else right_texts
        self._right, self._wrong_count = _distinct(self.right_texts, len(self.first))
        self._lengths = np.array([*map(len, self.questions)])
        self._title_lengths = np.array([*map(len, self.titles)])
        longest = padded_length(int(self._title_lengths.max()), 8, settings.longest_answer)
        # Several lengths only where titles are long: each is a shape more to compile.
        self._bounds = [*best_bounds(self._title_lengths, _BOUNDS, 32)[:-1], longest]
        self.near: np.ndarray | None = None
        self.begin(0)

    def begin(self, epoch: int) -> None:
        """Draw wrong titles and batches of an epoch, counted from 0."""
        self.epoch = epoch
        generator = np.random.default_rng((self.settings.seed, epoch))
        self.wrong = self._drawn(generator)
        times = self._title_lengths[self.right]
        if self.settings.negatives != "in-batch":
            times = np.maximum(times, self._title_lengths[self.wrong])
        self._times = np.searchsorted(self._bounds, times)
        # Titles of one padded length, and among them questions of about the same.
        order = self._times * (self._lengths.max() + 1) + self._lengths
        self.batches = length_batches(order, self.settings.batch_size, generator)

    def _drawn(self, generator: np.random.Generator) -> np.ndarray:
        """A wrong entry for each question: of all, and of the near ones where there are any."""
        wrong = generator.integers(0, self._wrong_count)
        for right in self._right.T:  # sorted: what is right is stepped over
            wrong = wrong + (wrong >= right)
        if self.near is not None:
            found = (self.near >= 0).sum(axis=1)
            place = generator.integers(0, np.maximum(found, 1))
            near = np.take_along_axis(self.near, place[:, None], axis=1)[:, 0]
            wrong = np.where(found > 0, near, wrong)
        return self.first[wrong]

    def get_state(self) -> dict[str, Any]:
        """What the epoch's batches depend on; `near` may come from its first weights."""
        return {"epoch": self.epoch, "near": self.near}

    def set_state(self, state: dict[str, Any]) -> None:
        """Go back to what `get_state` returned."""
        self.near = state["near"]
        self.begin(state["epoch"])

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, batch: int) -> tuple[dict[str, np.ndarray]]:
        rows, settings = self.batches[batch], self.settings
        time, title_time = self._padded_times(batch)
        question = pad([self.questions[row] for row in rows], time, time)
        generator = np.random.default_rng((settings.seed, self.epoch, batch))
        dropped = generator.random(question.shape) < settings.word_dropout
        question[dropped & (question != Tokenizer.padding)] = Tokenizer.unknown
        x = {"question": question, "right": self._titles(self.right[rows], title_time)}
        if settings.negatives != "in-batch":
            x["wrong"] = self._titles(self.wrong[rows], title_time)
        if settings.objective != "triplet":
            x["right_text"] = self.right_texts[rows].astype("int32")
            if "wrong" in x:
                x["wrong_text"] = self.texts[self.wrong[rows]].astype("int32")
        return (x,)

    def _titles(self, entries: np.ndarray, time: int) -> np.ndarray:
        return pad([self.titles[entry] for entry in entries], time, time)

    def _padded_times(self, batch: int) -> tuple[int, int]:
        """The padded lengths of the questions and of the titles of a batch."""
        rows = self.batches[batch]
        question = padded_length(int(self._lengths[rows].max()), longest=self.settings.longest)
        title = self._bounds[self._times[rows].max()]
        if batch == 0 and len(self) > 1 and keras.config.backend() == "tensorflow":
            # What the first two batches have in common is taken for fixed there.
            other_question, other_title = self._padded_times(1)
            question += 8 * (question == other_question)
            title += 8 * (title == other_title)
        return question, title


def _distinct(right: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Each row's numbers below `count` sorted, `count` for repeated ones; and how many it lacks."""
    right = np.sort(right, axis=1)
    right[:, 1:][right[:, 1:] == right[:, :-1]] = count
    right = np.sort(right, axis=1)
    wrong = count - (right < count).sum(axis=1)
    if not wrong.all():
        raise ll.ArgumentError(
            "Triplets: each question must have a wrong entry. Received: question number "
            f"{int(wrong.argmin())}, from 0, for which all {count} titles are right."
        )
    return right, wrong
