"""MedMNIST's ``.npz``: ``train_images``, ``train_labels``, ``val_images`` ...

Yang et al. (2023), Scientific Data 10:41. The images are read as a stream, row by row: the
larger MedMNIST files unpack to many gigabytes.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from scantrial.core.errors import DataError
from scantrial.core.names import listed
from scantrial.core.records import SPLITS
from scantrial.data.formats.base import (
    PLAIN,
    Decode,
    Format,
    Listing,
    Option,
    ReadSettings,
    array_fault,
    clashing_names,
    refuse,
    without_alpha,
)

_EXPECTED = "MedMNIST's arrays: train_images (n, side, side[, 3]) and train_labels (n, 1), likewise val_ and test_"
_MAX_RATIO, _MAX_UNPACKED = 200, 1 << 30
"""How many times its size an archive of more than so many bytes may hold; scans are packed to a half or a tenth."""

_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Header:
    shape: tuple[int, ...]
    is_fortran: bool
    dtype: np.dtype[Any]


def matches(path: Path) -> bool:
    """Whether this is an ``.npz`` file."""
    return path.is_file() and path.suffix.lower() == ".npz"


def _read_header(handle: IO[bytes]) -> _Header:
    version = np.lib.format.read_magic(handle)
    shape, is_fortran, dtype = _HEADERS[version](handle)
    return _Header(shape=shape, is_fortran=is_fortran, dtype=dtype)


def _header_of(archive: zipfile.ZipFile, name: str) -> _Header:
    with archive.open(f"{name}.npy") as handle:
        return _read_header(handle)


def _image_faults(name: str, header: _Header) -> list[str]:
    if header.is_fortran:
        return [f"{name}: stored column by column: save it with np.ascontiguousarray"]
    fault = array_fault(header.shape, header.dtype)
    return [f"{name}: {fault}"] if fault else []


def _label_faults(name: str, header: _Header, n_images: int) -> list[str]:
    if len(header.shape) == 2 and header.shape[1] > 1:
        columns = header.shape[1]
        return [f"{name}: {columns} labels for each scan, expected 1: multi-label sets are not supported"]
    if header.shape not in ((n_images,), (n_images, 1)):
        return [f"{name}: shape {header.shape} for {n_images} images, expected ({n_images}, 1) or ({n_images},)"]
    is_number = header.dtype.kind in "uif" and header.dtype.itemsize <= 8
    return [] if is_number else [f"{name}: type {header.dtype}, expected whole numbers"]


def _labels_of(archive: zipfile.ZipFile, name: str) -> NDArray[np.int64]:
    """Read whole-number labels; raises `ValueError` with the fault."""
    with archive.open(f"{name}.npy") as handle:
        raw = np.lib.format.read_array(handle, allow_pickle=False).reshape(-1)
    wrong = [float(value) for value in np.unique(raw) if not (float(value).is_integer() and 0 <= value < 2**31)]
    if wrong:
        raise ValueError(f"{name}: label out of range: {listed(f'{value:g}' for value in wrong[:10])}")
    return raw.astype(np.int64)


def _refuse_bomb(path: Path, archive: zipfile.ZipFile) -> None:
    """Refuse an archive that unpacks to far more than scans ever do."""
    unpacked, packed = sum(part.file_size for part in archive.infolist()), path.stat().st_size
    if unpacked > _MAX_RATIO * packed and unpacked > _MAX_UNPACKED:
        raise refuse(
            path,
            [f"{packed:,} bytes unpack to {unpacked:,}: refused as a possible decompression bomb"],
            expected=_EXPECTED,
        )


def _split_faults(archive: zipfile.ZipFile, split: str) -> list[str]:
    names = {name.removesuffix(".npy") for name in archive.namelist()}
    images, labels = f"{split}_images", f"{split}_labels"
    if {images, labels} <= names:
        header = _header_of(archive, images)
        faults = _image_faults(images, header)
        return faults or _label_faults(labels, _header_of(archive, labels), header.shape[0])
    return [f"{images if labels in names else labels} is missing"] if {images, labels} & names else []


def _check(path: Path, archive: zipfile.ZipFile) -> tuple[str, ...]:
    """Refuse a wrong archive; return the splits it holds."""
    faults = [fault for split in SPLITS for fault in _split_faults(archive, split)]
    splits = tuple(split for split in SPLITS if f"{split}_images.npy" in archive.namelist())
    if not splits and not faults:
        faults = [f"it holds {listed(archive.namelist()[:10]) or 'nothing'}"]
    if faults:
        raise refuse(path, faults, expected=_EXPECTED)
    return splits


def _class_names(path: Path, labels: NDArray[np.int64], given: tuple[str, ...]) -> tuple[str, ...]:
    """Names for the label numbers: the given ones, or the numbers themselves, which must then run from 0."""
    present = np.unique(labels).tolist()
    n_classes = len(given) if given else len(present)
    missing = sorted(set(range(n_classes)) - set(present))
    beyond = [value for value in present if value >= n_classes]
    faults = clashing_names(given)
    if beyond or missing:
        seen = listed(map(str, present))
        faults.append(f"label out of range: the labels are {seen}, expected each of 0 to {n_classes - 1}")
    if faults:
        raise refuse(path, faults, expected=_EXPECTED)
    return given or tuple(map(str, present))


def _rows(path: Path, splits: tuple[str, ...]) -> Iterator[Decode]:
    """Yield all images in order; each is read when its turn comes."""
    try:
        with zipfile.ZipFile(path) as archive:
            for split in splits:
                yield from _rows_of(archive, f"{split}_images")
    except DataError:
        raise
    except Exception as error:  # zlib.error, BadZipFile, EOFError ...: the archive is damaged
        raise _damaged(path, error) from error


def _rows_of(archive: zipfile.ZipFile, name: str) -> Iterator[Decode]:
    with archive.open(f"{name}.npy") as handle:
        header = _read_header(handle)
        n_bytes = int(np.prod(header.shape[1:])) * header.dtype.itemsize
        for number in range(header.shape[0]):
            data = handle.read(n_bytes)
            if len(data) < n_bytes:
                raise EOFError(f"{name} ends at image {number} of {header.shape[0]}")
            yield partial(without_alpha, np.frombuffer(data, dtype=header.dtype).reshape(header.shape[1:]))
        handle.read(1)  # reaching the end makes zipfile compare the checksum


def _damaged(path: Path, error: Exception) -> DataError:
    text = " ".join(str(error).split())[:160]
    return DataError(
        f"{path}: not a complete .npz archive ({text or type(error).__name__})", do="download or save it again"
    )


def read(path: Path, options: Mapping[str, Any], settings: ReadSettings = PLAIN) -> Listing:  # noqa: ARG001 - as all
    """List the cases of an ``.npz`` file; only its labels are loaded."""
    try:
        with zipfile.ZipFile(path) as archive:
            _refuse_bomb(path, archive)
            splits = _check(path, archive)
            by_split = [_labels_of(archive, f"{split}_labels") for split in splits]
    except DataError:
        raise
    except ValueError as error:
        raise refuse(path, [str(error)], expected=_EXPECTED) from error
    except Exception as error:  # a damaged archive raises nearly anything
        raise _damaged(path, error) from error
    labels = np.concatenate(by_split)
    names = tuple(options.get("classes", ()))
    lengths = [len(part) for part in by_split]
    return Listing(
        sources=tuple(f"{split}_images#{i}" for split, n in zip(splits, lengths, strict=True) for i in range(n)),
        labels=labels,
        class_names=_class_names(path, labels, names),
        has_class_names=bool(names),
        split=np.repeat(np.array(splits, dtype="U5"), lengths),
        files=(path,),
        decoders=partial(_rows, path, splits),
    )


FORMAT = Format(
    name="medmnist",
    looks_like="an .npz file as MedMNIST has them",
    options={"classes": Option(kind="names", meaning="names for the label numbers 0, 1, ... in this order")},
    matches=matches,
    read=read,
)
