"""One frame of a DICOM file to pixels: gray as 16 bits, colour as it is stored.

Which library undoes which compression is fixed here, so that no other one is tried on a damaged file.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from scantrial.core.errors import MissingExtraError
from scantrial.data.codecs.base import MAX_PIXELS, Claim, RefusedError, bomb, imagecodecs, row_blocks
from scantrial.data.codecs.dicom.gray import gray_table, stored_type
from scantrial.data.codecs.dicom.headers import Header, open_dicom
from scantrial.data.codecs.dicom.unpack import stored_values
from scantrial.data.spec import ImageSpec

_MAX_UNPACKED = 1 << 25
"""Pixels of a compressed or coloured frame: decoders take up to 50 bytes for each."""

_WORK_BYTES = 6
_WORK_BYTES_UNPACKED = 50

_PLUGINS: dict[str, tuple[str, tuple[int, ...]]] = {
    "RLELossless": ("pydicom", ()),
    "JPEGBaseline8Bit": ("pillow", (0xC0, 0xC1)),
    "JPEGExtended12Bit": ("pillow", (0xC0, 0xC1)),
    "JPEGLossless": ("gdcm", (0xC3,)),
    "JPEGLosslessSV1": ("gdcm", (0xC3,)),
    "JPEGLSLossless": ("gdcm", (0xF7,)),
    "JPEGLSNearLossless": ("gdcm", (0xF7,)),
    "JPEG2000Lossless": ("gdcm", ()),
    "JPEG2000": ("gdcm", ()),
}
"""By the keyword of a compressed transfer syntax: the plugin of pydicom, and the kinds of JPEG frame.

pydicom has no plugin for JPEG of 12 bits but one under the GPL; imagecodecs decodes it."""

_COLOURS = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")
_OTHER_COLOURS = ("MONOCHROME1", "MONOCHROME2", "PALETTE COLOR", "ARGB", "CMYK", "HSV", "XYB")
_MAX_TILES = 4096
_J2K_START = b"\xff\x4f\xff\x51"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shape:
    """The size of a frame and how it is stored."""

    rows: int
    columns: int
    samples: int
    n_bits: int
    colours: str

    @property
    def n_pixels(self) -> int:
        return self.rows * self.columns


def decode_frame(path: Path, claim: Claim, image: ImageSpec) -> NDArray[Any]:
    """Decode one frame.

    Parameters
    ----------
    image : its `window` and its `frame` are read; ``all`` frames are for `scantrial.data.dicom_cases`

    Returns
    -------
    shape (height, width), uint16, or (height, width, 3), uint8 or uint16

    Raises
    ------
    RefusedError
        With the reason; it holds no text of the file that could be a name.
    MissingExtraError
        If a library is not installed.
    """
    try:
        with open_dicom(path) as header:
            return _decoded(header, claim, image)
    except (RefusedError, MissingExtraError):
        raise
    except Exception as error:  # pydicom and its decoders raise nearly anything, with values of the file in it
        if isinstance(error, OSError) and error.errno:
            raise
        raise RefusedError(f"damaged DICOM ({type(error).__name__})") from None


def chosen_frame(header: Header, frame: int | Literal["all"] | None) -> int:
    """Return the number of the frame that is read.

    Raises
    ------
    RefusedError
        If the file has several frames and none was chosen, or not as many.
    """
    n_frames = header.n_frames
    if not isinstance(frame, int):
        if n_frames > 1:
            raise RefusedError(f"{n_frames:,} frames: set data.image.frame to a number from 0, or to all")
        return 0
    if frame >= n_frames:
        raise RefusedError(f"{n_frames:,} frames, but frame {frame} is asked for (the first is 0)")
    return frame


def _decoded(header: Header, claim: Claim, image: ImageSpec) -> NDArray[Any]:
    shape = _shape_of(header)
    _refuse_unread(header, shape)
    plugin, allowed = _plugin_of(header)
    number = chosen_frame(header, image.frame)
    tags = header.of_frame(number)
    is_large = plugin is not None or shape.samples > 1
    if shape.n_pixels > (_MAX_UNPACKED if is_large else MAX_PIXELS):
        raise bomb()
    claim(shape.n_pixels * (_WORK_BYTES_UNPACKED if is_large else _WORK_BYTES))
    stored = _stored(header, number, shape, plugin, allowed)
    if shape.colours == "PALETTE COLOR":
        return _painted(stored, header)
    if shape.samples == 3:
        return _colours(stored, tags)
    table = gray_table(tags, image.window)
    return _mapped(stored, table.levels, table.lowest)


def _shape_of(header: Header) -> _Shape:
    """Return size and storage, or refuse a file without a picture by what it is."""
    rows, columns = (int(header.tags.get(key) or 0) for key in ("Rows", "Columns"))
    if rows < 1 or columns < 1:
        raise RefusedError(f"a DICOM file without a picture{_kind(header)}")
    return _Shape(
        rows=rows,
        columns=columns,
        samples=int(header.tags.get("SamplesPerPixel") or 1),
        n_bits=int(header.tags.get("BitsAllocated") or 0),
        colours=header.text("PhotometricInterpretation"),
    )


def _refuse_unread(header: Header, shape: _Shape) -> None:
    """Refuse depths and colours that are not read."""
    keys = ("BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation")
    _, _, is_signed = stored_type({key: header.tags.get(key) for key in keys if header.tags.get(key) is not None})
    is_gray = shape.colours in ("MONOCHROME1", "MONOCHROME2", "PALETTE COLOR") and shape.samples == 1
    is_colour = shape.colours in _COLOURS and shape.samples == 3 and not is_signed
    if not (is_gray or is_colour):
        kind = shape.colours if shape.colours in (*_COLOURS, *_OTHER_COLOURS) else "unknown"
        raise RefusedError(f"{shape.samples} samples a pixel of {kind} colours, expected gray or RGB")


def _plugin_of(header: Header) -> tuple[str | None, tuple[int, ...]]:
    """Return pydicom's plugin for the transfer syntax, None if it is not compressed, and the kinds of JPEG frame."""
    syntax = header.syntax
    if syntax is None or not syntax.is_transfer_syntax:
        raise RefusedError("it does not say how its pixels are stored (no transfer syntax that is known)")
    if not syntax.is_compressed or syntax.is_deflated:
        return None, ()
    if syntax.keyword not in _PLUGINS:
        raise RefusedError(f"compressed as {syntax.name}, which is not read")
    if syntax.keyword == "JPEGExtended12Bit" and int(header.tags.get("BitsStored") or 0) > 8:
        imagecodecs("12-bit JPEG Extended")
        return "imagecodecs", (0xC1,)
    plugin, allowed = _PLUGINS[syntax.keyword]
    if plugin not in _decoder(syntax).available_plugins:
        needed_for = f"a DICOM file compressed as {syntax.name}"
        raise MissingExtraError(extra="dicom", package=f"python-{plugin}", needed_for=needed_for)
    return plugin, allowed


