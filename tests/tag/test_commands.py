"""`losslayer tag`, in this process where possible and as a process where it matters."""

import io
import json
import os
import shutil
import signal
import subprocess
import sys

import pytest

from losslayer.cli import main
from losslayer.tag import Tagger, measures, read
from tests.tag.conftest import columns, sentences
from tests.terminal import typing


@pytest.fixture
def place(folder, tmp_path, monkeypatch):
    """A working folder with the data and the model."""
    for name in ("train", "dev", "test"):
        shutil.copy(folder / name, tmp_path / name)
    shutil.copytree(folder / "m", tmp_path / "m")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(capsys, *arguments):
    """Run `losslayer tag` here; its exit code, output and errors."""
    with pytest.raises(SystemExit) as ended:
        main(["tag", *map(str, arguments)])
    captured = capsys.readouterr()
    return ended.value.code or 0, captured.out, captured.err


def test_train_prints_measures_and_writes_a_model(folder, trained):
    """`--json`: one object on standard output; progress with the time left on standard error."""
    result = json.loads((folder / "out.json").read_text())
    assert result["sentences"] == {"train": 200, "dev": 40, "test": 50}
    assert (result["model"], result["scheme"], result["interrupted"]) == ("m", "BIO", False)
    assert result["metrics"]["test"] == trained.evaluate(sentences(50, 9))
    assert result["history"] == trained.history
    lines = (folder / "err.txt").read_text().splitlines()
    assert lines[0].startswith("train: 200 sentences,")
    assert lines[1].startswith("epoch 1/6  nll ")
    assert lines[1].endswith(" left")
    f1 = trained.history["val_f1"]
    assert lines[-1] == f"Kept: epoch {f1.index(max(f1)) + 1} of {len(f1)}."
    assert sorted(path.name for path in folder.iterdir() if path.is_dir()) == ["m"]


def test_evaluate(place, capsys, trained):
    """A table with a line for each type; `--json`; a page with the wrong chunks framed."""
    code, out, err = run(capsys, "evaluate", "test", "--model", "m", "--html", "a.html")
    assert code == 0, err
    measured = trained.evaluate(read("test"))
    lines = out.splitlines()
    assert lines[2].split() == ["precision", "recall", "F1", "true", "found", "right"]
    assert [line.split()[0] for line in lines[3:]] == ["person", "place", "all", "mean", "accuracy"]
    assert lines[5].split()[3] == f"{100 * measured['f1']:.2f}"
    assert "a.html: a page with 50 sentences" in err
    assert (place / "a.html").read_text().count("<p>") == 51
    code, out, _ = run(capsys, "evaluate", "test", "--model", "m", "--json")
    assert json.loads(out) == measured
    (place / "wrong").write_text("anna B-place\nwent O\n")
    run(capsys, "evaluate", "wrong", "--model", "m", "--html", "a.html")
    page = (place / "a.html").read_text()
    assert '<mark class="wrong"' in page
    assert page.count("<mark") == 2


def test_predict_columns(place, capsys, trained):
    """Behind all columns of a file, comments and all, comes the tag."""
    text = "# one\nanna\tx\tO\nMeyer\ty\tO\n\nRome\tz\tO\n"
    (place / "new").write_text(text)
    code, out, _ = run(capsys, "predict", "new", "--model", "m", "--format", "columns")
    first, second = trained.predict([["anna", "Meyer"], ["Rome"]])
    lines = [
        f"# one\nanna\tx\tO\t{first[0]}\nMeyer\ty\tO\t{first[1]}\n\n",
        f"Rome\tz\tO\t{second[0]}\n\n",
    ]
    assert (code, out) == (0, "".join(lines))


