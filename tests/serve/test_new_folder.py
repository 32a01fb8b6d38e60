"""Result folders: whole or not at all, and never over something else."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from losslayer_serve.errors import FolderError
from losslayer_serve.new_folder import new_folder, put_back

# Writes a folder, and is killed before renaming something for the third time, say.
KILLED = """
import os, sys
from losslayer_serve.new_folder import new_folder
rename, left = os.rename, int(sys.argv[2])
def killed(source, target):
    global left
    left -= 1
    if left == 0:
        os._exit(9)
    rename(source, target)
os.rename = killed
with new_folder(sys.argv[1], "marker.json") as folder:
    (folder / "marker.json").write_text("2")
"""


def write(path, text):
    with new_folder(path, "marker.json") as folder:
        (folder / "marker.json").write_text(text)


def test_a_folder_is_made_with_its_parents(tmp_path):
    """The folder appears, and nothing temporary stays."""
    write(tmp_path / "runs" / "one", "1")
    assert (tmp_path / "runs" / "one" / "marker.json").read_text() == "1"
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["one"]


def test_an_earlier_result_is_replaced(tmp_path):
    """What has the marker is ours; nothing of it is left over."""
    write(tmp_path / "one", "1")
    (tmp_path / "one" / "old.txt").touch()
    write(tmp_path / "one", "2")
    assert [path.name for path in (tmp_path / "one").iterdir()] == ["marker.json"]
    assert (tmp_path / "one" / "marker.json").read_text() == "2"


def test_something_else_is_left_alone(tmp_path):
    """A folder without the marker, or a file, is refused before anything is written."""
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").touch()
    (tmp_path / "file").touch()
    for name in ("photos", "file"):
        with pytest.raises(FolderError, match=rf"{name}: exists .* nothing was changed"):
            write(tmp_path / name, "1")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["cat.jpg", "file", "photos"]


def test_an_empty_folder_is_free(tmp_path):
    """A folder made beforehand with nothing in it may be used."""
    (tmp_path / "new").mkdir()
    write(tmp_path / "new", "1")
    assert (tmp_path / "new" / "marker.json").exists()


@pytest.mark.parametrize("problem", [RuntimeError, KeyboardInterrupt])
def test_a_failure_changes_nothing(tmp_path, problem):
    """When writing fails half way, the earlier result is still there, whole."""

    def write_and_fail():
        with new_folder(tmp_path / "one", "marker.json") as folder:
            (folder / "marker.json").write_text("2")
            raise problem

    write(tmp_path / "one", "1")
    with pytest.raises(problem):
        write_and_fail()
    assert (tmp_path / "one" / "marker.json").read_text() == "1"
    assert [path.name for path in tmp_path.iterdir()] == ["one"]


@pytest.mark.parametrize("moment", [1, 2, 3])
def test_a_writer_that_is_killed_leaves_the_old_or_the_new(tmp_path, moment):
    """Between the two renamings too: who comes next puts the earlier result back."""
    path = tmp_path / "one"
    write(path, "1")
    done = subprocess.run([sys.executable, "-c", KILLED, path, str(moment)])
    assert done.returncode == (9 if moment < 3 else 0)
    assert path.exists() == (moment != 2)
    put_back(path)
    assert (path / "marker.json").read_text() == ("1" if moment < 3 else "2")
    put_back(path)
    write(path, "3")
    assert [name.name for name in path.iterdir()] == ["marker.json"]
    assert (path / "marker.json").read_text() == "3"
    assert not (tmp_path / ".one.old").exists()


def test_a_killed_writer_of_a_part_is_in_nobodys_way(tmp_path):
    """What it left is ours, and goes when the whole is written again."""
    path = tmp_path / "one"
    for _ in range(2):
        with new_folder(path, "part/marker.json", ["part"]) as folder:
            write(folder / "part", "1")
        assert [name.name for name in path.iterdir()] == ["part"]
        for moment in (1, 2):
            subprocess.run([sys.executable, "-c", KILLED, path / "part", str(moment)])
        put_back(path / "part")
        assert len(list(path.iterdir())) == 3


def test_a_reader_between_the_renamings(tmp_path, monkeypatch):
    """It finds the earlier result; the new one comes after it all the same."""
    path, seen = tmp_path / "one", []
    write(path, "1")
    rename = os.rename

    def read_before(source, target):
        if not path.exists() and not seen:
            monkeypatch.setattr(os, "rename", rename)
            put_back(path)
            seen.append((path / "marker.json").read_text())
        rename(source, target)

    monkeypatch.setattr(os, "rename", read_before)
    write(path, "2")
    assert seen == ["1"]
    assert (path / "marker.json").read_text() == "2"
    assert [name.name for name in tmp_path.iterdir()] == ["one"]


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="asks Linux which file it is")
def test_all_is_on_the_disk_before_it_has_its_name(tmp_path, monkeypatch):
    """Files and folders, then the renaming, then the folder that holds the name."""
    fsync, rename, done = os.fsync, os.rename, []

    def recorded_fsync(handle):
        done.append(Path(os.readlink(f"/proc/self/fd/{handle}")).name)
        fsync(handle)

    def recorded_rename(source, target):
        rename(source, target)
        done.append("renamed")

    monkeypatch.setattr(os, "fsync", recorded_fsync)
    monkeypatch.setattr(os, "rename", recorded_rename)
    with new_folder(tmp_path / "one", "marker.json") as folder:
        (folder / "inner").mkdir()
        (folder / "marker.json").write_text("1")
        (folder / "inner" / "deep.txt").write_text("1")
    place = done.index("renamed")
    assert sorted(done[:place]) == ["deep.txt", "inner", "marker.json", "new"]
    assert done[place + 1 :] == [tmp_path.name]
