"""From every step, with every kind of data: the same weights and history, bit for bit."""

import shutil

import keras
import numpy as np
import pytest

import losslayer as ll
from losslayer.callbacks.checkpoints import Checkpoints
from tests.callbacks.conftest import EPOCHS, SIZE, Fail, data, fit, model, outcome

BACKEND = keras.config.backend()


class Shuffled(keras.utils.PyDataset):
    """Batches of rows that are shuffled in place at the end of each epoch."""

    def __init__(self):
        super().__init__()
        self.arrays = data()
        self.rng = np.random.default_rng(5)
        self.on_epoch_end()

    def __len__(self):
        return -(-len(self.arrays[0]) // SIZE)

    def __getitem__(self, step):
        rows = self.order[step * SIZE : (step + 1) * SIZE]
        return tuple(a[rows] for a in self.arrays)

    def on_epoch_end(self):
        self.order = self.rng.permutation(len(self.arrays[0]))


class Drawn(keras.utils.PyDataset):
    """Batches that depend on the epoch and their place."""

    def __init__(self, **workers):
        super().__init__(**workers)
        self.epoch = None

    def begin(self, epoch):
        self.epoch = epoch

    def __len__(self):
        return 3

    def __getitem__(self, step):
        rows = np.random.default_rng((self.epoch, step)).permutation(10)[:SIZE]
        return tuple(a[rows] for a in data())


class Stateful(Shuffled):
    """The same as `Shuffled`, with a state that can be stored."""

    def get_state(self):
        return {"order": self.order, "rng": self.rng.bit_generator.state}

    def set_state(self, state):
        self.order = state["order"]
        self.rng.bit_generator.state = state["rng"]


def batches():
    return [tuple(a[i : i + SIZE] for a in data()) for i in range(0, 10, SIZE)]


def generator():
    while True:
        yield from batches()


def tf_data():
    tf = pytest.importorskip("tensorflow")
    return tf.data.Dataset.from_tensor_slices(data()).shuffle(10, 3, False).batch(SIZE)


def loader():
    torch = pytest.importorskip("torch")
    tensors = [torch.from_numpy(a) for a in data()]
    return torch.utils.data.DataLoader(torch.utils.data.TensorDataset(*tensors), SIZE)


def grain():
    return pytest.importorskip("grain").MapDataset.source(batches()).shuffle(seed=2)


def arrays(**settings):
    x, target = data()
    return {"x": x, "y": target, "batch_size": SIZE, **settings}


VOUCHED, STEPS = {"replays": True}, {"steps_per_epoch": 3}
# What fit is given, what Resume is given besides, whether a step makes two in one call.
CASES = {
    "arrays": (arrays, {}, 1),
    "split": (lambda: arrays(validation_split=0.2), {}, 1),
    "batches of arrays": (lambda: arrays(shuffle="batch"), {}, 1),
    "across passes": (lambda: arrays(steps_per_epoch=2), {}, 1),
    "two in one": (arrays, {}, 2),
    "py_dataset": (lambda: {"x": Drawn(workers=2)}, {}, 1),
    "shuffles itself": (lambda: {"x": Shuffled()}, VOUCHED, 1),
    "has a state": (lambda: {"x": Stateful()}, {}, 1),
    "generator": (lambda: {"x": generator(), **STEPS}, VOUCHED, 1),
    "generator, two in one": (lambda: {"x": generator(), **STEPS}, VOUCHED, 2),
    "tf.data": (lambda: {"x": tf_data()}, VOUCHED, 1),
    "tf.data with steps": (lambda: {"x": tf_data(), "steps_per_epoch": 2}, VOUCHED, 1),
    "loader": (lambda: {"x": loader()}, VOUCHED, 1),
    "loader with steps": (lambda: {"x": loader(), "steps_per_epoch": 2}, VOUCHED, 1),
    "grain": (lambda: {"x": grain(), **STEPS}, {}, 1),
}


# Of the engines that compile, the default suite runs two kinds; the rest takes minutes.
FEW = CASES if BACKEND == "torch" else ("arrays", "py_dataset")


@pytest.mark.parametrize(
    "case", [pytest.param(c, marks=[] if c in FEW else pytest.mark.slow) for c in CASES]
)
def test_every_step(case, tmp_path, monkeypatch):
    """A run that goes on from any of its states ends as it would have."""
    given, settings, in_one = CASES[case]
    if in_one > 1 and BACKEND == "torch":
        pytest.skip("Keras refuses steps_per_execution on PyTorch")
    kept = tmp_path / "kept"
    write = Checkpoints.write

    def write_and_keep(self, epoch, step, content):
        path = write(self, epoch, step, content)
        kept.mkdir(exist_ok=True)
        shutil.copy(path, kept)
        return path

    trained = model(steps_per_execution=in_one)

    def run(folder):
        resume = ll.callbacks.Resume(folder, steps=1, verbose=0, seed=7, **settings)
        history = trained.fit(
            **{"validation_data": data(6), **given()}, epochs=EPOCHS, verbose=0, callbacks=[resume]
        )
        return outcome(trained, history)

    with monkeypatch.context() as patch:
        patch.setattr(Checkpoints, "write", write_and_keep)
        expected = run(tmp_path / "whole")
    states = sorted(kept.iterdir())
    assert len(states) >= EPOCHS * 2 // in_one + EPOCHS
    assert expected[1] == list(range(EPOCHS))
    for number, state in enumerate(states):
        folder = tmp_path / str(number)
        folder.mkdir()
        shutil.copy(state, folder)
        assert run(folder) == expected, state.name


def test_other_precision(tmp_path):
    """bfloat16 weights, an average of the weights and a scaled loss come back bit for bit."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("bfloat16")
    trained = []
    try:
        for _ in range(3):
            keras.utils.set_random_seed(3)
            trained.append(model(_scaled()))
    finally:
        keras.config.set_dtype_policy(before)
    expected = outcome(trained[0], fit(trained[0], tmp_path / "whole"))
    keras.utils.set_random_seed(3)
    with pytest.raises(ZeroDivisionError):
        fit(trained[1], tmp_path / "parts", callbacks=[Fail(5)])
    got = outcome(trained[2], fit(trained[2], tmp_path / "parts"))
    assert got == expected
    assert outcome(trained[2], fit(trained[2], tmp_path / "parts")) == expected  # finished


def _scaled():
    inner = keras.optimizers.Adam(0.01, use_ema=True, ema_overwrite_frequency=None)
    return keras.optimizers.LossScaleOptimizer(inner)
