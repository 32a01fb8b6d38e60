"""The second concept: a model that owns its objective."""

import contextlib
import functools
import inspect
import typing

import keras
from keras import ops

from losslayer import backend
from losslayer.core import check as checks
from losslayer.core import devices, feed, files, fitting, graph, rows, steps
from losslayer.core.errors import (
    ArgumentTypeError,
    DataError,
    LosslayerError,
    ObjectiveError,
    refuse,
)
from losslayer.core.inspection import Inspection
from losslayer.core.objective import STAGES, Objective, Term, TotalLoss, read_losses, read_metric
from losslayer.core.reach import unreached
from losslayer.core.reduction import mean, sum_dtype, total_and_weight
from losslayer.core.slices import Slices
from losslayer.core.weighting import LossWeights, Weighting


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
    _inspection: typing.Any = None  # made by `compile`
    _loop: typing.Any = None  # "fit" or "evaluate" while one of these runs, between its steps too

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
        self._total = TotalLoss(self._objective)
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
                `name` is without it. A number, which `loss_weights` can change at any time; a
                `keras.optimizers.schedules.LearningRateSchedule` or another function from the
                training step (an int32 scalar that counts from 0) to a scalar, in `keras.ops`; or
                a `losslayer.weighting.Weighting`, such as `Uncertainty()`, which learns it. `fit`
                reports the one of the last step as "<name>_weight", unless it has always been 1.

        Raises:
            ArgumentTypeError: `loss` is no tensor of a graph.
            ArgumentError: `weight` is none of these, or the weighting of another loss.
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
    def layers(self):
        """The layers of the graph."""
        return [layer for layer in super().layers if not isinstance(layer, Weighting)]

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
        step = steps.running(self)
        ids = self._trained_ids - step.excluded if step else self._trained_ids
        return [v for v in variables if id(v) in ids]

    # The weights of the losses

    @property
    def loss_weights(self):
        """The weight of each loss in force, by name: a dict of numbers to read and to set.

        `model.loss_weights["nll"] = 0.3` takes effect at the next step; before `compile`, after
        it, or in a callback while `fit` runs. Nothing is compiled again, the optimizer goes on.

        Raises:
            UnknownNameError: there is no such loss.
            ArgumentError: what is set is no number.
            ObjectiveError: the weight is scheduled or learned, so it can't be set.
        """
        return LossWeights({t.name: t.weight for t in self._objective.losses}, self._sync)

    def _sync(self):
        """Put the values back into the variables: on JAX they are elsewhere while steps run."""
        if keras.backend.backend() == "jax":
            self.jax_state_sync()

    # Compiling

    @functools.wraps(keras.Model.compile)
    def compile(self, *args, microbatch_size=None, check="first", **kwargs):
        """As in Keras; `loss` and `metrics` work on the outputs, beside the named terms.

        Args:
            *args: As in Keras.
            microbatch_size: Most examples that run at a time through the layers in which examples
                don't meet (the encoders). These run again for the gradient, so only one slice's
                intermediate results are in memory. Losses and metrics see the whole batch: the
                gradient, and each number, is the whole batch's. Without it all run at once.
            check: Whether to look for ids outside of their table (tokens that an Embedding reads,
                labels of a loss) before they are used: "first", in the first batch of each `fit`
                and `evaluate`; True, in every batch; False, never.
            **kwargs: As in Keras.

        Raises:
            ArgumentError: `microbatch_size` is no whole number >= 1, or `check` something else.
            ObjectiveError: a layer before the losses couples the examples of a batch, such as
                BatchNormalization (found here, or in the first step); or there are both labels
                and a loss or metric for the outputs.
        """
        if microbatch_size is not None:
            checks.whole(self, "microbatch_size", microbatch_size, at_least=1)
        checks.choice(self, "check", check, ("first", True, False))
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
        self._microbatch_size = microbatch_size
        self._slices = {}
        for stage in STAGES:
            read, names = self._objective.read(stage), self._objective.needed(stage)
            if read and (microbatch_size or self._replicas() > 1):
                inputs = {n: self._objective.sources[n] for n in names}
                self._slices[stage] = Slices(read, inputs, microbatch_size)
        self._inspection = Inspection(self._objective, self._slices, check)
        self._fillable = set()  # stages in which rows that were added to a batch count nowhere
        # Keras keeps what an earlier compile() was given when this one gives nothing.
        self._compile_loss = self._compile_metrics = None
        super().compile(*args, **kwargs)

    def _replicas(self):
        """How many replicas of a `tf.distribute` strategy will run each step."""
        strategy = getattr(self, "distribute_strategy", None)
        return 1 if strategy is None else strategy.num_replicas_in_sync

    def get_compile_config(self):
        """What `compile` was given, as plain data."""
        config = super().get_compile_config()
        if not config:
            return config
        # The file may be loaded on another backend. Keras stores what "auto" meant on this one.
        optimizer = files.optimizer_of_any_backend(config["optimizer"])
        return {
            **config,
            "optimizer": optimizer,
            "jit_compile": self._jit_compile_given,
            "microbatch_size": self._microbatch_size,
            "check": self._inspection.check,
        }

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
        results: dict = {}
        for result in self._reported():
            twice = set(results) & set(result)
            if twice:
                raise ObjectiveError(
                    f"Model: `name` must differ from the metrics of compile(). Received: "
                    f"{tuple(twice)} twice. Give the named term another name."
                )
            results.update(result)
        return results

    def _reported(self):
        """Dicts from name to value: for each metric, and for the weights of the losses."""
        stage = self._stage or self._loop
        idle = {t.name for t in self._objective.terms if stage not in t.stages}
        for metric in self.metrics:
            if stage is None or metric.name not in idle:
                result = metric.result()
                yield result if isinstance(result, dict) else {metric.name: result}
        for term in self._objective.losses:
            # A step gives all weights, so that one that is changed later appears in the logs
            # without another compilation; what nobody asked for is left out of what it gave.
            if self._stage == "fit" or (stage != "evaluate" and term.weight.is_logged):
                yield {term.weight_name: ops.copy(term.metric.factor)}

    # Data

    @functools.wraps(keras.Model.fit)
    def fit(self, *args, **kwargs):
        """As in Keras; `y` only feeds `labels` (or what `compile` was given)."""
        given = self._bind(keras.Model.fit, args, kwargs)
        self._require_loss()
        self._expect(*STAGES)
        stages = ["fit", "evaluate"] if given.get("validation_split") else ["fit"]
        feed.arrays(self._objective, stages, given)
        if given.get("validation_data") is not None:
            names = ("x", "y", "sample_weight")
            unpacked = keras.utils.unpack_x_y_sample_weight(given["validation_data"])
            validation = feed.arrays(self._objective, ["evaluate"], dict(zip(names, unpacked)))
            if feed.are_arrays(validation["x"]):
                given["validation_data"] = tuple(map(validation.get, names))
        devices.refuse_uneven(self._replicas(), given)
        with fitting.prepared(self, given) as given:
            given = devices.spread_fit(self._objective, given)
            with devices.own_shares(given), self._looping("fit"):
                return super().fit(**given)

    @functools.wraps(keras.Model.evaluate)
    def evaluate(self, *args, **kwargs):
        """As in Keras; `y` only feeds `labels` (or what `compile` was given)."""
        self._require_terms()
        given = self._bind(keras.Model.evaluate, args, kwargs)
        if not given.get("_use_cached_eval_dataset"):  # else `fit` validates
            self._expect("evaluate")
        feed.arrays(self._objective, ["evaluate"], given)
        given = devices.spread(self._objective, "evaluate", given)
        with devices.own_shares(given), self._looping("evaluate"):
            return super().evaluate(**given)

    @functools.wraps(keras.Model.predict)
    def predict(self, *args, **kwargs):
        """As in Keras; asks only for the inputs that the outputs need."""
        given = self._bind(keras.Model.predict, args, kwargs)
        feed.arrays(self._objective, ["predict"], given)
        return devices.predicted(super().predict, given)

    @functools.wraps(keras.Model.train_on_batch)
    def train_on_batch(self, *args, **kwargs):
        """As in Keras; `y` only feeds `labels` (or what `compile` was given)."""
        self._require_loss()
        given = self._bind(keras.Model.train_on_batch, args, kwargs)
        feed.arrays(self._objective, ["fit"], given)
        return super().train_on_batch(**devices.share(self._objective, "fit", given))

    @functools.wraps(keras.Model.test_on_batch)
    def test_on_batch(self, *args, **kwargs):
        """As in Keras; `y` only feeds `labels` (or what `compile` was given)."""
        self._require_terms()
        given = self._bind(keras.Model.test_on_batch, args, kwargs)
        feed.arrays(self._objective, ["evaluate"], given)
        return super().test_on_batch(**devices.share(self._objective, "evaluate", given))

    def predict_on_batch(self, x):
        """As in Keras; asks only for the inputs that the outputs need."""
        return super().predict_on_batch(feed.arrays(self._objective, ["predict"], {"x": x})["x"])

    def _bind(self, method, args, kwargs):
        given = dict(inspect.signature(method).bind(self, *args, **kwargs).arguments)
        given.pop("self", None)
        given.update(given.pop("kwargs", {}))
        return given

    def _expect(self, *stages):
        """New data for these; without `compile` there is none, and Keras will say so."""
        if self._inspection is not None:
            self._inspection.expect(*stages)

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
        with feed.shapes_named(inputs, names), rows.only(inputs.get(rows.NAME)):
            if self._slices:
                return self._slices[self._stage](inputs, training)
            return functional([inputs[n] for n in names], training=training)

    def train_step(self, *state_and_data):
        """One step of `fit`; JAX passes the state before the data."""
        *state, data = state_and_data
        with steps.run(self, "fit") as step:
            batch = self._batch("fit", data)
            if self._unreached is None:
                # All at once, or each weight before the cut would seem to reach each loss.
                slices, self._slices = self._slices, {}
                few = feed.first_rows(batch, self._microbatch_size)
                self._unreached = unreached(self, self._objective, few, *state)
                self._slices = slices
            if not state:
                step.excluded = self._unreached
            result = super().train_step(*state, batch)
        # Weights that no loss reaches must not move. PyTorch and TensorFlow leave them out of the
        # step; JAX's state has all weights, so there they are given their old values again.
        return steps.kept(self, self._unreached, result, *state) if state else result

    def test_step(self, *state_and_data):
        """One step of `evaluate`; JAX passes the state before the data."""
        *state, data = state_and_data
        with steps.run(self, "evaluate"):
            return super().test_step(*state, self._batch("evaluate", data))

    def _batch(self, stage, data):
        batch = feed.batch(self._objective, stage, data)
        if rows.NAME in batch[0] and stage not in self._fillable:
            devices.refuse_added(self._objective, stage)
            self._fillable.add(stage)
        return batch

    def make_train_function(self, force=False):
        """As in Keras; a step that fails leaves the weights as they were."""
        steps.make(self, "train_function", super().make_train_function, force)

    def make_test_function(self, force=False):
        """As in Keras; a step that fails leaves the weights as they were."""
        steps.make(self, "test_function", super().make_test_function, force)

    def make_predict_function(self, force=False):
        """As in Keras; a step that fails leaves the weights as they were."""
        steps.make(self, "predict_function", super().make_predict_function, force)

    @contextlib.contextmanager
    def _looping(self, stage):
        before, self._loop = self._loop, stage
        try:
            yield
        finally:
            self._loop = before

    @property
    def _stage(self):
        """While a step is running "fit" or "evaluate", else None."""
        step = steps.running(self)
        return step and step.stage

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """Sum of the named losses, regularisers and the rest; updates their metrics."""
        if self._stage is None:
            return super().compute_loss(x, y, y_pred, sample_weight, training)
        total, rest = 0.0, 0.0
        count = ops.cast(rows.count(x), sum_dtype())
        running, outputs = self._objective.by_term(self._stage, y_pred)
        for term, tensors, weights in running:
            if term.is_mean:
                sums = self._sums(term, tensors[0], weights, sample_weight, x)
                if term.is_loss:
                    fits = self._stage == "fit"
                    factor = term.weight.advance() if fits else term.weight.current()
                    term.metric.add_weighted(*sums, factor)
                    total = total + factor * mean(sums[0], backend.summed(sums[1]))
                else:
                    term.metric.add(*sums)
        if self._objective.loss_on_outputs:
            rest = super().compute_loss(x, y, self._packed(outputs), sample_weight, training)
        else:
            for loss in self.losses:
                rest = rest + ops.sum(ops.cast(loss, sum_dtype())) / backend.replicas()
        if self._objective.has_loss:
            self._total.add(rest * backend.replicas() * count, count)
        return total + ops.cast(rest, sum_dtype())

    def _sums(self, term, values, weights, sample_weight, x):
        sample_weight = sample_weight if term.is_loss else None
        if len(values.shape) == 0 and sample_weight is not None:
            raise DataError(
                f"Model: `sample_weight` must meet losses with a value per row, but {term.label} "
                "is one number per batch. Weigh its elements inside the graph."
            )
        if term.is_scalar:
            return total_and_weight(values, rows.count(x))
        return total_and_weight(values, weights, rows.weigh(sample_weight, values, x))

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        """Update the metrics that are no means of their own tensors; return all results."""
        if self._stage is None:
            return super().compute_metrics(x, y, y_pred, sample_weight)
        running, outputs = self._objective.by_term(self._stage, y_pred)
        for term, tensors, weights in running:
            if not term.is_mean:
                weights = rows.weigh(weights, tensors[0], x)
                weighed = {} if weights is None else {"sample_weight": weights}
                term.metric.update_state(*tensors, **weighed)
        outputs = self._packed(outputs) if self._objective.on_outputs else None
        return super().compute_metrics(x, y, outputs, sample_weight)

    def _packed(self, outputs):
        return keras.tree.pack_sequence_as(self.inference.output, outputs)

    # Files

    def get_config(self):
        """All of the graph, the objective too, as plain data."""
        own = {"name": self.name, "dtype": self.dtype_policy.name}
        return own | files.graph_and_terms(self._objective, self.name, self.inference.output)

    @classmethod
    def from_config(cls, config, custom_objects=None):
        """A model from what `get_config` returned."""
        *tensors, terms = files.rebuilt(config, custom_objects)
        model = cls(*tensors, name=config["name"], dtype=config["dtype"])
        model._add(terms)
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
        self._sync()
        for line in self._objective.describe():
            write(line)


def _without(variables, others):
    ids = {id(v) for v in others}
    return [v for v in variables if id(v) not in ids]
