"""The objective of a model: named losses and metrics over tensors of its graph."""

from dataclasses import dataclass, field

import keras
from keras import ops

from losslayer.core import check, graph
from losslayer.core.errors import ArgumentTypeError, ObjectiveError, refuse
from losslayer.core.reduction import ExactMean, mean
from losslayer.core.weighting import Weighting, as_weighting

STAGES = ("fit", "evaluate")


@dataclass
class Term:
    """A named loss or metric: the tensors that it reads and the metric that reports it."""

    name: str
    tensors: list  # what the metric takes; of an own mean the values alone
    metric: keras.metrics.Metric
    stages: tuple = STAGES
    weight: Weighting | None = None  # of a loss; None for a metric
    sample_weight: object = None  # the tensor of weights, if there is one

    @property
    def is_loss(self):
        """Whether the term is trained on."""
        return self.weight is not None

    @property
    def is_mean(self):
        """Whether the term reports the exact mean of its own tensors."""
        return isinstance(self.metric, _OwnMean)

    @property
    def is_scalar(self):
        """Whether the values have lost their weights: one number per batch."""
        return len(self.tensors) == 1 and not self.tensors[0].shape and self.sample_weight is None

    @property
    def weight_name(self):
        """The key in the logs under which `fit` reports the weight of a loss."""
        return f"{self.name}_weight"

    @property
    def log_names(self):
        """The keys in the logs that are this term's."""
        return (self.name, self.weight_name) if self.is_loss else (self.name,)

    @property
    def exactness(self):
        """Whether the number is independent of how the data are cut into batches, in words."""
        if self.is_scalar and isinstance(self.metric, ExactMean):
            weighed = "weighed by rows" if self.is_mean else "all batches alike"
            return f"inexact: one number per batch, {weighed}"
        if any(getattr(graph.producer(t), "couples_examples", False) for t in self.tensors):
            return "exact for each batch: examples that share one depend on each other"
        return "exact" if isinstance(self.metric, ExactMean) else "counted as its metric does"

    @property
    def label(self):
        """How messages call it."""
        return f"{'loss' if self.is_loss else 'metric'} '{self.name}'"

    def all_tensors(self):
        """The tensors and the sample weight, if there is one."""
        return [*self.tensors, *([] if self.sample_weight is None else [self.sample_weight])]

    def get_config(self, places):
        """The term as plain data; `places` are the numbers of the graph's outputs by their ids."""
        metric = None if self.is_mean else keras.saving.serialize_keras_object(self.metric)
        return {
            "name": self.name,
            "tensors": [places[id(t)] for t in self.tensors],
            "sample_weight": places.get(id(self.sample_weight)),
            "metric": metric,
            "stages": list(self.stages),
            "weight": keras.saving.serialize_keras_object(self.weight),
        }

    @classmethod
    def from_config(cls, config, tensors):
        """The term over `tensors`, all outputs of the graph, that `get_config` described."""
        name, weights = config["name"], config["sample_weight"]
        weight = keras.saving.deserialize_keras_object(config["weight"])
        metric = keras.saving.deserialize_keras_object(config["metric"])
        if metric is None:
            metric = _OwnMean(name) if weight is None else _LossMean(name)
        return cls(
            name=name,
            tensors=[tensors[place] for place in config["tensors"]],
            metric=metric,
            stages=tuple(config["stages"]),
            weight=weight,
            sample_weight=None if weights is None else tensors[weights],
        )


class _OwnMean(ExactMean):
    """The mean that a term reports of itself, as opposed to a metric that the user made."""


class _LossMean(_OwnMean):
    """The mean of a loss, and what it adds to `loss` with a weight that may change at each step.

    share = sum(factor * weights * values) / sum(weights)
    """

    def __init__(self, name):
        super().__init__(name=name)
        self.weighted = self.add_variable((), initializer="zeros", name="weighted")
        self.weighted_rest = self.add_variable((), initializer="zeros", name="weighted_rest")
        first = "only_first_replica"  # all have the same
        self.factor = self.add_variable((), initializer="zeros", aggregation=first, name="factor")

    def add_weighted(self, total, weight, factor):
        """Add a weighted sum and its weight; in this step the loss counts `factor` times."""
        self.add(total, weight)
        self._add(self.weighted, self.weighted_rest, factor * total)
        self.factor.assign(ops.stop_gradient(factor))

    def share(self):
        """What the loss has added to `loss` so far."""
        return mean(self.weighted + self.weighted_rest, self.weight + self.weight_rest)


