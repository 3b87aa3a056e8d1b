"""The report as its reader meets it: opened from disk in a real browser, without a network."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.browser.conftest import new_page, until
from tests.conftest import HANGS_S
from tests.e2e.conftest import SMALL_STUDY

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def report(tmp_path_factory, cli_in) -> Path:
    """The report of a real small study, with a question that tries to break out of the page."""
    folder = tmp_path_factory.mktemp("browser")
    study = SMALL_STUDY.replace(
        "Does cross-entropy differ from BCE on small phantoms?", 'Is <script>alert(1)</script> & "CE" better?'
    )
    (folder / "small.yaml").write_text(study.replace("study: Is", "study: 'Is").replace("better?", "better?'"))
    result = cli_in("run", "small.yaml", cwd=folder)
    assert result.returncode == 0, result.stderr
    return folder / "small" / "report" / "report.html"


@pytest.fixture
def opened(browser, report) -> Iterator:
    """Open the report in a page of a given width; collect what it asks for and complains about."""
    contexts = []

    def open_page(**options):
        context = browser.new_context(**options)
        contexts.append(context)
        page = new_page(context)
        page.goto(report.as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()


def enliven(page, figure: str | None = None) -> None:
    """Bring a figure into sight and wait until it moves; or all, one after another, and leave folds as they were."""
    for name in [figure] if figure else page.locator("figure.chart").evaluate_all("all => all.map(f => f.id)"):
        fold = page.locator(f"details:not([open]):has(#{name})")
        folded = fold.evaluate_all("all => all.map(fold => { fold.open = true; return fold.id; })")
        page.locator(f"#{name} .panels").scroll_into_view_if_needed()
        page.wait_for_selector(f"#{name}[data-live]")
        for opened in [] if figure else folded:
            page.locator(f"#{opened}").evaluate("fold => { fold.open = false; }")


def test_the_page_asks_for_nothing_and_complains_of_nothing(opened):
    """One file: no request but the page itself, no console message, nothing the policy forbids, nothing injected."""
    page = opened()
    enliven(page)
    assert page.locator("figure.chart").count() >= 5
    assert [url for url in page.asked if not url.startswith("data:")] == [page.url]
    assert page.complaints == []
    assert "<script>alert(1)</script>" in page.locator("h1").inner_text()


@pytest.mark.parametrize(("width", "scheme"), [(360, "dark"), (768, "light"), (1400, "light")])
def test_nothing_sticks_out_sideways(opened, width, scheme):
    """The page itself never scrolls sideways, on a phone or a desk, light or dark, with everything unfolded."""
    page = opened(viewport={"width": width, "height": 800}, color_scheme=scheme)
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    enliven(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


SCREENS = {"desk": (1280, 800), "phone": (390, 844)}


@pytest.mark.parametrize("name", SCREENS)
def test_the_first_screen_holds_the_answer(opened, name):
    """Question, answer, figure of the differences, table of arms and what weakens it, before anything is scrolled."""
    width, height = SCREENS[name]
    page = opened(viewport={"width": width, "height": height})
    for part in ("h1", "#answer-1", "#forest", "#primary", ".summary .remark"):
        box = page.locator(part).bounding_box()
        assert box["y"] + box["height"] <= height, part


def test_a_link_into_a_fold_opens_it(opened):
    """Whether it leads to a chapter or deep into one, from another page or from this one, or is followed once more."""
    page = opened()
    assert page.locator("#environment").evaluate("e => !e.closest('.fold').open")
    page.goto(f"{page.url}#environment-list")
    page.locator("#environment-list").wait_for(state="visible")
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = false)")
    page.evaluate("location.hash = 'verdicts'")
    page.locator("#verdict-table").wait_for(state="visible")
    link = page.locator("#crosswalk-claim-links a").nth(1)  # the first one leads to the summary
    target = page.locator(link.get_attribute("href"))
    for _ in range(2):
        page.evaluate("document.querySelectorAll('details').forEach(d => d.open = d.id === 'crosswalk-fold')")
        link.click()
        target.wait_for(state="visible")
        assert target.evaluate("e => e.closest('.fold[open]') !== null")
    assert page.complaints == []


def test_everything_unfolds_at_once_and_folds_again(opened):
    """A button opens every fold but those of the rows behind figures, and closes them."""
    page = opened()
    button = page.locator(".unfold button")
    button.click()
    assert page.locator("details:not([open], .behind)").count() == 0
    assert button.inner_text() == "Fold everything"
    button.click()
    assert page.locator("details[open]").count() == 0


def test_the_answer_is_seen_whole_on_a_phone(opened):
    """Neither the primary results nor the tables of the worst cases have to be scrolled sideways on a phone."""
    page = opened(viewport={"width": 360, "height": 800})
    page.locator(".unfold button").click()
    boxes = page.locator(".summary > .box, .beside .box")
    assert boxes.count() >= 2
    assert all(boxes.evaluate_all("boxes => boxes.map(b => b.scrollWidth <= b.clientWidth)"))


@pytest.mark.parametrize("live", [False, True], ids=["drawn", "live"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_ground(opened, scheme, live):
    """Text has a contrast of at least 4.5 to its background, curves and dots of 3 (WCAG 2.2, 1.4.3 and 1.4.11)."""
    page = opened(color_scheme=scheme)
    if live:
        enliven(page)
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
    headings = " ".join(page.locator("h2, h3").all_text_contents()).lower()
    for word in (
        "short",
        "compared",
        "verdicts",
        "curves",
        "results",
        "confusion",
        "worst",
        "audit",
        "again",
        "limits",
    ):
        assert word in headings
    pictures = page.locator("img, svg[role=img], figure svg")
    assert pictures.count() >= 4
    broken = page.evaluate("[...document.images].filter(i => !i.naturalWidth || !i.alt).length")
    assert broken == 0


def test_the_keyboard_reaches_what_is_folded(opened):
    """The skip link comes first and leads to the report, and a fold opens with the Enter key."""
    page = opened()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.getAttribute('href')") == "#content"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "content"
    page.locator(".fold > summary").first.focus()
    page.keyboard.press("Enter")
    assert page.locator(".fold").first.evaluate("d => d.open")


LINES = "#curves-base-figure .panel:first-child g.mark-line path"


def test_without_script_the_figures_stand_as_drawn(opened):
    """Every panel shows its drawing, and nothing is offered that needs the script."""
    page = opened(java_script_enabled=False)
    for fold in page.locator(".fold > summary").all():
        fold.click()
    panels = page.locator("figure.chart:not(details:not([open]) *) .panel")
    assert panels.count() >= 8
    assert all(panel.locator("svg").is_visible() for panel in panels.all())
    assert page.locator("button:visible, input:visible").count() == 0


def test_a_seed_can_be_taken_out_of_the_curves(opened):
    """Unchecking a seed takes its two lines out of the panel; with the keyboard it comes back."""
    page = opened()
    enliven(page, "curves-base-figure")
    before = page.locator(LINES).count()
    box = page.locator("#curves-base-figure .toggles input").first
    box.uncheck()
    until(page, f"document.querySelectorAll({LINES!r}).length === {before - 2}")
    box.focus()
    page.keyboard.press("Space")
    until(page, f"document.querySelectorAll({LINES!r}).length === {before}")
    assert page.complaints == []


def test_an_arm_can_be_taken_out_of_the_dots(opened):
    """Unchecking an arm leaves the other arm's dots."""
    page = opened()
    enliven(page, "dots")
    dots = "#dots g.mark-symbol path"
    before = page.locator(dots).count()
    page.locator("#dots .toggles[data-column=arm] input").first.uncheck()
    until(page, f"document.querySelectorAll({dots!r}).length === {before // 2}")


