"""`decode_image`, `fit_image` and thumbnails, against arrays of known content."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from scantrial.core.errors import DataError, ShapeError
from scantrial.data.codecs.base import MAX_PIXELS
from scantrial.data.codecs.table import titles_read
from scantrial.data.decode import ImageError, decode_image
from scantrial.data.fit import fit_image, match_depth, resize, resize_all
from scantrial.data.spec import ImageSpec
from scantrial.data.thumbnails import thumbnail_png


def reason_of(path: Path) -> str:
    with pytest.raises(ImageError) as caught:
        decode_image(path)
    assert caught.value.path == str(path)
    return caught.value.reason


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def raw_png(width: int, height: int, depth: int, colour: int, rows: bytes) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(kind, data) for kind, data in chunks)


@pytest.mark.parametrize("suffix", ["png", "bmp", "tif"])
def test_gray_8(tmp_path, gray, suffix):
    """8-bit gray comes back bit by bit from every lossless format."""
    Image.fromarray(gray).save(tmp_path / f"a.{suffix}")
    np.testing.assert_array_equal(decode_image(tmp_path / f"a.{suffix}"), gray)


@pytest.mark.parametrize("suffix", ["png", "bmp", "tif"])
def test_rgb_8(tmp_path, rgb, suffix):
    """8-bit RGB comes back bit by bit from every lossless format."""
    Image.fromarray(rgb).save(tmp_path / f"a.{suffix}")
    np.testing.assert_array_equal(decode_image(tmp_path / f"a.{suffix}"), rgb)


def test_jpeg(tmp_path, rgb):
    """A JPEG gives what Pillow gives, gray as gray and colour as RGB."""
    Image.fromarray(rgb).save(tmp_path / "c.jpg")
    Image.fromarray(rgb[..., 0]).save(tmp_path / "g.jpeg")
    np.testing.assert_array_equal(decode_image(tmp_path / "c.jpg"), np.asarray(Image.open(tmp_path / "c.jpg")))
    assert decode_image(tmp_path / "g.jpeg").shape == (12, 16)


def test_png_16(tmp_path, deep):
    """16-bit gray PNG keeps all its bits."""
    Image.fromarray(deep).save(tmp_path / "a.png")
    found = decode_image(tmp_path / "a.png")
    assert found.dtype == np.uint16
    np.testing.assert_array_equal(found, deep)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_tiff_16(tmp_path, deep, order, compression):
    """16-bit gray TIFF keeps all its bits, in either byte order, in native byte order afterwards."""
    tifffile.imwrite(tmp_path / "a.tif", deep, byteorder=order, compression=compression)
    found = decode_image(tmp_path / "a.tif")
    assert found.dtype == np.dtype(np.uint16)
    assert found.dtype.isnative
    np.testing.assert_array_equal(found, deep)


def test_tiff_16_lzw(tmp_path, deep):
    """16-bit gray TIFF with LZW, which needs libtiff, keeps all its bits."""
    Image.fromarray(deep).save(tmp_path / "a.tif", compression="tiff_lzw")
    np.testing.assert_array_equal(decode_image(tmp_path / "a.tif"), deep)


@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_tiff_16_rgb(tmp_path, rng, planar):
    """16-bit RGB TIFF keeps all its bits, with its channels interleaved or not."""
    pixels = rng.integers(0, 65536, (12, 16, 3), dtype=np.uint16)
    stored = pixels if planar == "contig" else np.moveaxis(pixels, -1, 0)
    tifffile.imwrite(tmp_path / "a.tif", stored, photometric="rgb", planarconfig=planar)
    np.testing.assert_array_equal(decode_image(tmp_path / "a.tif"), pixels)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_white_is_zero(tmp_path, rng, dtype):
    """A TIFF that counts from white is turned round."""
    pixels = rng.integers(0, np.iinfo(dtype).max + 1, (12, 16), dtype=dtype)
    tifffile.imwrite(tmp_path / "a.tif", np.iinfo(dtype).max - pixels, photometric="miniswhite")
    np.testing.assert_array_equal(decode_image(tmp_path / "a.tif"), pixels)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["png", "tif8", "tif16"])
def test_orientation(tmp_path, gray, deep, kind, orientation):
    """Every EXIF orientation is undone: the stored picture is turned back to the upright one."""
    upright = deep if kind == "tif16" else gray
    undo = {
        1: lambda a: a,
        2: np.fliplr,
        3: lambda a: np.rot90(a, 2),
        4: np.flipud,
        5: np.transpose,
        6: lambda a: np.rot90(a, 1),  # shown turned 90 degrees clockwise, so stored turned the other way
        7: lambda a: np.rot90(a.T, 2),
        8: lambda a: np.rot90(a, -1),
    }
    stored = np.ascontiguousarray(undo[orientation](upright))
    if kind == "png":
        exif = Image.Exif()
        exif[274] = orientation
        Image.fromarray(stored).save(tmp_path / "a", format="PNG", exif=exif)
    else:
        tifffile.imwrite(tmp_path / "a", stored, extratags=[(274, "H", 1, orientation, True)])
    np.testing.assert_array_equal(decode_image(tmp_path / "a"), upright)


def test_jpeg_orientation(tmp_path):
    """The orientation of a JPEG is honoured too."""
    exif = Image.Exif()
    exif[274] = 6
    Image.new("L", (16, 8)).save(tmp_path / "a.jpg", exif=exif)
    assert decode_image(tmp_path / "a.jpg").shape == (16, 8)


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_alpha_over_black(tmp_path, rng, suffix):
    """Alpha is composited over black: colour times alpha, rounded."""
    rgba = rng.integers(0, 256, (12, 16, 4), dtype=np.uint8)
    Image.fromarray(rgba).save(tmp_path / f"a.{suffix}")
    expected = np.rint(rgba[..., :3].astype(float) * rgba[..., 3:] / 255).astype(np.uint8)
    np.testing.assert_array_equal(decode_image(tmp_path / f"a.{suffix}"), expected)


def test_gray_alpha(tmp_path, rng):
    """Gray with alpha becomes gray over black."""
    la = rng.integers(0, 256, (12, 16, 2), dtype=np.uint8)
    Image.fromarray(la, mode="LA").save(tmp_path / "a.png")
    expected = np.rint(la[..., 0].astype(float) * la[..., 1] / 255).astype(np.uint8)
    np.testing.assert_array_equal(decode_image(tmp_path / "a.png"), expected)


def test_tiff_16_alpha(tmp_path, rng):
    """Alpha of 16 bits is composited with 16 bits; associated alpha is multiplied in already."""
    rgba = rng.integers(0, 65536, (12, 16, 4), dtype=np.uint16)
    tifffile.imwrite(tmp_path / "u.tif", rgba, photometric="rgb", extrasamples=["unassalpha"])
    tifffile.imwrite(tmp_path / "p.tif", rgba, photometric="rgb", extrasamples=["assocalpha"])
    expected = np.rint(rgba[..., :3].astype(float) * rgba[..., 3:] / 65535).astype(np.uint16)
    np.testing.assert_array_equal(decode_image(tmp_path / "u.tif"), expected)
    np.testing.assert_array_equal(decode_image(tmp_path / "p.tif"), rgba[..., :3])


def test_palette(tmp_path):
    """A palette is expanded to RGB; its transparent colour becomes black."""
    picture = Image.new("P", (3, 1))
    picture.putpalette([200, 10, 20, 30, 210, 40, 50, 60, 220])
    picture.putdata([0, 1, 2])
    picture.save(tmp_path / "a.png")
    picture.save(tmp_path / "t.png", transparency=1)
    np.testing.assert_array_equal(decode_image(tmp_path / "a.png"), [[[200, 10, 20], [30, 210, 40], [50, 60, 220]]])
    np.testing.assert_array_equal(decode_image(tmp_path / "t.png"), [[[200, 10, 20], [0, 0, 0], [50, 60, 220]]])


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_transparent_gray(tmp_path, dtype):
    """A gray value that a PNG declares transparent becomes black, at 8 and at 16 bits."""
    Image.fromarray(np.array([[7, 200, 9]], dtype=dtype)).save(tmp_path / "a.png", transparency=200)
    np.testing.assert_array_equal(decode_image(tmp_path / "a.png"), [[7, 0, 9]])


def test_one_bit(tmp_path):
    """1-bit pictures become 0 and 255."""
    for suffix in ("png", "bmp", "tif"):
        Image.fromarray(np.array([[True, False, True]])).save(tmp_path / f"a.{suffix}")
        np.testing.assert_array_equal(decode_image(tmp_path / f"a.{suffix}"), [[255, 0, 255]])


def test_cmyk_jpeg(tmp_path):
    """A CMYK JPEG becomes RGB: no ink is white, all black ink is black."""
    for ink, value in ((0, 255), (255, 0)):
        Image.new("CMYK", (16, 16), (0, 0, 0, ink)).save(tmp_path / "a.jpg", quality=100)
        found = decode_image(tmp_path / "a.jpg")
        assert found.shape == (16, 16, 3)
        assert np.abs(found.astype(int) - value).max() <= 2


def test_content_not_name(tmp_path, gray):
    """The kind is told from the content: a PNG called .jpg is read."""
    Image.fromarray(gray).save(tmp_path / "a.jpg", format="PNG")
    np.testing.assert_array_equal(decode_image(str(tmp_path / "a.jpg")), gray)


def test_several_pages_are_refused(tmp_path, gray):
    """A TIFF of several pages is refused with their number, and with the keys that say what they are."""
    tifffile.imwrite(tmp_path / "a.tif", np.stack([gray, gray, gray]), photometric="minisblack")
    said = (
        "3 pages: set data.image.page (0 to 2, max or mean), or data.image.channels: [0, 1, 2] where pages are channels"
    )
    assert reason_of(tmp_path / "a.tif") == said


def test_animation_is_refused(tmp_path):
    """An animated PNG is refused."""
    first, second = Image.new("L", (8, 8), 0), Image.new("L", (8, 8), 99)
    first.save(tmp_path / "a.png", save_all=True, append_images=[second])
    assert "an animation" in reason_of(tmp_path / "a.png")


def test_what_is_no_image(tmp_path):
    """No file, a folder, an empty file, a text, a PDF and a DICOM file are refused, each with its own reason."""
    (tmp_path / "empty.png").touch()
    (tmp_path / "text.png").write_text("not a picture")
    (tmp_path / "a.png").write_bytes(b"%PDF-1.7\n")
    (tmp_path / "a.dcm").write_bytes(bytes(128) + b"DICM" + bytes(50))
    assert reason_of(tmp_path / "none.png") == "no such file"
    assert reason_of(tmp_path) == "not a file"
    assert reason_of(tmp_path / "empty.png") == "an empty file"
    assert f"not a {titles_read()} image" in reason_of(tmp_path / "text.png")
    assert reason_of(tmp_path / "a.png") == f"a PDF file, not {titles_read()}"
    assert "DICOM" in reason_of(tmp_path / "a.dcm")


@pytest.mark.parametrize("kind", ["jpg", "png", "bmp", "tif", "deep.png", "deep.tif", "deflate.tif", "lzw.tif"])
def test_truncated(tmp_path, rng, kind, recwarn):
    """A file cut off anywhere in its pixels is refused, in every format, and nothing is warned of."""
    dtype = np.uint16 if "." in kind else np.uint8
    pixels = rng.integers(0, np.iinfo(dtype).max + 1, (64, 64), dtype=dtype)
    whole = tmp_path / f"a.{kind}"
    if kind.endswith("tif"):
        compression = {"deflate.tif": "tiff_adobe_deflate", "lzw.tif": "tiff_lzw"}.get(kind)
        Image.fromarray(pixels).save(whole, compression=compression)
    else:
        Image.fromarray(pixels).save(whole)
    decode_image(whole)
    data = whole.read_bytes()
    for share in (0.2, 0.5, 0.9):
        whole.write_bytes(data[: int(len(data) * share)])
        assert reason_of(whole)
    assert not recwarn.list


@pytest.mark.parametrize("kind", ["bomb.png", "half-bomb.png", "bomb.tif"])
def test_decompression_bomb(tmp_path, kind):
    """A small file that unpacks to an enormous picture is refused: no warning, no memory used."""
    side = {"bomb.png": 60_000, "half-bomb.png": 11_000, "bomb.tif": 60_000}[kind]
    path = tmp_path / kind
    if kind.endswith("png"):
        path.write_bytes(raw_png(side, side, 8, 0, b""))
    else:
        tifffile.imwrite(path, np.zeros((8, 8), np.uint8))
        with tifffile.TiffFile(path, mode="r+") as tiff:
            tiff.pages[0].tags["ImageWidth"].overwrite(side)
            tiff.pages[0].tags["ImageLength"].overwrite(side)
    assert reason_of(path) == f"more than {MAX_PIXELS:,} pixels: refused as a possible decompression bomb"


def test_message_has_three_parts(tmp_path):
    """The error says what was got and what was expected."""
    with pytest.raises(
        ImageError,
        match=r"none\.png: no such file\nexpected: a complete DICOM, NIfTI, PNG, JPEG, TIFF, .* or BMP image",
    ):
        decode_image(tmp_path / "none.png")


def exact_bilinear(image, shape):
    """Antialiased bilinear interpolation in float64: a triangle as wide as the scale, normalised at the borders."""

    def weights(n_in, n_out):
        scale = n_in / n_out
        support = max(scale, 1.0)
        centres = (np.arange(n_out) + 0.5) * scale
        distance = np.abs((np.arange(n_in) + 0.5)[None] - centres[:, None]) / support
        table = np.maximum(0, 1 - distance)
        return table / table.sum(axis=1, keepdims=True)

    return weights(image.shape[0], shape[0]) @ image.astype(float) @ weights(image.shape[1], shape[1]).T


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("shape", [(50, 37), (300, 256), (13, 400), (1, 1)])
def test_resize_is_exact(rng, dtype, shape):
    """Scaling up and down equals antialiased bilinear interpolation in float64, rounded once."""
    image = rng.integers(0, np.iinfo(dtype).max + 1, (130, 111), dtype=dtype)
    exact = exact_bilinear(image, shape)
    found = resize(image, shape)
    assert found.dtype == dtype
    # 0.5 for rounding; the rest is single precision at values up to 65535
    assert np.abs(found - exact).max() <= 0.5 + (1e-4 if dtype == np.uint8 else 2e-2)


def test_downscaling_antialiases():
    """A fine chequerboard becomes an even gray, not some of its squares."""
    board = (np.indices((64, 64)).sum(axis=0) % 2 * 255).astype(np.uint8)
    inner = resize(board, (8, 8))[1:-1, 1:-1]
    assert np.abs(inner.astype(int) - 127.5).max() < 2


@pytest.mark.parametrize("value", [0, 255, 40_000, 65_535])
def test_constant_stays_constant(value):
    """An even picture keeps its value exactly, at the ends of the range too."""
    image = np.full((31, 17), value, dtype=np.uint16)
    assert (resize(image, (64, 7)) == value).all()


def test_luma_is_pillows(rng):
    """RGB to gray equals Pillow's convert("L") for 8 bits, and is the same sum for 16."""
    rgb = rng.integers(0, 256, (100, 100, 3), dtype=np.uint8)
    np.testing.assert_array_equal(fit_image(rgb, ImageSpec(channels=1)), np.asarray(Image.fromarray(rgb).convert("L")))
    deep = rng.integers(0, 65536, (100, 100, 3), dtype=np.uint16)
    found = fit_image(deep, ImageSpec(channels=1))
    assert found.dtype == np.uint16
    assert np.abs(found - deep @ np.array([0.299, 0.587, 0.114])).max() <= 1.5


