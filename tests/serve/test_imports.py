"""To serve, neither Keras nor an engine is imported."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import losslayer_serve

MODULES = sorted(Path(losslayer_serve.__file__).parent.rglob("*.py"))
REFUSED = {"keras", "jax", "torch", "tensorflow", "losslayer"}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_no_file_imports_an_engine(path):
    """Nor anything that imports one."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names = {(node.module or "").split(".")[0]}
        else:
            continue
        assert not names & REFUSED, f"{path}:{node.lineno}"


def test_an_encoder_needs_no_engine():
    """Nor do the libraries that it stands on."""
    code = "import sys, losslayer_serve.encoder; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    names = {name.split(".")[0] for name in loaded.stdout.split()}
    assert "onnxruntime" in names
    assert not names & REFUSED
