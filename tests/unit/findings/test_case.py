"""One case under every arm."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
from PIL import Image

from scantrial.core.errors import InputError, StoreError
from scantrial.figures.case import case_png
from scantrial.findings.case import case_view
from scantrial.findings.reading import read_study_folder
from scantrial.findings.view import build_view
from scantrial.store.folder import StudyFolder


def test_an_unknown_case_names_the_range(make_study):
    """A case number that does not exist is refused with the numbers that do."""
    with pytest.raises(InputError, match="no case 30") as caught:
        case_view(make_study(), 30)
    assert caught.value.expected == "a case number from 0 to 29"
    with pytest.raises(InputError, match="no case -1"):
        case_view(make_study(), -1)


def test_an_unknown_arm_or_seed_names_the_known(make_study):
    """A wrong arm is refused with the nearest right one, a wrong seed with the study's seeds."""
    folder = make_study()
    with pytest.raises(InputError, match="did you mean 'loss-ce'") as caught:
        case_view(folder, 25, arm="los-ce")
    assert caught.value.expected == "one of base, loss-ce"
    with pytest.raises(InputError, match="no seed 9") as caught:
        case_view(folder, 25, seed=9)
    assert caught.value.expected == "one of 0, 1, 2"


@pytest.mark.parametrize(("case", "split"), [(3, "train"), (15, "val"), (25, "test")])
def test_the_view_holds_every_runs_stored_scores(make_study, case, split):
    """For a case of any split, each seed's probabilities are those stored, and the mean is over the seeds."""
    folder = make_study()
    view = case_view(folder, case)
    assert (view.case, view.split, view.source) == (case, split, f"a/scan-{case}.png")
    assert view.true_class == ("normal", "pneumonia")[case % 2]
    assert [arm.name for arm in view.arms] == ["base", "loss-ce"]
    for arm in view.arms:
        stored = []
        for key in (key for key in folder.run_keys() if key.arm == arm.name):
            part = folder.predictions(key, [split], by="test", purpose="test")[0]
            stored.append(part.y_prob[part.cases == case][0])
        assert np.array([seed.y_prob for seed in arm.seeds]).tolist() == np.array(stored).tolist()
        assert arm.y_prob == pytest.approx(np.mean(stored, axis=0).tolist())
        assert arm.decision == view.class_names[int(np.mean(stored, axis=0).argmax())]
        assert arm.right == (arm.decision == view.true_class)
        assert arm.n_right == sum(row.argmax() == case % 2 for row in stored)


@pytest.mark.parametrize("name", ["a/scan-25.png", "scan-25.png", "scan-25"])
def test_a_case_is_found_by_the_name_of_its_file(make_study, name):
    """With or without its folders or its suffix."""
    assert case_view(make_study(), name) == case_view(make_study(), 25)


def test_an_unknown_name_and_one_of_several_cases(make_study):
    """The nearest name is offered; of several cases up to ten are listed, and none is shown."""
    with pytest.raises(InputError, match=r"called 'scan-255\.png' \(did you mean 'a/scan-25\.png'\?\)"):
        case_view(make_study(), "scan-255.png")
    folder = make_study(source="{case}/x.png")
    with pytest.raises(InputError, match=r"30 cases are called 'x\.png'") as caught:
        case_view(folder, "x.png")
    assert str(caught.value).count("/x.png\n") == 10
    assert "\n  and 20 more\n" in str(caught.value)
    assert case_view(folder, "7/x.png").case == 7


def test_one_arm_or_one_seed_can_be_asked_for(make_study):
    """An arm, by name or by label, and a seed narrow the view."""
    folder = make_study(labels={"base": "bce (base)", "loss-ce": "loss = ce"})
    view = case_view(folder, 25, arm="loss = ce", seed=1)
    assert [(arm.name, [seed.seed for seed in arm.seeds]) for arm in view.arms] == [("loss-ce", [1])]
    assert case_view(folder, 25, arm="loss-ce").arms[0].label == "loss = ce"


def test_reading_a_test_case_is_logged_and_a_training_case_is_not(make_study, readings):
    """Every run whose test rows are read is logged under "show" with the case; training rows are free."""
    folder = make_study()
    case_view(folder, 3)
    assert readings(folder) == []
    case_view(folder, 25, arm="base")
    openings = readings(folder)
    assert {(opening.by, opening.purpose) for opening in openings} == {("show", "case 25")}
    assert [run for opening in openings for run in opening.runs] == ["base/seed-0", "base/seed-1", "base/seed-2"]


