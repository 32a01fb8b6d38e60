"""Pictures: how a training went, and what each output token looked at."""

from collections.abc import Sequence
from os import PathLike
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

# What is drawn, each in its own axes: figures of the training and of the development split.
PANELS = (
    ("cross entropy per token", (("nll", "training"), ("val_nll", "development"))),
    (
        "development: right, given what precedes",
        (("val_accuracy", "tokens"), ("val_sequence_accuracy", "whole sequences")),
    ),
    (
        "decoded, in per cent",
        (("val_wer", "WER"), ("val_per", "PER"), ("val_bleu", "BLEU"), ("val_chrf", "chrF")),
    ),
)


def draw_curves(path: str | PathLike[str], records: Sequence[dict[str, Any]]) -> None:
    """Draw the figures of a training against its steps, as a PNG.

    Args:
        path: Where to write.
        records: For each measurement a dict of figures with its `step`.
    """
    figure = Figure(figsize=(12, 3.6), layout="constrained")
    for axes, (title, lines) in zip(figure.subplots(1, len(PANELS)), PANELS, strict=True):
        for name, label in lines:
            points = [(record["step"], record[name]) for record in records if name in record]
            if points:
                axes.plot(*zip(*points), marker=".", label=label)
        axes.set(title=title, xlabel="training step", ylim=(0, None))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
        axes.grid(alpha=0.3)
        if axes.lines:
            axes.legend(loc="best", framealpha=0.8)
    figure.savefig(path, dpi=120)


def draw_attention(
    path: str | PathLike[str],
    weights: np.ndarray,
    source: Sequence[str],
    target: Sequence[str],
    title: str = "",
) -> None:
    """Draw attention weights as a heat map with the tokens at its axes, as a PNG.

    Args:
        path: Where to write.
        weights: `(target time, source time)`; each row sums to 1.
        source: The tokens that were read.
        target: The tokens that were said.
        title: Above the picture.
    """
    width, height = 2 + 0.32 * len(source), 1.6 + 0.32 * len(target)
    figure = Figure(figsize=(max(width, 4), max(height, 3)), layout="constrained")
    axes = figure.subplots()
    shown = axes.imshow(weights, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    axes.set(title=title, xlabel="source", ylabel="output")
    # Upright letters are read most easily, words only fit when they are turned.
    turn = 0 if max(map(len, source), default=0) <= 2 else 60
    axes.set_xticks(range(len(source)), source, rotation=turn)
    axes.set_yticks(range(len(target)), target)
    figure.colorbar(shown, ax=axes, label="attention", shrink=0.8)
    figure.savefig(path, dpi=120)