def test_the_pointer_is_told_the_values(opened):
    """A point of a curve shows seed, split, epoch and value; it goes when the pointer does, or with Escape."""
    page = opened()
    enliven(page, "curves-base-figure")
    tip, said = page.locator(".tip"), []
    points = page.locator("#curves-base-figure .panel:first-child g.mark-symbol path").all()[:12]
    wanted = [{"split", "seed", "epoch", "value"}, {"split", "epoch", "mean value"}]
    end = time.monotonic() + HANGS_S
    while not all(words in said for words in wanted):
        assert time.monotonic() < end, said
        for point in points:
            point.hover(force=True)
            page.wait_for_timeout(50)
            said.append(set(tip.locator("span").all_text_contents()) if tip.is_visible() else set())
    page.keyboard.press("Escape")
    tip.wait_for(state="hidden")


def axis_labels(page) -> list[str]:
    """Return the numbers at the axes of the first panel; Vega keeps them in no order."""
    labels = page.locator("#curves-base-figure .panel:first-child g.role-axis-label text")
    return sorted(labels.all_text_contents())


def test_curves_can_be_zoomed_moved_and_set_back(opened):
    """With buttons, arrow keys and Control with the wheel; a plain wheel scrolls the page."""
    page = opened()
    enliven(page, "curves-base-figure")
    whole = axis_labels(page)

    def changed(labels):
        return shown(lambda now: now != labels)

    def shown(is_wanted):
        end = time.monotonic() + HANGS_S
        while not is_wanted(now := axis_labels(page)):
            assert time.monotonic() < end, f"the axes still show {now}"
            page.wait_for_timeout(50)
        return now

    zoom = page.locator("#curves-base-figure .zoom")
    zoom.get_by_label("Zoom in").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    nearer = changed(whole)
    for _ in range(3):
        page.keyboard.press("ArrowUp")
    changed(nearer)
    zoom.get_by_text("Reset").click()
    shown(lambda now: now == whole)
    page.locator("#curves-base-figure .panel").first.hover()
    page.keyboard.down("Control")
    page.mouse.wheel(0, -400)
    page.keyboard.up("Control")
    changed(whole)
    before = page.evaluate("scrollY")
    page.mouse.wheel(0, 400)
    until(page, f"scrollY > {before}")
    assert page.complaints == []


