"""``init``: write a study file for some scans."""

from __future__ import annotations

from pathlib import Path

from scantrial import api
from scantrial.cli.output import err, out, print_json, progress_bar


def init(data: str, *, path: Path | None, as_json: bool) -> None:
    """Write a study file and print it, with the commands that come next."""
    with progress_bar() as progress:
        written = api.init(data, out=path, progress=progress)
    if as_json:
        print_json(written.to_dict())
        return
    out.print(written.draft.text, end="")
    err.print(f"\nwritten: {written.path}\nread each reason, then:")
    err.print(f"  scantrial audit {written.path}\n  scantrial plan {written.path}\n  scantrial run {written.path}")
