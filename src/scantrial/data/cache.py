"""A cache of decoded scans, under a key made from the files' content.

    CACHE/scans/KEY/images.npy    the array, mapped by everyone who uses it
    CACHE/scans/KEY/entry.json    its description; an entry without it, or in conflict with it, does not count

An entry is written aside and renamed into place, so it exists complete or not at all, and several processes
may make the same entry at once: the first one to finish wins and the others use its result. What a killed process has
made of one goes on (`half_made`).

Disks lose bits, and anybody may write to a cache. When an entry is opened, all its pixels are compared with their hash,
once in each process while the file stays the same; that takes about a second for 2 GB. A damaged entry is made anew.
"""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from scantrial.core.errors import StoreError
from scantrial.core.files import sync_folder
from scantrial.data.folders import cache_folder
from scantrial.data.half_made import JOURNAL, half_made, remove_stale
from scantrial.data.scanset import Pixels
from scantrial.data.spec import ArmImageSpec, ImageSpec

SCHEMA_VERSION = 1
"""Increased whenever the same files would decode to different pixels."""

DECODERS = 2
"""Increased whenever files that were skipped before can be read, or for other reasons than before."""

_ALWAYS_IN_KEY = ("size", "channels", "fit", "crop_border")
"""What the key of every set of scans has; other keys of `ImageSpec` are in it only where they are set."""

_ATTEMPTS = 5


