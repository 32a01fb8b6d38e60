"""The folder of a saved matcher: its parts, and what answers questions with them.

model/    a `losslayer_serve.folder`: weights, tokeniser, encoders as ONNX
index/    a `losslayer_serve.index`: the entries and their vectors
"""

from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from losslayer_serve.folder import MANIFEST

if TYPE_CHECKING:
    from losslayer_serve.searcher import Searcher

# Where the commands look for one, unless they are told.
DEFAULT = Path("runs/faq")
KIND = "faq"
MODEL, INDEX = "model", "index"
PARTS = (MODEL, INDEX)
# By this file a folder is known as a matcher.
MARKER = f"{MODEL}/{MANIFEST}"


def open_searcher(path: str | PathLike[str] = DEFAULT) -> "Searcher":
    """What answers questions with the matcher that is saved at `path`, without Keras.

    Raises:
        FolderError: If no matcher is saved there, it isn't as it was written, or `export` has not
            added its encoders.
        losslayer_serve.index.SearchIndexError: If its index is damaged, or another model's.
    """
    from losslayer_serve.encoder import Encoder  # needs what only `losslayer[serve]` installs
    from losslayer_serve.index import Index
    from losslayer_serve.new_folder import put_back
    from losslayer_serve.searcher import Searcher

    put_back(path)
    # Several threads would wait for each other's part of a short text by running in circles, on the
    # cores that the rest of a service needs.
    encoder = Encoder(Path(path) / MODEL, threads=1)
    return Searcher(encoder, Index.open(Path(path) / INDEX, encoder.fingerprint))


def watched(path: str | PathLike[str] = DEFAULT) -> Path:
    """The file of a saved matcher that is written last when its index changes."""
    from losslayer_serve.index.generations import ROOT

    return Path(path) / INDEX / ROOT
