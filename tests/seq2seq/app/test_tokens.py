"""Texts to token ids and back."""

import unicodedata

import pytest
import tokenizers

import losslayer as ll
from losslayer.seq2seq.symbols import BEGIN, END, PADDING, UNKNOWN
from losslayer.seq2seq.tokens import KINDS, Tokens, normal

TEXTS = [
    "the quick brown fox jumps over the lazy dog",
    "der Hund schläft, die Katze nicht",
    "我们 今天 去 北京",
    "the dog and the cat",
] * 8


@pytest.mark.parametrize("kind", KINDS)
def test_texts_come_back(kind, tmp_path):
    """Decoding undoes encoding, also after the file, and `tokenizers` alone reads that file."""
    tokens = Tokens.train(TEXTS, kind, 120)
    ids = tokens(TEXTS)
    assert [tokens.decode(row) for row in ids] == TEXTS
    assert min(min(row) for row in ids) > max(PADDING, UNKNOWN, BEGIN, END)
    tokens.save(tmp_path / "tokenizer.json")
    again = Tokens.load(tmp_path / "tokenizer.json", kind)
    assert again(TEXTS) == ids
    assert again.digest() == tokens.digest()
    plain = tokenizers.Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    assert plain.encode(TEXTS[0]).ids == ids[0]
    assert tokens.vocabulary_size == plain.get_vocab_size() <= 120


@pytest.mark.parametrize("kind", KINDS)
def test_a_special_token_in_a_text_is_a_text(kind):
    """`<end>` in a text ends nothing: its id is never one of padding, begin and end."""
    tokens = Tokens.train([*TEXTS, "say <end> or <padding>"] * 2, kind, 120)
    for text in ("<end>", "<begin> the dog <padding>", "<unknown>"):
        [ids] = tokens([text])
        assert ids
        assert not {PADDING, BEGIN, END} & set(ids)
    if kind in ("characters", "bpe"):
        assert tokens.decode(tokens(["say <end>"])[0]) == "say <end>"


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_unknown_is_shown(kind):
    """A character that no text had is not left out in silence."""
    tokens = Tokens.train(TEXTS, kind, 120)
    [ids] = tokens(["the ☃ dog"])
    assert UNKNOWN in ids
    assert tokens.decode([BEGIN, *ids, END, PADDING]).split() == ["the", "<unknown>", "dog"]


@pytest.mark.parametrize("kind", KINDS)
def test_composed_and_decomposed_are_the_same(kind):
    """é as one character or as two: NFC."""
    tokens = Tokens.train(["café noir", "noir café"] * 3, kind, 60)
    decomposed = unicodedata.normalize("NFD", "  café \t noir ")
    assert tokens([decomposed]) == tokens(["café noir"])
    assert normal(decomposed) == "café noir"


def test_what_is_counted_as_a_symbol():
    """Characters where tokens are characters, words elsewhere."""
    assert Tokens.train(TEXTS, "characters").symbols("ab c") == ["a", "b", " ", "c"]
    for kind in ("words", "bpe", "unigram"):
        assert Tokens.train(TEXTS, kind, 120).symbols("K AE T") == ["K", "AE", "T"]


@pytest.mark.parametrize("kind", ["bpe", "unigram"])
def test_a_vocabulary_too_small_for_the_characters(kind):
    """The message says how many are needed."""
    with pytest.raises(ll.ArgumentError, match="`vocabulary` must be at least 9, for the texts ha"):
        Tokens.train(["abcd"], kind, 8)


def test_the_most_frequent_words_are_kept():
    """`vocabulary` counts the special tokens."""
    tokens = Tokens.train(["a a a b b c"], "words", 6)
    assert tokens.pieces(range(tokens.vocabulary_size))[4:] == ["a", "b"]
    assert tokens(["c"]) == [[UNKNOWN]]
