"""The page of `scantrial audit --html` in a real browser: files with hostile names, no request, no complaint."""

from __future__ import annotations

import shutil

import pytest
from tests.browser.conftest import new_page
from tests.unit.audit.conftest import phantom_scans

pytestmark = pytest.mark.browser

CLASSES = ("<img src=x onerror=alert(1)>", "ill \u202eshadow\u202c")


@pytest.fixture(scope="module")
def page_file(tmp_path_factory, cli_in):
    """Scans as files: classes named to break out of a page, a name that turns the line around, one of 300 characters."""
    from PIL import Image

    root = tmp_path_factory.mktemp("audit")
    scans = phantom_scans(n_cases=120, size=32, duplicates=0.5)
    for number, (pixels, label, split) in enumerate(zip(scans.images, scans.labels, scans.split, strict=True)):
        name = {0: "x" * 240, 1: "a\u202egnp", 2: "<script>alert(2)<script>"}.get(number, f"s{number:03d}")
        file = root / "scans" / (split or "train") / CLASSES[label] / f"{name}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels.squeeze()).save(file)
    first = next((root / "scans" / "train").iterdir()) / f"{'y' * 200}.png"
    shutil.copy(next((root / "scans" / "test").rglob("*.png")), first)
    result = cli_in("audit", "scans", "--html", "page.html", cwd=root)
    assert result.returncode == 4, result.stderr
    assert "page: page.html" in result.stderr
    return root / "page.html"


@pytest.fixture
def opened(browser, page_file):
    context = browser.new_context(viewport={"width": 360, "height": 800})
    page = new_page(context)
    page.goto(page_file.as_uri())
    yield page
    context.close()


def test_it_asks_for_nothing_and_complains_of_nothing(opened):
    """One file; names stay text; every picture loads and says what it shows; no sideways scrolling on a phone."""
    opened.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert [url for url in opened.asked if not url.startswith("data:")] == [opened.url]
    assert opened.complaints == []
    assert opened.evaluate("[...document.images].filter(i => !i.naturalWidth || !i.alt).length") == 0
    assert opened.evaluate("document.images.length") > 10
    assert opened.evaluate("[...document.scripts].filter(s => s.type !== 'application/json').length") == 1  # our own
    assert opened.evaluate("document.documentElement.scrollWidth") <= 360
    text = opened.locator("body").inner_text()
    assert CLASSES[0] in text
    assert "\\u202e" in text
    assert "y" * 200 in text


def test_findings_come_ranked_with_what_to_do(opened):
    """Blockers first, each with its action; the sections are linked."""
    headings = opened.locator(".remark h3").all_inner_texts()
    order = [("Blocker", "Warning", "Note").index(text.split()[0]) for text in headings]
    assert order == sorted(order)
    assert order[0] == 0
    assert opened.locator(".remark .small").first.inner_text().startswith("What to do")
    assert opened.locator("nav a").count() == 4
