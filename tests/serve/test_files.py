"""Files that are there whole or not at all."""

import os

import pytest

from losslayer_serve.files import read_json, sha256, whole_file, write_json, write_whole


def test_whole_or_not_at_all(tmp_path):
    """An error on the way leaves what was there, and nothing besides."""
    write_whole(tmp_path / "a", "one\n")

    def write_half():
        with whole_file(tmp_path / "a") as file:
            file.write(b"tw")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        write_half()
    with pytest.raises(UnicodeEncodeError):
        write_whole(tmp_path / "a", "\ud800")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a").read_bytes() == b"one\n"


@pytest.mark.skipif(os.name != "posix", reason="other systems sync no folder")
def test_on_the_disk_before_it_has_its_name(tmp_path, monkeypatch):
    """The file, its renaming, the folder that holds the name."""
    done = []
    fsync, replace = os.fsync, os.replace

    def recorded_fsync(handle):
        done.append("folder" if os.path.isdir(f"/dev/fd/{handle}") else "file")
        fsync(handle)

    def recorded_replace(source, target):
        done.append("renamed")
        replace(source, target)

    monkeypatch.setattr(os, "fsync", recorded_fsync)
    monkeypatch.setattr(os, "replace", recorded_replace)
    write_whole(tmp_path / "a", "one")
    assert done == ["file", "renamed", "folder"]


def test_json_for_people_too(tmp_path):
    """What was written comes back; letters are themselves, and there is a line for each item."""
    content = {"名": ["é", 1, 0.1, None, True]}
    write_json(tmp_path / "a.json", content)
    assert read_json(tmp_path / "a.json") == content
    text = (tmp_path / "a.json").read_text(encoding="utf-8")
    assert "é" in text
    assert text.count("\n") == 9
    assert text.endswith("}\n")


def test_sha256(tmp_path):
    """The digest of FIPS 180-2's first example."""
    write_whole(tmp_path / "a", "abc")
    digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert sha256(tmp_path / "a") == digest
