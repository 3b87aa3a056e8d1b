"""What every kind of image file promises, and that one more is one row."""

from __future__ import annotations

import io
from pathlib import Path

import nibabel
import numpy as np
import pytest
from PIL import Image
from tests.dicom_files import data_set

from scantrial.core.registry import Registry
from scantrial.data.codecs import table
from scantrial.data.codecs.base import Codec, starts_with
from scantrial.data.codecs.table import CODECS, codec_of, titles_read
from scantrial.data.decode import IMAGE_SUFFIXES, ImageError, decode_image

READ = [name for name, codec in CODECS.items() if codec.decode is not None]
UNREAD = {
    "pdf": b"%PDF-1.7\n",
    "numpy": b"\x93NUMPY\x01\0",
    "heif": b"\0\0\0\x18ftypheic",
    "jpeg-xl": b"\xff\x0a\xfa\x1f",
    "photoshop": b"8BPS\0\1",
    "hdf5": b"\x89HDF\r\n\x1a\n",
    "nrrd": b"NRRD0005\n",
    "web page": b"\n<!DOCTYPE html><html>",
    "pointer": b"version https://git-lfs.github.com/spec/v1\n",
}
PIXELS = np.arange(30, dtype=np.uint8).reshape(5, 6)


def written(name: str) -> bytes:
    buffer = io.BytesIO()
    if name == "dicom":
        data_set(PIXELS).save_as(buffer, enforce_file_format=True)
        return buffer.getvalue()
    if name == "nifti":
        return nibabel.Nifti1Image(PIXELS, np.eye(4)).to_bytes()
    Image.fromarray(PIXELS).save(buffer, format={"pnm": "PPM"}.get(name, name.upper()))
    return buffer.getvalue()


def reason_of(path: Path) -> str:
    with pytest.raises(ImageError) as caught:
        decode_image(path)
    return caught.value.reason


@pytest.mark.parametrize("name", READ)
def test_a_kind_that_is_read_is_told_by_its_content(tmp_path, name):
    """Its row, and no other row, recognises its file; it decodes whatever the file is called."""
    data = written(name)
    assert [row for row, codec in CODECS.items() if codec.recognises(data[:132])] == [name]
    (tmp_path / "scan.bin").write_bytes(data)
    assert sorted(decode_image(tmp_path / "scan.bin").shape[:2]) == sorted(PIXELS.shape)


@pytest.mark.parametrize("name", READ)
def test_a_damaged_header_is_refused(tmp_path, name):
    """A file that begins as its kind does and goes on as nothing is refused with a reason, never read."""
    (tmp_path / "scan").write_bytes(written(name)[:12])
    assert reason_of(tmp_path / "scan")


@pytest.mark.parametrize("name", [name for name in CODECS if name not in READ])
def test_a_kind_that_is_not_read_is_refused_with_its_name(tmp_path, name):
    """It is called what people call it, with a way out: what to do, or which kinds are read."""
    (tmp_path / "scan.png").write_bytes(UNREAD[name])
    codec = CODECS[name]
    way_out = f": {codec.way_out}" if codec.way_out else f", not {titles_read()}"
    assert reason_of(tmp_path / "scan.png") == f"a {codec.title} file{way_out}"


def test_no_two_kinds_share_a_suffix():
    """A suffix belongs to one row; those of kinds that are read are taken for scans."""
    suffixes = [suffix for codec in CODECS.values() for suffix in codec.suffixes]
    assert len(set(suffixes)) == len(suffixes)
    assert all(suffix == suffix.lower() and suffix.startswith(".") for suffix in suffixes)
    assert {suffix for name in READ for suffix in CODECS[name].suffixes} == IMAGE_SUFFIXES


def test_a_way_out_belongs_to_what_is_not_read():
    """A kind that is read needs none."""
    assert not [name for name in READ if CODECS[name].way_out is not None]


def test_a_tiff_with_dicom_s_mark_is_read_as_dicom():
    """Scanners begin DICOM files with the first bytes of a TIFF; whatever names patients is treated as such."""
    both = b"II*\0" + bytes(124) + b"DICM"
    assert codec_of(both) is CODECS["dicom"]


def test_one_row_more_is_one_kind_more(tmp_path, monkeypatch):
    """A file of the new kind is read, and every message names the new kind beside the others."""
    portable = Codec(
        title="Raw",
        suffixes=(".raw",),
        recognises=starts_with(b"RAW5"),
        decode=lambda path, claim, image: np.frombuffer(path.read_bytes()[-30:], np.uint8).reshape(5, 6),
    )
    monkeypatch.setattr(table, "CODECS", Registry("kind of image file", {**CODECS, "raw": portable}))
    (tmp_path / "a.raw").write_bytes(b"RAW5 6 5\n" + PIXELS.tobytes())
    (tmp_path / "b.pdf").write_bytes(UNREAD["pdf"])
    np.testing.assert_array_equal(decode_image(tmp_path / "a.raw"), PIXELS)
    assert titles_read() == "DICOM, NIfTI, PNG, JPEG, TIFF, WebP, JPEG 2000, GIF, PNM, BMP or Raw"
    assert reason_of(tmp_path / "b.pdf") == f"a PDF file, not {titles_read()}"
