"""The folder of a model: what isn't as it was written is refused by name."""

import dataclasses
import hashlib
import json
import shutil

import numpy as np
import pytest

from losslayer.faq import Settings
from losslayer.faq.model import build
from losslayer.saving import write_weights
from losslayer.text import Tokenizer
from losslayer_serve.errors import ArgumentError, FolderError
from losslayer_serve.folder import MANIFEST, new_model_folder, open_folder

SPEC = {"kind": "faq", "encoder": {"longest": 64}, "标题": ["é", 1, 0.5, None, True]}
FILES = {"weights.safetensors": b"\x00\x01" * 50, "tokenizer.json": b"{}", "notes.txt": b""}


def write(path, spec=SPEC, files=FILES):
    with new_model_folder(path, spec) as folder:
        for name, content in files.items():
            (folder / name).write_bytes(content)
    return path


@pytest.fixture
def folder(tmp_path):
    return write(tmp_path / "model")


def refused(folder, message, kind="faq"):
    """Assert that the folder is refused, by its name and with `message`."""
    with pytest.raises(FolderError, match=message) as caught:
        open_folder(folder, kind)
    assert str(folder) in str(caught.value)


def rewrite(folder, change):
    """Let `change` edit the content of the manifest, and write it as the library would."""
    content = json.loads((folder / MANIFEST).read_text())
    change(content)
    (folder / MANIFEST).write_text(json.dumps(content, indent=1) + "\n")


def test_what_was_written_is_opened(folder):
    """The spec comes back as it was, and the digests are those of the files."""
    opened = open_folder(str(folder), "faq")
    assert opened.spec == SPEC
    assert sorted(opened.digests) == sorted([*FILES, "spec.json"])
    for name, content in FILES.items():
        assert opened.file(name).read_bytes() == content
        assert opened.digests[name] == hashlib.sha256(content).hexdigest()
    with pytest.raises(FolderError, match=r"model: holds no a\.onnx\. Export it$"):
        opened.file("a.onnx", "Export it")


def test_an_earlier_model_is_replaced_and_nothing_else(folder, tmp_path):
    """A model gives way to a model; a folder with somebody's `manifest.json` is left alone."""
    write(folder, {"kind": "faq"}, {"other.txt": b"1"})
    assert sorted(open_folder(folder, "faq").digests) == ["other.txt", "spec.json"]
    (tmp_path / "page").mkdir()
    (tmp_path / "page" / "manifest.json").touch()
    with pytest.raises(FolderError, match="nothing was changed"):
        write(tmp_path / "page")


def test_a_flipped_bit_is_refused(tmp_path):
    """A model as it is trained: 100 bits flipped, one at a time, anywhere in its files."""
    settings = Settings()
    spec = {"kind": "faq", "encoder": dataclasses.asdict(settings)}
    folder = tmp_path / "model"
    with new_model_folder(folder, spec) as new:
        write_weights(new / "weights.safetensors", build(4000, settings).training)
        Tokenizer.train(["Where is my card?", "我的卡在哪里？"], 100).save(new / "tokenizer.json")
    generator = np.random.default_rng(0)
    names = sorted(path.name for path in folder.iterdir())
    assert names == sorted([MANIFEST, "spec.json", "tokenizer.json", "weights.safetensors"])
    # A quarter of them in each file: the weights would get all of them else.
    for name in generator.permuted(names * 25):
        whole = (folder / name).read_bytes()
        place, bit = generator.integers(len(whole)), generator.integers(8)
        flipped = bytearray(whole)
        flipped[place] ^= 1 << bit
        (folder / name).write_bytes(flipped)
        refused(folder, name if name != MANIFEST else "model")
        (folder / name).write_bytes(whole)
    assert open_folder(folder, "faq").spec == spec


