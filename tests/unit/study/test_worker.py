"""What a worker process hands to the engine, and that test rows are announced before they are read."""

from __future__ import annotations

import json
import subprocess

import numpy as np
import pytest
from tests.unit.study.trial import SPLIT, Trial

from scantrial.core.errors import StoreError
from scantrial.core.records import SPLITS
from scantrial.store.folder import RunKey
from scantrial.study import executor

BASE_0 = RunKey("base", 0)


def was_read(trial: Trial) -> bool:
    """Return whether the engine went past the announcement."""
    return (trial.path / "engine" / "test-rows-were-read").exists()


def test_the_engine_gets_the_studys_cases(trial: Trial):
    """Each split's cases, rising, with their labels; a case that no split holds is in none."""
    split = ("", *SPLIT[1:])
    trial.run(trial.study(seeds=1), trial.scans(split=split))
    parts = trial.folder.predictions(BASE_0, SPLITS, by="test", purpose="test")
    for part in parts:
        np.testing.assert_array_equal(part.cases, np.flatnonzero(np.array(split) == part.split))
        np.testing.assert_array_equal(part.y_true, part.cases % 2)


def test_the_engine_gets_recipe_device_and_threads(trial: Trial):
    """Those of the plan and of the process, to be recorded."""
    trial.run(trial.study(seeds=1), threads=3, device="cpu")
    facts = trial.folder.facts(RunKey("loss-ce", 0))
    assert facts.recipe == json.loads(json.dumps(trial.study().arm("loss-ce").recipe.to_dict()))
    assert (facts.device, facts.threads, facts.engine_reason) == ("cpu", 3, "a test")


def test_a_reading_of_test_rows_is_logged_for_each_run(trial: Trial):
    """By the run, for its evaluation, at the chosen epoch."""
    trial.run(trial.study(seeds=1))
    openings = trial.folder.test_openings()
    assert [(opening.by, opening.runs) for opening in openings] == [
        ("run", ("base/seed-0",)),
        ("run", ("loss-ce/seed-0",)),
    ]
    assert {opening.purpose for opening in openings} == {"evaluation after training, epoch 2"}


def test_a_reading_is_logged_even_if_the_engine_then_fails(trial: Trial):
    """The rows were seen, so the log says so, though no predictions came of it."""
    trial.behave(**{"base/seed-0": "raise after test"})
    (failure,) = trial.run(trial.study(seeds=1)).failed
    assert failure.message == "ValueError: too late"
    assert "base/seed-0" in [key for opening in trial.folder.test_openings() for key in opening.runs]
    assert was_read(trial)


def test_a_run_that_fails_earlier_opens_nothing(trial: Trial):
    """A log of readings holds readings only."""
    trial.behave(**{"base/seed-0": "raise", "loss-ce/seed-0": "raise"})
    trial.run(trial.study(seeds=1))
    assert trial.folder.test_openings() == []


def test_without_a_log_no_test_rows(trial: Trial):
    """Where the reading cannot be logged it does not happen, and the study ends."""
    trial.record()
    (trial.folder.path / "test-openings.jsonl").mkdir()
    with pytest.raises(StoreError, match="test-openings"):
        trial.run()
    assert not was_read(trial)


@pytest.mark.parametrize("keep", ["best", "none"])
def test_weights_are_kept_as_the_study_says(trial: Trial, keep: str):
    """``keep_weights: none`` leaves no file of them."""
    trial.run(trial.study(f"keep_weights={keep}", seeds=1))
    assert (trial.folder.run_path(BASE_0) / "best.safetensors").exists() == (keep == "best")


def test_a_file_beside_the_study_does_not_stand_in_for_a_module(trial: Trial, monkeypatch):
    """Neither of Python's own nor of scantrial's: an own network's folder is looked at last."""
    monkeypatch.setattr(executor, "subprocess", subprocess)  # a process that has loaded nothing yet
    for name in ("json", "numpy", "queue"):
        (trial.path / f"{name}.py").write_text("raise RuntimeError('imported by mistake')\n")
    monkeypatch.chdir(trial.path)
    assert len(trial.run(trial.study(seeds=1)).finished) == 2
