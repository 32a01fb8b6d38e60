"""The page in a real browser: Debian's Chromium, without a window, through Playwright."""

import shutil

import pytest

from tests.serve import faq

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
api = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install playwright")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="needs a browser: apt-get install chromium"),
]


@pytest.fixture(scope="module")
def browser():
    with api.sync_playwright() as playwright:
        # Without its sandbox, which a superuser can't have; it opens our own page only.
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def opened(browser):
    """Opens the page of a server; at the end, the browser must have had nothing to complain of."""
    complaints, contexts = [], []

    def opened(server, **settings):
        contexts.append(browser.new_context(**{"locale": "en-US", **settings}))
        page = contexts[-1].new_page()
        page.set_default_timeout(10_000)
        page.on("pageerror", lambda problem: complaints.append(str(problem)))
        page.on("console", lambda message: complaints.append(message.text))
        page.goto(server.url)
        return page

    opened.complaints = complaints
    yield opened
    for context in contexts:
        context.close()
    # The browser itself notes answers like 401; ours and the policy's would be others.
    assert [text for text in complaints if "Failed to load resource" not in text] == []


def ask(page, question):
    page.fill("#question", question)
    page.keyboard.press("Enter")
    answered(page)


def answered(page):
    page.wait_for_selector("#hits[aria-busy=false]", state="attached")


def test_ask_and_read_the_answer(server, opened):
    """The first accepted answer is open; titles, answers and scores are those of the service."""
    page = opened(server)
    ask(page, "How do I become a Debian developer?")
    expected = faq.searcher().ask(["How do I become a Debian developer?"], 5)[0]
    assert page.locator(".title").all_inner_texts() == [hit.title for hit in expected]
    assert page.locator(".score").all_inner_texts() == [f"{hit.score:.2f}" for hit in expected]
    assert page.locator(".answer").all_text_contents() == [hit.answer for hit in expected]
    assert [card.is_visible() for card in page.locator(".answer").all()] == [True] + [False] * 4
    accepted = sum(hit.accepted for hit in expected)
    assert 0 < accepted < 5
    assert page.locator(".hit.accepted").count() == accepted
    assert page.inner_text("#status") == f"{accepted} answers"
    assert page.inner_text(".rest") == "Less sure"
    assert page.inner_text("#entries") == f"{len(faq.searcher())} entries"


def test_keyboard_alone(server, opened):
    """`/` and Escape go to the question, arrows move, open and close; Enter does too."""
    page = opened(server)
    assert page.evaluate("document.activeElement.id") == "question"
    page.keyboard.type("What is sid? a/b")
    page.keyboard.press("Enter")
    page.wait_for_selector(".hit")
    assert page.input_value("#question") == "What is sid? a/b"
    place = "[...document.querySelectorAll('.hit button')].indexOf(document.activeElement)"

    def shown(at):
        return page.locator(".answer").nth(at).is_visible()

    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    assert page.evaluate(place) == 1
    was = shown(1)
    page.keyboard.press("ArrowRight")
    assert shown(1)
    page.keyboard.press("ArrowLeft")
    assert not shown(1)
    page.keyboard.press("Enter")
    assert shown(1)
    assert not was
    for _ in range(9):
        page.keyboard.press("ArrowDown")
    assert page.evaluate(place) == 4
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "question"
    page.keyboard.type("new")
    assert page.input_value("#question") == "new"
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.id") == "question"


def test_no_answer_is_said(server, opened):
    """No hit is open then, and none looks like an answer."""
    page = opened(server)
    ask(page, "zebra crossing")
    assert "no sure answer" in page.inner_text("#status")
    assert page.locator(".hit").count() == 5
    assert page.locator(".hit.accepted").count() == 0
    assert page.locator(".answer:visible").count() == 0


