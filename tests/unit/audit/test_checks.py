"""Every check finds what is planted, and nothing where nothing is."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter
from tests.unit.audit.conftest import checked, phantom_scans, subject

from scantrial.audit.audit import audit_key, subject_of
from scantrial.audit.checks import CHECKS
from scantrial.audit.facts import sharpness_of
from scantrial.audit.records import AuditSettings, ModelScores, WeightsOrigin
from scantrial.data.fit import resize
from scantrial.data.load import load
from scantrial.data.scanset import ScanSet
from scantrial.data.spec import ImageSpec, SourceSpec
from scantrial.data.thumbnails import thumbnail_png

PLANTED = {
    "AU001": {"shared_patients": 0.5},
    "AU003": {"duplicates": 0.3},
    "AU004": {"duplicates": 1.0, "test_share": 0.5},
    "AU005": {"near_duplicates": 0.5},
    "AU006": {"near_duplicates": 1.0, "test_share": 0.5},
    "AU007": {"duplicates": 1.0, "label_noise": 0.5},
    "AU010": {"shift": 0.6},
    "AU011": {"shift": 0.6},
    "AU020": {"border_marks": 0.8},
    "AU021": {"border_marks": 0.8},
    "AU022": {},
    "AU030": {"n_cases": 800, "size": 32, "difficulty": 0.0, "label_noise": 0.1},
    "AU031": {"prevalence": 0.15},
}
"""Knobs of the phantom that plant each finding."""


@pytest.mark.parametrize("code", PLANTED.keys() - {"AU021", "AU022"})
def test_what_the_phantom_plants_is_found(code):
    """The knob that plants a fault makes its check find something."""
    scans = phantom_scans(**PLANTED[code])
    if code in ("AU004", "AU006"):
        scans = scans.with_split(np.where(scans.split == "test", "train", scans.split))
    verdict = checked(code, scans)
    assert verdict.outcome == "found"
    assert all(found.text.endswith(".") for found in verdict.found)


@pytest.fixture(scope="module")
def clean():
    return subject()


def weights_of(scans: ScanSet, cases: np.ndarray, *, side: int = 64, fingerprint: str = "another") -> WeightsOrigin:
    """What is known of the weights of a run that learnt from these cases, whose scans had this many pixels a side."""
    pictures = tuple(thumbnail_png(resize(scans.images[case], (side, side))) for case in cases)
    learnt = tuple(cases.tolist())
    return WeightsOrigin(
        sha256="a", run="run base/seed-0", fingerprint=fingerprint, learnt_from=learnt, pictures=pictures
    )


@pytest.mark.parametrize("how", [{"side": 64}, {"side": 40}, {"fingerprint": "own"}])
def test_weights_that_learnt_from_test_scans_are_found(how, clean):
    """By their case numbers or their pictures, decoded larger or smaller; no scan of another patient."""
    scans = phantom_scans({"test": "given", "val": 0.25})
    how = {**how, "fingerprint": scans.fingerprint} if "fingerprint" in how else how
    test, val = scans.cases_of("test")[:9], scans.cases_of("val")[:2]
    of_all = replace(clean, scans=scans, parts=scans.split)
    leaky = weights_of(scans, np.concatenate([scans.cases_of("train"), test, val]), **how)
    verdict = CHECKS["AU008"].run(replace(of_all, pretrained=(leaky,)))
    assert [(one.severity, sorted(one.rows)) for one in verdict.found] == [("blocker", sorted([*test, *val]))]
    assert f"which learnt from 9 of the {len(scans.cases_of('test'))} test scans and 2 of the" in verdict.found[0].text
    only_val = replace(of_all, pretrained=(weights_of(scans, val, **how),))
    assert [one.severity for one in CHECKS["AU008"].run(only_val).found] == ["warning"]
    clean = (weights_of(scans, scans.cases_of("train"), **how), weights_of(phantom_scans(seed=1), np.arange(240)))
    assert CHECKS["AU008"].run(replace(of_all, pretrained=clean)).outcome == "clear"
    bare = replace(leaky, pictures=(None,) * len(leaky.learnt_from), fingerprint="another")
    assert CHECKS["AU008"].run(replace(of_all, pretrained=(bare,))).outcome == "not applicable"


@pytest.mark.parametrize("code", CHECKS)
def test_on_clean_scans_nothing_is_found(code, clean):
    """240 phantoms of different patients, one scan each: no check finds anything."""
    assert CHECKS[code].run(clean).outcome != "found"


def test_every_planted_copy_is_found_and_no_other():
    """The pairs of AU003 are exactly the copies that the phantom made."""
    plain, copied = phantom_scans(), phantom_scans(duplicates=0.4)
    changed = set(np.flatnonzero((plain.images != copied.images).any(axis=(1, 2))).tolist())
    pairs = checked("AU003", copied).found[0].pairs
    assert {second for _, second in pairs} == changed
    assert all((copied.images[a] == copied.images[b]).all() for a, b in pairs)
    assert {copied.split[a] for a, _ in pairs} == {"train"}


def test_every_edited_copy_is_found_mirrored_or_not():
    """At least half of the changed copies are found, mirrored ones among them, and nothing else.

    Phantoms are so alike that calibration leaves a radius of few bits, which misses the others.
    """
    plain, copied = phantom_scans(), phantom_scans(near_duplicates=1.0)
    changed = set(np.flatnonzero((plain.images != copied.images).any(axis=(1, 2))).tolist())
    found = checked("AU005", copied).found[0]
    hit = {second for _, second in found.pairs}
    assert hit <= changed
    assert len(hit) >= 0.5 * len(changed)
    assert {pair["orientation"] for pair in found.numbers["of_pairs"]} == {0, 1}
    assert checked("AU005", plain).numbers["n_different_confirmed"] == 0


def test_leaking_patients_are_named_and_counted():
    """Whose scans are in two splits: every one of their cases, and how many test scans that is."""
    scans = phantom_scans(shared_patients=0.5)
    found = checked("AU001", scans).found[0]
    patients = np.array(scans.patients)
    torn = set(patients[scans.split == "train"]) & set(patients[scans.split == "test"])
    assert set(found.numbers["patients"]) == torn
    assert sorted(found.rows) == np.flatnonzero(np.isin(patients, sorted(torn))).tolist()
    assert found.numbers["n_cases"]["test"] == np.isin(patients[scans.split == "test"], sorted(torn)).sum()
    assert f"{len(torn)} of {len(set(patients))} patients have scans in more than one split" in found.text


def test_unknown_patients_are_told():
    """Without patients leakage is not clear but not applicable, and that is a finding of its own."""
    scans = replace(phantom_scans(), patients=None)
    assert checked("AU001", scans).outcome == "not applicable"
    assert checked("AU002", scans).outcome == "found"


def test_scans_in_one_split_are_not_compared_with_themselves():
    """Where there are no two splits, what compares splits does not apply."""
    scans = phantom_scans(test_share=0.0)
    for code in ("AU001", "AU003", "AU005", "AU010", "AU011", "AU013"):
        assert checked(code, scans).outcome == "not applicable"


def test_a_different_class_mix_is_found_with_its_interval():
    """Two thirds of the ill taken out of test: the difference in points and an interval that excludes 0."""
    scans = phantom_scans(test_share=0.4, n_cases=400)
    ill = np.flatnonzero((scans.split == "test") & (scans.labels == 1))
    split = scans.split.copy()
    split[ill[: len(ill) * 2 // 3]] = ""
    found = checked("AU013", scans.with_split(split)).found[0]
    low, high = found.numbers["interval"]
    assert low < found.numbers["difference"] < high < 0
    assert found.numbers["p"] < 0.01


def test_marks_in_the_corners_are_found(write_scans):
    """A bright square in the corner of every ill scan: the corners predict the label, and so does the border."""

    def mark(name, number, picture):
        if name == "opacity":
            picture.paste(255, (0, 0, 5, 5))
        return picture

    scans = write_scans(mark)
    for code in ("AU020", "AU021"):
        verdict = checked(code, scans)
        assert verdict.outcome == "found"
        assert verdict.found[0].numbers["auc"] > 0.9
        assert "the network can use this shortcut" in verdict.found[0].text


def test_a_shortcut_is_told_where_its_interval_lies_above_the_threshold():
    """A border a little brighter in one class, AUC 0.7 or so: found in many scans with its interval, not in a few."""
    outcomes = {}
    for n in (60, 600):
        rng, labels = np.random.default_rng(1), np.arange(2 * n) % 2
        bright = 100 + 30 * (rng.normal(size=2 * n) + 0.9 * labels)
        images = np.full((2 * n, 32, 32), 100) + rng.normal(0, 10, (2 * n, 32, 32))
        images[:, :, :3] = bright[:, None, None]
        scans = replace(
            phantom_scans(n_cases=2 * n, size=32),
            images=np.clip(images, 0, 255).astype(np.uint8),
            labels=labels,
            split=np.full(2 * n, "train"),
            patients=None,
        )
        outcomes[n] = checked("AU020", scans)
    few, many = outcomes[60].numbers, outcomes[600].numbers
    assert (few["auc"] > 0.65, few["p"] < 0.01, outcomes[60].outcome) == (True, True, "clear")
    low, high = many["interval"]
    assert few["interval"][0] < 0.65 <= low < many["auc"] < high
    assert (
        f"(95 % CI {low:.2f} to {high:.2f}; p = 0.005; the whole picture, in the same way, {many['auc_whole_picture']:.2f})"
        in (outcomes[600].found[0].text)
    )


def test_files_of_another_kind_in_one_class_are_found(write_scans):
    """The ill as larger JPEG files: metadata predict the label, and size and format occur in one class only."""

    def grow(name, number, picture):
        return picture.resize((96, 80)) if name == "opacity" else picture

    scans = write_scans(grow, suffix=lambda name, number: "jpg" if name == "opacity" else "png")
    assert checked("AU022", scans).found[0].numbers["auc"] > 0.95
    values = {(found.numbers["what"], found.numbers["value"]) for found in checked("AU023", scans).found}
    assert {("size", "96 x 80"), ("file format", "JPEG"), ("size", "64 x 64"), ("file format", "PNG")} <= values


def test_metadata_that_predict_are_named(write_scans):
    """Of brightness, size, kind and bytes the text names first what predicts: here only the size of the files differs."""

    def grow(name, number, picture):
        return picture.resize((70, 64)) if name == "opacity" else picture

    found = checked("AU022", write_scans(grow)).found[0]
    assert found.text.startswith("Metadata alone (AUC of each by itself: width and height 1.00, ")
    alone = found.numbers["auc_alone"]
    assert max(alone, key=alone.get) == "width and height"
    assert alone["pixel mode"] == alone["file format"] == 0.5


def noise_scans(blur: dict[tuple[str, int], float], n: int = 60) -> ScanSet:
    """Pictures of noise of known sharpness, `n` of each class in training and in test, blurred by a split and class."""
    rng = np.random.default_rng(5)
    rows = [(split, label) for split in ("train", "test") for label in (0, 1) for _ in range(n)]
    images = np.stack(
        [
            np.clip(128 + 60 * gaussian_filter(rng.normal(size=(48, 48)), 1 + blur.get(row, 0.0)) * 5, 0, 255)
            for row in rows
        ]
    ).astype(np.uint8)
    scans = phantom_scans(n_cases=len(rows), size=48)
    split, labels = np.array([split for split, _ in rows]), np.array([label for _, label in rows])
    return replace(scans, images=images, labels=labels, split=split, patients=None)


def test_a_blurred_class_is_found():
    """One class blurred by half a pixel: that class, its AUC in training and in test, and no difference of splits."""
    found = checked("AU024", noise_scans({("train", 1): 0.5, ("test", 1): 0.5})).found
    assert len(found) == 1
    numbers = found[0].numbers
    assert numbers["auc"] > 0.99
    assert numbers["auc_test"] > 0.99
    assert numbers["p"] == pytest.approx(1 / 201)
    assert numbers["medians"][0] < numbers["medians"][1]
    assert found[0].text.startswith("Sharpness alone (mean absolute Laplacian) separates opacity from normal with AUC")


def test_a_class_that_is_blurred_in_test_alone_is_found():
    """Blur in one split of one class is told of that class and split, and no class is called sharper in training."""
    found = checked("AU024", noise_scans({("test", 0): 0.5})).found
    assert [one.numbers["splits"] for one in found] == [["train", "test"]]
    assert found[0].text.startswith("Scans of class normal are more blurred in test than in train: AUC")
    assert found[0].numbers["auc"] > 0.99


def test_equally_sharp_classes_are_clear():
    """The same noise in both classes and both splits: measured, and nothing found."""
    outcome = checked("AU024", noise_scans({}))
    assert outcome.outcome == "clear"
    assert outcome.numbers["classes"][0]["auc"] < 0.65
    assert outcome.numbers["splits"][0]["p"] >= 0.01


def test_sharpness_is_the_mean_absolute_laplacian():
    """By hand: a single pixel of 8 in the middle of 5 x 5 zeros gives (32 + 4 * 8) / 9; larger pictures are scaled down."""
    picture = np.zeros((5, 5), np.uint8)
    picture[2, 2] = 8
    assert sharpness_of(picture) == pytest.approx(64 / 9)
    assert sharpness_of(np.zeros((2, 9), np.uint8)) == 0.0
    steps = np.kron(np.indices((64, 64)).sum(axis=0) % 2 * 200, np.ones((4, 4))).astype(np.uint8)
    assert sharpness_of(steps) == pytest.approx(sharpness_of(resize(steps, (128, 128))))


@pytest.mark.slow
def test_sharpness_separates_the_classes_of_the_radiographs(chest_xray):
    """On the real radiographs sharpness alone has an AUC of 0.89 in training and of 0.83 in test."""
    scans = load(SourceSpec(name=str(chest_xray)), image=ImageSpec(size=128, channels=1))
    found = checked("AU024", scans).found
    numbers = found[0].numbers
    assert numbers["class"] == "PNEUMONIA"
    assert (numbers["auc"], numbers["auc_test"]) == (pytest.approx(0.887, abs=0.005), pytest.approx(0.834, abs=0.005))
    assert found[1].text.startswith("Scans of class NORMAL are more blurred in test than in train: AUC 0.63")


def test_copies_in_training_and_validation_alone_are_a_warning():
    """Equal scans and patients that no test scan shares block no verdict; with one in test they do."""
    scans = phantom_scans(n_cases=80, size=32, duplicates=0.5, shared_patients=0.5)
    inside = scans.with_split(np.where(scans.split == "test", "val", scans.split))
    for code in ("AU001", "AU003"):
        assert checked(code, scans).found[0].severity == "blocker"
        found = checked(code, inside).found[0]
        assert found.severity == "warning"
        assert "No test scan is concerned" in found.text


def test_near_copies_name_the_exact_ones_beside_them():
    """Copies and edited copies in one set: the text of the near ones says how many are exact, and under which code."""
    scans = phantom_scans(duplicates=0.3, near_duplicates=0.5)
    n_exact = len(checked("AU003", scans).found[0].pairs)
    near = checked("AU005", scans).found[0]
    assert near.numbers["n_exact"] == n_exact
    assert f", beside {n_exact} that are exactly equal (AU003): " in near.text


def test_the_same_files_throughout_are_clear(write_scans):
    """Equal sizes and formats: nothing that one class alone has, no unusual size."""
    scans = write_scans()
    for code in ("AU015", "AU022", "AU023", "AU040", "AU043", "AU044"):
        assert checked(code, scans).outcome == "clear"


def test_bad_pictures_are_found(write_scans):
    """A blank one, one nearly so, an overexposed one and one of another size, each by its own check."""

    def spoil(name, number, picture):
        if number == 0:
            return Image.new("L", (64, 64), 90)
        if number == 1:
            return picture.point(lambda value: 100 + value // 128)
        if number == 2:
            return picture.point(lambda value: min(255, value * 4))
        return picture.resize((256, 256)) if number == 3 else picture

    scans = write_scans(spoil)
    numbers = {name: i for i, name in enumerate(path.rsplit("/", 1)[1] for path in scans.sources)}
    flat = checked("AU041", scans).found[0]
    assert sorted(flat.rows) == sorted([numbers["s000.png"], numbers["s001.png"]])
    assert flat.numbers["n_constant"] == 1
    assert list(checked("AU042", scans).found[0].rows) == [numbers["s002.png"]]
    assert list(checked("AU043", scans).found[0].rows) == [numbers["s003.png"]]


def deep_scans(tmp_path, *, bits, of_eight=lambda number: False, n=24):
    """Write scans of 16 bits that use some of them, and some of 8 with the same pictures; load them."""
    rng = np.random.default_rng(3)
    for name in ("ill", "well"):
        (tmp_path / "deep" / name).mkdir(parents=True)
        for number in range(n):
            pixels = rng.normal(110, 18, (32, 32)).clip(0, 255).astype(np.uint8)
            wide = pixels.astype(np.uint16) * (2**bits // 256) + rng.integers(
                0, 2**bits // 256, pixels.shape, np.uint16
            )
            Image.fromarray(pixels if of_eight(number) else wide).save(tmp_path / "deep" / name / f"{number}.png")
    return load(SourceSpec(name=str(tmp_path / "deep")))


@pytest.mark.parametrize("bits", [10, 12, 14])
def test_few_bits_in_sixteen_are_found(tmp_path, bits):
    """The warning has the number of bits, what a network sees, and both lines that mend it."""
    scans = deep_scans(tmp_path, bits=bits)
    found = checked("AU046", scans).found[0]
    assert found.numbers["n_bits"] == bits
    assert found.numbers["peak"] == int(scans.images.max())
    assert "Write `normalize: dataset`" in found.text
    assert f"`range: [0, {2**bits - 1}]`" in found.text
    mended = load(SourceSpec(name=str(tmp_path / "deep")), image=ImageSpec(range=(0, 2**bits - 1)))
    assert checked("AU046", mended).outcome == "clear"


def test_all_bits_are_clear(tmp_path):
    """Scans of 16 bits that use them are clear, and scans of 8 bits have none to lose."""
    scans = deep_scans(tmp_path, bits=16)
    for code in ("AU046", "AU045", "AU041"):
        assert checked(code, scans).outcome == "clear"
        assert checked(code, phantom_scans()).outcome == ("clear" if code == "AU041" else "not applicable")


def test_mixed_depths_are_told_and_nothing_else(tmp_path):
    """Of 8 bits and 12 in 16 it is told that they differ 16-fold; none of them is called almost empty."""
    scans = deep_scans(tmp_path, bits=12, of_eight=lambda number: number % 4 == 0)
    verdict = checked("AU045", scans)
    found = verdict.found[0]
    assert (found.numbers["n_8_bits"], found.numbers["n_16_bits"]) == (12, 36)
    assert found.numbers["ratio"] == pytest.approx(44204 / 2665.5)
    assert found.severity == "warning"
    assert "the former are 17 times as bright" in found.text
    assert [scans.sources[row] for row in found.rows] == [
        f"{name}/{n}.png" for name in ("ill", "well") for n in (0, 12, 16, 20, 4, 8)
    ]
    for code in ("AU041", "AU046"):
        assert checked(code, scans).outcome == "clear"


def test_mixed_depths_of_one_brightness_are_a_note(tmp_path):
    """8 bits beside 16 that reach as far are told, and no more."""
    found = checked("AU045", deep_scans(tmp_path, bits=16, of_eight=lambda number: number % 4 == 0)).found[0]
    assert found.severity == "note"
    assert "they are about equally bright" in found.text


def test_a_scan_of_one_gray_value_has_no_depth(tmp_path):
    """Scans of 8 bits in files of 16, and a black one: nothing is mixed."""
    rng = np.random.default_rng(3)
    for name in ("ill", "well"):
        (tmp_path / "wide" / name).mkdir(parents=True)
        for number in range(4):
            pixels = rng.integers(0, 256, (16, 16)).astype(np.uint16) * 257 * (name == "well" or number > 0)
            Image.fromarray(pixels.astype(np.uint16)).save(tmp_path / "wide" / name / f"{number}.png")
    verdict = checked("AU045", load(SourceSpec(name=str(tmp_path / "wide"))))
    assert verdict.outcome == "clear"
    assert (verdict.numbers["n_8_bits"], verdict.numbers["n_16_bits"]) == (7, 0)


def test_files_left_out_are_found(write_scans):
    """Torn files that were skipped are listed with the reason."""
    found = checked("AU040", write_scans(skip=True, torn=2)).found[0]
    assert found.numbers["n_files"] == 2
    assert all(item["reason"] for item in found.numbers["files"])


def test_masks_among_the_scans_are_found():
    """X_mask beside X: a blocker with both counts, and the line that leaves the masks out."""
    scans = phantom_scans(n_cases=24, size=32)
    sources = tuple(f"a/{number // 2}{'_mask' if number % 2 else ''}.png" for number in range(24))
    found = checked("AU015", replace(scans, sources=sources)).found[0]
    assert found.rows == tuple(range(1, 24, 2))
    assert found.text.startswith("12 of 24 files look like masks, not scans (0_mask.png beside 0.png); ")
    assert found.text.endswith('This line under data leaves them out: ignore: "*_mask*.png"')
    hidden = checked("AU015", replace(scans, sources=(*sources[:-2], "a/x_mask.png", "a/y.png"))).found[0]
    assert hidden.text.endswith("What to do: move them to another folder, as no pattern matches them and no scan.")
    assert hidden.numbers["ignore"] == []


def test_masks_beside_dicom_files_are_found_by_paths_that_are_not_told():
    """Cases of DICOM files are numbers; the finding and its key come from the paths, and no path is in them."""
    scans = phantom_scans(n_cases=24, size=32)
    paths = tuple(f"a/SECRET-{number // 2}{'_mask' if number % 2 else ''}.dcm" for number in range(24))
    numbers = tuple(f"scan-{number:02d}" for number in range(24))
    private = replace(scans, sources=numbers, shown=paths, origin={"dicom": {"files": 24}})
    found = checked("AU015", private).found[0]
    assert found.rows == tuple(range(1, 24, 2))
    assert found.text.startswith("12 of 24 files look like masks, not scans (scan-01 beside scan-00); ")
    assert found.text.endswith('This line under data leaves them out: ignore: "*_mask*.dcm"')
    assert "SECRET" not in json.dumps([found.text, found.numbers])
    renamed = replace(private, shown=numbers)
    assert audit_key(renamed) == audit_key(replace(private, shown=None)) != audit_key(private)


def test_what_was_left_out_is_told():
    """Counts in words; missing files and labels, which may not be missing at random, are a warning."""
    scans = phantom_scans(n_cases=24, size=32)
    told = {"files of the pattern *_mask*.png": 60, "scans of the class unsure": 1}
    found = checked("AU044", replace(scans, origin={"excluded": told})).found[0]
    assert (
        found.text
        == "Left out before any scan was decoded: 60 files of the pattern *_mask*.png; 1 scan of the class unsure."
    )
    assert found.severity is None
    missing = checked("AU044", replace(scans, origin={"excluded": {"rows whose file is missing": 2}})).found[0]
    assert (missing.text, missing.severity) == (
        "Left out before any scan was decoded: 2 rows whose file is missing.",
        "warning",
    )


def test_text_burned_into_dicom_files_is_told():
    """A warning where headers say so, a note where they do not say, clear where all say no."""
    scans = phantom_scans(n_cases=24, size=32)

    def told(**counts):
        return checked("AU050", replace(scans, origin={"dicom": {"files": 24, **counts}}))

    found = told(burned_in_yes=2, burned_in_unknown=3, burned_in_no=19).found[0]
    assert (
        found.text
        == "Of 24 DICOM files: 2 files with text burned into the pixels, 3 files that do not say whether there is any."
    )
    assert found.severity is None
    assert told(burned_in_unknown=24).found[0].severity == "note"
    assert told(burned_in_no=24).outcome == "clear"
    assert checked("AU050", scans).outcome == "not applicable"


def test_folders_that_may_be_patients_are_offered():
    """Where every scan lies in a folder below its class, the finding says how to take them as patients."""
    scans = replace(phantom_scans(n_cases=24, size=32), patients=None, origin={"n_folders": 20})
    assert (
        checked("AU002", scans)
        .found[0]
        .text.endswith(
            "The scans lie in 20 folders besides those of classes and splits: if each is a patient, write patient: folder."
        )
    )


def test_a_column_that_looks_like_patients_is_named():
    """Where a table has one that the study does not name, the finding says the line."""
    scans = replace(phantom_scans(n_cases=24, size=32), patients=None, origin={"like_patients": "subject"})
    assert checked("AU002", scans).found[0].text.endswith("looks like patients: write patient: subject in the source.")


def test_flipped_labels_are_listed_first():
    """Most of the hundred likeliest suspects are labels that the phantom flipped."""
    from scantrial.data.phantom import PhantomOptions, make_phantom

    knobs = {"size": 32, **PLANTED["AU030"]}
    made = make_phantom(PhantomOptions(**knobs))
    found = checked("AU030", phantom_scans(**knobs)).found[0]
    first = np.array(found.rows[:30])
    assert (made.labels[first] != made.true_labels[first]).mean() > 0.7


def scored(shift: float) -> ModelScores:
    """Scores of made-up runs on a phantom's validation and test scans."""
    scans = phantom_scans({"test": "given", "val": 0.4}, n_cases=400, test_share=0.4, size=32)
    rows = np.flatnonzero(np.isin(scans.split, ["val", "test"]))
    rng = np.random.default_rng(0)
    logit = rng.normal(1.5, 1, len(rows)) - shift * (scans.split[rows] == "test")
    p_true = 1 / (1 + np.exp(-logit))
    y_prob = np.where(np.eye(2)[scans.labels[rows]] == 1, p_true[:, None], 1 - p_true[:, None])
    return scans, ModelScores(rows=rows, y_prob=y_prob, n_runs=3)


