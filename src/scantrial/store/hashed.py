"""Read a file once: its bytes are compared with the hash that was kept of them, and the same bytes are used."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

from scantrial.core.errors import DamagedError
from scantrial.core.files import clear_os_errors


def sha256_hex(content: bytes) -> str:
    """Return the SHA-256 of some bytes as hexadecimal digits."""
    return sha256(content).hexdigest()


def read_hashed(path: Path, expected: str | None) -> bytes:
    """Return the bytes of a file.

    Parameters
    ----------
    expected : the SHA-256 that they must have; None where none was kept, as in folders of earlier versions

    Raises
    ------
    StoreError
        If the file cannot be read; `DamagedError` if it has another hash, or is missing although one was kept.
    """
    if expected is not None and not path.exists():
        raise DamagedError(f"{path} is missing", do=advice_for(path))
    with clear_os_errors(path):
        content = path.read_bytes()
    if expected is not None and sha256_hex(content) != expected:
        raise DamagedError(f"{path} has changed since it was written", do=advice_for(path))
    return content


def read_text(path: Path) -> str:
    """Return the text of a file in UTF-8; a `StoreError` if it cannot be read or is something else."""
    try:
        return read_hashed(path, None).decode()
    except UnicodeDecodeError as error:
        raise DamagedError(f"{path} is damaged: not UTF-8 text", do=advice_for(path)) from error


def advice_for(path: Path) -> str:
    """Return what to do about a damaged file of a study folder."""
    if path.parent.name.startswith("seed-"):
        return f"run the study again: it sets {path.parent} aside and trains this run anew"
    return "restore it from a copy, or run the study into a new folder"
