"""An exported model, run by ONNX Runtime: what needs neither Keras nor an engine of it."""

from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from losslayer.saving import ExportError, session
from losslayer.seq2seq.decoding.batches import batches
from losslayer.seq2seq.symbols import BEGIN, END
from losslayer_serve.errors import FolderError

SCORER, ENCODER, DECODER = PARTS = ("scorer", "encoder", "decoder")
FILES = tuple(f"{part}.onnx" for part in PARTS)


class Exported:
    """The three files that `losslayer seq2seq export` writes.

    - `scorer.onnx`: `source` and `target`, from begin to end, to `log_probability`, that of each
      token of the target after its begin;
    - `encoder.onnx`: `source` to the memory, tensors of several names;
    - `decoder.onnx`: `prefix`, the beginning of a target from begin on, and the memory, to
      `logits`, of the token that comes next.

    Args:
        path: The folder that holds them.

    Raises:
        FolderError: If one is missing.
        losslayer.saving.ExportError: In use, if one can't be read or run.
    """

    def __init__(self, path: str | PathLike[str]) -> None:
        self.path = Path(path)
        self._sessions: dict[str, Any] = {}
        for name in FILES:
            if not (self.path / name).is_file():
                raise FolderError(f"{self.path}: holds no {name}. Run: losslayer seq2seq export")

    def __call__(
        self, sources: Sequence[Sequence[int]], targets: Sequence[Sequence[int]]
    ) -> np.ndarray:
        """The log-probability of each target, its end included: as `Scorer`.

        Args:
            sources: Token ids of each, without padding.
            targets: The same, without begin and end.

        Returns:
            Float64, `(rows,)`.
        """
        targets = [[BEGIN, *ids, END] for ids in targets]
        found = np.zeros(len(sources))
        for batch in batches([max(len(s), len(t)) for s, t in zip(sources, targets)], 64):
            scores = self.token_scores(batch.padded(sources), batch.padded(targets))
            found[batch.rows] = scores[: len(batch.rows)].sum(axis=1, dtype="float64")
        return found

    def token_scores(self, source: np.ndarray, target: np.ndarray) -> np.ndarray:
        """The log-probability of each token after the first, `(batch, time - 1)`; 0 at padding."""
        return self._run(SCORER, {"source": source, "target": target})["log_probability"]

    def memory(self, source: np.ndarray) -> dict[str, np.ndarray]:
        """What the decoder reads of sources."""
        return self._run(ENCODER, {"source": source})

    def logits(self, prefix: np.ndarray, memory: dict[str, np.ndarray]) -> np.ndarray:
        """Those of the token after each prefix, `(batch, vocab)`."""
        return self._run(DECODER, {"prefix": prefix, **memory})["logits"]

    def _run(self, part: str, given: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        path = self.path / f"{part}.onnx"
        if part not in self._sessions:
            self._sessions[part] = session(path)
        run = self._sessions[part]
        names = [output.name for output in run.get_outputs()]
        try:
            return dict(zip(names, run.run(names, given)))
        except Exception as problem:  # ONNX Runtime's errors have no public class
            raise ExportError(f"{path}: can't be run by ONNX Runtime ({problem})") from problem
