"""The files of pretrained weights that a study names: where they are, and their hashes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from scantrial.core.files import sha256_of
from scantrial.recipe.networks import ModelSpec
from scantrial.recipe.pretrained import PACKAGES
from scantrial.recipe.spec import Recipe
from scantrial.study.arms import BASE, Draft, at_setting
from scantrial.study.faults import Problem
from scantrial.study.study import Arm


def frozen_untrained(arms: Sequence[Arm]) -> tuple[str, ...]:
    """Return a sentence for each arm that freezes weights which nobody has trained."""
    return tuple(
        f"arm {arm.name}: freeze: {arm.recipe.model.freeze} keeps random weights (pretrained: none)"
        + ("; only the last layer learns." if arm.recipe.model.freeze == "all" else ".")
        for arm in arms
        if arm.recipe.model.freeze and not arm.recipe.model.is_pretrained
    )


class WeightsOfArms:
    """Find the pretrained weights of a study's arms, and collect all problems.

    Parameters
    ----------
    drafts : the arms, which may have faults
    base : the folder that their paths start from
    """

    def __init__(self, drafts: Sequence[Draft], base: Path) -> None:
        self.problems: list[Problem] = []
        self.files: dict[str, Path] = {}
        self._base = base
        self._hashes: dict[str, str] = {}
        told: set[str] = set()
        for draft in drafts:
            message = None if draft.recipe is None else self._fault(draft.recipe.model)
            if message is not None and message not in told:
                told.add(message)
                whole = Problem(path=("recipe", "model", "pretrained"), message=message)
                inside = Problem(path=("model", "pretrained"), message=message)
                self.problems.append(whole if draft.name == BASE else at_setting(inside, draft))

    def with_hashes(self, arm: Arm) -> Arm:
        """Return an arm whose recipe holds the hash of its weights; call it only if there are no problems."""
        model = arm.recipe.model
        if not model.is_pretrained:
            return arm
        found = self._hashes[model.weights_file] if model.weights_file else PACKAGES[model.name].sha256
        recipe: Recipe = arm.recipe.model_copy(
            update={"model": model.model_copy(update={"weights_sha256": found})},
        )
        return replace(arm, recipe=recipe)

    def _fault(self, model: ModelSpec) -> str | None:
        """Return why the weights of a model cannot be used, or None; the hash of its file is kept."""
        if not model.is_pretrained:
            return None
        found: str | None = PACKAGES[model.name].sha256 if model.name in PACKAGES else None
        if model.weights_file is not None:
            path = self._base / model.weights_file
            try:
                if model.weights_file not in self._hashes:
                    self._hashes[model.weights_file] = sha256_of(path)
            except OSError as error:
                return f"{model.weights_file}: {error.strerror or error}; expected a file, relative to {self._base}"
            found = self._hashes[model.weights_file]
            self.files[found] = path
        if model.weights_sha256 not in (None, found):
            return f"the weights {model.pretrained} have SHA-256 {found}; weights_sha256 says {model.weights_sha256}"
        return None
