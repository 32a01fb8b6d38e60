"""`losslayer faq serve`: by itself, so that no engine is started."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from losslayer_serve.saved import DEFAULT, open_searcher, watched


def serve(
    model: Annotated[
        Path, typer.Option(help="Folder that `train` wrote and `export` completed.")
    ] = DEFAULT,
    host: Annotated[
        str,
        typer.Option(help="Address to listen at; others can reach 0.0.0.0."),
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0: a free one.")] = 8000,
) -> None:
    """Answer questions over HTTP, and on a page to ask them on.

        losslayer faq export --model runs/faq

        losslayer faq serve --model runs/faq

    Then open http://127.0.0.1:8000, or ask from a program:

        curl http://127.0.0.1:8000/ask -H "Content-Type: application/json" \\
            -d '{"question": "where is my card?"}'

    A token for clients is read from LOSSLAYER_TOKEN. Ctrl-C ends the service when the
    running requests are answered. An index that is changed meanwhile is read anew.
    """
    from losslayer_serve.service import run

    run(
        lambda: open_searcher(model),
        host=host,
        port=port,
        token=os.environ.get("LOSSLAYER_TOKEN") or None,
        watch=watched(model),
    )


def main(arguments: list[str]) -> None:
    """Run the command and exit; `arguments` follow `losslayer faq serve`."""
    from losslayer_serve.errors import ServeError

    app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)
    app.command()(serve)
    try:
        app(args=arguments, prog_name="losslayer faq serve")
    except ServeError as problem:
        print(f"losslayer: {problem}", file=sys.stderr)
        raise SystemExit(2) from None
