"""Tokenisers: what survives the way to ids and back."""

import json

import pytest

from losslayer.text import Tokenizer

TEXTS = [
    "What's the status of my card?",
    "我的银行卡在哪里？",
    "Top up with ＡＢＣ１２３ please 😀",
    "two-factor, e-mail & co.",
]


@pytest.fixture(scope="module")
def tokenizer():
    return Tokenizer.train(TEXTS * 2, 300)


@pytest.mark.parametrize(
    ("text", "normalised"),
    [
        (TEXTS[0], "what's the status of my card?"),
        (TEXTS[1], "我的银行卡在哪里?"),
        (TEXTS[2], "top up with abc123 please 😀"),
        (TEXTS[3], "two-factor, e-mail & co."),
        ("  my \t\n card　?", "my card ?"),
    ],
)
def test_round_trip(tokenizer, text, normalised):
    """Ids give back the text in NFKC, lower case and single spaces, in any script."""
    [ids] = tokenizer([text])
    assert tokenizer.decode(ids) == normalised
    assert all(1 < token < tokenizer.vocabulary_size for token in ids)


def test_full_width_letters_are_the_same_letters(tokenizer):
    """A Chinese keyboard's full-width ＡＢＣ is abc."""
    assert tokenizer(["ＡＢＣ"]) == tokenizer(["abc"])


def test_words_without_spaces_become_tokens():
    """What is frequent in Chinese text becomes one token, although no space marks it."""
    tokenizer = Tokenizer.train(["我的银行卡在哪里", "银行卡丢了", "怎么申请银行卡"], 100)
    [ids] = tokenizer(["他有银行卡吗"])
    assert "银行卡" in [tokenizer.decode([token]) for token in ids]


def test_unknown_characters_are_one_and_padding_never_comes(tokenizer):
    """Id 1 stands for what was never seen, id 0 is left to the padding."""
    [ids] = tokenizer(["ß card"])
    assert ids.count(tokenizer.unknown) >= 1
    assert tokenizer.padding not in ids
    assert tokenizer.decode([*ids, 0, 0]) == "card"


def test_empty_text_has_no_tokens(tokenizer):
    """No text, no ids; an empty list, an empty list."""
    assert tokenizer(["", " "]) == [[], []]
    assert tokenizer([]) == []


def test_training_is_deterministic_and_saving_keeps_all(tokenizer, tmp_path):
    """The same texts give the same file; a loaded tokeniser gives the same ids."""
    tokenizer.save(tmp_path / "a.json")
    Tokenizer.train(TEXTS * 2, 300).save(tmp_path / "b.json")
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    assert Tokenizer.load(tmp_path / "a.json")(TEXTS) == tokenizer(TEXTS)
    vocabulary = json.loads((tmp_path / "a.json").read_text("utf-8"))["model"]["vocab"]
    assert len(vocabulary) == tokenizer.vocabulary_size <= 300
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []
