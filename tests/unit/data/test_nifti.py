"""NIfTI volumes: which slice is read, how it is turned, what its gray levels are, and what is refused."""

from __future__ import annotations

import gzip
import itertools
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from PIL import Image
from tests.dicom_files import write_dicom
from tests.nifti_files import axes_of, write_nifti

from scantrial.core.errors import MissingExtraError, UnreadableScansError
from scantrial.data.codecs import nifti
from scantrial.data.codecs.table import frames_of
from scantrial.data.decode import ImageError, decode_image
from scantrial.data.load import load
from scantrial.data.masks import find_masks
from scantrial.data.scanset import ScanSet
from scantrial.data.spec import ImageSpec, SourceSpec

VOXELS = np.arange(4 * 5 * 6, dtype=np.uint8).reshape(4, 5, 6)
SIDES = ["".join(codes) for order in itertools.permutations(("RL", "AP", "SI")) for codes in itertools.product(*order)]


def decoded(path: Path, **image: Any) -> np.ndarray:
    return decode_image(path, image=ImageSpec.model_validate(image))


def reason_of(path: Path, **image: Any) -> str:
    with pytest.raises(ImageError) as caught:
        decoded(path, **image)
    return caught.value.reason


def loaded(folder: Path, **options: Any) -> ScanSet:
    image = ImageSpec.model_validate(options.pop("image", {}))
    return load(SourceSpec(name=str(folder)), image=image, **options)


# ---------------------------------------------------------------------- slices


@pytest.mark.parametrize("codes", SIDES)
def test_a_slice_is_that_of_nibabel_s_canonical_volume_across_the_stored_axis(tmp_path, codes):
    """Of all 48 ways to store a volume; shown with the patient's left, or back, on the right, and the head, or front, up."""
    path = write_nifti(tmp_path / "x.nii", VOXELS, codes=codes)
    image = nibabel.load(path)
    across = int(nibabel.io_orientation(image.affine)[2, 0])
    canonical = np.moveaxis(np.asanyarray(nibabel.as_closest_canonical(image).dataobj), across, 2)
    for number in range(canonical.shape[2]):
        np.testing.assert_array_equal(decoded(path, frame=number), canonical[:, :, number].T[::-1, ::-1])


def test_a_volume_made_of_dicom_looks_like_its_dicom(tmp_path):
    """Rows run to the back and columns to the left in an axial DICOM file; the same window gives the same gray levels."""
    stored = np.random.default_rng(0).integers(0, 4096, (6, 7), dtype=np.uint16)
    dicom = write_dicom(tmp_path / "x.dcm", stored, BitsStored=12, RescaleSlope=1, RescaleIntercept=-1024)
    measured = stored.astype(np.int16) - 1024
    # A converter stores columns first and turns rows to run to the front.
    volume = write_nifti(tmp_path / "x.nii.gz", measured[::-1].T[:, :, None], codes="LAS")
    for window in ([40, 400], [-600, 1500], [0, 1]):
        np.testing.assert_array_equal(decoded(volume, window=window), decoded(dicom, window=window))


def test_compressed_big_endian_and_second_version_are_the_same(tmp_path):
    expected = decoded(write_nifti(tmp_path / "a.nii", VOXELS.astype(np.uint16) * 300), frame=3)
    wide = VOXELS.astype(np.uint16) * 300
    swapped = nibabel.Nifti1Image(wide, axes_of("RAS"), header=nibabel.Nifti1Header(endianness=">"), dtype=">u2")
    swapped.to_filename(tmp_path / "b.nii")
    write_nifti(tmp_path / "c.nii.gz", wide)
    write_nifti(tmp_path / "d.nii", wide, kind=nibabel.Nifti2Image)
    (tmp_path / "e").write_bytes((tmp_path / "c.nii.gz").read_bytes())
    assert expected.dtype == np.uint16
    for name in ("b.nii", "c.nii.gz", "d.nii", "e"):
        np.testing.assert_array_equal(decoded(tmp_path / name, frame=3), expected)


def test_slices_of_a_compressed_volume_are_the_same_in_any_order_and_by_threads(tmp_path):
    path = write_nifti(tmp_path / "x.nii.gz", VOXELS)
    order = [5, 0, 3, 3, 1, 4, 2] * 4
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda number: decoded(path, frame=number), order))
    for number, pixels in zip(order, found, strict=True):
        np.testing.assert_array_equal(pixels, VOXELS[:, :, number].T[::-1, ::-1])


