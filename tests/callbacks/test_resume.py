"""What Resume refuses, what it restores beside the weights, and how it ends."""

import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest

import losslayer as ll
from losslayer.callbacks.checkpoints import Checkpoints
from tests.callbacks.conftest import EPOCHS, Fail, data, fit, model, outcome


@pytest.fixture
def stopped(tmp_path):
    """The folder of a run that an exception ended in its second epoch."""
    with pytest.raises(ZeroDivisionError):
        fit(model(), tmp_path / "run", callbacks=[Fail(5)])
    return tmp_path / "run"


def adam(rate=0.1):
    return keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(rate, 10))


@pytest.mark.parametrize(
    ("made", "settings", "message"),
    [
        ({"units": 5}, {}, r"model\[0\]: 'dense/kernel \(3, 4\) float32' then"),
        ({"optimizer": "sgd"}, {}, "optimizer.class_name: 'Adam' then, 'SGD' now"),
        ({"optimizer": adam(0.2)}, {}, "initial_learning_rate: 0.1 then, 0.2 now"),
        ({}, {"batch_size": 5}, "data.batch_size: 4 then, 5 now"),
        ({}, {"data": data(12)}, "data.rows: 10 then, 12 now"),
        ({}, {"data": (data()[0] + 1, data()[1])}, r"data.arrays\[0\]: .* float32 "),
        ({}, {"shuffle": False}, "data.shuffle: True then, False now"),
        ({}, {"resume": {"seed": 1}}, "seed: 0 then, 1 now"),
        ({}, {"resume": {"same": {"table": "b"}}}, "same.table: None then, 'b' now"),
    ],
)
def test_another_run_is_refused(stopped, made, settings, message):
    """The message names what differs, and the folder stays as it was."""
    before = sorted(stopped.iterdir())
    with pytest.raises(ll.ResumeError, match=f"run of this model, on these data.*{message}"):
        fit(model(**made), stopped, **settings)
    assert sorted(stopped.iterdir()) == before


class Hooked(keras.utils.PyDataset):
    """Changes at the end of each epoch, without saying how."""

    def __len__(self):
        return 2

    def on_epoch_end(self):
        pass


def endless():
    yield data()


@pytest.mark.parametrize(
    ("given", "settings", "message"),
    [
        (Hooked(), {}, "Received: x=Hooked, whose on_epoch_end may change them. If it does, say"),
        (
            endless(),
            {},
            r"x=generator, which may not. If it does, say so with Resume\(..., replays",
        ),
        (endless(), {"replays": True}, "`steps_per_epoch` must be given for a generator"),
    ],
)
def test_data_that_nobody_can_go_back_in(tmp_path, given, settings, message):
    """Such data have to be vouched for."""
    resume = ll.callbacks.Resume(tmp_path, **settings)
    with pytest.raises((ll.ResumeError, ll.ArgumentError), match=message):
        model().fit(given, callbacks=[resume], verbose=0)


def test_bad_arguments(tmp_path):
    """Arguments are checked at once."""
    for settings in ({"seed": "a"}, {"steps": -1}, {"seconds": -1}):
        with pytest.raises(ll.ArgumentError, match=f"Resume: `{next(iter(settings))}` must be"):
            ll.callbacks.Resume(tmp_path, **settings)
    with pytest.raises(ll.ArgumentTypeError, match="`same` must be a dict of plain values"):
        ll.callbacks.Resume(tmp_path, same={"a": object()})
    plain = keras.Sequential([keras.layers.Dense(1)])
    plain.compile("sgd", "mse")
    with pytest.raises(ll.ArgumentError, match="`fit` must be that of a losslayer.Model"):
        plain.fit(*data(), callbacks=[ll.callbacks.Resume(tmp_path)], verbose=0)


class Counting(keras.callbacks.Callback):
    """Has plain attributes, and notes the numbers of the steps that it saw."""

    def __init__(self, limit=3):
        super().__init__()
        self.limit = limit
        self.seen = []

    def on_train_batch_begin(self, batch, logs=None):
        self.seen.append((self.epoch, batch))

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch


