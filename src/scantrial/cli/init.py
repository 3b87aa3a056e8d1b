"""``init``: write a study file for some scans."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from scantrial import api
from scantrial.cli import output
from scantrial.cli.output import err, print_json, progress_bar
from scantrial.cli.source_options import read_options


def init(data: str, *, out: Path | None, as_json: bool, **asked: Any) -> None:
    """Write a study file and print it, with the commands that come next.

    Parameters
    ----------
    asked : texts of the options that say how the scans are read, see `read_options`
    """
    options = read_options(asked)
    with progress_bar() as progress:
        written = api.init(data, out=out, progress=progress, **options)
    if as_json:
        print_json(written.to_dict())
        return
    output.out.print(written.draft.text, end="")
    err.print(f"\nwritten: {written.path}\nread each reason, then:")
    err.print(f"  scantrial audit {written.path}\n  scantrial plan {written.path}\n  scantrial run {written.path}")
