"""Texts to token ids and back: characters, words, byte-pair encoding or a unigram model."""

import hashlib
import unicodedata
from collections.abc import Iterable, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import tokenizers
from tokenizers import Regex, decoders, models, normalizers, pre_tokenizers, trainers

import losslayer as ll
from losslayer.seq2seq.symbols import BEGIN, END, PADDING, UNKNOWN
from losslayer_serve.files import write_whole

KINDS = ("characters", "words", "bpe", "unigram")
# In the order of their ids.
SPECIAL = ("<padding>", "<unknown>", "<begin>", "<end>")


def normal(text: str) -> str:
    """The form in which texts are read and compared: NFC, single spaces.

    Example:
        >>> normal("  cafe\u0301   noir ") == "caf\u00e9 noir"
        True
    """
    return " ".join(unicodedata.normalize("NFC", text).split())


class Tokens:
    """Texts to token ids and back, learned from your own texts.

    Args:
        inner: A tokeniser of the library `tokenizers` with our four special tokens first.
        kind: Of which of `KINDS` it is.

    Example:
        >>> tokens = Tokens.train(["K AE T", "D AO G"], "words")
        >>> tokens.decode(tokens(["D AE T"])[0])
        'D AE T'
    """

    def __init__(self, inner: tokenizers.Tokenizer, kind: str) -> None:
        self._inner, self.kind = inner, kind

    @classmethod
    def train(cls, texts: Iterable[str], kind: str, vocabulary: int = 8000) -> "Tokens":
        """Learn tokens from texts.

        Args:
            texts: The texts.
            kind: "characters"; "words", which white space separates; "bpe" or "unigram", parts of
                words that come often. Two trainings of "unigram" on the same texts can differ in
                some tokens; all others are a function of the texts.
            vocabulary: The largest number of tokens, the four special ones included. Characters
                are all kept.

        Raises:
            losslayer.ArgumentError: If `vocabulary` is too small for the characters of the texts.
        """
        texts = [normal(text) for text in texts]
        inner, trainer = _untrained(kind, vocabulary)
        inner.normalizer = normalizers.Sequence(
            [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Strip()]
        )
        if kind in ("bpe", "unigram"):
            characters = len({character for text in texts for character in text})
            if characters + len(SPECIAL) + 1 > vocabulary:
                raise ll.ArgumentError(
                    f"Tokens: `vocabulary` must be at least {characters + len(SPECIAL) + 1}, for "
                    f"the texts have {characters} different characters. "
                    f"Received: vocabulary={vocabulary}."
                )
        if kind == "words":  # a word that spells a special token has no id of its own
            texts = [" ".join(w for w in text.split() if w not in SPECIAL) for text in texts]
        inner.train_from_iterator(texts, trainer)
        # As they are once they are read from a file: scores lose a last digit on the way.
        return cls(tokenizers.Tokenizer.from_str(inner.to_str()), kind)

    @classmethod
    def load(cls, path: str | PathLike[str], kind: str) -> "Tokens":
        """Read what `save` wrote."""
        return cls(tokenizers.Tokenizer.from_str(Path(path).read_text(encoding="utf-8")), kind)

    def save(self, path: str | PathLike[str]) -> None:
        """Write a `tokenizer.json` that Hugging Face `tokenizers` reads too."""
        write_whole(path, self._inner.to_str(pretty=True))

    @property
    def vocabulary_size(self) -> int:
        """Number of token ids, the special ones included."""
        return self._inner.get_vocab_size()

    def __call__(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of each text, without begin and end; 1 for what is unknown."""
        # A text that spells a special token is a text like any other.
        self._inner.encode_special_tokens = True
        encoded = self._inner.encode_batch_fast([normal(text) for text in texts])
        return [
            [UNKNOWN if id in (PADDING, BEGIN, END) else id for id in encoding.ids]
            for encoding in encoded
        ]

    def id_of(self, piece: str) -> int:
        """The id of a token, given its text as `pieces` has it.

        Raises:
            losslayer.ArgumentError: If there is no such token.
        """
        found = self._inner.token_to_id(piece)
        if found is None:
            raise ll.ArgumentError(
                f"Tokens: `piece` must be a token that there is. Received: piece={piece!r}."
            )
        return found

    def pieces(self, ids: Sequence[int]) -> list[str]:
        """The text of each token id."""
        return [self._inner.id_to_token(int(id)) or SPECIAL[UNKNOWN] for id in ids]

    def decode(self, ids: Sequence[int]) -> str:
        """The text of token ids: padding, begin and end left out, `<unknown>` shown."""
        kept = [int(id) for id in ids if id not in (PADDING, BEGIN, END)]
        return self._inner.decode(kept, skip_special_tokens=False)

    def symbols(self, text: str) -> list[str]:
        """What an edit distance counts in a text: its characters, or else its words."""
        return list(text) if self.kind == "characters" else text.split()

    def digest(self) -> str:
        """A text that other tokens would make another."""
        return hashlib.sha256(self._inner.to_str().encode()).hexdigest()


def _untrained(kind: str, vocabulary: int) -> tuple[tokenizers.Tokenizer, Any]:
    """A tokeniser that has seen no texts yet, and its trainer."""
    unknown = SPECIAL[UNKNOWN]
    common: dict[str, Any] = {"special_tokens": list(SPECIAL), "show_progress": False}
    if kind in ("characters", "words"):
        inner = tokenizers.Tokenizer(models.WordLevel(unk_token=unknown))
        if kind == "words":
            inner.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
            return inner, trainers.WordLevelTrainer(vocab_size=vocabulary, **common)
        inner.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
        inner.decoder = decoders.Fuse()
        return inner, trainers.WordLevelTrainer(vocab_size=2**31 - 1, **common)
    if kind == "bpe":
        inner = tokenizers.Tokenizer(models.BPE(unk_token=unknown))
        # What was seen once is no pattern, and its token would never be learned.
        trainer: Any = trainers.BpeTrainer(vocab_size=vocabulary, min_frequency=2, **common)
    else:
        inner = tokenizers.Tokenizer(models.Unigram())
        trainer = trainers.UnigramTrainer(vocab_size=vocabulary, unk_token=unknown, **common)
    inner.pre_tokenizer, inner.decoder = pre_tokenizers.Metaspace(), decoders.Metaspace()
    return inner, trainer
