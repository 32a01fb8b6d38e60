"""The entry point of the command: which engine it runs on."""

import json
import os
import re
import subprocess
import sys
import urllib.request

import keras
import pytest

from losslayer_serve.folder import new_model_folder
from losslayer_serve.tokenizer import Tokenizer

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


def serve(*arguments, before=""):
    """`losslayer faq serve`, started; `before` is run in its process first."""
    line = ["losslayer", "faq", "serve", *map(str, arguments)]
    code = f"{before}\nimport losslayer_command, sys; sys.argv = {line!r}; losslayer_command.main()"
    return subprocess.Popen([sys.executable, "-c", code], text=True, stderr=subprocess.PIPE)


def test_serving_nothing_is_a_line(tmp_path):
    """A folder without a model, before anything listens."""
    process = serve("--model", tmp_path)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 2
    assert (
        errors == f"losslayer: {tmp_path}/model: no model is saved there (it holds no "
        "losslayer-manifest.json)\n"
    )


def test_serving_without_the_export_says_so(tmp_path):
    """A model that has no encoder as ONNX yet."""
    with new_model_folder(tmp_path / "model", {"kind": "faq", "encoder": {"longest": 8}}) as folder:
        Tokenizer.train(["a card", "a phone"], 30).save(folder / "tokenizer.json")
    process = serve("--model", tmp_path)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 2
    assert f"holds no question.onnx. Run: losslayer faq export --model {tmp_path}" in errors
    assert errors.count("\n") == 1


@pytest.mark.parametrize("package", ["typer", "filelock", "onnxruntime", "uvicorn"])
def test_a_missing_package_is_named(package, tmp_path):
    """Whichever it is: one line that says what to install."""
    lost = f"import sys; sys.modules[{package!r}] = None"
    process = serve("--model", tmp_path, before=lost)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert errors == (
        f'losslayer: `{package}` is not installed. Run: pip install "losslayer[serve]"\n'
    )


@pytest.mark.slow
def test_train_export_serve_ask(tmp_path):
    """All the way to an answer over HTTP, each step a process of its own."""
    rows = [
        f"{verb} my {noun}?,{noun}" for noun in ("card", "phone") for verb in ("where is", "stop")
    ]
    (tmp_path / "faq.csv").write_text("\n".join(["question,entry", *rows]) + "\n")
    for line in (
        ["train", "faq.csv", "--out", "m", "--epochs", "2"],
        ["export", "--model", "m", "--json"],
    ):
        command = [sys.executable, "-m", "losslayer.cli", "faq", *line]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["question"]["difference"] <= 1e-5
    process = serve("--model", tmp_path / "m", "--port", "0")
    try:
        for line in process.stderr:
            if "running on" in line:
                address = re.search(r"http://[\d.:]+", line)[0]
                break
        body = json.dumps({"question": "where is my phone?", "top": 2}).encode()
        request = urllib.request.Request(
            f"{address}/ask", body, {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            found = json.load(answer)
        assert {hit["id"] for hit in found["results"][0]["hits"]} == {"card", "phone"}
    finally:
        process.terminate()
        process.communicate(timeout=30)
