"""Every Python block of the pages runs, and every link between them leads somewhere.

The blocks of a page run in order, in one namespace and an empty folder. A block whose fence says
`python no-run` is shown only. A `text` block that follows a Python block is what it must print.
"""

import pathlib
import re
import sys
import textwrap
import types

import keras
import pytest

ROOT = pathlib.Path(__file__).parents[2]
PAGES = sorted([*(ROOT / "docs").glob("*.md"), ROOT / "README.md"])
FENCE = re.compile(
    r"^(?P<indent> *)```(?P<info>[^\n`]*)\n(?P<body>.*?)^(?P=indent)```", re.M | re.S
)
LINK = re.compile(r"\[[^\]]*\]\((?P<target>[^)\s]+)\)")

if keras.backend.backend() == "torch":
    import torch

    # The models are tiny: threads that wait for each other cost far more than they bring.
    torch.set_num_threads(1)


def blocks(page):
    """The blocks of a page: (words of the info string, line of the body, body)."""
    for match in FENCE.finditer(page):
        line = page.count("\n", 0, match.start("body"))
        yield match["info"].split(), line, textwrap.dedent(match["body"])


@pytest.fixture
def module(monkeypatch, tmp_path):
    """An empty module, importable: what a page defines is looked up there. And an empty folder.

    Names are counted from the start, as in the reader's own process: pages print some of them.
    """
    keras.utils.clear_session()
    monkeypatch.chdir(tmp_path)
    module = types.ModuleType("page")
    monkeypatch.setitem(sys.modules, "page", module)
    return module


def run(page, filename, namespace, read_printed):
    """Run the Python blocks of a page, and compare what they print where the page says it.

    Args:
        page: The text of the page.
        filename: Its name, for tracebacks; lines are those of the page.
        namespace: Dict in which the blocks run.
        read_printed: A function that returns what was printed since its last call.
    """
    previous = None
    for info, line, body in blocks(page):
        if info[:1] == ["python"] and "no-run" not in info:
            read_printed()
            exec(compile("\n" * line + body, filename, "exec"), namespace)
            previous = read_printed()
        elif info == ["text"] and previous is not None:
            assert previous.rstrip() == body.rstrip(), f"{filename}:{line + 1}: printed otherwise"
            previous = None
        else:
            previous = None


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_python_blocks_run(page, module, capsys):
    text = page.read_text(encoding="utf-8")
    run(text, str(page), vars(module), lambda: capsys.readouterr().out)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    for match in LINK.finditer(text):
        target, _, anchor = match["target"].partition("#")
        if target.startswith(("http://", "https://", "mailto:")):
            continue
        path = (page.parent / target) if target else page
        assert path.exists(), f"{page.name} links to {match['target']}"
        if anchor:
            assert anchor in anchors(path), f"{page.name} links to {match['target']}"


def anchors(page):
    """What the headings of a page are called in links."""
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    headings = re.findall(r"^#+ +(.*)$", text, re.M)
    return {re.sub(r"[^\w\- ]", "", h).strip().lower().replace(" ", "-") for h in headings}


def test_every_page_is_in_the_table_of_contents():
    contents = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    linked = {match["target"] for match in LINK.finditer(contents)}
    missing = {page.name for page in PAGES if page.parent == ROOT / "docs"} - linked - {"index.md"}
    assert not missing


def test_a_page_that_is_wrong_is_refused(capsys):
    def run_page(name, text):
        run(text, name, {}, lambda: capsys.readouterr().out)

    run_page("right.md", "```python\nprint(1 + 1)\n```\n\n```text\n2\n```\n")
    with pytest.raises(AssertionError, match=r"wrong\.md:6"):
        run_page("wrong.md", "```python\nprint(1 + 1)\n```\n\n```text\n3\n```\n")
    with pytest.raises(ZeroDivisionError):
        run_page("wrong.md", "```python\na = 0\n```\nso\n```python\n1 / a\n```\n")
    run_page("shown.md", "```python no-run\n1 / 0\n```\n")
