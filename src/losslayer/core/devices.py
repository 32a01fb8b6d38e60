"""Several devices: equal shares of each batch, so that the numbers are those of one device.

JAX computes on the whole batch, wherever its rows lie, so a gradient over several devices is that
of one. What is left to do is done here: each device must get as many rows, so rows are added that
count nowhere (`losslayer.core.rows`); and each process must give its own share of the same batch.
"""

import contextlib
import inspect
import random
import types
import zlib

import keras
import numpy as np

from losslayer import backend
from losslayer.core import batches, feed, graph, rows
from losslayer.core.errors import DataError, ObjectiveError, refuse
from losslayer.core.layer import LossLayer
from losslayer.core.slices import COUPLING


def distribution():
    """The `keras.distribution` in force on JAX, None elsewhere: the others have their own ways."""
    return keras.distribution.distribution() if keras.backend.backend() == "jax" else None


def refuse_uneven(replicas, given):
    """Raise where several processes or replicas would not train on one gradient.

    Args:
        replicas: Of a `tf.distribute` strategy, 1 elsewhere.
        given: A dict with the arguments of `fit`.
    """
    processes = backend.lonely_processes()
    if processes > 1:
        raise ObjectiveError(
            f"Model.fit: on PyTorch there must be one process. Received: {processes}, each of "
            "which would train on a gradient of its own, since Keras exchanges none there. Take "
            "JAX with keras.distribution for several devices; or start one process."
        )
    size = given.get("batch_size") or 32
    if feed.are_arrays(given.get("x")) and size % replicas:
        rule = f"be a multiple of the number of replicas, {replicas} (only the last may be short)"
        refuse("Model.fit", "batch_size", rule, size)


def spread(objective, stage, given):
    """The data among the arguments of `fit` or `evaluate` so that all devices get equal shares.

    Arrays, a `PyDataset` and generators are spread; other sources stay as they are, and their
    batches must divide.

    Args:
        objective: The model's objective.
        stage: "fit" or "evaluate".
        given: A dict with the arguments.

    Returns:
        The arguments with other data.
    """
    x = given.get("x")
    if distribution() is None or isinstance(x, Shares):
        return given
    given = dict(given)
    if feed.are_arrays(x):
        arrays = [given.pop(n, None) for n in ("y", "sample_weight")]
        shuffle = given.pop("shuffle", True) if stage == "fit" else False
        size = given.pop("batch_size", None) or 32
        seed = _seed()
        x = batches.ArrayBatches(x, *arrays, batch_size=size, shuffle=shuffle, seed=seed)
    elif isinstance(x, keras.utils.PyDataset):
        if not isinstance(x, batches.Batches) and given.get("shuffle", True) and stage == "fit":
            seed = _seed()
            x = batches.DatasetBatches(x, seed=seed)
    elif hasattr(x, "__next__"):
        return {**given, "x": _stream(x, Share(objective, stage))}
    else:
        return given
    if stage == "fit":
        given["shuffle"] = False
    return {**given, "x": Shares(x, Share(objective, stage))}


def _seed():
    """A random seed that all processes share."""
    return int(backend.gathered([random.randrange(2**31)])[0, 0])


def spread_fit(objective, given):
    """As `spread`, with the validation data too."""
    if distribution() is None:
        return given
    given = dict(given)
    names = ("x", "y", "sample_weight")
    if given.get("validation_split") and given.get("validation_data") is None:
        parts = batches.split([given.get(n) for n in names], given.pop("validation_split"))
        given.update(zip(names, parts[0]))
        given["validation_data"] = tuple(parts[1])
    if given.get("validation_data") is not None:
        unpacked = keras.utils.unpack_x_y_sample_weight(given["validation_data"])
        size = given.get("validation_batch_size") or given.get("batch_size")
        held = {**dict(zip(names, unpacked)), "batch_size": size}
        given["validation_data"] = spread(objective, "evaluate", held)["x"]
    return spread(objective, "fit", given)