def test_channels(gray, rgb):
    """Gray to RGB repeats; equal channels go back to the same gray; what fits is left alone."""
    three = fit_image(gray, ImageSpec(channels=3))
    assert three.shape == (12, 16, 3)
    assert (three == gray[..., None]).all()
    np.testing.assert_array_equal(fit_image(three, ImageSpec(channels=1)), gray)
    assert fit_image(rgb, ImageSpec(size=(12, 16), channels=3)) is rgb
    assert fit_image(rgb, ImageSpec()) is rgb


def test_stretch_and_pad():
    """Stretch fills the shape; pad keeps the proportions in the middle of black."""
    white = np.full((10, 20), 255, dtype=np.uint8)
    assert (fit_image(white, ImageSpec(size=40)) == 255).all()
    padded = fit_image(white, ImageSpec(size=40, fit="pad"))
    assert padded.shape == (40, 40)
    assert (padded[10:30] == 255).all()
    assert (padded[:10] == 0).all()
    assert (padded[30:] == 0).all()
    tall = fit_image(np.ones((20, 10, 3), dtype=np.uint16), ImageSpec(size=(10, 30), fit="pad"))
    assert tall.shape == (10, 30, 3)
    assert tall.dtype == np.uint16
    assert (tall.sum(axis=(0, 2)) > 0).nonzero()[0].tolist() == list(range(12, 17))


