"""Archives of scans, ``.zip`` and ``.tar``, unpacked once into the cache.

    CACHE/unpacked/SHA256/files/        what the archive holds, by the hash of the archive
    CACHE/unpacked/SHA256/files.json    the hash of each file; a folder that differs from it is unpacked again

Every name is checked before anything is written, links and devices are refused, and the bytes are counted while they
are unpacked (docs/decisions, archives).
"""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import re
import shutil
import tarfile
import uuid
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO, Any, NamedTuple

from scantrial.core.errors import DataError, StoreError
from scantrial.core.files import clear_os_errors, sha256_of
from scantrial.core.progress import Progress, silent
from scantrial.data.codecs.dicom.headers import holds_dicom
from scantrial.data.folders import cache_folder
from scantrial.data.formats.base import MAX_IMAGES, MAX_RATIO, MAX_UNPACKED
from scantrial.data.formats.folder_tree import MAX_DEPTH
from scantrial.data.half_made import remove_stale

SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
"""Endings of the names of archives, in lower case."""

_EXPECTED = "a .zip or .tar archive of a folder with class folders or .npy arrays"
_BLOCK = 1 << 20
_MAX_NAME = 255
_OPENERS: dict[bytes, Any] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\x00": lzma.open}
"""What unpacks a stream, by its first bytes."""


class _Member(NamedTuple):
    """One file of an archive; `handle` is read before the next one is asked for."""

    name: str
    handle: IO[bytes]


class _WrongArchiveError(Exception):
    """What is wrong with an archive, in a few words."""


def is_archive(path: Path) -> bool:
    """Whether the name is that of an archive, and it is a file."""
    return path.name.lower().endswith(SUFFIXES) and path.is_file()


def unpacked(path: Path, *, progress: Progress = silent) -> Path:
    """Return the folder with the content of an archive, in the cache, where it is unpacked if it is not there.

    Raises
    ------
    DataError
        If it is damaged or locked, has a path that leads outside, a link, a name that stands twice, or unpacks to far
        more than scans ever do. Nothing of it is kept.
    StoreError
        If the cache cannot be written.
    """
    try:
        folder = cache_folder() / "unpacked" / sha256_of(path)
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}", expected=_EXPECTED) from error
    with clear_os_errors(folder):
        if not _is_whole(folder):
            _unpack(path, folder, progress)
    return folder / "files"


def _is_whole(folder: Path) -> bool:
    """Whether the files are those that were unpacked, and no others."""
    try:
        known: dict[str, str] = json.loads((folder / "files.json").read_bytes())
        root = folder / "files"
        there = {file.relative_to(root).as_posix() for file in root.rglob("*") if not file.is_dir()}
        return there == known.keys() and all(sha256_of(root / name) == digest for name, digest in known.items())
    except (OSError, ValueError, AttributeError):
        return False


