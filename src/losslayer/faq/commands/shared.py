"""What the commands share."""

import sys
from pathlib import Path

DEFAULT = Path("runs/faq")


def note(line: str) -> None:
    """Progress goes to standard error, so that what a command prints can be piped."""
    print(line, file=sys.stderr, flush=True)
