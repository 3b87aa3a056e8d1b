"""What a later scantrial does with folders that were written before it; tells what came of it as JSON."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from tests.unit.study.trial import Trial
from tests.web.serving import served

from scantrial import api
from scantrial.core.errors import StudyConflictError
from scantrial.recipe.spec import Recipe
from scantrial.study.changes import changed_keys, describe_change
from scantrial.study.identity import Identities
from scantrial.study.to_plan import study_to_plan


def steps(trial: Trial) -> dict[str, Any]:
    """Compare, resume, conflict, take over, report, serve."""
    plan = study_to_plan(trial.study())
    seen: dict[str, Any] = {
        "default": Recipe().warp,  # type: ignore[attr-defined] # only in the later version
        "change": describe_change(trial.folder, plan),
        "changed": list(map(str, changed_keys(trial.folder, plan))),
        "identities": {str(key): Identities(trial.folder).what(key) for key in trial.folder.run_keys()},
    }
    seen["other identity"] = identity_of(trial, "recipe.warp=flip")
    seen["conflict"] = conflict(trial)
    seen["taken over"] = reused(trial, "equal")
    seen["taken over flipped"] = reused(trial, "flipped", "recipe.warp=flip")
    seen["trained"] = list(map(str, trial.run(threads=2).trained))
    seen["recipes"] = [trial.folder.facts(key).recipe["warp"] for key in trial.folder.run_keys()[-1:]]
    seen["report"] = api.report(trial.folder.path).read_text(encoding="utf-8").count("warp: none")
    seen["differing"] = [dict(arm.differing) for arm in api.results(trial.folder.path).arms]
    with served(trial.path) as reader:
        seen["page"] = reader.json("/s/study")["progress"]["n_finished"]
    return seen


def identity_of(trial: Trial, *sets: str) -> str | None:
    other = Trial(path=trial.path / "identity")
    other.path.mkdir()
    other.record(other.study(*sets))
    return Identities(other.folder).what(other.folder.planned_keys()[0])


def conflict(trial: Trial) -> str:
    try:
        trial.run(trial.study("recipe.warp=flip"), threads=2)
    except StudyConflictError as error:
        return str(error)
    return ""


def reused(trial: Trial, name: str, *sets: str) -> list[str]:
    other = Trial(path=trial.path / name)
    other.path.mkdir()
    return list(map(str, other.run(other.study(*sets), reuse=(trial.folder.path,), threads=2).reused))


if __name__ == "__main__":
    print(json.dumps(steps(Trial(path=Path(sys.argv[1])))))
