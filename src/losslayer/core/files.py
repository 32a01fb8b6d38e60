"""A model as plain data, and back."""

import copy

import keras

from losslayer.core import graph
from losslayer.core.objective import Term


def graph_and_terms(objective, name, structure):
    """All of the graph with the objective, as plain data; `structure` is that of the outputs."""
    tensors = objective.tensors()
    whole = graph.functional(tensors, objective.sources.values(), name)
    places = {id(t): number for number, t in enumerate(tensors)}
    numbers = [places[id(t)] for t in objective.outputs]
    return {
        "graph": whole.get_config(),
        "inputs": len(objective.inputs),
        "outputs": keras.tree.pack_sequence_as(structure, numbers),
        "terms": [t.get_config(places) for t in objective.terms],
    }


def rebuilt(config, custom_objects):
    """Inputs, outputs, labels and terms of what `graph_and_terms` returned."""
    # A copy: Keras takes its configuration to pieces.
    graph_config = copy.deepcopy(config["graph"])
    whole = keras.Model.from_config(graph_config, custom_objects=custom_objects)
    inputs, labels = whole.inputs[: config["inputs"]], whole.inputs[config["inputs"] :]
    outputs = keras.tree.map_structure(lambda place: whole.outputs[place], config["outputs"])
    terms = [Term.from_config(c, whole.outputs) for c in config["terms"]]
    return inputs, outputs, labels or None, terms


def optimizer_of_any_backend(optimizer):
    """An optimizer's configuration without the class that Keras derives for one backend."""
    if not isinstance(optimizer, dict):
        return optimizer
    config = dict(optimizer["config"])
    if "inner_optimizer" in config:
        config["inner_optimizer"] = optimizer_of_any_backend(config["inner_optimizer"])
    if optimizer["module"].startswith("keras.src.backend."):
        public = {"module": "keras.optimizers", "registered_name": None}
        optimizer = {**optimizer, **public}
    return {**optimizer, "config": config}
