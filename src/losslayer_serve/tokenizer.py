"""Subword tokenisers learned from the data."""

from collections import Counter
from collections.abc import Iterable, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import tokenizers
from tokenizers import Regex, decoders, models, pre_tokenizers, trainers

from losslayer_serve.errors import ArgumentError
from losslayer_serve.files import write_whole
from losslayer_serve.normal import BORDER, CHINESE, normalised, normalizer, whole

SPACE = "▁"  # stands for the space before a word


class Tokenizer:
    """Texts to token ids and back: byte-pair encoding learned from your own texts.

    Texts are normalised (`losslayer_serve.normal`: lower case, single spaces, full-width letters
    as half-width ones), split at spaces, punctuation, symbols and where Chinese begins or ends;
    frequent strings of characters then become tokens. No space is needed between words: what is
    frequent in Chinese becomes a token wherever it stands. Id 0 is padding and is never returned;
    id 1 stands for a character that no text had in training, and for a text without any token.

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
        """Learn tokens from texts.

        Args:
            texts: Texts, all of them in memory during the training.
            vocabulary_size: The largest number of tokens, padding and unknown included. If the
                texts have more characters than that, the most frequent ones are kept.
        """
        texts = [whole(text) for text in texts]
        inner = tokenizers.Tokenizer(models.BPE(unk_token="<unknown>"))
        inner.normalizer = normalizer()
        inner.pre_tokenizer = pre_tokenizers.Sequence(
            [
                pre_tokenizers.Metaspace(SPACE),
                # Chinese has words within a text and at its beginning; they must be the same ones.
                pre_tokenizers.Split(Regex(rf"{SPACE}(?=[{CHINESE}])"), "removed"),
                pre_tokenizers.Split(Regex(rf"[\p{{P}}\p{{S}}&&[^{SPACE}]]"), "isolated"),
            ]
        )
        inner.decoder = decoders.Sequence(
            [decoders.Metaspace(SPACE), decoders.Fuse(), decoders.Replace(Regex(BORDER), " ")]
        )
        inner.train_from_iterator(texts, _trainer(vocabulary_size))
        if inner.get_vocab_size() > vocabulary_size:
            kept = _frequent_characters(texts, vocabulary_size - 2)
            inner.train_from_iterator(texts, _trainer(vocabulary_size, kept))
        return cls(inner)

    @classmethod
    def load(cls, path: str | PathLike[str]) -> "Tokenizer":
        """Read what `save` wrote."""
        return cls(tokenizers.Tokenizer.from_str(Path(path).read_text(encoding="utf-8")))

    @classmethod
    def pretrained(cls, path: str | PathLike[str], longest: int) -> "Tokenizer":
        """Read the `tokenizer.json` of a checkpoint, with its own normalisation.

        Args:
            path: The file.
            longest: Tokens of a text at most, those that mark its beginning and end included.

        Raises:
            ArgumentError: If it is no such file, or id 0 isn't padding.
        """
        try:
            inner = tokenizers.Tokenizer.from_str(Path(path).read_text(encoding="utf-8"))
        except Exception as problem:  # the library's errors have no class of their own
            raise ArgumentError(f"Tokenizer: {path} can't be read ({problem})") from None
        if inner.token_to_id("[PAD]") != cls.padding:
            raise ArgumentError(
                f"Tokenizer: {path} must have [PAD] with the id 0. Received: "
                f"{inner.token_to_id('[PAD]')}"
            )
        inner.no_padding()
        inner.enable_truncation(longest)
        return cls(inner)

    def save(self, path: str | PathLike[str]) -> None:
        """Write a `tokenizer.json` that Hugging Face `tokenizers` reads too."""
        write_whole(path, self._inner.to_str(pretty=True))

    @property
    def vocabulary_size(self) -> int:
        """Number of token ids, padding and unknown included."""
        return self._inner.get_vocab_size()

    def __call__(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of each text, one or more."""
        if isinstance(texts, str):
            raise ArgumentError(
                f"Tokenizer: `texts` must be a list of texts. Received: texts={texts!r:.40}. "
                "Put it in a list."
            )
        readable = [whole(text) for text in texts]
        found = self._inner.encode_batch_fast(readable)
        return [encoding.ids or [self.unknown] for encoding in found]

    def decode(self, ids: Sequence[int]) -> str:
        """The normalised text of token ids; padding and unknown are left out."""
        kept = [int(token) for token in ids]
        return self._inner.decode(kept, skip_special_tokens=True).strip()


def _trainer(vocabulary_size: int, characters: list[str] | None = None) -> trainers.BpeTrainer:
    """A trainer that keeps all characters of the texts, or only those given."""
    limit: dict[str, Any] = {} if characters is None else {"limit_alphabet": len(characters)}
    return trainers.BpeTrainer(
        vocab_size=vocabulary_size,
        # A string seen once is no pattern, and its token would never be learned.
        min_frequency=2,
        special_tokens=["<padding>", "<unknown>"],
        show_progress=False,
        initial_alphabet=characters or [],
        **limit,
    )


def _frequent_characters(texts: Iterable[str], count: int) -> list[str]:
    """The most frequent characters; of two as frequent, the one with the smaller code point."""
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(normalised(text).replace(" ", SPACE))
    counts[SPACE] += len(counts)  # one begins each text, too
    return sorted(counts, key=lambda character: (-counts[character], character))[:count]
