"""The files that the rows of a table name: by path, by name or by id."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path, PurePosixPath

from scantrial.core.numbering import MAX_TEXT
from scantrial.data.codecs.base import split_suffix
from scantrial.data.codecs.dicom.headers import uids_of
from scantrial.data.formats.base import is_hidden
from scantrial.data.formats.folder_tree import is_image_file, may_be_scan

_UID = re.compile(r"[0-9]+(\.[0-9]+){2,}")
_DRIVE = re.compile(r"[A-Za-z]:/+")


@dataclass(frozen=True, slots=True, kw_only=True)
class FileOf:
    """What the text of a row stands for.

    Parameters
    ----------
    source : the file, relative to the table's folder; None if there is none, or more than one
    several : the files among which the text does not choose
    together : the DICOM files of the study that the text names: each is a case
    """

    source: str | None = None
    several: tuple[str, ...] = ()
    together: tuple[str, ...] = ()


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name that no file can have: too long, as the sentences of a report are
        return False


class FileFinder:
    """Finds the files of a table.

    A text is a path from the table's folder, or from one of `folders`, with or without the suffix. Backslashes count as
    slashes. An absolute path of another machine, and one that begins with the name of the table's own folder, is cut
    from the left until it fits. A name without a folder is also searched in all folders below, by the whole name or,
    if it has no suffix of an image file, by the name without one. A UID of DICOM is searched in the headers.

    Parameters
    ----------
    root : the table's folder
    folders : folders to look in, relative to the root; empty for the root itself
    suffix : what the texts lack at their end
    is_left_out : whether a path is no candidate
    """

    def __init__(
        self, root: Path, *, folders: Sequence[str], suffix: str, is_left_out: Callable[[str], object]
    ) -> None:
        self._root = root
        self._folders = tuple(folders) or ("",)
        self._suffix = suffix
        self._is_left_out = is_left_out

    def find(self, text: str) -> FileOf:
        """Return the file that a text stands for."""
        if "\0" in text or len(text) > MAX_TEXT:
            return FileOf()
        names = [text]
        if self._suffix and not text.lower().endswith(self._suffix.lower()):
            names.insert(0, text + self._suffix)
        for name in names:
            found = self._at(name)
            if found:
                return FileOf(source=found[0]) if len(found) == 1 else FileOf(several=tuple(found))
        if "/" in text or "\\" in text:
            return FileOf(source=self._cut_from_the_left(names))
        found = next((found for name in names if (found := self._named(name))), [])
        if not found and _UID.fullmatch(text):
            return self._by_uid(text)
        return FileOf(source=found[0]) if len(found) == 1 else FileOf(several=tuple(found))

    @property
    def n_files(self) -> int:
        """Number of image files in all folders that are looked in, and below."""
        return sum(map(len, self._index[0].values()))

    def _at(self, name: str) -> list[str]:
        """Return the files at this path in the folders that are looked in."""
        found = dict.fromkeys(
            (PurePosixPath(folder) / form).as_posix()
            for folder in self._folders
            for form in dict.fromkeys((name, name.replace("\\", "/")))
            if _is_file(self._root / folder / form)
        )
        return list(found)

    def _cut_from_the_left(self, names: Sequence[str]) -> str | None:
        for name in names:
            plain = name.replace("\\", "/")
            is_absolute = plain.startswith("/") or _DRIVE.match(plain) is not None
            parts = [part for part in _DRIVE.sub("", plain).split("/") if part not in ("", ".")]
            if not parts:
                return None
            n_cut = len(parts) if is_absolute else 2 if parts[0] == self._root.name else 1
            for start in range(0 if is_absolute else 1, n_cut):
                found = self._at("/".join(parts[start:]))
                if len(found) == 1:
                    return found[0]
        return None

    def _named(self, name: str) -> list[str]:
        """Return the files of this name in any folder; where it has no suffix, those of this name with one."""
        by_name, by_stem = self._index
        if name in by_name:
            return by_name[name]
        if not is_image_file(Path(name)):
            return by_stem.get(name, [])
        stem, suffix = split_suffix(name)
        return [file for file in by_stem.get(stem, []) if file.lower().endswith(suffix.lower())]

    def _by_uid(self, uid: str) -> FileOf:
        """Return the DICOM file of this SOPInstanceUID, or all of this StudyInstanceUID."""
        instances, studies = self._uids
        found = instances.get(uid, [])
        if len(found) > 1:
            return FileOf(several=tuple(found))
        return FileOf(source=found[0]) if found else FileOf(together=tuple(studies.get(uid, ())))

    @cached_property
    def _uids(self) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
        """The DICOM files in all folders below: by SOPInstanceUID, and by StudyInstanceUID."""
        instances: dict[str, list[str]] = {}
        studies: dict[str, list[str]] = {}
        for source in chain.from_iterable(self._index[0].values()):
            instance, study = uids_of(self._root / source)
            instances.setdefault(instance, []).append(source)
            studies.setdefault(study, []).append(source)
        return instances, studies

    @cached_property
    def _index(self) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
        """The image files in all folders below: by name, and by name without suffix."""
        by_name: dict[str, list[str]] = {}
        by_stem: dict[str, list[str]] = {}
        for start in self._folders:
            for folder, inner, files in os.walk(self._root / start):
                inner[:] = sorted(name for name in inner if not is_hidden(Path(name)))
                place = PurePosixPath(start) / Path(folder).relative_to(self._root / start).as_posix()
                for name in sorted(files):
                    source = (place / name).as_posix()
                    if may_be_scan(self._root / source) and not is_hidden(Path(name)) and not self._is_left_out(source):
                        by_name.setdefault(name, []).append(source)
                        by_stem.setdefault(split_suffix(name)[0], []).append(source)
        return by_name, by_stem
