"""Subword tokenisers learned from the data."""

import os
from collections.abc import Iterable, Sequence
from os import PathLike
from pathlib import Path

import tokenizers
from tokenizers import decoders, models, normalizers, pre_tokenizers, trainers


class Tokenizer:
    """Texts to token ids and back: byte-pair encoding learned from your own texts.

    Texts are normalised (NFKC, so full-width and half-width letters agree; lower
    case; runs of white space count as one space) and split at spaces and
    punctuation; frequent strings of characters then become tokens. No space is
    needed between words, so Chinese works the same. Id 0 is padding and is never
    returned; id 1 stands for a character that no text had in training.

    Example:
        >>> tokenizer = Tokenizer.train(["Where is my card?", "我的卡在哪里？"], 100)
        >>> tokenizer.decode(tokenizer(["where IS my card?"])[0])
        'where is my card?'
    """

    padding = 0
    unknown = 1

    def __init__(self, inner: tokenizers.Tokenizer) -> None:
        self._inner = inner

    @classmethod
    def train(cls, texts: Iterable[str], vocabulary_size: int = 4000) -> "Tokenizer":
        """Learn at most `vocabulary_size` tokens, padding and unknown included, from `texts`."""
        inner = tokenizers.Tokenizer(models.BPE(unk_token="<unknown>"))
        inner.normalizer = normalizers.Sequence(
            [
                normalizers.NFKC(),
                normalizers.Lowercase(),
                normalizers.Replace(tokenizers.Regex(r"\s+"), " "),
                normalizers.Strip(),
            ]
        )
        inner.pre_tokenizer = pre_tokenizers.Sequence(
            [pre_tokenizers.Metaspace(), pre_tokenizers.Punctuation()]
        )
        inner.decoder = decoders.Metaspace()
        trainer = trainers.BpeTrainer(
            vocab_size=vocabulary_size,
            # A string seen once is no pattern, and its token would never be learned.
            min_frequency=2,
            special_tokens=["<padding>", "<unknown>"],
            show_progress=False,
        )
        inner.train_from_iterator(texts, trainer)
        return cls(inner)

    @classmethod
    def load(cls, path: str | PathLike[str]) -> "Tokenizer":
        """Read what `save` wrote."""
        return cls(tokenizers.Tokenizer.from_str(Path(path).read_text(encoding="utf-8")))

    def save(self, path: str | PathLike[str]) -> None:
        """Write a `tokenizer.json` that Hugging Face `tokenizers` reads too."""
        path = Path(path)
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        temporary.write_text(self._inner.to_str(pretty=True), encoding="utf-8")
        os.replace(temporary, path)

    @property
    def vocabulary_size(self) -> int:
        """Number of token ids, padding and unknown included."""
        return self._inner.get_vocab_size()

    def __call__(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of each text."""
        return [encoding.ids for encoding in self._inner.encode_batch_fast(list(texts))]

    def decode(self, ids: Sequence[int]) -> str:
        """The normalised text of token ids; padding and unknown are left out."""
        kept = [int(token) for token in ids]
        return self._inner.decode(kept, skip_special_tokens=True).strip()