@dataclass
class Objective:
    """All terms of a model, and the graphs that compute them.

    Attributes:
        inputs: Input tensors by name, in order.
        labels: Label tensors by name, in order.
        outputs: The output tensors of the inference graph, flat.
        terms: Losses and metrics in the order in which they were added.
        inference: The plain functional model that leads to the outputs.
        on_outputs: Whether `compile` was given a loss or metrics for the outputs.
        loss_on_outputs: Whether it was given a loss.
    """

    inputs: dict
    labels: dict
    outputs: list
    terms: list = field(default_factory=list)
    inference: keras.Model = None
    on_outputs: bool = False
    loss_on_outputs: bool = False
    _found: dict = field(default_factory=dict)

    @property
    def losses(self):
        """The terms that are trained on."""
        return [t for t in self.terms if t.is_loss]

    @property
    def has_loss(self):
        """Whether there is anything to train on."""
        return bool(self.losses) or self.loss_on_outputs

    @property
    def sources(self):
        """Inputs and labels by name."""
        return {**self.inputs, **self.labels}

    def add(self, term):
        """Add a term whose tensors have been checked."""
        taken = ("loss", *(name for t in self.terms for name in t.log_names))
        twice = [name for name in term.log_names if name in taken]
        if twice:
            rule = f"differ from the names in use, {taken}"
            advice = f"It would report '{twice[0]}' a second time. Give another with name=...."
            refuse("Model", "name", rule, term.name, advice, ObjectiveError)
        known = {id(t) for t in self.sources.values()}
        for tensor in term.all_tensors():
            foreign = [t.name for t in graph.needs([tensor])[0] if id(t) not in known]
            if foreign:
                raise ObjectiveError(
                    f"Model: the {term.label} must read tensors of this model's graph. Received: "
                    f"tensor '{tensor.name}', which needs the inputs {tuple(foreign)}; the model "
                    f"has the inputs {tuple(self.inputs)} and labels {tuple(self.labels)}. Add "
                    "what is missing to inputs= or labels=."
                )
        if any(t.metric is term.metric for t in self.terms):
            advice = "Create another one."
            refuse("Model.add_metric", "metric", "be used once", term.metric, advice)
        if any(t.weight is term.weight for t in self.losses):
            advice = "Create another one: each loss has a weight of its own."
            refuse("Model.add_loss", "weight", "be used once", term.weight, advice)
        term.metric.name = term.name
        self.terms.append(term)
        self._found.clear()

    def tensors(self):
        """All outputs, and all tensors that terms read, each once."""
        read = [t for term in self.terms for t in term.all_tensors()]
        return _once(self.outputs + read)

    def layers(self):
        """All layers that outputs, losses and metrics need, in a fixed order; then weightings."""
        return graph.needs(self.tensors())[1] + [t.weight for t in self.losses]

    def trained_layers(self):
        """The layers on the way to a loss (or to outputs that have one too), and weightings."""
        tensors = [t for term in self.losses for t in term.all_tensors()]
        on_the_way = graph.needs(tensors + (self.outputs if self.loss_on_outputs else []))[1]
        return on_the_way + [t.weight for t in self.losses]

    def needed(self, stage):
        """Who needs which input in a stage: a dict from input name to the labels of terms."""
        key = ("needed", stage, self.on_outputs)
        if key not in self._found:  # asked for in every step of an engine that runs eagerly
            self._found[key] = self._find_needed(stage)
        return self._found[key]

    def _find_needed(self, stage):
        users = [(t.label, t.all_tensors()) for t in self.terms if stage in t.stages]
        if self.on_outputs or stage == "predict":
            users.append(("outputs", self.outputs))
        names = {id(t): n for n, t in self.sources.items()}
        needed: dict = {}
        for label, tensors in users:
            for tensor in graph.needs(tensors)[0]:
                needed.setdefault(names[id(tensor)], []).append(label)
        return {n: needed[n] for n in self.sources if n in needed}

    def graph(self, stage):
        """The functional model that computes all a stage needs, and its inputs' names."""
        key = ("graph", stage, self.on_outputs)
        if key not in self._found:
            names = list(self.needed(stage))
            inputs = [self.sources[n] for n in names]
            self._found[key] = graph.functional(self.read(stage), inputs, f"{stage}_graph"), names
        return self._found[key]

    def read(self, stage):
        """The tensors that a stage reads, each once: the outputs of its graph."""
        read = [t for term in self.terms if stage in term.stages for t in term.all_tensors()]
        return _once(read + (self.outputs if self.on_outputs else []))

    def describe(self):
        """Lines that say what is trained on and reported, for `summary`."""
        if not self.terms and not self.on_outputs:
            yield "Objective: none yet; add_loss(tensor, name=...) comes before compile()."
        width = max((len(t.name) for t in self.terms), default=0)
        names = {id(t): n for n, t in self.sources.items()}
        for term in self.terms:
            stages = ", ".join(term.stages)
            kind = f"loss x {term.weight.describe()}" if term.is_loss else f"metric ({stages})"
            needs = [names[id(t)] for t in graph.needs(term.all_tensors())[0]]
            yield f"{term.name:<{width}}  {kind}, needs {', '.join(needs)}; {term.exactness}"
        own = [layer.name for layer in graph.needs(self.outputs)[1] if _is_ours(layer)]
        if own:
            yield f"The outputs use losslayer's own layers, so loading them needs it: {own}"

    def by_term(self, stage, flat):
        """What `graph(stage)` returned, `flat`, by who reads it.

        Returns:
            A list of `(term, tensors, weights)`, weights None where there are none; and the
            outputs, when `compile` was given something for them.
        """
        flat = flat if isinstance(flat, (list, tuple)) else [flat]
        found = {id(t): value for t, value in zip(self.read(stage), flat)}
        running = [
            (t, [found[id(x)] for x in t.tensors], found.get(id(t.sample_weight)))
            for t in self.terms
            if stage in t.stages
        ]
        return running, [found[id(t)] for t in self.outputs] if self.on_outputs else []


