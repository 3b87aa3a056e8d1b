"""How augmentation changes the training scans of a study, in a picture."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from scantrial.api.checks import require_torch
from scantrial.api.study_folder import study_scans
from scantrial.core.errors import InputError
from scantrial.core.names import listed
from scantrial.core.plain import LEFT_OUT, Plain
from scantrial.core.progress import Progress, silent
from scantrial.data.arm_images import decoding
from scantrial.prose.references import without_citations
from scantrial.recipe.augment import colour_fault, describe
from scantrial.recipe.plan import Plan, PlannedArm
from scantrial.store.folder import RunKey, open_folder
from scantrial.study.to_plan import planned_data


@dataclass(frozen=True, slots=True, kw_only=True)
class AugmentedScans(Plain):
    """Some training scans, plain and augmented.

    Parameters
    ----------
    seed : the draws are those of this seed
    cases : case numbers of the lines of the picture
    epochs : of the columns after the first, which shows the scan itself
    said : what augmentation does, in words
    png : the picture
    """

    arm: str
    seed: int
    cases: tuple[int, ...]
    epochs: tuple[int, ...]
    said: str
    png: bytes = field(metadata=LEFT_OUT)


def augmented_scans(
    folder: str | Path, *, arm: str | None = None, seed: int | None = None, n: int = 8, progress: Progress = silent
) -> AugmentedScans:
    """Draw some training scans as they are, and as the draws of a run's first epochs change them.

    Parameters
    ----------
    arm : default: the first arm that augments
    seed : default: the study's first
    n : scans, of every class in turn

    Raises
    ------
    InputError
        If there is no such arm, it does not augment or changes colours of gray scans, or it has no such seed.
    DataError
        If the study's scans are not where they were, or are other scans now.
    """
    require_torch("show --augmented")
    from scantrial.train.batches import batches_of  # noqa: PLC0415 - PyTorch only where it is needed
    from scantrial.train.contact_sheet import EPOCHS, contact_sheet, shown_rows  # noqa: PLC0415 - as above

    store = open_folder(folder)
    plan = store.plan()
    planned, seed = _augmenting(plan, arm), plan.seeds[0] if seed is None else seed
    if seed not in plan.seeds:
        raise InputError(f"the study has no seed {seed}", expected=f"one of {listed(map(str, plan.seeds))}")
    first = RunKey(planned.name, seed, *(plan.folds or [()])[0])
    scans = study_scans(folder, progress=progress)
    images = scans.shaped(decoding(planned.recipe.image, planned_data(plan, store).image)).images
    colours = colour_fault(planned.recipe.augment, n_channels=1 if images.ndim == 3 else images.shape[3])
    if colours is not None:
        raise InputError(f"the arm {planned.name} cannot be shown: {colours}")
    batches = batches_of(planned.recipe, images, scans.labels, scans.cases_of("train"), seed=first.drawn_seed)
    rows = shown_rows(batches.labels.tolist(), n)
    return AugmentedScans(
        arm=planned.name,
        seed=seed,
        cases=tuple(batches.cases[rows].tolist()),
        epochs=EPOCHS,
        said=without_citations(describe(planned.recipe.augment)),
        png=contact_sheet(batches, rows, EPOCHS),
    )


def _augmenting(plan: Plan, name: str | None) -> PlannedArm:
    """Return the arm of that name, or the first that augments."""
    able = [arm for arm in plan.arms if arm.recipe.augment is not None]
    if not able:
        raise InputError("no arm of this study augments its scans", expected="an arm with recipe.augment")
    chosen = able[0] if name is None else next((arm for arm in able if arm.name == name), None)
    if chosen is None:
        known = listed(arm.name for arm in able)
        what = "does not augment" if name in plan.arm_names else "is not in this study"
        raise InputError(f"the arm {name} {what}", expected=f"one of {known}")
    return chosen
