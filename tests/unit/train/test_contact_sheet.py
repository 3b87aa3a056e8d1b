"""The sheet of augmented scans: which scans, drawn by the draws of training."""

from __future__ import annotations

import io
from hashlib import sha256

import numpy as np
import pytest
import torch
from PIL import Image

from scantrial.api import load_scans
from scantrial.api.augmentation import augmented_scans
from scantrial.core.errors import InputError
from scantrial.store.folder import StudyFolder
from scantrial.study.file import parse_study, study_to_yaml
from scantrial.study.record import cases_table, data_record
from scantrial.study.to_plan import study_to_plan
from scantrial.train.batches import batches_of
from scantrial.train.contact_sheet import SIDE, contact_sheet, shown_rows
from scantrial.train.reference import train_run
from scantrial.train.run import set_up
from scantrial.train.steps import epoch_steps


def test_scans_of_every_class_take_turns():
    """Evenly spread within a class; no more than there are; classes without cases are passed over."""
    labels = [0] * 10 + [2] * 3
    assert shown_rows(labels, 4).tolist() == [0, 10, 9, 12]
    assert shown_rows(labels, 1).tolist() == [0]
    assert sorted(shown_rows(labels, 64).tolist()) == list(range(13))


@pytest.mark.parametrize(("rgb", "pixel_type"), [(False, "uint8"), (True, "uint16")])
def test_a_sheet_has_a_line_for_each_scan_and_a_column_for_each_epoch(make_task, rgb, pixel_type):
    """The first column is the scan, the others are what training is given; equal draws give equal bytes."""
    augment = {"rotate": 30, "noise": 0.05}
    task = make_task(augment=augment, rgb=rgb, pixel_type=pixel_type, normalize="none")
    batches = batches_of(task.recipe, task.images, task.labels, task.cases["train"], seed=task.seed)
    rows = np.array([3, 17, 30])
    shown = batches.pictures(rows, 2)
    setup, _ = set_up(task)
    trained = {}
    for step in epoch_steps(task, 2):
        inputs = setup.batches.of(step).inputs
        trained |= dict(zip(step.cases.tolist(), inputs, strict=True))
    for picture, case in zip(shown, batches.cases[rows].tolist(), strict=True):
        assert torch.allclose(picture, trained[case], atol=1e-6)
    png = contact_sheet(batches, rows, (1, 2))
    assert png == contact_sheet(setup.batches, rows, (1, 2))
    sheet = Image.open(io.BytesIO(png))
    assert sheet.width > 3 * SIDE
    assert sheet.height > 3 * SIDE


def test_a_run_keeps_a_sheet_if_it_augments(make_task):
    """And none otherwise."""
    assert train_run(make_task(epochs=1), lambda record, n_epochs: None).sheet is None
    sheet = train_run(make_task(epochs=1, augment={"flip": "horizontal"}), lambda record, n_epochs: None).sheet
    assert Image.open(io.BytesIO(sheet)).format == "PNG"


def test_colours_of_gray_scans_are_refused_where_a_plan_of_others_asks_for_them(tmp_path):
    """A study file that asks for them is refused; a plan that was written by others is read here first."""
    text = (
        "study: q\ndata: {source: {name: phantom, n_cases: 40, size: 32}, split: {test: given, val: 0.25}}\n"
        "recipe: {augment: {hue: 0.1}}\n"
    )
    study, folder = parse_study(text, base=tmp_path), StudyFolder(tmp_path / "study")
    scans = load_scans(study.spec.data)
    folder.write_data(data_record(scans, study.spec.data), cases_table(scans, thumbnails=False))
    written = study_to_yaml(study)
    folder.write_study(
        written, study_to_plan(study), sha256=sha256(written.encode()).hexdigest(), change="first version"
    )
    with pytest.raises(InputError, match="the arm base cannot be shown: augment changes hue or saturation, but"):
        augmented_scans(folder.path)
