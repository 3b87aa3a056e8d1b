"""Images and arrays of a few kilobytes that unpack to gigabytes are refused, and large ones take turns."""

from __future__ import annotations

import io
import lzma
import struct
import threading
import time
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from scantrial.core.errors import DataError
from scantrial.data import pixels
from scantrial.data.codecs import pillow
from scantrial.data.codecs import tiff as codec
from scantrial.data.codecs.base import over_black
from scantrial.data.decode import ImageError, decode_image
from scantrial.data.formats import medmnist
from scantrial.data.load import load
from scantrial.data.spec import ImageSpec, SourceSpec

BOMB = "possible decompression bomb"


def tiff(
    folder: Path, *, width: int, height: int, samples: int = 1, compression: int = 8, data: bytes, tile: int = 0
) -> Path:
    """Write a 16-bit TIFF of one strip, or of one tile."""
    part = [(322, tile), (323, tile)] if tile else [(278, height)]
    offset, count = (324, 325) if tile else (273, 279)
    tags = [
        (256, width),
        (257, height),
        (258, 16),
        (259, compression),
        (262, 1),
        (277, samples),
        *part,
        (count, len(data)),
    ]
    start = 8 + 2 + 12 * (len(tags) + 1) + 4
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in sorted([*tags, (offset, start)]))
    path = folder / "x.tif"
    path.write_bytes(b"II*\0" + struct.pack("<IH", 8, len(tags) + 1) + entries + struct.pack("<I", 0) + data)
    return path


def test_a_strip_that_holds_more_than_the_image_is_refused(tmp_path):
    """A strip of two gigabytes in an image of 100 pixels is not unpacked."""
    path = tiff(tmp_path, width=10, height=10, data=zlib.compress(b"\0" * 50_000_000, 9))
    with pytest.raises(ImageError, match=BOMB):
        decode_image(path)


@pytest.mark.parametrize(
    ("data", "compression", "said"),
    [
        (b"\x81\0" * 1_000_000, 32773, BOMB),
        (b"\xfe\0" + b"\x81\0" * 2, 32773, BOMB),
        (lzma.compress(b"\0" * 200) + lzma.compress(b"\0" * 50_000_000), 34925, "more than one stream"),
    ],
    ids=["packbits", "a little more", "lzma"],
)
def test_every_compression_of_16_bits_is_bounded(tmp_path, monkeypatch, data, compression, said):
    """What a strip unpacks to is counted before tifffile, whose decoders know no limit, sees it."""
    monkeypatch.setattr(tifffile.TiffPage, "asarray", lambda *_, **__: pytest.fail("it was unpacked"))
    with pytest.raises(ImageError, match=said):
        decode_image(tiff(tmp_path, width=10, height=10, data=data, compression=compression))


def test_packbits_within_its_size_is_read(tmp_path):
    """Runs, literals and marks that mean nothing come out as they went in."""
    image = np.full((10, 10), 0x0707, dtype="<u2")
    image[5:] = np.arange(50).reshape(5, 10)
    packed = bytes([257 - 100, 7, 128, 99]) + image[5:].tobytes()
    assert np.array_equal(decode_image(tiff(tmp_path, width=10, height=10, data=packed, compression=32773)), image)


def test_strips_over_one_another_are_refused(tmp_path):
    """Sixty thousand strips at one place would be read again for each."""
    path = tmp_path / "x.tif"
    tifffile.imwrite(path, np.zeros((64, 64), dtype=np.uint16), rowsperstrip=1, compression="zlib")
    with tifffile.TiffFile(path, mode="r+b") as tiff_file:
        tags = tiff_file.pages[0].tags
        first, size = tags["StripOffsets"].value[0], path.stat().st_size
        tags["StripOffsets"].overwrite([first] * 64)
        tags["StripByteCounts"].overwrite([size - first] * 64)
    with pytest.raises(ImageError, match="overlap"):
        decode_image(path)


def test_a_large_strip_of_packbits_is_refused(tmp_path, monkeypatch):
    """Its decoder takes eight times the memory."""
    monkeypatch.setattr(codec, "_MAX_PACKBITS", 100)
    with pytest.raises(ImageError, match="PackBits"):
        decode_image(tiff(tmp_path, width=10, height=10, data=b"\x9d\0" * 2, compression=32773))


@pytest.mark.parametrize(
    "shape", [{"width": 9000, "height": 9000, "samples": 1000}, {"width": 8, "height": 8, "tile": 65536}]
)
def test_channels_and_tiles_without_end_are_refused(tmp_path, shape):
    """What a TIFF says of its channels and tiles is looked at before it is unpacked."""
    with pytest.raises(ImageError, match=BOMB):
        decode_image(tiff(tmp_path, data=zlib.compress(b"\0" * 1000), **shape))