@pytest.mark.parametrize("codes", ["RAS", "RAI"])
def test_all_slices_of_a_compressed_volume_are_unpacked_once(tmp_path, monkeypatch, codes):
    """The order of the slices is that of the file, so that the stream never goes back."""
    path = write_nifti(tmp_path / "x.nii.gz", np.zeros((8, 8, 40), dtype=np.uint8), codes=codes)
    places: list[int] = []
    seek = gzip.GzipFile.seek
    monkeypatch.setattr(gzip.GzipFile, "seek", lambda self, place: (places.append(place), seek(self, place))[1])
    for number in nifti.NIFTI.frames(path):
        decoded(path, frame=number)
    assert len(places) == 40
    assert places == sorted(places)


def test_slices_are_numbered_for_every_kind_of_file(tmp_path):
    """In the order in which a file has them; a kind of one image, a damaged file and none have 0."""
    Image.fromarray(np.zeros((2, 2), dtype=np.uint8)).save(tmp_path / "x.png")
    (tmp_path / "damaged.nii").write_bytes(b"\x1f\x8b\x08")
    frames = [frames_of(tmp_path / name) for name in ("x.png", "damaged.nii", "none")]
    assert frames == [range(1)] * 3
    assert frames_of(write_nifti(tmp_path / "x.nii", VOXELS, codes="RAI")) == range(5, -1, -1)
    assert frames_of(write_dicom(tmp_path / "x.dcm", VOXELS)) == range(4)


def test_a_file_that_changes_is_read_anew(tmp_path):
    path = write_nifti(tmp_path / "x.nii.gz", VOXELS)
    before = decoded(path, frame=0)
    write_nifti(path, VOXELS + np.uint8(9))
    np.testing.assert_array_equal(decoded(path, frame=0), before + 9)


# ---------------------------------------------------------------------- gray levels


def test_slope_and_intercept_are_applied_and_a_range_scales(tmp_path):
    def scale(header):
        header.set_slope_inter(2, -10)

    path = write_nifti(tmp_path / "x.nii", np.array([[[0], [5]], [[10], [20]]], dtype=np.int16), change=scale)
    # Measured: -10, 0; 10, 30, of which the range takes 0 to 20.
    assert decoded(path, range=[0, 20]).tolist() == [[65535, 0], [32768, 0]]
    assert (
        reason_of(path) == "floating-point values from -10 to 30: set data.image.range: [low, high], one for all scans"
    )


def test_whole_numbers_without_sign_are_taken_as_they_are_and_others_need_a_range(tmp_path):
    for dtype, words in (("int16", "signed"), ("uint32", "32-bit"), ("float32", "floating-point")):
        path = write_nifti(tmp_path / f"{dtype}.nii", VOXELS[:, :, :1].astype(dtype))
        assert reason_of(path).startswith(f"{words} values from 0 to 114: set data.image.range")
        assert decoded(path, range=[0, 114]).max() == 65535
    for dtype in ("uint8", "uint16"):
        assert decoded(write_nifti(tmp_path / f"{dtype}.nii", VOXELS.astype(dtype)), frame=0).dtype == dtype


def test_not_finite_values_are_refused(tmp_path):
    path = write_nifti(tmp_path / "x.nii", np.array([[[np.nan], [1]], [[2], [np.inf]]], dtype=np.float32))
    for image in ({"range": [0, 1]}, {"window": [0, 2]}):
        assert reason_of(path, **image) == "2 values of 4 not finite (NaN or infinite)"


def test_a_window_of_the_file_and_two_scales_are_refused(tmp_path):
    path = write_nifti(tmp_path / "x.nii", VOXELS)
    words = "it has no window of its own: set data.image.window: [centre, width], or data.image.range"
    for image in ({"window": 0}, {"window": "full"}, {"window": [0, 2], "range": [0, 1]}):
        assert reason_of(path, frame=0, **image) == words


# ---------------------------------------------------------------------- what is refused


def test_several_slices_ask_for_one_or_all(tmp_path):
    path = write_nifti(tmp_path / "x.nii", VOXELS)
    assert reason_of(path) == "6 slices: set data.image.frame to a number from 0, or to all"
    assert reason_of(path, frame=6) == "6 slices, but frame 6 is asked for (the first is 0)"
    assert reason_of(path, frame=0, page=1).startswith("one image, but data.image.page is 1")


