"""DICOM files: stored values to gray levels in the order of the standard, and a reason for whatever is not read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.data import get_testdata_file, get_testdata_files
from pydicom.pixels import apply_modality_lut, apply_windowing, pixel_array
from tests.dicom_files import data_set, table_of, write_dicom

from scantrial.data.decode import ImageError, decode_image
from scantrial.data.spec import ImageSpec

WHITE = 65535
RAMP = np.arange(256, dtype=np.uint16).reshape(16, 16) * 16
"""12 bits in 16."""

_GRAY = ("MR_small.dcm", "J2K_pixelrep_mismatch.dcm", "693_J2KI.dcm", "image_dfl.dcm", "MR_small_jpeg_ls_lossless.dcm")


def read(tmp_path: Path, pixels: np.ndarray, image: dict[str, Any] | None = None, **tags: Any) -> np.ndarray:
    path = write_dicom(tmp_path / "scan", pixels, **tags)
    return decode_image(path, image=ImageSpec.model_validate(image or {}))


def refusal(tmp_path: Path, pixels: np.ndarray, image: dict[str, Any] | None = None, **tags: Any) -> str:
    with pytest.raises(ImageError) as caught:
        read(tmp_path, pixels, image, **tags)
    return caught.value.reason


def test_every_file_of_pydicom_is_a_picture_or_has_a_reason() -> None:
    pictures, reasons = {}, {}
    for path in map(Path, get_testdata_files("**/*")):
        if not path.is_file() or path.read_bytes()[128:132] != b"DICM" or "test_files" not in path.parts:
            continue
        try:
            pictures[path] = decode_image(path)
        except ImageError as error:
            reasons[path.name] = error.reason
    assert len(pictures) > 70
    assert all(picture.dtype in (np.uint8, np.uint16) and min(picture.shape[:2]) > 2 for picture in pictures.values())
    assert not any("Traceback" in reason or len(reason) < 8 for reason in reasons.values())
    assert "JPEG2000-embedded-sequence-delimiter.dcm" in reasons
    assert "30 frames" in reasons["examples_ybr_color.dcm"]
    assert "32 bits" in reasons["rtdose.dcm"]
    assert "truncated" in reasons["MR_truncated.dcm"]
    assert "RT Plan Storage" in reasons["rtplan.dcm"]
    assert "Comprehensive SR Storage" in reasons["test-SR.dcm"]
    assert "ECG Waveform" in reasons["waveform_ecg.dcm"]
    assert [name for name, reason in reasons.items() if reason.startswith("damaged")] == ["SC_rgb_jpeg.dcm"]


@pytest.mark.parametrize("name", _GRAY)
def test_gray_levels_are_those_of_pydicom_within_the_bounds_of_the_window(name: str) -> None:
    path = next(path for path in get_testdata_files(name) if "test_files" in path)
    ds = pydicom.dcmread(path)
    measured = apply_modality_lut(pixel_array(ds), ds).astype(float)
    shades = apply_windowing(measured, ds)
    # pydicom spreads a window over the range of the stored values after the modality's rescaling.
    signed = ds.PixelRepresentation == 1
    ends = np.array(
        [-(1 << ds.BitsStored - 1), (1 << ds.BitsStored - 1) - 1] if signed else [0, (1 << ds.BitsStored) - 1]
    )
    low, high = sorted(ends * float(ds.get("RescaleSlope", 1)) + float(ds.get("RescaleIntercept", 0)))
    expected = np.rint((np.clip(shades, low, high) - low) / (high - low) * WHITE)
    assert np.abs(decode_image(Path(path)).astype(float) - expected).max() <= 1


def test_jpeg_of_12_bits_holds_the_image_that_its_sibling_holds() -> None:
    """The same phantom is in pydicom's wheel as lossy JPEG 2000; the header says that its largest value is 278."""
    jpeg, other = (decode_image(Path(str(get_testdata_file(name)))) for name in ("JPGExtended.dcm", "JPEG2000.dcm"))
    assert 250 < jpeg.max() / WHITE * 4095 < 278
    assert np.corrcoef(jpeg.ravel(), other.ravel())[0, 1] > 0.95


