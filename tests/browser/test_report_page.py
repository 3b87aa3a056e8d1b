"""The report as its reader meets it: opened from disk in a real browser, without a network."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.e2e.conftest import SMALL_STUDY

pytestmark = pytest.mark.browser

sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
]


@pytest.fixture(scope="module")
def browser():
    """A headless Chromium of the system; without one the tests are skipped, or fail where one is demanded."""
    path = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if path is None:
        if os.environ.get("SCANTRIAL_REQUIRE_BROWSER"):
            pytest.fail("no Chromium on this machine, but SCANTRIAL_REQUIRE_BROWSER is set")
        pytest.skip("no Chromium on this machine (apt-get install chromium)")
    with sync_api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield started
        started.close()


@pytest.fixture(scope="module")
def report(tmp_path_factory) -> Path:
    """The report of a real small study, with a question that tries to break out of the page."""
    folder = tmp_path_factory.mktemp("browser")
    study = SMALL_STUDY.replace(
        "Does cross-entropy differ from BCE on small phantoms?", 'Is <script>alert(1)</script> & "CE" better?'
    )
    (folder / "small.yaml").write_text(study.replace("study: Is", "study: 'Is").replace("better?", "better?'"))
    command = [sys.executable, "-m", "scantrial", "run", "small.yaml"]
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=240)
    assert result.returncode == 0, result.stderr
    return folder / "small" / "report" / "report.html"


@pytest.fixture
def opened(browser, report) -> Iterator:
    """Open the report in a page of a given width; collect what it asks for and complains about."""
    contexts = []

    def open_page(**options):
        context = browser.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        page.asked, page.complaints = [], []
        page.on("request", lambda request: page.asked.append(request.url))
        page.on("console", lambda message: page.complaints.append(message.text))
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        page.on("dialog", lambda dialog: page.complaints.append(f"dialog: {dialog.message}"))
        page.goto(report.as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()


def test_the_page_asks_for_nothing_and_complains_of_nothing(opened):
    """One file: no request but the page itself, no console message, no script that ran."""
    page = opened()
    assert [url for url in page.asked if not url.startswith("data:")] == [page.url]
    assert page.complaints == []
    assert "<script>alert(1)</script>" in page.locator("h1").inner_text()


@pytest.mark.parametrize("width", [360, 768, 1400])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_sticks_out_sideways(opened, width, scheme):
    """The page itself never scrolls sideways, on a phone or a desk, light or dark, with everything unfolded."""
    page = opened(viewport={"width": width, "height": 800}, color_scheme=scheme)
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_answer_is_seen_whole_on_a_phone(opened):
    """Neither the primary results nor the tables of the worst cases have to be scrolled sideways on a phone."""
    page = opened(viewport={"width": 360, "height": 800})
    boxes = page.locator("section[aria-labelledby=short] .box, .case .box")
    assert boxes.count() >= 2
    assert all(boxes.evaluate_all("boxes => boxes.map(b => b.scrollWidth <= b.clientWidth)"))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_ground(opened, scheme):
    """Text has a contrast of at least 4.5 to its background, curves and dots of 3 (WCAG 2.2, 1.4.3 and 1.4.11)."""
    page = opened(color_scheme=scheme)
    text, *curves = page.evaluate(
        """() => {
          const lum = rgb => { const c = rgb.match(/[\\d.]+/g).slice(0, 3).map(v => { v /= 255;
            return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; });
            return 0.2126 * c[0] + 0.7152 * c[1] + 0.0722 * c[2]; };
          const ground = getComputedStyle(document.body).backgroundColor;
          const worst = what => [...document.querySelectorAll(what)].map(e => {
            const style = getComputedStyle(e);
            const a = lum(e.ownerSVGElement ? style.stroke : style.color), b = lum(ground);
            return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05); });
          return [Math.min(...worst('p, td, th, h1, h2, a')), ...worst('path[stroke*="blue"], path[stroke*="verm"]')];
        }"""
    )
    assert text >= 4.5
    assert len(curves) >= 4
    assert min(curves) >= 3


def test_the_sections_are_there_with_their_pictures(opened):
    """Question, data, arms, curves, results, mistakes, re-run; every picture loads and says what it shows."""
    page = opened()
    headings = " ".join(page.locator("h2").all_inner_texts()).lower()
    for word in ("data", "arms", "curves", "results", "confusion", "worst", "again", "limits"):
        assert word in headings
    pictures = page.locator("img, svg[role=img], figure svg")
    assert pictures.count() >= 4
    broken = page.evaluate("[...document.images].filter(i => !i.naturalWidth || !i.alt).length")
    assert broken == 0


def test_the_keyboard_reaches_what_is_folded(opened):
    """The skip link comes first, and a fold opens with the Enter key."""
    page = opened()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.getAttribute('href')").startswith("#")
    page.locator("summary").first.focus()
    page.keyboard.press("Enter")
    assert page.locator("details").first.evaluate("d => d.open")


def test_it_prints_to_pages(opened):
    """Printed, it comes to a PDF of several pages."""
    pdf = opened().pdf(format="A4")
    assert pdf.startswith(b"%PDF")
    assert pdf.count(b"/Type /Page\n") + pdf.count(b"/Type /Page ") + pdf.count(b"/Type /Page>") >= 2
