"""Whether a study file may go on in a folder that already holds finished runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from scantrial.core.errors import StudyConflictError
from scantrial.store.folder import RunKey, StudyFolder


def describe_change(folder: StudyFolder, plan: Mapping[str, Any]) -> str:
    """Return in words what `plan` changes in the folder's; empty if nothing.

    Whether the scans are the same is not told here but by `scantrial.study.record.check_same_scans`.

    Raises
    ------
    StudyConflictError
        If an arm or a seed with finished runs would change or go; the message shows the difference.
    """
    if not folder.exists():
        return "first version"
    old = folder.plan()
    if old == dict(plan):
        return ""
    differences = list(_conflicts(folder, old, plan))
    if differences:
        raise StudyConflictError(
            f"{folder.path} holds runs of another study; the difference:\n" + "\n".join(f"  {d}" for d in differences),
            expected="the arms and seeds that have finished runs, as they were; others may be added",
            do="run into a new folder (--out DIR), or bring the study file back to what it was",
        )
    return "; ".join(_words(old, plan))


def changed_keys(folder: StudyFolder, plan: Mapping[str, Any]) -> list[RunKey]:
    """Return the unfinished runs that the folder keeps something of, but that are no longer what they were."""
    old = folder.plan() if folder.exists() else {"arms": [], "seeds": []}
    same = [_name(arm) for arm in old["arms"] if arm in plan["arms"]]
    return [key for key in folder.unfinished_keys() if key.arm not in same or key.seed not in plan["seeds"]]


def _words(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    for what, before, now in (
        ("arms", [_name(arm) for arm in old["arms"]], [_name(arm) for arm in new["arms"]]),
        ("seeds", old["seeds"], new["seeds"]),
    ):
        for verb, items in (("added", _without(now, before)), ("removed", _without(before, now))):
            if items:
                yield f"{verb} {what}: {', '.join(map(str, items))}"
    others = [key for key in {**new, **old} if key not in ("arms", "seeds") and old.get(key) != new.get(key)]
    if others:
        yield f"changed {', '.join(others)}"


def _conflicts(folder: StudyFolder, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    """Yield one line for everything that finished runs stand on and that would change."""
    finished = folder.run_keys()
    arms = {_name(arm): arm for arm in new["arms"]}
    for arm in old["arms"]:
        if not any(key.arm == _name(arm) for key in finished):
            continue
        if _name(arm) not in arms:
            yield f"arm {_name(arm)}: has finished runs, now missing"
        else:
            yield from differences(f"arm {_name(arm)}", _trained(arm), _trained(arms[_name(arm)]))
    gone = [seed for seed in _without(old["seeds"], new["seeds"]) if any(key.seed == seed for key in finished)]
    if gone:
        yield f"seeds {', '.join(map(str, gone))}: have finished runs, now missing"


def differences(where: str, old: Any, new: Any) -> Iterator[str]:
    """Yield one line for each leaf that differs between two trees of plain data."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in sorted(old.keys() | new.keys()):
            yield from differences(f"{where}.{key}", old.get(key), new.get(key))
    elif old != new:
        yield f"{where}: was {old!r}, now {new!r}"


def _name(arm: Mapping[str, Any]) -> str:
    return str(arm["name"])


def _trained(arm: Mapping[str, Any]) -> dict[str, Any]:
    """Return what decides an arm's numbers."""
    return {key: arm[key] for key in ("recipe", "source_sha256") if key in arm}


def _without(items: list[Any], others: list[Any]) -> list[Any]:
    return [item for item in items if item not in others]