def test_a_long_thin_image_can_be_padded():
    """A line of a million pixels is padded without building a square of its length."""
    line = np.full((1, 1_000_000), 9, dtype=np.uint8)
    assert (fit_image(line, ImageSpec(size=8, fit="pad")).sum(axis=1) > 0).sum() == 1


def test_fit_refuses_other_arrays():
    """Floats, a single channel by itself and stacks are refused with their shape and type."""
    for wrong in (np.zeros((4, 4)), np.zeros((4, 4, 1), np.uint8), np.zeros((1, 4, 4, 3), np.uint8)):
        with pytest.raises(ShapeError, match="an image of shape"):
            fit_image(wrong, ImageSpec())


def test_match_depth(gray, deep):
    """8 bits become 16 by x 257; 16 bits never become 8."""
    assert match_depth(gray, "uint8") is gray
    wide = match_depth(gray, np.dtype(np.uint16))
    assert wide.dtype == np.uint16
    np.testing.assert_array_equal(wide, gray.astype(int) * 257)
    with pytest.raises(DataError, match="would lose the low bits"):
        match_depth(deep, "uint8")


@pytest.mark.parametrize("shape", [(28, 28), (64, 64), (28, 40), (90, 90)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_images_scaled_together_are_those_scaled_one_by_one(rng, shape, dtype):
    """Up and down, to squares and to other shapes: every pixel."""
    images = rng.integers(0, np.iinfo(dtype).max, (5, *shape), dtype=dtype, endpoint=True)
    for wanted in ((32, 32), (64, 64), (7, 30)):
        expected = np.stack([resize(image, wanted) for image in images])
        np.testing.assert_array_equal(resize_all(images, wanted), expected)


def test_thumbnail(rng):
    """A thumbnail is a PNG whose longer side is at most `side`, gray or RGB, never enlarged, and always the same."""

    def shown(image, **options):
        return np.asarray(Image.open(io.BytesIO(thumbnail_png(image, **options))))

    image = rng.integers(0, 256, (300, 200), dtype=np.uint8)
    assert shown(image).shape == (128, 85)
    assert shown(np.stack([image] * 3, axis=-1), side=30).shape == (30, 20, 3)
    np.testing.assert_array_equal(shown(image[:20, :30]), image[:20, :30])
    assert thumbnail_png(image) == thumbnail_png(image.copy())
    assert shown(np.zeros((1, 5000), np.uint8)).shape == (1, 128)


def test_thumbnail_of_16_bits():
    """16 bits become 8 linearly over the whole range, rounded."""
    values = np.arange(0, 65536, 7, dtype=np.uint16)[: 96 * 96].reshape(96, 96)
    shown = np.asarray(Image.open(io.BytesIO(thumbnail_png(values))))
    np.testing.assert_array_equal(shown, np.rint(values / 257).astype(np.uint8))
