"""The report: a page that holds all it needs, runs nothing, and shows texts as text."""

import re
from html.parser import HTMLParser

import numpy as np
import pytest

from losslayer.faq import Entry, indexing
from losslayer.faq.asked import Asked
from losslayer.faq.charts import Point, map_of, reliability
from losslayer.faq.evaluation import evaluate
from losslayer.faq.figures import Bin
from losslayer.faq.report import report_text
from losslayer.faq.search import open_index, tune
from losslayer_serve.searcher import Searcher

EVIL = "<script>alert('x')</script>\"&"


class Page(HTMLParser):
    """The elements of a page, and its text."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.text, self.open = [], "", []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in ("meta", "br", "img", "line", "rect", "circle"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        if tag in ("rect", "circle"):
            return
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


@pytest.fixture(scope="module")
def page(trained, tmp_path_factory):
    """A report on questions of which some are wrong, with markup in entries and questions."""
    folder = tmp_path_factory.mktemp("report") / "m"
    trained.save(folder)
    indexing.add(folder, [Entry("evil", EVIL, EVIL), Entry("other", "another matter")])
    encoder, index = open_index(folder)
    asked = [
        Asked("does my card arrive?", "card_arrival", "cards", "en", 2),
        Asked(f"top up {EVIL}", "evil", "<b>", "zh", 3),
        Asked("does my phone miss?", "other", "<b>", "", 4),
        Asked("lost phone", None, "", "", 5),
    ]
    tune(encoder, index, asked, 0.5)
    results = evaluate(Searcher(encoder, index), asked)
    return report_text(folder, "questions <i>.csv", encoder, index, results)


def test_the_page_is_whole_and_runs_nothing(page):
    """Each element is closed, no script, nothing from elsewhere, a policy that forbids both."""
    read = Page(page)
    assert read.open == []
    names = {name for name, _ in read.elements}
    assert not names & {"script", "link", "iframe", "object", "b", "i", "a"}
    for _, attributes in read.elements:
        assert not any(name.startswith("on") for name in attributes)
        for name in ("src", "href"):
            assert attributes.get(name, "data:").startswith("data:")
    assert any(
        "default-src 'none'" in attributes.get("content", "") for _, attributes in read.elements
    )


def test_texts_are_shown_as_they_are(page):
    """Markup in a question, an entry, a group or a file's name is text."""
    text = Page(page).text
    assert text.count(EVIL) >= 3
    assert "questions <i>.csv" in text
    assert "<b>" in text


def test_all_parts_are_there(page):
    """Figures with intervals, groups, curves, calibration, wrong answers, the map."""
    read = Page(page)
    for heading in ("Figures", "By group", "By language", "Training", "Calibration", "Map"):
        assert heading in read.text
    assert re.search(r"accuracy@1\s*[\d.]+ %\s*[\d.]+ % to [\d.]+ %", read.text)
    assert any(
        name == "img" and attributes["src"].startswith("data:image/png")
        for name, attributes in read.elements
    )
    points = [attributes["class"] for name, attributes in read.elements if name == "circle"]
    assert points.count("entry") == 6
    assert len(points) == 6 + 4
    assert "entry: another matter" in read.text
    assert "line 5" in read.text


def test_the_map_is_the_plane_of_most_variance():
    """Points in a plane of many dimensions keep their distances; the share is of NumPy's own."""
    rng = np.random.default_rng(0)
    flat = rng.normal(size=(30, 2)) * [3, 1]
    turned = flat @ np.linalg.qr(rng.normal(size=(16, 16)))[0][:2]
    drawn, share = map_of([Point(row, "entry", "e") for row in turned])
    assert share == pytest.approx(1)
    places = np.array(re.findall(r'cx="([\d.]+)" cy="([\d.]+)"', drawn), "float64")
    wide = flat @ np.linalg.eigh(np.cov(flat.T))[1][:, ::-1]
    for column in range(2):
        assert abs(np.corrcoef(places[:, column], wide[:, column])[0, 1]) > 0.999
    noise = rng.normal(size=(200, 16))
    _, share = map_of([Point(row, "entry", "e") for row in noise])
    values = np.linalg.eigvalsh(np.cov(noise.T))
    assert share == pytest.approx(values[-2:].sum() / values.sum())


def test_a_map_of_equal_points():
    """They stand on one place, without a division by nothing."""
    drawn, _ = map_of([Point(np.ones(4), "entry", "e")] * 3)
    assert drawn.count("<circle") == 3
    assert "nan" not in drawn


def test_a_bar_is_as_high_as_its_share():
    """Twice the share, twice the height; a question is told in words."""
    drawn = reliability([Bin(0.2, 0.3, 10, 0.25, 0.4), Bin(0.3, 0.4, 10, 0.35, 0.8)], 0.3)
    low, high = map(float, re.findall(r'height="([\d.]+)"><title>', drawn))
    assert high == pytest.approx(2 * low, rel=0.01)
    assert drawn.count('class="threshold"') == 1
    assert "10 questions, score 0.250, right 40.0%" in drawn
