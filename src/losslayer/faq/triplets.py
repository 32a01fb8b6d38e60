"""What the matcher is trained on: a question, its right title and a wrong one."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

import losslayer as ll
from losslayer.faq.settings import Settings
from losslayer.text import Tokenizer, length_batches, pad


class Triplets(keras.utils.PyDataset):
    """Batches of `question`, `right`, `wrong`, each int32 `(batch, time)`.

    Entries with the same text are never wrong for each other. Where the objective compares titles
    of one batch, numbers of their texts come along: `right_text` and `wrong_text`, `(batch,)`.

    Every epoch has its own batches and wrong titles, both fixed by the seed and
    the epoch's number. At first a wrong title is any of the others: most are easy
    to tell from the right one, and a model that knows nothing yet learns from
    that. Then it is drawn from the nearest wrong titles as the model sees them.

    Args:
        questions: Token ids of each question.
        right: The entry of each, `(batch,)`.
        titles: Token ids of the titles, padded, `(entry, time)`.
        settings: The settings of the run.
        texts: For each entry a number from 0, the same for the same text. Default: all differ.
    """

    def __init__(
        self,
        questions: Sequence[Sequence[int]],
        right: np.ndarray,
        titles: np.ndarray,
        settings: Settings,
        texts: np.ndarray | None = None,
    ) -> None:
        super().__init__()
        self.texts = np.arange(len(titles)) if texts is None else texts
        _, self.first = np.unique(self.texts, return_index=True)  # entry of each text
        if len(self.first) < 2:
            raise ll.ArgumentError(
                "Triplets: entries must have two different texts at least. Received: "
                f"{len(titles)} entries with the same one."
            )
        self.settings = settings
        self.questions = questions
        self.right = right
        self.titles = titles
        self.begin(0)

    def begin(self, epoch: int, scores: np.ndarray | None = None) -> None:
        """Draw the batches of an epoch.

        Args:
            epoch: Number of the epoch, from 0.
            scores: Nearness of each question to each title, `(question, entry)`.
                Without it wrong titles are drawn from all.
        """
        self.epoch = epoch
        generator = np.random.default_rng((self.settings.seed, epoch))
        lengths = [len(question) for question in self.questions]
        self.batches = length_batches(lengths, self.settings.batch_size, generator)
        rows, right, count = np.arange(len(self.right)), self.texts[self.right], len(self.first)
        if scores is None:
            wrong = (right + generator.integers(1, count, len(rows))) % count
            self.wrong = self.first[wrong]
            return
        nearest = min(self.settings.nearest, count - 1)
        scores = np.where(right[:, None] == self.texts, -np.inf, scores)
        candidates = np.argpartition(-scores, nearest - 1, axis=1)[:, :nearest]
        self.wrong = candidates[rows, generator.integers(0, nearest, len(rows))]

    def get_state(self) -> dict[str, Any]:
        """What the epoch's batches depend on; wrong titles may come from its first weights."""
        return {"epoch": self.epoch, "wrong": self.wrong}

    def set_state(self, state: dict[str, Any]) -> None:
        """Go back to what `get_state` returned."""
        self.begin(state["epoch"])
        self.wrong = state["wrong"]

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, batch: int) -> tuple[dict[str, np.ndarray]]:
        rows = self.batches[batch]
        question = pad([self.questions[row] for row in rows], longest=self.settings.longest)
        generator = np.random.default_rng((self.settings.seed, self.epoch, batch))
        dropped = generator.random(question.shape) < self.settings.word_dropout
        question[dropped & (question != Tokenizer.padding)] = Tokenizer.unknown
        right, wrong = self.right[rows].astype("int32"), self.wrong[rows].astype("int32")
        texts = {"question": question, "right": self.titles[right], "wrong": self.titles[wrong]}
        if self.settings.objective == "triplet":
            return (texts,)
        numbers = self.texts.astype("int32")
        return ({**texts, "right_text": numbers[right], "wrong_text": numbers[wrong]},)