def _decoder(syntax: Any) -> Any:
    from pydicom.pixels import get_decoder  # noqa: PLC0415 - optional

    return get_decoder(syntax)


def _stored(header: Header, number: int, shape: _Shape, plugin: str | None, allowed: tuple[int, ...]) -> NDArray[Any]:
    """Return the stored values of one frame, colour as RGB."""
    from pydicom.encaps import get_frame  # noqa: PLC0415 - optional
    from pydicom.pixels.utils import as_pixel_options  # noqa: PLC0415 - optional

    options = as_pixel_options(header.tags, pixel_keyword="PixelData", pixel_vr=_to_pixels(header))
    options["number_of_frames"] = header.n_frames
    if plugin is None:
        _refuse_truncated(header, number, shape)
        options |= {"transfer_syntax_uid": header.syntax, "correct_unused_bits": False}
        pixels, _ = _decoder(header.syntax).as_array(header.stream, index=number, **options)
        return np.asarray(pixels)
    offsets = options.pop("extended_offsets", None)
    source = get_frame(header.stream, number, number_of_frames=header.n_frames, extended_offsets=offsets)
    _refuse_other_size(source, shape, header.syntax.keyword, allowed)
    return stored_values(source, syntax=str(header.syntax), plugin=plugin, options=_plain(options))


def _plain(options: dict[str, Any]) -> dict[str, Any]:
    """Return numbers and texts as Python's own."""
    return {key: int(value) if isinstance(value, int) else str(value) for key, value in options.items()}


def _to_pixels(header: Header) -> str:
    """Go to the value of the pixels, and return the kind of their element."""
    is_implicit, is_little = header.tags.original_encoding
    order = "<" if is_little else ">"
    head = header.stream.read(8)
    if len(head) < 8:
        raise RefusedError(f"a DICOM file without pixels{_kind(header)}")
    if struct.unpack(f"{order}HH", head[:4]) != (0x7FE0, 0x0010):
        raise RefusedError("floating-point pixels, expected whole numbers of 8 or 16 bits")
    if is_implicit:
        return "OW"
    header.stream.read(4)
    return "OB" if head[4:6] == b"OB" else "OW"


