"""Cases from DICOM files: no name or path of a patient leaves, frames are cases, tables name files by their UIDs."""

from __future__ import annotations

import sys
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.data import get_testdata_file
from pydicom.pixels.decoders.base import Decoder
from tests.dicom_files import write_dicom

from scantrial.core.errors import DataError, MissingExtraError, StoreError, UnreadableScansError
from scantrial.data.load import list_cases, load
from scantrial.data.masks import masks_among
from scantrial.data.pseudonyms import key_file
from scantrial.data.scanset import ScanSet
from scantrial.data.spec import ImageSpec, SourceSpec, SplitSpec
from scantrial.data.splits import apply_split

RAMP = np.arange(64, dtype=np.uint16).reshape(8, 8) * 64
ROOT = "1.2.826.0.1.3680043.8.498"


@pytest.fixture
def scans(tmp_path: Path, cache: Path) -> Path:
    """Twelve files of six patients, whose names stand in headers, in paths and in the endings of the names."""
    folder = tmp_path / "scans"
    for number in range(12):
        name = f"SECRET^NAME{number // 2}"
        write_dicom(
            folder / ("sick" if number % 4 > 1 else "well") / f"{name}-{number}.{name}",
            np.roll(RAMP, number),
            BitsStored=12,
            PatientID=name,
            PatientName=name,
            SOPInstanceUID=f"{ROOT}.1.{number}",
            StudyInstanceUID=f"{ROOT}.2.{number // 2}",
            PhotometricInterpretation="MONOCHROME1" if number == 3 else "MONOCHROME2",
            **({"BurnedInAnnotation": "NO"} if number else {}),
            **({"WindowCenter": 2000, "WindowWidth": 4000} if number > 5 else {}),
            **({"PixelPaddingValue": 0} if number == 7 else {}),
        )
    return folder


def loaded(folder: Path, **options: Any) -> ScanSet:
    image = ImageSpec.model_validate(options.pop("image", {}))
    return load(SourceSpec(name=str(folder)), image=image, **options)


def test_sources_are_numbers_and_patients_are_keyed_hashes(scans: Path) -> None:
    (scans / "sick" / "note.SECRET^NAME").write_text("no scan")
    found = loaded(scans)
    assert found.sources == tuple(f"scan-{number:02d}" for number in range(12))
    assert found.patients is not None
    assert len(set(found.patients)) == 6
    assert [found.patients.count(patient) for patient in found.patients] == [2] * 12
    assert "SECRET" not in f"{found.patients} {dict(found.origin, path='')} {found.skipped}"
    assert found.origin["ignored"] == {"other files": 1}
    assert key_file().stat().st_mode & 0o777 == 0o600
    assert loaded(scans).patients == found.patients
    key_file().write_bytes(b"")
    with pytest.raises(StoreError, match="holds 0 bytes"):
        loaded(scans)
    key_file().unlink()
    again = loaded(scans)
    assert again.patients is not None
    assert not set(again.patients) & set(found.patients)


def test_the_split_of_patients_does_not_depend_on_the_key(scans: Path) -> None:
    spec = SplitSpec.model_validate({"train": 0.34, "val": 0.33, "test": 0.33, "by": "patient"})
    splits = []
    for _ in range(3):
        key_file().unlink(missing_ok=True)
        found = apply_split(loaded(scans), spec)
        splits.append(found.split.tolist())
        assert apply_split(list_cases(SourceSpec(name=str(scans))), spec).split.tolist() == splits[0]
    assert splits[0] == splits[1] == splits[2]
    parts = {
        patient: {part for p, part in zip(found.patients, found.split, strict=True) if p == patient}
        for patient in found.patients
    }
    assert all(len(found) == 1 for found in parts.values())


def test_what_was_applied_is_counted_and_told(scans: Path) -> None:
    found = loaded(scans).origin
    counts = found["dicom"]
    assert counts["files"] == counts["frames"] == counts["cases"] == counts["gray"] == 12
    assert (counts["values_window"], counts["values_full_range"], counts["turned"], counts["padding"]) == (6, 6, 1, 1)
    assert (counts["burned_in_no"], counts["burned_in_unknown"]) == (11, 1)
    assert "gray levels come from a window in 6 of 12" in found["notes"][0]
    assert found["notes"][1] == "The patient of 12 files is known by PatientID."
    full = loaded(scans, image={"window": "full"})
    assert full.origin["dicom"]["values_full_range"] == 12
    assert full.images_path != loaded(scans).images_path


def test_the_patient_of_a_file_without_one_is_its_study(scans: Path) -> None:
    for file in (scans / "well").iterdir():
        write_dicom(file, RAMP, PatientID="", StudyInstanceUID=f"{ROOT}.9")
    found = loaded(scans)
    assert found.patients is not None
    assert len({patient for patient, label in zip(found.patients, found.labels, strict=True) if label == 1}) == 1
    assert "6 files is known by StudyInstanceUID" in found.origin["notes"][2]


def test_where_no_file_names_a_patient_none_is_known_and_where_some_do_not_patient_is_asked_for(scans: Path) -> None:
    files = sorted(scans.rglob("SECRET*"))
    write_dicom(files[0], RAMP, PatientID="", StudyInstanceUID="")
    with pytest.raises(DataError, match=r"1 of 12 files name no patient") as caught:
        loaded(scans)
    assert "set data.patient" in str(caught.value)
    assert loaded(scans, patient=r"(NAME\d)").patients is not None
    for file in files:
        write_dicom(file, RAMP, PatientID="", StudyInstanceUID="")
    assert loaded(scans).patients is None


