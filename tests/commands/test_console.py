"""Lines that a command reads, and those that it tells."""

import io

import pytest

import losslayer as ll
from losslayer.commands.console import asked_lines, note, status
from tests.terminal import typing


def test_lines_of_a_pipe(monkeypatch, capsys):
    """All of them without their ends, empty ones too; nobody is asked."""
    monkeypatch.setattr("sys.stdin", io.StringIO("one\n\n two \nlast"))
    assert [*asked_lines("ask", "a question")] == ["one", "", " two ", "last"]
    assert capsys.readouterr() == ("", "")


def test_a_pipe_of_another_encoding(monkeypatch):
    """The command is named, and what to do."""
    pipe = io.TextIOWrapper(io.BytesIO("one\ncaf\xe9\n".encode("latin-1")), encoding="utf-8")
    monkeypatch.setattr("sys.stdin", pipe)
    with pytest.raises(ll.ArgumentError, match="ask: standard input must be UTF-8. Received: .*e9"):
        [*asked_lines("ask", "a question")]


def test_typed_lines_end_with_an_empty_one(monkeypatch, capsys):
    """Who types is told so."""
    typing(monkeypatch, "one", " two", " ", "never asked for")
    assert [*asked_lines("ask", "a question")] == ["one", " two"]
    assert capsys.readouterr() == ("", "Type a question; an empty line ends.\n")


def test_typed_lines_end_with_the_terminal(monkeypatch):
    """Ctrl-D, say."""
    typing(monkeypatch)

    def ended(prompt):
        raise EOFError

    monkeypatch.setattr("builtins.input", ended)
    assert [*asked_lines("ask", "a question")] == []


@pytest.mark.parametrize("watched", [False, True])
def test_a_note_replaces_the_status(monkeypatch, watched):
    """At a terminal; elsewhere there are whole lines only, without signs that control one."""
    errors = io.StringIO()
    errors.isatty = lambda: watched
    monkeypatch.setattr("sys.stderr", errors)
    status("step 1")
    status("step 2")
    note("epoch 1")
    clear = "\r\x1b[K"
    shown = f"{clear}step 1{clear}step 2{clear}epoch 1\n"
    assert errors.getvalue() == (shown if watched else "epoch 1\n")
