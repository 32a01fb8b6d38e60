"""`losslayer seq2seq`, in this process where possible and as a process where it matters."""

import io
import json
import math
import os
import signal
import subprocess
import sys

import pytest

from losslayer.cli import main
from losslayer.seq2seq import Seq2Seq, read_config
from tests.seq2seq.app.conftest import write_tables
from tests.terminal import typing


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A working folder with tables and options in it."""
    monkeypatch.chdir(tmp_path)
    write_tables(tmp_path)
    return tmp_path


@pytest.fixture
def model(command, trained, monkeypatch):
    """The folder of a model; the working folder is the one beside it. It is loaded once."""
    monkeypatch.chdir(command[0])
    loaded = Seq2Seq.load

    def load(path, checkpoint=None):
        return trained if (str(path), checkpoint) == ("m", None) else loaded(path, checkpoint)

    monkeypatch.setattr(Seq2Seq, "load", load)
    return "m"


def run(capsys, *arguments):
    """Run `losslayer seq2seq` here; its exit code, output and errors."""
    with pytest.raises(SystemExit) as ended:
        main(["seq2seq", *map(str, arguments)])
    captured = capsys.readouterr()
    return ended.value.code or 0, captured.out, captured.err


def test_train_prints_one_object_and_writes_a_model(command):
    """`--json`: figures on standard output, the course of the training on standard error."""
    folder, out, err = command
    result = json.loads(out)
    assert (result["model"], result["pairs"], result["dev_pairs"]) == ("m", 200, 30)
    assert (result["epochs"], result["interrupted"], result["checkpoint"]) == (4, False, "best")
    assert {"ppl", "accuracy", "wer", "per", "bleu", "chrf"} < result["dev"].keys()
    assert "train.tsv: 200 pairs" in err
    assert "epoch  4/4" in err
    assert "sources of dev.tsv are among those trained on" in err
    assert not (folder / "m.partial").exists()
    assert json.loads((folder / "m" / "metrics.json").read_text())["dev"] == result["dev"]
    assert (folder / "m" / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_all_options_lie_beside_the_model(command):
    """What was trained with, with what the command line changed; `train` takes that file."""
    settings = read_config(command[0] / "m" / "config.toml")
    assert settings == read_config(command[0] / "options.toml")
    assert settings.training.epochs == 4
    assert settings.training.clip_norm == 1.0


def test_predict_arguments_file_and_pipe(model, capsys, monkeypatch, tmp_path):
    """The same lines for the same sources, in their order; a blank one stays blank."""
    code, out, _ = run(capsys, "predict", "--model", model, "abc", "d", "abcd")
    assert code == 0
    rows = [line.split("\t") for line in out.splitlines()]
    assert [row[0] for row in rows] == ["abc", "d", "abcd"]
    said = [row[1] for row in rows]
    (tmp_path / "in.txt").write_text("abc\n\nd\nabcd\n")
    code, out, err = run(capsys, "predict", "--model", model, "--file", tmp_path / "in.txt")
    assert out.splitlines() == [said[0], "", *said[1:]]
    assert "1 of 4 sources are blank" in err
    monkeypatch.setattr("sys.stdin", io.StringIO("abc\nd\nabcd\n"))
    assert run(capsys, "predict", "--model", model)[1].splitlines() == said


def test_predict_is_interactive_at_a_terminal(model, capsys, monkeypatch):
    """An answer after each line, until an empty one."""
    typing(monkeypatch, "abc", "")
    code, out, err = run(capsys, "predict", "--model", model)
    assert (code, out.count("\n")) == (0, 1)
    assert "an empty line ends" in err


@pytest.mark.slow
def test_predict_several_outputs(model, capsys):
    """`--n-best` widens the beam; scores fall; `--json` has them all."""
    code, out, _ = run(capsys, "predict", "--model", model, "--n-best", 3, "abc")
    assert code == 0
    rows = [line.split("\t") for line in out.splitlines()]
    assert [row[0] for row in rows] == ["1"] * 3
    scores = [float(row[1]) for row in rows]
    assert scores == sorted(scores, reverse=True)
    _, out, _ = run(capsys, "predict", "--model", model, "--n-best", 3, "--json", "abc")
    found = json.loads(out)
    assert found["source"] == "abc"
    assert [output["text"] for output in found["outputs"]] == [row[2] for row in rows]


@pytest.mark.slow
def test_predict_with_constraints(model, capsys, tmp_path):
    """A beginning, outputs that are allowed, a token that never comes."""
    _, out, _ = run(capsys, "predict", "--model", model, "--prefix", "D C", "abc")
    assert out.startswith("abc\tD C")
    (tmp_path / "allowed.txt").write_text("A B\nC C C\n")
    arguments = ("--allowed", tmp_path / "allowed.txt", "abc", "d")
    _, out, _ = run(capsys, "predict", "--model", model, *arguments)
    assert {line.split("\t")[1] for line in out.splitlines()} <= {"A B", "C C C"}
    never = ("--must-not", "A", "--must-not", "B", "--set", "decoding.shortest=2")
    _, out, _ = run(capsys, "predict", "--model", model, *never, "abcd")
    assert set(out.split()[1:]) <= {"C", "D"}
    code, _, err = run(capsys, "predict", "--model", model, "--must-not", "Q", "abc")
    assert (code, "must be a token that there is. Received: piece='Q'" in err) == (2, True)


def test_score_and_evaluate(model, capsys):
    """The mean of the scores is the logarithm of the perplexity, token for token."""
    code, out, _ = run(capsys, "score", "dev.tsv", "--model", model, "--json")
    assert code == 0
    rows = [json.loads(line) for line in out.splitlines()]
    tokens = sum(len(row["target"].split()) + 1 for row in rows)
    _, out, _ = run(capsys, "evaluate", "dev.tsv", "--model", model, "--json")
    figures = json.loads(out)
    total = sum(row["score"] for row in rows)
    assert figures["ppl"] == pytest.approx(math.exp(-total / tokens), rel=1e-4)
    assert figures["pairs"] == 30
    _, out, _ = run(capsys, "evaluate", "dev.tsv", "--model", model)
    assert f"{figures['wer']:.4g}" in out


@pytest.mark.slow
def test_checkpoints_and_ensembles(model, capsys):
    """`--checkpoint` takes others of its weights, several `--model` their mean."""
    code, out, _ = run(capsys, "evaluate", "dev.tsv", "--model", model, "--checkpoint", "last")
    assert code == 0
    both = ("--model", model, "--model", model)
    _, one, _ = run(capsys, "predict", "--model", model, "abc")
    _, two, _ = run(capsys, "predict", *both, "abc")
    assert one == two
    code, out, err = run(capsys, "evaluate", "dev.tsv", *both, "--json")
    assert (code, "accuracy" in json.loads(out)) == (0, False), err
    code, _, err = run(capsys, "evaluate", "dev.tsv", "--model", model, "--checkpoint", "first")
    assert (code, "`checkpoint` must be one of" in err) == (2, True)


@pytest.mark.slow
def test_average_and_compare(model, capsys, tmp_path):
    """The mean of a model with itself is the model, and no better."""
    mean = tmp_path / "mean"
    code, out, err = run(capsys, "average", model, model, "--out", mean)
    assert code == 0, err
    code, _, err = run(capsys, "average", model, model, "--out", mean)
    assert (code, "Add --overwrite" in err) == (2, True)
    code, out, _ = run(capsys, "compare", model, mean, "dev.tsv", "--samples", 20, "--json")
    found = json.loads(out)
    assert code == 0
    for row in found.values():
        assert (row["first"], row["low"], row["high"]) == (row["second"], 0, 0)
    _, out, _ = run(capsys, "compare", model, mean, "dev.tsv", "--samples", 20)
    assert "second - first" in out


@pytest.mark.slow
def test_attention_is_a_picture(model, capsys, tmp_path):
    """A PNG, and the output that it is of."""
    code, out, _ = run(capsys, "attention", "abc", "--model", model, "--out", tmp_path / "a.png")
    assert code == 0
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    assert str(tmp_path / "a.png") in out
    code, _, err = run(capsys, "attention", "abc", "--model", model, "--out", "a.svg")
    assert (code, "must end with .png" in err) == (2, True)


@pytest.mark.slow
def test_check(model, capsys):
    """The model agrees with itself."""
    code, out, err = run(capsys, "check", "dev.tsv", "--model", model, "--rows", 4)
    assert code == 0, err
    assert "in order" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none.toml"], "none.toml: there is no such file"),
        ([], "train: `train` must be given: a table, or two files"),
        (["options.toml", "--set", "training.epoch=3"], "--set: [training] has no option `epoch`."),
        (["options.toml", "--epochs", "0"], "TrainingSettings: `epochs` must be a whole number"),
        (["options.toml", "--out", "taken"], "taken: exists"),
        (["options.toml", "--out", "."], ".: must have a name of its own"),
        (["options.toml", "--train", "no.tsv"], "no.tsv: there is no such file"),
        (["options.toml", "--source", "word"], "train.tsv:1: no column `word`. The columns are"),
        (["options.toml", "--dev", "latin.tsv"], "latin.tsv:2: not UTF-8 (byte 0xe9)"),
        (["options.toml", "--dev", "empty.tsv"], "empty.tsv:2: column `target`: the cell is empty"),
        (
            ["options.toml", "--train", "a.txt", "--train", "b.txt"],
            "a.txt: 2 lines, but b.txt has 1; line n of one file must belong to line n",
        ),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(place, capsys, arguments, message):
    """The line names the file and the place; nothing is written."""
    (place / "taken").mkdir()
    (place / "taken" / "mine.txt").touch()
    (place / "latin.tsv").write_bytes("source\ttarget\ncaf\xe9\tb\n".encode("latin-1"))
    (place / "empty.tsv").write_text("source\ttarget\na\t\n")
    (place / "a.txt").write_text("a\nb\n")
    (place / "b.txt").write_text("a\n")
    before = sorted(place.rglob("*"))
    code, out, err = run(capsys, "train", *arguments)
    assert (code, out) == (2, "")
    assert err.splitlines()[-1].startswith(f"losslayer: {message}")
    assert sorted(place.rglob("*")) == before


def test_a_model_is_not_replaced_unasked(model, capsys):
    """Nor is one read where there is none."""
    code, _, err = run(capsys, "train", "options.toml", "--out", model)
    assert (code, "m: holds a model already. Add --overwrite" in err) == (2, True)
    code, _, err = run(capsys, "predict", "--model", "nowhere", "abc")
    assert (code, err.count("\n")) == (2, 1)
    assert "no model is saved there" in err


def test_help_teaches_with_an_example(capsys):
    """`--help` of each command shows one that can be copied."""
    for name in ("train", "evaluate", "predict", "score", "attention", "compare", "check"):
        code, out, _ = run(capsys, name, "--help")
        assert code == 0
        assert f"losslayer seq2seq {name} " in out


@pytest.mark.skipif(os.name == "nt", reason="sends a POSIX signal")
@pytest.mark.slow
def test_the_same_command_goes_on_after_ctrl_c_and_after_a_kill(place):
    """What was learned so far is kept after Ctrl-C; a killed one goes on where it was."""
    line = [sys.executable, "-m", "losslayer.cli", "seq2seq", "train", "options.toml"]
    line += ["--epochs", "12", "--out", "m", "--json"]
    for ends in (signal.SIGINT, signal.SIGKILL):
        process = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for text in process.stderr:
            if "epoch  " in text:
                process.send_signal(ends)
                break
        out, _ = process.communicate(timeout=300)
        assert list((place / "m.partial").glob("*.run"))
        if ends == signal.SIGINT:
            assert json.loads(out)["interrupted"]
            assert (place / "m" / "weights.safetensors").exists()
    done = subprocess.run(line, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "going on with it" in done.stderr
    assert "epoch  1/12" not in done.stderr
    assert json.loads(done.stdout)["epochs"] == 12
    assert not (place / "m.partial").exists()
