"""The command line: `losslayer faq ...` and `losslayer tag ...`."""

import sys
from collections.abc import Sequence

# Names of the packages that the command line needs and a plain install lacks.
EXTRA = ("typer", "tokenizers", "bm25s", "filelock", "matplotlib", "safetensors")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command and exit: 0 if all is well, 2 if the input was wrong.

    Args:
        arguments: What follows `losslayer` on the command line; by default what
            the process was started with.
    """
    try:
        import typer

        from losslayer.faq import commands as faq
        from losslayer.tag import commands as tag
    except ModuleNotFoundError as missing:
        if missing.name not in EXTRA:
            raise
        _fail(f'`{missing.name}` is not installed. Run: pip install "losslayer[faq]"')

    import losslayer as ll
    from losslayer_serve.errors import ServeError

    app = typer.Typer(
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        add_completion=False,
        help="losslayer: any tensor of a Keras model as a loss. Here: what is built on it.",
    )
    app.add_typer(faq.app, name="faq")
    app.add_typer(tag.app, name="tag")
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
