"""The query of each page, checked; unknown keys are refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Self, TypeVar
from urllib.parse import urlencode

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from scantrial.core.errors import InputError
from scantrial.core.records import Split
from scantrial.web.records import CaseFilter

PAGE_SIZE = 120
"""Cases in one part of the list."""

Query = TypeVar("Query", bound=BaseModel)


class PageQuery(BaseModel):
    """A query with the keys of its page only."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class StudyQuery(PageQuery):
    """Of a study's page and of its report; `results` = now opens test rows before a study is complete."""

    results: Literal["now"] | None = None


class CasesQuery(PageQuery):
    """Of the list of cases, and of a case that was reached through it; `results` as for a study.

    Without a split or an order, `settled` chooses them.
    """

    results: Literal["now"] | None = None
    split: Split | None = None
    truth: str | None = None
    arm: str = "all"
    decision: str | None = None
    outcome: Literal["right", "wrong"] | None = None
    finding: str | None = None
    sort: Literal["case", "mistaken", "confidence", "unsure", "disagreement"] | None = None
    page: int = Field(default=1, ge=1, le=1_000_000)

    def settled(self, *, is_closed: bool) -> Self:
        """Return the query with split and order: test once its rows are open, and the most mistaken first.

        Parameters
        ----------
        is_closed : whether the decisions on test cases stay closed, which are then in the order of their numbers
        """
        split: Split = self.split or ("val" if is_closed else "test")
        sort = self.sort or ("case" if is_closed and split == "test" else "mistaken")
        return self.model_copy(update={"split": split, "sort": sort})

    def to_filter(self, *, arms: Mapping[str, str], class_names: tuple[str, ...]) -> CaseFilter:
        """Return the filter.

        Raises
        ------
        InputError
            If it names a class or an arm that the study does not have.
        """
        assert self.split is not None, "of a settled query"
        assert self.sort is not None
        for what, name, known in (
            ("class", self.truth, class_names),
            ("class", self.decision, class_names),
            ("arm with finished runs", self.arm, ("all", *arms)),
        ):
            if name is not None and name not in known:
                raise InputError(f"no {what} is called {name!r}", expected=f"one of {', '.join(known)}")
        return CaseFilter(
            split=self.split,
            truth=self.truth,
            arm=self.arm,
            decision=self.decision,
            outcome=self.outcome,
            finding=self.finding,
            sort=self.sort,
            results=self.results,
        )

    def refuse_scores(self) -> None:
        """Refuse to filter or sort by decisions: while test rows are closed, even an order would reveal them.

        Raises
        ------
        InputError
            If the query asks for it; the message names what was asked for.
        """
        by = [name for name in ("decision", "outcome") if getattr(self, name) is not None]
        by += [f"sort={self.sort}"] if self.sort not in (None, "case") else []
        if by:
            raise InputError(
                f"test cases by {', '.join(by)} before all runs are finished",
                expected="test cases by number, true class or finding",
                do="wait for the last run, or add results=now to the address",
            )


class CaseQuery(CasesQuery):
    """Of one case; `saliency` is ARM/SEED."""

    saliency: str | None = None

    def refuse_scores(self) -> None:
        """Refuse saliency maps as well: they show a decision."""
        super().refuse_scores()
        if self.saliency is not None:
            raise InputError(
                "where a network looks on a test case, before all runs are finished",
                do="wait for the last run, or add results=now to the address",
            )


class CompareQuery(PageQuery):
    """Of the comparison of two arms."""

    results: Literal["now"] | None = None
    metric: str | None = None
    first: str | None = None
    second: str | None = None


class ThresholdQuery(PageQuery):
    """Of the page on thresholds."""

    results: Literal["now"] | None = None
    arm: str | None = None
    threshold: float = Field(default=0.5, gt=0, lt=1)
    prevalence: float = Field(default=0.1, gt=0, lt=1)


def read_query(kind: type[Query], given: Mapping[str, str]) -> Query:
    """Check a query; an empty value, which forms send, counts as none.

    Raises
    ------
    InputError
        With every fault of the query.
    """
    try:
        return kind.model_validate({key: value for key, value in given.items() if value != ""})
    except ValidationError as error:
        faults = [f"{'.'.join(map(str, item['loc']))}: {item['msg'].lower()}" for item in error.errors()]
        raise InputError(f"the address has invalid parts: {'; '.join(faults)}") from error


def to_query(wanted: CaseFilter, **others: Any) -> str:
    """Return a filter as the query of an address, without keys that have their default."""
    defaults = {name: part.default for name, part in CaseQuery.model_fields.items()}
    asked = {**{name: getattr(wanted, name) for name in CaseFilter.__dataclass_fields__}, **others}
    kept = {name: value for name, value in asked.items() if value is not None and value != defaults.get(name)}
    return urlencode(kept)
