"""The part of the document about one study: printed numbers beside ours."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from replicating.markdown import ABSENT, difference, printed, spread, table
from replicating.measures import (
    QUANTITY_WORDS,
    Unit,
    curve_point,
    find_measure,
    point_value,
    values_of,
)
from replicating.reports import Aggregate, ReportedArm, Reports, Row, ShownImage, Table
from replicating.rules import Agreement, agreement
from replicating.runs import ArmView, RunView, StudyView
from replicating.verdicts import verdict_lines
from scantrial.analysis.summary import summarise
from scantrial.core.records import SplitPredictions
from scantrial.recipe.plan import stored_recipe

NOT_PRINTED = "not printed"
NOT_RUN = "not run"
NO_NUMBER = "no number here"


def study_section(view: StudyView, reports: Reports) -> list[str]:
    """Return the lines about one study."""
    study = view.reported
    lines = [f"### `{study.name}` (report {study.report})", "", f"{_sentence(study.setting)}.", ""]
    if any(arm.test_accuracy is not None for arm in study.arms):
        lines += [*_accuracy_table(view, reports), *_image_table(view, reports), *_curve_table(view)]
    elif reports.tables_of(study.name):
        lines += _printed_tables(view, reports)
    else:
        lines += _plain_curves(view)
    return [*lines, *verdict_lines(view)]


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:]


# ---------------------------------------------------------------- report A: test accuracies


@dataclass(frozen=True, slots=True, kw_only=True)
class AccuracyRow:
    """One arm's test accuracy; `agreement` is None where the report printed none or nothing was run."""

    study: str
    arm: ReportedArm
    values: tuple[float, ...]
    agreement: Agreement | None


def accuracy_rows(view: StudyView, reports: Reports) -> list[AccuracyRow]:
    """Set every arm's printed test accuracy beside ours; test rows are read only where the report has an accuracy."""
    if all(arm.test_accuracy is None for arm in view.reported.arms):
        return []
    return [_accuracy_row(view.reported.name, arm, reports) for arm in view.arms.values()]


def _accuracy_row(study: str, arm: ArmView, reports: Reports) -> AccuracyRow:
    values = tuple(values_of(find_measure("test_accuracy"), arm.runs).values())
    was_printed = arm.reported.test_accuracy
    found = None
    if was_printed is not None:
        found = agreement(was_printed, reports.n_test, values, _n_test(arm.runs))
    return AccuracyRow(study=study, arm=arm.reported, values=values, agreement=found)


def _n_test(runs: Sequence[RunView]) -> int:
    sizes = [len(part.cases) for run in runs if (part := run.predictions("test")) is not None]
    return min(sizes, default=0)


def _accuracy_table(view: StudyView, reports: Reports) -> list[str]:
    header = ["arm", "agrees", "report, %", "here, %", "difference, points", "allowed, points"]
    rows = [[row.arm.label, _agrees(row), *_accuracy_cells(row)] for row in accuracy_rows(view, reports)]
    return ["Test accuracy:", "", *table(header, rows, n_words=2)]


def _agrees(row: AccuracyRow) -> str:
    if row.agreement is None:
        return NOT_PRINTED if row.arm.test_accuracy is None else NOT_RUN
    return f"{'agrees' if row.agreement.agrees else 'does not agree'} within {row.agreement.allowed:.2f}"


def _accuracy_cells(row: AccuracyRow) -> list[str]:
    was_printed = ABSENT if row.arm.test_accuracy is None else printed(row.arm.test_accuracy, "%")
    here = spread(row.values, "%")
    if row.agreement is None:
        return [was_printed, here, ABSENT, ABSENT]
    found = row.agreement
    parts = f"{found.allowed:.2f}" + (f" ({found.chance:.2f} + {found.seed_range:.2f})" if found.seed_range else "")
    return [was_printed, here, difference(found.difference, "points"), parts]


# ---------------------------------------------------------------- report A: the images shown


def _image_table(view: StudyView, reports: Reports) -> list[str]:
    rows = [
        [arm.reported.label, *_image_cells(arm, arm.reported.image, reports)]
        for arm in view.arms.values()
        if arm.reported.image is not None
    ]
    header = ["arm", "image", "report", "here", "probability of that class here, %"]
    return [f"The one image shown for each arm. {_numbering(reports)}", "", *table(header, rows, n_words=4)]


def _numbering(reports: Reports) -> str:
    """Say how the reports number their images, and what stands beside them here."""
    per_class = reports.n_val // len(reports.validation_order)
    ranges = (f"{name} {k * per_class} to {(k + 1) * per_class - 1}" for k, name in enumerate(reports.validation_order))
    return (
        f"Images are numbered in the course's validation set of {reports.n_val}: {', '.join(ranges)}. *Here* is the "
        "case at the same place of our validation set; it may be another radiograph."
    )


def _image_cells(arm: ArmView, image: ShownImage, reports: Reports) -> list[str]:
    against = f" against {printed(image.other, '%')} %" if image.other is not None else ""
    said = f"{image.predicted} {printed(image.probability, '%')} %{against}, {'right' if image.right else 'wrong'}"
    said += f" ({image.note})" if image.note else ""
    if image.number is None:
        return ["number not printed", said, ABSENT, ABSENT]
    seen = [found for run in arm.runs if (found := _look_at(run, image, image.number, reports)) is not None]
    n_right = sum(found.right for found in seen)
    word = ("right" if n_right else "wrong") if len(seen) == 1 else f"right in {n_right} of {len(seen)}"
    return [f"# {image.number}", said, word if seen else ABSENT, spread([found.probability for found in seen], "%")]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    right: bool
    probability: float


