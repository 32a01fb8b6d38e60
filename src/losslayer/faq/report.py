"""A report of one evaluation: a page that holds all it needs, and runs nothing."""

import base64
from collections.abc import Sequence
from importlib import resources
from os import PathLike
from pathlib import Path

import jinja2
import numpy as np
from markupsafe import Markup

from losslayer.faq.charts import Point, map_of, reliability
from losslayer.faq.evaluation import Result
from losslayer.faq.figures import by, calibration, figures, shown
from losslayer.faq.search import QuestionEncoder
from losslayer.faq.store import MODEL
from losslayer_serve.index import Index

# Wrong answers that are shown; points of each kind on the map.
WORST = 30
POINTS = 1500


def report_text(
    model: str | PathLike[str],
    table: str | PathLike[str],
    encoder: QuestionEncoder,
    index: Index,
    results: Sequence[Result],
) -> str:
    """The page, HTML: figures with intervals, curves, calibration, worst answers, a map.

    Args:
        model: The folder of the matcher.
        table: What the questions were read from, to be named.
        encoder: With the index, what `losslayer.faq.search.open_index` returned.
        index: See there.
        results: What `evaluate` returned.
    """
    # Autoescape: whatever an entry or a question holds is text here. Drawings escape theirs.
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    environment.globals["shown"] = shown
    page = (resources.files("losslayer.faq") / "report.html").read_text(encoding="utf-8")
    threshold = index.ranking.threshold
    bins = calibration(results)
    drawn, share = map_of(_points(encoder, index, results))
    titles = {entry.id: entry.title for entry in index.entries}
    wrong = [one for one in results if not one.right and one.hits]
    return environment.from_string(page).render(
        model=str(model),
        table=str(table),
        entries=len(index),
        results=results,
        figures=figures(results),
        groups={name: by(results, name) for name in ("group", "language")},
        curves=_picture(Path(model) / MODEL / "curves.png"),
        ranking=index.ranking,
        reliability=Markup(reliability(bins, threshold.value if threshold else None)),
        wrong=len(wrong),
        worst=sorted(wrong, key=lambda one: -one.score)[:WORST],
        titles=titles,
        map=Markup(drawn),
        share=share,
        points=POINTS,
    )


def _points(encoder: QuestionEncoder, index: Index, results: Sequence[Result]) -> list[Point]:
    """Entries and questions for the map, of each at most so many."""
    entries = index.entries
    rows = index.rows.vectors(index.rows.live)
    points = [
        Point(rows[place], "entry", f"entry: {entries[place].title}")
        for place in _some(len(entries))
    ]
    asked = [results[place] for place in _some(len(results))]
    vectors = encoder([one.question for one in asked])
    for one, vector in zip(asked, vectors):
        kind = "right" if one.right else "wrong"
        points.append(Point(vector, kind, f"{kind}: {one.question}"))
    return points


def _some(count: int) -> list[int]:
    """Places of all, or of a random part of so many."""
    if count <= POINTS:
        return list(range(count))
    return np.sort(np.random.default_rng(0).choice(count, POINTS, replace=False)).tolist()


def _picture(path: Path) -> str:
    """A PNG as the page holds it; empty where there is none."""
    return base64.b64encode(path.read_bytes()).decode() if path.is_file() else ""
