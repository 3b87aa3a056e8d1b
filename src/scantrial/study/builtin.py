"""The studies that come with scantrial, each a file to read, run, copy and change."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from scantrial.core.registry import Registry
from scantrial.core.yaml import read_tree

_FOLDER = Path(__file__).parent.parent / "studies"


@cache
def _files() -> Registry[Path]:
    return Registry("built-in study", {file.stem: file for file in sorted(_FOLDER.glob("*.yaml"))})


def builtin_names() -> tuple[str, ...]:
    """Return the names of the built-in studies, sorted."""
    return tuple(_files())


def path(name: str) -> Path:
    """Return the file of a built-in study.

    Raises
    ------
    InputError
        If there is none of that name; the message lists all names and the nearest one.
    """
    return _files()[name]


def builtin_title(name: str) -> str:
    """Return the question that a built-in study asks."""
    return str(read_tree(path(name).read_text(encoding="utf-8")).data["study"])
