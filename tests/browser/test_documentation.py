"""The documentation as a site, in a real browser: it asks nobody else, says nothing wrong, and can be searched."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from tests.conftest import HANGS_S, MakeOnce
from tests.unit.docs.test_site import build_site

PAGES = ["index.html", "two-reports.html", "reference/commands.html", "sentences.html"]

pytestmark = pytest.mark.browser


class Quiet(SimpleHTTPRequestHandler):
    """Serves files without a word."""

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture(scope="module")
def address(made_once: MakeOnce) -> Iterator[str]:
    """Build the site and serve it on a free port."""
    target = made_once("site", build_site)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(target)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    """A page that keeps what it asked for and what went wrong on it."""
    opened = browser.new_page(viewport={"width": 1280, "height": 900})
    opened.set_default_timeout(1000 * HANGS_S)
    opened.asked, opened.faults = [], []
    opened.on("request", lambda request: opened.asked.append(request.url))
    opened.on("console", lambda message: opened.faults.append(message.text) if message.type == "error" else None)
    yield opened
    opened.close()


@pytest.mark.parametrize("name", PAGES)
def test_a_page_asks_nobody_else(name: str, address: str, page: Any) -> None:
    """Every request goes to where the site is from, and none fails."""
    page.goto(f"{address}/{name}", wait_until="networkidle")
    assert page.asked
    assert [url for url in page.asked if not url.startswith((address, "data:", "blob:"))] == []
    assert page.faults == []


def test_the_search_finds_a_page(address: str, page: Any) -> None:
    """A word of one chapter leads to it, without a server that searches."""
    page.goto(f"{address}/index.html", wait_until="networkidle")  # before it listens, the theme hears no key
    page.locator(".md-search__input").click()
    page.locator(".md-search__input").press_sequentially("Obuchowski")
    page.locator(".md-search-result__item a").first.wait_for()
    found = page.locator(".md-search-result__item a").evaluate_all("links => links.map(link => link.href)")
    assert any("concepts.html" in link or "0012-comparison.html" in link for link in found)
    assert [url for url in page.asked if not url.startswith((address, "data:", "blob:"))] == []


def test_nothing_runs_out_of_a_narrow_page(address: str, page: Any) -> None:
    """Tables and code scroll within themselves on a telephone."""
    page.set_viewport_size({"width": 390, "height": 800})
    for name in PAGES:
        page.goto(f"{address}/{name}")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, name
