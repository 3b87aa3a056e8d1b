"""Whether the plan of a folder is the one that its study file makes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from scantrial.core.errors import StoreError, StudyFileError
from scantrial.core.yaml import read_tree
from scantrial.recipe.plan import Plan
from scantrial.store.folder import StudyFolder
from scantrial.store.verify import Mismatch
from scantrial.study.changes import differences
from scantrial.study.file import study_of
from scantrial.study.to_plan import study_to_plan


def plan_mismatches(folder: StudyFolder) -> Iterator[Mismatch]:
    """Yield every value of ``plan.json`` that does not follow from ``study.yaml``; the scans are not looked for."""
    try:
        text, plan = folder.study_text(), folder.plan()
    except StoreError as error:
        yield _mismatch(error.got)
        return
    tree = read_tree(text)
    if isinstance(tree.data, dict) and isinstance(tree.data.get("data"), dict):
        tree.data["data"]["source"] = "phantom"  # needs no files; sources are not compared
    try:
        made = study_to_plan(study_of(tree, source="study.yaml"))
    except StudyFileError as error:
        yield _mismatch(f"study.yaml cannot be compared with plan.json: it has faults, the first is: {error.faults[0]}")
        return
    for difference in differences("plan.json", _compared(made), _compared(plan)):
        yield _mismatch(f"{difference} ('was' is what study.yaml says)")


def _compared(plan: Plan) -> dict[str, Any]:
    """Return what both say, without the labels, which versions of scantrial may word differently."""
    content = plan.to_dict()
    data = {key: value for key, value in content["data"].items() if key != "source"}
    arms = {arm["name"]: arm["recipe"] for arm in content["arms"]}
    return {**content, "data": data, "arms": arms, "order of the arms": list(plan.arm_names)}


def _mismatch(sentence: str) -> Mismatch:
    return Mismatch(kind="plan", where="plan.json", sentence=sentence)
