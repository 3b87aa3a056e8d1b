"""The report in a study folder, which anybody may have written: its bytes, and the policy it is shown under."""

from __future__ import annotations

import base64
import re
from hashlib import sha256
from pathlib import Path

from scantrial.core.errors import StoreError

MOST_BYTES = 64 << 20
"""Largest report that is shown; the report of a hundred runs takes 6 MB."""
_OUTSIDE = re.compile(rb"<(iframe|frame|object|embed|link|base|portal|fencedframe)\b", re.IGNORECASE)
"""Elements that would have a browser connect elsewhere, whatever the policy; a report of ours has none."""
MOST_STYLES = 50
"""Styles of a report that are applied; a report of ours has one."""


def written_report(folder: Path) -> tuple[bytes, str] | None:
    """Return the report in a folder and its policy, or None if there is none.

    The policy allows the report's own styles, by their hashes, and no script, whatever the file says.

    Raises
    ------
    StoreError
        If it is larger than `MOST_BYTES`, or holds an element that no report has.
    """
    path = folder / "report" / "report.html"
    if not path.is_file() or not path.resolve().is_relative_to(folder.resolve()):
        return None
    with path.open("rb") as file:
        html = file.read(MOST_BYTES + 1)
    if len(html) > MOST_BYTES:
        raise StoreError(
            f"report/report.html has more than {MOST_BYTES >> 20} MB",
            expected=f"at most {MOST_BYTES >> 20} MB",
            do="write it anew with `scantrial report`, or open the file itself in a browser",
        )
    foreign = _OUTSIDE.search(html)
    if foreign is not None:
        raise StoreError(
            f"report/report.html holds <{foreign[1].decode().lower()}>, through which a page reaches elsewhere",
            expected="a report as scantrial writes it",
            do="write it anew with `scantrial report`",
        )
    hashes = " ".join(f"'sha256-{found}'" for found in _style_hashes(html))
    return html, f"default-src 'none'; img-src data:; style-src {hashes or chr(39) + 'none' + chr(39)}; sandbox"


def _style_hashes(html: bytes) -> list[str]:
    """Return the hashes of the first styles, in one pass over the page."""
    found: list[str] = []
    end = 0
    while len(found) < MOST_STYLES:
        start = html.find(b"<style", end)
        begin = html.find(b">", start) + 1 if start >= 0 else 0
        end = html.find(b"</style>", begin) if begin else -1
        if end < 0:
            break
        found.append(base64.b64encode(sha256(html[begin:end]).digest()).decode())
    return found
