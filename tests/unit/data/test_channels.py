"""Any number of channels, pages of stacks and declared ranges, against arrays of known content."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image
from pydantic import ValidationError

from scantrial.audit.audit import subject_of
from scantrial.audit.files import header_shapes
from scantrial.audit.records import AuditSettings
from scantrial.core.errors import DataError, UnreadableScansError
from scantrial.data import cache
from scantrial.data.codecs.tiff_pages import tiff_stains
from scantrial.data.decode import ImageError, decode_image
from scantrial.data.fit import fit_image, gray_of, pictured
from scantrial.data.formats.base import array_fault, image_of_row, row_decoder
from scantrial.data.load import list_cases, load
from scantrial.data.spec import ArmImageSpec, ImageSpec, SourceSpec
from scantrial.data.thumbnails import thumbnail_png


def reason_of(path: Path, **spec) -> str:
    with pytest.raises(ImageError) as caught:
        decode_image(path, image=ImageSpec(**spec))
    return caught.value.reason


def decoded(path: Path, **spec) -> np.ndarray:
    return decode_image(path, image=ImageSpec(**spec))


@pytest.fixture
def planes(rng) -> np.ndarray:
    """Five channels of 16 bits, shape (12, 16, 5)."""
    return rng.integers(0, 65536, (12, 16, 5), dtype=np.uint16)


def ome(path: Path, pixels: np.ndarray, axes: str, names: list[str]) -> None:
    """Write an OME-TIFF of a page for each plane."""
    tifffile.imwrite(
        path, pixels, ome=True, photometric="minisblack", metadata={"axes": axes, "Channel": {"Name": names}}
    )


# ---------------------------------------------------------------------- channels


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_tiff_of_five_channels(tmp_path, planes, dtype, planar, compression):
    """A TIFF with five samples for each pixel is read with all of them, whichever way they are stored."""
    pixels = planes.astype(dtype)
    stored = pixels if planar == "contig" else np.moveaxis(pixels, -1, 0)
    tifffile.imwrite(tmp_path / "a.tif", stored, photometric="minisblack", planarconfig=planar, compression=compression)
    np.testing.assert_array_equal(decoded(tmp_path / "a.tif"), pixels)
    np.testing.assert_array_equal(decoded(tmp_path / "a.tif", channels=[4, 0]), pixels[..., [4, 0]])
    np.testing.assert_array_equal(decoded(tmp_path / "a.tif", channels=[2]), pixels[..., 2])
    assert (
        reason_of(tmp_path / "a.tif", channels=[5])
        == "data.image.channels: no channel 5; it has 5 channels, which count from 0"
    )


def test_channels_of_an_ome_tiff_have_names(tmp_path, planes):
    """The names of OME-XML pick channels, in the order that is asked for; a wrong one is answered with the nearest."""
    ome(tmp_path / "a.ome.tif", np.moveaxis(planes[..., :3], -1, 0), "CYX", ["DAPI", "GFP", "mCherry"])
    path = tmp_path / "a.ome.tif"
    np.testing.assert_array_equal(decoded(path), planes[..., :3])
    np.testing.assert_array_equal(decoded(path, channels=["GFP", "DAPI"]), planes[..., [1, 0]])
    np.testing.assert_array_equal(decoded(path, channels=["mCherry"]), planes[..., 2])
    assert reason_of(path, channels=["dapi"]) == (
        "data.image.channels: no channel is called 'dapi' (did you mean 'DAPI'?); it has DAPI, GFP, mCherry"
    )
    ome(tmp_path / "b.ome.tif", np.moveaxis(planes[..., :2], -1, 0), "CYX", ["A", "A"])
    assert (
        reason_of(tmp_path / "b.ome.tif", channels=["A"])
        == "data.image.channels: 2 channels are called 'A'; use numbers"
    )


@pytest.mark.parametrize("kind", ["named pages", "pages", "one page"])
def test_three_stains_are_no_colours(tmp_path, rng, kind):
    """They are counted as three channels and never weighed to one gray as red, green and blue are."""
    stains = rng.integers(0, 4096, (3, 20, 20), dtype=np.uint16)
    names = {"Channel": {"Name": ["DAPI", "GFP", "RFP"]}} if kind == "named pages" else {}
    for label in ("ill", "well"):
        (tmp_path / "cells" / label).mkdir(parents=True)
        for number in range(4):
            if kind == "one page":
                pixels, options = np.moveaxis(stains, 0, -1), {"planarconfig": "contig"}
            else:
                pixels, options = stains, {"metadata": {"axes": "CYX", **names}, "ome": kind == "named pages"}
            path = tmp_path / "cells" / label / f"{number}.tif"
            tifffile.imwrite(path, pixels, photometric="minisblack", **options)
    assert tiff_stains(path) == (20, 20, 3)
    spread = header_shapes(list_cases(SourceSpec(name=str(tmp_path / "cells"))))
    assert spread == {(20, 20, 3): 8}
    audited = subject_of(load(SourceSpec(name=str(tmp_path / "cells"))), AuditSettings())
    assert (audited.files.mode[0], audited.files.format[0]) == ("3 channels", "TIFF")
    means = audited.facts.statistics[:, 0] * audited.facts.top
    assert means == pytest.approx(np.full(8, np.rint(stains.mean(axis=0)).mean()))
    np.testing.assert_array_equal(decode_image(path), np.moveaxis(stains, 0, -1))
    said = r"3 channels \(DAPI, GFP, RFP\) that are no colours: pick one, such as channels: \[DAPI\]"
    with pytest.raises(ImageError, match=said if kind == "named pages" else "3 channels that are no colours"):
        decode_image(path, image=ImageSpec(channels=1))
    picked = ImageSpec(channels=("GFP",) if kind == "named pages" else (1,))
    np.testing.assert_array_equal(decode_image(path, image=picked).squeeze(), stains[1])


def test_colours_and_opacity_are_no_stains(tmp_path, rng):
    """RGB with or without opacity, gray, and gray with opacity."""
    pixels = rng.integers(0, 256, (20, 20, 4), dtype=np.uint8)
    for name, some, options in (
        ("rgb", pixels[..., :3], {"photometric": "rgb"}),
        ("rgba", pixels, {"photometric": "rgb", "extrasamples": ["unassalpha"]}),
        ("gray", pixels[..., 0], {"photometric": "minisblack"}),
        ("alpha", pixels[..., :2], {"photometric": "minisblack", "extrasamples": ["unassalpha"]}),
    ):
        tifffile.imwrite(tmp_path / f"{name}.tif", some, **options)
        assert tiff_stains(tmp_path / f"{name}.tif") is None
    colour = decode_image(tmp_path / "rgb.tif", image=ImageSpec(channels=1))
    assert fit_image(colour, ImageSpec(channels=1)).shape == (20, 20)


def test_names_need_a_file_that_has_them(tmp_path, planes):
    """A plain TIFF and a PNG have no names of channels."""
    tifffile.imwrite(tmp_path / "a.tif", planes, photometric="minisblack", planarconfig="contig")
    Image.fromarray(planes[..., :3].astype(np.uint8)).save(tmp_path / "a.png")
    for name in ("a.tif", "a.png"):
        assert "have no names, but data.image.channels asks for 'DAPI'" in reason_of(tmp_path / name, channels=["DAPI"])
    np.testing.assert_array_equal(decoded(tmp_path / "a.png", channels=[1]), planes[..., 1].astype(np.uint8))


@pytest.mark.parametrize("kind", ["TZCYX", "imagej", "shaped"])
def test_stacks_of_channels(tmp_path, rng, kind):
    """OME-TIFF, ImageJ and tifffile say which pages are channels, in whatever order the pages are."""
    pixels = rng.integers(0, 65536, (2, 3, 4, 12, 16), dtype=np.uint16)  # times, slices, channels
    path = tmp_path / "a.tif"
    if kind == "TZCYX":
        ome(path, pixels, kind, list("ABCD"))
    elif kind == "imagej":
        tifffile.imwrite(path, pixels, imagej=True, metadata={"axes": "TZCYX"})
    else:
        tifffile.imwrite(path, np.moveaxis(pixels, 2, 0), photometric="minisblack", metadata={"axes": "CTZYX"})
    last = np.moveaxis(pixels, 2, -1)
    np.testing.assert_array_equal(decoded(path, page=4), last[1, 1])
    np.testing.assert_array_equal(decoded(path, page="max"), last.max(axis=(0, 1)))
    np.testing.assert_array_equal(
        decoded(path, page="mean", channels=[3, 1]), np.rint(last.mean(axis=(0, 1)))[..., [3, 1]]
    )
    assert reason_of(path).startswith("a stack of 6 images of 4 channels: set data.image.page (0 to 5, max or mean)")
    assert reason_of(path, page=6) == "no page 6: the stack has 6, which count from 0"


def test_pages_without_words_are_channels_only_if_asked(tmp_path, planes):
    """Pages of which the file says nothing are channels for a list or a number, a stack for a page, else refused."""
    with tifffile.TiffWriter(tmp_path / "a.tif") as tiff:
        for channel in range(5):
            tiff.write(planes[..., channel], metadata=None)
    np.testing.assert_array_equal(decoded(tmp_path / "a.tif", channels=5), planes)
    np.testing.assert_array_equal(decoded(tmp_path / "a.tif", channels=[3, 0]), planes[..., [3, 0]])
    np.testing.assert_array_equal(decoded(tmp_path / "a.tif", page=3), planes[..., 3])
    np.testing.assert_array_equal(decoded(tmp_path / "a.tif", page="max", channels=1), planes.max(axis=2))
    for channels in (None, 1, 3):
        assert reason_of(tmp_path / "a.tif", channels=channels).startswith("5 pages: set data.image.page")


def test_alpha_is_a_channel_only_if_asked(tmp_path, planes):
    """With a list or a number of channels all samples are as they are stored; by default the last one is alpha."""
    for name, samples, extra in (("a.tif", planes[..., :4], "unassalpha"), ("b.tif", planes[..., :2], "unspecified")):
        photometric = "rgb" if samples.shape[2] == 4 else "minisblack"
        tifffile.imwrite(tmp_path / name, samples, photometric=photometric, extrasamples=[extra], planarconfig="contig")
    np.testing.assert_array_equal(decoded(tmp_path / "a.tif", channels=4), planes[..., :4])
    np.testing.assert_array_equal(decoded(tmp_path / "b.tif", channels=2), planes[..., :2])
    np.testing.assert_array_equal(decoded(tmp_path / "b.tif", channels=[1]), planes[..., 1])
    assert decoded(tmp_path / "a.tif").shape == (12, 16, 3)
    assert decoded(tmp_path / "b.tif").shape == (12, 16)


@pytest.mark.parametrize(
    ("xml", "said"),
    [
        ('<!DOCTYPE x [<!ENTITY a "a">]><OME>&a;</OME>', "declare entities"),
        ("<OME><Image></OME>", "metadata are damaged"),
        ('<OME><Image><Pixels SizeC="7" SizeZ="1" SizeT="1" DimensionOrder="XYCZT"/></Image></OME>', "7 C"),
    ],
)
def test_metadata_that_mislead_are_refused(tmp_path, gray, xml, said):
    """OME-XML that is damaged, declares entities, or speaks of other pages is refused in words."""
    tifffile.imwrite(
        tmp_path / "a.ome.tif", np.stack([gray, gray]), photometric="minisblack", description=xml, metadata=None
    )
    assert said in reason_of(tmp_path / "a.ome.tif", page=0)


def test_a_stack_that_takes_too_much_is_refused(tmp_path, monkeypatch):
    """All pages together are bounded before the first is unpacked."""
    from scantrial.data.codecs import tiff as codec

    tifffile.imwrite(tmp_path / "a.tif", np.zeros((9, 16, 16), np.uint16), photometric="minisblack", compression="zlib")
    assert not decoded(tmp_path / "a.tif", page="max").any()
    monkeypatch.setattr(codec, "_MAX_STACK", 8 * 16 * 16 * 2)
    monkeypatch.setattr(tifffile.TiffPage, "asarray", lambda *_, **__: pytest.fail("it was unpacked"))
    assert "possible decompression bomb" in reason_of(tmp_path / "a.tif", page="max")


# ---------------------------------------------------------------------- ranges


@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.int32, np.uint32, np.float16, np.float32, np.float64])
def test_a_range_scales_any_numbers(tmp_path, rng, dtype):
    """The limits become 0 and 65535, what is beyond is clipped, and everything is rounded once."""
    values = rng.integers(0 if dtype == np.uint32 else -120, 120, (12, 16)).astype(dtype)
    tifffile.imwrite(tmp_path / "a.tif", values)
    low, high = (10.0, 100.0)
    expected = np.rint(((values.astype(float) - low) / (high - low)).clip(0, 1) * 65535)
    found = decoded(tmp_path / "a.tif", range=(low, high))
    assert found.dtype == np.uint16
    np.testing.assert_array_equal(found, expected)


def test_without_a_range_the_values_are_told(tmp_path):
    """Each file says what it holds, and the error says the range of all of them."""
    for name, number in (("x", 1), ("y", 2)):
        (tmp_path / "scans" / name).mkdir(parents=True)
        for case in range(2):
            ramp = np.linspace(-number, 10 * number + case, 64, dtype=np.float32).reshape(8, 8)
            tifffile.imwrite(tmp_path / "scans" / name / f"{case}.tif", ramp)
    assert reason_of(tmp_path / "scans" / "x" / "0.tif") == (
        "floating-point values from -1 to 10: set data.image.range: [low, high], one for all scans"
    )
    with pytest.raises(UnreadableScansError, match=r"from -2 to 21, so that no value is lost with `range: \[-2, 21\]`"):
        load(SourceSpec(name=str(tmp_path / "scans")))
    found = load(SourceSpec(name=str(tmp_path / "scans")), image=ImageSpec(range=(-2, 21)))
    assert found.images.dtype == np.uint16
    assert found.images.max() == 65535


@pytest.mark.parametrize("dtype", ["float16", "float32", ">f8", "int8", "int16", "uint32", "int64"])
@pytest.mark.parametrize("layout", ["classes", "pairs", "npz"])
def test_arrays_of_any_numbers_are_read_with_a_range(tmp_path, dtype, layout):
    """By class, as two arrays and as one file; without a range the error says that of all images."""
    images = np.linspace(-2 if dtype[0] != "u" else 0, 21, 4 * 16).reshape(4, 4, 4).astype(dtype)
    (tmp_path / "scans").mkdir()
    source = tmp_path / ("scans.npz" if layout == "npz" else "scans")
    if layout == "classes":
        np.save(tmp_path / "scans" / "a.npy", images[:2])
        np.save(tmp_path / "scans" / "b.npy", images[2:])
    elif layout == "pairs":
        np.save(tmp_path / "scans" / "X_train.npy", images)
        np.save(tmp_path / "scans" / "y_train.npy", np.array([0, 0, 1, 1]))
    else:
        np.savez(source, train_images=images, train_labels=np.array([[0], [0], [1], [1]]))
    low = images.min()
    with pytest.raises(UnreadableScansError, match=rf"`range: \[{low:g}, 21\]`") as caught:
        load(SourceSpec(name=str(source)))
    assert ("signed values" if dtype[0] == "i" else "32-bit values" if dtype[0] == "u" else "floating") in str(
        caught.value
    )
    found = load(SourceSpec(name=str(source)), image=ImageSpec(range=(0, 20)))
    expected = np.rint((images.astype(np.float64) / 20).clip(0, 1) * 65535)
    np.testing.assert_array_equal(found.images, expected)


def test_four_channels_of_measured_values_have_no_alpha(tmp_path):
    """Four channels of floating-point numbers are four channels."""
    images = np.random.default_rng(0).random((2, 4, 4, 4))
    np.save(tmp_path / "a.npy", images)
    np.save(tmp_path / "b.npy", images)
    found = load(SourceSpec(name=str(tmp_path)), image=ImageSpec(range=(0, 1)))
    np.testing.assert_array_equal(found.images[:2], np.rint(images * 65535))


def test_what_no_range_can_mend(tmp_path):
    """NaN, complex numbers, and types that end below the range are refused."""
    values = np.ones((4, 4), dtype=np.float32)
    values[1, 1] = np.nan
    tifffile.imwrite(tmp_path / "nan.tif", values)
    tifffile.imwrite(tmp_path / "complex.tif", values.astype(np.complex64))
    Image.fromarray(np.full((4, 4), 7, np.uint8)).save(tmp_path / "a.png")
    assert reason_of(tmp_path / "nan.tif", range=(0, 1)) == "1 value of 16 not finite (NaN or infinite)"
    np.save(tmp_path / "scans.npy", np.full((2, 4, 4), np.nan))
    with pytest.raises(ImageError, match="16 values of 16 not finite"):
        row_decoder(np.load(tmp_path / "scans.npy"), 0, image=ImageSpec(range=(0, 1)))
    assert "complex" in reason_of(tmp_path / "complex.tif", range=(0, 1))
    assert reason_of(tmp_path / "a.png", range=(0, 4095)) == (
        "8 bits, whose values end at 255, but data.image.range ends at 4095"
    )


def test_twelve_bits_are_stretched(tmp_path, rng):
    """A range of 12 bits makes the most of 16."""
    pixels = rng.integers(0, 4096, (12, 16), dtype=np.uint16)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    np.testing.assert_array_equal(decoded(tmp_path / "a.png", range=(0, 4095)), np.rint(pixels * (65535 / 4095)))


def test_the_mean_of_a_stack_is_rounded_once(tmp_path, rng):
    """The mean over pages is scaled before it is rounded."""
    stack = rng.integers(0, 256, (3, 12, 16), dtype=np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", stack, photometric="minisblack")
    found = decoded(tmp_path / "a.tif", page="mean", range=(0, 255))
    np.testing.assert_array_equal(found, np.rint(stack.mean(axis=0) * 257))


# ---------------------------------------------------------------------- arrays, shapes, keys


@pytest.mark.parametrize(
    ("shape", "is_read"),
    [
        ((9, 8, 8, 5), True),
        ((9, 11, 11, 200), True),
        ((9, 8, 8, 2), True),
        ((9, 3, 64, 64), False),
        ((9, 5, 64, 64), False),
        ((9, 28, 28, 28), False),
        ((9, 8, 8, 2000), False),
    ],
)
def test_arrays_have_channels_last(shape, is_read):
    """Any number of channels is taken, but not volumes, nor channels before height and width."""
    assert (array_fault(shape, np.dtype(np.uint8)) is None) == is_read


def test_rows_of_arrays_pick_channels_and_ranges(planes):
    """Arrays know numbers of channels and ranges, and no pages."""
    np.testing.assert_array_equal(image_of_row(planes), planes)
    np.testing.assert_array_equal(image_of_row(planes, image=ImageSpec(channels=[4, 1])), planes[..., [4, 1]])
    np.testing.assert_array_equal(image_of_row(planes[..., :4], image=ImageSpec(channels=4)), planes[..., :4])
    assert image_of_row(planes[..., :4]).shape == (12, 16, 3)
    assert image_of_row(planes, image=ImageSpec(range=(0, 65535))).dtype == np.uint16
    with pytest.raises(ImageError, match="which is for stacks of TIFF pages"):
        image_of_row(planes, image=ImageSpec(page="max"))


def test_channels_that_are_not_there_are_refused(planes):
    """Numbers of channels change only from gray to RGB and back."""
    assert fit_image(planes, ImageSpec(channels=5, size=4)).shape == (4, 4, 5)
    for image, channels in ((planes, 3), (planes, 1), (planes[..., 0], 5), (planes[..., :3], 2)):
        with pytest.raises(ImageError, match=f"but data.image.channels asks for {channels}"):
            fit_image(image, ImageSpec(channels=channels))


def test_what_a_picture_shows(planes):
    """Of five channels the first three, of two the first; gray is their mean."""
    np.testing.assert_array_equal(pictured(planes), planes[..., :3])
    np.testing.assert_array_equal(pictured(planes[..., :2]), planes[..., 0])
    np.testing.assert_array_equal(gray_of(planes), np.rint(planes.mean(axis=2)))
    assert Image.open(io.BytesIO(thumbnail_png(planes))).mode == "RGB"
    assert Image.open(io.BytesIO(thumbnail_png(planes[..., :2]))).mode == "L"


@pytest.mark.parametrize(
    "wrong",
    [
        {"channels": 0},
        {"channels": []},
        {"channels": [1, 1]},
        {"channels": [""]},
        {"page": -1},
        {"page": "min"},
        {"range": [1, 1]},
        {"range": [0, float("inf")]},
    ],
)
def test_specs_that_mean_nothing(wrong):
    """Such keys are faults of the study file."""
    with pytest.raises(ValidationError):
        ImageSpec(**wrong)


def test_keys_of_the_cache_change_only_with_new_keys():
    """The key of scans without page, range and list is what it was; each of these makes another."""
    made = {"sources": ["a"], "contents": ["b"]}
    usual = cache.key_of(image=ImageSpec(size=8, channels=1), **made)
    assert usual == "0b582eb1e473870c3ae1a5b0c8b390369370e64378398dea533ce16b32bca144"
    others = [{"channels": [0]}, {"channels": ["A"]}, {"page": 0}, {"page": "max"}, {"range": [0, 1]}, {"channels": 3}]
    keys = {cache.key_of(image=ImageSpec(**{"size": 8, "channels": 1, **other}), **made) for other in others}
    assert len(keys | {usual, cache.key_of(image=ArmImageSpec(size=8, channels=1, crop_border=0.1), **made)}) == 8


def test_names_of_channels_that_differ_between_files(tmp_path, rng):
    """Files with their channels in different orders give the same channel by name."""
    for number, names in enumerate((["DAPI", "GFP"], ["GFP", "DAPI"])):
        for name in "xy":
            (tmp_path / "scans" / name).mkdir(exist_ok=True, parents=True)
            levels = [50 if channel == "DAPI" else 200 for channel in names]
            pixels = np.stack([np.full((8, 8), level, np.uint8) for level in levels])
            ome(tmp_path / "scans" / name / f"{number}.tif", pixels, "CYX", names)
    found = load(SourceSpec(name=str(tmp_path / "scans")), image=ImageSpec(channels=["DAPI"]))
    assert (found.images == 50).all()
    with pytest.raises(DataError, match="no channel is called 'RFP'"):
        load(SourceSpec(name=str(tmp_path / "scans")), image=ImageSpec(channels=["RFP", "GFP"]))
