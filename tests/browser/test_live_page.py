"""The pages of `scantrial serve` as their reader meets them: in a real browser, from a real server."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.browser.conftest import new_page, until
from tests.conftest import Process, StartCli
from tests.studies import TWO_ARMS, StudyShape, write_study
from tests.web.conftest import HOSTILE, write_studies
from tests.web.serving import Reader, served

from scantrial.store.folder import StudyFolder
from scantrial.web.serve import redirect_file

pytestmark = pytest.mark.browser

VIEWS = {
    "index": "/",
    "study": "/s/done",
    "closed": "/s/half",
    "hostile": "/s/%3Chostile%3E%20%3F%23%252e",
    "report": "/s/done/report",
    "cases": "/s/done/cases?split=test&sort=mistaken",
    "case": "/s/done/cases/25?split=test",
    "where it looks": "/s/done/cases/1?saliency=base/0",
    "compare": "/s/done/compare?metric=auroc",
    "threshold": "/s/done/threshold",
    "error": "/s/none",
}

Open = Callable[..., Any]


@pytest.fixture(scope="module")
def reader(tmp_path_factory) -> Iterator[Reader]:
    with served(write_studies(tmp_path_factory.mktemp("studies"))) as found:
        yield found


@pytest.fixture(scope="module")
def studies_root(reader) -> Path:
    return reader.site.shelf.given


@contextmanager
def pages_of(browser: Any, reader: Reader) -> Iterator[Open]:
    """Open pages in contexts of a given look; collect what they ask for and complain about."""
    contexts = []

    def open_page(path: str, **options: Any) -> Any:
        context = browser.new_context(**options)
        contexts.append(context)
        page = new_page(context)
        page.home = f"http://127.0.0.1:{reader.door.port}"
        page.goto(reader.door.address.replace("/?", "/nothing?"))  # the token; a 404 is a page too
        page.complaints.clear()
        page.goto(page.home + path)
        return page

    try:
        yield open_page
    finally:
        for context in contexts:
            context.close()


@pytest.fixture
def opened(browser, reader) -> Iterator[Open]:
    with pages_of(browser, reader) as open_page:
        yield open_page


def expected_complaints(page: Any) -> list[str]:
    """Leave out that the browser notes the status of an error page."""
    return [text for text in page.complaints if "404" not in text]


@pytest.mark.parametrize("view", VIEWS)
def test_every_view_is_sound(view, opened, axe):
    """Wide and narrow, light and dark: no console message, no other host, nothing sideways, no rule of axe broken."""
    page = opened(VIEWS[view], viewport={"width": 1280, "height": 900})
    if view == "report":
        page.wait_for_selector(".chapters")  # until the report is made there is a page that says so, and loads anew
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        for width in (1280, 360):
            page.set_viewport_size({"width": width, "height": 800})
            page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
            assert page.evaluate("document.documentElement.scrollWidth") <= width
        # Dark differs from light in its colours alone.
        assert axe(page, *(["color-contrast"] if scheme == "dark" else [])) == []
    assert expected_complaints(page) == []
    assert {url.split("/")[2] for url in page.asked if not url.startswith("data:")} == {page.home.split("/")[2]}
    assert page.evaluate("[...document.images].every(i => i.complete ? i.naturalWidth > 0 : true)")


def test_the_cookie_is_out_of_reach_of_scripts(opened):
    """It is HttpOnly, and the token is not in the address any more."""
    page = opened("/s/done")
    assert page.evaluate("document.cookie") == ""
    assert "token" not in page.url
    (cookie,) = page.context.cookies()
    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")


def test_a_browser_comes_in_by_a_file(browser, tmp_path):
    """The strict cookie is sent at once; the code stays in no address, and opens once."""
    write_study(tmp_path / "done", StudyShape(arms=TWO_ARMS))
    with served(tmp_path) as reader, redirect_file(reader.door) as file:
        context = browser.new_context()
        try:
            page = new_page(context)
            page.goto(file.as_uri())
            page.wait_for_url(f"http://127.0.0.1:{reader.door.port}/")
            assert "Is cross-entropy better than BCE?" in page.content()
            page.go_back()
            assert "code=" not in page.url
            page.goto(reader.door.invitation)
            assert "this code was used before" in page.content()
        finally:
            context.close()


def test_a_hostile_name_is_only_a_name(opened):
    """A question full of markup is shown as it stands."""
    page = opened(VIEWS["hostile"])
    assert HOSTILE in page.locator("h1").inner_text()
    assert page.complaints == []


def test_inline_code_does_not_run(opened):
    """The policy stops a script that got into the page somehow."""
    page = opened("/s/done")
    page.evaluate(
        """() => { const s = document.createElement('script'); s.textContent = 'window.owned = 1';
        document.body.append(s); const i = document.createElement('img'); i.setAttribute('onerror', 'window.owned = 2');
        i.src = '/nothing.png'; document.body.append(i); }"""
    )
    page.wait_for_timeout(200)
    assert page.evaluate("window.owned") is None
    assert any("Content Security Policy" in text for text in page.complaints)


def test_the_keyboard_alone_reaches_a_case_and_goes_through_them(opened):
    """From the list: skip link, filters, first case by Tab and Enter; then arrow keys; Backspace is not needed."""
    page = opened("/s/done/cases?split=test&sort=mistaken")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    reached = []
    for _ in range(30):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.tagName + (document.activeElement.name || '')"))
        if page.evaluate("!!document.activeElement.closest('ol.grid')"):
            break
    assert {"SELECTsplit", "SELECTsort", "SELECTarm", "SELECTdecision"} <= set(reached)
    page.keyboard.press("Enter")
    page.wait_for_url("**/cases/*")
    first = page.url
    page.keyboard.press("ArrowRight")
    page.wait_for_url(lambda url: url != first)
    assert "sort=mistaken" in page.url
    page.keyboard.press("ArrowLeft")
    page.wait_for_url(first)
    page.keyboard.press("u")
    page.wait_for_url("**/cases?split=test&sort=mistaken")


def test_a_filter_answers_at_once_and_stands_in_the_address(opened):
    """A choice changes list and address without a new page; the address opens the same view elsewhere."""
    page = opened("/s/done/cases")
    page.evaluate("window.same = true")
    page.locator("select[name=split]").select_option("test")
    page.locator("select[name=outcome]").select_option("wrong")
    until(page, "document.querySelectorAll('ol.grid a:not(.wrong)').length === 0")
    assert page.evaluate("window.same")
    assert "split=test" in page.url
    assert "outcome=wrong" in page.url
    elsewhere = opened(page.url.removeprefix(page.home))
    assert elsewhere.locator("ol.grid").inner_text() == page.locator("ol.grid").inner_text()


def test_dragging_the_threshold_moves_validation_only(opened):
    """By the keyboard as by the mouse: the first row follows, the locked rows stay, the address keeps it."""
    page = opened("/s/done/threshold")
    locked = page.locator("tbody tr").nth(1).inner_text()
    page.locator("input[name=threshold]").focus()
    for _ in range(30):
        page.keyboard.press("ArrowRight")
    until(page, "document.querySelector('tbody tr').innerText.includes('probability above 0.8')")
    assert page.locator("tbody tr").nth(1).inner_text() == locked
    assert "threshold=0.8" in page.url
    assert page.locator("output").inner_text() == "0.8"


def test_two_arms_are_chosen_without_a_new_page(opened):
    """Metric and arms."""
    page = opened("/s/done/compare")
    page.evaluate("window.same = true")
    page.locator("select[name=metric]").select_option("auroc")
    until(page, "document.querySelector('#pair').innerText.includes('of AUROC')")
    assert page.evaluate("window.same")


def test_the_table_is_sorted_and_filtered_and_keeps_it(opened):
    """By a click on a heading, turned by a second one; the filter takes lines out of table and chart."""
    page = opened("/s/done")
    until(page, "!!document.querySelector('#versus .forest')")
    rows = "[...document.querySelectorAll('#arms-table tbody tr:not([hidden])')].map(row => row.dataset.arm)"
    by_mean = page.evaluate(rows)
    heading = page.locator("#arms-table thead button", has_text="Arm")
    heading.click()
    assert page.evaluate(rows) == ["base", "loss-ce"]
    heading.press("Enter")
    assert page.evaluate(rows) == ["loss-ce", "base"]
    assert page.locator("#arms-table th[aria-sort]").count() == 1
    page.locator("#filter").fill("loss-ce")
    assert page.evaluate(rows) == ["loss-ce"]
    assert page.evaluate("[...document.querySelectorAll('svg.o0 g:not(.out)')].map(g => g.dataset.arm)") == ["loss-ce"]
    page.locator("#filter").fill("")
    assert sorted(page.evaluate(rows)) == sorted(by_mean)
    assert expected_complaints(page) == []


def test_one_chart_shows_all_arms_and_another_quantity_on_request(opened):
    """Each arm has a line and a band in the chart; one of the four is seen."""
    page = opened("/s/done")
    seen = "[...document.querySelectorAll('svg.overlay')].map(c => c.getBoundingClientRect().height > 50)"
    assert page.evaluate(seen) == [True, False, False, False]
    page.get_by_role("radio", name="Validation loss").check()
    assert page.evaluate(seen) == [False, True, False, False]
    assert page.locator("svg.o1 path.over").count() == 2
    assert page.locator("svg.o1 path.band").count() == 2


def test_a_command_is_copied_as_it_stands(opened, studies_root):
    """With its button, by the clipboard of the browser."""
    page = opened("/s/half")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.locator("#next button.copy").first.click()
    command = f"scantrial run {studies_root}/half/study.yaml --out {studies_root}/half"
    until(page, "async c => await navigator.clipboard.readText() === c.command", command=command)


def test_a_wide_screen_shows_the_answer_and_the_table_at_once(opened):
    """Answer, next command, the arms and their differences stand above the fold."""
    page = opened("/s/done", viewport={"width": 1280, "height": 800})
    until(page, "!!document.querySelector('#versus .forest')")
    for place in ("#results .verdict", "#next .command", "#arms-table tbody tr", "#versus .forest tbody tr"):
        box = page.locator(place).first.bounding_box()
        assert box["y"] + box["height"] <= 800, place


# ---------------------------------------------------------------------- many cases


@pytest.fixture(scope="module")
def crowded(tmp_path_factory) -> Iterator[Reader]:
    """Serve a study of 5,840 cases."""
    root = tmp_path_factory.mktemp("crowded")
    n = {"train": 100, "val": 5640, "test": 100}
    write_study(root / "many", StudyShape(arms=TWO_ARMS, seeds=(0, 1), n_cases=n))
    with served(root) as found:
        yield found


def test_thousands_of_cases_scroll(browser, crowded):
    """The page is small at first; at the end, and wherever one stops, the cases are there; few are fetched between."""
    with pages_of(browser, crowded) as open_page:
        page = open_page("/s/many/cases?split=val&sort=case", viewport={"width": 1280, "height": 900})
        assert len(page.content()) < 150_000
        height = page.evaluate("document.documentElement.scrollHeight")
        assert height > 40_000
        for share in (1.0, 0.5):
            page.evaluate(f"scrollTo(0, {share} * document.documentElement.scrollHeight)")
            until(
                page,
                """() => { const seen = [...document.images].filter(i => { const b = i.getBoundingClientRect();
                     return b.bottom > 0 && b.top < innerHeight; });
                   return seen.length > 20 && seen.every(i => i.complete && i.naturalWidth); }""",
            )
        fetched = [url for url in page.asked if "thumb.png" in url]
        assert 0 < len(fetched) < 3000
        assert expected_complaints(page) == []


@pytest.mark.slow
def test_no_frame_waits_while_scrolling(browser, crowded):
    """Scrolled through at 48,000 pixels a second, the page is not busy for long: half of all steps cost a frame or two."""
    with pages_of(browser, crowded) as open_page:
        page = open_page("/s/many/cases?split=val&sort=case", viewport={"width": 1280, "height": 900})
        steps = page.evaluate(
            """async () => { const took = []; let was = performance.now();
            for (let i = 0; i < 60; i++) { scrollBy(0, 800);
              await new Promise(done => requestAnimationFrame(done));
              const now = performance.now(); took.push(now - was); was = now; }
            return took; }"""
        )
    assert len(steps) == 60
    assert np.median(steps) < 50


# ---------------------------------------------------------------------- live

STUDY = """
study: Does the learning rate matter on small phantoms?
data:
  source: {name: phantom, n_cases: 144, size: 32, difficulty: 0.3}
  split: {test: given, val: 0.25}
