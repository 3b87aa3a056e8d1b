"""``show``: one case under every arm."""

from __future__ import annotations

from pathlib import Path

from scantrial import api
from scantrial.cli.output import out, print_json, say
from scantrial.core.files import write_atomic
from scantrial.figures.case import case_png


def show(folder: Path, case: int, *, arm: str | None, seed: int | None, png: Path | None, as_json: bool) -> None:
    """Print one case under every arm, and draw it."""
    view = api.show(folder, case, arm=arm, seed=seed)
    if png is not None:
        write_atomic(png, case_png(view))
    if as_json:
        print_json(view.to_dict())
        return
    for line in view.to_text().split("\n"):
        _print_line(line)
    if png is not None:
        out.print(f"picture: {png}")


def _print_line(line: str) -> None:
    """Print a line of a case with its indentation; the line that names its source is not wrapped."""
    words = line.lstrip()
    if not words or words.startswith("source:"):
        out.print(line)
    else:
        say(words, bullet=line[: len(line) - len(words)])
