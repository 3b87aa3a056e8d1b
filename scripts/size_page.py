"""The text of docs/architecture.md: its table of sizes, scantrial beside other codebases, is made by `scripts/size.py`.

The numbers of the others are those of docs/data/model-codebases.json. Our own row stays as it is written while it is
nearly right, so that not every change of the code is one of the page.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import size
from page_table import table

PAGE = size.ROOT / "docs" / "architecture.md"
BEGIN, END = "<!-- begin: python scripts/pages.py size -->\n", "<!-- end -->\n"
HEADER = (
    "codebase",
    "files",
    "lines of code",
    "function body: median / p90 / p99 / max",
    f"functions with more than {size.MANY_PARAMETERS} parameters",
    "classes that share a name",
)
OWN = 2
"""Of the table's lines."""

NEAR = 0.05
"""A number of our own row may be off by this share of it, or by 1."""


def page(file: Path = PAGE) -> str:
    """Return the whole page."""
    before, begin, rest = file.read_text(encoding="utf-8").partition(BEGIN)
    written, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"{file} has no place for the table; expected the lines {BEGIN.strip()} and {END.strip()}")
    return "".join([before, BEGIN, _block(written), END, after])


def _block(written: str) -> str:
    peers = json.loads(size.PEERS.read_text(encoding="utf-8"))
    own = size.row_of(size.measure_folder(size.ROOT / "src"), name="scantrial")
    lines = table(HEADER, map(cells, [own, *(size.Codebase(**row) for row in peers["codebases"])]))
    found = re.search(r"^\| \*\*scantrial\*\* .*$", written, flags=re.MULTILINE)
    if found and is_near(found[0], lines[OWN]):
        lines[OWN] = found[0]
    said = (
        f"Counted by `scripts/size.py`, tests left out; the others on {peers['measured']}. `make size`, a part of "
        f"`.ci/run`, holds\n`src` to modules of at most {size.MAX_MODULE_LINES} lines, function bodies of at most "
        f"{size.MAX_BODY_LINES}, and {size.MAX_PARAMETERS} parameters. Our own\nrow is written again when one of its "
        f"numbers is off by more than {size.percent(NEAR)} and by more than 1."
    )
    return "\n".join(["", *lines, said, "", ""])


def cells(row: size.Codebase) -> tuple[str, ...]:
    """Return the row of a codebase; our own has no version, and stands out."""
    body = " / ".join(map(str, row.body_lines))
    many, shared = size.percent(row.many_parameters, digits=1), size.percent(row.shared_names)
    name = f"{row.name} {row.version}" if row.version else f"**{row.name}**"
    return name, str(row.n_files), f"{row.n_code_lines:,}", body, many, shared


def is_near(written: str, now: str) -> bool:
    """Whether no number of a row has moved far."""
    before, after = (
        [float(number) for number in re.findall(r"\d+(?:\.\d+)?", row.replace(",", ""))] for row in (written, now)
    )
    return len(before) == len(after) and all(abs(a - b) <= max(1, NEAR * a) for a, b in zip(before, after, strict=True))
