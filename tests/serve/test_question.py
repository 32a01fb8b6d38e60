"""Bodies of requests, read strictly."""

import json

import pytest

from losslayer_serve.errors import ArgumentError, QuestionError
from losslayer_serve.limits import Limits
from losslayer_serve.question import read

LIMITS = Limits(questions=2, length=5, top=4)


def test_what_is_right_is_read():
    assert read(b'{"question": "a"}', LIMITS) == (["a"], 3)
    assert read('{"questions": ["问", "😀"], "top": 4}'.encode(), LIMITS) == (["问", "😀"], 4)
    assert read(b'{"question": " \\u0000\\u95ee "}', LIMITS) == ([" \0问 "], 3)
    assert read(b'{"question": "a"}', Limits(top=2)).top == 2
    assert json.dumps(read(b'{"question": "a", "top": 2.0}', LIMITS).top) == "2"


WRONG = {
    b"": "isn't JSON .character 0",
    b"{": "isn't JSON",
    b'{"question": "a"} x': "isn't JSON",
    b'{"question": "\xff"}': "isn't UTF-8 .byte 14",
    '{"question": "a"}'.encode("utf-16"): "isn't UTF-8",
    '{"question": "a"}'.encode("utf-8-sig"): "isn't JSON",
    b"[" * 100_000: "nested too deeply",
    b'{"question": "a", "top": NaN}': "NaN is no number",
    b'{"question": "a", "top": -Infinity}': "-Infinity is no number",
    b'{"question": "a", "top": ' + b"9" * 5000 + b"}": "number that is too long",
    b"[]": "must be a JSON object",
    b'"a"': "must be a JSON object",
    b"{}": "either `question` or `questions`",
    b'{"question": "a", "questions": ["a"]}': "either `question` or `questions`",
    b'{"question": "a", "limit": 1}': 'no field "limit"',
    b'{"question": null}': "`question` must be a text",
    b'{"question": ["a"]}': "`question` must be a text",
    b'{"question": " \\n"}': "`question` must be a text that isn't empty",
    b'{"question": "abcdef"}': "at most 5 characters. Received: 6",
    b'{"question": "\\ud800"}': "half of a character",
    b'{"questions": "a"}': "a list of 1 to 2",
    b'{"questions": []}': "a list of 1 to 2",
    b'{"questions": ["a", "a", "a"]}': "a list of 1 to 2",
    b'{"questions": ["a", 1]}': r"`questions.1.` must be a text .* Received: 1",
    b'{"question": "a", "top": 0}': "from 1 to 4. Received: 0",
    b'{"question": "a", "top": 5}': "from 1 to 4. Received: 5",
    b'{"question": "a", "top": true}': "from 1 to 4. Received: true",
    b'{"question": "a", "top": 2.5}': "from 1 to 4. Received: 2.5",
    b'{"question": "a", "top": 1e999}': "from 1 to 4",
    b'{"question": "a", "top": "' + b"x" * 9999 + b'"}': r'Received: "x{36}\.\.\.$',
}


@pytest.mark.parametrize(("body", "message"), WRONG.items(), ids=WRONG.values())
def test_what_is_wrong_is_named(body, message):
    """And the message is short and can be sent as JSON."""
    with pytest.raises(QuestionError, match=message) as problem:
        read(body, LIMITS)
    assert len(json.dumps({"error": str(problem.value)}, allow_nan=False).encode()) < 200


def test_only_what_shows_nothing_is_empty():
    """All that Python or JavaScript takes for a space; each other character is a question."""
    for code in [*range(0x3100), 0xFEFF]:
        body = json.dumps({"question": f" {chr(code)}\n"}).encode()
        if chr(code).isspace() or chr(code) == "\ufeff":
            with pytest.raises(QuestionError, match="isn't empty"):
                read(body, LIMITS)
        else:
            assert read(body, LIMITS).texts == [f" {chr(code)}\n"]


@pytest.mark.parametrize("name", ["body", "top", "work_seconds"])
@pytest.mark.parametrize("value", [0, -1, float("nan")])
def test_limits_are_above_zero(name, value):
    with pytest.raises(ArgumentError, match=f"`{name}` must be above 0"):
        Limits(**{name: value})
