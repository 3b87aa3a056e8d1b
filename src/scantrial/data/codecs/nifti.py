"""NIfTI: one slice of a volume, ``.nii`` or ``.nii.gz``; nibabel reads the header, the voxels are read here.

The slices are those that the file holds: cut across its last voxel axis. The header's own mark of the slice axis is not
looked at, since programs that turn a volume leave it as it was. Each slice is turned as viewers show it, and as the
DICOM file looks that it was made of: the patient's right, or front, is on the left; front, or head, is at the top.
Slices count towards the patient's right, front or head, whichever way they are stored.
"""

from __future__ import annotations

import atexit
import gzip
import io
import os
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from scantrial.core.errors import MissingExtraError
from scantrial.core.files import open_regular
from scantrial.data.codecs.base import (
    MAX_BYTES,
    MAX_FRAMES,
    Claim,
    Codec,
    RefusedError,
    bomb,
    claim_pixels,
    refuse_not_finite,
    refuse_page,
)
from scantrial.data.codecs.dicom.gray import WHITE, windowed
from scantrial.data.quiet import quiet_decoders
from scantrial.data.spec import ImageSpec

_SIZES = {348: "Nifti1Header", 540: "Nifti2Header"}
"""Bytes of a header, with which it begins, and nibabel's name for it."""

_GZIP = b"\x1f\x8b\x08"
_SINGLE = (b"n+1", b"n+2")
_PLANES = ("sagittal", "coronal", "axial")
"""What slices are that are cut across the axis from left to right, from back to front, from feet to head."""

_MAX_VOLUME = 8 * MAX_BYTES
_MAX_RATIO, _MAX_UNPACKED = 200, 1 << 30
"""How many times its size a compressed volume of more than so many bytes may take."""

