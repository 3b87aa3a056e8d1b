"""Kinds of files that are recognised but not read, each with advice."""

from __future__ import annotations

from scantrial.data.codecs.base import Codec, starts_with
from scantrial.data.codecs.tiff import TIFF


def _is_dicom(head: bytes) -> bool:
    """Whether this is DICOM only: a file that is also a TIFF is read as a TIFF."""
    return head[128:132] == b"DICM" and not TIFF.recognises(head)


DICOM = Codec(
    title="DICOM",
    suffixes=(".dcm", ".dicom", ".ima"),
    recognises=_is_dicom,
    way_out="export it as 16-bit PNG or TIFF",
)
GIF = Codec(title="GIF", suffixes=(".gif",), recognises=starts_with(b"GIF8"))
PDF = Codec(title="PDF", suffixes=(), recognises=starts_with(b"%PDF"))
WEBP = Codec(title="WebP", suffixes=(".webp",), recognises=starts_with(b"RIFF"))
JPEG_2000 = Codec(title="JPEG 2000", suffixes=(".jp2", ".j2k"), recognises=starts_with(b"\0\0\0\x0c"))
NUMPY = Codec(title="NumPy", suffixes=(".npy", ".npz"), recognises=starts_with(b"\x93NUM"))
