"""Drawings of a report, as SVG that stands in a page by itself; all text in them is escaped."""

from collections.abc import Sequence
from html import escape
from typing import NamedTuple

import numpy as np

from losslayer.faq.figures import Bin
from losslayer_serve.index.threshold import wilson

SIZE, MARGIN = 360, 42


class Point(NamedTuple):
    """A point of a map: its vector, what kind it is (a CSS class), and what it is called."""

    vector: np.ndarray
    kind: str
    name: str


def reliability(bins: Sequence[Bin], threshold: float | None = None) -> str:
    """Share of right first hits against their score, with Wilson's intervals and the diagonal.

    Args:
        bins: As `calibration` returns them.
        threshold: A score to mark.
    """
    width, base = SIZE - 2 * MARGIN, SIZE - MARGIN

    def x(score: float) -> float:
        return MARGIN + width * score

    def y(share: float) -> float:
        return base - width * share

    shapes = []
    for one in bins:
        low, high = wilson(round(one.right * one.questions), one.questions)
        middle = x((one.low + one.high) / 2)
        told = f"{one.questions} questions, score {one.score:.3f}, right {one.right:.1%}"
        shapes.append(
            f'<rect class="bar" x="{x(one.low) + 1:.1f}" y="{y(one.right):.1f}" '
            f'width="{x(one.high) - x(one.low) - 2:.1f}" height="{base - y(one.right):.1f}">'
            f"<title>{escape(told)}</title></rect>"
        )
        shapes.append(_line(middle, y(low), middle, y(high), "interval"))
    shapes.append(_line(x(0), y(0), x(1), y(1), "ideal"))
    if threshold is not None:
        at = x(min(max(threshold, 0.0), 1.0))
        shapes.append(_line(at, y(0), at, y(1), "threshold"))
    for tick in (0, 0.5, 1):
        shapes.append(f'<text x="{x(tick):.0f}" y="{base + 16}" class="x">{tick:g}</text>')
        shapes.append(f'<text x="{MARGIN - 6}" y="{y(tick) + 4:.0f}" class="y">{tick:.0%}</text>')
    shapes.append(f'<text x="{SIZE / 2}" y="{SIZE - 8}" class="x">score of the first hit</text>')
    shapes.append(f'<text x="{MARGIN}" y="{MARGIN - 14}">right</text>')
    shapes += [_line(x(0), y(0), x(1), y(0), "axis"), _line(x(0), y(0), x(0), y(1), "axis")]
    return _svg(SIZE, SIZE, "share of right answers by score", shapes)


def map_of(points: Sequence[Point], width: int = 900, height: int = 560) -> tuple[str, float]:
    """Points in the plane in which they differ most (principal component analysis).

    Returns:
        The drawing, in which a point tells its name, and the share of the variance that the plane
        shows.
    """
    vectors = np.stack([point.vector for point in points]).astype("float64")
    centred = vectors - vectors.mean(axis=0)
    _, lengths, axes = np.linalg.svd(centred, full_matrices=False)
    plane = centred @ axes[:2].T
    share = float((lengths[:2] ** 2).sum() / max((lengths**2).sum(), 1e-30))
    low, high = plane.min(axis=0), plane.max(axis=0)
    places = 10 + (plane - low) / np.maximum(high - low, 1e-12) * [width - 20, height - 20]
    shapes = [
        f'<circle class="{escape(point.kind)}" cx="{x:.1f}" cy="{y:.1f}" r="4">'
        f"<title>{escape(point.name)}</title></circle>"
        for point, (x, y) in zip(points, places.tolist())
    ]
    return _svg(width, height, "map of entries and questions", shapes), share


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _svg(width: int, height: int, label: str, shapes: Sequence[str]) -> str:
    drawn = "\n".join(shapes)
    return (
        f'<svg viewBox="0 0 {width} {height}" width="{width}" role="img" '
        f'aria-label="{escape(label)}">\n{drawn}\n</svg>'
    )
