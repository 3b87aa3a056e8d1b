"""One image file to one array, every bit kept, or the reason why it cannot be read.

8 and 16 bits; gray, colour, any number of channels, palette, 1-bit, alpha, CMYK; other numbers with a declared range;
each kind of file is a row of `scantrial.data.codecs`. What cannot be read in full is refused: a truncated file, a
decompression bomb, signed or floating-point numbers without a range, several pages of which none was chosen.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from scantrial.core.errors import DataError, MissingExtraError
from scantrial.core.files import open_regular
from scantrial.data.codecs.base import HEAD_BYTES, Claim, Codec, RefusedError, bomb, no_claim
from scantrial.data.codecs.table import CODECS, codec_of, titles_read
from scantrial.data.quiet import quiet_decoders
from scantrial.data.samples import any_name, picked, scaled
from scantrial.data.scanset import Pixels
from scantrial.data.spec import USUAL, ImageSpec

IMAGE_SUFFIXES = frozenset(suffix for codec in CODECS.values() if codec.decode for suffix in codec.suffixes)
"""Endings of file names that count as scans, in lower case."""

# Without its own handler, Python would print what Pillow logs on stderr.
logging.getLogger("PIL").addHandler(logging.NullHandler())


class ImageError(DataError):
    """One image that cannot be used; `reason` says why in a few words.

    Parameters
    ----------
    measured : the smallest and the largest value of an image that cannot be used without a range
    """

    def __init__(self, path: Path | str, reason: str, *, measured: tuple[float, float] | None = None) -> None:
        self.path = str(path)
        self.reason = reason
        self.measured = measured
        super().__init__(f"{path}: {reason}", expected=f"a complete {titles_read()} image of 8 or 16 bits")


def decode_image(path: Path | str, claim: Claim = no_claim, image: ImageSpec = USUAL) -> Pixels:
    """Decode one image file.

    Alpha is composited over black, palettes are expanded to RGB, CMYK is converted to RGB, the EXIF orientation is
    applied, "white is zero" is inverted. 16 bits stay 16 bits. The kind of file is recognised by its
    content, not by its name.

    Parameters
    ----------
    claim : told how many bytes the image takes, before it is unpacked
    image : the page, the channels, the range, the window and the frame that are wanted; size and fit are for
        `scantrial.data.fit`

    Returns
    -------
    shape (height, width) or (height, width, channels), uint8 or uint16

    Raises
    ------
    ImageError
        If the file cannot be read in full; no other exception and no warning. Safe in threads.
    MissingExtraError
        If this kind of file needs a library that is not installed.

    Notes
    -----
    On damaged TIFF files libtiff may write a line to standard error. A damaged file that still
    decodes to a complete image (a flipped bit in a JPEG) cannot be recognised.
    """
    try:
        with quiet_decoders:
            pixels = _decode(Path(path), claim, image)
    except MissingExtraError:
        raise
    except Exception as error:
        # Decoders raise nearly anything on damaged input: struct.error, SyntaxError, zlib.error, IndexError ...
        raise ImageError(path, _reason(error), measured=getattr(error, "measured", None)) from error
    return np.ascontiguousarray(pixels)


def decode_numbered(path: Path, frame: int | None, claim: Claim, image: ImageSpec) -> Pixels:
    """Decode a file, or one of its frames where each is a case; the rest is as in `decode_image`."""
    return decode_image(path, claim, image if frame is None else image.model_copy(update={"frame": frame}))


def _decode(path: Path, claim: Claim, image: ImageSpec) -> NDArray[Any]:
    if not path.is_file():
        raise RefusedError("not a file" if path.exists() else "no such file")
    with open_regular(path) as handle:
        head = handle.read(HEAD_BYTES)
    if not head:
        raise RefusedError("an empty file")
    codec = codec_of(head)
    if codec is None:
        raise RefusedError(_unknown())
    if codec.decode is None:
        raise RefusedError(_unread(codec))
    pixels = codec.decode(path, claim, image)
    if isinstance(image.channels, tuple):
        names = codec.channel_names(path) if codec.channel_names and any_name(image.channels) else ()
        pixels = picked(pixels, image.channels, names)
    return scaled(pixels, image.range)


def _unread(codec: Codec) -> str:
    """Return why a file is refused, from its kind, and what to do."""
    if codec.way_out is not None:
        return f"a {codec.title} file: {codec.way_out}"
    return f"a {codec.title} file, not {titles_read()}"


def _unknown() -> str:
    return f"not a {titles_read()} image, or its header is damaged"


def _reason(error: Exception) -> str:
    if isinstance(error, RefusedError):
        return str(error)
    if isinstance(error, Image.DecompressionBombError | Image.DecompressionBombWarning):
        return str(bomb())
    if isinstance(error, UnidentifiedImageError):
        return _unknown()
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    text = " ".join(str(error).split())[:160]
    return f"damaged ({text})" if text else f"damaged ({type(error).__name__})"
