"""``show``: one case under every arm, or training scans as augmentation changes them."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from scantrial import api
from scantrial.cli.output import out, print_json, progress_bar, say
from scantrial.core.files import write_atomic
from scantrial.core.text import printable
from scantrial.figures.case import case_png


def show(folder: Path, case: int | str, *, arm: str | None, seed: int | None, png: Path | None, as_json: bool) -> None:
    """Print one case under every arm, and draw it."""
    view = api.show(folder, case, arm=arm, seed=seed)
    if png is not None:
        write_atomic(png, case_png(view), parents=True)
    if as_json:
        print_json(view.to_dict())
        return
    for line in view.to_text().split("\n"):
        _print_line(line)
    if png is not None:
        out.print(f"picture: {png}")


def show_augmented(folder: Path, *, arm: str | None, seed: int | None, n: int, png: Path | None, as_json: bool) -> None:
    """Draw training scans plain and augmented, and say what augmentation does."""
    with progress_bar() as progress:
        found = api.augmented_scans(folder, arm=arm, seed=seed, n=n, progress=progress)
    target = Path(f"augmented-{found.arm}.png") if png is None else png
    write_atomic(target, found.png, parents=True)
    if as_json:
        print_json({**found.to_dict(), "png": str(target)})
        return
    say(f"{found.arm}, seed {found.seed}: {found.said}.")
    out.print(f"picture: {target}")


def show_files(folder: Path, case: int | str | None, *, as_json: bool) -> None:
    """Print which file each case is, as a table of commas."""
    with progress_bar() as progress:
        found = api.case_files(folder, case, progress=progress)
    if as_json:
        print_json([one.to_dict() for one in found])
        return
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(
        [("case", "source", "file"), *((one.case, printable(one.source), printable(one.file)) for one in found)]
    )
    out.print(text.getvalue(), end="", soft_wrap=True)


def _print_line(line: str) -> None:
    """Print a line of a case with its indentation; the line that names its source is not wrapped."""
    words = line.lstrip()
    if not words or words.startswith("source:"):
        out.print(line)
    else:
        say(words, bullet=line[: len(line) - len(words)])
