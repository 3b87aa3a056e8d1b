"""A study folder holds its own files and folders: no link out of it, and nothing that is neither file nor folder.

A folder may come from a stranger. A link in it could let a command write into another place of this machine or show a
file of it, and to open a pipe could wait for ever. The study folder itself may be a link, and so may be scans.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from scantrial.core.errors import StoreError
from scantrial.core.files import clear_os_errors


def refuse_links(folder: Path) -> None:
    """Refuse a study folder with a link that leads out of it, or with something that is neither file nor folder.

    Raises
    ------
    StoreError
        Naming the first such entry and where it leads.
    """
    with clear_os_errors(folder):
        if not folder.is_dir():
            return
        root = os.path.realpath(folder)
        for entry in _entries(root):
            shown = folder / os.path.relpath(entry.path, root)
            if entry.is_symlink():
                target = os.path.realpath(entry.path)
                if os.path.commonpath([root, target]) != root:
                    raise StoreError(
                        f"{shown} is a link to {target}, outside the study folder",
                        expected="a study folder whose files are all within it",
                        do="put the files in its place if you trust them; if the folder was given to you, ask where "
                        "it comes from",
                    )
            elif not (entry.is_file() or entry.is_dir()):
                raise StoreError(
                    f"{shown} is neither a file nor a folder", expected="files and folders alone", do="remove it"
                )


def _entries(folder: str) -> Iterator[os.DirEntry[str]]:
    """Yield everything in a folder, at any depth; links are not followed, and a folder that is closed stays closed."""
    waiting = [folder]
    while waiting:
        here = waiting.pop()
        try:
            entries = list(os.scandir(here))
        except PermissionError:
            continue
        for entry in entries:
            yield entry
            if entry.is_dir(follow_symlinks=False):
                waiting.append(entry.path)
