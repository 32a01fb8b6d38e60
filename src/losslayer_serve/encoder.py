"""Texts to unit vectors, by an exported encoder."""

from collections.abc import Sequence
from os import PathLike

import numpy as np
import onnxruntime

from losslayer_serve.errors import ArgumentError, FolderError
from losslayer_serve.folder import TOKENIZER, ModelFolder, fingerprint, open_folder
from losslayer_serve.saved import KIND
from losslayer_serve.tokenizer import Tokenizer
from losslayer_serve.vectors import unit_vectors


class Encoder:
    """Texts to unit vectors by ONNX Runtime, without Keras or an engine.

    Reads `tokenizer.json` and `<side>.onnx` of a model's folder, and from `spec.json`
    `encoder.longest`: the tokens of a text that are read, the rest is cut off. For answers it is
    `encoder.longest_answer`, if that is there.

    Args:
        path: The folder.
        side: Which of the encoders: `question` or `answer`.
        threads: Threads of ONNX Runtime for a call; 0 leaves it to ONNX Runtime.

    Attributes:
        fingerprint: SHA-256 of weights, tokeniser and `encoder` in the spec; both sides have the
            same.
        dim: Size of a vector.

    Raises:
        FolderError: If the folder isn't as it was written, or the encoder can't be used.
    """

    def __init__(self, path: str | PathLike[str], side: str = "question", threads: int = 0) -> None:
        folder = open_folder(path, KIND)
        self.fingerprint = fingerprint(folder)
        self._longest = _longest(folder, side)
        try:
            self._tokenizer = Tokenizer.load(folder.file(TOKENIZER))
        except FolderError:
            raise
        except Exception as problem:  # the library's errors have no class of their own
            raise FolderError(f"{folder.path / TOKENIZER}: can't be read ({problem})") from problem
        self._session = _session(folder, f"{side}.onnx", threads)
        self._input = self._session.get_inputs()[0].name
        self.dim: int = self._session.get_outputs()[0].shape[1]
        last = self._tokenizer.vocabulary_size - 1
        try:
            self._encode(np.full((1, 1), last, "int32"))
        except Exception as problem:
            raise FolderError(
                f"{folder.path}: {side}.onnx can't read token {last} of {TOKENIZER} ({problem})"
            ) from problem

    def __call__(self, texts: Sequence[str]) -> np.ndarray:
        """The unit vectors of texts, float32 `(batch, dim)`, in their order.

        A text without any token is read as one unknown token.

        Raises:
            ArgumentError: If one is no text, or holds half a surrogate pair.
        """
        if isinstance(texts, str) or not all(_is_text(text) for text in texts):
            raise ArgumentError(
                "Encoder: `texts` must be a list of texts that UTF-8 can hold. "
                f"Received: texts={texts!r:.200}"
            )
        return unit_vectors(
            self._encode, self._tokenizer(texts), self.dim, self._longest, fill=False
        )

    def _encode(self, tokens: np.ndarray) -> np.ndarray:
        return self._session.run(None, {self._input: tokens})[0]


def _longest(folder: ModelFolder, side: str) -> int:
    encoder = folder.spec.get("encoder")
    encoder = encoder if isinstance(encoder, dict) else {}
    name = f"longest_{side}" if f"longest_{side}" in encoder else "longest"
    longest = encoder.get(name)
    if type(longest) is not int or longest < 1:
        raise FolderError(
            f"{folder.path / 'spec.json'}: `encoder.{name}` must be a positive integer, "
            f"is {longest!r:.80}"
        )
    return longest


def _session(folder: ModelFolder, name: str, threads: int) -> onnxruntime.InferenceSession:
    path = folder.file(name, f"Run: losslayer faq export --model {folder.path.parent}")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    try:
        session = onnxruntime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )
    except Exception as problem:  # of many classes, none of them public
        raise FolderError(f"{path}: can't be read ({problem})") from problem
    inputs, outputs = session.get_inputs(), session.get_outputs()
    if (
        len(inputs) != 1
        or len(outputs) != 1
        or (inputs[0].type, outputs[0].type) != ("tensor(int32)", "tensor(float)")
        or [type(n) is int for n in (*inputs[0].shape, *outputs[0].shape)] != [False] * 3 + [True]
    ):
        raise FolderError(
            f"{path}: must turn int32 (batch, time) into float32 (batch, dim), any batch and time"
        )
    return session


def _is_text(text: object) -> bool:
    if not isinstance(text, str):
        return False
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
