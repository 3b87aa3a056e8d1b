"""Decide whether a study file may continue in a folder that already has finished runs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from scantrial.core.errors import StudyConflictError, itemised
from scantrial.recipe.plan import Plan, PlannedArm
from scantrial.store.folder import RunKey, StudyFolder
from scantrial.study.to_plan import planned_data

_RESTORE_CODE = (
    "put the files back as they were when these runs were trained: all classes of a file count as changed with it, as "
    "they share its code. To mend or add one class, write it into a file of its own, which the study then names. Or "
)


def describe_change(folder: StudyFolder, plan: Plan) -> str:
    """Return in words what `plan` changes in the folder's plan; empty if nothing.

    The scans are compared by `scantrial.study.record.check_same_scans`.

    Raises
    ------
    StudyConflictError
        If an arm or a seed with finished runs would change or be removed; the message shows the difference.
    """
    if not folder.exists():
        return "first version"
    old = folder.plan()
    found = list(_conflicts(folder, old, plan))
    if found:
        code = [item for item in found if re.match(r"arm \S+\.(source|helpers)_sha256", item)]
        raise StudyConflictError(
            f"{folder.path} holds runs of another study; the difference:\n{itemised(found)}",
            expected="unchanged arms and seeds where runs are finished; others may be added",
            do=(_RESTORE_CODE if code else "") + "run into a new folder (--out DIR), or restore the study file",
        )
    return "; ".join(_words(folder, old, plan))


def changed_keys(folder: StudyFolder, plan: Plan) -> list[RunKey]:
    """Return the unfinished runs in the folder whose arm has changed or that are no longer planned."""
    old = folder.plan().arms if folder.exists() else ()
    same = [arm.name for arm in old if arm in plan.arms]
    places = plan.folds or (None,)
    return [
        key
        for key in folder.unfinished_keys()
        if key.arm not in same or key.seed not in plan.seeds or key.place not in places
    ]


def _words(folder: StudyFolder, old: Plan, new: Plan) -> Iterator[str]:
    for what, before, now in (("arms", old.arm_names, new.arm_names), ("seeds", old.seeds, new.seeds)):
        for verb, items in (("added", _without(now, before)), ("removed", _without(before, now))):
            if items:
                yield f"{verb} {what}: {', '.join(map(str, items))}"
    n_before, n_now = (len({repeat for repeat, _ in plan.folds}) for plan in (old, new))
    if n_before and n_now > n_before:
        yield f"{n_now} repeats instead of {n_before}"
    others = [key for key in type(new).model_fields if key not in ("arms", "seeds") and _differs(key, folder, old, new)]
    if others:
        yield f"changed {', '.join(others)}"


def _differs(key: str, folder: StudyFolder, old: Plan, new: Plan) -> bool:
    if key == "data":
        return planned_data(old, folder).without_folders() != planned_data(new, folder).without_folders()
    return bool(getattr(old, key) != getattr(new, key))


def _conflicts(folder: StudyFolder, old: Plan, new: Plan) -> Iterator[str]:
    """Yield one line for every change that would affect finished runs."""
    finished = folder.run_keys()
    for arm in old.arms:
        if not any(key.arm == arm.name for key in finished):
            continue
        if arm.name not in new.arm_names:
            yield f"arm {arm.name}: has finished runs, but is missing now"
        else:
            yield from differences(f"arm {arm.name}", arm.trained, _as_known(arm, new.arm(arm.name)).trained)
    gone = [seed for seed in _without(old.seeds, new.seeds) if any(key.seed == seed for key in finished)]
    if gone:
        yield f"seeds {', '.join(map(str, gone))}: have finished runs, but are missing now"
    repeats = {key.repeat for key in finished if key.place is not None and key.place not in new.folds}
    if repeats:
        yield f"repeats {', '.join(map(str, sorted(repeats, key=str)))}: have finished runs, but are missing now"


def _as_known(old: PlannedArm, new: PlannedArm) -> PlannedArm:
    """Leave out of a new arm what an earlier version stored nothing of: the files that its network imports."""
    return new if old.helpers_sha256 else new.model_copy(update={"helpers_sha256": None})


def differences(where: str, old: Any, new: Any) -> Iterator[str]:
    """Yield one line for each leaf that differs between two trees of plain data."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in sorted(old.keys() | new.keys()):
            yield from differences(f"{where}.{key}", old.get(key), new.get(key))
    elif old != new:
        yield f"{where}: was {old!r}, now {new!r}"


def _without(items: Sequence[Any], others: Sequence[Any]) -> list[Any]:
    return [item for item in items if item not in others]
