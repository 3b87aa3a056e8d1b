"""What the two homework reports printed and concluded, as ``docs/data/reports.yaml`` has it, typed and checked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from scantrial.analysis.curves import QUANTITIES
from scantrial.core.errors import InputError

Percent = Annotated[float, Field(ge=0, le=100)]


class Part(BaseModel):
    """Base of the file's parts: unknown keys are refused, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ShownImage(Part):
    """The one image that a report showed for an arm.

    `probability` of the predicted class and `other` of the other one, if printed, in per cent; `number` in the
    validation set, if printed.
    """

    predicted: str
    probability: Percent
    right: bool
    other: Percent | None = None
    number: int | None = None
    note: str | None = None


class ReportedArm(Part):
    """One arm; `match` maps dotted keys of a recipe to the values that make it this arm."""

    id: str
    label: str
    match: dict[str, Any]
    test_accuracy: Percent | None = None
    image: ShownImage | None = None
    curves: str | None = None


class ReportedStudy(Part):
    """The arms of one built-in study."""

    name: str
    report: Literal["A", "B"]
    setting: str
    arms: tuple[ReportedArm, ...]

    def arm(self, arm_id: str) -> ReportedArm:
        """Return one arm by its id."""
        return next(arm for arm in self.arms if arm.id == arm_id)


class Aggregate(Part):
    """Which number of a learning curve a table prints."""

    kind: Literal["mean", "end"]
    round: Annotated[int, Field(ge=1)]
    skip: Annotated[int, Field(ge=0)] = 0
    note: str | None = None

    def words(self) -> str:
        """Say it in words."""
        if self.kind == "end":
            return f"last epoch of round {self.round}"
        return f"mean over round {self.round} without its first {self.skip} epochs"


class RowReference(Part):
    """Another table's row that a table uses again."""

    table: int
    arm: str


class Row(Part):
    """One row of a table: its own numbers, or a reference to another row; accuracies in per cent."""

    arm: str
    train_loss: Annotated[float, Field(ge=0)] | None = None
    train_accuracy: Percent | None = None
    val_loss: Annotated[float, Field(ge=0)] | None = None
    val_accuracy: Percent | None = None
    same_as: RowReference | None = None
    note: str | None = None

    @model_validator(mode="after")
    def _whole(self) -> Row:
        given = [name for name in QUANTITIES if getattr(self, name) is not None]
        if len(given) != (0 if self.same_as else len(QUANTITIES)):
            raise ValueError(f"row {self.arm}: give all of {', '.join(QUANTITIES)}, or same_as alone")
        return self


class Table(Part):
    """One printed table."""

    table: int
    study: str
    aggregate: Aggregate
    rows: tuple[Row, ...]


class Extreme(Part):
    """Among the conclusion's arms, this one has the highest, lowest or smallest-in-size number."""

    model_config = ConfigDict(populate_by_name=True)

    kind: Literal["extreme"]
    measure: str
    arm: str
    which: Literal["highest", "lowest", "smallest in size"] = Field(alias="is")


class Order(Part):
    """The number rises from each of these arms to the next."""

    kind: Literal["order"]
    measure: str
    arms: Annotated[tuple[str, ...], Field(min_length=2)]


class Bound(Part):
    """In every run of these arms the number lies within limits."""

    kind: Literal["bound"]
    measure: str
    arms: tuple[str, ...]
    at_least: float | None = None
    at_most: float | None = None
    above: float | None = None
    below: float | None = None


class Chance(Part):
    """In every run of these arms, validation and test accuracy differ by no more than chance allows."""

    kind: Literal["chance"]
    arms: tuple[str, ...]
    measure: Literal["val_minus_test"] = "val_minus_test"


AnyRule = Extreme | Order | Bound | Chance
Rule = Annotated[AnyRule, Field(discriminator="kind")]


class Conclusion(Part):
    """What a report concludes, whose numbers bear on it, and when they bear it out."""

    id: str
    study: str
    claim: str
    arms: tuple[str, ...]
    numbers: tuple[str, ...]
    rules: Annotated[tuple[Rule, ...], Field(min_length=1)]
    note: str | None = None


class Note(Part):
    """Something odd in the reports."""

    id: str
    text: str


class Reports(Part):
    """Both reports.

    Parameters
    ----------
    n_test, n_val : images in the course's test and validation set
    validation_order : the classes in the order of the reports' image numbers
    """

    n_test: Annotated[int, Field(ge=1)]
    n_val: Annotated[int, Field(ge=1)]
    validation_order: tuple[str, ...]
    notes: tuple[Note, ...]
    studies: tuple[ReportedStudy, ...]
    tables: tuple[Table, ...]
    conclusions: tuple[Conclusion, ...]

    def study(self, name: str) -> ReportedStudy:
        """Return one study by its name."""
        return next(study for study in self.studies if study.name == name)

    def tables_of(self, study: str) -> tuple[Table, ...]:
        """Return the printed tables that belong to a study."""
        return tuple(table for table in self.tables if table.study == study)

    def printed(self, row: Row) -> Row:
        """Return the row with the numbers, following a reference."""
        if row.same_as is None:
            return row
        table = next(table for table in self.tables if table.table == row.same_as.table)
        return next(other for other in table.rows if other.arm == row.same_as.arm)

    @model_validator(mode="after")
    def _references_hold(self) -> Reports:
        faults = list(_dangling(self))
        if faults:
            raise ValueError("; ".join(faults))
        return self


def _dangling(reports: Reports) -> Iterator[str]:
    arms = {study.name: {arm.id for arm in study.arms} for study in reports.studies}
    rows = {(table.table, row.arm) for table in reports.tables for row in table.rows if row.same_as is None}
    for table in reports.tables:
        for row in table.rows:
            if row.arm not in arms.get(table.study, ()):
                yield f"table {table.table}: no arm {row.arm!r} in {table.study}"
            if row.same_as and (row.same_as.table, row.same_as.arm) not in rows:
                yield f"table {table.table}, {row.arm}: no row {row.same_as.arm!r} in table {row.same_as.table}"
    for conclusion in reports.conclusions:
        for arm in (*conclusion.arms, *(arm for rule in conclusion.rules for arm in arms_of(rule))):
            if arm not in arms.get(conclusion.study, ()) or arm not in conclusion.arms:
                yield f"conclusion {conclusion.id}: no arm {arm!r} in {conclusion.study} and its own arms"


def arms_of(rule: AnyRule) -> tuple[str, ...]:
    """Return the arms that a rule names."""
    return (rule.arm,) if isinstance(rule, Extreme) else rule.arms


def read_reports(path: Path) -> Reports:
    """Read the file.

    Raises
    ------
    InputError
        If it cannot be read, or something in it does not fit; every fault is named.
    """
    try:
        content = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
        return Reports.model_validate(content)
    except (OSError, YAMLError, ValidationError) as error:
        raise InputError(f"{path} cannot be used: {error}", do="see the comments at the file's beginning") from error
