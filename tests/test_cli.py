"""The command line, in this process where possible and as a process where it matters."""

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import filelock
import pytest

from losslayer.cli import main
from losslayer_serve.index import Entry, Index
from tests.terminal import typing

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
    names = {"accuracy@1", "recall@5", "recall@10", "mrr", "ndcg"}
    assert set(result["metrics"]["this model"]) == names
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
    typing(monkeypatch, "my card", "")
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
        (TRAIN, ["--hold-out", "1"], "Settings: `hold_out` must be a number >= 0 and < 1"),
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


@pytest.fixture
def changed(model, place):
    """A copy of the model, to be changed."""
    shutil.copytree(model[0], place / "m")
    return place / "m"


def fails(capsys, *arguments):
    """The one line with which a command ends that can't do what it should."""
    code, out, err = run(capsys, "faq", *arguments)
    lines = [line for line in err.splitlines() if line.startswith("losslayer: ")]
    assert (code, out, len(lines)) == (2, "", 1)
    assert err.endswith(f"{lines[0]}\n")
    return lines[0].removeprefix("losslayer: ")


def test_tune_and_evaluate(changed, place, capsys):
    """A threshold that is stored, and counts in what follows; `--json` too."""
    (place / "dev.csv").write_text(TRAIN)
    code, out, err = run(capsys, "faq", "tune", "dev.csv", "--model", changed, "--precision", 0.5)
    assert code == 0, err
    assert out.startswith("weight of the cosine ")
    assert "questions, " in out.splitlines()[-1]
    code, out, _ = run(capsys, "faq", "evaluate", "dev.csv", "--model", changed, "--json")
    found = json.loads(out)
    assert (found["questions"], found["unanswerable"]) == (6, 0)
    assert found["figures"]["precision"]["value"] >= 0.5
    (place / "dev.csv").write_text("question,entry\na loan?,loan\n")
    told = fails(capsys, "tune", "dev.csv", "--model", changed)
    assert told.startswith("dev.csv:2: column `entry`: the FAQ has no entry 'loan'")


def test_tune_takes_questions_without_an_entry(changed, place, capsys):
    """An empty cell in the column `id`, which is found where there is no `entry`."""
    (place / "dev.csv").write_text("question,id\nmy card,card_arrival\nthe weather,\n")
    code, out, err = run(capsys, "faq", "tune", "dev.csv", "--model", changed, "--json")
    assert code == 0, err
    assert json.loads(out)["threshold"]["questions"] == 2


def test_a_precision_that_is_none(place, capsys):
    """Is refused before anything is read."""
    for precision in ("0", "1.1", "nan"):
        told = fails(capsys, "tune", "no.csv", "--model", "none", "--precision", precision)
        assert told == f"tune: `--precision` must be in (0, 1]. Received: {precision}."


def test_evaluate_for_people(model, place, capsys):
    """A table of figures with intervals, one for each group, a file of results, a report."""
    (place / "test.csv").write_text(
        "question,entry,group\nmy card,card_arrival,cards\nmoney,top_up,money\nrain,,\n"
    )
    files = ["--out", "r.jsonl", "--report", "r.html"]
    code, out, err = run(capsys, "faq", "evaluate", "test.csv", "--model", model[0], *files)
    assert code == 0, err
    lines = out.splitlines()
    assert lines[:2] == ["test.csv: 3 questions", "1 of them no entry answers"]
    rows = {line.split()[0]: line.split() for line in lines if line}
    assert rows["accuracy@1"][2:5:2] == ["%", "%"]
    assert rows["cards"][1] == "1"
    assert {"recall@5", "mrr", "ndcg", "coverage", "precision", "refused", "ece"} < rows.keys()
    results = [json.loads(line) for line in (place / "r.jsonl").read_text().splitlines()]
    assert [one["entry"] for one in results] == ["card_arrival", "top_up", None]
    assert (place / "r.html").read_text().startswith("<!doctype html>")
    again = ["evaluate", "test.csv", "--model", model[0]]
    assert fails(capsys, *again, "--out", "r.jsonl").startswith("r.jsonl: is there already. Add")
    assert "there is no folder nowhere" in fails(capsys, *again, "--report", "nowhere/r.html")
    code, _, err = run(capsys, "faq", *again, "--out", "r.jsonl", "--overwrite")
    assert code == 0, err