def _unpack(path: Path, folder: Path, progress: Progress) -> None:
    """Unpack beside the place, then rename; of several processes the first to finish wins."""
    temporary = folder.with_name(f".{folder.name[:16]}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        temporary.mkdir(parents=True)
        remove_stale(folder.parent)
        digests = _extract(path, temporary / "files", progress)
        (temporary / "files.json").write_text(json.dumps(digests), encoding="utf-8")
        if not _is_whole(folder):
            shutil.rmtree(folder, ignore_errors=True)
            temporary.rename(folder)
    except OSError as error:
        if not _is_whole(folder):
            raise StoreError(
                f"{path} cannot be unpacked into {folder.parent}: {error.strerror or error}",
                do="free some space there, or set the environment variable SCANTRIAL_CACHE to another folder",
            ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _extract(path: Path, target: Path, progress: Progress) -> dict[str, str]:
    """Write all files of an archive below `target`; return their hashes by name."""
    target.mkdir()
    digests: dict[str, str] = {}
    most = max(MAX_UNPACKED, MAX_RATIO * path.stat().st_size)
    n_left = most
    try:
        for member in _members(path, most):
            name = _safe_name(member.name)
            if name in digests:
                raise _WrongArchiveError(f"{name} stands twice in it")
            if len(digests) >= MAX_IMAGES:
                raise _WrongArchiveError(f"it holds more than {MAX_IMAGES:,} files")
            file = target / name
            file.parent.mkdir(parents=True, exist_ok=True)
            with file.open("xb") as handle:
                while block := member.handle.read(_BLOCK):
                    n_left -= len(block)
                    if n_left < 0:
                        raise _too_large(path.stat().st_size, most)
                    handle.write(block)
            if holds_dicom(file):
                raise _WrongArchiveError(
                    "it holds DICOM files: they may name patients and are not copied into the cache"
                )
            digests[name] = sha256_of(file)
            progress("unpacking", len(digests), 0)
    except _WrongArchiveError as error:
        raise DataError(f"{path}: {error}", expected=_EXPECTED, do="unpack it, and name the folder") from error
    except OSError as error:
        if error.errno is None or isinstance(error, FileExistsError | NotADirectoryError | IsADirectoryError):
            raise _damaged(path, error) from error  # gzip's own error has no number
        raise
    except Exception as error:  # zlib.error, BadZipFile, TarError, EOFError, RuntimeError ...
        raise _damaged(path, error) from error
    return digests


def _damaged(path: Path, error: Exception) -> DataError:
    text = " ".join(str(error).split())[:160] or type(error).__name__
    return DataError(f"{path}: not a complete archive ({text})", expected=_EXPECTED, do="download or pack it again")


def _too_large(packed: int, most: int) -> _WrongArchiveError:
    return _WrongArchiveError(
        f"{packed:,} bytes unpack to more than {most:,}: refused as a possible decompression bomb"
    )


def _safe_name(name: str) -> str:
    """Return the path of a file inside the archive; refuse one that leads outside or cannot be written."""
    plain = name.replace("\\", "/")
    parts = [part for part in plain.split("/") if part not in ("", ".")]
    if plain.startswith("/") or ".." in parts or re.match(r"[A-Za-z]:", plain) or "\0" in plain or not parts:
        raise _WrongArchiveError(f"{name!r} leads outside of it")
    if len(parts) > MAX_DEPTH or any(len(part.encode(errors="replace")) > _MAX_NAME for part in parts):
        raise _WrongArchiveError(f"the name {name[:80]!r}... is too long, or too deep in folders")
    return PurePosixPath(*parts).as_posix()


def _members(path: Path, most: int) -> Iterator[_Member]:
    """Yield the files of an archive, recognised by its content; folders are passed over."""
    with path.open("rb") as handle:
        head = handle.read(8)
    return _zip_members(path, most) if head.startswith(b"PK") else _tar_members(path, head, most)


def _zip_members(path: Path, most: int) -> Iterator[_Member]:
    with zipfile.ZipFile(path) as archive:
        parts = [part for part in archive.infolist() if not part.is_dir()]
        if sum(part.file_size for part in parts) > most:
            raise _too_large(path.stat().st_size, most)
        for part in parts:
            if part.flag_bits & 1:
                raise _WrongArchiveError(f"{part.filename!r} is locked with a password")
            # The upper half of a Unix archive's attributes is the file's mode: 0o12 marks a link.
            if (part.external_attr >> 28) == 0o12:
                raise _WrongArchiveError(f"{part.filename!r} is a link")
            with archive.open(part) as handle:
                yield _Member(part.filename, handle)


def _tar_members(path: Path, head: bytes, most: int) -> Iterator[_Member]:
    opener = next((opener for mark, opener in _OPENERS.items() if head.startswith(mark)), open)
    # A header may state any size: what is read at all is bounded too. Headers and padding take some room.
    with opener(path, "rb") as stream, tarfile.open(fileobj=_Bounded(stream, path, 2 * most), mode="r|") as archive:
        for part in archive:
            if part.isdir():
                continue
            handle = archive.extractfile(part) if part.isreg() else None
            if handle is None:
                raise _WrongArchiveError(f"{part.name!r} is a link or a device, no file")
            yield _Member(part.name, handle)


class _Bounded(io.RawIOBase):
    """A stream that ends with a refusal after so many bytes."""

    def __init__(self, stream: IO[bytes], path: Path, most: int) -> None:
        self._stream, self._path, self._most = stream, path, most
        self._n_left = most

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(size)
        self._n_left -= len(data)
        if self._n_left < 0:
            raise _too_large(self._path.stat().st_size, self._most)
        return data