def test_the_kind_of_file_is_recognised_without_a_suffix(tmp_path: Path) -> None:
    assert read(tmp_path, RAMP, BitsStored=12).dtype == np.uint16


def test_without_a_window_the_full_range_of_stored_bits_is_used_and_not_that_of_the_image(tmp_path: Path) -> None:
    expected = np.rint(RAMP / 4095 * WHITE)
    assert np.array_equal(read(tmp_path, RAMP, BitsStored=12), expected)
    signed = (RAMP.astype(np.int16) - 2048).astype(np.int16)
    assert np.array_equal(read(tmp_path, signed, BitsStored=12), expected)


def test_monochrome1_is_turned_once_after_the_window_and_padding_stays_black(tmp_path: Path) -> None:
    pixels = np.tile(np.arange(512, dtype=np.uint16) * 8, (384, 1))
    pixels[:, :40] = 4095
    tags = {"BitsStored": 12, "WindowCenter": 1000, "WindowWidth": 1001}
    plain = read(tmp_path, pixels, **tags)
    turned = read(tmp_path, pixels, PhotometricInterpretation="MONOCHROME1", PresentationLUTShape="INVERSE", **tags)
    assert np.array_equal(turned, WHITE - plain)
    inverse = read(tmp_path, pixels, PresentationLUTShape="INVERSE", **tags)
    assert np.array_equal(inverse, turned)
    padded = read(tmp_path, pixels, PhotometricInterpretation="MONOCHROME1", PixelPaddingValue=4095, **tags)
    assert (padded[:, :40] == 0).all()
    assert np.array_equal(padded[:, 40:], turned[:, 40:])
    assert turned[0, 40] == WHITE  # below the window: the lowest value is white


def test_padding_is_found_among_stored_values_with_its_range_in_either_order(tmp_path: Path) -> None:
    pixels = np.array([[-2000, -1999, -1990, 0], [100, 200, 300, 400]], dtype=np.int16)
    tags = {"RescaleSlope": -1, "RescaleIntercept": 0, "PixelPaddingValue": -1990, "PixelPaddingRangeLimit": -2000}
    found = read(tmp_path, pixels, {"window": [0, 1001]}, **tags)
    assert (found[0, :3] == 0).all()
    assert found[0, 3] > found[1, 0] > found[1, 3] > 0
    unmasked = read(tmp_path, pixels, {"window": [0, 1001]}, RescaleSlope=-1, RescaleIntercept=0)
    assert (unmasked[0, :3] == WHITE).all()


@pytest.mark.parametrize("limit", [None, -1900, 2196])
def test_padding_is_found_in_words_with_other_bits_above_those_that_count(tmp_path: Path, limit: int | None) -> None:
    """Negative numbers of 12 bits without their sign above, and an overlay; the padding in either way of writing."""
    first = 2096 if limit == 2196 else -2000
    tags = {"BitsStored": 12, "PixelPaddingValue": first} | ({} if limit is None else {"PixelPaddingRangeLimit": limit})
    stored = np.array([[-2000, -1990], [-1800, 2000]])
    n_padded = 1 if limit is None else 2
    for words in (stored & 0xFFF, stored & 0xFFFF, (stored & 0xFFF) | 0x5000):
        found = read(tmp_path, words.astype(np.uint16).view(np.int16), {"window": "full"}, **tags)
        expected = np.rint((stored.ravel() + 2048) / 4095 * WHITE)
        expected[:n_padded] = 0
        assert np.array_equal(found.ravel(), expected)


def test_padding_outside_the_bits_that_count_is_found_in_the_words(tmp_path: Path) -> None:
    words = np.array([[-32768, 0], [100, 2047]], dtype=np.int16)
    found = read(tmp_path, words, {"window": "full"}, BitsStored=12, PixelPaddingValue=-32768)
    assert found[0, 0] == 0
    assert np.array_equal(found.ravel()[1:], np.rint((words.ravel()[1:] + 2048.0) / 4095 * WHITE))


