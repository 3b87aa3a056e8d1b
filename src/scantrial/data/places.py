"""Folders of this machine stay on this machine: what a study folder says instead, and where scans lie here.

A study folder is handed on, so it names scans without the folders that they lie in. Where they lie is kept in the
user's own cache, by the fingerprint of the scans.

    CACHE/places/FINGERPRINT    the folder that the source's name starts from
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from scantrial.core.errors import StoreError
from scantrial.core.files import write_atomic
from scantrial.data.folders import cache_folder


def name_without_folders(name: str) -> str:
    """Return the name of a source as it is handed on: an absolute path is cut to its last part.

    A relative path stays as the user typed it, and so does one that begins with ``~/``.
    """
    is_absolute = Path(name).is_absolute() or re.match(r"~[^/]", name) is not None
    return (Path(name).name or "root") if is_absolute else name


def common_folder(paths: Sequence[str]) -> str:
    """Return the folder that all absolute paths among some lie in, with its separator.

    Empty if none is absolute, or if they share the root alone.
    """
    folders = [path.rpartition("/")[0] or "/" for path in paths if path.startswith("/")]
    shared = os.path.commonpath(folders) if folders else "/"
    return "" if shared == "/" else f"{shared}/"


def without_folder(value: Any, folder: str) -> Any:
    """Return plain data in which no text names a folder; nothing changes if `folder` is empty."""
    if not folder:
        return value
    if isinstance(value, str):
        return value.replace(folder, "")
    if isinstance(value, Mapping):
        return {key: without_folder(item, folder) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [without_folder(item, folder) for item in value]
    return value


def remember_place(fingerprint: str, path: Path, name: str) -> None:
    """Keep where scans lie; where the cache cannot be written, it is not kept.

    Parameters
    ----------
    path : of the source
    name : of the source, as the user gave it
    """
    parts = Path(name_without_folders(name)).expanduser().parts
    base = path.parents[len(parts) - 1] if path.parts[-len(parts) :] == parts else path.parent
    with suppress(StoreError):
        write_atomic(_file_of(fingerprint), str(base).encode(errors="surrogateescape"), sync=False, parents=True)
        write_atomic(_name_of(fingerprint), name.encode(errors="surrogateescape"), sync=False, parents=True)


def place_of(fingerprint: str, name: str) -> Path | None:
    """Return the folder that the name of a source starts from.

    None if its scans were not read on this machine, or no longer lie there.
    """
    try:
        place = Path(_file_of(fingerprint).read_bytes().decode(errors="surrogateescape"))
        return place if (place / Path(name).expanduser()).exists() else None
    except (OSError, ValueError, RuntimeError):  # as in `scantrial.data.load.find_path`
        return None


def is_place_of(fingerprint: str, name: str) -> bool:
    """Whether this machine has read these scans under exactly this name, and they still lie there.

    A study folder of somebody else may quote a known fingerprint with another name, which is then not read unasked.
    """
    try:
        known = _name_of(fingerprint).read_bytes().decode(errors="surrogateescape")
    except (OSError, ValueError):
        return False
    return name in (known, name_without_folders(known)) and place_of(fingerprint, name) is not None


def _name_of(fingerprint: str) -> Path:
    return _file_of(fingerprint).with_suffix(".name")


def _file_of(fingerprint: str) -> Path:
    if re.fullmatch(r"[0-9a-f]{64}", fingerprint) is None:
        raise ValueError(f"{fingerprint!r} is not a fingerprint")
    return cache_folder() / "places" / fingerprint