def test_patients_of_the_study_file_are_hashed_too(scans: Path) -> None:
    found = loaded(scans, patient=r"(NAME\d)")
    assert found.patients is not None
    assert len(set(found.patients)) == 6
    assert all(patient.startswith("patient-") and "NAME" not in patient for patient in found.patients)
    assert not any("PatientID" in note for note in found.origin["notes"])


def test_each_frame_is_a_case_of_the_same_patient(scans: Path) -> None:
    volume = np.stack([RAMP, RAMP.T, RAMP[::-1]])
    write_dicom(scans / "sick" / "volume", volume, PatientID="SECRET^NAME9", BitsStored=12)
    with pytest.raises(UnreadableScansError, match=r"sick/volume: 3 frames: set data\.image\.frame"):
        loaded(scans)
    found = loaded(scans, image={"frame": "all"})
    assert len(found) == 15
    frames = [found.sources.index(f"scan-06#{number}") for number in range(3)]
    assert found.patients is not None
    assert len({found.patients[row] for row in frames}) == 1
    for row, pixels in zip(frames, volume, strict=True):
        assert np.array_equal(found.images[row], np.rint(pixels / 4095 * 65535))
    assert found.origin["dicom"]["frames"] == found.origin["dicom"]["cases"] == 15


def test_a_refusal_names_files_and_what_is_stored_does_not(scans: Path) -> None:
    file = next((scans / "sick").iterdir())
    file.write_bytes(file.read_bytes()[:-40])
    with pytest.raises(UnreadableScansError, match="SECRET"):
        loaded(scans)
    found = loaded(scans, skip_unreadable=True)
    assert len(found) == 11
    assert [(source[:5], reason) for source, reason in found.skipped] == [
        ("scan-", "truncated: it ends before its pixels do")
    ]


@pytest.mark.parametrize("key", ["1", "2"])
def test_a_table_names_files_by_instance_or_study(scans: Path, key: str) -> None:
    n_keys = 12 if key == "1" else 6
    rows = [f"{ROOT}.{key}.{number},{'ab'[number % 2]}" for number in range(n_keys)]
    (scans.parent / "labels.csv").write_text("\n".join(["path,label", *rows]))
    found = load(SourceSpec(name=str(scans.parent / "labels.csv"), **{"folder": ["scans"]}))
    assert len(found) == 12
    assert found.labels.tolist() == ([0, 1] * 6 if key == "1" else [0, 0, 1, 1] * 3)
    assert found.sources[0] == "scan-00"


def test_a_table_of_files_and_patients(scans: Path) -> None:
    files = sorted(file.relative_to(scans.parent) for file in scans.rglob("SECRET*"))
    rows = [f"{file},{'ab'[number % 2]},SECRET^{number // 3}" for number, file in enumerate(files)]
    (scans.parent / "labels.csv").write_text("\n".join(["path,label,patient", *rows]))
    found = load(SourceSpec(name=str(scans.parent / "labels.csv")))
    assert found.patients is not None
    assert len(set(found.patients)) == 4
    assert "SECRET" not in str((found.patients, found.sources))


def test_masks_beside_scans_are_found_and_left_out(scans: Path) -> None:
    for file in sorted(scans.rglob("SECRET*")):
        write_dicom(file.with_name(f"{file.name}_mask.dcm"), RAMP % 2, PatientID="SECRET")
        file.rename(file.with_name(f"{file.name}.dcm"))
    for cases in (loaded(scans), list_cases(SourceSpec(name=str(scans)))):
        masks = masks_among(cases)
        assert masks is not None
        assert len(masks.rows) == 12
        assert masks.line == 'ignore: "*_mask*.dcm"'
        assert "SECRET" not in str(masks)
        assert "SECRET" not in str((cases.sources, cases.patients, dict(cases.origin, path="")))
    found = loaded(scans, ignore=masks.patterns)
    assert len(found) == 12
    assert found.origin["excluded"] == {"files of the pattern *_mask*.dcm": 12}
    assert masks_among(found) is None
    assert masks_among(found, [0, 1]) is None


def test_an_archive_of_dicom_is_not_unpacked_into_the_cache(scans: Path, cache: Path) -> None:
    with tarfile.open(scans.parent / "scans.tar", "w") as archive:
        archive.add(scans, arcname="scans")
    with pytest.raises(DataError, match="holds DICOM files"):
        loaded(scans.parent / "scans.tar")
    assert not [path for path in cache.rglob("*") if "SECRET" in path.name]


def test_without_the_decoder_of_a_compression_its_package_is_told(scans: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compressed = Path(str(get_testdata_file("MR_small_jpeg_ls_lossless.dcm")))
    (scans / "sick" / "compressed").write_bytes(compressed.read_bytes())
    monkeypatch.setattr(Decoder, "available_plugins", property(lambda self: ()))
    with pytest.raises(MissingExtraError, match=r"compressed as JPEG-LS Lossless .* needs python-gdcm"):
        loaded(scans, image={"size": 8})


def test_without_the_extra_the_command_that_installs_it_is_told(scans: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pydicom", None)
    with pytest.raises(MissingExtraError, match=r'pip install "scantrial\[dicom\]"'):
        loaded(scans)
