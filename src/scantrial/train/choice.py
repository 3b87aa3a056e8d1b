"""Which engine trains which recipe, and why. Needs no PyTorch: the choice is made before it is loaded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from scantrial.core.errors import InputError, StudyConflictError, itemised
from scantrial.core.machine import without_folders
from scantrial.recipe.networks import network_of
from scantrial.recipe.spec import Recipe
from scantrial.train.kernel import kernel_state

ENGINES = {"reference": "scantrial.train.reference:train_run", "fused": "scantrial.train.engines:train_run"}
"""The functions that train a study's runs. The second passes what the fused engine cannot train to the reference."""

FUSED_OPTIMIZERS = ("adam", "adamw", "sgd")
"""The optimisers that the kernel supports."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineChoice:
    """The engine that trains the runs of a study.

    Parameters
    ----------
    engine : "module:function", one of `ENGINES`
    reason : why it was chosen; recorded with each run
    """

    engine: str
    reason: str


def choose_engine(asked: str, recipes: Mapping[str, Recipe], *, device: str, fixed: str | None) -> EngineChoice:
    """Choose the engine that trains a study's runs.

    Parameters
    ----------
    asked : ``auto``, ``reference`` or ``fused``
    recipes : of the arms, by name
    device : ``auto``, ``cpu``, ``cuda`` or ``mps``, as asked for
    fixed : the engine of the runs that the study's folder has, one of `ENGINES`; None for a new folder

    Raises
    ------
    InputError
        If ``fused`` is asked for and is not available or cannot train an arm; every such arm is named.
    StudyConflictError
        If the folder's runs were trained by the fused engine, which is not available here.
    """
    state = kernel_state()
    if asked == "fused":
        _refuse_unfit(recipes, device=device)
    if asked != "auto":
        return EngineChoice(engine=ENGINES[asked], reason="asked for")
    if fixed == ENGINES["fused"] and not state.available:
        raise StudyConflictError(
            f"the runs in this folder were started with the fused engine, which is not available here: {state.reason}",
            expected="one engine for all runs of a recipe",
            do="make it available (`scantrial env` shows whether it is), or run into a new folder",
        )
    if fixed == ENGINES["reference"]:
        return EngineChoice(engine=fixed, reason="auto: it trained the folder's first runs")
    if not state.available:
        return EngineChoice(
            engine=ENGINES["reference"], reason=without_folders(f"auto: no fused engine, {state.reason}")
        )
    return EngineChoice(engine=ENGINES["fused"], reason="auto: it can train this recipe and is faster")


def why_not_fused(recipe: Recipe, *, device: str) -> str | None:
    """Return why the fused engine cannot train a recipe, or None if it can."""
    if device not in ("auto", "cpu"):
        return f"the fused engine trains on the CPU, not on {device}"
    if recipe.model.is_custom:
        return (
            "whether the first layer of a custom class is linear on pixels is not known, and the fused engine needs it"
        )
    if not network_of(recipe.model.name).is_linear_on_pixels:
        return f"the first layer of {recipe.model.name} is not linear on pixels, which the fused engine needs"
    if recipe.optimizer.name not in FUSED_OPTIMIZERS:
        return f"the fused engine does not support the optimizer {recipe.optimizer.name}"
    if recipe.augment is not None:
        return "augmentation changes the pixels of every step, and the fused engine takes them as they are stored"
    if recipe.clip_grad_norm is not None:
        return "clip_grad_norm needs the whole gradient at once, which the fused engine never holds"
    if recipe.accumulate > 1:
        return "accumulate needs the sum of several gradients, which the fused engine never holds"
    if recipe.ema is not None:
        return "ema reads all weights once more at every step, which the fused engine avoids"
    if recipe.precision != "float32":
        return f"the fused engine computes in float32, not in {recipe.precision}"
    return None


def _refuse_unfit(recipes: Mapping[str, Recipe], *, device: str) -> None:
    state = kernel_state()
    faults = [] if state.available else [f"it is not available: {state.reason}"]
    reasons = {name: why_not_fused(recipe, device=device) for name, recipe in recipes.items()}
    faults += [f"arm {name}: {reason}" for name, reason in reasons.items() if reason]
    if faults:
        raise InputError(
            f"--engine fused cannot be used:\n{itemised(faults)}",
            do="leave it out: auto uses the reference engine where needed",
        )