def test_predict_a_pipe(place, capsys, monkeypatch, trained):
    """A sentence a line, empty ones skipped; `--json` gives an object for each."""
    monkeypatch.setattr("sys.stdin", io.StringIO("anna Meyer went to Rome.\n\nkim went\n"))
    _, out, _ = run(capsys, "predict", "--model", "m", "--json", "--html", "a.html")
    first, second = map(json.loads, out.splitlines())
    assert first["tokens"] == ["anna", "Meyer", "went", "to", "Rome", "."]
    assert first["tags"] == ["B-person", "I-person", "O", "O", "B-place", "O"]
    assert first["chunks"] == [
        {"type": "person", "start": 0, "stop": 2, "text": "anna Meyer"},
        {"type": "place", "start": 4, "stop": 5, "text": "Rome"},
    ]
    assert second["tokens"] == ["kim", "went"]
    assert "anna Meyer<small>person</small></mark> went" in (place / "a.html").read_text()


def test_predict_at_a_terminal(place, capsys, monkeypatch):
    """Sentences are asked for until an empty line."""
    typing(monkeypatch, "kim went to Oslo", "")
    code, out, err = run(capsys, "predict", "--model", "m")
    assert (code, out) == (0, "kim\tB-person\nwent\tO\nto\tO\nOslo\tB-place\n\n")
    assert "an empty line ends" in err


def test_cut_text(place, capsys, segmenter):
    """Spaces between words; with `--json` text and words; a page; measured on lines of words."""
    segmenter.save("s")
    (place / "new.txt").write_text("我们喜欢 北京的天气\n\n<图>\n", encoding="utf-8")
    words = segmenter.segment(["我们喜欢 北京的天气", "<图>"])
    code, out, _ = run(capsys, "predict", "new.txt", "--model", "s", "--html", "a.html")
    assert (code, out) == (0, "".join(" ".join(one) + "\n" for one in words))
    page = (place / "a.html").read_text(encoding="utf-8")
    assert page.count("<mark") == len(words[0]) + len(words[1])
    assert "&lt;" in page
    _, out, _ = run(capsys, "predict", "new.txt", "--model", "s", "--json")
    assert json.loads(out.splitlines()[0]) == {"text": "我们喜欢北京的天气", "words": words[0]}
    (place / "cut.txt").write_text(" ".join(words[0]) + "\n", encoding="utf-8")
    _, out, _ = run(capsys, "evaluate", "cut.txt", "--model", "s")
    if "北京" not in words[0]:  # a space of the text is no border here, unless it was one anyway
        assert out.splitlines()[3].startswith("words ")
    rows = "".join(f"{number}\t{word}\n" for number, word in enumerate(["我们", "喜欢", "人"]))
    (place / "rows").write_text(rows, encoding="utf-8")
    arguments = ("rows", "--model", "s", "--format", "columns", "--word", 1)
    _, out, _ = run(capsys, "predict", *arguments)
    assert out.replace(" ", "") == "我们喜欢人\n"
    code, _, err = run(capsys, "evaluate", "rows", "--model", "s", "--format", "columns")
    assert (code, "has learned to cut text into words" in err) == (2, True)


