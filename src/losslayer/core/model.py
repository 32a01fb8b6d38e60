"""The second concept: a model that owns its objective."""

import contextlib
import copy
import functools
import inspect
import typing

import keras
from keras import ops

from losslayer import backend
from losslayer.core import feed, fitting, graph
from losslayer.core.errors import (
    ArgumentTypeError,
    DataError,
    LosslayerError,
    ObjectiveError,
    refuse,
)
from losslayer.core.objective import Objective, Term, read_losses, read_metric
from losslayer.core.reach import unreached
from losslayer.core.reduction import ExactMean, at_least_float32, mean, total_and_weight


@keras.saving.register_keras_serializable(package="losslayer")
class Model(keras.Model):
    """A functional Keras model with named losses and metrics on any tensors of its graph.

    It holds two graphs over the same layers: the inference graph leads to `outputs`, the
    objective graph to all losses and metrics. `fit` and `evaluate` run the second, `predict`,
    `model(x)` and `export` the first; neither computes, or asks the data for, what only the other
    one needs. Weights that no loss reaches don't move.

    Every reported number is exact: the quotient of two sums over all elements that count, the
    same for any batch size. `loss` is the sum of the named losses times their weights, plus
    regularisers and what other layers `add_loss`.

    Args:
        inputs: What `keras.Input` returned: one tensor, a list, or a dict by name.
        outputs: Tensors of the graph, in any structure: what `predict` returns.
        labels: Inputs that only losses and metrics read. They come as `y`, or by name in `x`.
        name: Name of the model.

    Raises:
        ArgumentTypeError: `inputs` or `labels` are not what `keras.Input` returned.
        ObjectiveError: `outputs` need an input that is not in `inputs`.

    Example:

    >>> x = keras.Input((3,), name="x")
    >>> target = keras.Input((1,), name="target")
    >>> prediction = keras.layers.Dense(1, name="head")(x)
    >>> error = losslayer.losses.FromKeras(keras.losses.Huber())(target, prediction)
    >>> model = Model(inputs=x, outputs=prediction, labels=target)
    >>> model.add_loss(error, name="huber")
    >>> model.compile("adam")
    >>> history = model.fit(np.ones((4, 3)), np.zeros((4, 1)), verbose=0)
    >>> sorted(history.history)
    ['huber', 'loss']
    >>> model.predict(np.ones((2, 3)), verbose=0).shape
    (2, 1)
    """

    _objective: Objective = None  # type: ignore[assignment]  # read by properties that Keras asks for while it constructs the model
    _stage = None  # "fit" or "evaluate" while a step of these is running
    _excluded: frozenset = frozenset()  # ids of variables that this step must not touch

    def __init__(self, inputs, outputs, labels=None, *, name=None, **kwargs):
        # Inputs keep their own dtypes: Keras would cast float labels to half precision here.
        super().__init__(name=name, autocast=False, **kwargs)
        inputs = graph.flat_named(self, "inputs", inputs)
        labels = {} if labels is None else graph.flat_named(self, "labels", labels)
        if set(inputs) & set(labels):
            refuse(self, "labels", "not be inputs too", sorted(set(inputs) & set(labels)))
        flat = keras.tree.flatten(outputs)
        if not flat or not all(map(graph.is_symbolic, flat)):
            refuse(self, "outputs", "hold tensors of the graph", outputs, error=ArgumentTypeError)
        known = {id(t) for t in inputs.values()}
        foreign = [t.name for t in graph.needs(flat)[0] if id(t) not in known]
        if foreign:
            raise ObjectiveError(
                f"Model: `outputs` must need only the inputs {tuple(inputs)}. They also need "
                f"{tuple(foreign)}. Add these to inputs=."
            )
        self._objective = Objective(inputs, labels, flat)
        self._total = _TotalLoss(self._objective)
        # Ids of variables that no loss reaches; found in the first step.
        self._unreached: typing.Any = None
        self._graph_layers = []
        self._track_graph()
        needed = [inputs[n] for n in self._objective.needed("predict")]
        needed = needed[0] if len(needed) == 1 else needed
        # Held by the objective: as an attribute of ours Keras would save its layers twice.
        self._objective.inference = keras.Model(needed, outputs, name=f"{self.name}_inference")
        self.built = True

    # The objective

    def add_loss(self, loss, *, name=None, weight=1.0):
        """Train on `loss`, and report it under `name`.

        Args:
            loss: What a loss layer returned, the pair `(values, weights)`; or any tensor of the
                graph: a value per token or per example, whose exact mean is the loss, or a scalar
                (it counts once per row of its batch, as in Keras, and is not exact over batches
                that differ). A list adds each of its losses.
            name: Key in the logs; default: the name of the layer that made it.
            weight: Factor of this loss in the sum that is minimised. What is reported under
                `name` is without it.

        Raises:
            ArgumentTypeError: `loss` is no tensor of a graph, or `weight` no number.
            ObjectiveError: the name is taken, the tensor belongs to another graph, or the model
                has been compiled.
        """
        self._refuse_if_compiled("add_loss")
        self._add(read_losses(loss, name, weight))

    def add_metric(self, tensor_or_metric, *tensors, name=None, sample_weight=None, on="both"):
        """Report a number under `name`, without training on it.

        Args:
            tensor_or_metric: A tensor, or pair `(values, weights)`, whose exact mean is reported;
                or a `keras.metrics.Metric`.
            *tensors: What the metric's `update_state` takes, in its order; for one pair
                `(values, weights)` the weights become the metric's `sample_weight`.
            name: Key in the logs; default: the metric's name, or the producing layer's.
            sample_weight: Tensor of weights (a mask, say).
            on: "fit", "evaluate" or "both": an accuracy need not cost the logits in training.

        Raises:
            ArgumentError, ArgumentTypeError: an argument breaks its rule.
            ObjectiveError: as for `add_loss`.
        """
        self._refuse_if_compiled("add_metric")
        self._add([read_metric(tensor_or_metric, tensors, name, sample_weight, on)])

    def _add(self, terms: list[Term]):
        before = list(self._objective.terms)
        try:
            for term in terms:
                self._objective.add(term)
        except LosslayerError:
            self._objective.terms[:] = before  # all or none
            raise
        self._track_graph()

    def _refuse_if_compiled(self, method):
        if self.compiled:
            raise ObjectiveError(
                f"Model: `{method}` must come before compile(). To change the objective of a "
                "compiled model, build `Model(model.inputs, model.outputs, model.labels)` (it "
                "shares all weights), add to that one, and compile again."
            )

    def _track_graph(self):
        tracked = {id(layer) for layer in self._graph_layers}
        for layer in self._objective.layers():
            if id(layer) not in tracked:
                self._graph_layers.append(layer)
        self._trained_ids = None

    # What the graph consists of

    @property
    def inputs(self):
        """The input tensors, in order."""
        return list(self._objective.inputs.values())

    @property
    def labels(self):
        """The label tensors, in order."""
        return list(self._objective.labels.values())

    @property
    def outputs(self):
        """The output tensors, flat."""
        return list(self._objective.outputs)

    @property
    def output_names(self):
        """Names of the outputs' layers: the keys that `compile(loss={...})` takes."""
        return self.inference.output_names

    @property
    def inference(self):
        """The inference graph, a plain `keras.Model` that shares all weights."""
        return self._objective.inference

    @property
    def trainable_weights(self):
        """The weights on the way to a loss, unless their layers are frozen."""
        return self._trained(super().trainable_weights)

    @property
    def trainable_variables(self):
        """The variables on the way to a loss, unless their layers are frozen."""
        return self._trained(super().trainable_variables)

    @property
    def non_trainable_weights(self):
        """All other weights, those that no loss reaches too."""
        return _without(self.weights, self.trainable_weights)

    @property
    def non_trainable_variables(self):
        """All other variables, those that no loss reaches too."""
        return _without(self.variables, self.trainable_variables)

    def _trained(self, variables):
        if self._objective is None or not self._objective.has_loss:
            return variables
        if self._trained_ids is None:
            layers = self._objective.trained_layers()
            self._trained_ids = frozenset(id(v) for layer in layers for v in layer.variables)
        ids = self._trained_ids - self._excluded
        return [v for v in variables if id(v) in ids]

    # Compiling

    @functools.wraps(keras.Model.compile)
    def compile(self, *args, **kwargs):
        """As in Keras; `loss` and `metrics` work on the outputs, beside the named terms."""
        given = inspect.signature(keras.Model.compile).bind(self, *args, **kwargs).arguments
        names = ("loss", "metrics", "weighted_metrics")
        on_outputs = [n for n in names if given.get(n)]
        if on_outputs and self._objective.labels:
            raise ObjectiveError(
                f"Model: `{on_outputs[0]}` must be left out of compile() when the model has labels "
                f"{tuple(self._objective.labels)}: `y` feeds these. Use add_loss and add_metric."
            )
        self._objective.on_outputs = bool(on_outputs)
        self._objective.loss_on_outputs = given.get("loss") is not None
        self._jit_compile_given = given.get("jit_compile", "auto")
        self._unreached = None
        self._trained_ids = None
        # Keras keeps what an earlier compile() was given when this one gives nothing.
        self._compile_loss = self._compile_metrics = None
        super().compile(*args, **kwargs)

    def get_compile_config(self):
        """What `compile` was given, as plain data."""
        config = super().get_compile_config()
        if not config:
            return config
        # The file may be loaded on another backend. Keras stores what "auto" meant on this one.
        optimizer = _of_any_backend(config["optimizer"])
        return {**config, "optimizer": optimizer, "jit_compile": self._jit_compile_given}

    def compile_from_config(self, config):
        """Compile as a saved model was compiled."""
        self.compile(**keras.saving.deserialize_keras_object(config))
        if self.optimizer is not None:
            self.optimizer.build(self.trainable_variables)

    @property
    def metrics(self):
        """`loss`, the named losses, the named metrics, and what `compile` was given."""
        if self._objective is None or not self.compiled:
            return []
        own = [term.metric for term in self._objective.terms]
        # Keras's own "loss" weighs batches by their rows; ours stands in its place.
        keras_own = [m for m in super().metrics if m.name != "loss"]
        total = [self._total] if self._objective.has_loss else []
        return total + own + keras_own

    def get_metrics_result(self):
        """The current value of every metric of the running stage, by name."""
        idle = {t.name for t in self._objective.terms if self._stage not in t.stages}
        results: dict = {}
        for metric in self.metrics:
            if self._stage is None or metric.name not in idle:
                result = metric.result()
                result = result if isinstance(result, dict) else {metric.name: result}
                twice = set(results) & set(result)
                if twice:
                    raise ObjectiveError(
                        f"Model: `name` must differ from the metrics of compile(). Received: "
                        f"{tuple(twice)} twice. Give the named term another name."
                    )
                results.update(result)
        return results

    # Data

    @functools.wraps(keras.Model.fit)
    def fit(self, *args, **kwargs):
        """As in Keras; `y` only feeds `labels` (or what `compile` was given)."""
        given = self._bind(keras.Model.fit, args, kwargs)
        self._require_loss()
        stages = ["fit", "evaluate"] if given.get("validation_split") else ["fit"]
        feed.arrays(self._objective, stages, given)
        if given.get("validation_data") is not None:
            names = ("x", "y", "sample_weight")
            unpacked = keras.utils.unpack_x_y_sample_weight(given["validation_data"])
            validation = feed.arrays(self._objective, ["evaluate"], dict(zip(names, unpacked)))
            if feed.are_arrays(validation["x"]):
                given["validation_data"] = tuple(map(validation.get, names))
        with fitting.prepared(self, given) as given:
            return super().fit(**given)

    @functools.wraps(keras.Model.evaluate)
    def evaluate(self, *args, **kwargs):
        """As in Keras; `y` only feeds `labels` (or what `compile` was given)."""
        self._require_terms()
        given = self._bind(keras.Model.evaluate, args, kwargs)
        return super().evaluate(**feed.arrays(self._objective, ["evaluate"], given))

    @functools.wraps(keras.Model.predict)
    def predict(self, *args, **kwargs):
        """As in Keras; asks only for the inputs that the outputs need."""
        given = self._bind(keras.Model.predict, args, kwargs)
        return super().predict(**feed.arrays(self._objective, ["predict"], given))

    @functools.wraps(keras.Model.train_on_batch)
    def train_on_batch(self, *args, **kwargs):
        """As in Keras; `y` only feeds `labels` (or what `compile` was given)."""
        self._require_loss()
        given = self._bind(keras.Model.train_on_batch, args, kwargs)
        return super().train_on_batch(**feed.arrays(self._objective, ["fit"], given))

    @functools.wraps(keras.Model.test_on_batch)
    def test_on_batch(self, *args, **kwargs):
        """As in Keras; `y` only feeds `labels` (or what `compile` was given)."""
        self._require_terms()
        given = self._bind(keras.Model.test_on_batch, args, kwargs)
        return super().test_on_batch(**feed.arrays(self._objective, ["evaluate"], given))

    def predict_on_batch(self, x):
        """As in Keras; asks only for the inputs that the outputs need."""
        return super().predict_on_batch(feed.arrays(self._objective, ["predict"], {"x": x})["x"])

    def _bind(self, method, args, kwargs):
        given = dict(inspect.signature(method).bind(self, *args, **kwargs).arguments)
        given.pop("self", None)
        given.update(given.pop("kwargs", {}))
        return given

    def _require_terms(self):
        if not self._objective.needed("evaluate"):
            raise ObjectiveError(
                "Model: there must be a loss or metric to evaluate. Received: none. Call "
                "add_loss or add_metric before compile(), or compile(loss=..., metrics=...)."
            )

    def _require_loss(self):
        if not self._objective.has_loss:
            raise ObjectiveError(
                "Model: there must be a loss to train on. Received: none. Call "
                "add_loss(tensor, name=...) before compile(), or compile(loss=...)."
            )

    # Steps

    def call(self, inputs, training=None):
        """Run the inference graph; inside a training or evaluation step, the objective graph."""
        if self._stage is None:
            inputs = feed.inference_inputs(self._objective, inputs)
            return self.inference(inputs, training=training)
        functional, names = self._objective.graph(self._stage)
        try:
            return functional([inputs[n] for n in names], training=training)
        except LosslayerError:
            raise
        except (ValueError, TypeError, RuntimeError) as error:
            if "out of memory" in str(error).lower():
                raise
            shapes = ", ".join(f"{n} {tuple(inputs[n].shape)}" for n in names)
            raise DataError(f"Model: the graph refuses a batch of {shapes}: {error}") from error

    def train_step(self, *state_and_data):
        """One step of `fit`; JAX passes the state before the data."""
        *state, data = state_and_data
        with self._running("fit"):
            batch = feed.batch(self._objective, "fit", data)
            if self._unreached is None:
                self._unreached = unreached(self, self._objective, batch, *state)
            if not state:
                self._excluded = self._unreached
            result = super().train_step(*state, batch)
        # Weights that no loss reaches must not move. PyTorch and TensorFlow leave them out of the
        # step; JAX's state has all weights, so there they are given their old values again.
        return self._undo(result, *state) if state else result

    def test_step(self, *state_and_data):
        """One step of `evaluate`; JAX passes the state before the data."""
        *state, data = state_and_data
        with self._running("evaluate"):
            return super().test_step(*state, feed.batch(self._objective, "evaluate", data))

    def make_train_function(self, force=False):
        """As in Keras; a step that fails leaves the weights as they were."""
        self._make("train_function", super().make_train_function, force)

    def make_test_function(self, force=False):
        """As in Keras; a step that fails leaves the weights as they were."""
        self._make("test_function", super().make_test_function, force)

    def make_predict_function(self, force=False):
        """As in Keras; a step that fails leaves the weights as they were."""
        self._make("predict_function", super().make_predict_function, force)

    def _make(self, name, make, force):
        old = getattr(self, name)
        make(force)

        def state():
            """The variables in the order in which JAX passes them to this kind of step."""
            groups = [self.trainable_variables, self.non_trainable_variables]
            if name == "train_function":
                groups.append(self.optimizer.variables)
            return [*groups, self.metrics_variables]

        if getattr(self, name) is not old:
            setattr(self, name, backend.guarded(getattr(self, name), state, DataError))

    @contextlib.contextmanager
    def _running(self, stage):
        self._stage = stage
        try:
            yield
        finally:
            self._stage = None
            self._excluded = frozenset()

    def _undo(self, result, state):
        """Give variables that no loss reaches their old values: weight decay moved them."""
        logs, (trainable, *rest) = result
        pairs = zip(self.trainable_variables, state[0], trainable)
        kept = [old if id(v) in self._unreached else new for v, old, new in pairs]
        return logs, (kept, *rest)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """Sum of the named losses, regularisers and the rest; updates their metrics."""
        if self._stage is None:
            return super().compute_loss(x, y, y_pred, sample_weight, training)
        total, rest = 0.0, 0.0
        rows = ops.cast(ops.shape(keras.tree.flatten(x)[0])[0], "float32")
        running, outputs = self._objective.by_term(self._stage, y_pred)
        for term, tensors, weights in running:
            if term.is_mean:
                sums = self._sums(term, tensors[0], weights, sample_weight, rows)
                term.metric.add(*sums)
                if term.is_loss:
                    total = total + term.weight * mean(*sums)
        if self._objective.loss_on_outputs:
            rest = super().compute_loss(x, y, self._packed(outputs), sample_weight, training)
        else:
            for loss in self.losses:
                rest = rest + ops.sum(at_least_float32(loss))
        if self._objective.has_loss:
            self._total.add(rest * rows, rows)
        return total + at_least_float32(rest)

    def _sums(self, term, values, weights, sample_weight, rows):
        sample_weight = sample_weight if term.is_loss else None
        if len(values.shape) == 0 and sample_weight is not None:
            raise DataError(
                f"Model: `sample_weight` must meet losses with a value per row, but {term.label} "
                "is one number per batch. Weigh its elements inside the graph."
            )
        return total_and_weight(values, rows if term.is_scalar else weights, sample_weight)

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        """Update the metrics that are no means of their own tensors; return all results."""
        if self._stage is None:
            return super().compute_metrics(x, y, y_pred, sample_weight)
        running, outputs = self._objective.by_term(self._stage, y_pred)
        for term, tensors, weights in running:
            if not term.is_mean:
                weighed = {} if weights is None else {"sample_weight": weights}
                term.metric.update_state(*tensors, **weighed)
        outputs = self._packed(outputs) if self._objective.on_outputs else None
        return super().compute_metrics(x, y, outputs, sample_weight)

    def _packed(self, outputs):
        return keras.tree.pack_sequence_as(self.inference.output, outputs)

    # Files

    def get_config(self):
        """All of the graph, the objective too, as plain data."""
        tensors = self._objective.tensors()
        whole = graph.functional(tensors, self._objective.sources.values(), self.name)
        places = {id(t): number for number, t in enumerate(tensors)}
        numbers = [places[id(t)] for t in self.outputs]
        structure = keras.tree.pack_sequence_as(self.inference.output, numbers)
        return {
            "name": self.name,
            "dtype": self.dtype_policy.name,
            "graph": whole.get_config(),
            "inputs": len(self.inputs),
            "outputs": structure,
            "terms": [t.get_config(places) for t in self._objective.terms],
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        """A model from what `get_config` returned."""
        # A copy: Keras takes its configuration to pieces.
        graph_config = copy.deepcopy(config["graph"])
        whole = keras.Model.from_config(graph_config, custom_objects=custom_objects)
        inputs, labels = whole.inputs[: config["inputs"]], whole.inputs[config["inputs"] :]
        outputs = keras.tree.map_structure(lambda place: whole.outputs[place], config["outputs"])
        model = cls(inputs, outputs, labels or None, name=config["name"], dtype=config["dtype"])
        model._add([Term.from_config(c, whole.outputs) for c in config["terms"]])
        return model

    @functools.wraps(keras.Model.export)
    def export(self, *args, **kwargs):
        """Export the inference graph."""
        return self.inference.export(*args, **kwargs)

    @functools.wraps(keras.Model.summary)
    def summary(self, *args, **kwargs):
        """Print the layers, and then each loss and metric: what it needs, whether it is exact."""
        super().summary(*args, **kwargs)
        write = kwargs.get("print_fn") or print
        for line in self._objective.describe():
            write(line)


class _TotalLoss(ExactMean):
    """`loss`: the named losses times their weights, plus the mean over rows of all the rest."""

    def __init__(self, objective):
        super().__init__(name="loss")
        # In a function: Keras would count the named metrics' variables as ours.
        self._named = lambda: [t.weight * t.metric.result() for t in objective.losses]

    def result(self):
        return sum(self._named(), super().result())


def _of_any_backend(optimizer):
    """An optimizer's configuration without the class that Keras derives for one backend."""
    if not isinstance(optimizer, dict):
        return optimizer
    config = dict(optimizer["config"])
    if "inner_optimizer" in config:
        config["inner_optimizer"] = _of_any_backend(config["inner_optimizer"])
    if optimizer["module"].startswith("keras.src.backend."):
        public = {"module": "keras.optimizers", "registered_name": None}
        optimizer = {**optimizer, **public}
    return {**optimizer, "config": config}


def _without(variables, others):
    ids = {id(v) for v in others}
    return [v for v in variables if id(v) not in ids]
