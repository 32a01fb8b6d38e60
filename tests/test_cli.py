"""The command line, in this process where possible and as a process where it matters."""

import io
import json
import os
import shutil
import signal
import subprocess
import sys

import pytest

from losslayer.cli import main
from losslayer_serve.index import Index

TRAIN = """question,entry
where is my card,card_arrival
has my card come,card_arrival
is the card in the mail,card_arrival
add money to my account,top_up
top up the account,top_up
how do I add money,top_up
"""


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A working folder with a table in it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.csv").write_text(TRAIN)
    return tmp_path


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A model that one run of `train` wrote, and what the run printed."""
    folder = tmp_path_factory.mktemp("cli")
    (folder / "train.csv").write_text(TRAIN)
    (folder / "test.csv").write_text("entry,question\ntop_up,money for the account\n")
    (folder / "dev.csv").write_text("question,entry\nadd to the account,top_up\n")
    done = command(
        *("train", "train.csv", "--test", "test.csv", "--dev", "dev.csv", "--out", "runs/m"),
        *("--epochs", "2", "--json"),
        cwd=folder,
    )
    return folder / "runs" / "m", done


def command(*arguments, **options):
    """Run `losslayer faq` as a process."""
    line = [sys.executable, "-m", "losslayer.cli", "faq", *map(str, arguments)]
    return subprocess.run(line, capture_output=True, text=True, timeout=300, **options)


def run(capsys, *arguments):
    """Run `losslayer` here; its exit code, output and errors."""
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return ended.value.code or 0, captured.out, captured.err


def test_train_prints_measures_and_writes_a_model(model):
    """`--json`: one object on standard output, progress on standard error, a folder."""
    folder, done = model
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["model"] == os.path.join("runs", "m")
    assert (result["questions"], result["entries"], result["test_questions"]) == (6, 2, 1)
    assert result["epochs"] == 2
    history = json.loads((folder / "model" / "history.json").read_text())
    best = history["dev_mrr"].index(max(history["dev_mrr"]))
    accuracy = history["dev_accuracy@1"][best]
    assert result["development"] == {
        "epoch": best + 1,
        "mrr": history["dev_mrr"][best],
        "accuracy@1": accuracy,
    }
    assert not result["interrupted"]
    assert set(result["metrics"]["this model"]) == {"accuracy@1", "recall@5", "mrr"}
    assert result["metrics"]["BM25, titles"]["accuracy@1"] == 0.0
    assert result["metrics"]["BM25, single questions"]["accuracy@1"] == 1.0
    assert "epoch  2/2" in done.stderr
    assert json.loads((folder / "model" / "metrics.json").read_text()) == result["metrics"]


def test_train_ends_with_a_table_and_the_next_command(place, capsys):
    """For people: a table of measures, the picture, and how to ask."""
    (place / "test.csv").write_text("question,entry\nmy card,card_arrival\n")
    (place / "m" / "model").mkdir(parents=True)
    (place / "m" / "model" / "losslayer-manifest.json").write_text("an earlier model")
    options = ["--test", "test.csv", "--epochs", 1, "--out", "m", "--overwrite"]
    code, out, _ = run(capsys, "faq", "train", "train.csv", *options)
    assert code == 0
    lines = out.splitlines()
    assert lines[3].split() == ["accuracy@1", "recall@5", "MRR"]
    assert lines[-3].startswith("model   m ")
    assert lines[-2] == f"curves  {os.path.join('m', 'model', 'curves.png')}"
    assert lines[-1] == 'try it  losslayer faq ask --model m "your question"'
    assert (place / "m" / "model" / "curves.png").exists()


def test_ask_answers_arguments(model, capsys):
    """Each question is followed by its entries, best first, with scores."""
    code, out, _ = run(capsys, "faq", "ask", "--model", model[0], "--top", 1, "my card?", "money")
    assert code == 0
    blocks = [block.splitlines() for block in out.strip().split("\n\n")]
    assert [block[0] for block in blocks] == ["my card?", "money"]
    for block in blocks:
        score, rest = block[1].split(maxsplit=1)
        assert -1 <= float(score) <= 1
        assert rest in ("card arrival  [card_arrival]", "top up  [top_up]")


def test_ask_reads_a_pipe(model, capsys, monkeypatch):
    """Lines of standard input, blank ones skipped; `--json` gives a line for each."""
    monkeypatch.setattr("sys.stdin", io.StringIO("我的卡?\n\nadd money\n"))
    code, out, _ = run(capsys, "faq", "ask", "--model", model[0], "--json")
    assert code == 0
    found = [json.loads(line) for line in out.splitlines()]
    assert [answer["question"] for answer in found] == ["我的卡?", "add money"]
    names = {"id", "title", "answer", "score", "accepted"}
    assert [set(hit) for hit in found[1]["hits"]] == [names] * 2
    assert found[1]["answered"]


def test_ask_of_another_encoding(model):
    """A pipe in Latin-1: a line that says so."""
    line = [sys.executable, "-m", "losslayer.cli", "faq", "ask", "--model", str(model[0])]
    utf8 = {**os.environ, "PYTHONUTF8": "1", "PYTHONIOENCODING": "utf-8:strict"}
    done = subprocess.run(line, input="caf\xe9?\n".encode("latin-1"), capture_output=True, env=utf8)
    assert done.returncode == 2
    assert (
        done.stderr.decode().splitlines()[-1].startswith("losslayer: ask: standard input must be")
    )


def test_ask_is_interactive_at_a_terminal(model, capsys, monkeypatch):
    """At a terminal questions are asked for until an empty line."""
    typed = io.StringIO()
    typed.isatty = lambda: True
    monkeypatch.setattr("sys.stdin", typed)
    answers = iter(["my card", ""])
    monkeypatch.setattr("builtins.input", lambda prompt: next(answers))
    code, out, err = run(capsys, "faq", "ask", "--model", model[0])
    assert code == 0
    assert out.startswith("my card\n")
    assert "an empty line ends" in err


@pytest.mark.parametrize(
    ("table", "arguments", "message"),
    [
        (None, [], "data.csv: there is no such file"),
        ("text,entry\na,b\n", [], "data.csv:1: no column `question`"),
        ("question,entry\na,b\n,c\n", [], "data.csv:3: column `question`: the cell is empty"),
        (b"question,entry\nca\xe9,b\n", [], "data.csv:2: not UTF-8"),
        ("question,entry\na,b\nc,b\n", [], "data.csv:2: column `entry`: all rows have the same"),
        (TRAIN, ["--title", "name"], "data.csv:1: no column `name`"),
        (TRAIN, ["--test", "other.csv"], "other.csv:2: column `entry`: no training question has"),
        (TRAIN, ["--title", "question", "--answer", "entry"], "train: `--title` must be left out"),
        (TRAIN, ["--encoder", "rnn"], "Settings: `encoder` must be one of ('lstm', 'bilstm"),
        (TRAIN, ["--objective", "all"], "Settings: `objective` must be one of ('triplet', "),
        (TRAIN, ["--negatives", "hard"], "Settings: `negatives` must be one of ('in-batch', "),
        (TRAIN, ["--hold-out", "1"], "Settings: `hold_out` must be a share in [0, 1)"),
        (TRAIN, ["--dev", "data.csv", "--hold-out", "0.1"], "train: `--hold-out` must be left out"),
        (TRAIN, ["--dev", "other.csv"], "other.csv:2: column `entry`: no training question has"),
        (TRAIN, ["--out", "."], ".: must have a name of its own"),
        (TRAIN, ["--out", "taken"], "taken: exists"),
        (TRAIN, ["--out", "taken", "--overwrite"], "taken: exists"),
        (TRAIN, ["--out", "earlier"], "earlier: holds a model already. Add --overwrite"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(place, capsys, table, arguments, message):
    """The line names the file and the place; nothing is written."""
    if table is not None:
        (place / "data.csv").write_bytes(table if isinstance(table, bytes) else table.encode())
    (place / "other.csv").write_text("question,entry\na loan?,loan\n")
    (place / "taken").mkdir()
    (place / "taken" / "mine.txt").touch()
    (place / "earlier" / "model").mkdir(parents=True)
    (place / "earlier" / "model" / "losslayer-manifest.json").touch()
    before = sorted(place.rglob("*"))
    code, out, err = run(capsys, "faq", "train", "data.csv", *arguments)
    assert code == 2
    assert out == ""
    assert err.startswith(f"losslayer: {message}")
    assert err.count("\n") == 1
    assert sorted(place.rglob("*")) == before


def test_ask_without_a_model(place, capsys):
    """A folder that holds no matcher, and one that isn't there, are said to be so."""
    code, _, err = run(capsys, "faq", "ask", "--model", place, "hello")
    assert (code, err.count("\n")) == (2, 1)
    assert "no matcher is saved there" in err


