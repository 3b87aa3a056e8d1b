"""What lies in a folder tree: the files that are pictures, by folder, and what was passed over."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from scantrial.core.names import listed
from scantrial.data.codecs.base import split_suffix
from scantrial.data.codecs.dicom.headers import holds_dicom
from scantrial.data.codecs.table import CODECS
from scantrial.data.formats.base import MAX_IMAGES, is_hidden, refuse
from scantrial.data.ignore import ignored_by, matcher_of

Folders = tuple[str, ...]
"""Names of folders, from the top of a source downwards; empty for the top itself."""

MAX_DEPTH = 30
"""Folders inside each other."""

_PICTURE_SUFFIXES = frozenset(
    {suffix for codec in CODECS.values() for suffix in codec.suffixes}
    | {".nrrd", ".mha", ".mhd", ".heic", ".avif", ".svs", ".ndpi", ".czi", ".pgm", ".ppm", ".tga"}
)
"""All image files, also kinds that are not read: they are listed, so that they are refused by name and not skipped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderTree:
    """The content of a folder tree.

    Parameters
    ----------
    pictures : names of the image files in each folder that has any, sorted
    others : how many other files there are of each kind, for every folder that is not hidden
    ignored : what was passed over, by kind
    left_out : image files that a pattern of `data.ignore` matches, by pattern
    emptied : folders whose image files were all left out
    """

    pictures: dict[Folders, list[str]] = field(default_factory=dict)
    others: dict[Folders, Counter[str]] = field(default_factory=dict)
    ignored: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)
    emptied: set[Folders] = field(default_factory=set)

    def kinds_in(self, folder: Folders) -> str:
        """Return in words what else is in a folder; empty if nothing is."""
        kinds = self.others.get(folder, Counter())
        return f" (seen: {listed(f'{n} {kind}' for kind, n in kinds.most_common(5))})" if kinds else ""


def is_image_file(file: Path) -> bool:
    """Whether the name is that of an image file, of any kind."""
    return split_suffix(file.name)[1].lower() in _PICTURE_SUFFIXES


def may_be_scan(file: Path) -> bool:
    """Whether the name is that of an image file, or the file is DICOM, whose names have any ending or none."""
    return is_image_file(file) or (file.name != "DICOMDIR" and holds_dicom(file))


def look_through(root: Path, *, ignore: tuple[str, ...] = ()) -> FolderTree:
    """Look through a folder tree; of links inside each other only the first is followed.

    Only files whose names are those of no image are opened, to see if they are DICOM.

    Raises
    ------
    DataError
        If folders are nested more than `MAX_DEPTH` deep, or there are more than `MAX_IMAGES` image files.
    """
    tree, match = FolderTree(), matcher_of(ignore)
    waiting: list[tuple[Path, Folders]] = [(root, ())]
    n_pictures = 0
    while waiting:
        folder, names = waiting.pop()
        tree.others[names] = Counter()
        for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
            if entry.is_dir():
                waiting += _below(root, entry, names, tree.ignored)
            else:
                n_pictures += _take(entry, names, tree, match)
        if n_pictures > MAX_IMAGES:
            raise refuse(root, [f"more than {MAX_IMAGES:,} image files"], expected=f"at most {MAX_IMAGES:,}")
    return tree


def _below(root: Path, folder: Path, above: Folders, ignored: Counter[str]) -> list[tuple[Path, Folders]]:
    if is_hidden(folder):
        ignored["hidden folders"] += 1
        return []
    names = (*above, folder.name)
    if len(names) > MAX_DEPTH:
        deep = (
            f"folders in each other more than {MAX_DEPTH} deep: {'/'.join(names[:5])}/... (a link to a folder above?)"
        )
        raise refuse(root, [deep], expected="folders without links in a circle")
    if folder.is_symlink() and _leads_astray(root, folder, names):
        ignored["links that are not followed"] += 1
        return []
    return [(folder, names)]


def _leads_astray(root: Path, link: Path, names: Folders) -> bool:
    """Whether a link leads to a folder above, where it would be followed again and again, or is behind another link."""
    between = [root.joinpath(*names[:depth]) for depth in range(1, len(names))]
    is_circle = link.resolve() in [root.resolve(), *map(Path.resolve, link.parents)]
    return is_circle or any(folder.is_symlink() for folder in between)


def _take(file: Path, folder: Folders, tree: FolderTree, match: Callable[[str], str | None]) -> bool:
    """Sort a file in; return whether it is a picture that may be a scan."""
    if is_hidden(file):
        tree.ignored["hidden files"] += 1
    elif not may_be_scan(file):
        kind = file.suffix.lower() or "no suffix"
        tree.ignored[f"{kind} files"] += 1
        tree.others[folder][kind] += 1
    elif (pattern := match("/".join((*folder, file.name)))) is not None:
        tree.left_out[ignored_by(pattern)] += 1
        tree.emptied.add(folder)
    else:
        tree.pictures.setdefault(folder, []).append(file.name)
        return True
    return False