@pytest.mark.parametrize("arm", [None, "loss-ce"])
def test_a_test_case_that_no_run_has_judged_is_logged(make_study, readings, arm):
    """Picture and true class of a test case are not handed out unlogged, even where no run (of the arm) is finished."""
    missing = [(name, seed) for name in ("base", "loss-ce") if arm in (None, name) for seed in (0, 1, 2)]
    folder = make_study(missing=missing)
    case_view(folder, 3, arm=arm)
    assert readings(folder) == []
    assert case_view(folder, 25, arm=arm).thumbnail is not None
    (opening,) = readings(folder)
    assert (opening.by, opening.purpose, opening.runs) == ("show", "case 25", ())
    shown = build_view(read_study_folder(folder, by="report", purpose="report")).openings
    assert [(row.by, row.n_readings) for row in shown if row.by == "show"] == [("show", 1)]


def test_a_case_that_cannot_be_logged_is_not_read(make_study, monkeypatch):
    """Where the log cannot be written, nothing of the test case is read."""
    folder = make_study()
    columns_read: list[object] = []
    read = StudyFolder.cases

    def cases(self, columns=None):
        columns_read.append(columns)
        return read(self, columns)

    def refuse(self, **opening):
        raise StoreError("the log cannot be written")

    monkeypatch.setattr(StudyFolder, "cases", cases)
    monkeypatch.setattr(StudyFolder, "log_test_opening", refuse)
    with pytest.raises(StoreError, match="the log"):
        case_view(folder, 25)
    assert columns_read == [["case", "split"]]


def test_a_diverged_run_has_nothing_to_say(make_study):
    """A run without predictions is left out; an arm of such runs alone says so."""
    view = case_view(make_study(diverged=[("base", 0), ("loss-ce", 0), ("loss-ce", 1), ("loss-ce", 2)]), 25)
    assert [seed.seed for seed in view.arms[0].seeds] == [1, 2]
    assert view.arms[1].decision is None
    assert view.verdict(view.arms[1]) == "no finished run with a prediction"
    json.dumps(view.to_dict(), allow_nan=False)
    assert case_png(view).startswith(b"\x89PNG")


def test_the_dictionary_is_plain_and_unrounded(make_study):
    """to_dict gives JSON with documented keys and full numbers, without the picture."""
    view = case_view(make_study(), 25)
    plain = json.loads(json.dumps(view.to_dict(), allow_nan=False))
    assert list(plain) == ["case", "split", "source", "patient", "true_class", "class_names", "arms"]
    assert list(plain["arms"][0]) == ["name", "label", "y_prob", "decision", "right", "n_right", "n_runs", "seeds"]
    assert plain["arms"][0]["seeds"][1]["y_prob"] == list(view.arms[0].seeds[1].y_prob)


def test_the_text_tells_case_truth_and_every_run(make_study):
    """The lines to print name case, truth and source, and every seed's probabilities and verdict."""
    view = case_view(make_study(), 25)
    lines = view.to_text().splitlines()
    assert lines[0] == "case 25 (test), truly pneumonia"
    assert lines[1] == "source: a/scan-25.png"
    assert sum(line.startswith("  seed ") for line in lines) == 6
    assert f"right in {view.arms[0].n_right} of 3 runs" in view.to_text()


def test_the_picture_shows_the_scan_enlarged(make_study):
    """The PNG holds the thumbnail blown up at the left and grows with the number of arms."""
    folder = make_study()
    picture = Image.open(io.BytesIO(case_png(case_view(folder, 25))))
    thumbnail = Image.open(io.BytesIO(case_view(folder, 25).thumbnail))
    assert picture.width > 900
    centre = picture.getpixel((28 + 192, 28 + 192))[0]
    assert abs(centre - thumbnail.getpixel((16, 16))) <= 3
    many = make_study(arms={f"arm-{i}": {"batch_size": i} for i in range(1, 16)}, seeds=(0,))
    assert Image.open(io.BytesIO(case_png(case_view(many, 25)))).height > picture.height


def test_long_names_are_broken_and_a_missing_picture_is_said(make_study):
    """A long path and a long label stay inside the picture; without a thumbnail the picture still comes."""
    folder = make_study(
        source="folder/" * 40 + "{case}.png", labels={"base": "x" * 300, "loss-ce": "ce"}, thumbnails=False
    )
    view = case_view(folder, 25)
    assert view.thumbnail is None
    picture = Image.open(io.BytesIO(case_png(view))).convert("L")
    right_edge = picture.crop((picture.width - 10, 0, picture.width, picture.height))
    assert right_edge.getextrema() == (255, 255)