def test_other_callbacks_go_on(tmp_path):
    """Early stopping, a learning rate that falls, counters: each step is seen once."""

    def callbacks():
        stopping = keras.callbacks.EarlyStopping(
            "val_error", 0, 2, mode="min", restore_best_weights=True
        )
        falling = keras.callbacks.ReduceLROnPlateau("val_error", 0.5, 1, mode="min", min_delta=9.0)
        # From the running value: going back to the epoch's start must not do it twice.
        shrinking = keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate * 0.9)
        return [stopping, falling, shrinking, Counting()]

    settings = {"epochs": 6, "validation_data": data(6)}
    whole, parts = [], []
    for place, ends in ((whole, [None]), (parts, [2, 5, 6, 1, None])):
        for end in ends:
            keras.utils.clear_session()
            keras.utils.set_random_seed(0)
            trained = model(keras.optimizers.Adam(0.3))
            place[:] = callbacks()
            folder, failing = tmp_path / str(id(place)), [Fail(end)] if end else []
            try:
                history = fit(trained, folder, callbacks=[*place, *failing], **settings)
            except ZeroDivisionError:
                continue
            place.append(outcome(trained, history))
    assert parts[-1] == whole[-1]
    assert parts[3].seen == whole[3].seen
    assert len(set(whole[3].seen)) == len(whole[3].seen)
    assert [vars(c).get("wait") for c in parts[:2]] == [vars(c).get("wait") for c in whole[:2]]
    again = fit(trained, folder, callbacks=callbacks(), **settings)
    assert outcome(trained, again) == whole[-1]


def test_a_finished_run(tmp_path, capsys):
    """It is not trained again, and goes on when more epochs are asked for."""
    trained = model()
    first = outcome(trained, fit(trained, tmp_path / "run"))
    counting = Counting()
    resume = ll.callbacks.Resume(tmp_path / "run")
    x, target = data()
    trained.set_weights([w * 0 for w in trained.get_weights()])
    again = trained.fit(
        x, target, batch_size=4, epochs=EPOCHS, verbose=0, callbacks=[resume, counting]
    )
    assert outcome(trained, again) == first
    assert trained.history is again
    assert counting.seen == []
    assert "the run is finished after 2 epochs; nothing is left." in capsys.readouterr().out
    more = fit(trained, tmp_path / "run", epochs=3)
    assert more.epoch == [0, 1, 2]
    assert {name: values[:2] for name, values in more.history.items()} == first[0]


def test_metrics_of_compile(tmp_path):
    """Metrics that make their variables in the first step are restored within an epoch too."""
    got = []
    for ends in ([None], [2, None]):
        for end in ends:
            keras.utils.clear_session()
            keras.utils.set_random_seed(0)
            x = keras.Input((3,), name="x")
            prediction = keras.layers.Dense(1)(keras.layers.Dropout(0.3)(x))
            trained = ll.Model(x, prediction)
            trained.compile("adam", loss="mse", metrics=["mae"])
            try:
                failing = [Fail(end)] if end else []
                got.append(fit(trained, tmp_path / str(len(ends)), callbacks=failing).history)
            except ZeroDivisionError:
                pass
    assert got[0] == got[1]


def test_a_damaged_state_costs_a_step(stopped):
    """The state before is used, and the run ends the same."""
    newest = Checkpoints(stopped).read()[1]
    newest.write_bytes(newest.read_bytes()[:-5])
    trained = model()
    with pytest.warns(UserWarning, match="Resume: damaged, so not used"):
        got = outcome(trained, fit(trained, stopped))
    keras.utils.clear_session()
    keras.utils.set_random_seed(0)
    whole = model()
    assert outcome(whole, fit(whole, stopped.parent / "whole")) == got


def test_a_full_disk_does_not_end_the_training(tmp_path, monkeypatch):
    """It is warned of, and the training goes on."""

    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Checkpoints, "write", full)
    with pytest.warns(UserWarning, match="no state was written to .*No space left"):
        history = fit(model(), tmp_path / "run")
    assert len(history.epoch) == EPOCHS


@pytest.mark.slow
def test_killed_processes():
    """Real kills, a few: the script that does hundreds."""
    script = pathlib.Path(__file__).with_name("kill.py")
    line = [sys.executable, script, "--kills", "2", "--sources", "arrays"]
    line += ["--backends", keras.config.backend()]
    done = subprocess.run(line, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "kills 2" in done.stdout
    assert "different 0" in done.stdout
    assert np.all(["Traceback" not in text for text in (done.stdout, done.stderr)])