def test_pages_are_not_counted_for_ever(tmp_path):
    """A chain of a hundred thousand pages is refused after a thousand."""
    chain = b"".join(struct.pack("<HI", 0, 8 + 6 * (i + 1)) for i in range(100_000))
    (tmp_path / "x.tif").write_bytes(b"II*\0" + struct.pack("<I", 8) + chain + b"\0" * 6)
    started = time.process_time()
    with pytest.raises(ImageError, match="1000 or more pages"):
        decode_image(tmp_path / "x.tif")
    assert time.process_time() - started < 5


def test_pages_over_one_another_are_not_read(tmp_path):
    """A file of 20 kB whose thousand pages share four thousand tags is refused before these are read."""
    n, tags = 4000, 4000 * 12
    pages = b"".join(struct.pack("<H", n) + bytes(6) for _ in range(200))
    content = bytearray(b"II*\0" + struct.pack("<I", 8) + pages + bytes(tags + 8000))
    for number in range(199):
        place = 8 + 8 * number
        content[place : place + 2] = struct.pack("<H", n)
        struct.pack_into("<I", content, place + 2 + tags, place + 8)
    (tmp_path / "x.tif").write_bytes(content)
    started = time.process_time()
    with pytest.raises(ImageError, match="more than 64,000 tags in its pages"):
        decode_image(tmp_path / "x.tif")
    assert time.process_time() - started < 5


def test_a_jpeg_of_too_many_scans_is_refused(tmp_path, monkeypatch):
    """Each scan of a progressive JPEG goes through the whole picture; what a usual file has is read."""
    stream = io.BytesIO()
    Image.fromarray(np.zeros((64, 64), dtype=np.uint8)).save(stream, "JPEG", progressive=True)
    (tmp_path / "x.jpg").write_bytes(stream.getvalue())
    assert decode_image(tmp_path / "x.jpg").shape == (64, 64)
    monkeypatch.setattr(pillow, "_MAX_SCANNED", 64 * 64)
    with pytest.raises(ImageError, match="scans of 4,096 pixels"):
        decode_image(tmp_path / "x.jpg")


def test_alpha_goes_over_black_in_blocks_as_at_once():
    """An image of several blocks of rows is composited as its formula says."""
    image = np.random.default_rng(0).integers(0, 256, (1500, 800, 4), dtype=np.uint8)
    wide = image.astype(np.uint32)
    assert np.array_equal(over_black(image), (wide[..., :3] * wide[..., 3:] + 127) // 255)


def test_an_archive_that_unpacks_to_too_much_is_refused(tmp_path, monkeypatch):
    """An .npz of a thousand times its size is not opened further."""
    monkeypatch.setattr(medmnist, "MAX_UNPACKED", 1 << 20)
    with zipfile.ZipFile(tmp_path / "x.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("train_images.npy", b"\0" * 20_000_000)
    with pytest.raises(DataError, match=BOMB):
        load(SourceSpec(name=str(tmp_path / "x.npz")))


def test_images_in_flight_take_turns(monkeypatch):
    """Of images that together take more than the room one waits for the other, in order, and none for ever."""
    monkeypatch.setattr(pixels, "_LEAST_ROOM", 100)
    monkeypatch.setattr(pixels, "available_memory", lambda: None)
    monkeypatch.setattr(pixels, "n_cores", lambda: 4)
    busy, most, guard = 0, 0, threading.Lock()

    def decode(number, claim, image):
        nonlocal busy, most
        claim(80)
        with guard:
            busy += 1
            most = max(most, busy)
        time.sleep(0.002)
        with guard:
            busy -= 1
        return np.full((8, 10), number, dtype=np.uint8)

    decoders = (lambda claim, image, number=number: decode(number, claim, image) for number in range(30))
    found = [int(image[0, 0]) for image in pixels._in_order(decoders, ImageSpec(), set(), first=0)]
    assert found == list(range(30))
    assert most <= 2  # the first image may always take what it needs


def test_who_waits_for_room_is_let_go_when_nobody_reads_on(monkeypatch):
    """A reader that stops after the first image ends every thread."""
    monkeypatch.setattr(pixels, "_LEAST_ROOM", 1)
    monkeypatch.setattr(pixels, "available_memory", lambda: None)
    decoders = ((lambda claim, image: (claim(80), np.zeros((8, 10), dtype=np.uint8))[1]) for _ in range(40))
    images = pixels._in_order(decoders, ImageSpec(), set(), first=0)
    next(images)
    images.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("decode")]
