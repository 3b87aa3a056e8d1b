"""`plan`: before any training, what a study can show and how long it takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

from scantrial.analysis.assumptions import assume
from scantrial.analysis.fold_power import FoldPowerPlan, plan_folds
from scantrial.analysis.power_table import PowerPlan
from scantrial.analysis.power_table import plan_power as plan_design
from scantrial.analysis.verdict_words import order_of_grades
from scantrial.core.errors import InputError
from scantrial.core.names import listed
from scantrial.core.progress import Progress, silent
from scantrial.store.folder import open_folder
from scantrial.store.verify import refuse_changed
from scantrial.study.own_networks import try_own_networks
from scantrial.study.study import Study
from scantrial.study.test_cases import (
    CountedCases,
    count_test_cases,
    design_of,
    fold_design_of,
    pilot_basis,
    planned_effects,
    planned_pairs,
)
from scantrial.study.timing import StudyTime, measure_time, not_measured, time_from_pilot
from scantrial.study.weights import frozen_untrained

if TYPE_CHECKING:
    pass


from scantrial.api.checks import one_of, require_torch
from scantrial.api.trial import RunOptions, check_networks, execution_of, load_study, load_study_scans
from scantrial.core.plain import Plain
from scantrial.core.positive import health_warning, positive_class, positive_facts
from scantrial.store.trust import OnTrust


class PlanOptions(TypedDict, total=False):
    """What a plan is made with, as keywords of `plan`; `scantrial.analysis.assumptions.MEANINGS` says what is assumed.

    Parameters
    ----------
    value, disagreement, correlation, sd_training, shared : assumptions instead of the defaults; not with a pilot
    difference : the true difference to be found, in the metric's unit; default: the margin
    n_cases : plan with this many test cases, of the same kind as the study's
    trust_code, on_trust : as in `scantrial.api.trial.RunOptions`; for `measure`, and not kept
    """

    value: float | None
    disagreement: float | None
    correlation: float | None
    sd_training: float | None
    shared: float | None
    difference: float | None
    n_cases: int | None
    trust_code: bool
    on_trust: OnTrust


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyPlan(Plain):
    """What a study can show, and how long it takes.

    Parameters
    ----------
    cases : its test cases, counted
    pairs : the arms that are compared with each other
    effects : of the factors of a factorial study, by name
    notes : how the cases were counted, where a reader has to know
    """

    question: str
    plan: PowerPlan | FoldPowerPlan
    time: StudyTime
    cases: CountedCases
    pairs: tuple[tuple[str, str], ...]
    effects: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def positive_class(self) -> str | None:
        """Name of the positive class of two; None beyond."""
        return positive_class(tuple(self.cases.by_class))

    def _content(self) -> dict[str, Any]:
        asked: dict[str, Any] = {"study": self.question, "pairs": self.pairs, "effects": self.effects}
        cases = {"by_class": self.cases.by_class, "source": self.cases.source}
        warnings = [*self.notes, *self.plan.warnings]
        asked |= {"test_cases": cases, **positive_facts(tuple(self.cases.by_class))}
        return {**asked, **self.plan.to_dict(), "warnings": warnings, "time": self.time}


def plan(
    study: Study | str | Path,
    *,
    pilot: str | Path | None = None,
    seeds: int | None = None,
    sets: Sequence[str] = (),
    measure: bool = False,
    progress: Progress = silent,
    **options: Unpack[PlanOptions],
) -> StudyPlan:
    """Say before any training what a study can show, and how long it takes.

    Parameters
    ----------
    pilot : folder of a finished study whose spreads replace the assumptions; its test rows are read for
        that, which is logged
    seeds, sets : see `load_study`
    measure : train two epochs of each recipe to estimate how long the study takes; decodes the scans, reads no test row
    options : see `PlanOptions`

    Raises
    ------
    StudyFileError, DataError
        As in `run`; scans that are not here are no hindrance where the split states how many test cases there are.
    InputError
        If a number cannot be, or the metric needs a pilot.
    """
    for name in options:
        one_of("option", name, PlanOptions.__annotations__)
    given: dict[str, Any] = dict(options)
    difference, n_cases = given.pop("difference", None), given.pop("n_cases", None)
    trust: RunOptions = {name: given.pop(name) for name in ("trust_code", "on_trust") if name in given}  # type: ignore[assignment] # names of it alone
    _refuse_both(pilot, given)
    if not isinstance(study, Study):
        study = load_study(study, sets=sets, seeds=seeds)
    cases, notes = count_test_cases(study, n_cases=n_cases)
    design = design_of(study, cases)
    store = None if pilot is None else open_folder(pilot)
    if store is not None:
        refuse_changed(store)
    basis = assume(design, given) if store is None else pilot_basis(store, design.metric)
    folds = fold_design_of(study, design)
    found: PowerPlan | FoldPowerPlan = (
        plan_design(design, basis, difference=difference)
        if folds is None
        else plan_folds(folds, basis, difference=difference)
    )
    if measure:
        require_torch("timing")
        scans = load_study_scans(study, progress=progress)
        check_networks(study, scans)
        execution = execution_of(study, None, trust)
        notes = (*notes, *try_own_networks(study, scans, execution.custom_classes, folder=store))
        taken = measure_time(study, scans, execution, progress=progress)
    else:
        taken = not_measured(study) if store is None else time_from_pilot(study, store, n_train=cases.n_train)
    warning = health_warning(tuple(cases.by_class))
    order = (f"{said}." for said in order_of_grades(design.metric, list(cases.by_class)))
    notes = (*order, *notes, *([] if warning is None else [warning]))
    notes = (*notes, *frozen_untrained(study.arms))
    effects = planned_effects(study)
    if effects:
        notes = (*notes, "Effects of factors are means over arms: for them the numbers, of two arms, are careful.")
    return StudyPlan(
        question=study.spec.study,
        plan=found,
        time=taken,
        cases=cases,
        pairs=planned_pairs(study),
        effects=effects,
        notes=notes,
    )


def _refuse_both(pilot: str | Path | None, given: Mapping[str, Any]) -> None:
    stated = [f"--{name.replace('_', '-')}" for name, value in given.items() if value is not None]
    if pilot is not None and stated:
        raise InputError(
            f"--pilot {pilot} and {listed(stated)}: a pilot measures what is assumed without one",
            do="leave out one or the other",
        )
