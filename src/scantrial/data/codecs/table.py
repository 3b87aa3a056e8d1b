"""The kinds of image files: one row each, recognised by their first bytes.

The first row that recognises a file decides. A kind that is read is a module with a `Codec` and a row here.
"""

from __future__ import annotations

from scantrial.core.registry import Registry
from scantrial.data.codecs import jpeg2000, netpbm, pillow, png, tiff, unread
from scantrial.data.codecs.base import Codec

CODECS: Registry[Codec] = Registry(
    "kind of image file",
    {
        "dicom": unread.DICOM,
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


def titles_read() -> str:
    """Return the kinds that are read, for messages: ``PNG, JPEG ... or BMP``."""
    *titles, last = (codec.title for codec in CODECS.values() if codec.decode is not None)
    return f"{', '.join(titles)} or {last}" if titles else last