def test_compare_models_and_files(changed, model, place, capsys):
    """A model and a file of results; the questions that changed sides."""
    (place / "test.csv").write_text(TRAIN)
    run(capsys, "faq", "evaluate", "test.csv", "--model", model[0], "--out", "a.jsonl")
    run(capsys, "faq", "remove", "top_up", "--model", changed)
    (place / "card.csv").write_text("".join(TRAIN.splitlines(True)[:4]))
    run(capsys, "faq", "evaluate", "card.csv", "--model", changed, "--out", "card.jsonl")
    code, out, err = run(capsys, "faq", "compare", "card.jsonl", model[0], "card.csv", "--json")
    assert code == 0, err
    found = json.loads(out)
    assert found["questions"] == 3
    assert found["differences"]["accuracy@1"]["a"] == 1
    assert [one["b"][0] for one in found["lost"]] == ["top_up"] * len(found["lost"])
    code, out, _ = run(capsys, "faq", "compare", "card.jsonl", "card.jsonl")
    assert out.splitlines()[0] == "3 questions. A is card.jsonl, B is card.jsonl."
    rows = {line.split()[0]: line.split() for line in out.splitlines() if line}
    assert rows["mrr"] == ["mrr", "1.000", "1.000", "0.000", "0.000", "to", "0.000", "1.0000"]
    assert "0 questions only B has right" in out
    told = fails(capsys, "compare", "a.jsonl", "card.jsonl")
    assert told.startswith("compare: the same questions are needed. Received: 6 and 3")
    assert "A model needs a TABLE" in fails(capsys, "compare", "a.jsonl", model[0])
    assert "card.csv:1: not what `evaluate --out`" in fails(
        capsys, "compare", "card.csv", "a.jsonl"
    )


def test_entries_added_removed_and_made_anew(changed, place, capsys):
    """With counts; `ask` finds what is there."""
    (place / "more.csv").write_text("id,question\nfee,fee abroad\ntop_up,top up\n")
    code, out, err = run(capsys, "faq", "add", "more.csv", "--model", changed)
    assert code == 0, err
    assert out == ("1 added, 0 changed, 1 unchanged, 0 removed, 1 encoded; 3 entries now\n")
    one = ["--entry-id", "fee", "--entry-answer", "Two in a hundred."]
    code, out, _ = run(capsys, "faq", "add", *one, "--model", changed, "--json")
    assert json.loads(out) == {
        **{"added": 0, "changed": 1, "unchanged": 0, "removed": 0, "encoded": 0, "entries": 3}
    }
    _, out, _ = run(capsys, "faq", "ask", "fee abroad", "--model", changed)
    assert "Two in a hundred." in out
    code, out, _ = run(capsys, "faq", "remove", "fee", "top_up", "--model", changed, "--json")
    assert (json.loads(out)["removed"], json.loads(out)["entries"]) == (2, 1)
    code, out, err = run(capsys, "faq", "index", "more.csv", "--model", changed, "--json")
    assert (json.loads(out)["added"], json.loads(out)["entries"]) == (2, 2)
    assert "Every answer is accepted" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["add"], "add: give a table, or one entry by `--entry-id`"),
        (["add", "more.csv", "--entry-id", "x"], "add: give a table, or one entry"),
        (["add", "more.csv", "--entry-title", "x"], "add: give a table, or one entry"),
        (["add", "--entry-id", "x", "--entry-answer", "y"], "add: a new entry must have a title"),
        (["add", "more.csv"], "more.csv:1: no column `id`"),
        (["add", "no.csv"], "no.csv: there is no such file"),
        (["index", "twice.csv"], "twice.csv:3: column `answer`: the id 'a' has another answer"),
        (["index", "more.csv", "--read", "all"], "`--read` must be one of ('answer', 'title')"),
        (["remove", "top_up", "x"], "Index.remove: `ids` must be those of entries. Received: 'x'"),
    ],
)
def test_what_cannot_be_indexed(changed, place, capsys, arguments, message):
    """One line that says why; the index is as it was."""
    (place / "more.csv").write_text("question,nr\na,b\n")
    (place / "twice.csv").write_text("id,question,answer\na,b,c\na,d,e\n")
    before = Index.open(changed / "index").entries
    assert fails(capsys, *arguments, "--model", changed).startswith(message)
    assert Index.open(changed / "index").entries == before