class CacheEntry(BaseModel):
    """The content of ``entry.json``.

    Parameters
    ----------
    key : the entry's own name
    shape, dtype, n_bytes : of ``images.npy``
    pixels_sha256 : over type, shape and pixels
    skipped : pairs of (position among all cases, reason)
    decoders : `DECODERS` of the version that skipped them; 0 in entries of earlier versions
    n_widened : images of 8 bits that were scaled to 16
    facts : what a generated source needs to know about its scans without generating them again
    entry_sha256 : over all of this; empty in entries of earlier versions
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    schema_version: Literal[1] = 1
    key: str
    shape: tuple[int, ...]
    dtype: Literal["uint8", "uint16"]
    n_bytes: int
    pixels_sha256: str
    skipped: tuple[tuple[int, str], ...] = ()
    decoders: int = 0
    n_widened: int = 0
    facts: dict[str, Any] = Field(default_factory=dict)
    entry_sha256: str = ""

    def digest(self) -> str:
        """Return the hash of its content."""
        without = {"entry_sha256"} if self.decoders else {"entry_sha256", "decoders"}
        return hashlib.sha256(self.model_dump_json(exclude=without).encode()).hexdigest()

    @property
    def is_whole(self) -> bool:
        """Whether its content is what was written."""
        return self.entry_sha256 in ("", self.digest())

    @property
    def is_current(self) -> bool:
        """Whether no later decoders may read what it skipped."""
        return not self.skipped or self.decoders >= DECODERS


@dataclass(frozen=True, slots=True, kw_only=True)
class CachedScans:
    """A complete entry and its array, mapped read-only."""

    entry: CacheEntry
    images: Pixels
    images_path: Path


def key_of(*, image: ImageSpec, sources: Sequence[str], contents: Sequence[str]) -> str:
    """Return the key of a set of scans: SHA-256 over names, contents and the shape asked for.

    Parameters
    ----------
    image : the shape asked for
    sources : the cases, in order
    contents : a digest of every file (or of whatever else makes the pixels), in order
    """
    shape = [*image.shape, image.fit] if image.shape else None
    crop = [image.crop_border] if isinstance(image, ArmImageSpec) and image.crop_border else []
    further = [{key: value for key, value in image.stored().items() if key not in _ALWAYS_IN_KEY}]
    parts = [SCHEMA_VERSION, shape, image.channels, list(sources), list(contents), *crop, *filter(None, further)]
    text = json.dumps(parts)
    return hashlib.sha256(text.encode()).hexdigest()


def entry_folder(key: str) -> Path:
    """Return the folder of an entry, which need not exist."""
    return cache_folder() / "scans" / key


def find_cached(key: str) -> CachedScans | None:
    """Return an entry if it is complete and has its hashes; a half-written or damaged one does not count.

    Nor does one that skipped files which earlier decoders could not read.
    """
    folder = entry_folder(key)
    images_path = folder / "images.npy"
    try:
        entry = CacheEntry.model_validate_json((folder / "entry.json").read_bytes())
        n_bytes = images_path.stat().st_size
        if not (entry.is_whole and entry.is_current and entry.key == key and n_bytes == entry.n_bytes):
            return None
        images = _mapped(images_path, entry)
        if images is None or pixels_sha256(images, images_path) != entry.pixels_sha256:
            return None
    except (OSError, ValueError, ValidationError):
        return None
    return CachedScans(entry=entry, images=images, images_path=images_path)


def _mapped(path: Path, entry: CacheEntry) -> Pixels | None:
    """Map the array of an entry; None if the file does not begin with the header of such an array."""
    dtype = np.dtype(entry.dtype).newbyteorder("<")
    header = io.BytesIO()
    facts = {"shape": entry.shape, "fortran_order": False, "descr": dtype.str}
    np.lib.format.write_array_header_1_0(header, facts)
    start = header.getvalue()
    with path.open("rb") as handle:
        if handle.read(len(start)) != start:
            return None
    return np.memmap(path, dtype, mode="r", offset=len(start), shape=entry.shape)


_HASHES: dict[tuple[str, int, int, int], str] = {}
"""The hashes of the arrays that this process has opened, by path, size, time and number of the file."""


def pixels_sha256(images: Pixels, path: Path) -> str:
    """Return the hash of a mapped array as `scantrial.data.pixels` computes it; the same file is read once only."""
    found = path.stat()
    key = str(path), found.st_size, found.st_mtime_ns, found.st_ino
    if key not in _HASHES:
        digest = hashlib.sha256(f"{images.dtype.name} {images.shape}".encode())
        digest.update(images.reshape(-1).view(np.uint8).data)
        _HASHES[key] = digest.hexdigest()
    return _HASHES[key]


def install(key: str, fill: Callable[[Path], CacheEntry]) -> CachedScans:
    """Make an entry with `fill`, which writes ``images.npy`` into the folder it is given, and return it as found.

    The folder may hold what a killed process has made of the entry, with its journal.

    Raises
    ------
    StoreError
        If the cache folder cannot be written.
    """
    folder = entry_folder(key)
    try:
        with half_made(folder) as temporary:
            remove_stale(folder.parent)
            filled = fill(temporary)
            filled = filled.model_copy(update={"decoders": DECODERS})
            entry = filled.model_copy(update={"entry_sha256": filled.digest()})
            (temporary / "entry.json").write_text(entry.model_dump_json(indent=1), encoding="utf-8")
            found = _move_into_place(temporary, key)
            (folder / JOURNAL).unlink(missing_ok=True)
    except OSError as error:
        raise StoreError(
            f"the cache folder {folder.parent}: {error.strerror or error}",
            do="free some space there, or set the environment variable SCANTRIAL_CACHE to another folder",
        ) from error
    return found


def _move_into_place(temporary: Path, key: str) -> CachedScans:
    folder = entry_folder(key)
    for _ in range(_ATTEMPTS):
        try:
            temporary.rename(folder)
            sync_folder(folder.parent)
        except OSError:
            if not folder.exists():
                raise
        found = find_cached(key)
        if found is not None:
            return found
        _take_away(folder)
    raise StoreError(f"{folder} is damaged repeatedly", do="remove it, then run the same command again")


def _take_away(folder: Path) -> None:
    """Rename a damaged entry, then remove it, so that no process sees it half removed."""
    aside = folder.with_name(f".{folder.name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        folder.rename(aside)
    except FileNotFoundError:
        return
    shutil.rmtree(aside, ignore_errors=True)