def test_padding_of_unsigned_values_is_found_under_an_overlay(tmp_path: Path) -> None:
    words = np.array([[5, 5 | 0x8000], [100, 100 | 0x8000]], dtype=np.uint16)
    found = read(tmp_path, words, {"window": "full"}, BitsStored=12, PixelPaddingValue=5)
    assert found.tolist() == [[0, 0], [round(100 / 4095 * WHITE)] * 2]


def test_the_order_of_choice_is_table_then_first_window_then_full_range(tmp_path: Path) -> None:
    windows = {"WindowCenter": [2048, 100], "WindowWidth": [4097, 201]}
    table = table_of([0] * 16 + [4095] * 16, first=2000, n_bits=12)
    by_table = read(tmp_path, RAMP, BitsStored=12, VOILUTSequence=[table], **windows)
    assert np.array_equal(by_table, np.where(RAMP >= 2016, WHITE, 0))
    first = read(tmp_path, RAMP, BitsStored=12, **windows)
    assert np.array_equal(first, np.rint((RAMP - 2047.5) / 4096 * WHITE + WHITE / 2))
    assert np.array_equal(read(tmp_path, RAMP, {"window": 0}, BitsStored=12, VOILUTSequence=[table], **windows), first)
    second = read(tmp_path, RAMP, {"window": 1}, BitsStored=12, **windows)
    assert np.array_equal(second, np.rint(np.clip((RAMP - 99.5) / 200 + 0.5, 0, 1) * WHITE))
    assert np.array_equal(read(tmp_path, RAMP, {"window": [100, 201]}, BitsStored=12, **windows), second)
    full = read(tmp_path, RAMP, {"window": "full"}, BitsStored=12, VOILUTSequence=[table], **windows)
    assert np.array_equal(full, np.rint(RAMP / 4095 * WHITE))
    assert "2 windows, but window 2" in refusal(tmp_path, RAMP, {"window": 2}, BitsStored=12, **windows)


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        ("LINEAR_EXACT", lambda x: np.clip((x - 1000) / 500 + 0.5, 0, 1)),
        ("SIGMOID", lambda x: 1 / (1 + np.exp(-4 * (x - 1000) / 500))),
    ],
)
def test_functions_of_a_window(tmp_path: Path, function: str, expected: Any) -> None:
    tags = {"WindowCenter": 1000, "WindowWidth": 500, "VOILUTFunction": function}
    found = read(tmp_path, RAMP, BitsStored=12, RescaleSlope="0.5", RescaleIntercept="10", **tags)
    assert np.array_equal(found, np.rint(expected(RAMP * 0.5 + 10) * WHITE))


def test_a_table_of_the_modality_comes_before_the_window(tmp_path: Path) -> None:
    table = table_of([0, 100, 200, 255], first=0, n_bits=8)
    pixels = np.array([[0, 1], [2, 200]], dtype=np.uint8)
    expected = np.array([[0, 100], [200, 255]]) * 257
    assert np.array_equal(read(tmp_path, pixels, ModalityLUTSequence=[table]), expected)
    turned = read(tmp_path, pixels, ModalityLUTSequence=[table], PhotometricInterpretation="MONOCHROME1")
    assert np.array_equal(turned, WHITE - expected)


def test_bits_above_those_that_count_are_not_read(tmp_path: Path) -> None:
    with_overlay = RAMP | np.uint16(0x8000)
    assert np.array_equal(read(tmp_path, with_overlay, BitsStored=12), read(tmp_path, RAMP, BitsStored=12))


def test_frames_count_from_zero_and_one_is_chosen(tmp_path: Path) -> None:
    frames = np.stack([RAMP, RAMP[::-1], RAMP.T])
    for number in range(3):
        alone = read(tmp_path, frames[number], BitsStored=12)
        assert np.array_equal(read(tmp_path, frames, {"frame": number}, BitsStored=12), alone)
    assert refusal(tmp_path, frames, BitsStored=12).startswith("3 frames: set data.image.frame")
    assert "3 frames, but frame 3" in refusal(tmp_path, frames, {"frame": 3}, BitsStored=12)


