"""``status``: what is finished, running and waiting."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scantrial import api
from scantrial.cli.output import duration, out, print_json, say
from scantrial.cli.results import status_dict
from scantrial.core.errors import first_of_a_kind
from scantrial.prose.verdicts import folder_warnings


def status(folder: Path, *, as_json: bool) -> None:
    """Print what is finished, running and waiting."""
    found = api.status(folder)
    if as_json:
        print_json(status_dict(found))
        return
    for warning in folder_warnings(found.mismatches):
        say(warning, bullet="! ")
    say(found.question)
    if found.holder is not None:
        out.print(_held_by(found.holder))
    n_diverged = f" ({len(found.diverged)} diverged)" if found.diverged else ""
    out.print(f"finished {len(found.finished)}{n_diverged}, running {len(found.running)}, waiting {len(found.waiting)}")
    for key, source in found.reused:
        out.print(f"  copied {key}: from {source['folder']}, {source['arm']}/seed-{source['seed']}")
    for key, said in found.stopped_early:
        out.print(f"  {key}: {said}")
    for item in found.running:
        out.print(f"  running {item['arm']}/seed-{item['seed']}: epoch {item['epoch']} of {item['n_epochs']}")
    for line in first_of_a_kind(f"failed {key}: {message}" for key, message in found.failed):
        say(line, bullet="  ")
    if found.running:
        out.print(f"time left: {duration(found.seconds_left)}")
    elif found.holder is None and (found.waiting or found.failed):
        out.print(f"to continue: scantrial run STUDY --out {found.folder}")


def _held_by(holder: Mapping[str, Any]) -> str:
    return f"held by process {holder['pid']} since {holder.get('since')}" if "pid" in holder else "held by a process"
