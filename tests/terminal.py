"""A terminal at which somebody types."""

import io


def typing(monkeypatch, *lines):
    """Make standard input one, where these lines are typed; to ask for more is an error."""
    terminal = io.StringIO()
    terminal.isatty = lambda: True
    typed = iter(lines)
    monkeypatch.setattr("sys.stdin", terminal)
    monkeypatch.setattr("builtins.input", lambda prompt: next(typed))
