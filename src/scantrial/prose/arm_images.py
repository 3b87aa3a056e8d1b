"""The images of arms that have their own, in words for the methods."""

from __future__ import annotations

from scantrial.core.format import count, counted, joined
from scantrial.findings.view import ArmView, ReportView


def arm_images(view: ReportView) -> list[str]:
    """Say how the images of arms differ from those of the study, one sentence for all arms that agree."""
    n_scans = view.data.n_unused + sum(sum(counts.values()) for counts in view.data.counts.values())
    said: dict[str, list[str]] = {}
    for arm in view.arms:
        if arm.runs and arm.runs[0].facts.images is not None:
            said.setdefault(_made(arm, n_scans), []).append(arm.label)
    arms = {what: f"{'arm' if len(labels) == 1 else 'arms'} {joined(labels)}" for what, labels in said.items()}
    return [f"For {named}, scans were {what}." for what, named in arms.items()]


def _made(arm: ArmView, n_scans: int) -> str:
    facts, image = arm.runs[0].facts, arm.recipe.image
    size = " × ".join(map(str, facts.image_shape[1:]))
    crop = image.crop_border if image is not None and image.crop_border else 0.0
    cut = f", without {100 * crop:g} % of the height and of the width at each border," if crop else ""
    made = f"decoded from their files once more{cut} to {size} pixels (bilinear interpolation with antialiasing)"
    n_enlarged = (facts.images or {}).get("n_enlarged")
    if not n_enlarged:
        return made
    of = "all scans have" if n_enlarged == n_scans else f"{counted(int(n_enlarged), 'scan')} of {count(n_scans)} have"
    return f"{made}; {of} fewer pixels than this in the file and were enlarged, which adds no detail"