def test_every_bit_of_the_manifest_counts(tmp_path):
    """The manifest, which no digest covers, has not one bit that could be another."""
    folder = write(tmp_path / "model", {"kind": "faq"}, {})
    whole = (folder / MANIFEST).read_bytes()
    for place in range(8 * len(whole)):
        flipped = bytearray(whole)
        flipped[place // 8] ^= 1 << place % 8
        (folder / MANIFEST).write_bytes(flipped)
        refused(folder, "model")


@pytest.mark.parametrize("name", [*FILES, "spec.json"])
def test_a_missing_file_is_refused(folder, name):
    """Whatever the file is."""
    (folder / name).unlink()
    refused(folder, f"{name}: is missing")


@pytest.mark.parametrize(("content", "size"), [(b"\x00\x01" * 49, 98), (b"\x00\x01" * 51, 102)])
def test_another_size_is_refused(folder, content, size):
    """A file that was cut off, or written to."""
    (folder / "weights.safetensors").write_bytes(content)
    refused(folder, f"weights.safetensors: has {size} bytes, must have 100")


def test_an_added_file_is_refused(folder):
    """What nobody listed might be read by somebody; hidden files and folders too."""
    (folder / "added.txt").touch()
    refused(folder, f"added.txt: isn't listed in {MANIFEST}")
    (folder / "added.txt").unlink()
    (folder / ".hidden").touch()
    refused(folder, "'.hidden' must be of letters")
    (folder / ".hidden").unlink()
    (folder / "sub").mkdir()
    refused(folder, "'sub' must be a plain file")


@pytest.mark.parametrize("name", ["weights.safetensors", MANIFEST])
def test_a_link_is_refused(folder, tmp_path, name):
    """Even to a file with the right content: it lies outside."""
    shutil.move(folder / name, tmp_path / "elsewhere")
    (folder / name).symlink_to(tmp_path / "elsewhere")
    refused(folder, f"{name!r} must be a plain file, no link")


def test_the_folder_may_be_reached_by_a_link(folder, tmp_path):
    """A link to the whole, such as `latest`, is the user's own."""
    (tmp_path / "latest").symlink_to(folder)
    assert open_folder(tmp_path / "latest", "faq").spec == SPEC


@pytest.mark.parametrize("name", ["../outside", "/etc/hostname", "a/b", "..", "", "a\\b", "C:x"])
def test_a_name_that_leaves_the_folder_is_refused(folder, tmp_path, name):
    """By its name, and before any file is looked at."""
    (tmp_path / "outside").write_bytes(b"")
    digest = hashlib.sha256(b"").hexdigest()
    listed = {name: {"size": 0, "sha256": digest}}
    rewrite(folder, lambda content: content.update(files=listed))
    with pytest.raises(FolderError) as caught:
        open_folder(folder, "faq")
    assert f"{name!r} must be of letters" in str(caught.value)


def test_another_format_or_kind_is_refused(folder):
    """A later version's folder, another application's, and what is no model."""
    refused(folder, "must hold a model of kind 'seq2seq', is of 'faq'", kind="seq2seq")
    rewrite(folder, lambda content: content.update(format=2, parts=[]))
    refused(folder, "is of format 2, this version of losslayer reads 1")
    (folder / MANIFEST).unlink()
    refused(folder, "no model is saved there")
    refused(folder / "nowhere", "no model is saved there")


@pytest.mark.parametrize("change", ["{", "[]", "{}", '{"format": "1"}', "[" * 100_000])
def test_a_manifest_of_another_form_is_refused(folder, change):
    """No JSON, or another than ours."""
    (folder / MANIFEST).write_text(change)
    refused(folder, "is no JSON|was changed")


@pytest.mark.parametrize("more", ['"by": "", "format"', '"format": 1, "format"'])
def test_a_manifest_says_nothing_more(folder, more):
    """Another key, or one twice, of which a reader may take either."""
    text = (folder / MANIFEST).read_text()
    (folder / MANIFEST).write_text(text.replace('"format"', more))
    refused(folder, "it isn't written as losslayer writes it")


@pytest.mark.parametrize(
    "listed", [None, {}, {"size": "1", "sha256": "0" * 64}, {"size": True, "sha256": "0" * 64}]
)
def test_a_manifest_lists_size_and_digest(folder, listed):
    """Of each file, as we write them."""
    rewrite(folder, lambda content: content["files"].update({"notes.txt": listed}))
    refused(folder, "gives no size and SHA-256 of notes.txt")


def test_a_huge_manifest_is_not_read(folder):
    """Its size is looked at first."""
    with (folder / MANIFEST).open("r+b") as file:
        file.truncate(10**12)
    refused(folder, "at most 1000000 bytes")


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"kind": "faq", "a": NaN}', b'{"kind": ["faq"]}']
)
def test_a_spec_of_another_form_is_refused(folder, content):
    """A manifest that fits doesn't make it one."""
    (folder / "spec.json").write_bytes(content)
    listed = {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    rewrite(folder, lambda manifest: manifest["files"].update({"spec.json": listed}))
    refused(folder, "is no JSON|must hold a model of kind 'faq'")


@pytest.mark.parametrize(
    "spec", [{}, [], {"kind": 1}, {"kind": "faq", 1: 2}, {"kind": "faq", "a": float("nan")}]
)
def test_only_plain_data_is_written(tmp_path, spec):
    """What would come back as something else is refused, and nothing is written."""
    with pytest.raises(ArgumentError, match="`spec` must be a dict of plain data"):
        write(tmp_path / "model", spec)
    assert not any(tmp_path.iterdir())
