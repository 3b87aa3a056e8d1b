"""`verify`: whether a study folder is what was written."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from scantrial.store.folder import open_folder
from scantrial.store.verify import Verification, verify_folder
from scantrial.study.plan_check import plan_mismatches


def verify(folder: str | Path) -> Verification:
    """Check every file of a study folder against the hash that was kept of it, and both logs line by line.

    Needs neither the scans nor PyTorch, writes nothing, and hands out no test row. What a hash can and cannot show is
    said in the documentation, under *Is a folder what was written?*

    Raises
    ------
    InputError
        If the folder is not a study folder.
    StoreError
        If a file cannot be read.
    """
    store = open_folder(folder)
    found = verify_folder(store)
    return replace(found, mismatches=(*found.mismatches, *plan_mismatches(store)))
