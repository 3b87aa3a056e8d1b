"""A study folder holds its own files and folders: no link out of it, and nothing that is neither file nor folder.

A folder may come from a stranger. A link in it could let a command write into another place of this machine or show a
file of it, and to open a pipe could wait for ever. The study folder itself may be a link, and so may be scans. What
scantrial neither reads nor writes, such as a user's own notes beside the study, is not looked at.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path

from scantrial.core.errors import StoreError
from scantrial.core.files import clear_os_errors
from scantrial.store.protocol import FIXED_FILES, NAME
from scantrial.store.test_lock import OPENINGS

_REPORTS = ("report", "report/report.html", "report/report.pdf", "report/report.md")
_ALONE = (*FIXED_FILES, NAME, OPENINGS, ".lock", *_REPORTS)
_WITH_ALL_INSIDE = ("runs", "partial", "damaged", "report/report_files")


def refuse_links(folder: Path) -> None:
    """Refuse a study folder with a link that leads out of it, or with something that is neither file nor folder.

    A running study makes, renames and removes files meanwhile: what has vanished is skipped.

    Raises
    ------
    StoreError
        Naming the first such entry and where it leads.
    """
    with clear_os_errors(folder):
        if not folder.is_dir():
            return
        root = folder.resolve()
        alone = {root / name for name in _ALONE}
        waiting = [*alone, *(root / name for name in _WITH_ALL_INSIDE)]
        seen = set()
        while waiting:
            path = waiting.pop()
            if path in seen:
                continue
            seen.add(path)
            # Gone, or closed to us: then it is closed to whoever reads it, too.
            with suppress(FileNotFoundError, NotADirectoryError, PermissionError):
                mode = path.lstat().st_mode
                if stat.S_ISLNK(mode):
                    waiting.append(_inside(root, path, folder))
                elif stat.S_ISDIR(mode):
                    waiting += [] if path in alone else path.iterdir()
                elif not stat.S_ISREG(mode):
                    raise StoreError(
                        f"{folder / path.relative_to(root)} is neither a file nor a folder",
                        expected="files and folders alone",
                        do="remove it",
                    )


def _inside(root: Path, path: Path, folder: Path) -> Path:
    """Return where a link leads, which has to be within the study folder."""
    target = Path(os.path.realpath(path))
    if not target.is_relative_to(root):
        raise StoreError(
            f"{folder / path.relative_to(root)} is a link to {target}, outside the study folder",
            expected="a study folder whose files are all within it",
            do="put the files in its place if you trust them; if the folder was given to you, ask where it comes from",
        )
    return target