_MOST_WAITING = 8
"""Files that are kept open: slices are read one after the other, and a compressed file from its start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume:
    """What the header says.

    Parameters
    ----------
    shape : voxels along the three stored axes
    offset : bytes before the first voxel
    slope, intercept : from stored to measured values
    axes : for each stored axis, the axis it runs along (0: left to right, 1: back to front, 2: feet to head), and 1,
        or -1 where it runs the other way
    """

    shape: tuple[int, int, int]
    dtype: np.dtype[Any]
    offset: int
    slope: float
    intercept: float
    axes: NDArray[np.int64]

    @property
    def plane(self) -> str:
        """What its slices are."""
        return _PLANES[self.axes[2, 0]]

    @property
    def slice_bytes(self) -> int:
        """Bytes of a slice as it is stored."""
        return self.shape[0] * self.shape[1] * self.dtype.itemsize

    @property
    def n_bytes(self) -> int:
        """Bytes of the file, unpacked, as far as the voxels go."""
        return self.offset + self.shape[2] * self.slice_bytes

    @property
    def stored_order(self) -> range:
        """The numbers of the slices in the order in which they are stored."""
        n = self.shape[2]
        return range(n) if self.axes[2, 1] > 0 else range(n - 1, -1, -1)

    def turned(self, stored: NDArray[Any]) -> NDArray[Any]:
        """Turn a slice, shape (first, second stored axis), as it is shown: shape (height, width)."""
        (first, first_way), (second, second_way), _ = self.axes.tolist()
        plane = stored[::first_way, ::second_way]
        return (plane.T if first < second else plane)[::-1, ::-1]


class _File:
    """A volume, open, with its header read."""

    def __init__(self, path: Path) -> None:
        self._raw = io.BufferedReader(open_regular(path))
        try:
            is_packed = self._raw.peek(3)[:3] == _GZIP
            self._stream = gzip.GzipFile(fileobj=self._raw) if is_packed else self._raw
            size = os.fstat(self._raw.fileno()).st_size
            self.volume = _volume(cast(BinaryIO, self._stream), size, is_packed=is_packed)
        except BaseException:
            self.close()
            raise

    def slice(self, number: int) -> NDArray[Any]:
        """Return a slice as it is stored, shape (first, second axis); of a compressed file no more is kept."""
        volume = self.volume
        place = volume.stored_order.index(number)
        self._stream.seek(volume.offset + place * volume.slice_bytes)
        data = self._stream.read(volume.slice_bytes)
        if len(data) < volume.slice_bytes:
            raise _truncated()
        if place == volume.shape[2] - 1:
            self._stream.read(1)  # reaching the end makes gzip compare its checksum
        return np.frombuffer(data, dtype=volume.dtype).reshape(volume.shape[:2], order="F")

    def close(self) -> None:
        """Close the file."""
        self._raw.close()


_Key = tuple[int, str, int, int, int]
_waiting: deque[tuple[_Key, _File]] = deque()
"""Files that may be read again, by process, path, size, time and number."""

_lock = threading.Lock()


@contextmanager
def _opened(path: Path) -> Iterator[_File]:
    """Take a file that waits, or open it; afterwards it waits, unless reading failed."""
    found = path.stat()
    key = os.getpid(), str(path), found.st_size, found.st_mtime_ns, found.st_ino
    with _lock:
        taken = next((one for one in _waiting if one[0] == key), None)
        if taken is not None:
            _waiting.remove(taken)
    file = _File(path) if taken is None else taken[1]
    try:
        yield file
    except BaseException:
        file.close()
        raise
    with _lock:
        _waiting.append((key, file))
        too_many = [_waiting.popleft()[1] for _ in range(len(_waiting) - _MOST_WAITING)]
    for one in too_many:
        one.close()


@atexit.register
def close_files() -> None:
    """Close the files that wait."""
    with _lock:
        while _waiting:
            _waiting.pop()[1].close()


def _volume(stream: BinaryIO, size: int, *, is_packed: bool) -> Volume:
    """Read the header, and refuse what cannot be read before anything else is.

    Parameters
    ----------
    size : bytes of the file
    """
    volume = _claimed(stream.read(max(_SIZES)))
    if volume.slice_bytes > MAX_BYTES or volume.n_bytes > _MAX_VOLUME:
        raise bomb()
    if is_packed and volume.n_bytes > max(_MAX_UNPACKED, _MAX_RATIO * size):
        raise RefusedError(f"{size:,} bytes unpack to {volume.n_bytes:,}: refused as a possible decompression bomb")
    if not is_packed and volume.n_bytes > size:
        raise _truncated()
    return volume


def _claimed(start: bytes) -> Volume:
    """Return what the first bytes of a file, unpacked, say."""
    size = next((size for size in _SIZES if start[:4] in (size.to_bytes(4, "little"), size.to_bytes(4, "big"))), None)
    if size is None:
        raise RefusedError("a gzip file that holds no NIfTI volume")
    if len(start) < size:
        raise _truncated()
    nibabel = _needs_nibabel()
    # Unchecked: nibabel would log what it repairs.
    header = getattr(nibabel, _SIZES[size])(binaryblock=start[:size], check=False)
    if not header["magic"].tobytes().startswith(_SINGLE):
        raise RefusedError("a header without voxels (ANALYZE, or NIfTI in two files): save it as one .nii file")
    slope, intercept = header.get_slope_inter()
    return Volume(
        shape=_shape(header.get_data_shape()),
        dtype=_dtype(header.get_data_dtype()),
        offset=max(size, int(header.get_data_offset())),
        slope=1.0 if slope is None else slope,
        intercept=0.0 if slope is None else intercept,
        axes=_axes(nibabel.io_orientation(header.get_best_affine())),
    )


def _shape(stored: Sequence[int]) -> tuple[int, int, int]:
    """Return three sides; a single image is a volume of one slice."""
    width, height, n_slices, *others = (*map(int, stored), 1, 1, 1)[: max(3, len(stored))]
    if any(side > 1 for side in others):
        raise RefusedError(f"{' x '.join(map(str, others))} volumes in one file: save one of them")
    if min(width, height, n_slices, *others) < 1 or n_slices > MAX_FRAMES:
        raise RefusedError(f"a volume of {width:,} x {height:,} x {n_slices:,} voxels")
    return width, height, n_slices


def _dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    if dtype.kind not in "iuf" or dtype.itemsize > 8:
        kind = "colours" if dtype.names else f"type {dtype.name}"
        raise RefusedError(f"voxels of {kind}, expected whole or floating-point numbers of up to 64 bits")
    return dtype


def _axes(orientation: NDArray[Any]) -> NDArray[np.int64]:
    """Return the axes as whole numbers; as nibabel has them where the header gives no three directions."""
    if not np.isfinite(orientation).all():
        orientation = np.array([[0, -1], [1, 1], [2, 1]])
    return orientation.astype(np.int64)


def _truncated() -> RefusedError:
    return RefusedError("truncated: it ends before its voxels do")


def _needs_nibabel() -> Any:
    """Return the module nibabel; raises `MissingExtraError` if it is not installed."""
    try:
        import nibabel  # noqa: PLC0415 - optional
    except ImportError as error:
        raise MissingExtraError(extra="nifti", package="nibabel", needed_for="a NIfTI file") from error
    return nibabel


# ---------------------------------------------------------------------- slices


def _decode(path: Path, claim: Claim, image: ImageSpec) -> NDArray[Any]:
    refuse_page(image)
    if image.window is not None and (image.range is not None or not isinstance(image.window, tuple)):
        raise RefusedError("it has no window of its own: set data.image.window: [centre, width], or data.image.range")
    with _opened(path) as file:
        volume = file.volume
        number = _chosen(volume.shape[2], image)
        claim_pixels(claim, *volume.shape[:2], volume.dtype.itemsize)
        stored = file.slice(number)
    values = volume.turned(stored).astype(volume.dtype.newbyteorder("="))
    if (volume.slope, volume.intercept) != (1, 0):
        values = values * volume.slope + volume.intercept
    if not isinstance(image.window, tuple):
        return values
    refuse_not_finite(values)
    shades = windowed(values.astype(np.float64), *image.window, "LINEAR")
    return np.rint(shades * WHITE).astype(np.uint16)


def _chosen(n_slices: int, image: ImageSpec) -> int:
    """Return the number of the slice that is read."""
    if not isinstance(image.frame, int):
        if n_slices > 1:
            raise RefusedError(f"{n_slices:,} slices: set data.image.frame to a number from 0, or to all")
        return 0
    if image.frame >= n_slices:
        raise RefusedError(f"{n_slices:,} slices, but frame {image.frame} is asked for (the first is 0)")
    return image.frame


def volume_of(path: Path) -> Volume | None:
    """Return what the header of a NIfTI file says; None of a damaged one, whose decoding says what is wrong."""
    try:
        with quiet_decoders, _opened(path) as file:
            return file.volume
    except MissingExtraError:
        raise
    except Exception:  # nibabel raises nearly anything
        return None


def _frames(path: Path) -> range:
    volume = volume_of(path)
    return range(1) if volume is None else volume.stored_order


def _is_nifti(head: bytes) -> bool:
    """Whether a file is compressed, as no other kind is, or begins with the size of a header and 1 to 7 sides."""
    if head.startswith(_GZIP) or head[4:7] in (b"n+2", b"ni2"):
        return True
    start, n_sides = head[:4], head[40:42]
    return (start == (348).to_bytes(4, "little") and int.from_bytes(n_sides, "little") in range(1, 8)) or (
        start == (348).to_bytes(4, "big") and int.from_bytes(n_sides, "big") in range(1, 8)
    )


NIFTI = Codec(title="NIfTI", suffixes=(".nii", ".nii.gz"), recognises=_is_nifti, decode=_decode, frames=_frames)
