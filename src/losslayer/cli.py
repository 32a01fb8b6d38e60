"""The command line: `losslayer faq ...`, `losslayer seq2seq ...`, `losslayer tag ...`."""

import importlib
import sys
from collections.abc import Sequence

from losslayer_serve.extras import not_installed

# Each is an extra of the same name, with a typer app in its `commands`.
APPLICATIONS = ("faq", "seq2seq", "tag")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command and exit: 0 if all is well, 2 if the input was wrong.

    Args:
        arguments: What follows `losslayer` on the command line; by default what
            the process was started with.
    """
    first = (sys.argv[1:] if arguments is None else [*arguments])[:1]
    # Only what was asked for is imported; without that all, for the overview.
    names = [name for name in APPLICATIONS if name in first] or [*APPLICATIONS]
    name = names[0]
    try:
        import typer

        apps = {}
        for name in names:
            apps[name] = importlib.import_module(f"losslayer.{name}.commands").app
    except ModuleNotFoundError as missing:
        _fail(not_installed(missing, name))

    import losslayer as ll
    from losslayer_serve.errors import ServeError

    app = typer.Typer(
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        add_completion=False,
        help="losslayer: any tensor of a Keras model as a loss. Here: what is built on it.",
    )
    app.callback()(lambda: None)  # keeps the name a word of its own where it is the only group
    for name, commands in apps.items():
        app.add_typer(commands, name=name)
    try:
        app(args=arguments, prog_name="losslayer")
    except (ll.LosslayerError, ServeError) as problem:
        _fail(str(problem))
    except BrokenPipeError:
        # Who reads our output has enough; closing quietly is what other tools do.
        sys.stderr.close()
        raise SystemExit(141) from None
    except OSError as problem:
        _fail(f"{problem.filename or 'a file'}: {problem.strerror or problem}")


def _fail(problem: str) -> None:
    """One line on standard error, exit code 2."""
    print(f"losslayer: {problem}", file=sys.stderr)
    raise SystemExit(2)


if __name__ == "__main__":
    main()