def read_losses(loss, name, weight):
    """The terms that `add_loss(loss, name=, weight=)` describes."""
    if isinstance(loss, list):
        names = name if isinstance(name, list) else [name] * len(loss)
        weights = weight if isinstance(weight, list) else [weight] * len(loss)
        if not len(loss) == len(names) == len(weights):
            refuse("Model.add_loss", "name", f"be a list of {len(loss)}, as `loss` is", name)
        return [_own_mean(*args) for args in zip(loss, names, weights)]
    return [_own_mean(loss, name, weight)]


def _own_mean(loss, name, weight):
    owner = "Model.add_loss"
    values, weights = _values_and_weights(owner, loss)
    weight = as_weighting(weight)
    name = _name(owner, name, values)
    return Term(name, [values], _LossMean(name), weight=weight, sample_weight=weights)


def read_metric(metric, tensors, name, sample_weight, on):
    """The term that `add_metric(metric, *tensors, ...)` describes."""
    owner = "Model.add_metric"
    check.choice(owner, "on", on, ("both", *STAGES))
    stages = STAGES if on == "both" else (on,)
    if sample_weight is not None and not graph.is_symbolic(sample_weight):
        rule = "be a tensor of the graph"
        refuse(owner, "sample_weight", rule, sample_weight, error=ArgumentTypeError)
    if not isinstance(metric, keras.metrics.Metric):
        if tensors:
            rule = "be a keras.metrics.Metric when tensors follow it"
            refuse(owner, "tensor_or_metric", rule, metric, error=ArgumentTypeError)
        tensors = (metric,)
    if len(tensors) == 1 and isinstance(tensors[0], tuple):
        if sample_weight is not None:
            refuse(owner, "sample_weight", "be left out for (values, weights)", sample_weight)
        values, sample_weight = _values_and_weights(owner, tensors[0])
        tensors = (values,)
    if not isinstance(metric, keras.metrics.Metric):
        values, _ = _values_and_weights(owner, tensors[0])
        name = _name(owner, name, values)
        return Term(name, [values], _OwnMean(name), stages, sample_weight=sample_weight)
    for tensor in tensors:
        if not graph.is_symbolic(tensor):
            rule = "be tensors of the graph, or one pair (values, weights)"
            refuse(owner, "tensors", rule, tensor, error=ArgumentTypeError)
    if not tensors:
        refuse(owner, "tensors", f"name what {type(metric).__name__} is computed from", tensors)
    name = metric.name if name is None else _checked_name(owner, name)
    return Term(name, list(tensors), metric, stages, sample_weight=sample_weight)


def _values_and_weights(owner, loss):
    """`loss` as a pair of symbolic tensors, the weights None where it has none."""
    tensors = list(loss) if isinstance(loss, tuple) else [loss]
    if len(tensors) not in (1, 2) or not all(map(graph.is_symbolic, tensors)):
        refuse(
            owner,
            "loss" if owner.endswith("loss") else "tensor_or_metric",
            "be a tensor of the graph, or the pair (values, weights) that a loss layer returns",
            loss,
            "Apply the loss layer to tensors that come from keras.Input first.",
            ArgumentTypeError,
        )
    return tensors[0], tensors[1] if len(tensors) == 2 else None


def _name(owner, name, tensor):
    return graph.producer(tensor).name if name is None else _checked_name(owner, name)


def _checked_name(owner, name):
    if not isinstance(name, str) or not name:
        refuse(owner, "name", "be a non-empty string", name)
    return name


def _once(tensors):
    return list({id(t): t for t in tensors}.values())


def _is_ours(layer):
    return type(layer).__module__.split(".")[0] == __name__.split(".")[0]


class TotalLoss(ExactMean):
    """`loss`: the named losses times their weights, plus the mean over rows of all the rest."""

    def __init__(self, objective):
        super().__init__(name="loss")
        # In a function: Keras would count the named metrics' variables as ours.
        self._named = lambda: [t.metric.share() for t in objective.losses]

    def result(self):
        """Their sum so far, a scalar."""
        return sum(self._named(), super().result())