def test_what_is_no_volume_of_gray_levels_is_refused(tmp_path):
    colours = np.zeros((4, 4, 1), dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])
    cases = {
        "series": (np.zeros((4, 4, 4, 7), dtype=np.uint8), "7 volumes in one file: save one of them"),
        "vectors": (np.zeros((4, 4, 4, 2, 3), dtype=np.uint8), "2 x 3 volumes in one file: save one of them"),
        "colours": (colours, "voxels of colours, expected whole or floating-point numbers of up to 64 bits"),
        "complex": (np.zeros((4, 4, 1), dtype=np.complex64), "voxels of type complex64, expected whole or"),
    }
    for name, (voxels, reason) in cases.items():
        path = tmp_path / f"{name}.nii"
        nibabel.Nifti1Image(voxels, np.eye(4)).to_filename(path)
        assert reason_of(path, frame=0).startswith(reason)
    write_nifti(tmp_path / "one.nii", np.zeros((4, 4, 4, 1), dtype=np.uint8))
    assert decoded(tmp_path / "one.nii", frame=0).shape == (4, 4)
    nibabel.Nifti1Pair(VOXELS, np.eye(4)).to_filename(tmp_path / "pair.hdr")
    assert reason_of(tmp_path / "pair.hdr") == (
        "a header without voxels (ANALYZE, or NIfTI in two files): save it as one .nii file"
    )