recipe:
  model: {name: mlp, hidden: [16]}
  loss: bce
  batch_size: 8
  epochs: 2000
factors:
  optimizer.lr: [0.1]
seeds: 1
primary: {metric: accuracy, split: test, margin: 0.05}
"""


@contextmanager
def training(start_cli: StartCli, folder: Path) -> Iterator[Process]:
    """Train the study in another process."""
    words = ("run", folder / "live.yaml", "--out", folder / "live", "--checkpoint-every", "0.5")
    with (folder / "words.txt").open("wb") as words_to:
        process = start_cli(*words, cwd=folder, words_to=words_to)
        try:
            yield process
        finally:
            process.kill()
            process.wait()


def epochs_drawn(page: Any) -> int:
    """Return how many epochs of its first run the page shows."""
    return page.evaluate("Number(document.querySelector('.arm tbody td:nth-child(4)')?.textContent || 0)")


FIRST_EPOCH = "Number(document.querySelector('.arm tbody td:nth-child(4)')?.textContent || 0)"


def test_a_training_is_followed_through_its_death(browser, start_cli, tmp_path):
    """Curves grow by themselves; those of a killed training stay, and go on where they were when it is resumed."""
    (tmp_path / "live.yaml").write_text(STUDY)
    with served(tmp_path) as reader, pages_of(browser, reader) as open_page:
        with training(start_cli, tmp_path) as process:
            while not (tmp_path / "live" / "plan.json").is_file():
                assert process.poll() is None, (tmp_path / "words.txt").read_text()
                time.sleep(0.1)
            page = open_page("/s/live")
            page.evaluate("window.same = true")
            until(page, f"() => {FIRST_EPOCH} > 3")
            seen = epochs_drawn(page)
            until(page, f"({{seen}}) => {FIRST_EPOCH} > seen + 3", seen=seen)
            until(page, "() => document.querySelector('#progress').innerText.includes('seed 0')")
            process.send_signal(signal.SIGKILL)
        until(
            page,
            "() => document.querySelector('#progress').innerText.includes('No process is training this study now')",
        )
        stopped = epochs_drawn(page)
        assert stopped > seen
        assert page.locator("#results[data-results=none]").count() == 1
        with training(start_cli, tmp_path) as process:
            until(page, f"({{stopped}}) => {FIRST_EPOCH} > stopped + 3", stopped=stopped)
            epochs = page.evaluate("fetch('/s/live.json').then(a => a.json()).then(p => p.arms[0].runs[0].epochs)")
            assert epochs == list(range(1, epochs[-1] + 1))
            process.kill()
        assert page.evaluate("window.same")
        assert expected_complaints(page) == []


def test_results_appear_by_themselves_when_the_last_run_ends(browser, start_cli, tmp_path):
    """Test rows stay closed until then; nothing has to be loaded anew. Then one can see where a network looks."""
    short = STUDY.replace("epochs: 2000", "epochs: 25")
    (tmp_path / "live.yaml").write_text(short)
    with served(tmp_path) as reader, pages_of(browser, reader) as open_page, training(start_cli, tmp_path) as process:
        while not (tmp_path / "live" / "plan.json").is_file():
            assert process.poll() is None, (tmp_path / "words.txt").read_text()
            time.sleep(0.1)
        page = open_page("/s/live")
        page.evaluate("window.same = true")
        until(page, "() => document.querySelectorAll('#numbers tbody tr').length === 2")
        assert page.evaluate("window.same")
        assert "2 of 2" in page.locator("#progress").inner_text()
        openings = [opening for opening in StudyFolder(tmp_path / "live").test_openings() if opening.by == "serve"]
        assert len(openings) == 1
        page.goto(f"{page.home}/s/live/cases/0?saliency=base/0")
        maps = "[...document.querySelectorAll('.maps img')]"
        until(page, f"{maps}.length === 3 && {maps}.every(i => i.complete && i.naturalWidth > 300)")
        assert expected_complaints(page) == []
