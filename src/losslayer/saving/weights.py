"""The weights of a Keras model in a safetensors file, by name, for any engine."""

import re
from os import PathLike
from typing import Any

import keras
import numpy as np
import safetensors
import safetensors.numpy

import losslayer as ll


class WeightsError(ll.LosslayerError, ValueError):
    """A file of weights that can't be read or is another model's; the message says why."""


def weight_names(model: keras.Model) -> dict[str, Any]:
    """The weights of a model, each by a name that is the same in every process.

    A name is the variable's path, such as `lstm/lstm_cell/kernel`. Keras ends the names of layers
    with a number that depends on which layers the process made before (`lstm_7`); here they are
    numbered anew, within the model and in the order of its weights: `lstm`, `lstm_1`.
    """
    numbered: dict[str, str] = {}
    taken: dict[str, int] = {}
    names = {}
    for variable in model.weights:
        *layers, own = variable.path.split("/")
        path, name = "", ""
        for layer in layers:
            path = f"{path}{layer}/"
            if path not in numbered:
                plain = name + re.sub(r"_\d+$", "", layer)
                count = taken[plain] = taken.get(plain, -1) + 1
                numbered[path] = f"{plain}_{count}/" if count else f"{plain}/"
            name = numbered[path]
        if name + own in names:
            raise WeightsError(
                f"two weights of {model.name} are named {name + own}; give each layer another name"
            )
        names[name + own] = variable
    return names


def write_weights(path: str | PathLike[str], model: keras.Model) -> None:
    """Write the weights of a model; optimizer and random state are not among them."""
    # Contiguous: safetensors would write the memory of any other array as it lies.
    arrays = {
        name: np.ascontiguousarray(keras.ops.convert_to_numpy(variable))
        for name, variable in weight_names(model).items()
    }
    safetensors.numpy.save_file(arrays, path)


def read_weights(path: str | PathLike[str], model: keras.Model) -> None:
    """Put stored weights into a model that our own code has built.

    Names, shapes and types are all compared before the first weight changes.

    Args:
        path: What `write_weights` wrote, with any engine.
        model: A model of the same structure.

    Raises:
        WeightsError: If the file is damaged or doesn't fit the model; the weights are then as they
            were.
    """
    weights = weight_names(model)
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            stored = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except OSError as problem:
        raise WeightsError(f"{path}: can't be read ({problem})") from None
    except safetensors.SafetensorError as problem:
        raise WeightsError(f"{path}: is no safetensors file, or damaged ({problem})") from None
    missing, unknown = weights.keys() - stored.keys(), stored.keys() - weights.keys()
    if missing or unknown:
        raise WeightsError(
            f"{path}: isn't of this model; it lacks {_some(missing)}, "
            f"and has besides: {_some(unknown)}"
        )
    for name, variable in weights.items():
        expected = (tuple(variable.shape), keras.backend.standardize_dtype(variable.dtype))
        received = (stored[name].shape, str(stored[name].dtype))
        if received != expected:
            raise WeightsError(
                f"{path}: isn't of this model; {name} must be {expected[1]} {expected[0]}, "
                f"is {received[1]} {received[0]}"
            )
    for name, variable in weights.items():
        variable.assign(stored[name])


def _some(names: set[str]) -> str:
    """The first few names."""
    if not names:
        return "nothing"
    first = sorted(names)[:3]
    return ", ".join(first) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
