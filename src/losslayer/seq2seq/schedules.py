"""The learning rate over the steps."""

import keras
from keras import ops

from losslayer.seq2seq.settings import TrainingSettings


@keras.saving.register_keras_serializable(package="losslayer")
class InverseSquareRoot(keras.optimizers.schedules.LearningRateSchedule):
    """A line up to `learning_rate`, then down as the square root of the steps.

        learning_rate * min(step / warmup_steps, sqrt(warmup_steps / step))

    with steps counted from 1 (Vaswani et al. 2017, "Attention is all you need", section 5.3, with
    the highest rate given instead of the model's size).

    Args:
        learning_rate: The highest rate, at step `warmup_steps`.
        warmup_steps: Steps of the line.
    """

    def __init__(self, learning_rate: float, warmup_steps: int) -> None:
        super().__init__()
        self.learning_rate, self.warmup_steps = learning_rate, warmup_steps

    def __call__(self, step):
        """The rate of a step, which Keras counts from 0."""
        step = ops.cast(step, "float32") + 1
        warm = max(self.warmup_steps, 1)
        return self.learning_rate * ops.minimum(step / warm, ops.sqrt(warm / step))

    def get_config(self):
        """The arguments."""
        return {"learning_rate": self.learning_rate, "warmup_steps": self.warmup_steps}


def schedule(settings: TrainingSettings, steps: int):
    """The learning rate of a training with `steps` steps."""
    rate, warm = settings.learning_rate, min(settings.warmup_steps, max(steps - 1, 0))
    schedules = keras.optimizers.schedules
    if settings.schedule == "inverse_sqrt":
        return InverseSquareRoot(rate, warm)
    if settings.schedule == "constant":
        # From 0 to the rate, where it stays.
        return schedules.PolynomialDecay(0.0, warm, rate) if warm else rate
    if not warm:
        return schedules.CosineDecay(rate, steps)
    return schedules.CosineDecay(0.0, steps - warm, warmup_target=rate, warmup_steps=warm)


def optimizer(settings: TrainingSettings, steps: int) -> keras.optimizers.Optimizer:
    """Adam, or AdamW where weights decay."""
    options = {
        "global_clipnorm": settings.clip_norm or None,
        "use_ema": bool(settings.ema),
        "ema_momentum": settings.ema,
    }
    rate = schedule(settings, steps)
    if settings.weight_decay:
        return keras.optimizers.AdamW(rate, weight_decay=settings.weight_decay, **options)
    return keras.optimizers.Adam(rate, **options)
