"""An audit as lines for a terminal."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from losslayer.faq.audit import Audit, Leak, Repeated, Shared, Source
from losslayer.faq.profile import Texts

SHOWN = 3  # examples of each kind; the rest is in `Audit.as_dict()`


def written(audit: Audit) -> str:
    """All figures, and the first places of each kind."""
    lines: list[str] = []
    for name, source in audit.sources.items():
        lines += _source(name, source, audit.unit)
    if "test" in audit.sources:
        rows = sum(len(leak.test_lines) for leak in audit.leaks)
        lines.append(f"questions of the training in the test: {len(audit.leaks):,} ({rows:,} rows)")
        lines += _some(audit.leaks, _leak)
    rows = sum(shared.questions for shared in audit.shared_answers)
    kinds = f"{len(audit.shared_answers):,} (of {rows:,} training questions)"
    lines += [f"answers under several ids: {kinds}", *_some(audit.shared_answers, _shared)]
    lines += [f"entries: {audit.answers.count:,}", *_texts("answers", audit.answers, audit.unit)]
    if audit.languages:
        lines.append(f"  languages: {_counts(audit.languages)}")
    lines.append(f"  without a training question: {len(audit.unasked):,}")
    lines += _some(audit.unasked, str)
    return "\n".join(lines)


def _source(name: str, source: Source, unit: str) -> Iterator[str]:
    file = f" ({source.file})" if source.file else ""
    yield f"{name}{file}: {source.rows:,} rows, {len(source.dropped):,} dropped"
    yield from _some(source.dropped, str)
    for kind, found in (
        ("duplicate questions", source.duplicates),
        ("questions with several answers", source.contradictions),
    ):
        rows = sum(len(repeated.lines) for repeated in found)
        yield f"  {kind}: {len(found):,} ({rows:,} rows)"
        yield from _some(found, _repeated)
    yield from _texts("questions", source.questions, unit)


def _texts(name: str, texts: Texts, unit: str) -> Iterator[str]:
    cut = ""
    if texts.limit is not None:
        cut = f"; {texts.cut:,} ({texts.cut / texts.count:.1%}) are cut at {texts.limit:,}"
    yield (
        f"  {unit} of {name}: half up to {texts.median:,}, 90 % up to {texts.p90:,}, "
        f"99 % up to {texts.p99:,}, the longest {texts.longest:,}{cut}"
    )
    yield f"  scripts of {name}: {_counts(texts.scripts)}"


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.items())


def _some(found: Sequence[Any], line: Callable[[Any], str]) -> list[str]:
    """The first few, and how many more there are."""
    more = [f"    and {len(found) - SHOWN:,} more"] if len(found) > SHOWN else []
    return [*(f"    {_plain(line(one))}" for one in found[:SHOWN]), *more]


def _few(items: Sequence[Any]) -> str:
    more = f", and {len(items) - SHOWN:,} more" if len(items) > SHOWN else ""
    return ", ".join(map(str, items[:SHOWN])) + more


def _plain(text: str) -> str:
    """A text in one line of bounded length, without what a terminal would take for a command."""
    return "".join(c if c.isprintable() else " " for c in _short(text, 300))


def _short(text: str, length: int = 60) -> str:
    return text if len(text) <= length else f"{text[:length]}…"


def _repeated(repeated: Repeated) -> str:
    return f"lines {_few(repeated.lines)}, ids {_few(repeated.ids)}: {_short(repeated.question)}"


def _leak(leak: Leak) -> str:
    answers = "same" if leak.same_answer else "other"
    return (
        f"train lines {_few(leak.train_lines)}, test lines {_few(leak.test_lines)}, "
        f"{answers} answer: {_short(leak.question)}"
    )


def _shared(shared: Shared) -> str:
    return f"ids {_few(shared.ids)}: {_short(shared.answer)}"
