"""What augmentation makes of the training scans, in pictures that a run of each arm keeps."""

from __future__ import annotations

from collections.abc import Mapping

from scantrial.findings.view import ReportView
from scantrial.report.document import Gallery, Picture, Section
from scantrial.report.sections.parts import paragraph, slugs


def augmented_scans_section(view: ReportView, sheets: Mapping[str, bytes]) -> Section | None:
    """Show a sheet of training scans for each arm that augments and keeps pictures; None if there is none.

    Parameters
    ----------
    sheets : PNG bytes by the arm's name
    """
    arms = [arm for arm in view.arms if arm.name in sheets]
    if not arms:
        return None
    names = slugs(arm.name for arm in arms)
    said = (
        "Some training scans as they are, and as the draws of the first epochs of the arm's first seed change them, "
        "before any standardisation. Arms with the same operation and seed share its draws."
    )
    galleries = [
        Gallery(
            id=f"augmented-{names[arm.name]}",
            caption=f"Training scans of {arm.label}.",
            pictures=(Picture(png=sheets[arm.name], alt=f"Augmented training scans of {arm.label}", caption=""),),
            are_sheets=True,
        )
        for arm in arms
    ]
    return Section(
        id="augmented",
        title="Augmented training scans",
        short="Augmentation",
        blocks=(*paragraph("augmented-lead", said), *galleries),
    )
