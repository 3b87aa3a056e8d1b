"""A folder tree: a folder for each class, with or without split folders above them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from scantrial.core.errors import DataError
from scantrial.core.names import listed
from scantrial.data.codecs.table import CODECS, titles_read
from scantrial.data.decode import decode_image
from scantrial.data.dicom.headers import holds_dicom
from scantrial.data.formats.base import (
    SPLIT_OF_WORD,
    Decode,
    Format,
    Listing,
    clashing_names,
    is_hidden,
    refuse,
    split_rank,
)

_EXPECTED = f"class folders (normal/, pneumonia/) of {titles_read()} files, at the top or in train/, val/, test/"
_PICTURE_SUFFIXES = frozenset(
    {suffix for codec in CODECS.values() for suffix in codec.suffixes}
    | {".nii", ".nrrd", ".mha", ".mhd", ".heic", ".avif", ".svs", ".ndpi", ".czi", ".pgm", ".ppm", ".tga"}
)
"""All image files, also kinds that are not read: they are listed, so that they are refused by name and not skipped."""


class _Case(NamedTuple):
    rank: int
    class_name: str
    file_name: str
    split: str
    file: Path


def matches(path: Path) -> bool:
    """Whether this is a folder; `read` checks the layout and explains what is wrong."""
    return path.is_dir()


def _children(folder: Path) -> tuple[list[Path], list[Path]]:
    """(folders, files), sorted."""
    entries = sorted(folder.iterdir(), key=lambda entry: entry.name)
    return [entry for entry in entries if entry.is_dir()], [entry for entry in entries if not entry.is_dir()]


def _is_picture(file: Path) -> bool:
    return file.suffix.lower() in _PICTURE_SUFFIXES or (file.name != "DICOMDIR" and holds_dicom(file))


class _Walk:
    """Collects cases, faults and skipped files in one pass over the tree."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.cases: list[_Case] = []
        self.faults: list[str] = []
        self.ignored: Counter[str] = Counter()

    def run(self) -> None:
        """Walk the tree, with or without split folders."""
        folders = self._subfolders(self.root)
        splits = [folder for folder in folders if folder.name.lower() in SPLIT_OF_WORD]
        if splits and len(splits) < len(folders):
            others = [folder.name for folder in folders if folder not in splits]
            self.faults.append(f"split folders {listed(f.name for f in splits)} beside other folders: {listed(others)}")
        elif splits:
            self._splits(splits)
        else:
            self._classes(folders, "")

    def _splits(self, folders: list[Path]) -> None:
        seen: dict[str, str] = {}
        for folder in folders:
            split = SPLIT_OF_WORD[folder.name.lower()]
            if split in seen:
                self.faults.append(f"{seen[split]} and {folder.name} are the same split")
            seen[split] = folder.name
            self._classes(self._subfolders(folder), split)

    def _subfolders(self, folder: Path) -> list[Path]:
        """Return the folders in a place where no scans are allowed."""
        folders, files = _children(folder)
        pictures = [file for file in self._visible(files) if _is_picture(file)]
        if pictures:
            where = self._name(folder)
            self.faults.append(f"{len(pictures)} scans are in {where}, not in a class folder: {pictures[0].name} ...")
        self._pass_over(files)
        return self._visible_folders(folders)

    def _classes(self, folders: list[Path], split: str) -> None:
        for folder in folders:
            inner, files = _children(folder)
            deeper = self._visible_folders(inner)
            if deeper:
                names = listed(entry.name for entry in deeper[:5])
                self.faults.append(f"the class folder {self._name(folder)} holds folders: {names}")
            pictures = [file for file in self._visible(files) if _is_picture(file)]
            if not pictures and not deeper:
                self.faults.append(f"the class folder {self._name(folder)} holds no scans{_kinds(files)}")
            self._pass_over(files)
            self.cases += [_Case(split_rank(split), folder.name, file.name, split, file) for file in pictures]

    def _visible(self, files: list[Path]) -> list[Path]:
        return [file for file in files if not is_hidden(file)]

    def _visible_folders(self, folders: list[Path]) -> list[Path]:
        self.ignored["hidden folders"] += sum(map(is_hidden, folders))
        return [folder for folder in folders if not is_hidden(folder)]

    def _pass_over(self, files: list[Path]) -> None:
        for file in files:
            if is_hidden(file):
                self.ignored["hidden files"] += 1
            elif not _is_picture(file):
                self.ignored[f"{file.suffix.lower() or 'no suffix'} files"] += 1

    def _name(self, path: Path) -> str:
        return "the folder itself" if path == self.root else path.relative_to(self.root).as_posix()


def _kinds(files: list[Path]) -> str:
    kinds = Counter(file.suffix.lower() or "no suffix" for file in files)
    return f" (seen: {listed(f'{n} {kind}' for kind, n in kinds.most_common(5))})" if kinds else ""


def read(path: Path, options: Mapping[str, Any]) -> Listing:  # noqa: ARG001 - the signature of all readers
    """List the cases of a folder tree: train, val, test, then by class, then by file name."""
    walk = _Walk(path)
    try:
        walk.run()
    except OSError as error:
        raise DataError(f"{error.filename}: {error.strerror}", do="fix its permissions") from error
    cases = sorted(walk.cases)
    names = sorted({case.class_name for case in cases})
    faults = walk.faults + clashing_names(names)
    if not cases and not faults:
        faults = [f"no class folder was found{_kinds(_children(path)[1])}"]
    if faults:
        raise refuse(path, faults, expected=_EXPECTED)
    index = {name: number for number, name in enumerate(names)}

    def decoders() -> Iterator[Decode]:
        return (partial(decode_image, case.file) for case in cases)

    return Listing(
        sources=tuple(case.file.relative_to(path).as_posix() for case in cases),
        labels=np.array([index[case.class_name] for case in cases], dtype=np.int64),
        class_names=tuple(names),
        split=np.array([case.split for case in cases], dtype="U5"),
        files=tuple(case.file for case in cases),
        decoders=decoders,
        ignored={what: n for what, n in sorted(walk.ignored.items()) if n},
    )


FORMAT = Format(
    name="folder",
    looks_like="a folder tree with class folders",
    matches=matches,
    read=read,
)
