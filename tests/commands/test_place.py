"""Where a model goes, and the state of a training beside it."""

import signal
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import pytest

import losslayer as ll
from losslayer.commands.place import Place, check_place
from losslayer_serve.errors import FolderError
from losslayer_serve.new_folder import new_folder

MARKER = "marker.json"


@dataclass
class Trained:
    """What a training leaves here: how many epochs it had, and whether Ctrl-C ended it."""

    epochs: int
    interrupted: bool

    def save(self, path):
        with new_folder(path, MARKER) as folder:
            (folder / MARKER).write_text(str(self.epochs))


def training(name="a", press=False):
    """Three epochs of a small model; with `press`, somebody presses Ctrl-C in the second."""

    def run(state):
        x = keras.Input((2,), name="x")
        y = keras.layers.Dense(1)(x)
        model = ll.Model(inputs=x, outputs=y)
        model.add_loss(keras.ops.square(y - 1), name="error")
        model.compile("sgd")
        resume = ll.callbacks.Resume(state, same={"name": name}, verbose=0)

        def begin(epoch, logs):
            if press and epoch == 1:
                signal.raise_signal(signal.SIGINT)

        callbacks = [keras.callbacks.LambdaCallback(on_epoch_begin=begin), resume]
        ones = {"x": np.ones((2, 2), "float32")}
        history = model.fit(ones, epochs=3, batch_size=1, callbacks=callbacks, verbose=0)
        return Trained(len(history.history["loss"]), resume.interrupted)

    return run


@pytest.fixture
def stopped(tmp_path, capsys):
    """The place of a model whose training was stopped."""
    place = Place(tmp_path / "m", MARKER, overwrite=False)
    model = place.train(training(press=True), kept="half of it")
    assert model.interrupted
    place.save(model)
    assert (
        capsys.readouterr().err == "Stopped early, half of it is kept; the same command goes on.\n"
    )
    return tmp_path / "m"


def test_a_stopped_training_goes_on(stopped, capsys):
    """It may write to the same place without `overwrite`; then its state is gone."""
    assert (stopped / MARKER).read_text() == "1"
    state = stopped.with_name("m.partial")
    assert any(state.glob("*.run"))
    place = Place(stopped, MARKER, overwrite=False)
    model = place.train(training())
    assert (model.epochs, model.interrupted) == (3, False)
    assert capsys.readouterr().err == (
        f"{state}: holds a training that ended early; going on with it.\n"
    )
    assert state.exists()  # until the model is saved
    place.save(model)
    assert (stopped / MARKER).read_text() == "3"
    assert not state.exists()


def test_another_training_starts_anew_if_asked(stopped, capsys):
    """Its state is left alone without `overwrite`, and replaced with it."""
    state = stopped.with_name("m.partial")
    before = sorted(state.iterdir())
    place = Place(stopped, MARKER, overwrite=False)
    with pytest.raises(FolderError, match="'a' then, 'b' now.*Add --overwrite to start anew"):
        place.train(training("b"))
    assert sorted(state.iterdir()) == before
    capsys.readouterr()
    place = Place(stopped, MARKER, overwrite=True)
    assert place.train(training("b")).epochs == 3
    assert "holds another training, or none that can be read; starting anew" in (
        capsys.readouterr().err
    )


def test_only_the_state_is_removed(stopped):
    """What else a training keeps there is named; all other files stay, and their folder."""
    state = stopped.with_name("m.partial")
    for name in ("source.tokens.json", "mine.txt"):
        (state / name).touch()
    place = Place(stopped, MARKER, overwrite=False, also=("*.tokens.json",))
    place.save(place.train(training()))
    assert [path.name for path in state.iterdir()] == ["mine.txt"]


def test_a_place_is_checked_before_any_work(tmp_path, monkeypatch):
    """No name, a folder of somebody else, an earlier model, other files beside its parts."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "a.txt").touch()
    Trained(1, False).save(tmp_path / "m")
    for name, message in (
        (".", ".: must have a name of its own. Give another --out"),
        ("mine", "mine: exists and is no folder that this command wrote"),
        ("m", "m: holds a model already. Add --overwrite to replace it"),
    ):
        for check in (check_place, Place):
            with pytest.raises(FolderError) as raised:
                check(Path(name), MARKER, overwrite=False)
            assert str(raised.value).startswith(message)
    check_place(tmp_path / "m", MARKER, overwrite=True)
    check_place(tmp_path / "new", MARKER, overwrite=False)
    with pytest.raises(FolderError, match=f"holds {MARKER} besides"):
        check_place(tmp_path / "m", MARKER, overwrite=True, parts=["index"])
