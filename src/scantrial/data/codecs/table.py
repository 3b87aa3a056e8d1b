"""The kinds of image files: one row each, recognised by their first bytes.

The first row that recognises a file decides. A kind that is read is a module with a `Codec` and a row here.
"""

from __future__ import annotations

from pathlib import Path
from typing import IO

from scantrial.core.files import open_regular
from scantrial.core.registry import Registry
from scantrial.data.codecs import jpeg2000, netpbm, nifti, pillow, png, tiff, unread
from scantrial.data.codecs.base import HEAD_BYTES, Codec
from scantrial.data.codecs.dicom.codec import DICOM

CODECS: Registry[Codec] = Registry(
    "kind of image file",
    {
        "dicom": DICOM,
        "nifti": nifti.NIFTI,
        "pdf": unread.PDF,
        "numpy": unread.NUMPY,
        "heif": unread.HEIF,
        "jpeg-xl": unread.JPEG_XL,
        "photoshop": unread.PHOTOSHOP,
        "hdf5": unread.HDF5,
        "nrrd": unread.NRRD,
        "web page": unread.WEB_PAGE,
        "pointer": unread.POINTER,
        "png": png.PNG,
        "jpeg": pillow.JPEG,
        "tiff": tiff.TIFF,
        "webp": pillow.WEBP,
        "jpeg2000": jpeg2000.JPEG_2000,
        "gif": pillow.GIF,
        "pnm": netpbm.PNM,
        "bmp": pillow.BMP,
    },
)


def codec_of(head: bytes) -> Codec | None:
    """Return the codec that recognises the first bytes of a file, or None."""
    return next((codec for codec in CODECS.values() if codec.recognises(head)), None)


def codec_of_file(path: Path) -> Codec | None:
    """Return the codec that recognises a file; None if none does, or it cannot be read."""
    try:
        with open_regular(path) as handle:
            return codec_of(handle.read(HEAD_BYTES))
    except OSError:
        return None


def frames_of(path: Path) -> range:
    """Return the numbers of the frames of a file, in the order that reads them soonest; 0 for a kind that has none."""
    codec = codec_of_file(path)
    return range(1) if codec is None or codec.frames is None else codec.frames(path)


def stains_of(handle: IO[bytes]) -> tuple[str, tuple[int, int, int]] | None:
    """Return kind and (height, width, channels) of an open file whose channels are no colours; None of any other."""
    codec = codec_of(handle.read(HEAD_BYTES))
    handle.seek(0)
    shape = None if codec is None or codec.stained_shape is None else codec.stained_shape(handle)
    return None if codec is None or shape is None else (codec.title, shape)


def titles_read() -> str:
    """Return the kinds that are read, for messages: ``PNG, JPEG ... or BMP``."""
    *titles, last = (codec.title for codec in CODECS.values() if codec.decode is not None)
    return f"{', '.join(titles)} or {last}" if titles else last
