"""Thousands of damaged images: each is read or refused in words, and nothing else ever happens."""

from __future__ import annotations

import io
import warnings

import numpy as np
import pytest
import tifffile
from PIL import Image

from scantrial.core.errors import UnreadableScansError
from scantrial.data.codecs.table import stains_of
from scantrial.data.decode import IMAGE_SUFFIXES, ImageError, decode_image
from scantrial.data.load import load
from scantrial.data.spec import ImageSpec, SourceSpec

N_PER_SEED_FILE = 130


def _encoded(image: Image.Image, kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format=kind, **options)
    return buffer.getvalue()


def _tiff(pixels, **options) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, pixels, **options)
    return buffer.getvalue()


def seed_files() -> dict[str, bytes]:
    """One small file of every kind that is supported."""
    rng = np.random.default_rng(3)
    gray, deep = rng.integers(0, 256, (24, 20), np.uint8), rng.integers(0, 65536, (24, 20), np.uint16)
    rgb, rgba = rng.integers(0, 256, (24, 20, 3), np.uint8), rng.integers(0, 256, (24, 20, 4), np.uint8)
    exif = Image.Exif()
    exif[274] = 6
    g, c = Image.fromarray(gray), Image.fromarray(rgb)
    return {
        "gray.png": _encoded(g, "PNG"), "deep.png": _encoded(Image.fromarray(deep), "PNG"),
        "rgb.png": _encoded(c, "PNG", exif=exif), "rgba.png": _encoded(Image.fromarray(rgba), "PNG"),
        "palette.png": _encoded(c.quantize(16), "PNG", transparency=3), "bit.png": _encoded(g.convert("1"), "PNG"),
        "gray.jpg": _encoded(g, "JPEG", exif=exif), "rgb.jpg": _encoded(c, "JPEG", progressive=True),
        "cmyk.jpg": _encoded(c.convert("CMYK"), "JPEG"), "gray.bmp": _encoded(g, "BMP"), "rgb.bmp": _encoded(c, "BMP"),
        "bit.bmp": _encoded(g.convert("1"), "BMP"), "gray.tif": _encoded(g, "TIFF"),
        "lzw.tif": _encoded(c, "TIFF", compression="tiff_lzw"), "jpeg.tif": _encoded(c, "TIFF", compression="jpeg"),
        "group4.tif": _encoded(g.convert("1"), "TIFF", compression="group4"),
        "deep.tif": _tiff(deep), "deflate.tif": _tiff(deep, compression="zlib"), "big.tif": _tiff(deep, bigtiff=True),
        "tiled.tif": _tiff(deep, tile=(16, 16)), "deep-lzw.tif": _encoded(Image.fromarray(deep), "TIFF", compression="tiff_lzw"),
        "planar.tif": _tiff(np.stack([deep] * 3), photometric="rgb", planarconfig="separate"),
    }  # fmt: skip


SEED_FILES = seed_files()


def mutated(data: bytes, rng: np.random.Generator) -> bytes:
    """Flip bits, overwrite or cut out bytes, repeat a part, or cut off the end; half of all flips hit the header."""
    raw = bytearray(data)
    for _ in range(int(rng.integers(1, 5))):
        reach = min(len(raw), 64) if rng.random() < 0.5 else len(raw)
        at = int(rng.integers(0, max(1, reach)))
        match int(rng.integers(0, 6)):
            case 0 | 1:
                raw[at : at + 1] = bytes([raw[at] ^ (1 << int(rng.integers(0, 8)))]) if raw else b""
            case 2:
                raw[at : at + 4] = rng.bytes(4)
            case 3:
                del raw[at : at + int(rng.integers(1, 40))]
            case 4:
                raw[at:at] = raw[at : at + int(rng.integers(1, 40))]
            case _:
                del raw[int(rng.integers(0, len(raw) + 1)) :]
        if not raw:
            break
    return bytes(raw)


def check(path) -> bool:
    """Decode; True if read. Anything but a whole image or an `ImageError` with a reason fails the test."""
    try:
        image = decode_image(path)
    except ImageError as error:
        if not error.reason or "\n" in error.reason:
            pytest.fail(f"a reason of one line is wanted, not {error.reason!r}")
        return False
    assert image.dtype in (np.uint8, np.uint16)
    assert image.ndim == 2 or (image.ndim == 3 and image.shape[2] == 3)
    assert image.size > 0
    return True


@pytest.mark.parametrize("name", list(SEED_FILES))
def test_mutated_files(name, tmp_path, capfd):
    """Damaged files are read or refused: no other exception, no warning, and not a word on standard error.

    Except for TIFF: libtiff, a C library, writes its complaints about damaged codes there itself.
    """
    rng = np.random.default_rng([7, list(SEED_FILES).index(name)])
    path = tmp_path / name
    path.write_bytes(SEED_FILES[name])
    assert check(path)
    n_refused = 0
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(N_PER_SEED_FILE):
            path.write_bytes(mutated(SEED_FILES[name], rng))
            n_refused += not check(path)
    assert not caught
    assert n_refused > 0
    if not name.endswith(".tif"):
        assert capfd.readouterr().err == ""


def test_random_bytes(tmp_path):
    """Random bytes under every image suffix, with or without a true beginning, are refused."""
    rng = np.random.default_rng(11)
    heads = [b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0\0\x10JFIF\0", b"BM", b"II*\0\x08\0\0\0", b"MM\0*\0\0\0\x08"]
    for suffix in sorted(IMAGE_SUFFIXES):
        for head in heads:
            for _ in range(12):
                path = tmp_path / f"a{suffix}"
                path.write_bytes(head + rng.bytes(int(rng.integers(0, 300))))
                assert not check(path)


def test_load_survives_a_folder_of_damage(tmp_path):
    """`load` names all damaged scans at once, and with skip_unreadable goes on with exactly the others."""
    rng = np.random.default_rng(5)
    readable = set()
    for number in range(600):
        name = list(SEED_FILES)[number % len(SEED_FILES)]
        path = tmp_path / "scans" / "ab"[number % 2] / f"{number:03}-{name}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(mutated(SEED_FILES[name], rng))
        # Of three stains, as some damage makes them of colours, no gray is made.
        with path.open("rb") as handle:
            n_stains = (stains_of(handle) or ("", (0,)))[1][-1] if check(path) else 3
        if n_stains != 3:
            readable.add(path.relative_to(tmp_path / "scans").as_posix())
    source, image = SourceSpec(name=str(tmp_path / "scans")), ImageSpec(size=16, channels=1)
    with pytest.raises(UnreadableScansError) as caught:
        load(source, image=image)
    assert len(caught.value.problems) == 600 - len(readable)
    scans = load(source, image=image, skip_unreadable=True)
    assert set(scans.sources) == readable
    assert {path for path, _ in scans.skipped} == {path for path, _ in caught.value.problems}
    assert len(scans.images) == len(readable)