def test_a_live_figure_is_the_figure_that_was_drawn(opened):
    """Before anything is touched, each panel is as large as its drawing, and has the same words and as many lines."""
    page = opened(viewport={"width": 1400, "height": 900})
    look = """() => [...document.querySelectorAll('figure.chart .panel svg')].map(svg => [
        Math.round(svg.getBoundingClientRect().width), Math.round(svg.getBoundingClientRect().height),
        [...svg.querySelectorAll('text')].map(t => t.textContent).sort().join('|'),
        svg.querySelectorAll('g.mark-line path, g.mark-area path').length, svg.closest('figure').id])"""
    page.locator(".unfold button").click()
    drawn = page.evaluate(look)
    enliven(page)
    for (width, height, *rest), (width_now, height_now, *rest_now) in zip(drawn, page.evaluate(look), strict=True):
        assert rest_now == rest
        # A browser's letters are not quite as wide as those of the drawing program.
        assert abs(width - width_now) <= 0.1 * width, rest[-1]
        assert abs(height - height_now) <= 0.1 * height, rest[-1]


def test_it_prints_to_pages_with_nothing_folded_away(opened):
    """Printed, it comes to several pages with the words that the screen folds away, and without the rows of figures."""
    page = opened()
    enliven(page)
    page.emulate_media(media="print")
    assert not page.locator(".tools:visible, .behind:visible").count()
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.get_by_text("Every run on the test cases").is_visible()
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert not page.evaluate(
        "[...document.querySelectorAll('details')].some(d => d.open && !d.id.startsWith('left-out'))"
    )
    pdf = page.pdf(format="A4")
    assert pdf.startswith(b"%PDF")
    assert pdf.count(b"/Type /Page\n") + pdf.count(b"/Type /Page ") + pdf.count(b"/Type /Page>") >= 4
    assert page.complaints == []


@pytest.mark.parametrize(("width", "scheme"), [(400, "dark"), (1300, "light")])
def test_nothing_breaks_the_rules_of_accessibility(opened, axe, width, scheme):
    """Axe-core finds nothing, folded and with all unfolded and every figure live, wide and narrow, light and dark."""
    page = opened(viewport={"width": width, "height": 900}, color_scheme=scheme)
    assert axe(page) == []
    page.locator(".unfold button").click()
    enliven(page)
    assert axe(page) == []
