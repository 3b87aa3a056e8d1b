"""A study as the `Plan` of its folder, with every default spelled out."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from scantrial.core.custom_code import CustomClass, find_class
from scantrial.core.errors import InputError
from scantrial.data.places import place_of
from scantrial.data.spec import DataSpec
from scantrial.recipe.networks import ModelSpec
from scantrial.recipe.plan import AcceptedFinding, Plan, PlannedArm, read_typed
from scantrial.store.folder import StudyFolder
from scantrial.study.study import Arm, Study


def study_to_plan(study: Study) -> Plan:
    """Return question, data, design, arms with their recipes, seeds, primary measure and hypotheses.

    An arm with a custom network also has ``source_sha256``, the hash of the file of its class, and those of the files
    beside it that it imports.
    """
    spec = study.spec.model_dump(mode="json", exclude_none=True)
    return Plan(
        study=study.spec.study,
        data=spec["data"],
        design=study.spec.design if isinstance(study.spec.design, str) else "list of arms",
        factors=spec["factors"],
        arms=tuple(_arm(arm, code_folders(study)) for arm in study.arms),
        seeds=study.seeds,
        primary=study.spec.primary,
        hypotheses=study.hypotheses,
        acknowledge=tuple(AcceptedFinding(finding=item.finding, reason=item.reason) for item in study.spec.acknowledge),
        keep_weights=study.spec.keep_weights,
        about=spec.get("about") or None,
    )


def planned_data(plan: Plan, folder: StudyFolder) -> DataSpec:
    """Return the scans of a folder's plan, typed, completed as the plan is; a StoreError if they are damaged."""
    return read_typed(DataSpec, plan.data, where=f"{folder.path / 'plan.json'}, data")


def base_of(store: StudyFolder) -> Path | None:
    """Return the folder that the name of a folder's scans starts from on this machine, or None if that is not known."""
    name = planned_data(store.plan(), store).source.name
    known = place_of(str(store.data()["fingerprint"]), name) if store.has_data() else None
    if known is not None:
        return known
    environment = store.environment() if store.has_environment() else {}
    above, path = environment.get("paths_start_above"), store.path.resolve()
    if isinstance(above, int):
        return (path, *path.parents)[above] if 0 <= above <= len(path.parents) else None
    # Folders of scantrial 0.1.0 name it; from there scans are read, and nothing is imported.
    paths = environment.get("import_paths", ())
    return Path(paths[0]) if paths else None


def code_folders(study: Study) -> tuple[str, ...]:
    """Return the folders to search for custom networks: the study file's, the working directory, and Python's own."""
    return tuple(dict.fromkeys((str(study.base.resolve()), str(Path.cwd()), *sys.path)))


def _arm(arm: Arm, paths: Sequence[str]) -> PlannedArm:
    found = _custom_class(arm.recipe.model, paths)
    return PlannedArm(
        source_sha256=None if found is None else found.sources[-1].sha256,
        helpers_sha256=None if found is None else found.helpers_sha256,
        name=arm.name,
        label=arm.label,
        settings=dict(arm.settings),
        factor=arm.factor,
        level=arm.level,
        recipe=arm.recipe,
    )


def _custom_class(model: ModelSpec, paths: Sequence[str]) -> CustomClass | None:
    """Return where ``package.module:Class`` is, without importing it; None if not found, or for another network."""
    try:
        return find_class(model.name, paths) if model.is_custom else None
    except InputError:
        return None
