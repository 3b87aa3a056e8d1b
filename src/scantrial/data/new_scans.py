"""Scans to be judged by a trained network, which need no labels: from files, folders, archives, tables and arrays."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

from scantrial.core.errors import DataError
from scantrial.data.archives import is_archive, unpacked
from scantrial.data.codecs.base import split_suffix
from scantrial.data.formats import FORMATS, format_of
from scantrial.data.formats.base import PLAIN, Decode, Listing
from scantrial.data.formats.folder import images_below
from scantrial.data.formats.table_files import FileFinder
from scantrial.data.formats.table_guess import files_of_table
from scantrial.data.ignore import matcher_of
from scantrial.data.left_out import NO_FILE
from scantrial.data.masks import find_masks

LIKE_MASKS = "files taken for masks of other scans"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewScan:
    """A file, or one image of an array.

    Parameters
    ----------
    path : of the file
    name : what it is called in the result
    decode : of an image of an array; None where the file is to be read
    """

    path: Path
    name: str
    decode: Decode | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewScans:
    """Scans in the order of what was given; they can be gone through once.

    Parameters
    ----------
    left_out : files that are not judged, by reason
    kinds : suffixes of the files, in lower case, and how many have each
    """

    scans: Iterable[NewScan]
    left_out: Mapping[str, int] = field(default_factory=dict)
    kinds: Mapping[str, int] = field(default_factory=dict)


def new_scans(paths: Sequence[Path], *, ignore: tuple[str, ...] = (), options: Mapping[str, Any]) -> NewScans:
    """Return the scans of files, folders, archives, tables and ``.npz`` files.

    A file that is named itself is always taken. Of folders and archives those are left out that the study ignores, that
    lie in folders of masks, or that look like masks.

    Parameters
    ----------
    ignore : patterns, `data.ignore` of the study
    options : of the study's source, for the columns of a table

    Raises
    ------
    DataError
        If a folder, an archive or a table cannot be read, or holds no scan.
    """
    found = [_of_one(path, ignore, options) for path in paths]
    left_out: Counter[str] = Counter()
    kinds: Counter[str] = Counter()
    for one in found:
        left_out.update(one.left_out)
        kinds.update(one.kinds)
    return NewScans(
        scans=chain.from_iterable(one.scans for one in found),
        left_out=dict(left_out),
        kinds=dict(sorted(kinds.items())),
    )


def _of_one(path: Path, ignore: tuple[str, ...], options: Mapping[str, Any]) -> NewScans:
    root = unpacked(path) if is_archive(path) else path
    if FORMATS["table"].matches(path):
        return _of_table(path, ignore, options)
    if root.is_dir():
        reader = format_of(root)
        if reader is None or reader is FORMATS["folder"]:
            return _of_folder(root, path, ignore)
        return _of_listing(reader.read(root, {}, PLAIN), path)
    if FORMATS["medmnist"].matches(path):
        with suppress(DataError):  # without labels it is no data set, and its reading as a file says what to do
            return _of_listing(FORMATS["medmnist"].read(path, {}, PLAIN), path)
    return _of_files([path], [str(path)], {})


def _of_files(files: Sequence[Path], names: Sequence[str], left_out: Mapping[str, int]) -> NewScans:
    kinds = Counter(split_suffix(file.name)[1].lower() for file in files)
    scans = [NewScan(path=file, name=name) for file, name in zip(files, names, strict=True)]
    return NewScans(scans=scans, left_out=left_out, kinds=kinds)


def _of_listing(listing: Listing, path: Path) -> NewScans:
    def scans() -> Iterator[NewScan]:
        for source, decode in zip(listing.sources, listing.decoders(), strict=True):
            yield NewScan(path=path, name=f"{path}/{source}", decode=decode)

    return NewScans(scans=scans(), left_out=listing.left_out)


def _of_folder(root: Path, given: Path, ignore: tuple[str, ...]) -> NewScans:
    files, left_out = images_below(root, ignore=ignore)
    sources = [file.relative_to(root).as_posix() for file in files]
    masks = find_masks(sources)
    if masks is not None:
        rows = set(masks.rows)
        left_out = {**left_out, LIKE_MASKS: len(rows)}
        files = [file for row, file in enumerate(files) if row not in rows]
        sources = [source for row, source in enumerate(sources) if row not in rows]
    return _of_files(files, [str(given / source) for source in sources], left_out)


def _of_table(table: Path, ignore: tuple[str, ...], options: Mapping[str, Any]) -> NewScans:
    folders = options.get("folder", ())
    match = matcher_of(ignore)
    finder = FileFinder(
        table.parent,
        folders=(folders,) if isinstance(folders, str) else folders,
        suffix=options.get("suffix", ""),
        is_left_out=match,
    )
    sources, n_missing = files_of_table(table, finder, options.get("path"))
    if not sources:
        raise DataError(f"no row of {table} names a file that is there", expected="a column of the scans' files")
    files = [table.parent / source for source in sources]
    return _of_files(files, list(map(str, files)), {NO_FILE: n_missing} if n_missing else {})
