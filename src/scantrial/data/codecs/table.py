"""The kinds of image files: one row each, recognised by their first bytes.

The first row that recognises a file decides. A kind that is read is a module with a `Codec` and a row here.
"""

from __future__ import annotations

from scantrial.core.registry import Registry
from scantrial.data.codecs import dicom, pillow, tiff, unread
from scantrial.data.codecs.base import Codec

CODECS: Registry[Codec] = Registry(
    "kind of image file",
    {
        "dicom": dicom.DICOM,
        "gif": unread.GIF,
        "pdf": unread.PDF,
        "webp": unread.WEBP,
        "jpeg2000": unread.JPEG_2000,
        "numpy": unread.NUMPY,
        "png": pillow.PNG,
        "jpeg": pillow.JPEG,
        "bmp": pillow.BMP,
        "tiff": tiff.TIFF,
    },
)


def codec_of(head: bytes) -> Codec | None:
    """Return the codec that recognises the first bytes of a file, or None."""
    return next((codec for codec in CODECS.values() if codec.recognises(head)), None)


def titles_read() -> str:
    """Return the kinds that are read, for messages: ``PNG, JPEG, BMP or TIFF``."""
    *titles, last = (codec.title for codec in CODECS.values() if codec.decode is not None)
    return f"{', '.join(titles)} or {last}" if titles else last
