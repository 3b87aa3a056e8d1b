"""MedMNIST's ``.npz``: ``train_images``, ``train_labels``, ``val_images`` ..., or ``x_train``, ``y_train`` ...

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
from scantrial.data.formats.array_parts import (
    ArrayPair,
    label_array_fault,
    numbered_labels,
    pairs_of,
    part_of,
    plain_labels,
)
from scantrial.data.formats.base import (
    MAX_RATIO,
    MAX_UNPACKED,
    PLAIN,
    Decode,
    Format,
    Listing,
    Option,
    ReadSettings,
    array_fault,
    image_of_row,
    refuse,
)

_EXPECTED = "MedMNIST's arrays: train_images (n, side, side[, 3]) and train_labels (n, 1), likewise val_ and test_"
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
    fault = label_array_fault(header.shape, header.dtype, n_images)
    return [f"{name}: {fault}"] if fault else []


def _labels_of(archive: zipfile.ZipFile, name: str) -> NDArray[Any]:
    """Read the labels of a split; raises `ValueError` with the fault."""
    with archive.open(f"{name}.npy") as handle:
        raw = np.lib.format.read_array(handle, allow_pickle=False)
    try:
        return plain_labels(raw)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error


def _refuse_bomb(path: Path, archive: zipfile.ZipFile) -> None:
    """Refuse an archive that unpacks to far more than scans ever do."""
    unpacked, packed = sum(part.file_size for part in archive.infolist()), path.stat().st_size
    if unpacked > MAX_RATIO * packed and unpacked > MAX_UNPACKED:
        raise refuse(
            path,
            [f"{packed:,} bytes unpack to {unpacked:,}: refused as a possible decompression bomb"],
            expected=_EXPECTED,
        )


def _pair_faults(archive: zipfile.ZipFile, pair: ArrayPair) -> list[str]:
    header = _header_of(archive, pair.images)
    faults = _image_faults(pair.images, header)
    return faults or _label_faults(pair.labels, _header_of(archive, pair.labels), header.shape[0])


def _check(path: Path, archive: zipfile.ZipFile) -> list[ArrayPair]:
    """Refuse a wrong archive; return the pairs of arrays that it holds."""
    names = [name.removesuffix(".npy") for name in archive.namelist()]
    pairs, faults = pairs_of((name, part) for name in names if (part := part_of(name)) is not None)
    faults += [fault for pair in pairs for fault in _pair_faults(archive, pair)]
    if not pairs and not faults:
        faults = [f"it holds {listed(archive.namelist()[:10]) or 'nothing'}"]
    if faults:
        raise refuse(path, faults, expected=_EXPECTED)
    return pairs


def _rows(path: Path, pairs: list[ArrayPair]) -> Iterator[Decode]:
    """Yield all images in order; each is read when its turn comes."""
    try:
        with zipfile.ZipFile(path) as archive:
            for pair in pairs:
                yield from _rows_of(archive, pair.images)
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
            yield partial(image_of_row, np.frombuffer(data, dtype=header.dtype).reshape(header.shape[1:]))
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
            pairs = _check(path, archive)
            by_pair = [_labels_of(archive, pair.labels) for pair in pairs]
        numbered = numbered_labels(by_pair, tuple(options.get("classes", ())))
    except DataError:
        raise
    except ValueError as error:
        raise refuse(path, str(error).split("\n"), expected=_EXPECTED) from error
    except Exception as error:  # a damaged archive raises nearly anything
        raise _damaged(path, error) from error
    lengths = [len(part) for part in by_pair]
    return Listing(
        sources=tuple(f"{pair.images}#{i}" for pair, n in zip(pairs, lengths, strict=True) for i in range(n)),
        labels=numbered.labels,
        class_names=numbered.class_names,
        has_class_names=numbered.has_class_names,
        split=np.repeat(np.array([pair.split for pair in pairs], dtype="U5"), lengths),
        files=(path,),
        decoders=partial(_rows, path, pairs),
    )


FORMAT = Format(
    name="medmnist",
    looks_like="an .npz file as MedMNIST has them",
    options={"classes": Option(kind="names", meaning="names for the label numbers 0, 1, ... in this order")},
    matches=matches,
    read=read,
)
