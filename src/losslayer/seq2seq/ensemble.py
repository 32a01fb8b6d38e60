"""One model or several that speak together, and the token ids that they are given."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from losslayer import options
from losslayer.seq2seq.model import Models


def members(models: Models | Sequence[Models], owner: str) -> list[Models]:
    """One model or several as a list; of several the vocabularies must be the same."""
    found = [models] if isinstance(models, Models) else list(models)
    if not found:
        options.refuse(owner, "models", "hold a model", found)
    sizes = {(m.source_vocabulary, m.target_vocabulary) for m in found}
    if len(sizes) > 1:
        rule = "have the same vocabularies"
        options.refuse(owner, "models", rule, sorted(sizes))
    return found


def sync(models: Sequence[Models]) -> None:
    """Put the weights where they can be read: while JAX trains they are elsewhere."""
    if keras.backend.backend() == "jax":
        for model in models:
            model.training.jax_state_sync()


def mean_of_probabilities(log_p: list[Any]) -> Any:
    """The log of the mean of probabilities, given their logs."""
    if len(log_p) == 1:
        return log_p[0]
    return ops.logsumexp(ops.stack(log_p), axis=0) - float(np.log(len(log_p)))


def checked_ids(
    owner: str, name: str, sequences: Sequence[Sequence[int]], vocabulary: int, least: int = 1
) -> list[list[int]]:
    """Lists of ids that are in the vocabulary and no padding, none of them shorter than `least`."""
    found = []
    for number, sequence in enumerate(sequences):
        ids = np.asarray(sequence)
        if ids.ndim != 1 or len(ids) < least or (len(ids) and ids.dtype.kind not in "iu"):
            rule = "hold a list of token ids for each row" + (", none empty" if least else "")
            options.refuse(owner, f"{name}[{number}]", rule, sequence)
        if len(ids) and not 0 < ids.min() <= ids.max() < vocabulary:
            rule = f"hold ids from 1 to {vocabulary - 1}"
            options.refuse(owner, f"{name}[{number}]", rule, sequence)
        found.append(ids.tolist())
    return found
