"""The documentation builds as a site, strictly, and the site loads nothing from elsewhere."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from tests.conftest import MakeOnce

import site_hooks

ROOT = Path(__file__).resolve().parents[3]

PAGES = sorted((ROOT / "docs").rglob("*.md"))
SOURCES = [*PAGES, *(ROOT / path for path in site_hooks.ELSEWHERE)]
LOADING = {"src", "srcset", "poster", "data", "action"}


def build(settings: Path, target: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "-f", str(settings), "-d", str(target)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


@pytest.fixture(scope="module")
def site(made_once: MakeOnce) -> Path:
    """Build the site once for all."""
    return made_once("site", build_site)


def build_site(target: Path) -> None:
    done = build(ROOT / "mkdocs.yml", target)
    assert done.returncode == 0, done.stderr


class Loads(HTMLParser):
    """Collects what a page makes a browser fetch, and where its links lead."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in LOADING or (tag == "link" and name == "href"):
                self.loaded.append(value or "")
            elif tag == "a" and name == "href":
                self.links.append(value or "")


def read(page: Path) -> Loads:
    found = Loads()
    found.feed(page.read_text(encoding="utf-8"))
    return found


def is_elsewhere(address: str) -> bool:
    return bool(urlsplit(address.strip()).scheme.replace("data", "") or address.strip().startswith("//"))


def test_every_page_is_built(site: Path) -> None:
    """The pages of docs/, those that stand elsewhere, and the list of decisions."""
    wanted = {page.relative_to(ROOT / "docs").with_suffix(".html") for page in PAGES}
    wanted |= {Path(page).with_suffix(".html") for page in (*site_hooks.ELSEWHERE.values(), site_hooks.DECISIONS)}
    assert {page.relative_to(site) for page in site.rglob("*.html")} == wanted | {Path("404.html")}
    assert not list(site.rglob("*.py"))


def test_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    """No script, style, font or picture of a page has an address of another host; nor has a style sheet."""
    pages = list(site.rglob("*.html"))
    assert [(page.name, address) for page in pages for address in read(page).loaded if is_elsewhere(address)] == []
    for sheet in site.rglob("*.css"):
        addresses = re.findall(r"(?:url\(|@import\s+)[\"']?([^\"')\s]+)", sheet.read_text(encoding="utf-8"))
        assert [address for address in addresses if is_elsewhere(address)] == []
    # The theme's script would fetch Mermaid for a page that has a diagram in that language. None has.
    assert not [page for page in pages if 'class="mermaid"' in page.read_text(encoding="utf-8")]


def test_links_elsewhere_are_well_formed(site: Path) -> None:
    """Addresses of other hosts are https, with a host and no space; whether they answer is not asked."""
    links = {link for page in site.rglob("*.html") for link in read(page).links if is_elsewhere(link)}
    wrong = [link for link in links if not re.fullmatch(r"https://[a-z0-9.-]+\.[a-z]{2,}(/[^\s<>\"]*)?", link)]
    assert wrong == []


def test_broken_links_end_the_build(tmp_path: Path) -> None:
    """A page, an anchor or a file that is not there, an address from the host's root, a page outside the contents."""
    broken = ["nothing.md", "audit.md#nothing", "../Makefile", "/audit.md"]
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "index.md").write_text("# Index\n\n[audit](audit.md)\n")
    (tmp_path / "docs" / "audit.md").write_text("# Audit\n\n" + "\n".join(f"[words]({link})" for link in broken))
    own = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    validation = re.search(r"^validation:\n(?:  .*\n)+", own, flags=re.MULTILINE)
    assert validation is not None
    (tmp_path / "mkdocs.yml").write_text(f"site_name: s\n{validation[0]}nav: [index.md]\n")
    done = build(tmp_path / "mkdocs.yml", tmp_path / "site")
    assert done.returncode == 1
    assert "Aborted with 5 warnings in strict mode" in done.stdout + done.stderr
    assert all(link in done.stderr for link in broken)


@pytest.mark.parametrize(
    ("page", "written", "link"),
    [
        ("index.md", "docs/audit.md#au001", "audit.md#au001"),
        ("index.md", "docs/decisions", "decisions/index.md"),
        ("index.md", "docs/how-to", "how-to/own-scans.md"),
        ("index.md", "docs/images/phantom.png", "images/phantom.png"),
        ("contributing.md", "tests/README.md", "tests.md"),
        ("architecture.md", "decisions/", "decisions/index.md"),
        ("how-to/about.md", "../../CONTRIBUTING.md", "../contributing.md"),
        ("how-to/about.md", "../report.md", "../report.md"),
        ("tests.md", "../docs/page.md", "page.md"),
        ("audit.md", "https://example.org/a", "https://example.org/a"),
        ("audit.md", "#au001", "#au001"),
        ("index.md", "Makefile", "Makefile"),
    ],
)
def test_links_of_the_repository_lead_to_pages_of_the_site(page: str, written: str, link: str) -> None:
    """From where the file stands in the checkout to where the page stands in the site."""
    assert site_hooks.with_site_links(f"[words]({written})", page) == f"[words]({link})"


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: str(source.relative_to(ROOT)))
def test_lists_are_lists_on_the_site_as_well(source: Path) -> None:
    """An empty line stands before every list, and no item is indented: then both readers see a list."""
    text = re.sub(r"^```.*?^```$", "", source.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    item = r"(?:[-*]|\d+\.) "
    blocks = re.split(r"\n\s*\n", text)
    late = [block for block in blocks if re.match(rf"\s*(?!{item})\S.*(?:\n.*)*?\n{item}", block)]
    assert late == []
    assert not re.findall(rf"^ {{1,3}}{item}.*", text, flags=re.MULTILINE)


def test_pictures_are_shown_and_small() -> None:
    """Every picture of docs/images stands on a page; a specimen has at most 250,000 bytes."""
    shown = {Path(link).name for page in SOURCES for link in re.findall(r"!\[[^\]]+\]\(([^)]+)\)", page.read_text())}
    pictures = {picture.name: picture.stat().st_size for picture in (ROOT / "docs" / "images").iterdir()}
    assert pictures.keys() == shown
    assert all(size <= 250_000 for name, size in pictures.items() if "report-" in name)
