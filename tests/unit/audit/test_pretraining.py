"""What is known of the scans that a file of weights was trained on: of a run's file everything, of another nothing."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from tests.studies import TWO_ARMS, StudyShape, write_study
from tests.unit.audit.conftest import phantom_scans

from scantrial.audit.pretraining import origin_keys, origins_of
from scantrial.audit.stored import keep_audit, read_audit
from scantrial.core.files import sha256_of
from scantrial.findings.leaks import seen_by_weights
from scantrial.recipe.networks import ModelSpec
from scantrial.store.folder import RunKey, StudyFolder
from scantrial.study.file import parse_study
from scantrial.study.trial import _record_study

STUDY = """
study: Do weights help?
data: {source: {name: phantom, n_cases: 60, size: 32}, split: {test: given, val: 0.25}}
factors: {loss: [bce, ce]}
"""


@pytest.fixture(name="earlier")
def give_earlier(tmp_path):
    """A finished study that keeps its weights, and the file of one of its runs."""
    folder = write_study(tmp_path / "earlier", StudyShape(arms=TWO_ARMS, weights=True, seeds=(0,)))
    return folder, folder.run_path(RunKey("base", 0)) / "best.safetensors"


def test_a_file_in_its_run_tells_what_it_learnt_from(earlier):
    """All cases of training and validation, with their pictures; the run and its study by name."""
    folder, file = earlier
    origin = origins_of({sha256_of(file): file})[0]
    table = folder.cases(["case", "split"]).to_pylist()
    assert set(origin.learnt_from) == {row["case"] for row in table if row["split"] in ("train", "val")}
    assert len(origin.pictures) == len(origin.learnt_from)
    assert (origin.run, origin.unknown) == ("run base/seed-0 of the study “Is cross-entropy better than BCE?”", "")


def test_of_any_other_file_nothing_is_known(earlier, tmp_path):
    """A copy elsewhere, a file that the run did not store, a folder that is not what was written."""
    folder, file = earlier
    sha256 = sha256_of(file)
    shutil.copy(file, tmp_path / "best.safetensors")
    assert origins_of({sha256: tmp_path / "best.safetensors"})[0].key == ""
    assert "not the file that the run beside them stored" in origins_of({"0" * 64: file})[0].unknown
    (folder.path / "cases.parquet").write_bytes(b"")
    assert "cannot be read" in origins_of({sha256: file})[0].unknown


def test_a_folder_that_cannot_be_read_is_not_named(tmp_path):
    """What is stored of an audit names no folder of the machine; a file at the root has no study around it."""
    weights = tmp_path / "secret-home" / "runs" / "arm" / "seed-0" / "best.safetensors"
    weights.parent.mkdir(parents=True)
    weights.touch()
    (origin,) = origins_of({"ab": weights})
    assert origin.unknown == "the study folder around them cannot be read"
    (origin,) = origins_of({"ab": Path("/seed-0/best.safetensors")})
    assert "no record" in origin.unknown


def test_what_was_found_stays_found_when_the_folder_is_gone(earlier, tmp_path, monkeypatch):
    """The audit is made once while the weights' folder is there, and kept when it is not; a copy is not known."""
    folder, file = earlier
    scans = phantom_scans({"test": "given", "val": 0.25}, n_cases=60, size=32)
    store = StudyFolder(tmp_path / "study")
    _record_study(parse_study(STUDY), scans, store)
    sha256 = sha256_of(file)
    data = StudyFolder.data
    monkeypatch.setattr(StudyFolder, "data", lambda self: {**data(self), "fingerprint": scans.fingerprint})
    found = keep_audit(store, scans, weights={sha256: file})
    assert [one.code for one in found.open_blockers] == ["AU008"]
    shutil.rmtree(folder.path)
    again = keep_audit(store, scans, weights={sha256: file})
    assert again.key == found.key
    assert [one.code for one in again.open_blockers] == ["AU008"]
    assert origin_keys(origins_of({sha256: file})) == {}
    model = ModelSpec(name="timm/resnet18", pretrained="best.safetensors", weights_sha256=sha256)
    seen = seen_by_weights(read_audit(store), model)
    assert seen is not None
    assert set(scans.split[seen]) <= {"val", "test"}
    assert seen_by_weights(read_audit(store), model.model_copy(update={"weights_sha256": "0" * 64})) is None
    assert not len(seen_by_weights(read_audit(store), model.without_weights()))
    assert seen_by_weights(replace(again, results=()), model) is None
