"""Result folders: whole or not at all, and never over something else."""

import pytest

from losslayer_serve.errors import FolderError
from losslayer_serve.new_folder import new_folder


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