def _look_at(run: RunView, image: ShownImage, number: int, reports: Reports) -> _Seen | None:
    part = run.predictions("val")
    names = [name.casefold() for name in run.facts.class_names]
    if part is None or image.predicted not in names:
        return None
    row = row_of_image(part, names, number, reports)
    if row is None:
        return None
    probability = 100 * float(part.y_prob[row, names.index(image.predicted)])
    return _Seen(right=bool(part.y_pred[row] == part.y_true[row]), probability=probability)


def row_of_image(part: SplitPredictions, names: Sequence[str], number: int, reports: Reports) -> int | None:
    """Return the row at a report's place in the validation set; None where our set has another size or other classes.

    The reports count one class after the other, in the order of `Reports.validation_order`; our cases of a class stand
    in the order of their numbers.
    """
    per_class = reports.n_val // len(reports.validation_order)
    position, place = divmod(number, per_class)
    wanted = reports.validation_order[position] if position < len(reports.validation_order) else ""
    if wanted not in names or len(part.cases) != reports.n_val:
        return None
    rows = [row for row, label in enumerate(part.y_true) if label == names.index(wanted)]
    return rows[place] if len(rows) == per_class else None


# ---------------------------------------------------------------- report A: what the curves are said to show

_CURVE_NUMBERS = ("lowest_val_loss", "lowest_val_loss_epoch", "last_val_loss", "final_gap", "val_accuracy_swing")


def _curve_table(view: StudyView) -> list[str]:
    lines = ["What the report reads from the curves:", ""]
    told = [arm for arm in view.arms.values() if arm.reported.curves]
    lines += [f"- {arm.reported.label}: {arm.reported.curves}" for arm in told]
    return [*lines, "", "The curves here:", "", *measures_table(list(view.arms.values()), _CURVE_NUMBERS)]


def measures_table(arms: Sequence[ArmView], names: Sequence[str]) -> list[str]:
    """Return a table with one row an arm and one column a measure."""
    measures = [find_measure(name) for name in names]
    header = ["arm", *(f"{m.title}{UNIT_WORDS[m.unit]}" for m in measures)]
    rows = [[arm.reported.label, *(spread(values_of(m, arm.runs).values(), m.unit) for m in measures)] for arm in arms]
    return table(header, rows)


UNIT_WORDS: dict[Unit, str] = {"%": ", %", "points": ", points", "loss": "", "epoch": "", "count": ""}


# ---------------------------------------------------------------- report B: tables


def _plain_curves(view: StudyView) -> list[str]:
    names = [f"end.{quantity}.round-{k}" for k in range(1, _n_rounds(view) + 1) for quantity in QUANTITY_WORDS]
    lines = ["The report shows figures and prints no number. Here:", ""]
    for k in range(0, len(names), len(QUANTITY_WORDS)):
        lines += measures_table(list(view.arms.values()), names[k : k + len(QUANTITY_WORDS)])
    return lines


def _n_rounds(view: StudyView) -> int:
    return max((stored_recipe(run.facts).rounds for run in view.runs), default=1)


def _printed_tables(view: StudyView, reports: Reports) -> list[str]:
    tables = reports.tables_of(view.reported.name)
    kinds = [f"Table {t.table}: {t.aggregate.words()}. {t.aggregate.note or ''}".strip() for t in tables]
    header = ["table", "arm", "quantity", "here is", "report", "here", "difference"]
    rows = [cells for t in tables for row in t.rows for cells in _row_cells(view, t, row, reports)]
    odd = [f"- {_place(t, row, reports)}: {row.note}." for t in tables for row in t.rows if row.note]
    return [*(f"- {kind}" for kind in kinds), *odd, "", *table(header, rows, n_words=4)]


def _row_cells(view: StudyView, printed_table: Table, row: Row, reports: Reports) -> Iterator[list[str]]:
    source = reports.printed(row)
    arm = view.arms[row.arm]
    label = arm.reported.label + _reference(row, reports)
    for quantity, words in QUANTITY_WORDS.items():
        unit: Unit = "loss" if quantity.endswith("loss") else "%"
        was_printed = float(getattr(source, quantity))
        values = [_aggregate(run, printed_table.aggregate, quantity) for run in arm.runs]
        step = summarise(values).mean - was_printed
        cells = [printed(was_printed, unit), spread(values, unit), difference(step, unit)]
        yield [str(printed_table.table), label, f"{words}{UNIT_WORDS[unit]}", higher_or_lower(step, unit), *cells]


def _reference(row: Row, reports: Reports) -> str:
    """Say which row is used again, if one is."""
    if row.same_as is None:
        return ""
    original = next(t for t in reports.tables if t.table == row.same_as.table)
    label = reports.study(original.study).arm(row.same_as.arm).label
    return f" ({label} of table {row.same_as.table})"


def _place(of: Table, row: Row, reports: Reports) -> str:
    return f"Table {of.table}, {reports.study(of.study).arm(row.arm).label}"


def _aggregate(run: RunView, aggregate: Aggregate, quantity: str) -> float:
    point = curve_point(run, kind=aggregate.kind, number=aggregate.round, skip=aggregate.skip)
    return point_value(point, quantity)


def higher_or_lower(step: float, unit: Unit) -> str:
    """Say on which side of the printed number ours lies, as far as the shown decimals tell."""
    if not math.isfinite(step):
        return NO_NUMBER
    shown = float(difference(step, unit))
    return "equal" if shown == 0 else "higher" if shown > 0 else "lower"
