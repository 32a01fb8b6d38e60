"""A picture of how a training run went."""

from collections.abc import Mapping, Sequence
from os import PathLike

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter


def draw_curves(
    path: str | PathLike[str], history: Mapping[str, Sequence[float]], random_epochs: int
) -> None:
    """Draw the loss and the share of triplets in order against the epoch, as a PNG.

    Args:
        path: Where to write.
        history: A list with one value per epoch for each name.
        random_epochs: The epochs with random wrong titles, drawn on grey.
    """
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    loss, order = figure.subplots(1, 2)
    for axes, name, title in (
        (loss, "loss", "loss"),
        (order, "in_order", "triplets whose right title is the nearer"),
    ):
        epochs = range(1, len(history[name]) + 1)
        axes.plot(epochs, history[name], marker="o", color="#1f5fa8")
        axes.axvspan(0.5, random_epochs + 0.5, color="0.93", label="random wrong titles")
        axes.set(title=title, xlabel="epoch", xlim=(0.5, len(epochs) + 0.5))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(alpha=0.3)
    loss.set_ylim(bottom=0)
    loss.legend(frameon=False)
    order.yaxis.set_major_formatter(PercentFormatter(1.0))
    figure.savefig(path, dpi=120)
