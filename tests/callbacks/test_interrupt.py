"""Ctrl-C: once, twice, at the end of an epoch, and what is left afterwards."""

import os
import signal

import keras
import pytest

import losslayer as ll
from losslayer.callbacks.interrupt import interruptible
from tests.callbacks.conftest import data, fit, model, outcome

pytestmark = pytest.mark.skipif(os.name == "nt", reason="sends a POSIX signal")


class Press(keras.callbacks.Callback):
    """Presses Ctrl-C at a step, or at an epoch's end; notes which epochs end."""

    def __init__(self, step=None, epoch=None, times=1):
        super().__init__()
        self.step, self.epoch, self.times = step, epoch, times
        self.ended = []

    def on_train_batch_end(self, batch, logs=None):
        for _ in range(self.times if batch == self.step else 0):
            os.kill(os.getpid(), signal.SIGINT)

    def on_epoch_end(self, epoch, logs=None):
        self.ended.append(epoch)
        if epoch == self.epoch:
            os.kill(os.getpid(), signal.SIGINT)


def test_ctrl_c_is_noted_once_and_raised_twice():
    """The first interrupt is a request, the second is Python's; afterwards all is as before."""
    before = signal.getsignal(signal.SIGINT)
    with interruptible() as pressed:
        assert not pressed()
        os.kill(os.getpid(), signal.SIGINT)
        assert pressed()
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.parametrize("press", [{"step": 0}, {"step": 2}, {"epoch": 0}])
def test_the_same_fit_goes_on(tmp_path, press):
    """`fit` ends by itself, an unfinished epoch has no end, and what follows is as without it."""
    trained = model()
    start = trained.get_weights()
    expected = outcome(trained, fit(trained, tmp_path / "whole"))
    keras.utils.clear_session()
    keras.utils.set_random_seed(0)
    again = model()
    again.set_weights(start)
    before = signal.getsignal(signal.SIGINT)
    pressed, resume = Press(**press), ll.callbacks.Resume(tmp_path / "parts", verbose=0)
    x, target = data()
    settings = {"batch_size": 4, "epochs": 2, "verbose": 0}
    stopped = again.fit(x, target, **settings, callbacks=[resume, pressed])
    assert resume.interrupted
    assert stopped.epoch == pressed.ended == ([0] if "epoch" in press else [])
    assert signal.getsignal(signal.SIGINT) is before
    history = again.fit(x, target, **settings, callbacks=[resume])
    assert not resume.interrupted
    assert outcome(again, history) == expected


def test_twice_leaves_at_once(tmp_path):
    """The second Ctrl-C is Python's own; the handler is put back all the same."""
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        fit(model(), tmp_path / "run", callbacks=[Press(step=1, times=2)])
    assert signal.getsignal(signal.SIGINT) is before
