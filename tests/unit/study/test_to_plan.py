"""``plan.json``: what a study comes to, with the source of a network of the user's own."""

from __future__ import annotations

import json
import sys
from hashlib import sha256
from pathlib import Path

import pytest
from tests.unit.study.trial import TEXT, Trial

from scantrial.recipe.plan import Plan
from scantrial.study.to_plan import code_folders, study_to_plan

NET = TEXT.replace("name: mlp, hidden: [4]", "name: 'wards.nets:Net'")


def test_is_plain_data_with_every_default(trial: Trial):
    """Through JSON it comes back as it was; arms with their whole recipes, the base first."""
    plan = study_to_plan(trial.study())
    assert Plan.from_dict(json.loads(json.dumps(plan.to_dict()))) == plan
    assert [arm.name for arm in plan.arms] == ["base", "loss-ce"]
    assert plan.arms[0].recipe == trial.study().arm("base").recipe
    assert (plan.seeds, plan.keep_weights, plan.design) == ((0, 1), "best", "one-at-a-time")
    assert not any("source_sha256" in arm for arm in plan.to_dict()["arms"])


@pytest.mark.parametrize("file", ["wards/nets.py", "wards/nets/__init__.py"])
def test_an_own_network_is_there_with_its_source(trial: Trial, file: str):
    """The hash of the file that it is in, module or package, without importing it."""
    path = trial.path / file
    path.parent.mkdir(parents=True)
    path.write_text("raise SystemExit('imported')")
    plan = study_to_plan(trial.study(text=NET))
    assert [arm.source_sha256 for arm in plan.arms] == [sha256(path.read_bytes()).hexdigest()] * 2


def test_a_source_that_is_not_found_is_none(trial: Trial):
    """The worker says what is wrong with it; the plan does not guess."""
    plan = study_to_plan(trial.study(text=NET))
    assert plan.to_dict()["arms"][0]["source_sha256"] is None


def test_networks_are_looked_for_beside_the_study_and_here(trial: Trial, tmp_path: Path, monkeypatch):
    """The study file's folder first; each folder once."""
    monkeypatch.chdir(tmp_path / "engine")
    assert code_folders(trial.study())[:2] == (str(tmp_path), str(tmp_path / "engine"))
    assert set(code_folders(trial.study())) >= set(sys.path)
    monkeypatch.chdir(tmp_path)
    assert code_folders(trial.study()).count(str(tmp_path)) == 1
