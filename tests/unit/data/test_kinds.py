"""WebP, JPEG 2000, PNM, GIF, 16-bit colour PNG, long texts, pyramids: arrays of known content come back as they are."""

from __future__ import annotations

import io
import struct
import tracemalloc
import zlib
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image, ImageOps, PngImagePlugin
from pydicom.data import get_testdata_file

from scantrial.core.errors import MissingExtraError
from scantrial.data.codecs.base import MAX_PIXELS
from scantrial.data.decode import ImageError, decode_image
from scantrial.data.load import load
from scantrial.data.spec import ImageSpec, SourceSpec

BOMB = f"more than {MAX_PIXELS:,} pixels: refused as a possible decompression bomb"


def reason_of(path: Path) -> str:
    with pytest.raises(ImageError) as caught:
        decode_image(path)
    return caught.value.reason


def deep(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.integers(0, 65536, shape, dtype=np.uint16)


# ---------------------------------------------------------------------- WebP and GIF


def test_webp(tmp_path, rng):
    """Lossless WebP comes back bit by bit, with alpha over black; a lossy one is what Pillow makes of it."""
    pixels = rng.integers(0, 256, (12, 16, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.webp", lossless=True)
    Image.fromarray(pixels).save(tmp_path / "b.webp", quality=80)
    Image.fromarray(np.dstack([pixels, np.zeros((12, 16), np.uint8)])).save(tmp_path / "c.webp", lossless=True)
    np.testing.assert_array_equal(decode_image(tmp_path / "a.webp"), pixels)
    np.testing.assert_array_equal(decode_image(tmp_path / "b.webp"), np.asarray(Image.open(tmp_path / "b.webp")))
    assert not decode_image(tmp_path / "c.webp").any()


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["WEBP", "TIFF", "JPEG2000"])
def test_exif_turns_upright(tmp_path, kind, orientation):
    """As in JPEG and PNG; a file of JPEG 2000 has its EXIF in a box, before the image or after it."""
    pixels = np.arange(63, dtype=np.uint8).reshape(9, 7) * 4
    exif, stream = Image.Exif(), io.BytesIO()
    exif[274] = orientation
    expected = np.asarray(ImageOps.exif_transpose(_with_exif(pixels, orientation)))
    if kind != "JPEG2000":
        options = {"lossless": True} if kind == "WEBP" else {}
        Image.fromarray(pixels).save(tmp_path / "a", kind, exif=exif, **options)
        found = decode_image(tmp_path / "a")
        np.testing.assert_array_equal(found if found.ndim == 2 else found[..., 0], expected)
        return
    Image.fromarray(pixels).save(stream, kind)
    data, content = stream.getvalue(), exif.tobytes().removeprefix(b"Exif\0\0")
    box = (len(content) + 24).to_bytes(4, "big") + b"uuidJpgTiffExif->JP2" + content
    start = data.index(b"jp2c") - 4
    for name, whole in (("b", data[:start] + box + data[start:]), ("c", data + box)):
        (tmp_path / name).write_bytes(whole)
        np.testing.assert_array_equal(decode_image(tmp_path / name), expected)


def _with_exif(pixels: np.ndarray, orientation: int) -> Image.Image:
    """Return an image as Pillow opens it from PNG, with an EXIF."""
    stream, exif = io.BytesIO(), Image.Exif()
    exif[274] = orientation
    Image.fromarray(pixels).save(stream, "PNG", exif=exif)
    return Image.open(io.BytesIO(stream.getvalue()))


LZW = {
    "16-bit colour": (((3,), np.uint16, "rgb"), {}),
    "16-bit colour with alpha": (((4,), np.uint16, "rgb"), {"channels": (0, 1, 2, 3)}),
    "8-bit colour with alpha": (((4,), np.uint8, "rgb"), {"channels": (0, 1, 2, 3)}),
    "five channels": (((5,), np.uint8, "minisblack"), {"channels": 5}),
    "64 bits": (((), np.float64, "minisblack"), {"range": (0, 200)}),
}


@pytest.mark.parametrize("predictor", [False, True])
@pytest.mark.parametrize("kind", LZW)
def test_tiff_with_lzw_is_that_without(tmp_path, rng, monkeypatch, kind, predictor):
    """Where Pillow would not keep all that is stored, too; there a package is named if it is missing."""
    (tail, dtype, photometric), options = LZW[kind]
    pixels = (rng.random((19, 17, *tail)) * 200).astype(dtype)
    contig = {"planarconfig": "contig"} if tail else {}
    for name, how in (("a.tif", {"compression": "lzw", "predictor": predictor}), ("b.tif", {})):
        tifffile.imwrite(tmp_path / name, pixels, photometric=photometric, rowsperstrip=5, **contig, **how)
    image = ImageSpec(**options)
    found = decode_image(tmp_path / "a.tif", image=image)
    np.testing.assert_array_equal(found, decode_image(tmp_path / "b.tif", image=image))
    assert found.shape == pixels.shape
    monkeypatch.setattr("scantrial.data.codecs.base.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"channels with LZW compression"):
        decode_image(tmp_path / "a.tif", image=image)


def test_a_strip_of_lzw_that_unpacks_to_more_than_its_size_is_refused(tmp_path, rng):
    tifffile.imwrite(tmp_path / "a.tif", deep(rng, 8, 8, 3), photometric="rgb", compression="lzw")
    with tifffile.TiffFile(tmp_path / "a.tif") as tiff:
        page = tiff.pages[0]
        place, size = page.tags["StripByteCounts"].valueoffset, page.tags["StripByteCounts"].value
        offset = page.tags["StripOffsets"].valueoffset
    bomb = imagecodecs.lzw_encode(bytes(1 << 20))
    data = bytearray((tmp_path / "a.tif").read_bytes())
    assert len(size) == 1
    data[place : place + 4], data[offset : offset + 4] = struct.pack("<I", len(bomb)), struct.pack("<I", len(data))
    (tmp_path / "a.tif").write_bytes(data + bomb)
    assert reason_of(tmp_path / "a.tif") == BOMB


def test_webp_that_is_no_single_image(tmp_path):
    """An animation is refused, and a sound or a film that begins with RIFF is not called WebP."""
    first, second = Image.new("RGB", (8, 8)), Image.new("RGB", (8, 8), "red")
    first.save(tmp_path / "a.webp", save_all=True, append_images=[second])
    (tmp_path / "a.wav").write_bytes(b"RIFF\0\0\0\0WAVEfmt ")
    assert reason_of(tmp_path / "a.webp") == "an animation, expected one image"
    assert "WebP file" not in reason_of(tmp_path / "a.wav")


@pytest.mark.parametrize("head", [b"VP8X", b"VP8L", b"VP8 "], ids=["extended", "lossless", "lossy"])
def test_webp_bomb(tmp_path, head):
    """The size in the header is looked at before Pillow makes room for the picture."""
    size = {
        b"VP8X": b"\x0a\0\0\0" + bytes(4) + b"\x3f\x9c\0" * 2,
        b"VP8L": b"\x0a\0\0\0\x2f" + (0x3F3F | 0x3F3F << 14).to_bytes(4, "little") + bytes(5),
        b"VP8 ": b"\x0a\0\0\0" + bytes(3) + b"\x9d\x01\x2a" + struct.pack("<HH", 16000, 16000),
    }[head]
    (tmp_path / "a.webp").write_bytes(b"RIFF\x40\0\0\0WEBP" + head + size + bytes(40))
    assert reason_of(tmp_path / "a.webp") == BOMB


def test_gif_gives_its_first_frame(tmp_path, rng):
    """Of an animated GIF the first frame is read; gray levels stay as they are."""
    frames = [Image.fromarray(rng.integers(0, 256, (12, 16), dtype=np.uint8)) for _ in range(3)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    found = decode_image(tmp_path / "a.gif")
    np.testing.assert_array_equal(found if found.ndim == 2 else found[..., 0], np.asarray(frames[0]))


def test_gif_bomb(tmp_path):
    """A GIF of a few bytes that says it has four billion pixels is refused."""
    head = b"GIF89a" + struct.pack("<HHBBB", 65535, 65535, 0x80, 0, 0) + bytes(6)
    (tmp_path / "a.gif").write_bytes(head + b"," + struct.pack("<HHHHB", 0, 0, 65535, 65535, 0) + b"\x02\x01\x44\0;")
    assert reason_of(tmp_path / "a.gif") == BOMB


# ---------------------------------------------------------------------- JPEG 2000


def jpeg_2000(pixels: np.ndarray, bits: int, **options) -> bytes:
    return imagecodecs.jpeg2k_encode(pixels, level=0, reversible=True, bitspersample=bits, **options)


@pytest.mark.parametrize("n_channels", [1, 3, 5])
@pytest.mark.parametrize("bits", [8, 12, 16])
@pytest.mark.parametrize("codecformat", ["jp2", "j2k"])
def test_jpeg_2000(tmp_path, rng, n_channels, bits, codecformat):
    """Lossless JPEG 2000 keeps all its bits; white is that of the depth it declares."""
    shape = (40, 48) if n_channels == 1 else (40, 48, n_channels)
    pixels = rng.integers(0, 2**bits, shape, dtype=np.uint8 if bits == 8 else np.uint16)
    (tmp_path / "a.jp2").write_bytes(jpeg_2000(pixels, bits, codecformat=codecformat))
    white = 255 if bits == 8 else 65535
    found = decode_image(tmp_path / "a.jp2")
    assert found.dtype == (np.uint8 if bits == 8 else np.uint16)
    np.testing.assert_array_equal(found, np.rint(pixels * (white / (2**bits - 1))))


def test_jpeg_2000_bomb(tmp_path, rng):
    """The size that the codestream declares is looked at before it is unpacked; a cut file is refused."""
    whole = jpeg_2000(deep(rng, 64, 64), 16)
    (tmp_path / "cut.jp2").write_bytes(whole[: len(whole) // 2])
    start = whole.index(b"\xff\x4f\xff\x51") + 8
    (tmp_path / "bomb.jp2").write_bytes(whole[:start] + struct.pack(">II", 60_000, 60_000) + whole[start + 8 :])
    assert reason_of(tmp_path / "bomb.jp2") == BOMB
    assert reason_of(tmp_path / "cut.jp2")


# ---------------------------------------------------------------------- PGM, PPM, PNM


@pytest.mark.parametrize("white", [1, 100, 255, 4095, 65535])
@pytest.mark.parametrize("kind", [2, 3, 5, 6])
def test_pnm(tmp_path, rng, kind, white):
    """Plain and binary, gray and colour, of any depth: white becomes the largest value of the type."""
    shape = (7, 5, 3) if kind in (3, 6) else (7, 5)
    pixels = rng.integers(0, white + 1, shape, dtype=np.uint16)
    head = b"P%d\n# a remark\n5 7\n%d\n" % (kind, white)
    body = pixels.astype(np.uint8 if white < 256 else ">u2").tobytes() if kind > 3 else " ".join(map(str, pixels.flat))
    (tmp_path / "a.pnm").write_bytes(head + (body if isinstance(body, bytes) else body.encode()))
    found = decode_image(tmp_path / "a.pnm")
    assert found.dtype == (np.uint8 if white < 256 else np.uint16)
    largest = 255 if white < 256 else 65535
    np.testing.assert_array_equal(found, (pixels.astype(int) * largest + white // 2) // white)


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_plain_numbers_across_blocks(tmp_path, rng, monkeypatch, size):
    """Wherever a block of the text ends the numbers are the same; what stands after the last one does not count."""
    pixels = rng.integers(0, 65536, (7, 5), dtype=np.uint16)
    pixels[0, :3] = 0, 7, 65535
    monkeypatch.setattr("scantrial.data.codecs.netpbm._BLOCK", size)
    for end in ("", "\n", " # end", " 1234567"):
        (tmp_path / "a.pgm").write_text("P2\n5 7\n65535\n" + "\n ".join(map(str, pixels.flat)) + end)
        np.testing.assert_array_equal(decode_image(tmp_path / "a.pgm"), pixels)
    for end in ("x", "8123456 1", " 1234567"):
        (tmp_path / "a.pgm").write_text("P2\n5 7\n65535\n" + "\n".join(map(str, pixels.flat[:-1])) + end)
        assert "something else than numbers" in reason_of(tmp_path / "a.pgm")


@pytest.mark.parametrize("kind", [2, 3])
def test_plain_numbers_take_no_more_memory_than_is_claimed(tmp_path, kind):
    """One digit and a blank for each number is the densest text that there is."""
    side = 700
    n = side * side * (3 if kind == 3 else 1)
    (tmp_path / "a.pnm").write_bytes(b"P%d\n%d %d\n100\n" % (kind, side, side) + b"7 " * n)
    claimed: list[int] = []
    tracemalloc.start()
    try:
        found = decode_image(tmp_path / "a.pnm", claimed.append)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (found == 18).all()
    assert peak < sum(claimed) + (16 << 20)


def test_plain_numbers_above_white_are_white(tmp_path):
    """As in other kinds of numbers, nothing wraps around."""
    (tmp_path / "a.pgm").write_bytes(b"P2\n2 1\n255\n300 7\n")
    np.testing.assert_array_equal(decode_image(tmp_path / "a.pgm"), [[255, 7]])


def test_bitmaps_of_one_bit(tmp_path):
    """PBM becomes 0 and 255, in both forms; ink is black."""
    (tmp_path / "a.pbm").write_text("P1\n3 1\n1 0 1\n")
    (tmp_path / "b.pbm").write_bytes(b"P4\n3 1\n\xa0")
    for name in ("a.pbm", "b.pbm"):
        np.testing.assert_array_equal(decode_image(tmp_path / name), [[0, 255, 0]])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"P5\n5 7\n255\nabc", "truncated: 3 of 35 numbers"),
        (b"P2\n2 1\n255\n7", "truncated: 1 of 2 numbers"),
        (b"P2\n2 1\n255\n7 x", "something else than numbers"),
        (b"P2\n2 1\n255\n" + b"7 " * 100, "more text than 2 numbers take"),
        (b"P5\n60000 60000\n255\n", BOMB),
        (b"P5\n5 7\n99999\n", "white at 99,999"),
        (b"P6 five", "header is damaged"),
    ],
)
def test_pnm_that_is_no_image(tmp_path, content, said):
    """What is wrong with a PNM file is said."""
    (tmp_path / "a.pgm").write_bytes(content)
    assert said in reason_of(tmp_path / "a.pgm")


# ---------------------------------------------------------------------- PNG


@pytest.mark.parametrize("colour", [2, 4, 6])
def test_deep_colour_png(tmp_path, rng, colour):
    """A PNG of 16 bits with colour or alpha keeps all its bits; alpha goes over black."""
    pixels = deep(rng, 9, 7, {2: 3, 4: 2, 6: 4}[colour])
    (tmp_path / "a.png").write_bytes(imagecodecs.png_encode(pixels))
    colours, alpha = pixels[..., :-1].astype(np.uint64), pixels[..., -1:].astype(np.uint64)
    expected = pixels if colour == 2 else ((colours * alpha + 32767) // 65535).squeeze()
    found = decode_image(tmp_path / "a.png")
    assert found.dtype == np.uint16
    np.testing.assert_array_equal(found, expected)


def test_files_of_many_bits_without_their_library(tmp_path, rng, monkeypatch):
    """Without imagecodecs the command that installs it is told, and no file is left out for ever."""
    Image.fromarray(rng.integers(0, 256, (9, 7, 3), dtype=np.uint8)).save(tmp_path / "b.png")
    kinds = {"a.png": "a 16-bit PNG", "a.jp2": "a JPEG 2000 file", "a.dcm": "12-bit JPEG Extended"}
    (tmp_path / "a.png").write_bytes(imagecodecs.png_encode(deep(rng, 9, 7, 3)))
    (tmp_path / "a.jp2").write_bytes(jpeg_2000(deep(rng, 9, 7, 3), 16))
    (tmp_path / "a.dcm").write_bytes(Path(str(get_testdata_file("JPGExtended.dcm"))).read_bytes())
    (tmp_path / "scans.csv").write_text("path,label\na.png,x\nb.png,y")
    source = SourceSpec(name=str(tmp_path / "scans.csv"))
    with monkeypatch.context() as patch:
        patch.setattr("scantrial.data.codecs.base.find_spec", lambda name: None)
        for name, kind in kinds.items():
            with pytest.raises(MissingExtraError, match=kind) as caught:
                decode_image(tmp_path / name)
            assert 'pip install "scantrial[codecs]"' in str(caught.value)
        with pytest.raises(MissingExtraError):
            load(source, skip_unreadable=True)
    assert load(source, skip_unreadable=True).skipped == ()


def with_text(png: bytes, n_bytes: int) -> bytes:
    """Put a compressed text of so many bytes behind the header of a PNG."""
    data = b"Comment\0\0" + zlib.compress(b"a" * n_bytes)
    chunk = struct.pack(">I", len(data)) + b"zTXt" + data + struct.pack(">I", zlib.crc32(b"zTXt" + data))
    return png[:33] + chunk + png[33:]


@pytest.mark.parametrize("kind", ["gray", "deep colour"])
def test_png_with_a_long_text(tmp_path, rng, gray, kind):
    """A text that is longer than Pillow allows is passed over; the orientation and the pixels count."""
    pixels = gray if kind == "gray" else deep(rng, 12, 16, 3)
    stream = io.BytesIO()
    if kind == "gray":
        exif = Image.Exif()
        exif[274] = 3
        Image.fromarray(gray).save(stream, "PNG", exif=exif)
    else:
        stream.write(imagecodecs.png_encode(pixels))
    (tmp_path / "a.png").write_bytes(with_text(stream.getvalue(), 2 * PngImagePlugin.MAX_TEXT_CHUNK))
    with pytest.raises(ValueError, match="MAX_TEXT_CHUNK"):
        Image.open(tmp_path / "a.png").load()
    np.testing.assert_array_equal(decode_image(tmp_path / "a.png"), pixels[::-1, ::-1] if kind == "gray" else pixels)


# ---------------------------------------------------------------------- orientation, pyramids, wrong reasons


@pytest.mark.parametrize("kind", ["webp", "deep png", "float tif", "channels tif"])
def test_orientation(tmp_path, rng, kind):
    """A scan that was stored lying is turned upright in every kind that can say so."""
    upright = deep(rng, 12, 16, 3) if kind == "deep png" else rng.integers(0, 256, (12, 16, 3), dtype=np.uint8)
    exif = Image.Exif()
    exif[274] = 6
    stored = np.ascontiguousarray(np.rot90(upright, 1))
    path = tmp_path / "a"
    if kind == "webp":
        Image.fromarray(stored).save(path, "WEBP", lossless=True, exif=exif)
    elif kind == "deep png":
        whole, chunk = imagecodecs.png_encode(stored), exif.tobytes().removeprefix(b"Exif\0\0")
        packed = struct.pack(">I", len(chunk)) + b"eXIf" + chunk + struct.pack(">I", zlib.crc32(b"eXIf" + chunk))
        path.write_bytes(whole[:33] + packed + whole[33:])
    else:
        stored = stored[..., 0].astype(np.float32) if kind == "float tif" else np.dstack([stored, stored])
        upright = upright[..., 0] if kind == "float tif" else np.dstack([upright, upright])
        options = {} if kind == "float tif" else {"photometric": "minisblack", "planarconfig": "contig"}
        tifffile.imwrite(path, stored, extratags=[(274, "H", 1, 6, True)], **options)
    spec = ImageSpec(range=(0, 65535)) if kind == "float tif" else ImageSpec()
    np.testing.assert_array_equal(decode_image(path, image=spec), upright)


@pytest.mark.parametrize("marked", [True, False])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_pyramid_is_read_as_its_full_page(tmp_path, rng, marked, dtype):
    """Reduced copies of the first page are passed over, whether they are marked or only smaller."""
    pixels = rng.integers(0, np.iinfo(dtype).max + 1, (64, 48), dtype=dtype)
    with tifffile.TiffWriter(tmp_path / "a.tif") as tiff:
        tiff.write(pixels)
        for step in (2, 4):
            tiff.write(pixels[::step, ::step], subfiletype=1 if marked else 0)
    np.testing.assert_array_equal(decode_image(tmp_path / "a.tif"), pixels)


def test_a_thumbnail_before_the_page_is_passed_over(tmp_path, rng):
    """The full page is found by its mark wherever it stands."""
    pixels = deep(rng, 64, 48)
    with tifffile.TiffWriter(tmp_path / "a.tif") as tiff:
        tiff.write(rng.integers(0, 256, (8, 8), dtype=np.uint8), subfiletype=1)
        tiff.write(pixels)
    np.testing.assert_array_equal(decode_image(tmp_path / "a.tif"), pixels)


@pytest.mark.parametrize("second", [(20, 40), (48, 36)])
def test_pages_that_are_not_reduced_are_no_pyramid(tmp_path, rng, second):
    """A label beside a slide is an image of its own, and so is one that is a little smaller."""
    with tifffile.TiffWriter(tmp_path / "a.tif") as tiff:
        tiff.write(deep(rng, 64, 48))
        tiff.write(deep(rng, *second))
    assert reason_of(tmp_path / "a.tif").startswith("2 pages: set data.image.page (0 to 1, max or mean)")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"<!DOCTYPE html>\n<html>", "a web page file: the download saved a web page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "run `git lfs pull`"),
        (b"\0\0\0\x18ftypheic" + bytes(8), "a HEIC or AVIF file, not DICOM, NIfTI, PNG"),
        (b"\x89HDF\r\n\x1a\n" + bytes(8), "a Hierarchical Data Format file, not DICOM, NIfTI, PNG"),
    ],
)
def test_what_it_is_is_said(tmp_path, content, said):
    """A file that is something else is called by its name, not a damaged image."""
    (tmp_path / "a.png").write_bytes(content)
    assert said in reason_of(tmp_path / "a.png")