def test_a_file_that_ends_too_soon_is_refused(tmp_path):
    for name in ("x.nii", "x.nii.gz"):
        path = write_nifti(tmp_path / name, np.random.default_rng(0).integers(0, 255, (9, 9, 9), dtype=np.uint8))
        whole = path.read_bytes()
        for kept in (3, 100, 350, len(whole) // 2, len(whole) - 1):
            path.write_bytes(whole[:kept])
            assert reason_of(path, frame=8)
    path = tmp_path / "y.nii.gz"
    path.write_bytes(gzip.compress(nibabel.Nifti1Image(VOXELS, np.eye(4)).to_bytes()[:-1]))
    assert reason_of(path, frame=5) == "truncated: it ends before its voxels do"
    path.write_bytes(gzip.compress(b"no volume"))
    assert reason_of(path) == "a gzip file that holds no NIfTI volume"


def test_a_wrong_checksum_is_found_with_the_last_slice(tmp_path):
    path = write_nifti(tmp_path / "x.nii.gz", VOXELS)
    data = bytearray(path.read_bytes())
    data[-6] ^= 1
    path.write_bytes(data)
    assert "CRC" in reason_of(path, frame=5)


def _claiming(path: Path, sides: tuple[int, ...], *, offset: int = 352) -> Path:
    """Write a header that claims a volume, without voxels."""
    header = nibabel.Nifti1Header()
    header.set_data_shape(sides)
    header.set_data_dtype(np.float64)
    header["vox_offset"] = offset
    data = header.binaryblock + bytes(1000)
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


@pytest.mark.parametrize("name", ["x.nii", "x.nii.gz"])
def test_what_a_header_claims_is_refused_before_memory_is_taken(tmp_path, name):
    bomb = "refused as a possible decompression bomb"
    asked: list[int] = []
    for sides in ((32767, 32767, 1), (8000, 8000, 8), (512, 512, 32767)):
        with pytest.raises(ImageError, match=bomb):
            decode_image(_claiming(tmp_path / name, sides), asked.append, ImageSpec(frame=0, range=(0, 1)))
    assert not asked
    few = reason_of(_claiming(tmp_path / name, (512, 512, 600)), frame=0)
    assert bomb in few if name.endswith("gz") else few.startswith("truncated")
    assert reason_of(_claiming(tmp_path / name, (64, 64, 1), offset=10**9))
    assert reason_of(_claiming(tmp_path / name, (64, 0, 1)))


def test_what_a_header_lacks_is_not_told_by_nibabel(tmp_path, capfd, caplog):
    """A damaged header is read or refused in silence."""

    def damage(header):
        header["pixdim"][:] = -7
        header["qform_code"] = header["sform_code"] = 0

    path = write_nifti(tmp_path / "x.nii", VOXELS, change=damage)
    assert decoded(path, frame=0).shape == (5, 4)
    assert capfd.readouterr() == ("", "")
    assert not caplog.records


def test_a_pipe_is_not_waited_for(tmp_path):
    import os

    os.mkfifo(tmp_path / "x.nii")
    assert reason_of(tmp_path / "x.nii") == "not a file"


def test_without_the_extra_the_command_that_installs_it_is_told(tmp_path, monkeypatch):
    path = write_nifti(tmp_path / "x.nii", VOXELS)
    nifti.close_files()
    monkeypatch.setitem(sys.modules, "nibabel", None)
    with pytest.raises(MissingExtraError, match=r'pip install "scantrial\[nifti\]"'):
        decoded(path, frame=0)


# ---------------------------------------------------------------------- cases


@pytest.fixture
def scans(tmp_path: Path, cache: Path) -> Path:
    """Two volumes in each class, the last of them stored from head to feet, and one cut from left to right."""

    def name(header: Any) -> None:
        header["descrip"], header["aux_file"], header["db_name"] = b"SECRET^NAME", b"SECRET", b"SECRET"
        header.extensions.append(nibabel.nifti1.Nifti1Extension("comment", b"SECRET^NAME"))

    for number, codes in enumerate(("RAS", "LPS", "RAI", "ASL")):
        voxels = np.full((4, 5, 3), 10 * number, dtype=np.uint8) + np.arange(3, dtype=np.uint8)
        path = tmp_path / "scans" / ("sick" if number % 2 else "well") / f"sub-{number}_T1w.nii.gz"
        write_nifti(path, voxels, codes=codes, change=name)
    return tmp_path / "scans"


def test_each_slice_is_a_case_and_its_volume_the_patient(scans):
    found = loaded(scans, image={"frame": "all", "size": 4})
    assert found.sources[:3] == tuple(f"sick/sub-1_T1w.nii.gz#{number}" for number in range(3))
    assert found.sources[-3:] == tuple(f"well/sub-2_T1w.nii.gz#{number}" for number in (2, 1, 0))
    assert found.patients == tuple(source.partition("#")[0] for source in found.sources)
    assert found.images[:, 0, 0].tolist() == [10, 11, 12, 30, 31, 32, 0, 1, 2, 20, 21, 22]
    assert found.origin["notes"] == [
        "The slices of 4 NIfTI volumes are axial in 3, sagittal in 1.",
        "Each file was taken for a patient: where patients have several volumes, set data.patient.",
    ]


def test_the_study_s_patients_win(scans):
    found = loaded(scans, image={"frame": "all", "size": 4}, patient="sub-([0-9])")
    assert found.patients == tuple("111333000222")
    assert len(found.origin["notes"]) == 1


def test_one_slice_of_each_volume_by_its_number(scans):
    found = loaded(scans, image={"frame": 2, "size": 4})
    assert found.sources == tuple(
        f"{name}_T1w.nii.gz" for name in ("sick/sub-1", "sick/sub-3", "well/sub-0", "well/sub-2")
    )
    assert found.patients is None
    assert found.images[:, 0, 0].tolist() == [12, 30, 2, 20]
    with pytest.raises(UnreadableScansError, match=r"sub-1_T1w\.nii\.gz: 3 slices: set data\.image\.frame"):
        loaded(scans)


def test_volumes_beside_other_files(scans):
    Image.fromarray(np.full((4, 4), 99, dtype=np.uint8)).save(scans / "sick" / "a.png")
    (scans / "well" / "damaged.nii.gz").write_bytes(b"\x1f\x8b\x08damaged")
    found = loaded(scans, image={"frame": "all", "size": 4}, skip_unreadable=True)
    assert found.sources[0] == "sick/a.png"
    assert found.patients[0] == "sick/a.png"
    assert [source for source, _ in found.skipped] == ["well/damaged.nii.gz"]
    write_dicom(scans / "sick" / "b.dcm", VOXELS[0], PatientID="SECRET")
    found = loaded(scans, image={"frame": "all", "size": 4}, skip_unreadable=True, patient="(.)[.]")
    assert len(found) == 14
    assert all(source.startswith("scan-") for source in found.sources)


def test_a_table_finds_volumes_by_their_names_without_suffix(scans):
    rows = [f"sub-{number}_T1w,{'ab'[number % 2]}" for number in range(4)]
    (scans.parent / "labels.csv").write_text("\n".join(["path,label", *rows]))
    found = loaded(scans.parent / "labels.csv", image={"frame": 0, "size": 4})
    assert found.sources[3] == "scans/sick/sub-3_T1w.nii.gz"
    assert found.labels.tolist() == [0, 1, 0, 1]


def test_no_text_of_a_header_is_kept(scans, cache):
    found = loaded(scans, image={"frame": "all", "size": 4})
    assert "SECRET" not in str((found.sources, found.patients, found.origin, found.class_names))
    assert not [path for path in cache.rglob("*") if path.is_file() and b"SECRET" in path.read_bytes()]


@pytest.mark.parametrize("frame", ["", "#3"])
def test_masks_beside_volumes_are_found(frame):
    sources = [f"{part}{frame}" for part in ("a/x.nii.gz", "a/x_seg.nii.gz", "b/y.nii", "b/y_seg.nii")]
    masks = find_masks(sources)
    assert masks.rows == (1, 3)
    assert set(masks.patterns) == {"*_seg*.nii.gz", "*_seg*.nii"}
    assert masks.example == ("x_seg.nii.gz", "x.nii.gz")