def share(objective, stage, given):
    """The one batch among the arguments of `train_on_batch` or `test_on_batch`, as its share."""
    if distribution() is None:
        return given
    names = ("x", "y", "sample_weight")
    packed = Share(objective, stage)(tuple(given.get(n) for n in names))
    return {**given, **dict(zip(names, keras.utils.unpack_x_y_sample_weight(packed)))}


@contextlib.contextmanager
def own_shares(given):
    """A context in which Keras takes shares for what they are: the data of this process."""
    layout = distribution()
    shared = isinstance(given.get("x"), (Shares, types.GeneratorType))
    before = shared and getattr(layout, "auto_shard_dataset", False)
    if before:
        layout.auto_shard_dataset = False
    try:
        yield
    finally:
        if before:
            layout.auto_shard_dataset = before


class Share:
    """Makes of a batch what this process gives to its devices.

    Args:
        objective: The model's objective.
        stage: "fit" or "evaluate".
    """

    def __init__(self, objective, stage):
        self.objective, self.stage = objective, stage
        layout = distribution()
        self.devices = layout.device_mesh.shape[0]
        self.number, self.processes = backend.process()
        # Else each process has data of its own.
        self.all_have_all = getattr(layout, "auto_shard_dataset", True)
        self.sees_added = _sees_added(objective, stage)

    def __call__(self, batch):
        """The share of `batch`, with rows added so that it divides.

        Raises:
            DataError: rows would have to be added, but something would count them.
        """
        x, y, weight = feed.batch(self.objective, self.stage, batch)
        y = None if self.objective.labels else y  # these are in x by now
        tensors = {"x": x, "y": y, "weight": weight}
        tensors = keras.tree.map_structure(lambda t: t if t is None else np.asarray(t), tensors)
        held = next(iter(tensors["x"].values())).shape[0]
        if self.all_have_all:
            size = _multiple(held, self.devices) // self.processes
            places = np.arange(self.number * size, (self.number + 1) * size)
            added = size * self.processes - held
        else:
            size = self._agreed(held, tensors)
            places = np.arange(size)
            added = size - held
        if self.sees_added and added:
            raise DataError(
                f"Model: the rows of a batch must divide by the number of devices, {self.devices}, "
                f"since {self.sees_added} would see rows that are added to fill it. Received: "
                f"{held} rows. Choose another batch_size, and leave out what is left over."
            )
        counted = (places < held).astype("float32")
        places = np.minimum(places, held - 1)
        if rows.NAME in x:  # some were added already
            counted *= tensors["x"][rows.NAME][places]
        tensors = keras.tree.map_structure(lambda t: t if t is None else t[places], tensors)
        if not self.sees_added and self.devices > 1:
            tensors["x"][rows.NAME] = counted  # in each batch: all must be alike
        return _packed(tensors)

    def agree(self, batches):
        """Raise in all processes unless each has a next batch, or none has."""
        if self.processes > 1:
            _require_equal(backend.gathered([batches, 0])[:, 0] > 0, "the running step")

    def _agreed(self, held, tensors):
        """How many rows each process gives: enough for the one that has most."""
        leaves = [t for t in keras.tree.flatten(tensors) if t is not None]
        kind = zlib.crc32(str([(t.shape[1:], t.dtype.name) for t in leaves]).encode()) % 2**31
        counts = backend.gathered([held, kind])
        _require_equal(counts[:, 0] > 0, "the running step")
        if len(set(counts[:, 1])) > 1:
            raise DataError(
                "Model: all processes must give batches of the same shapes, but for the number of "
                f"rows. Received here: {[t.shape for t in leaves]}."
            )
        return _multiple(int(counts[:, 0].max()), self.devices // self.processes)


def _require_equal(counts, when):
    """Raise unless all processes have as many batches."""
    counts = [int(count) for count in counts]
    if len(set(counts)) > 1:
        raise DataError(
            f"Model: all processes must have as many batches. Received: {counts} in {when}. Give "
            "each its share of all batches, or repeat the shorter ones."
        )


def _stream(given, share):
    """The share of each batch of a generator; all processes must come to its end together."""
    for batch in given:
        if share.all_have_all:
            share.agree(1)
        yield share(batch)
    share.agree(0)


class Shares(keras.utils.PyDataset):
    """The batches of a `PyDataset`, of each its share.

    Args:
        dataset: The dataset, given to Keras with shuffle=False.
        share: A `Share`.
    """

    def __init__(self, dataset, share):
        own = ("workers", "use_multiprocessing", "max_queue_size")
        # Processes that agree on each batch must do so in the order of the batches.
        alone = share.all_have_all or share.processes == 1
        super().__init__(**{name: getattr(dataset, name) for name in own} if alone else {})
        self.dataset, self.share = dataset, share
        _require_equal(backend.gathered([dataset.num_batches or 0])[:, 0], "an epoch")

    def on_epoch_begin(self):
        """Called by Keras."""
        self.dataset.on_epoch_begin()

    def on_epoch_end(self):
        """Called by Keras."""
        self.dataset.on_epoch_end()

    @property
    def num_batches(self):
        """Number of batches in an epoch."""
        return self.dataset.num_batches

    def __getitem__(self, step):
        return self.share(self.dataset[step])


def predicted(predict, given):
    """`predict(**given)` for arrays of any length: what comes out for added rows is dropped."""
    x = given["x"]
    if distribution() is None or not feed.are_arrays(x):
        return predict(**given)
    if backend.process()[1] > 1:
        raise ObjectiveError(
            "Model.predict: there must be one process. Received: several. In one of them call "
            "keras.distribution.set_distribution(None), then model.inference.predict."
        )
    devices = distribution().device_mesh.shape[0]
    size = _multiple(given.get("batch_size") or 32, devices)
    held = keras.tree.flatten(x)[0].shape[0]
    places = np.minimum(np.arange(_multiple(held, devices)), held - 1)
    x = keras.tree.map_structure(lambda t: batches.as_array(t)[places], x)
    outputs = predict(**{**given, "x": x, "batch_size": size})
    return keras.tree.map_structure(lambda t: t[:held], outputs)


def refuse_added(objective, stage):
    """Raise if something of a stage would see the rows that were added to its batches."""
    seer = _sees_added(objective, stage)
    if seer:
        raise DataError(
            f"Model: batches must not be filled with rows that don't count, since {seer} would see "
            "them. Received: such batches. Leave them short (fill=False, say)."
        )


def _sees_added(objective, stage):
    """What of a stage would see rows that were added to a batch, in words; or nothing."""
    if objective.on_outputs:
        return "the loss or the metrics that compile() was given"
    tensors = objective.read(stage)
    for layer in graph.needs(tensors)[1]:
        for inner in graph.sublayers(layer):
            if stage == "fit" and isinstance(inner, COUPLING) and inner.trainable:
                return f"'{inner.name}', a {type(inner).__name__},"
            if getattr(inner, "activity_regularizer", None):
                return f"the activity_regularizer of '{inner.name}'"
    for node in graph.meetings(tensors):
        if isinstance(node.operation, LossLayer) and not node.operation.couples_examples:
            continue  # one number, of values that have left these rows out
        values = getattr(node.operation, "values", None)
        if values is None or "counts" not in inspect.signature(values).parameters:
            return f"'{node.operation.name}', where the examples of a batch meet,"
    return ""


def _multiple(count, of):
    return -(-count // of) * of


def _packed(tensors):
    """A batch as Keras takes it. Weights without `y` travel in x."""
    x, y, weight = tensors.values()
    if y is not None:
        return (x, y) if weight is None else (x, y, weight)
    return (x if weight is None else {**x, feed.SAMPLE_WEIGHT: weight},)
