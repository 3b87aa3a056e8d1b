"""Patients under a name that says nothing: a keyed hash, whose key never leaves this machine's user.

Without the key nobody can try names or numbers of patients until one fits. The key lies beside the cache and not in it,
because it cannot be made again; it is a file that its owner alone may read.

    CACHE.key    32 random bytes, mode 0600
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from pathlib import Path

from scantrial.core.errors import StoreError
from scantrial.core.files import clear_os_errors
from scantrial.data.folders import cache_folder

_N_BYTES = 32


def pseudonym(key: bytes, kind: str, identifier: str) -> str:
    """Return the name that stands for an identifier: equal for equal ones, as long as the key is the same.

    Parameters
    ----------
    kind : what is identified: equal texts of two kinds get different names
    """
    digest = hmac.new(key, f"{kind}\0{identifier}".encode(errors="surrogateescape"), hashlib.sha256).hexdigest()
    return f"{kind}-{digest[:16]}"


def key_file() -> Path:
    """Return the file of the key, which need not exist."""
    folder = cache_folder()
    return folder.with_name(f"{folder.name}.key")


def user_key() -> bytes:
    """Return this user's key; the first time, it is drawn and written.

    Raises
    ------
    StoreError
        If it can neither be read nor written, or is no key.
    """
    path = key_file()
    with clear_os_errors(path):
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            _write_once(path, secrets.token_bytes(_N_BYTES))
        path.chmod(0o600)
        key = path.read_bytes()
    if len(key) != _N_BYTES:
        raise StoreError(f"{path} holds {len(key)} bytes", expected=f"the {_N_BYTES} of a key", do="remove it")
    return key


def _write_once(path: Path, key: bytes) -> None:
    """Write the key unless another process was faster; no reader sees half of it."""
    aside = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    handle = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(key)
        try:
            os.link(aside, path)
        except FileExistsError:
            return
    finally:
        aside.unlink()