def test_window_and_rescaling_of_an_enhanced_file_are_those_of_the_frame(tmp_path: Path) -> None:
    def group(centre: float, slope: float) -> pydicom.Dataset:
        made, window, values = pydicom.Dataset(), pydicom.Dataset(), pydicom.Dataset()
        window.WindowCenter, window.WindowWidth = centre, 101
        values.RescaleSlope, values.RescaleIntercept = slope, 0
        made.FrameVOILUTSequence, made.PixelValueTransformationSequence = [window], [values]
        return made

    groups = {"PerFrameFunctionalGroupsSequence": [group(1000, 1), group(500, 2)]}
    found = read(tmp_path, np.stack([RAMP, RAMP]), {"frame": 1}, BitsStored=12, **groups)
    assert np.array_equal(found, read(tmp_path, RAMP, {"window": [250, 51]}, BitsStored=12)) is False
    assert np.array_equal(found, np.rint(np.clip((RAMP * 2 - 499.5) / 100 + 0.5, 0, 1) * WHITE))


@pytest.mark.parametrize("is_undefined_length", [False, True])
def test_what_is_said_of_each_frame_is_read_once_for_all_frames(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_undefined_length: bool
) -> None:
    """Each frame keeps its own window; another file of the same name is read anew."""

    def written(first: int) -> Path:
        windows = [pydicom.Dataset() for _ in range(6)]
        groups = [pydicom.Dataset() for _ in range(6)]
        for number, (group, window) in enumerate(zip(groups, windows, strict=True)):
            window.WindowCenter, window.WindowWidth = first + 100 * number, 101
            group.FrameVOILUTSequence = [window]
        made = data_set(np.stack([RAMP] * 6), BitsStored=12, PerFrameFunctionalGroupsSequence=groups)
        made["PerFrameFunctionalGroupsSequence"].is_undefined_length = is_undefined_length
        path = tmp_path / "other"
        made.save_as(path, enforce_file_format=True)
        return path.replace(tmp_path / "scan")

    n_read, dcmread = [], pydicom.dcmread
    monkeypatch.setattr(pydicom, "dcmread", lambda *args, **options: n_read.append(1) or dcmread(*args, **options))
    for first in (500, 1000):
        path = written(first)
        for frame in range(6):
            expected = np.rint(np.clip((RAMP - (first + 100 * frame - 0.5)) / 100 + 0.5, 0, 1) * WHITE)
            assert np.array_equal(decode_image(path, image=ImageSpec(frame=frame)), expected)
    assert len(n_read) == 2


def test_colour_keeps_its_bytes(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (9, 7, 3), dtype=np.uint8)
    assert np.array_equal(read(tmp_path, pixels), pixels)


@pytest.mark.parametrize(
    ("tags", "reason"),
    [
        ({"BitsAllocated": 32, "BitsStored": 32, "HighBit": 31}, "32 bits"),
        ({"BitsStored": 12, "HighBit": 15}, "12 bits stored of 16, the highest of them bit 15"),
        ({"PhotometricInterpretation": "CMYK"}, "of CMYK colours"),
        ({"PhotometricInterpretation": "SECRET^NAME"}, "of unknown colours"),
        ({"Rows": 20}, "truncated"),
        ({"RescaleSlope": "1e300", "RescaleIntercept": "0"}, "not a number that can be used"),
        ({"WindowCenter": 3, "WindowWidth": 0}, "a window that is not defined"),
        ({"NumberOfFrames": 2_000_000_000}, "says that it has 2,000,000,000 frames"),
        ({"Rows": 60000, "Columns": 60000}, "decompression bomb"),
    ],
)
def test_what_is_not_read_has_its_reason(tmp_path: Path, tags: dict[str, Any], reason: str) -> None:
    assert reason in refusal(tmp_path, RAMP, **tags)


def test_no_text_of_a_damaged_file_is_in_the_reason(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    ds = data_set(RAMP, BitsStored=12)
    ds.add_new("NumberOfFrames", "LO", "SECRET^NAME")
    ds.save_as(tmp_path / "scan.dcm", enforce_file_format=True)
    with pytest.raises(ImageError) as caught:
        decode_image(tmp_path / "scan.dcm")
    assert caught.value.reason == "damaged DICOM (ValueError)"
    assert "SECRET" not in caplog.text
