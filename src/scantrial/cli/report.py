"""``report``: write the report in each format that was asked for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from scantrial import api
from scantrial.cli.about import say_open_questions
from scantrial.cli.output import err, out, print_json


def report(
    folder: Path,
    *,
    formats: Sequence[str],
    assets: Path | None,
    out_folder: Path | None = None,
    brief: bool = False,
    as_json: bool,
) -> None:
    """Write the report in each format, and its figures and tables; print the paths."""
    written = api.reports(folder, formats=formats, assets=assets, out=out_folder, brief=brief)
    paths = {name: str(path) for name, path in written.reports.items()}
    if as_json:
        first = next(iter(paths))
        print_json(
            {
                "report": paths[first],
                "format": first,
                "reports": paths,
                "assets": [str(path) for path in written.assets],
                "diagnosis": written.view.diagnosis.to_dict(),
            }
        )
        return
    for path in (*paths.values(), *map(str, written.assets[:1])):
        out.print(path)
    if not brief:
        say_open_questions(str(folder), console=err)