def test_an_answer_that_holds_a_script_is_text(server, opened):
    """As is a question: nothing of it becomes a part of the page."""
    page = opened(server)
    before = page.locator("script").count()
    ask(page, "What is a script? <img src=x onerror=alert(1)>")
    assert page.locator(".answer:visible").inner_text() == faq.SCRIPT[2]
    assert page.locator("#hits b, #hits script, #hits img, img").count() == 0
    assert page.locator("script").count() == before
    assert page.title() == "Ask a question"


def test_scripts_from_elsewhere_are_not_run(server, opened):
    """Even if one came into the page, the browser would refuse it."""
    page = opened(server)
    assert not opened.complaints
    problem = page.evaluate(
        """() => { try { document.body.innerHTML = '<b>x</b>'; return 'done'; }
                   catch (problem) { return problem.name; } }"""
    )
    assert problem == "TypeError"
    assert "TrustedHTML" in opened.complaints.pop()


def test_chinese_and_english(server, opened):
    """The browser's language at first, then the one that was chosen, also after a reload."""
    page = opened(server, locale="zh-CN")
    assert page.title() == "提问"
    assert page.evaluate("document.documentElement.lang") == "zh-Hans"
    ask(page, "Debian 一词怎么发音？")
    assert page.locator(".title").first.inner_text() == "Debian 一词如何发音，有什么含义？"
    page.click("#language")
    assert page.title() == "Ask a question"
    assert page.inner_text("#status").endswith("answers")
    page.reload()
    assert page.title() == "Ask a question"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_readable_on_a_phone(server, opened, scheme):
    """Nothing is wider than the screen, letters are 16 pixels, contrast is that of WCAG AA."""
    page = opened(server, viewport={"width": 360, "height": 640}, color_scheme=scheme)
    ask(page, "What is sid?" + "x" * 300)
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    assert (
        page.evaluate("parseFloat(getComputedStyle(document.querySelector('.title')).fontSize)")
        >= 16
    )
    assert page.locator(".keys").is_hidden()
    for part in ("#status", ".title", ".score", "#entries", "#ask button", "#language"):
        assert page.evaluate(CONTRAST, part) >= 4.5, part


# (L1 + 0.05) / (L2 + 0.05) of the relative luminances of the text and what is behind it.
CONTRAST = """(selector) => {
  const parts = (color) => color.match(/[\\d.]+/g).map(Number);
  const light = (color) => {
    const [r, g, b] = parts(color).map((v) => v / 255)
      .map((v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  let behind = document.querySelector(selector);
  const text = light(getComputedStyle(behind).color);
  while (parts(getComputedStyle(behind).backgroundColor)[3] === 0) behind = behind.parentElement;
  const ground = light(getComputedStyle(behind).backgroundColor);
  return (Math.max(text, ground) + 0.05) / (Math.min(text, ground) + 0.05);
}"""


def test_the_token_is_asked_for_once(start, opened):
    """A wrong one again; a right one stays for the tab, not for the next."""
    token = "a-token-of-the-tests"
    page = opened(start(token=token))
    ask(page, "What is sid?")
    for given in ("wrong", token):
        assert "access token" in page.inner_text("#status")
        page.fill("#token", given)
        page.keyboard.press("Enter")
        answered(page)
    assert page.locator(".hit").count() == 5
    assert page.locator("#access").is_hidden()
    page.reload()
    ask(page, "What is sid?")
    assert page.locator(".hit").count() == 5


def test_problems_are_said_in_words(start, opened):
    """Busy, too slow, gone: a sentence each, and no hits that belong to another question."""
    server = start(slow=1.5, limits={"work_seconds": 0.5, "length": 20})
    page = opened(server)
    ask(page, "What is sid?")
    assert "ask again in a moment" in page.inner_text("#status")
    ask(page, "What is sid? " * 3)
    assert "at most 20 characters" in page.inner_text("#status")
    server.stop()
    ask(page, "What is sid?")
    assert page.inner_text("#status") == "The service can't be reached."
    assert page.locator(".hit").count() == 0
