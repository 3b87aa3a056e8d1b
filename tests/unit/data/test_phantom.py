"""The phantom: what it promises about its patients and its pixels."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError
from sklearn.linear_model import LogisticRegression

from scantrial.data.load import check_source
from scantrial.data.phantom import Phantom, PhantomOptions, make, make_phantom
from scantrial.data.spec import SourceSpec


def phantom(n_cases: int = 48, size: int = 32, **options) -> Phantom:
    return make_phantom(PhantomOptions(n_cases=n_cases, size=size, **options))


def linear_accuracy(**options) -> float:
    """Test accuracy of a logistic regression on the pixels, trained on the recorded labels."""
    made = phantom(n_cases=480, **options)
    pixels = made.images.reshape(len(made), -1) / 255
    train = made.split == "train"
    model = LogisticRegression(C=0.03, max_iter=100).fit(pixels[train], made.labels[train])
    return float(model.score(pixels[~train], made.true_labels[~train]))


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("difficulty", 1.1),
        ("shift", -0.1),
        ("prevalence", 0.0),
        ("prevalence", 1.0),
        ("n_cases", 0),
        ("size", 8),
        ("test_share", 1.0),
        ("label_noise", float("nan")),
        ("dificulty", 0.5),
    ],
)
def test_impossible_options_are_refused(option, value):
    """A value out of range or an unknown knob is refused, and the message names it."""
    with pytest.raises(ValidationError, match=option):
        PhantomOptions(**{option: value})


def test_more_pixels_than_memory_are_refused_before_any_is_drawn():
    """Three hundred bytes of a study file cannot ask for a terabyte; the message says how many scans there may be."""
    said = "1,000,000 scans of 1024 x 1024 have 1,048,576,000,000 pixels; expected at most 1,073,741,824"
    with pytest.raises(ValidationError, match=said):
        PhantomOptions(n_cases=1_000_000, size=1024)
    assert check_source(SourceSpec(name="phantom", n_cases=1025, size=1024)) == [
        "n_cases, size: 1,025 scans of 1024 x 1024 have 1,074,790,400 pixels; expected at most 1,073,741,824, that is "
        "1,024 scans of this size"
    ]
    assert PhantomOptions(n_cases=1024, size=1024).n_cases == 1024


def test_several_processes_draw_the_same_scans(monkeypatch):
    """Each draws its rows into the one array."""
    alone = phantom(5).images
    monkeypatch.setattr(make, "_LARGE", 0)
    monkeypatch.setattr(make, "n_cores", lambda: 2)
    assert np.array_equal(phantom(5).images, alone)


def test_the_default_has_the_proportions_of_the_courses_data():
    """By default 2,400 scans of 256 x 256, of which of each class 10 train for 2 that test: 1,000 and 200."""
    default = PhantomOptions()
    assert (default.n_cases, default.size) == (2400, 256)
    made = phantom(240)
    counts = [
        int(((made.split == part) & (made.labels == label)).sum()) for part in ("train", "test") for label in (0, 1)
    ]
    assert counts == [100, 100, 20, 20]
    assert made.images.shape == (240, 32, 32)
    assert made.images.dtype == np.uint8
    assert made.class_names == ("normal", "opacity")
    assert len(set(made.patients)) == 240


def test_the_same_options_give_the_same_scans_and_another_seed_gives_others():
    """All pixels follow from the options."""
    first, again, other = phantom(), phantom(), phantom(seed=1)
    assert (first.images == again.images).all()
    assert all((a != b).any() for a, b in zip(first.images, other.images, strict=True))


def test_a_case_does_not_depend_on_how_many_there_are():
    """The first scans of a larger phantom are those of a smaller one, copies and flipped labels included."""
    knobs = {"label_noise": 0.3, "duplicates": 0.5, "border_marks": 0.5, "images_per_patient": 2, "shift": 0.5}
    small, large = phantom(25, **knobs), phantom(60, **knobs)
    for field in ("images", "labels", "split", "patients", "sources"):
        assert np.array_equal(getattr(small, field), getattr(large, field)[:25])


def test_sources_name_split_patient_and_scan_and_nothing_twice():
    """A source reads phantom/SPLIT/PATIENT-SCAN.png and is unique."""
    made = phantom(images_per_patient=2)
    assert made.sources[0] == "phantom/train/p0001-0.png"
    assert made.sources[1] == "phantom/train/p0001-1.png"
    assert len(set(made.sources)) == len(made)
    for source, split, patient in zip(made.sources, made.split, made.patients, strict=True):
        assert source.split("/")[1] == split
        assert source.split("/")[2].startswith(patient + "-")


def test_scans_of_a_patient_share_label_and_split_and_differ_in_pixels():
    """Three scans a patient: one label, one split, three pictures."""
    made = phantom(60, images_per_patient=3, label_noise=0.4)
    for start in range(0, 60, 3):
        rows = slice(start, start + 3)
        assert len(set(made.patients[rows])) == len(set(made.split[rows])) == len(set(made.labels[rows])) == 1
        assert (made.images[start] != made.images[start + 1]).any()


@pytest.mark.parametrize("prevalence", [0.1, 0.3, 0.8])
@pytest.mark.parametrize("test_share", [0.0, 0.25])
def test_prevalence_and_test_share_are_kept_to_within_one_patient(prevalence, test_share):
    """The asked shares hold in the whole, and in each class."""
    made = phantom(100, prevalence=prevalence, test_share=test_share)
    assert abs(made.true_labels.sum() - 100 * prevalence) < 1
    for label in (0, 1):
        of_class = made.true_labels == label
        assert abs((made.split[of_class] == "test").sum() - test_share * of_class.sum()) < 1


def test_label_noise_flips_training_labels_only():
    """About the asked share of training labels is flipped, no test label, and the pixels stay."""
    clean, noisy = phantom(300), phantom(300, label_noise=0.2)
    train = noisy.split == "train"
    flipped = noisy.labels != noisy.true_labels
    assert 0.12 < flipped[train].mean() < 0.28
    assert not flipped[~train].any()
    assert (clean.images == noisy.images).all()
    assert (clean.labels == clean.true_labels).all()


def test_duplicates_are_exact_copies_of_training_scans_of_the_same_class():
    """Each copied test scan equals a training scan pixel for pixel; without the knob none does."""
    for share, expected in ((0.0, 0), (1.0, 20)):
        made = phantom(120, duplicates=share, shift=0.5)
        train = {made.images[i].tobytes(): made.labels[i] for i in np.flatnonzero(made.split == "train")}
        copies = [i for i in np.flatnonzero(made.split == "test") if made.images[i].tobytes() in train]
        assert len(copies) == expected
        assert all(train[made.images[i].tobytes()] == made.labels[i] for i in copies)


def test_border_marks_are_on_training_scans_with_opacities_only():
    """The mark changes a strip of the border in the asked share of these scans, and nothing else anywhere."""
    plain, marked = phantom(160, size=64), phantom(160, size=64, border_marks=0.5)
    changed = (plain.images != marked.images).any(axis=(1, 2))
    target = (plain.split == "train") & (plain.labels == 1)
    assert 0.3 < changed[target].mean() < 0.7
    assert not changed[~target].any()
    where = (plain.images != marked.images).any(axis=0)
    assert not where[2:, 2:].any()
    assert all((image == 250).sum() >= 16 for image in marked.images[changed])


def test_opacities_make_lungs_brighter_and_leave_the_rest():
    """The same patients with opacities are brighter in the lungs, and equal in the abdomen pixel for pixel."""
    without = phantom(60, size=64, difficulty=0.0, prevalence=0.01)
    with_opacities = phantom(60, size=64, difficulty=0.0, prevalence=0.99)
    ill = np.flatnonzero(with_opacities.true_labels > without.true_labels)
    difference = (with_opacities.images[ill].astype(float) - without.images[ill]).mean(axis=0)
    assert len(ill) >= 58
    assert difference[16:40, 12:22].mean() > 10
    assert not difference[56:, 16:48].any()
    assert not difference[:6].any()


def test_the_picture_is_laid_out_like_a_chest_radiograph():
    """Air is dark, lungs are darker than the abdomen, and the spine is brightest: means of some fields are pinned."""
    made = phantom(100, size=64, difficulty=0.0, prevalence=0.01)
    mean = made.images.astype(float).mean(axis=0)
    fields = {
        "air": mean[:4, :12],
        "right lung": mean[22:34, 14:22],
        "left lung": mean[14:22, 40:46],
        "heart": mean[36:40, 34:38],
        "liver": mean[50:56, 16:24],
        "spine": mean[52:60, 31:33],
    }
    found = {name: float(field.mean()) for name, field in fields.items()}
    assert found == pytest.approx(
        {"air": 5, "right lung": 58, "left lung": 69, "heart": 200, "liver": 174, "spine": 233}, abs=1.5
    )


def test_scans_of_other_sizes_show_the_same_chest():
    """A scan made at 256 pixels and averaged down is close to the same scan made at 64."""
    small = phantom(6, size=64, difficulty=0.0).images.astype(float)
    large = phantom(6, size=256, difficulty=0.0).images.astype(float)
    reduced = large.reshape(6, 64, 4, 64, 4).mean(axis=(2, 4))
    assert np.abs(small - reduced).mean() < 4


def test_difficulty_and_shift_lower_what_a_simple_model_reaches():
    """A linear model is better than chance on the default, better on the easy, worse on the hard and the shifted."""
    easy, default, hard = (linear_accuracy(difficulty=d) for d in (0.0, 0.5, 1.0))
    assert easy > 0.85
    assert 0.62 < default < easy - 0.05
    assert hard < default
    assert linear_accuracy(shift=1.0) < default - 0.05
