"""A later version, whose recipe has one key more with a default, goes on in folders that were written before it.

The later version runs in a process of its own, see `later/sitecustomize.py`.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from tests.studies import rewrite
from tests.unit.study import fake_engine
from tests.unit.study.trial import Trial

from scantrial.core.errors import StoreError
from scantrial.store.folder import StudyFolder
from scantrial.study.identity import Identities

ROOT = Path(__file__).parents[3]
LATER = Path(__file__).parent / "later"
FINISHED = ["base/seed-0", "base/seed-1", "loss-ce/seed-0"]


def hashed(facts: Any) -> str:
    return sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def write_identities_of_0_1_0(folder: StudyFolder) -> None:
    """Put into finished runs the hash of the whole recipe, as 0.1.0 did."""
    data, table = folder.data(), folder.cases(["case", "split", "label"])
    plan = json.loads((folder.path / "plan.json").read_text())
    recipes = {arm["name"]: arm["recipe"] for arm in plan["arms"]}
    scans = {
        **{name: data[name] for name in ("fingerprint", "class_names", "image", "pixel_type")},
        "cases": hashed([table[name].to_pylist() for name in table.column_names]),
    }
    for key in folder.run_keys():
        path = folder.run_path(key) / "run.json"
        facts = json.loads(path.read_text())
        what = hashed({"format": 1, "recipe": recipes[key.arm], "seed": key.seed, "scans": scans})
        rewrite(folder, path, json.dumps({**facts, "identity": {**facts["identity"], "what": what}}))


@pytest.fixture(scope="module", params=["of 0.1.0", "of today"])
def before(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trial]:
    """A study of four runs that stopped after three, written by the version that is here, or with 0.1.0's hashes."""
    trial = Trial(path=tmp_path_factory.mktemp("before"))
    (trial.path / "engine").mkdir()
    shutil.copy(fake_engine.__file__, trial.path / "engine" / "fake_engine.py")
    trial.behave(**{"loss-ce/seed-1": "checkpoint"})
    with pytest.MonkeyPatch.context() as patch:
        paths = (str(trial.path / "engine"), os.environ.get("PYTHONPATH", ""))
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, paths)))
        trial.run(threads=2)
        trial.behave()
        if request.param == "of 0.1.0":
            write_identities_of_0_1_0(trial.folder)
        yield trial


@pytest.fixture(scope="module")
def identities(before: Trial) -> dict[str, str | None]:
    """What the version that is here calls the finished runs."""
    return {str(key): Identities(before.folder).what(key) for key in before.folder.run_keys()}


@pytest.fixture(scope="module")
def seen(before: Trial, identities: dict[str, str | None]) -> dict[str, Any]:
    """What the later version made of the folder."""
    assert list(identities) == FINISHED
    paths = os.pathsep.join([str(LATER), str(ROOT), os.environ["PYTHONPATH"]])
    command = [sys.executable, str(LATER / "steps.py"), str(before.path)]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "PYTHONPATH": paths}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    assert found["default"] == "none"
    return found


def test_its_default_is_no_change(seen: dict[str, Any]):
    """The same study file changes nothing, and what is unfinished stays what it was."""
    assert (seen["change"], seen["changed"]) == ("", [])


def test_it_goes_on_with_what_is_unfinished(before: Trial, seen: dict[str, Any]):
    """One run is left, it has the new key, and its checkpoint was kept for it."""
    assert (seen["trained"], seen["recipes"]) == (["loss-ce/seed-1"], ["none"])
    assert before.trained()[-1] == "loss-ce/seed-1 goes on"


def test_another_value_is_a_conflict(seen: dict[str, Any]):
    """Finished runs were trained without what the key now asks for."""
    assert "arm base.recipe.warp: was 'none', now 'flip'" in seen["conflict"]


def test_the_default_changes_no_identity(seen: dict[str, Any], identities: dict[str, str | None]):
    """Another value does."""
    assert seen["identities"] == identities
    assert None not in identities.values()
    assert seen["other identity"] not in identities.values()


def test_equal_runs_are_taken_over(seen: dict[str, Any]):
    """With the default all finished runs, with another value none."""
    assert sorted(seen["taken over"]) == FINISHED
    assert seen["taken over flipped"] == []


def test_the_folder_is_reported_and_served(seen: dict[str, Any]):
    """The study file and each arm's recipe show the key, no arm differs in it, and a page shows all four runs."""
    assert seen["report"] == 3
    assert all("warp" not in settings for settings in seen["differing"])
    assert seen["page"] == 4


def test_what_the_later_one_wrote_is_refused_here(before: Trial, seen: dict[str, Any]):
    """A key that is not known may decide the numbers: the message names it, and what can read it."""
    path = before.path / "flipped" / "study"
    with pytest.raises(StoreError, match=r"does not know: arms\.0\.recipe\.warp = 'flip'") as caught:
        StudyFolder(path).plan()
    assert str(path / "plan.json") in caught.value.got
    assert seen["taken over flipped"] == []
    assert "newer one" in str(caught.value.do)
