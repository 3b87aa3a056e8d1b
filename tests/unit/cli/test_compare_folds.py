"""`scantrial compare --predictions` of cross-validations, and of folds that are given as seeds."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from scantrial.cli import compare as command
from scantrial.core.errors import InputError

N = 120
OPTIONS = {"metric": "accuracy", "margin": None, "control": None, "pairs": None}


def write(path: Path, *, fold: str, lead: float) -> Path:
    """Write 120 cases in five folds of two arms, the second of which leads."""
    rng = np.random.default_rng(1)
    y = np.arange(N) % 2
    lines = [f"arm,{fold},case,label,score"]
    for k, arm in enumerate("AB"):
        p = 1 / (1 + np.exp(-((0.8 + lead * k) * (2 * y - 1) + rng.normal(0, 1, N))))
        lines += [f"{arm},{i % 5},c{i},{y[i]},{p[i]}" for i in range(N)]
    path = path / "folds.csv"
    path.write_text("\n".join(lines))
    return path


def test_a_terminal_shows_arms_differences_and_notes(tmp_path, consoles, monkeypatch):
    """At 80 columns nothing is cut; the correction is called what it is."""
    monkeypatch.chdir(tmp_path)
    out = consoles(terminal=True, width=80)
    command.compare(None, Path(write(tmp_path, fold="fold", lead=3.0).name), as_json=False, **OPTIONS)
    text = re.sub(r"\x1b\[[0-9;]*m", "", out.file.getvalue())
    assert max(map(len, text.splitlines())) <= 80
    whole = " ".join(text.split())
    assert "120 test cases in 5 folds (60 of class 0, 60 of class 1; positive class: 1)" in whole
    assert "SD over folds" in whole
    assert "B - A: ahead in 5 of 5 folds; differences from" in whole
    assert "B is better than A by" in whole
    assert "heuristic that was derived for random splits" in whole


def test_folds_given_as_seeds_are_refused_with_the_way_out(tmp_path):
    """What a reader finds who names the column `seed`; the same file is compared once it is named `fold`."""
    with pytest.raises(InputError) as caught:
        command.compare(None, write(tmp_path, fold="seed", lead=0.3), as_json=False, **OPTIONS)
    told = str(caught.value)
    assert "the 5 seeds of arm A test 24 of the 120 cases each, and share no case" in told
    assert "Name the column fold instead of seed" in told
    assert len(told.splitlines()) <= 3


def test_json_in_a_process_of_its_own(tmp_path, cli):
    """The whole way from the command line."""
    done = cli("compare", "--predictions", write(tmp_path, fold="fold", lead=0.3), "--metric", "auroc", "--json")
    found = json.loads(done.stdout)
    assert (found["design"], len(found["folds"]), found["test_share"]) == ("cross-validation", 5, 0.25)
    assert found["comparisons"][0]["verdict"] == "inconclusive"
