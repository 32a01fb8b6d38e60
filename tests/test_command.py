"""The entry point of the command: which engine it runs on."""

import json
import os
import subprocess
import sys

import keras
import pytest

CODE = """
import os, sys
import losslayer_command
sys.argv = ["losslayer", "--help"]
try:
    losslayer_command.main()
except SystemExit as end:
    import keras
    print(end.code, keras.backend.backend())
"""


def run(tmp_path, **variables):
    """What the entry point prints last, started without KERAS_BACKEND unless given."""
    env = {n: v for n, v in os.environ.items() if n != "KERAS_BACKEND"}
    env.update(variables, KERAS_HOME=str(tmp_path))
    done = subprocess.run([sys.executable, "-c", CODE], env=env, capture_output=True, text=True)
    return (done.stdout.splitlines() or [""])[-1], done.stderr


@pytest.mark.parametrize("configured", [None, "openvino"])
def test_an_installed_engine_is_taken(tmp_path, configured):
    """Without a choice, or with one that isn't installed, the command runs all the same."""
    if configured:
        (tmp_path / "keras.json").write_text(json.dumps({"backend": configured}))
    last, errors = run(tmp_path)
    assert last.split()[0] == "0", errors
    assert last.split()[1] in ("jax", "torch", "tensorflow")


def test_the_users_choice_stays(tmp_path):
    """KERAS_BACKEND, or a configured engine that is installed, is left alone."""
    engine = keras.backend.backend()
    assert run(tmp_path, KERAS_BACKEND=engine)[0] == f"0 {engine}"
    (tmp_path / "keras.json").write_text(json.dumps({"backend": engine}))
    assert run(tmp_path)[0] == f"0 {engine}"
