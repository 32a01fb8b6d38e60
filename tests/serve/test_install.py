"""The package as `pip install "losslayer[serve]"` brings it, and nothing else beside it."""

import json
import os
import re
import subprocess
import sys
import urllib.request

import pytest

from tests.serve.conftest import ROOT
from tests.serve.test_saved import save

# What the page about serving says of adding entries where there is no Keras.
ADD = """
import sys
from losslayer_serve.encoder import Encoder
from losslayer_serve.index import Entry, Index
encoder = Encoder(sys.argv[1] + "/model", side="answer")
index = Index.open(sys.argv[1] + "/index", encoder.fingerprint, prepare=False)
entries = [Entry("phone", "Where is my phone?", "In the post.")]
index.update(entries, encoder([entries[place].encoded for place in index.to_encode(entries)]))
"""


# Without the way to these sources.
BARE = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}


def run(*command):
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, env=BARE)
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout


@pytest.mark.slow
def test_a_saved_model_is_served_without_keras(tmp_path):
    """Built, installed in a fresh environment, and asked; an entry can be added there too."""
    run(sys.executable, "-m", "pip", "wheel", "--no-deps", "-w", tmp_path, ROOT)
    [wheel] = tmp_path.glob("*.whl")
    run(sys.executable, "-m", "venv", tmp_path / "venv")
    python = tmp_path / "venv" / "bin" / "python"
    run(python, "-m", "pip", "install", f"{wheel}[serve]")
    run(python, "-m", "pip", "uninstall", "--yes", "keras")
    installed = {
        each["name"] for each in json.loads(run(python, "-m", "pip", "list", "--format", "json"))
    }
    assert not installed & {"keras", "jax", "torch", "tensorflow", "tensorflow-cpu"}
    save(tmp_path / "m")
    run(python, "-c", ADD, tmp_path / "m")
    command = [
        python.with_name("losslayer"),
        "faq",
        "serve",
        "--model",
        tmp_path / "m",
        "--port",
        "0",
    ]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=BARE) as server:
        try:
            log = ""
            for line in server.stderr:
                log += line
                if found := re.search(r"running on (http://[\d.:]+)", line):
                    break
            else:
                pytest.fail(log)
            body = json.dumps({"question": "where is my phone?", "top": 2}).encode()
            head = {"Content-Type": "application/json"}
            request = urllib.request.Request(f"{found[1]}/ask", body, head)
            with urllib.request.urlopen(request, timeout=30) as answer:
                [result] = json.load(answer)["results"]
        finally:
            server.terminate()
    assert [hit["id"] for hit in result["hits"]] == ["phone", "card"]
    assert result["hits"][0]["score"] == pytest.approx(1, abs=1e-5)
