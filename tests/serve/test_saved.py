"""A saved matcher as the service opens it."""

import numpy as np
import pytest

from losslayer_serve.encoder import Encoder
from losslayer_serve.errors import FolderError
from losslayer_serve.folder import new_model_folder
from losslayer_serve.index import Entry, Index
from losslayer_serve.saved import INDEX, KIND, MODEL, open_searcher, watched
from losslayer_serve.tokenizer import Tokenizer
from tests.serve.test_encoder import sum_of_embeddings


def save(path):
    """A matcher with one entry, whose encoders add up random embeddings."""
    tokenizer = Tokenizer.train(["Where is my card?", "Where is my phone?"] * 2, 60)
    table = np.random.default_rng(0).normal(size=(tokenizer.vocabulary_size, 8)).astype("float32")
    table[0] = 0
    with new_model_folder(path / MODEL, {"kind": KIND, "encoder": {"longest": 20}}) as folder:
        tokenizer.save(folder / "tokenizer.json")
        for side in ("question", "answer"):
            (folder / f"{side}.onnx").write_bytes(sum_of_embeddings(table).SerializeToString())
    encoder = Encoder(path / MODEL)
    entry = Entry("card", "Where is my card?", "In your hand.")
    Index.create(path / INDEX, encoder.fingerprint, [entry], encoder([entry.encoded]))


def test_a_saved_matcher_answers(tmp_path):
    """Model and index from their places; the file to watch is there."""
    save(tmp_path / "m")
    [[hit]] = open_searcher(tmp_path / "m").ask(["where is my CARD?"], 3)
    assert (hit.id, hit.answer) == ("card", "In your hand.")
    assert hit.score == pytest.approx(1, abs=1e-5)
    assert watched(tmp_path / "m").is_file()


@pytest.mark.parametrize("part", [".", MODEL])
def test_what_a_killed_writer_set_aside_is_found(tmp_path, part):
    """The whole folder, or the model in it."""
    save(tmp_path / "m")
    place = tmp_path / "m" / part
    place.rename(place.with_name(f".{place.name}.old"))
    assert len(open_searcher(tmp_path / "m")) == 1
    assert place.is_dir()


def test_where_nothing_is_saved(tmp_path):
    """It is said, and nothing is made there."""
    with pytest.raises(FolderError, match="no model is saved there"):
        open_searcher(tmp_path / "m")
    assert not list(tmp_path.iterdir())
