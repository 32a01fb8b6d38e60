"""What the matcher is trained on: a question, its right title and a wrong one."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from losslayer.faq.settings import Settings
from losslayer.text import Tokenizer, length_batches, pad


class Triplets(keras.utils.PyDataset):
    """Batches of `question`, `right`, `wrong`, each int32 `(batch, time)`.

    Where the objective compares titles of one batch, which entries these belong to comes along:
    `right_entry` and `wrong_entry`, `(batch,)`.

    Every epoch has its own batches and wrong titles, both fixed by the seed and
    the epoch's number. At first a wrong title is any of the others: most are easy
    to tell from the right one, and a model that knows nothing yet learns from
    that. Then it is drawn from the nearest wrong titles as the model sees them.

    Args:
        questions: Token ids of each question.
        right: The entry of each, `(batch,)`.
        titles: Token ids of the titles, padded, `(entry, time)`.
        settings: The settings of the run.
    """

    def __init__(
        self,
        questions: Sequence[Sequence[int]],
        right: np.ndarray,
        titles: np.ndarray,
        settings: Settings,
    ) -> None:
        super().__init__()
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
        rows, entries = np.arange(len(self.right)), len(self.titles)
        if scores is None:
            self.wrong = (self.right + generator.integers(1, entries, len(rows))) % entries
            return
        nearest = min(self.settings.nearest, entries - 1)
        scores = scores.copy()
        scores[rows, self.right] = -np.inf
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
        return ({**texts, "right_entry": right, "wrong_entry": wrong},)
