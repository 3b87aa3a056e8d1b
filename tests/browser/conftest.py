"""A headless Chromium of the system, and axe-core's rules for accessibility."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import HANGS_S

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
]
AXE = Path(__file__).parent / "node_modules" / "axe-core" / "axe.min.js"


def missing(what: str) -> None:
    """Skip a test for want of something; fail where it is demanded."""
    if os.environ.get("SCANTRIAL_REQUIRE_BROWSER"):
        pytest.fail(f"{what}, but SCANTRIAL_REQUIRE_BROWSER is set")
    pytest.skip(what)


def until(page: Any, expression: str, **values: Any) -> None:
    """Wait until an expression is true; Playwright's own way of waiting is stopped by the pages' policy."""
    end = time.monotonic() + HANGS_S
    while not page.evaluate(expression, values):
        assert time.monotonic() < end, f"it did not come true that {expression}"
        page.wait_for_timeout(40)


def new_page(context: Any) -> Any:
    """Open an empty page that keeps what it asks for and what it complains about."""
    context.set_default_timeout(1000 * HANGS_S)
    page = context.new_page()
    page.asked, page.complaints = [], []
    page.on("request", lambda request: page.asked.append(request.url))
    page.on("console", lambda message: page.complaints.append(message.text))
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    page.on("dialog", lambda dialog: page.complaints.append(f"dialog: {dialog.message}"))
    return page


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Start a browser; without one the tests are skipped, or fail where one is demanded."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    path = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if path is None:
        missing("no Chromium on this machine (apt-get install chromium)")
    with sync_api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=FLAGS, timeout=1000 * HANGS_S)
        yield started
        started.close()


@pytest.fixture(scope="session")
def axe() -> Callable[..., list[str]]:
    """Return a function ``axe(page, *rules)`` that gives what a page breaks of axe's rules: WCAG A, AA, best practice.

    Each is a line: rule, impact, where. Without named rules all are tried. The script is run by the driver, beside the
    page's own policy.
    """
    if not AXE.is_file():
        missing("axe-core is not installed (npm ci --prefix tests/browser)")
    source = AXE.read_text(encoding="utf-8")

    def broken_rules(page: Any, *rules: str) -> list[str]:
        if not page.evaluate("typeof axe === 'object'"):
            page.evaluate(source)
        options: dict[str, Any] = {"resultTypes": ["violations"]}
        if rules:
            options["runOnly"] = list(rules)
        found = page.evaluate("options => axe.run(document, options)", options)
        return [
            f"{item['id']} ({item['impact']}): {'; '.join(' '.join(node['target']) for node in item['nodes'][:4])}"
            for item in found["violations"]
        ]

    return broken_rules
