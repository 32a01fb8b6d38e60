"""The command `losslayer`: outside the package, because importing that starts an engine.

Keras takes the engine that `KERAS_BACKEND` or its `keras.json` names; it writes that file itself,
with TensorFlow in it, installed or not. A command should rather run on what is there.
"""

import importlib.util
import json
import os
import pathlib


def main() -> None:
    """Choose an installed engine, JAX first, unless the user has; then run the command."""
    if "KERAS_BACKEND" not in os.environ and not _installed(_configured()):
        engine = next(filter(_installed, ("jax", "torch", "tensorflow")), None)
        if engine is None:
            raise SystemExit(
                'losslayer: needs JAX, PyTorch or TensorFlow. Run: pip install "losslayer[jax]"'
            )
        os.environ["KERAS_BACKEND"] = engine
    from losslayer import cli

    cli.main()


def _configured() -> str:
    home = pathlib.Path(os.environ.get("KERAS_HOME", pathlib.Path.home() / ".keras"))
    try:
        return str(json.loads((home / "keras.json").read_text())["backend"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _installed(engine: str) -> bool:
    return bool(engine) and importlib.util.find_spec(engine) is not None
