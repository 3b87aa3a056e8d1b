"""`plan_mismatches`: whether a plan follows from its study file."""

from __future__ import annotations

import json

import pytest
from tests.unit.study.trial import Trial

from scantrial import api
from scantrial.study.plan_check import plan_mismatches


@pytest.fixture
def recorded(trial: Trial) -> Trial:
    """Return a trial whose folder has a study and no run; its scans are gone."""
    trial.record()
    for path in trial.path.glob("*.np*"):
        path.unlink()
    return trial


def said(trial: Trial) -> list[str]:
    return [item.sentence for item in plan_mismatches(trial.folder)]


def test_a_plan_that_follows(recorded: Trial):
    """The scans are not needed."""
    assert said(recorded) == []


def test_each_value_that_does_not_is_told(recorded: Trial):
    """A margin, a seed and a learning rate that the study file does not say; labels may be worded otherwise."""
    path = recorded.folder.path / "plan.json"
    plan = json.loads(path.read_text())
    plan["primary"]["margin"] = 0.3
    plan["seeds"] = [0, 5]
    plan["arms"][0]["recipe"]["optimizer"]["lr"] = 0.5
    plan["arms"][0]["label"] = "the base"
    path.write_text(json.dumps(plan))
    found = said(recorded)
    assert len(found) == 3
    assert any(sentence.startswith("plan.json.primary.margin: was ") for sentence in found)
    assert any("now [0, 5]" in sentence for sentence in found)
    assert any(sentence.startswith("plan.json.arms.base.optimizer.lr") for sentence in found)


def test_a_plan_that_cannot_be_read_is_told(recorded: Trial):
    """Beside everything else that is wrong."""
    path = recorded.folder.path / "plan.json"
    path.write_text("{")
    (sentence,) = said(recorded)
    assert sentence.startswith(f"{path} is damaged")
    kinds = {item.kind for item in api.verify(recorded.folder.path).mismatches}
    assert kinds == {"changed", "plan"}


def test_a_study_file_with_faults_is_told(recorded: Trial):
    """It is no file that was run."""
    (recorded.folder.path / "study.yaml").write_text("study: Which?\nseeds: many\n")
    (sentence,) = said(recorded)
    assert sentence.startswith("study.yaml cannot be compared with plan.json: it has faults, the first is: ")
