"""The command `losslayer`: outside the package, because importing that starts an engine.

Serving needs none, so `losslayer faq serve` is told from the rest here.

Keras takes the engine that `KERAS_BACKEND` or its `keras.json` names; it writes that file itself,
with TensorFlow in it, installed or not. A command should rather run on what is there.
"""

import importlib.util
import json
import os
import pathlib
import sys

from losslayer_serve.extras import ENGINES, not_installed


def main() -> None:
    """Choose an installed engine, JAX first, unless the user has; then run the command."""
    if sys.argv[1:3] == ["faq", "serve"]:
        _serve(sys.argv[3:])
        return
    if "KERAS_BACKEND" not in os.environ and not _installed(_configured()):
        engine = next(filter(_installed, ENGINES), None)
        if engine is None:
            raise SystemExit(
                'losslayer: needs JAX, PyTorch or TensorFlow. Run: pip install "losslayer[jax]"'
            )
        os.environ["KERAS_BACKEND"] = engine
    from losslayer import cli

    cli.main()


def _serve(arguments: list[str]) -> None:
    """Run the service, or say what is missing."""
    try:
        from losslayer_serve import command

        command.main(arguments)
    except ModuleNotFoundError as missing:
        raise SystemExit(f"losslayer: {not_installed(missing, 'serve')}") from None


def _configured() -> str:
    home = pathlib.Path(os.environ.get("KERAS_HOME", pathlib.Path.home() / ".keras"))
    try:
        return str(json.loads((home / "keras.json").read_text())["backend"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _installed(package: str) -> bool:
    return bool(package) and importlib.util.find_spec(package) is not None
