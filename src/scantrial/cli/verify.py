"""``verify``: whether a study folder is what was written."""

from __future__ import annotations

from pathlib import Path

from scantrial import api
from scantrial.cli.output import out, print_json, say
from scantrial.core.format import counted
from scantrial.store.verify import Mismatch

NOT_WHOLE = 1
_SHOWN = 10


def verify(folder: Path, *, as_json: bool) -> None:
    """Print what was checked and each mismatch; exit 1 if there is one."""
    found = api.verify(folder)
    if as_json:
        print_json({"whole": found.is_whole, **found.to_dict()})
    else:
        out.print(f"{counted(found.n_files, 'file')} compared with their hashes in {found.folder}")
        for name, head in found.heads.items():
            state = "not chained: written by an earlier version" if head is None else f"last line {head}"
            out.print(f"{name}: {counted(found.n_lines[name], 'line')}, {state}")
        _say_files(found.not_bound, "not bound", "written by an earlier version, of which no hash was kept")
        _say_files(found.not_checked, "not checked", "of which scantrial keeps no hash")
        for note in found.notes:
            say(note, bullet="  ")
        _say_mismatches(found.mismatches)
    if not found.is_whole:
        raise SystemExit(NOT_WHOLE)


def _say_files(names: tuple[str, ...], state: str, why: str) -> None:
    """Say which files were not compared, if there are any: the count, why, and the first names."""
    if names:
        say(f"{state}: {counted(len(names), 'file')} {why}")
    for name in names[:_SHOWN]:
        say(name, bullet="  ")
    if len(names) > _SHOWN:
        out.print(f"  and {len(names) - _SHOWN} more")


def _say_mismatches(mismatches: tuple[Mismatch, ...]) -> None:
    kinds = dict.fromkeys(item.kind for item in mismatches)
    for kind in kinds:
        of_kind = [item for item in mismatches if item.kind == kind]
        for item in of_kind[:_SHOWN]:
            say(item.sentence, bullet="! ")
        if len(of_kind) > _SHOWN:
            out.print(f"! and {len(of_kind) - _SHOWN} more ({kind})")
    out.print("whole" if not mismatches else f"not whole: {counted(len(mismatches), 'mismatch', 'mismatches')}")
