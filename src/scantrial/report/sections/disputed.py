"""The test cases on which arms disagree: where the choice of an arm matters most."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from scantrial.core.format import counted, proportion
from scantrial.findings.mistakes import ArmOnMistake, DisputedCase
from scantrial.findings.view import ReportView
from scantrial.report.document import Block, Cell, Column, Gallery, Paragraph, Picture, Section, Table, text

SECTION = "disputed"


def disputed(view: ReportView, thumbnails: Mapping[int, bytes]) -> Section:
    """Show the cases that arms disagree on: pictures, and each arm's mean probability and share of right runs."""
    blocks: tuple[Block, ...]
    if not view.disputed:
        why = "There is one arm." if len(view.arms) < 2 else "All arms give every test case the same probabilities."
        blocks = (Paragraph(id="disputed-none", content=text(why)),)
    else:
        blocks = (
            Paragraph(id="disputed-lead", content=text(_lead(view))),
            _gallery(view.disputed, thumbnails),
            _table(view.disputed),
        )
    return Section(id=SECTION, title="Where arms disagree", short="Disagreement", blocks=blocks)


def _lead(view: ReportView) -> str:
    n = len(view.disputed)
    return (
        f"The {counted(n, 'test case')} on which the arms' mean probabilities of the true class differ most. "
        "They were selected because the arms differ on them, so they show how arms differ, not how often."
    )


def _gallery(cases: Sequence[DisputedCase], thumbnails: Mapping[int, bytes]) -> Gallery:
    return Gallery(
        id="disputed-pictures",
        caption="By case number; the table has each arm's probabilities.",
        pictures=tuple(
            Picture(
                png=thumbnails.get(one.case),
                alt=f"Case {one.case}, truly {one.true_class}",
                caption=f"case {one.case}, truly {one.true_class}",
            )
            for one in cases
        ),
    )


def _table(cases: Sequence[DisputedCase]) -> Table:
    arms = [arm.label for arm in cases[0].arms]
    titles = [
        Column(title="case"),
        Column(title="true class"),
        Column(title="source"),
        Column(title="spread", align="right"),
    ]
    return Table(
        id="disputed-cases",
        caption="Mean probability of the true class over an arm's runs, in per cent; below it, how many runs were "
        "right.",
        columns=(*titles, *(Column(title=label, align="right") for label in arms)),
        rows=tuple(
            (
                Cell(text=str(one.case), value=one.case),
                Cell(text=one.true_class),
                Cell(text=one.source),
                Cell(text=proportion(one.spread), value=one.spread),
                *(_cell(arm) for arm in one.arms),
            )
            for one in cases
        ),
        wide=len(arms) > 3,
    )


def _cell(arm: ArmOnMistake) -> Cell:
    return Cell(
        text=proportion(arm.mean_p_true), below=(f"{arm.n_right} of {arm.n_runs} right",), value=arm.mean_p_true
    )