def _kind(header: Header) -> str:
    """Return what kind of object the file says that it is, if that is in the standard."""
    uid = header.tags.get("SOPClassUID") or header.tags.file_meta.get("MediaStorageSOPClassUID")
    name = str(getattr(uid, "name", ""))
    return f" ({name})" if name and name != str(uid) else ""


def _refuse_truncated(header: Header, number: int, shape: _Shape) -> None:
    """Refuse a file that ends before the frame does."""
    n_bits = shape.n_pixels * shape.samples * shape.n_bits
    n_bits = n_bits * 2 // 3 if shape.colours == "YBR_FULL_422" else n_bits
    if header.stream.tell() + -(-n_bits * (number + 1) // 8) > header.size:
        raise RefusedError("truncated: it ends before its pixels do")


def _refuse_other_size(source: bytes, shape: _Shape, syntax: str, allowed: tuple[int, ...]) -> None:
    """Refuse compressed pixels of another size than the header says, which a decoder would unpack all the same."""
    if syntax == "RLELossless":
        _refuse_long_segments(source, shape)
        return
    found = _jpeg_size(source, allowed) if allowed else _jpeg_2000_size(source)
    if found != (shape.rows, shape.columns, shape.samples):
        seen = "no size" if found is None else f"{found[0]}x{found[1]} with {found[2]} samples"
        raise RefusedError(
            f"its compressed pixels have {seen}, its header says {shape.rows}x{shape.columns} with {shape.samples}"
        )


def _refuse_long_segments(source: bytes, shape: _Shape) -> None:
    """Refuse segments of run lengths that overlap or are far longer than such an image needs."""
    n_segments = int.from_bytes(source[:4], "little")
    starts = list(struct.unpack("<15L", source[4:64]))[:n_segments] if len(source) >= 64 else []
    if not starts or starts != sorted(starts) or len(source) > 64 + 4 * (shape.n_pixels + 64) * len(starts):
        raise RefusedError("damaged: its segments of run lengths overlap or do not fit its size")


def _jpeg_size(source: bytes, allowed: tuple[int, ...]) -> tuple[int, int, int] | None:
    """Return height, width and samples of a JPEG or JPEG-LS image; None if it is of no kind that is allowed."""
    place = 2
    while source[:2] == b"\xff\xd8" and place + 9 < len(source) and source[place] == 0xFF:
        mark = source[place + 1]
        if mark in allowed:
            height, width = struct.unpack(">HH", source[place + 5 : place + 9])
            return height, width, source[place + 9]
        if mark == 0xFF:
            place += 1
        elif 0xC0 <= mark <= 0xCF and mark not in (0xC4, 0xC8, 0xCC):
            return None
        else:
            place += 2 + int.from_bytes(source[place + 2 : place + 4], "big")
    return None


def _jpeg_2000_size(source: bytes) -> tuple[int, int, int] | None:
    """Return height, width and samples of a JPEG 2000 codestream; None if it has none or very many tiles."""
    start = source.find(_J2K_START)
    if start < 0 or len(source) < start + 42:
        return None
    right, lower, left, top, width, height, x, y, n = struct.unpack(">8LH", source[start + 8 : start + 42])
    if not (width and height and right > left and lower > top):
        return None
    n_tiles = -(-(right - x) // width) * -(-(lower - y) // height)
    return (lower - top, right - left, n) if n_tiles <= _MAX_TILES else None


def _mapped(stored: NDArray[Any], table: NDArray[Any], lowest: int) -> NDArray[Any]:
    """Look every stored value up in a table, some rows at a time."""
    result = np.empty((*stored.shape[:2], *table.shape[1:]), dtype=table.dtype)
    for rows in row_blocks(stored):
        result[rows] = table[stored[rows].astype(np.int32) - lowest]
    return result


def _painted(stored: NDArray[Any], header: Header) -> NDArray[Any]:
    """Give each value its colour of the file's palette."""
    from pydicom.pixels import apply_color_lut  # noqa: PLC0415 - optional

    limits = np.iinfo(stored.dtype)
    every = np.arange(limits.min, limits.max + 1, dtype=np.int64)
    palette = np.asarray(apply_color_lut(every.astype(stored.dtype), header.tags))[:, :3]
    return _mapped(stored, palette, int(limits.min))


def _colours(stored: NDArray[Any], tags: dict[str, Any]) -> NDArray[Any]:
    """Return RGB of 8 bits as it is, and of other depths over the whole range of 8 or 16 bits."""
    n_bits, n_stored, _ = stored_type(tags)
    if n_stored == n_bits:
        return stored
    top = (1 << n_stored) - 1
    table = np.rint((np.arange(1 << n_bits) & top) / top * ((1 << n_bits) - 1)).astype(stored.dtype)
    return np.asarray(table[stored])
