"""docs/page-json.md documents every field of every page."""

from __future__ import annotations

import sys
from dataclasses import fields
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "scripts"))

import page_json_page  # noqa: E402

from scantrial.web.records import PAGES  # noqa: E402

TEXT = page_json_page.PAGE.read_text(encoding="utf-8")


def test_the_page_is_up_to_date():
    """`python scripts/page_json_page.py` would write what is there."""
    assert page_json_page.page() == TEXT


@pytest.mark.parametrize("kind", [*PAGES, *page_json_page._parts()], ids=lambda kind: kind.__name__)
def test_every_field_says_what_it_is(kind):
    """A field without a help text fails."""
    section = TEXT.split(f"# {kind.__name__}\n")[1].split("\n#")[0]
    assert all(len(part.metadata["help"]) > 3 for part in fields(kind))
    assert all(f"| `{part.name}` |" in section for part in fields(kind))
