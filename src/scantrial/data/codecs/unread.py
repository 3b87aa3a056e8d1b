"""Kinds of files that are recognised but not read, each with advice."""

from __future__ import annotations

from scantrial.data.codecs.base import Codec, starts_with
from scantrial.data.codecs.tiff import TIFF


def _is_dicom(head: bytes) -> bool:
    """Whether this is DICOM only: a file that is also a TIFF is read as a TIFF."""
    return head[128:132] == b"DICM" and not TIFF.recognises(head)


def _is_heif(head: bytes) -> bool:
    return head[4:8] == b"ftyp" and head[8:12] in (b"heic", b"heix", b"mif1", b"msf1", b"avif", b"avis")


def _is_web_page(head: bytes) -> bool:
    return head.lstrip().lower().startswith((b"<!doctype html", b"<html"))


DICOM = Codec(
    title="DICOM",
    suffixes=(".dcm", ".dicom", ".ima"),
    recognises=_is_dicom,
    way_out="export it as 16-bit PNG or TIFF",
)
PDF = Codec(title="PDF", suffixes=(), recognises=starts_with(b"%PDF"))
NUMPY = Codec(title="NumPy", suffixes=(".npy", ".npz"), recognises=starts_with(b"\x93NUM"))
HEIF = Codec(title="HEIC or AVIF", suffixes=(".heic", ".avif"), recognises=_is_heif)
JPEG_XL = Codec(title="JPEG XL", suffixes=(), recognises=starts_with(b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n"))
PHOTOSHOP = Codec(title="Photoshop", suffixes=(), recognises=starts_with(b"8BPS"))
HDF5 = Codec(title="Hierarchical Data Format", suffixes=(), recognises=starts_with(b"\x89HDF\r\n\x1a\n"))
NRRD = Codec(title="NRRD", suffixes=(".nrrd",), recognises=starts_with(b"NRRD000"))
WEB_PAGE = Codec(
    title="web page",
    suffixes=(),
    recognises=_is_web_page,
    way_out="the download saved a web page and not the image: download it again",
)
POINTER = Codec(
    title="Git LFS pointer",
    suffixes=(),
    recognises=starts_with(b"version https://git-lfs"),
    way_out="run `git lfs pull`, which fetches the image itself",
)
