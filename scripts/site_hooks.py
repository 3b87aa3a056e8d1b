"""Pages of the site that are files elsewhere in the checkout, and the links between all of them; mkdocs.yml runs this.

README, CONTRIBUTING, CHANGELOG and the tests' README stay where readers of the repository look for them, and the site
shows them under names of its own. A link is written for the repository; the site's address is made from it here. What
the site does not have keeps its link, which a strict build refuses.
"""

from __future__ import annotations

import os
import posixpath
import re
from pathlib import Path
from typing import TYPE_CHECKING

from mkdocs.structure.files import File, Files

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parent.parent

ELSEWHERE = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "SECURITY.md": "security.md",
    "tests/README.md": "tests.md",
    "benchmarks/README.md": "benchmark-scripts.md",
}
"""Path in the checkout to path in the site."""

DECISIONS = "decisions/index.md"

FOLDERS = {"docs/decisions": DECISIONS, "docs/how-to": "how-to/own-scans.md"}
"""A folder, which the repository lists, to its page in the site: the list of it, or the first one."""


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add the pages that do not stand in docs/."""
    texts = {site: (ROOT / path).read_text(encoding="utf-8") for path, site in ELSEWHERE.items()}
    for site, text in {**texts, DECISIONS: decisions()}.items():
        files.append(File.generated(config, site, content=text))
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:  # noqa: ARG001
    """Make links of the repository into links of the site; the first page stands alone and needs no list of pages."""
    if page.is_homepage:
        page.meta["hide"] = ["navigation"]
    return with_site_links(markdown, page.file.src_uri)


def decisions() -> str:
    """Return the list of decision records, by their own titles."""
    lines = [
        "# Decisions\n",
        "What was decided, between which alternatives, and how we would know that it was wrong.\n",
    ]
    for record in sorted((ROOT / "docs" / "decisions").glob("*.md")):
        title = record.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ")
        number, _, words = title.partition(". ")
        lines.append(f"- {number}: [{words}]({record.name})")
    return "\n".join(lines) + "\n"


def with_site_links(markdown: str, page: str) -> str:
    """Return a page's text with every link that it writes as a path of the checkout led to the page of the site."""
    own = {site: path for path, site in ELSEWHERE.items()}.get(page, f"docs/{page}")
    return re.sub(r"(?<=\]\()([^)\s#:]+)(?=[)#])", lambda link: _on_site(link[1], own, page), markdown)


def _on_site(link: str, own: str, page: str) -> str:
    target = posixpath.normpath(posixpath.join(posixpath.dirname(own), link))
    if target in FOLDERS or target in ELSEWHERE:
        site = {**FOLDERS, **ELSEWHERE}[target]
    elif target.startswith("docs/"):
        site = target.removeprefix("docs/")
    else:
        return link
    return os.path.relpath(site, posixpath.dirname(page) or ".").replace(os.sep, "/")