@pytest.mark.parametrize(("shift", "outcome"), [(0.0, "clear"), (1.5, "found")])
def test_scores_that_drift_are_found(shift, outcome):
    """Networks less sure of the right class in test than in validation: found; equally sure: clear."""
    scans, scores = scored(shift)
    verdict = CHECKS["AU012"].run(subject_of(scans, AuditSettings(), scores=scores))
    assert verdict.outcome == outcome
    if outcome == "found":
        assert "probability of this class differs between test and validation" in verdict.found[0].text


def test_a_studys_own_scores_judge_its_labels():
    """With stored predictions the suspects come from them: the cases that the runs are sure are otherwise."""
    scans, scores = scored(0.0)
    wrong = scores.y_prob.copy()
    wrong[:30] = [0.97, 0.03]
    wrong[np.arange(30), scans.labels[scores.rows[:30]]] = 0.01
    wrong[np.arange(30), 1 - scans.labels[scores.rows[:30]]] = 0.99
    verdict = CHECKS["AU030"].run(subject_of(scans, AuditSettings(), scores=replace(scores, y_prob=wrong)))
    assert verdict.outcome == "found"
    assert "the study's own runs" in verdict.found[0].text
    assert set(verdict.found[0].rows) >= set(scores.rows[:30].tolist())


def test_false_alarms_are_few():
    """The short version of the simulation: in four clean sets of two scans a patient at most two findings in all."""
    knobs = {"n_cases": 120, "size": 32, "images_per_patient": 2, "test_share": 0.25}
    found = []
    for seed in range(4):
        scans = phantom_scans({"test": "given", "val": 0.25, "by": "patient"}, seed=1000 + seed, **knobs)
        subject = subject_of(scans, AuditSettings(n_permutations=100, seed=seed))
        found += [code for code, check in CHECKS.items() if check.run(subject).outcome == "found"]
    assert len(found) <= 2
