"""A module imports only from layers below it, or from its own folder."""

import ast
import sys
from pathlib import Path

import pytest

import losslayer

ROOT = Path(losslayer.__file__).parent
# Lowest first; families on one line must not know each other.
LAYERS = [
    ["kernels"],
    ["backend"],
    ["core"],
    ["layers", "losses", "metrics", "weighting", "callbacks"],
    ["testing", "inspect"],
    ["options", "precision", "text", "saving", "commands"],
    ["faq", "seq2seq", "tag"],
    ["cli", "web"],
]
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}
APPLICATIONS = {name for name, level in LEVEL.items() if level > LEVEL["testing"]}
ENGINES = {"jax", "torch", "tensorflow"}
MODULES = sorted(ROOT.rglob("*.py"))


def imports(path):
    """The full names of all modules and members that a file imports, wherever it does."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute here"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def family(path):
    """The folder below the package that a file belongs to; None for the package's own files."""
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def offences(path, names):
    """Why a file of `path` must not import `names`."""
    own = family(path)
    for name in names:
        top, *rest = name.split(".")
        if top in ENGINES and own not in ("kernels", "backend"):
            yield f"{name}: only kernels/ and backend/ import engines"
        if name.startswith("keras.src"):
            yield f"{name}: private to Keras"
        if top == "losslayer" and own != "__init__":
            other = rest[0] if rest and rest[0] in LEVEL else None
            if own in APPLICATIONS and other in ("kernels", "backend", "core"):
                yield f"{name}: applications use the public names only"
            if other and other != own and LEVEL[other] >= LEVEL[own]:
                yield f"{name}: {own} is not above {other}"


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_go_down(path):
    """Each file keeps the order of the layers."""
    assert family(path) in {*LEVEL, "__init__"}, f"{path}: give its folder a place in LAYERS"
    assert list(offences(path, imports(path))) == []


def test_offences_are_found():
    """The rules above refuse what they are for."""
    core = ROOT / "core" / "model.py"
    assert list(offences(core, ["jax.numpy"]))
    assert list(offences(core, ["losslayer.losses.TripletMargin"]))
    assert list(offences(core, ["keras.src.ops"]))
    assert list(offences(ROOT / "losses" / "a.py", ["losslayer.metrics"]))
    assert list(offences(ROOT / "faq" / "a.py", ["losslayer.core.model"]))
    assert list(offences(ROOT / "faq" / "a.py", ["losslayer.seq2seq"]))
    assert not list(offences(core, ["losslayer.backend", "keras.ops", "losslayer.core.feed"]))


def test_core_needs_keras_and_numpy_only():
    """The library below the applications imports nothing else from outside."""
    allowed = {"keras", "numpy", "losslayer", *ENGINES, *sys.stdlib_module_names}
    for path in MODULES:
        if family(path) not in APPLICATIONS:
            assert {name.split(".")[0] for name in imports(path)} <= allowed, path
