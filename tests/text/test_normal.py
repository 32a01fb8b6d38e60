"""The normal form: which texts are the same."""

import numpy as np
import pytest
from tokenizers import Tokenizer, models

from losslayer.text import normalised, text_ids
from losslayer_serve.normal import normalizer


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("ＡＢＣ　１２３", "abc 123"),
        ("ｶｰﾄﾞ", "カード"),
        ("怎样安装Debian系统?", "怎样安装 Debian 系统？"),
        ("我的 卡 丢了", "我的卡丢了"),
        (" 卡。 我", "卡。我"),
        ("第３章", "第 3 章"),
        ("what’s “it”", 'What\'s "it"'),
        ("❤️", "❤"),
        ("co\u00adoperate\u200b", "cooperate"),
        ("cafe\u0301", "CAFÉ"),
        ("a\r\n\tb\u00a0c\u3000", "a b c"),
    ],
)
def test_what_is_the_same(text, same):
    """Width, case, spaces around Chinese, quotes, and what isn't seen make no difference."""
    assert normalised(text) == normalised(same)
    assert normalised(normalised(text)) == normalised(text)


@pytest.mark.parametrize(
    ("text", "other"), [("a b", "ab"), ("卡", "银"), ("2-1", "21"), ("a", "á"), ("😀", "😁")]
)
def test_what_is_not_the_same(text, other):
    """Letters, words and signs do make one."""
    assert normalised(text) != normalised(other)


def test_the_short_way_for_ascii_is_the_same():
    """Plain texts don't go through the library, with the same result."""
    generator = np.random.default_rng(0)
    whole = normalizer()
    for _ in range(300):
        text = "".join(map(chr, generator.integers(0, 128, generator.integers(0, 20))))
        assert normalised(text) == whole.normalize_str(text), repr(text)


def test_half_characters_are_read_as_unknown_ones():
    """What `tokenizers` refuses with an exception is read as �."""
    assert normalised("a \ud83d") == "a \ufffd"
    with pytest.raises(TypeError):
        Tokenizer(models.BPE()).encode("a \ud83d")


def test_text_ids_number_texts_as_they_first_come():
    """Equal numbers, equal texts."""
    assert text_ids(["B", "a", "b ", "ｂ", "c"]).tolist() == [0, 1, 0, 0, 2]
    assert text_ids([]).dtype == np.int64
