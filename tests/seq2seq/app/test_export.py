"""`losslayer seq2seq export`, and the folder of a model with ONNX files."""

import json
import shutil
from pathlib import Path

import pytest

from losslayer.cli import main
from losslayer.saving import ExportError
from losslayer.seq2seq import DecodingSettings, Seq2Seq, export
from losslayer.seq2seq.exported import FILES
from tests.docs.test_pages import ROOT, blocks
from tests.seq2seq.test_export import louder

FOLDER = Path("runs/letters")  # as the page has it


@pytest.fixture
def place(command, tmp_path, monkeypatch):
    """A working folder with a model of its own, and pairs."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(command[0] / "m", FOLDER)
    shutil.copy2(command[0] / "dev.tsv", "dev.tsv")
    return tmp_path


def run(capsys, *arguments):
    """Run `losslayer seq2seq` here; its exit code, output and errors."""
    with pytest.raises(SystemExit) as ended:
        main(["seq2seq", *map(str, arguments)])
    captured = capsys.readouterr()
    return ended.value.code or 0, captured.out, captured.err


def content(folder):
    """Of all files but the manifest."""
    names = {path.name for path in folder.iterdir()} - {"losslayer-manifest.json"}
    return {name: (folder / name).read_bytes() for name in names}


@pytest.mark.slow
def test_the_files_are_added_and_asked(place, capsys, trained, dev):
    """All others stay; `check` holds them against the model; the page decodes with them."""
    before = content(FOLDER)
    code, out, err = run(capsys, "export", "--model", FOLDER, "--json")
    assert code == 0, err
    found = json.loads(out)
    assert found["files"] == list(FILES)
    assert 0 <= max(found["score"], found["padding"], found["next_token"]) <= 1e-4
    after = content(FOLDER)
    assert after.keys() == before.keys() | set(FILES)
    assert {name: after[name] for name in before} == before

    code, out, err = run(capsys, "check", "dev.tsv", "--model", FOLDER, "--rows", 5, "--json")
    assert code == 0, err
    assert json.loads(out)["exported"] < 1e-4
    # Other weights than those that were exported are compared only where that is asked for.
    other = ("check", "dev.tsv", "--model", FOLDER, "--rows", 5, "--checkpoint", "average")
    assert "exported" not in run(capsys, *other)[1]
    code, _, err = run(capsys, *other, "--exported", FOLDER)
    assert (code, "exported: scores differ by" in err) == (2, True)

    greedy = trained.texts(["cab"], DecodingSettings(beam=1))
    page = (ROOT / "docs" / "seq2seq.md").read_text(encoding="utf-8")
    [body] = [body for _, _, body in blocks(page) if "onnxruntime" in body]
    exec(body, {})
    assert capsys.readouterr().out.splitlines() == greedy


@pytest.mark.slow
def test_a_folder_stays_as_it_was_if_the_files_say_something_else(place, monkeypatch):
    """The message has the row."""
    before = content(FOLDER)
    monkeypatch.setattr(export, "graphs", louder)
    with pytest.raises(ExportError, match=r"scorer.onnx: says something else .* For row \d"):
        Seq2Seq.export(FOLDER)
    assert content(FOLDER) == before
    assert {path.name for path in FOLDER.parent.iterdir()} == {FOLDER.name}


def test_what_cannot_be_exported_or_asked(place, capsys, monkeypatch):
    """No model, several models for one export, an export that isn't there: one line each."""
    for arguments, message in (
        (("export", "--model", "none"), "none: no model is saved there"),
        (
            ("check", "dev.tsv", *["--model", FOLDER] * 2, "--exported", FOLDER),
            "check: `--exported` must be left out beside several --model",
        ),
        (
            ("check", "dev.tsv", "--model", FOLDER, "--exported", FOLDER),
            f"{FOLDER}: holds no scorer.onnx. Run: losslayer seq2seq export",
        ),
    ):
        code, out, err = run(capsys, *arguments)
        assert (code, out) == (2, "")
        assert err.splitlines()[-1].startswith(f"losslayer: {message}")


def test_help_teaches_with_an_example(capsys):
    code, out, _ = run(capsys, "export", "--help")
    assert code == 0
    assert "losslayer seq2seq export --model runs/g2p" in out