def test_tune_and_evaluate(model, place, capsys):
    """A threshold that is stored, and counts in what follows; `--json` too."""
    folder = place / "m"
    shutil.copytree(model[0], folder)
    (place / "dev.csv").write_text(TRAIN)
    code, out, err = run(capsys, "faq", "tune", "dev.csv", "--model", folder, "--precision", 0.5)
    assert code == 0, err
    assert out.startswith("weight of the cosine ")
    assert "questions, " in out.splitlines()[-1]
    code, out, _ = run(capsys, "faq", "evaluate", "dev.csv", "--model", folder, "--json")
    found = json.loads(out)
    assert found["questions"] == 6
    assert found["precision"] >= 0.5
    code, out, _ = run(capsys, "faq", "evaluate", "dev.csv", "--model", folder)
    assert out.splitlines()[2].split() == ["accuracy@1", f"{100 * found['accuracy@1']:.1f}"]
    (place / "dev.csv").write_text("question,entry\na loan?,loan\n")
    code, _, err = run(capsys, "faq", "tune", "dev.csv", "--model", folder)
    assert (code, err.count("\n")) == (2, 1)
    assert "dev.csv:2: column `entry`: the FAQ has no entry 'loan'" in err


def test_help_teaches_with_an_example(capsys):
    """`--help` shows a command that can be copied."""
    code, out, _ = run(capsys, "faq", "train", "--help")
    assert code == 0
    assert "losslayer faq train questions.csv" in out
    code, out, _ = run(capsys, "faq", "ask", "--help")
    assert "losslayer faq ask --model runs/faq" in out


