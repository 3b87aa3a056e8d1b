"""Write the pages of docs/ that are made from the code; a test holds every page to it.

    python scripts/pages.py [NAME...]

Without a name, all of them. A new page is a module with one function that returns its text, and a line in `PAGES`.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

import audit_page
import checks_page
import commands_page
import layouts_page
import learning_curves_page
import metrics_page
import page_json_page
import questions_page
import sentences_page
import siege_page
import simulations_page
import size_page
import study_file_page
from scantrial.core.files import write_atomic

DOCS = Path(__file__).resolve().parent.parent / "docs"

PAGES: dict[str, tuple[Path, Callable[[], str]]] = {
    "audit": (DOCS / "audit.md", audit_page.page),
    "checks": (DOCS / "reference" / "checks.md", checks_page.page),
    "commands": (DOCS / "reference" / "commands.md", commands_page.page),
    "layouts": (DOCS / "layouts.md", layouts_page.page),
    "learning-curves": (DOCS / "learning-curves.md", learning_curves_page.page),
    "metrics": (DOCS / "reference" / "metrics.md", metrics_page.page),
    "page-json": (DOCS / "page-json.md", page_json_page.page),
    "sentences": (DOCS / "sentences.md", sentences_page.page),
    "siege": (DOCS / "siege.md", siege_page.page),
    "simulations": (DOCS / "simulations.md", simulations_page.page),
    "size": (DOCS / "architecture.md", size_page.page),
    "study-file": (DOCS / "reference" / "study-file.md", study_file_page.page),
    **questions_page.pages(),
}
"""By name: the file, and the function that returns its text."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the named pages."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of {', '.join(PAGES)}; default: all")
    names = parser.parse_args(arguments).names or list(PAGES)
    unknown = [name for name in names if name not in PAGES]
    if unknown:
        parser.error(f"no page is called {', '.join(unknown)}; expected some of {', '.join(PAGES)}")
    for name in names:
        file, text = PAGES[name]
        write_atomic(file, text())
        print(file)


if __name__ == "__main__":
    main()
