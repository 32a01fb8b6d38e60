"""Tokenisers: what survives the way to ids and back."""

import csv
import json

import pytest

from losslayer.text import Tokenizer, normalised
from losslayer_serve.errors import ArgumentError
from tests.shared_data import shared_data

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
        ("我的card在哪里", "我的 card 在哪里"),
        ("please 😀我的card", "please 😀我的 card"),
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


def test_a_word_is_the_same_at_the_beginning(tokenizer):
    """The order of words changes the order of the tokens only."""
    [[first, second]] = tokenizer(["my card"])
    assert tokenizer(["card my"]) == [[second, first]]


def test_a_chinese_word_is_the_same_wherever_it_stands():
    """At the beginning, within a text, beside other scripts with a space or without one."""
    texts = ["银行卡在哪", "我的银行卡", "debian 银行卡", "debian"]
    tokenizer = Tokenizer.train(texts * 2, 60)
    [[word], [debian]] = tokenizer(["银行卡", "debian"])
    for text in ("银行卡", "银行卡debian银行卡", "debian 银行卡。银行卡", "(银行卡) 银行卡"):
        [ids] = tokenizer([text])
        assert ids.count(word) == text.count("银行卡"), text
        assert ids.count(debian) == text.count("debian"), text


def test_no_token_spans_scripts_or_signs():
    """A token is of one script, or a sign: frequent neighbours don't become one."""
    tokenizer = Tokenizer.train(["用apt安装😀! カードdebian12版"] * 9, 500)
    tokens = [tokenizer.decode([token]) for token in range(2, tokenizer.vocabulary_size)]
    assert {"用", "apt", "安装", "カード", "debian12", "版"} <= set(tokens)
    for token in tokens:
        scripts = {
            "latin" if c.isascii() and c.isalnum() else c if c in "😀!" else "cjk" for c in token
        }
        assert len(scripts) <= 1, token


def test_more_characters_than_tokens_keeps_the_most_frequent():
    """The vocabulary is never larger than asked, and always the same."""
    texts = ["".join(map(chr, range(0x4E00, 0x4E00 + 200))), *["我的银行卡在哪里"] * 3]
    tokenizer = Tokenizer.train(iter(texts), 30)
    assert tokenizer.vocabulary_size == 30
    [rare, frequent] = tokenizer([texts[0], "我的银行卡"])
    assert tokenizer.unknown not in frequent
    assert rare.count(tokenizer.unknown) > 150
    for _ in range(5):
        assert Tokenizer.train(texts, 30)(texts) == tokenizer(texts)


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_debian_faq_survives(language):
    """Every question and answer comes back, in few tokens; so do questions never seen before."""
    path = shared_data("faq_docs") / f"debian_faq.{language}.tsv"
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    texts = [text for _, *row in rows for text in row]
    tokenizer = Tokenizer.train(texts, 4000)
    for text, ids in zip(texts, tokenizer(texts), strict=True):
        assert tokenizer.decode(ids) == normalised(text)
        assert tokenizer.unknown not in ids
    characters, tokens = sum(map(len, texts)), sum(map(len, tokenizer(texts)))
    assert characters / tokens > {"zh": 2.2, "en": 4.0}[language]
    unseen, questions = texts[: len(texts) // 2], [row[1] for row in rows[len(rows) // 2 :]]
    ids = [token for text in Tokenizer.train(unseen, 4000)(questions) for token in text]
    assert ids.count(Tokenizer.unknown) < 0.02 * len(ids)


@pytest.mark.parametrize("character", ["a", "银", "?", "😀", "ab "])
def test_very_long_texts_take_no_longer_per_character(tokenizer, character):
    """A cell of the largest size, with spaces or without any."""
    [ids] = tokenizer([(character * 131_072)[:131_072]])
    assert len(ids) > 10_000


def test_a_text_is_no_list_of_texts(tokenizer):
    """Its letters would be taken for texts."""
    with pytest.raises(ArgumentError, match="must be a list of texts"):
        tokenizer("card")


def test_half_characters_are_unknown_not_an_exception(tokenizer):
    """They come from bytes of a command line that aren't UTF-8."""
    [ids] = tokenizer(["card \udce9"])
    assert tokenizer.decode(ids) == "card"


def test_unknown_characters_are_one_and_padding_never_comes(tokenizer):
    """Id 1 stands for what was never seen, id 0 is left to the padding."""
    [ids] = tokenizer(["ß card"])
    assert ids.count(tokenizer.unknown) >= 1
    assert tokenizer.padding not in ids
    assert tokenizer.decode([*ids, 0, 0]) == "card"


def test_a_text_without_tokens_is_unknown(tokenizer):
    """Whatever reads it has something to read; no texts are no texts."""
    assert tokenizer(["", " "]) == [[Tokenizer.unknown]] * 2
    assert tokenizer.decode(tokenizer([""])[0]) == ""
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
