"""A study folder holds its own files and folders: no link among them, and nothing that is neither file nor folder.

A folder may come from a stranger. A link in it could let a command write into another place of this machine or show a
file of it; within the folder, a link at ``partial`` could let it remove finished runs for unfinished ones. To open a
pipe could wait for ever. The study folder itself may be a link, and so may be scans. What scantrial neither reads nor
writes, such as a user's own notes beside the study, is not looked at.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from scantrial.core.errors import StoreError
from scantrial.core.files import clear_os_errors
from scantrial.store.protocol import FIXED_FILES, NAME
from scantrial.store.test_lock import OPENINGS

_REPORTS = ("report", "report/report.html", "report/report.pdf", "report/report.md")
_ALONE = (*FIXED_FILES, NAME, OPENINGS, ".lock", *_REPORTS)
_WITH_ALL_INSIDE = ("runs", "partial", "damaged", "report/report_files")


def refuse_links(folder: Path) -> None:
    """Refuse a study folder with a link among its files and folders, or with something that is neither of both.

    A running study makes, renames and removes files meanwhile: what has vanished is skipped.

    Raises
    ------
    StoreError
        Naming the first such entry and where it leads.
    """
    with clear_os_errors(folder):
        if not folder.is_dir():
            return
        alone = {folder / name for name in _ALONE}
        # The last is taken first: what holds others comes before them.
        waiting = [folder / name for name in reversed((*_ALONE, *_WITH_ALL_INSIDE))]
        while waiting:
            path = waiting.pop()
            # Gone, or closed to us: then it is closed to whoever reads it, too.
            with suppress(FileNotFoundError, NotADirectoryError, PermissionError):
                mode = path.lstat().st_mode
                if stat.S_ISLNK(mode):
                    _refuse_link(path, folder)
                elif stat.S_ISDIR(mode):
                    waiting += [] if path in alone else path.iterdir()
                elif not stat.S_ISREG(mode):
                    raise StoreError(
                        f"{path} is neither a file nor a folder",
                        expected="files and folders alone",
                        do="remove it",
                    )


def _refuse_link(path: Path, folder: Path) -> NoReturn:
    target = Path(os.path.realpath(path))
    is_outside = not target.is_relative_to(folder.resolve())
    raise StoreError(
        f"{path} is a link to {target}" + ", outside the study folder" * is_outside,
        expected="a study folder whose files and folders are all in their own place",
        do="put the files in its place if you trust them; if the folder was given to you, ask where it comes from",
    )
