"""A study's design before training: its test cases, its comparisons, and the measurements of a pilot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scantrial.analysis.assumptions import Basis
from scantrial.analysis.contrasts import factorial_effects
from scantrial.analysis.estimates import estimate
from scantrial.analysis.fold_power import FoldDesign
from scantrial.analysis.mrmc import Components, components
from scantrial.analysis.planned_design import PlannedDesign
from scantrial.analysis.power import cautious, from_components, mean_area
from scantrial.analysis.runs import RunScores
from scantrial.analysis.verdicts import MIN_SEEDS, NEEDED_SEEDS
from scantrial.core.errors import DataError, InputError
from scantrial.core.numbering import numbered
from scantrial.core.records import SplitPredictions
from scantrial.data import catalogue
from scantrial.data.class_counts import fixed_class_counts
from scantrial.data.load import is_here, list_cases
from scantrial.data.scanset import CaseList
from scantrial.data.spec import DataSpec
from scantrial.data.splits import apply_split
from scantrial.store.folder import RunKey, StudyFolder
from scantrial.study.fits import refuse_what_does_not_fit
from scantrial.study.study import Study
from scantrial.study.to_plan import planned_data

# ---------------------------------------------------------------------- test cases


@dataclass(frozen=True, slots=True, kw_only=True)
class CountedCases:
    """The test cases of a study, counted without decoding them.

    Parameters
    ----------
    by_class : test cases by class name
    independent_by_class, n_independent : effective number of independent cases, if patients have several
    n_patients, patients_by_class : None if patients are not known
    n_train : training cases, or None if they were not counted
    source : how they were counted, in words
    """

    by_class: Mapping[str, int]
    independent_by_class: tuple[float, ...]
    n_independent: float
    n_patients: int | None
    n_train: int | None
    source: str
    patients_by_class: tuple[int, ...] | None = None

    @property
    def n(self) -> int:
        """Test cases of all classes."""
        return sum(self.by_class.values())

    def scaled(self, n_cases: int) -> CountedCases:
        """Return `n_cases` test cases of the same kind: classes and patients in the same proportions."""
        k = n_cases / self.n
        counts = np.array([k * n for n in self.by_class.values()])
        whole = np.floor(counts).astype(int)
        whole[np.argsort(whole - counts, kind="stable")[: n_cases - whole.sum()]] += 1
        return replace(
            self,
            by_class=dict(zip(self.by_class, whole.tolist(), strict=True)),
            independent_by_class=tuple(k * n for n in self.independent_by_class),
            n_independent=k * self.n_independent,
            n_patients=None if self.n_patients is None else round(k * self.n_patients),
            patients_by_class=None
            if self.patients_by_class is None
            else tuple(round(k * n) for n in self.patients_by_class),
            source=f"{n_cases:,} as requested, classes as in the {self.n:,} {self.source}",
        )


def count_test_cases(study: Study, *, n_cases: int | None = None) -> tuple[CountedCases, tuple[str, ...]]:
    """Count a study's test cases without decoding a scan; return them with notes for the reader.

    If the scans are not on this machine, the split must state whole numbers for each class, or `n_cases` must be given
    and is split evenly.

    Parameters
    ----------
    n_cases : plan with this many test cases instead

    Raises
    ------
    DataError
        If the scans are here and cannot be listed or split; or they are not, the split states no whole numbers, and
        `n_cases` is not given.
    """
    if n_cases is not None and n_cases < 2:
        raise InputError(f"--n-cases {n_cases}", expected="2 or more")
    data = study.spec.data
    try:
        listed = list_cases(
            data.source,
            base=study.base,
            ignore=data.ignore,
            classes=data.classes,
            patient=data.patient,
            skip_unreadable=data.skip_unreadable,
        )
    except DataError as error:
        if is_here(data.source, base=study.base):
            raise
        return _counted_without_scans(data, n_cases, error)
    cases = apply_split(listed, data.split)
    refuse_what_does_not_fit(study, cases)
    found = _count(cases)
    notes = (
        ("Scans that cannot be read are counted as well, because nothing was decoded.",) if data.skip_unreadable else ()
    )
    return found if n_cases is None else found.scaled(n_cases), notes


def _counted_without_scans(
    data: DataSpec, n_cases: int | None, error: DataError
) -> tuple[CountedCases, tuple[str, ...]]:
    names = _known_classes(data)
    stated = data.split.test if isinstance(data.split.test, int) else None
    if stated is None and n_cases is None:
        do = "copy the scans to this machine, or give the number of test cases: --n-cases N"
        raise DataError(error.got, expected=error.expected, do=do) from error
    assumed = "" if names else "; two classes are assumed"
    names = names or ("class 0", "class 1")
    total = n_cases if n_cases is not None else (stated or 0) * len(names)
    counts = [total // len(names) + (index < total % len(names)) for index in range(len(names))]
    how = "as requested, split evenly" if n_cases is not None else f"as in the split, {stated} of each class"
    found = CountedCases(
        by_class=dict(zip(names, counts, strict=True)),
        independent_by_class=tuple(map(float, counts)),
        n_independent=float(total),
        n_patients=None,
        n_train=None,
        source=how,
    )
    reason = error.got.splitlines()[0].rstrip(".")
    return found, (f"The scans could not be listed ({reason}): test cases are counted {how}{assumed}.",)


def _known_classes(data: DataSpec) -> tuple[str, ...]:
    if data.classes is not None:
        return tuple(data.classes)
    if data.source.name not in catalogue.CATALOGUE:
        return ()
    return tuple(catalogue.entry(data.source.name).reader_options.get("classes", ()))


def _count(cases: CaseList) -> CountedCases:
    # In a cross-validation every case is tested, each in its fold.
    in_test = (cases.split == "test") | (cases.folds is not None)
    labels = cases.labels[in_test]
    counts = np.bincount(labels, minlength=len(cases.class_names))
    by_class = dict(zip(cases.class_names, counts.tolist(), strict=True))
    patients = None if cases.patients is None else numbered(cases.patients)[in_test]
    worth = [float(n) if patients is None else _worth(patients[labels == c]) for c, n in enumerate(counts)]
    return CountedCases(
        by_class=by_class,
        independent_by_class=tuple(worth),
        n_independent=float(counts.sum()) if patients is None else _worth(patients),
        n_patients=None if patients is None else len(np.unique(patients)),
        n_train=int((cases.split == "train").sum()),
        source="listed, not decoded",
        patients_by_class=None
        if patients is None
        else tuple(len(np.unique(patients[labels == c])) for c in range(len(counts))),
    )


def _worth(patients: NDArray[Any]) -> float:
    """Return the number of independent cases if all cases of a patient get the same decision: ``n^2 / sum of m^2``."""
    sizes = np.unique(patients, return_counts=True)[1]
    return float(sizes.sum() ** 2 / (sizes**2).sum()) if len(sizes) else 0.0


# ---------------------------------------------------------------------- the design


def planned_effects(study: Study) -> tuple[str, ...]:
    """Return the main effects and interactions that a factorial study is judged on; empty for other designs."""
    if study.spec.design != "factorial" or len(study.arms) < 3:
        return ()
    settings = {
        arm.name: {factor: str(arm.recipe.value_at(factor)) for factor in study.spec.factors} for arm in study.arms
    }
    return tuple(effect.name for effect in factorial_effects(settings))


def planned_pairs(study: Study) -> tuple[tuple[str, str], ...]:
    """Return the pairs of arms that the study will compare, as its report does.

    These are each arm against the base and the pairs in hypotheses; if a factorial study is judged on effects, only the
    pairs in hypotheses.
    """
    base, *others = (arm.name for arm in study.arms)
    pairs = {} if planned_effects(study) else {frozenset((base, name)): (base, name) for name in others}
    for hypothesis in study.hypotheses:
        pairs.setdefault(frozenset(hypothesis.arms), hypothesis.arms)
    return tuple(pairs.values())


def design_of(study: Study, cases: CountedCases) -> PlannedDesign:
    """Return the design of a study on its test cases."""
    return PlannedDesign(
        n_arms=len(study.arms),
        n_comparisons=len(planned_pairs(study)) + len(planned_effects(study)),
        n_seeds=len(study.seeds),
        n_by_class=tuple(cases.by_class.values()),
        metric=study.spec.primary.metric,
        margin=study.spec.primary.margin,
        independent_by_class=cases.independent_by_class,
        n_independent=cases.n_independent,
        n_patients=cases.n_patients,
        class_names=tuple(cases.by_class),
        patients_by_class=cases.patients_by_class,
    )


def fold_design_of(study: Study, design: PlannedDesign) -> FoldDesign | None:
    """Return the design of a cross-validation; None for a study with one test set."""
    split = study.spec.data.split
    if not study.folds:
        return None
    return FoldDesign(design=design, n_folds=split.folds or 0, n_repeats=split.repeats or 1)


# ---------------------------------------------------------------------- a pilot


def pilot_basis(folder: StudyFolder, metric: str) -> Basis:
    """Measure the variances of a finished study, for the plan of another; reading its test rows is logged.

    Only spreads are used, not which arm did better.

    Raises
    ------
    InputError
        If it has fewer than two arms with three seeds in common, or its scores do not give the metric.
    """
    if folder.plan().folds:
        raise InputError(
            f"{folder.path} is a cross-validation, whose folds do not measure seeds and cases apart",
            expected="a pilot with one test set",
            do="leave --pilot out, and give what is known, such as --sd-training",
        )
    scores = folder.open_predictions(
        folder.run_keys(), ["test"], by="plan", purpose="spreads over seeds and cases, as a pilot of another study"
    )
    found, area = _components(folder, {key: parts[0] for key, parts in scores.items() if parts}, metric)
    words = f"pilot {folder.path.name}: {found.n_arms} arms x {found.n_seeds} seeds on {found.n_cases:,} test cases"
    return Basis(
        variances=from_components(found, source=words, area=area),
        cautious=cautious(found, source=f"{words}, spread over seeds at its upper 80 % limit", area=area),
        source=words,
    )


def _components(
    folder: StudyFolder, scores: Mapping[RunKey, SplitPredictions], metric: str
) -> tuple[Components, float | None]:
    """Return the components, and the mean area where areas are compared."""
    estimates = estimate(_run_scores(folder, scores), metric) if scores else None
    found = None if estimates is None else components(estimates)
    if estimates is None or found is None or found.n_seeds < MIN_SEEDS:
        raise InputError(
            f"{folder.path} does not have two evaluated arms with {MIN_SEEDS} seeds in common",
            expected=f"a pilot with at least two arms and {MIN_SEEDS} seeds: {NEEDED_SEEDS}",
            do="train more seeds: scantrial run STUDY --seeds 3 --out DIR",
        )
    return found, mean_area(metric, estimates.theta.tolist())


def _run_scores(folder: StudyFolder, scores: Mapping[RunKey, SplitPredictions]) -> RunScores:
    first = next(iter(scores.values()))
    return RunScores.from_probabilities(
        first.y_true,
        np.stack([part.y_prob for part in scores.values()]),
        arms=[key.arm for key in scores],
        seeds=[key.seed for key in scores],
        patients=_patients(folder, first.cases.tolist()),
        class_counts_fixed=_class_counts_fixed(folder),
    )


def _class_counts_fixed(folder: StudyFolder) -> bool:
    plan = folder.plan()
    return bool(plan.data) and "test" in fixed_class_counts(planned_data(plan, folder))


def _patients(folder: StudyFolder, cases: Sequence[int]) -> list[str] | None:
    table = folder.cases(["case", "patient"])
    patients = dict(zip(table["case"].to_pylist(), table["patient"].to_pylist(), strict=True))
    found = [patients[case] for case in cases]
    return None if any(patient is None for patient in found) else found
