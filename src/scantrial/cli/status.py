"""``status``: what is finished, running and waiting."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scantrial import api
from scantrial.cli.keys import failure_of, pair_of, run_of
from scantrial.cli.output import duration, out, print_json, say
from scantrial.core.errors import first_of_a_kind
from scantrial.core.text import printable
from scantrial.prose.folder import folder_warnings
from scantrial.store.folder import RunKey


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
        out.print(f"  copied {key}: from {source['folder']}, {RunKey.from_dict(source)}")
    for key, said in found.stopped_early:
        out.print(f"  {key}: {said}")
    for item in found.running:
        out.print(f"  running {RunKey.from_dict(item)}: epoch {item['epoch']} of {item['n_epochs']}")
    for line in first_of_a_kind(f"failed {key}: {message}" for key, message in found.failed):
        say(line, bullet="  ")
    if found.running:
        out.print(f"time left: {duration(found.seconds_left)}")
    elif found.holder is None and (found.waiting or found.failed):
        # The folder's own file has the settings that these runs were started with.
        words = ["scantrial", "run", f"{found.folder}/study.yaml", "--out", str(found.folder)]
        out.print(f"to continue: {printable(shlex.join(words))}", soft_wrap=True)


def status_dict(status: api.Status) -> dict[str, Any]:
    """Return a study folder's state."""
    return {
        "folder": str(status.folder),
        "study": status.question,
        "finished": [pair_of(key) for key in status.finished],
        "diverged": [pair_of(key) for key in status.diverged],
        "failed": [failure_of(key, message) for key, message in status.failed],
        "running": list(status.running),
        "waiting": [pair_of(key) for key in status.waiting],
        "reused": [{**run_of(key), "from": dict(source)} for key, source in status.reused],
        "stopped_early": [{**run_of(key), "said": said} for key, said in status.stopped_early],
        "seconds_left": status.seconds_left,
        "holder": status.holder,
        "mismatches": [item.to_dict() for item in status.mismatches],
    }


def _held_by(holder: Mapping[str, Any]) -> str:
    return f"held by process {holder['pid']} since {holder.get('since')}" if "pid" in holder else "held by a process"