@pytest.mark.parametrize(
    ("content", "arguments", "message"),
    [
        (None, [], "data: there is no such file"),
        ("", [], "data: holds no sentence"),
        ("a O\nb\n", [], "data:2: 1 columns, where the first line has 2"),
        (b"a O\ncaf\xe9 O\n", [], "data:2: not UTF-8 (byte 0xe9)"),
        ("a O\n" + "b" * 2**20, [], "data:2: 1,048,576 characters; at most 131,072"),
        ("a O\nb NN\n", [], "data:2: the tag 'NN' is not of the scheme BIO or BIOES or"),
        ("a O\n\nb O\nc I-x\n", ["--dev", "dev"], "data:4: in BIO, 'I-x' can't follow 'O'"),
        ("a O\n", [], "Tagger.train: `train` must have two sentences at least"),
        ("a O\n", ["--tag", "2"], "data:1: 2 columns, so there is no --tag 2"),
        ("a O\n", ["--format", "csv"], "tag: `--format` must be one of ('columns', 'words', "),
        ("a O\n", ["--encoder", "rnn"], "Settings: `encoder` must be one of ('bilstm', "),
        ("a O\n", ["--scheme", "IOB"], "Tagger.train: `scheme` must be one of"),
        ("a O\n", ["--out", "."], ".: must have a name of its own"),
        ("a O\n", ["--out", "taken"], "taken: exists"),
        ("a O\n", ["--out", "m"], "m: holds a model already. Add --overwrite"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(place, capsys, content, arguments, message):
    """The last line of standard error names the place; nothing is written."""
    if content is not None:
        (place / "data").write_bytes(content if isinstance(content, bytes) else content.encode())
    (place / "taken").mkdir()
    (place / "taken" / "mine.txt").touch()
    before = sorted(place.rglob("*"))
    code, out, err = run(capsys, "train", "data", "--out", "new", *arguments)
    assert (code, out) == (2, "")
    assert err.splitlines()[-1].startswith(f"losslayer: {message}")
    assert "Traceback" not in err
    assert sorted(place.rglob("*")) == before


@pytest.mark.parametrize("command", ["predict", "evaluate"])
def test_other_commands_on_bad_input(place, capsys, command):
    """A line that isn't UTF-8, no model, a folder of something else."""
    (place / "data").write_bytes(b"caf\xe9 O\n")
    for model, message in (
        ("m", "data:1: not UTF-8"),
        ("none", "none: no model is saved there"),
        (".", ".: no model is saved there"),
    ):
        code, _, err = run(capsys, command, "data", "--model", model)
        assert code == 2
        assert err.startswith(f"losslayer: {message}")


def test_a_pipe_of_another_encoding(place, capsys, monkeypatch):
    """Latin-1 from a pipe: a line that says so."""
    pipe = io.TextIOWrapper(io.BytesIO("anna\ncaf\xe9\n".encode("latin-1")), encoding="utf-8")
    monkeypatch.setattr("sys.stdin", pipe)
    code, out, err = run(capsys, "predict", "--model", "m")
    assert (code, out) == (2, "")
    assert err.startswith("losslayer: predict: standard input must be UTF-8")


def test_help_teaches_with_an_example(capsys):
    """`--help` shows commands that can be copied."""
    for command, example in (
        ("train", "losslayer tag train train.conll --dev dev.conll"),
        ("evaluate", "losslayer tag evaluate test.conll --model runs/ner"),
        ("predict", "losslayer tag predict new.txt --model runs/ner"),
    ):
        code, out, _ = run(capsys, command, "--help")
        assert code == 0
        assert example in out


@pytest.mark.skipif(os.name == "nt", reason="sends a POSIX signal")
@pytest.mark.slow
def test_interrupted_and_killed(place, capsys):
    """Ctrl-C keeps the best so far; the same command goes on, after a kill too, and is done."""
    (place / "train").write_text(columns(sentences(3000, 1)))
    options = "--units 8 --longest 16 --tokens 256 --epochs 4 --out n"
    line = [sys.executable, "-m", "losslayer.cli", "tag", "train", "train", "--dev", "dev"]
    line += options.split()

    def until(text, number):
        process = subprocess.Popen(line, stdout=-1, stderr=-1, text=True)
        for said in process.stderr:
            if said.startswith(text):
                process.send_signal(number)
                break
        _, err = process.communicate(timeout=300)
        return process.returncode, err

    code, err = until("epoch 1/4", signal.SIGINT)
    assert code == 0, err
    assert "Stopped early" in err
    assert len(Tagger.load("n").history["nll"]) == 1
    code, err = until("epoch 2/4", signal.SIGKILL)
    assert code < 0
    code, out, err = run(capsys, *line[4:])
    assert code == 0, err
    assert "going on with it" in err
    assert "epoch 1/4" not in err
    assert "epoch 4/4" in err
    assert f"curves  {os.path.join('n', 'curves.png')}" in out
    assert not (place / "n.partial").exists()
    assert len(Tagger.load("n").history["nll"]) == 4
    other = [*line[4:], "--seed", "1"]
    code, _, err = run(capsys, *other)
    assert (code, "holds a model already" in err) == (2, True)
    assert measures([], [], "BIO")["f1"] == 0
