"""One image file to one array, every bit kept, or a reason why not.

PNG, JPEG, BMP and TIFF; 8 and 16 bits; gray, colour, palette, 1-bit, alpha, CMYK. What cannot be read
in full is refused: a truncated file, a decompression bomb, 16-bit colour PNG (Pillow drops the low byte), signed or
floating-point TIFF, several pages.
"""

from __future__ import annotations

import logging
import threading
import warnings
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from scantrial.core.errors import DataError
from scantrial.data.scanset import Pixels

IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".bmp", ".dib", ".tif", ".tiff"})
"""File names that are taken for scans, in lower case."""

MAX_PIXELS = 89_478_485
"""Pillow's own limit (a quarter of a GiB of RGB): above it a file is taken for a decompression bomb."""

_TIFF_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
_OTHER_KINDS = {b"GIF8": "GIF", b"%PDF": "PDF", b"RIFF": "WebP", b"\0\0\0\x0c": "JPEG 2000", b"\x93NUM": "NumPy"}
_SAMPLE_KINDS = {2: "signed", 3: "floating-point", 5: "complex", 6: "complex"}
_ORIENTATION_TAG = 274
_UNASSOCIATED_ALPHA = 2

# tifffile logs what it repairs; without a handler of its own, Python would print that on stderr.
logging.getLogger("tifffile").addHandler(logging.NullHandler())
logging.getLogger("PIL").addHandler(logging.NullHandler())


class ImageError(DataError):
    """One image that cannot be used; `reason` says why in a few words."""

    def __init__(self, path: Path | str, reason: str) -> None:
        self.path = str(path)
        self.reason = reason
        super().__init__(f"{path}: {reason}", expected="a whole PNG, JPEG, BMP or TIFF image of 8 or 16 bits")


class _RefusedError(Exception):
    """A reason, before the path is known."""