def test_a_missing_extra_is_named(capsys, monkeypatch):
    """Without the packages of the extra: one line that says what to install."""
    monkeypatch.setitem(sys.modules, "losslayer.faq.commands", None)
    monkeypatch.setitem(sys.modules, "typer", None)
    code, _, err = run(capsys, "faq", "ask")
    assert code == 2
    assert 'pip install "losslayer[faq]"' in err


@pytest.mark.skipif(os.name == "nt", reason="sends a POSIX signal")
def test_ctrl_c_keeps_what_was_learned(place, capsys):
    """An interrupt during training ends it early; a model is saved and said to be unfinished."""
    line = [sys.executable, "-m", "losslayer.cli", "faq", "train", "train.csv", "--json"]
    process = subprocess.Popen(
        [*line, "--epochs", "5000", "--out", "m"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    for text in process.stderr:
        if "epoch  " in text:
            process.send_signal(signal.SIGINT)
            break
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    result = json.loads(out)
    assert result["interrupted"]
    assert result["epochs"] < 5000
    assert "Stopped early" in err
    assert len(Index.open(place / "m" / "index")) == 2
    assert list((place / "m.partial").glob("*.run"))
    # Fewer epochs are another training, with another course of the learning rate.
    code, _, err = run(capsys, "faq", "train", "train.csv", "--epochs", 2, "--out", "m")
    assert code == 2
    assert "same.settings.epochs: 5000 then, 2 now" in err
    anew = ["--epochs", 2, "--out", "m", "--overwrite"]
    code, _, err = run(capsys, "faq", "train", "train.csv", *anew)
    assert (code, "starting anew" in err) == (0, True)
    assert not (place / "m.partial").exists()


@pytest.mark.skipif(os.name == "nt", reason="sends a POSIX signal")
@pytest.mark.slow
def test_the_same_command_goes_on_after_a_kill(place):
    """What a killed training had reached is not made again."""
    line = [sys.executable, "-m", "losslayer.cli", "faq", "train", "train.csv"]
    line += ["--epochs", "30", "--out", "m"]
    process = subprocess.Popen(line, stderr=subprocess.PIPE, text=True)
    for text in process.stderr:
        if "epoch  3" in text:
            process.kill()
            break
    process.communicate(timeout=120)
    assert not (place / "m").exists()
    done = subprocess.run(line, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "going on with it" in done.stderr
    assert "epoch  1/30" not in done.stderr
    assert "epoch 30/30" in done.stderr
    assert sorted(path.name for path in place.iterdir()) == ["m", "train.csv"]
