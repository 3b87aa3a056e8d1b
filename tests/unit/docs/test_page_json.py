"""docs/page-json.md documents every field of every page."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

import page_json_page
from scantrial.web.records import PAGES

ROOT = Path(__file__).resolve().parents[3]

TEXT = (ROOT / "docs" / "page-json.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("kind", [*PAGES, *page_json_page._parts()], ids=lambda kind: kind.__name__)
def test_every_field_says_what_it_is(kind):
    """A field without a help text fails."""
    section = TEXT.split(f"# {kind.__name__}\n")[1].split("\n#")[0]
    assert all(len(part.metadata["help"]) > 3 for part in fields(kind))
    assert all(f"| `{part.name}` |" in section for part in fields(kind))
