"""What a study comes to, as plain data for ``plan.json``: what is left when every default is spelled out."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from scantrial.core.files import sha256_of
from scantrial.study.study import Arm, Study


def study_to_plan(study: Study) -> dict[str, Any]:
    """Return question, data, design, arms with their recipes, seeds, primary measure and hypotheses.

    An arm whose network is a class of the user's own also has ``source_sha256``, of the file that it is in.
    """
    spec = study.spec.model_dump(mode="json", exclude_none=True)
    return {
        "study": study.spec.study,
        "data": spec["data"],
        "design": spec["design"] if isinstance(study.spec.design, str) else "list of arms",
        "factors": spec["factors"],
        "arms": [_arm(arm, import_paths(study)) for arm in study.arms],
        "seeds": list(study.seeds),
        "primary": spec["primary"],
        "hypotheses": [{"claim": item.claim, "kind": item.kind, "arms": list(item.arms)} for item in study.hypotheses],
        "acknowledge": spec["acknowledge"],
        "keep_weights": spec["keep_weights"],
        **({"about": spec["about"]} if spec.get("about") else {}),
    }


def import_paths(study: Study) -> tuple[str, ...]:
    """Return the folders where a user's own network is looked for: the study file's, and the working directory."""
    return tuple(dict.fromkeys((str(study.base.resolve()), str(Path.cwd()))))


def _arm(arm: Arm, paths: Sequence[str]) -> dict[str, Any]:
    model = arm.recipe.model
    return {
        **({"source_sha256": _source_sha256(model.name, paths)} if model.is_custom else {}),
        "name": arm.name,
        "label": arm.label,
        "settings": dict(arm.settings),
        "factor": arm.factor,
        "level": arm.level,
        "recipe": arm.recipe.to_dict(),
    }


def _source_sha256(name: str, paths: Sequence[str]) -> str | None:
    """Return the hash of the file that ``package.module:Class`` is in, without importing it; None if not found here."""
    relative = Path(*name.partition(":")[0].split("."))
    for folder in (*paths, *sys.path):
        for candidate in (Path(folder) / relative.with_suffix(".py"), Path(folder) / relative / "__init__.py"):
            if candidate.is_file():
                return sha256_of(candidate)
    return None