class _QuietDecoders:
    """Silence the decoders' warnings for all threads, from the first one that enters to the last one that leaves.

    `warnings.catch_warnings` alone is not safe when several threads enter and leave in turn.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._filters = warnings.catch_warnings()

    def __enter__(self) -> None:
        with self._lock:
            self._users += 1
            if self._users == 1:
                self._filters = warnings.catch_warnings()
                self._filters.__enter__()
                warnings.simplefilter("ignore")
                warnings.simplefilter("error", Image.DecompressionBombWarning)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._users -= 1
            if self._users == 0:
                self._filters.__exit__(kind, error, trace)


_quiet_decoders = _QuietDecoders()


def decode_image(path: Path | str) -> Pixels:
    """Decode one image file.

    Alpha is composited over black, palettes are expanded to RGB, CMYK is converted to RGB, the EXIF orientation is
    applied, "white is zero" is turned round. 16 bits stay 16 bits. The kind of file is told from its
    content, not from its name.

    Returns
    -------
    shape (height, width) or (height, width, 3), uint8 or uint16

    Raises
    ------
    ImageError
        For whatever cannot be read in full; never another exception, never a warning. Safe in threads.

    Notes
    -----
    On damaged TIFF files libtiff may write a line of its own to standard error. A damaged file that still
    decodes to a whole picture (a flipped bit in a JPEG) cannot be told from a sound one.
    """
    try:
        with _quiet_decoders:
            image = _decode(Path(path))
    except Exception as error:
        # Decoders raise nearly anything on damaged input: struct.error, SyntaxError, zlib.error, IndexError ...
        raise ImageError(path, _reason(error)) from error
    return np.ascontiguousarray(image)


def over_black(image: NDArray[Any]) -> NDArray[Any]:
    """Composite over black: shape (height, width, 2 or 4) with alpha last loses the alpha, correctly rounded."""
    colour, alpha = image[..., :-1], image[..., -1:]
    full = int(np.iinfo(image.dtype).max)
    if bool((alpha == full).all()):
        blended = colour
    else:
        blended = ((colour.astype(np.uint32) * alpha + full // 2) // full).astype(image.dtype)
    return blended[..., 0] if blended.shape[-1] == 1 else blended


def _decode(path: Path) -> NDArray[Any]:
    if not path.is_file():
        raise _RefusedError("not a file" if path.exists() else "no such file")
    with path.open("rb") as handle:
        head = handle.read(132)
    if not head:
        raise _RefusedError("an empty file")
    if head.startswith(_TIFF_MAGIC):
        return _decode_tiff(path)
    _refuse_other_kinds(head)
    with Image.open(path, formats=("PNG", "JPEG", "BMP", "DIB")) as image:
        if image.format == "PNG" and getattr(image, "n_frames", 1) > 1:
            raise _RefusedError("an animation: one picture is wanted")
        image.load()
        orientation = image.getexif().get(_ORIENTATION_TAG, 1)
        return _oriented(_array_of(image), orientation)


def _refuse_other_kinds(head: bytes) -> None:
    if head[128:132] == b"DICM":
        raise _RefusedError("a DICOM file: export it as PNG or TIFF of 16 bits")
    if head[:4] in _OTHER_KINDS:
        raise _RefusedError(f"a {_OTHER_KINDS[head[:4]]} file, not PNG, JPEG, BMP or TIFF")
    is_deep_colour = head.startswith(_PNG_MAGIC) and len(head) > 25 and head[24] == 16 and head[25] != 0
    if is_deep_colour:
        raise _RefusedError("a PNG of 16 bits with colour or alpha would lose its low bits: save it as TIFF")


def _array_of(image: Image.Image) -> NDArray[Any]:
    """A loaded Pillow image as uint8 or uint16, alpha composited."""
    if image.mode.startswith("I;16"):
        return _sixteen_bits(np.asarray(image), image.info.get("transparency"))
    if image.mode == "I" and image.format == "PNG":
        return _sixteen_bits(np.asarray(image), image.info.get("transparency"))
    if image.mode in ("I", "F"):
        raise _RefusedError("more than 16 bits per pixel")
    is_gray = image.mode in ("1", "L", "LA", "La")
    if image.has_transparency_data:
        return over_black(np.asarray(image.convert("LA" if is_gray else "RGBA")))
    return np.asarray(image.convert("L" if is_gray else "RGB"))


def _sixteen_bits(pixels: NDArray[Any], transparent: Any) -> NDArray[np.uint16]:
    if pixels.min() < 0 or pixels.max() > np.iinfo(np.uint16).max:
        raise _RefusedError("more than 16 bits per pixel")
    values = pixels.astype(np.uint16)
    if isinstance(transparent, int):
        values[values == transparent] = 0
    return values


def _oriented(pixels: NDArray[Any], orientation: Any) -> NDArray[Any]:
    """Apply the EXIF orientation, 1 to 8; anything else means upright."""
    if orientation not in range(2, 9):
        return pixels
    if orientation >= 5:
        pixels = np.swapaxes(pixels, 0, 1)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return pixels


def _decode_tiff(path: Path) -> NDArray[Any]:
    with tifffile.TiffFile(path) as tiff:
        page = _single_page(tiff)
        _refuse_samples(page)
        if page.imagewidth * page.imagelength > MAX_PIXELS:
            raise Image.DecompressionBombError
        if page.bitspersample == 16:
            return _sixteen_bit_page(page, path)
    return _tiff_by_pillow(path)


def _single_page(tiff: tifffile.TiffFile) -> Any:
    n_pages = len(tiff.pages)
    if n_pages != 1:
        raise _RefusedError(f"{n_pages} pages: save each as a file of its own")
    return tiff.pages[0]


def _refuse_samples(page: Any) -> None:
    if page.sampleformat in _SAMPLE_KINDS:
        raise _RefusedError(f"{_SAMPLE_KINDS[page.sampleformat]} TIFF: scale it to unsigned integers of 8 or 16 bits")
    if page.bitspersample not in (1, 2, 4, 8, 16):
        raise _RefusedError(f"{page.bitspersample} bits per sample: 8 or 16 are wanted")
    if page.imagedepth != 1 or page.imagewidth < 1 or page.imagelength < 1:
        raise _RefusedError(f"a volume or an empty picture, of shape {page.shape}")


def _tiff_by_pillow(path: Path) -> NDArray[Any]:
    # By handle, not by name: Pillow 13 maps an uncompressed file given by name and then scrambles a picture whose
    # orientation swaps height and width.
    with path.open("rb") as handle, Image.open(handle, formats=("TIFF",)) as image:
        image.load()  # applies the orientation too
        return _array_of(image)


def _sixteen_bit_page(page: Any, path: Path) -> NDArray[Any]:
    """Decode with tifffile, since Pillow cuts 16-bit colour down to 8 bits."""
    if page.photometric not in (0, 1, 2):
        raise _RefusedError(f"a 16-bit TIFF of {getattr(page.photometric, 'name', page.photometric)} colours")
    _refuse_missing_strips(page, path)
    n_colours = 3 if page.photometric == 2 else 1
    if _has_decoder(page):
        pixels = page.asarray()
        pixels = np.moveaxis(pixels, 0, -1) if page.axes.startswith("S") else pixels
        tag = page.tags.get(_ORIENTATION_TAG)
        pixels = _oriented(_without_extra(pixels, page, n_colours), 1 if tag is None else int(tag.value))
    elif page.samplesperpixel == 1:
        pixels = _tiff_by_pillow(path)
    else:
        raise _RefusedError(
            f"16-bit colour TIFF with {page.compression.name} compression: save it with Deflate or none"
        )
    return np.iinfo(np.uint16).max - pixels if page.photometric == 0 else pixels


def _has_decoder(page: Any) -> bool:
    """Whether tifffile can undo the compression without further packages."""
    try:
        tifffile.TIFF.DECOMPRESSORS[page.compression]
        if page.predictor != 1:
            tifffile.TIFF.UNPREDICTORS[page.predictor]
    except KeyError:
        return False
    return True


def _refuse_missing_strips(page: Any, path: Path) -> None:
    """Refuse a file whose strips end behind its end: tifffile would fill them with zeros."""
    size = path.stat().st_size
    counts, offsets = page.databytecounts, page.dataoffsets
    ends = [offset + count for offset, count in zip(offsets, counts, strict=True)]
    stored_in_full = page.compression != 1 or sum(counts) >= page.nbytes
    if not counts or min(counts) < 1 or min(offsets) < 1 or max(ends) > size or not stored_in_full:
        raise _RefusedError("truncated: some of its strips are missing")


def _without_extra(pixels: NDArray[Any], page: Any, n_colours: int) -> NDArray[Any]:
    """Take away a fourth (or second) channel: alpha is composited over black, anything else dropped."""
    n_samples = page.samplesperpixel
    if n_samples == n_colours:
        return pixels[..., 0] if pixels.ndim == 3 and n_colours == 1 else pixels
    if n_samples != n_colours + 1:
        raise _RefusedError(f"{n_samples} channels: 1 or 3 are wanted, with or without alpha")
    kind = page.extrasamples[0] if page.extrasamples else _UNASSOCIATED_ALPHA
    if kind == _UNASSOCIATED_ALPHA:
        return over_black(pixels)
    # Associated alpha is multiplied in already, which is the picture over black.
    return pixels[..., 0] if n_colours == 1 else pixels[..., :n_colours]


def _reason(error: Exception) -> str:
    if isinstance(error, _RefusedError):
        return str(error)
    if isinstance(error, Image.DecompressionBombError | Image.DecompressionBombWarning):
        return f"more than {MAX_PIXELS:,} pixels: taken for a decompression bomb"
    if isinstance(error, UnidentifiedImageError):
        return "not a PNG, JPEG, BMP or TIFF image, or its header is damaged"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    text = " ".join(str(error).split())[:160]
    return f"damaged ({text})" if text else f"damaged ({type(error).__name__})"
