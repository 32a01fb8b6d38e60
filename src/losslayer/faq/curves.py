"""A picture of how a training run went."""

from collections.abc import Mapping, Sequence
from os import PathLike

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

TITLES = {
    "loss": "loss",
    "in_order": "triplets whose right title is the nearer",
    "dev_mrr": "development split: mean reciprocal rank",
}


def draw_curves(
    path: str | PathLike[str], history: Mapping[str, Sequence[float]], random_epochs: int
) -> None:
    """Draw the loss and what else there is against the epoch, as a PNG.

    That is the share of triplets in order, and the mean reciprocal rank on a development split.

    Args:
        path: Where to write.
        history: A list with one value per epoch for each name.
        random_epochs: The epochs with random wrong titles, drawn on grey.
    """
    drawn = [(name, title) for name, title in TITLES.items() if name in history]
    figure = Figure(figsize=(4.5 * len(drawn), 3.6), layout="constrained")
    [row] = figure.subplots(1, len(drawn), squeeze=False)
    for axes, (name, title) in zip(row, drawn, strict=True):
        epochs = range(1, len(history[name]) + 1)
        axes.plot(epochs, history[name], marker="o", color="#1f5fa8")
        if random_epochs:
            axes.axvspan(0.5, random_epochs + 0.5, color="0.93", label="random wrong titles")
        axes.set(title=title, xlabel="epoch", xlim=(0.5, len(epochs) + 0.5))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(alpha=0.3)
        if name == "in_order":
            axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    row[0].set_ylim(bottom=0)
    if random_epochs:
        row[0].legend(frameon=False)
    figure.savefig(path, dpi=120)
