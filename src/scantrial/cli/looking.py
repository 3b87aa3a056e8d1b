"""``status``, ``show``, ``report``, ``predict``: look at what is there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.table import Table

from scantrial import api
from scantrial.cli.output import duration, out, print_json, print_table
from scantrial.cli.results import status_dict
from scantrial.core.files import write_atomic
from scantrial.report.case import case_png


def status(folder: Path, *, as_json: bool) -> None:
    """Print what is done, running and left."""
    found = api.status(folder)
    if as_json:
        print_json(status_dict(found))
        return
    out.print(found.question)
    if found.holder is not None:
        out.print(_held_by(found.holder))
    n_diverged = f" ({len(found.diverged)} diverged)" if found.diverged else ""
    out.print(f"finished {len(found.finished)}{n_diverged}, running {len(found.running)}, waiting {len(found.waiting)}")
    for key, source in found.reused:
        out.print(f"  taken over {key}: from {source['folder']}, {source['arm']}/seed-{source['seed']}")
    for item in found.running:
        out.print(f"  running {item['arm']}/seed-{item['seed']}: epoch {item['epoch']} of {item['n_epochs']}")
    for key, message in found.failed:
        out.print(f"  failed {key}: {message}")
    if found.running:
        out.print(f"time left: {duration(found.seconds_left)}")
    elif found.holder is None and (found.waiting or found.failed):
        out.print(f"to go on: scantrial run STUDY --out {found.folder}")


def _held_by(holder: Mapping[str, Any]) -> str:
    return f"held by process {holder['pid']} since {holder.get('since')}" if "pid" in holder else "held by a process"


def show(folder: Path, case: int, *, arm: str | None, seed: int | None, png: Path | None, as_json: bool) -> None:
    """Print one case under every arm, and draw it."""
    view = api.show(folder, case, arm=arm, seed=seed)
    if png is not None:
        write_atomic(png, case_png(view))
    if as_json:
        print_json(view.to_dict())
        return
    out.print(view.to_text())
    if png is not None:
        out.print(f"picture: {png}")


def report(folder: Path, *, report_format: str, as_json: bool) -> None:
    """Write the report and print its path."""
    if as_json:
        path, view = api.report_and_results(folder)
        print_json({"report": str(path), "format": report_format, "diagnosis": view.diagnosis.to_dict()})
    else:
        out.print(str(api.report(folder)))


def predict(model: Path, files: Sequence[Path], *, as_json: bool) -> None:
    """Print class and probabilities of each file."""
    judged = api.predict(model, files)
    if as_json:
        print_json(judged.to_dict())
        return
    table = Table("file", "class", *(f"p {name}" for name in judged.class_names), box=None, padding=(0, 2, 0, 0))
    for row in judged.rows:
        table.add_row(row.file, row.predicted_class, *(f"{p:.4f}" for p in row.y_prob))
    print_table(table)
    out.print(f"model: {judged.identity}")
