"""The test cases that the runs together got most wrong, as pictures."""

from __future__ import annotations

from collections.abc import Mapping

from scantrial.core import format as fmt
from scantrial.findings.mistakes import WorstCase
from scantrial.findings.view import ReportView
from scantrial.prose import study as study_prose
from scantrial.report.document import Picture, Section, Table
from scantrial.report.sections.parts import blocks, gallery, left, number, paragraph, right, table


def worst(view: ReportView, thumbnails: Mapping[int, bytes]) -> Section:
    """Show the worst cases, each with its picture and the predictions of every arm."""
    if not view.worst:
        nothing = paragraph("worst-none", "There are no test predictions.")
        return Section(id="worst", title="Worst cases", blocks=nothing)
    look = "Check them: is the label right, is the picture intact?"
    said = paragraph("worst-said", [study_prose.worst_heading(view), look])
    return Section(
        id="worst", title="Worst cases", blocks=blocks(said, [_case(case, thumbnails) for case in view.worst])
    )


def _case(case: WorstCase, thumbnails: Mapping[int, bytes]) -> Section:
    name = f"worst-{case.case}"
    picture = Picture(png=thumbnails.get(case.case), alt=f"Case {case.case}, truly {case.true_class}", caption="")
    whose = f" · patient {case.patient}" if case.patient else ""
    said = (
        f"{case.source}{whose}. Mean probability of {case.true_class} over all runs: "
        f"{fmt.percent(case.mean_p_true, 1)}. Classified correctly by {case.n_right} of "
        f"{fmt.counted(case.n_runs, 'run')}."
    )
    return Section(
        id=name,
        title=f"Case {case.case}: truly {case.true_class}",
        blocks=blocks(
            gallery(f"{name}-picture", [picture]),
            paragraph(f"{name}-said", said, "small"),
            [_arms(case, f"{name}-arms")],
        ),
    )


def _arms(case: WorstCase, name: str) -> Table:
    return table(
        name,
        f"Case {case.case} under every arm",
        [*left("Arm"), *right(f"Mean probability of {case.true_class}, %", "Right")],
        [
            [
                arm.label,
                number(fmt.proportion(arm.mean_p_true), arm.mean_p_true),
                f"{arm.n_right} of {arm.n_runs}",
            ]
            for arm in case.arms
        ],
    )
