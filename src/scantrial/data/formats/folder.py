"""A folder tree: a folder for each class, with splits above or below it, and with or without folders of patients.

`scantrial.data.formats.folder_layout` says what the folders of a tree are taken for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from scantrial.core.errors import DataError
from scantrial.core.names import listed
from scantrial.data.codecs.table import titles_read
from scantrial.data.decode import decode_image
from scantrial.data.formats.base import (
    PLAIN,
    Decode,
    Format,
    Listing,
    ReadSettings,
    clashing_names,
    refuse,
    split_rank,
)
from scantrial.data.formats.folder_layout import Layout, layout_of
from scantrial.data.formats.folder_tree import FolderTree, look_through
from scantrial.data.left_out import IN_MASK_FOLDERS, left_out_items

_EXPECTED = f"class folders (normal/, pneumonia/) of {titles_read()} files, at the top or in train/, val/, test/"


class _Case(NamedTuple):
    rank: int
    class_name: str
    below: str
    split: str
    source: str
    patient: str


def matches(path: Path) -> bool:
    """Whether this is a folder; `read` checks the layout and explains what is wrong."""
    return path.is_dir()


def _cases(tree: FolderTree, layout: Layout) -> list[_Case]:
    """List the cases: train, val, test, then by class, then by the path below the class."""
    cases = []
    for folders, meaning in layout.meaning.items():
        for name in tree.pictures[folders]:
            below, source = "/".join((*meaning.below, name)), "/".join((*folders, name))
            cases.append(
                _Case(split_rank(meaning.split), meaning.class_name, below, meaning.split, source, meaning.patient)
            )
    return sorted(cases)


def read(path: Path, options: Mapping[str, Any], settings: ReadSettings = PLAIN) -> Listing:  # noqa: ARG001 - as all
    """List the cases of a folder tree: train, val, test, then by class, then by path below the class."""
    tree = _walked(path, settings.ignore)
    layout = layout_of(tree)
    cases = _cases(tree, layout)
    names = sorted({case.class_name for case in cases})
    faults = [*layout.faults, *clashing_names(names)]
    if not cases and not faults:
        left_out = listed(left_out_items(tree.left_out))
        faults = [f"no scan is left: {left_out}" if left_out else f"no class folder was found{tree.kinds_in(())}"]
    if faults:
        raise refuse(path, faults, expected=_EXPECTED)
    index = {name: number for number, name in enumerate(names)}
    files = tuple(path / case.source for case in cases)
    n_masks = sum(len(tree.pictures[folders]) for folders in layout.masks)

    def decoders() -> Iterator[Decode]:
        return (partial(decode_image, file) for file in files)

    return Listing(
        sources=tuple(case.source for case in cases),
        labels=np.array([index[case.class_name] for case in cases], dtype=np.int64),
        class_names=tuple(names),
        split=np.array([case.split for case in cases], dtype="U5"),
        folders=tuple(case.patient for case in cases) if any(case.patient for case in cases) else None,
        files=files,
        decoders=decoders,
        ignored={what: n for what, n in sorted(tree.ignored.items()) if n},
        left_out={**tree.left_out, **({IN_MASK_FOLDERS: n_masks} if n_masks else {})},
        notes=layout.notes,
    )


def images_below(folder: Path, *, ignore: tuple[str, ...] = ()) -> tuple[list[Path], dict[str, int]]:
    """Return every image file in a folder and below, sorted by path, whatever the folders mean; and what was left out.

    Parameters
    ----------
    ignore : patterns of files to leave out; folders of masks beside folders of images are left out too

    Raises
    ------
    DataError
        If the folder cannot be read or holds no image file.
    """
    tree = _walked(folder, ignore)
    masks = set(layout_of(tree).masks)
    files = [
        folder.joinpath(*place, name)
        for place in sorted(tree.pictures)
        for name in tree.pictures[place]
        if place not in masks
    ]
    n_masks = sum(len(tree.pictures[place]) for place in masks)
    if not files:
        raise DataError(f"{folder} holds no image file{tree.kinds_in(())}", expected=f"{titles_read()} files")
    ignored = {what: n for what, n in sorted(tree.ignored.items()) if n}
    return files, {**tree.left_out, **({IN_MASK_FOLDERS: n_masks} if n_masks else {}), **ignored}


def _walked(folder: Path, ignore: tuple[str, ...]) -> FolderTree:
    try:
        return look_through(folder, ignore=ignore)
    except OSError as error:
        raise DataError(f"{error.filename}: {error.strerror}", do="fix its permissions") from error


FORMAT = Format(
    name="folder",
    looks_like="a folder tree with class folders",
    matches=matches,
    read=read,
)