def test_a_damaged_index(changed, place, capsys):
    """Is named by all that read it, and made anew by `index`."""
    (place / "test.csv").write_text(TRAIN)
    [path] = (changed / "index" / "shards").glob("*.jsonl")
    path.write_bytes(path.read_bytes().replace(b"top", b"pot"))
    for arguments in (["ask", "x"], ["remove", "top_up"], ["evaluate", "test.csv"]):
        told = fails(capsys, *arguments, "--model", changed)
        assert told.startswith(f"{path}: can't be read (its SHA-256 is not the one")
    (place / "faq.csv").write_text("id,question\ncard_arrival,card\n")
    code, out, err = run(capsys, "faq", "index", "faq.csv", "--model", changed)
    assert code == 0, err
    assert "The old index can't be read" in err
    assert out.endswith("1 entries now\n")
    assert run(capsys, "faq", "ask", "x", "--model", changed)[0] == 0


def test_a_locked_index(changed, capsys):
    """While another process writes it can be asked, not changed."""
    before = Index.open(changed / "index").entries
    with filelock.FileLock(changed / "index" / "lock"):
        told = fails(capsys, "remove", "top_up", "--model", changed)
        assert "another writer is changing this index; nothing was changed" in told
        assert run(capsys, "faq", "ask", "x", "--model", changed)[0] == 0
    assert Index.open(changed / "index").entries == before


@pytest.mark.skipif(os.name == "nt", reason="POSIX permissions")
def test_a_folder_that_must_not_be_written(changed, capsys):
    """It can be asked; a change is refused in one line that names a file of it."""
    # Root may write everything, so the test becomes somebody else for a moment.
    folder = Path(tempfile.mkdtemp())
    try:
        shutil.copytree(changed, folder / "m")
        for path in [folder, *folder.rglob("*")]:
            path.chmod(0o555 if path.is_dir() else 0o444)
        if os.geteuid() == 0:
            os.seteuid(65534)
        try:
            told = fails(capsys, "remove", "top_up", "--model", folder / "m")
            assert run(capsys, "faq", "ask", "x", "--model", folder / "m")[0] == 0
        finally:
            if os.getuid() == 0:
                os.seteuid(0)
        assert told == f"{folder / 'm' / 'index' / 'lock'}: Permission denied"
        assert len(Index.open(folder / "m" / "index")) == 2
    finally:
        for path in [folder, *folder.rglob("*")]:
            path.chmod(0o755)
        shutil.rmtree(folder)


def test_train_on_the_faq_itself(place, capsys):
    """`--answer`: each row is an entry, found by its answer; ids in the column `id`."""
    (place / "faq.csv").write_text(
        "id,question,answer\narrival,Where is my card?,It takes five days.\n"
        "topup,How do I top up?,In the app.\nfee,Is there a fee?,Two in a hundred.\n"
    )
    options = ["--answer", "answer", "--epochs", 1, "--out", "m", "--json"]
    code, out, err = run(capsys, "faq", "train", "faq.csv", *options)
    assert code == 0, err
    assert json.loads(out)["entries"] == 3
    entries = Index.open(place / "m" / "index").entries
    assert entries[0] == Entry(
        "arrival", "Where is my card?", "It takes five days.", "It takes five days."
    )
    _, out, _ = run(capsys, "faq", "ask", "card", "--model", "m")
    assert "It takes five days." in out


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
