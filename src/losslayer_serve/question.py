"""The body of a request, read strictly: what is wrong is named, nothing is guessed."""

import json
import re
from typing import Any, NamedTuple, NoReturn

from losslayer_serve.errors import QuestionError
from losslayer_serve.limits import Limits

# What a question needs to have one of. Languages differ in what else `\s` holds; this is the same
# in all of them, and what /openapi.json says.
VISIBLE = r"[^\s\u001c-\u001f\u0085\ufeff]"


class Asked(NamedTuple):
    """Questions, and how many hits each of them is to get."""

    texts: list[str]
    top: int


def read(body: bytes, limits: Limits) -> Asked:
    """Read `{"question": ..., "top": 3}` or `{"questions": [...]}`.

    Raises:
        QuestionError: If it is anything else, or above the limits.
    """
    content = _json(body)
    if not isinstance(content, dict):
        raise QuestionError('The body must be a JSON object, like {"question": "..."}')
    unknown = sorted(content.keys() - {"question", "questions", "top"})
    if unknown:
        raise QuestionError(f"There is no field {_short(unknown[0])}: question, questions, top")
    if ("question" in content) == ("questions" in content):
        raise QuestionError("Give either `question` or `questions`")
    if "question" in content:
        texts = [_text(content["question"], "question", limits)]
    else:
        texts = _texts(content["questions"], limits)
    top = content.get("top", min(3, limits.top))
    # JSON has one kind of number: 3.0 is 3. And true is none, though Python takes it for 1.
    whole = isinstance(top, int | float) and not isinstance(top, bool) and top == top // 1
    if not whole or not 1 <= top <= limits.top:
        raise QuestionError(
            f"`top` must be a whole number from 1 to {limits.top}. Received: {_short(top)}"
        )
    return Asked(texts, int(top))


def _json(body: bytes) -> Any:
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as problem:
        raise QuestionError(f"The body isn't UTF-8 (byte {problem.start})") from None
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except json.JSONDecodeError as problem:
        raise QuestionError(f"The body isn't JSON (character {problem.pos})") from None
    except RecursionError:
        raise QuestionError("The body is nested too deeply") from None
    except QuestionError:
        raise
    except ValueError:  # an integer of thousands of digits
        raise QuestionError("The body holds a number that is too long") from None


def _refuse_constant(name: str) -> NoReturn:
    raise QuestionError(f"The body isn't JSON: {name} is no number there")


def _texts(questions: Any, limits: Limits) -> list[str]:
    if not isinstance(questions, list) or not 1 <= len(questions) <= limits.questions:
        raise QuestionError(f"`questions` must be a list of 1 to {limits.questions} texts")
    return [_text(text, f"questions[{place}]", limits) for place, text in enumerate(questions)]


def _text(text: Any, name: str, limits: Limits) -> str:
    if not isinstance(text, str) or not re.search(VISIBLE, text):
        raise QuestionError(f"`{name}` must be a text that isn't empty. Received: {_short(text)}")
    if len(text) > limits.length:
        raise QuestionError(
            f"`{name}` must have at most {limits.length} characters. Received: {len(text)}"
        )
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise QuestionError(f"`{name}` holds half of a character (\\ud800 to \\udfff)") from None
    return text


def _short(value: Any) -> str:
    """The value as JSON, cut: it goes back to the sender, and may be large."""
    text = json.dumps(value)
    return text if len(text) <= 40 else text[:37] + "..."
