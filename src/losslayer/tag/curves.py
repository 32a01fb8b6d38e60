"""A picture of how a training run went."""

from collections.abc import Mapping, Sequence
from os import PathLike

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from losslayer.tag.training import NAMES


def draw_curves(
    path: str | PathLike[str], history: Mapping[str, Sequence[float]], measure: str
) -> None:
    """Draw the loss, and the figure by which epochs are compared, as a PNG.

    Args:
        path: Where to write.
        history: A list with one value per epoch for each name.
        measure: The name of that figure; its best epoch is marked.
    """
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    loss, quality = figure.subplots(1, 2)
    epochs = range(1, len(history["nll"]) + 1)
    loss.plot(epochs, history["nll"], marker="o", color="#1f5fa8", label="training, with dropout")
    loss.plot(epochs, history["val_nll"], marker="s", color="#c8641e", label="development")
    loss.set(title="negative log-likelihood", ylim=(0, None))
    loss.legend(frameon=False)
    values = [100 * value for value in history[measure]]
    best = values.index(max(values))
    quality.plot(epochs, values, marker="s", color="#c8641e")
    quality.plot(best + 1, values[best], marker="o", markersize=13, mfc="none", color="black")
    quality.set(title=f"{NAMES[measure]} on development data, %; kept: {values[best]:.2f}")
    for axes in (loss, quality):
        axes.set(xlabel="epoch", xlim=(0.5, len(epochs) + 0.5))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(alpha=0.3)
    figure.savefig(path, dpi=120)
