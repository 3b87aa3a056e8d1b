"""The scores of a cross-validated study as `Folds`: every arm's runs on the cases that their own fold tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from scantrial.analysis.folds import Folds, FoldScores
from scantrial.analysis.runs import RunScores
from scantrial.core.errors import InputError
from scantrial.core.format import counted, joined
from scantrial.core.names import some_of
from scantrial.core.records import Split
from scantrial.findings.reading import RunData, StudyData


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundFolds:
    """The folds of a study that every arm has a run in.

    Parameters
    ----------
    folds : None where there is no such fold
    withheld : why there is no verdict yet: folds in which an arm lacks runs
    """

    folds: Folds | None
    withheld: tuple[str, ...] = ()


def folds_of(study: StudyData) -> FoundFolds:
    """Return the folds in which every arm that has scores at all was tested at every seed."""
    scored = [run for run in study.runs if "test" in run.predictions]
    arms = list(dict.fromkeys(run.key.arm for run in scored))
    lacking = {arm: _without(study, [run for run in scored if run.key.arm == arm]) for arm in arms}
    places = [place for place in study.plan.folds if not any(place in missing for missing in lacking.values())]
    said = [
        f"{study.plan.labels[arm]} lacks scores in {counted(len(missing), 'fold')} ({_named(missing)})"
        for arm, missing in lacking.items()
        if missing
    ]
    withheld = (f"{joined(said)}, and every arm has to be tested in the same folds",) if said else ()
    if not places or study.folds is None:
        return FoundFolds(folds=None, withheld=withheld)
    parts = [_part(study, [run for run in scored if run.key.place == place], place) for place in places]
    return FoundFolds(folds=Folds(parts=tuple(parts), torn=_torn(study, parts)), withheld=withheld)


def _torn(study: StudyData, parts: Sequence[FoldScores]) -> tuple[int, tuple[int, ...]] | None:
    """Count the patients over all folds where some are in several; None where none is, or where they are not known."""
    cases = study.cases["case"].to_pylist()
    patients = study.patients_of(cases)
    if patients is None:
        return None
    labels = study.cases["label"].to_pylist()
    of_class = [{p for p, label in zip(patients, labels, strict=True) if label == k} for k in sorted(set(labels))]
    n, by_fold = len(set(patients)), Folds(parts=tuple(parts))
    return None if by_fold.n_patients in (None, n) else (n, tuple(map(len, of_class)))


def _without(study: StudyData, runs: Sequence[RunData]) -> list[tuple[int, int]]:
    there = {(run.key.place, run.key.seed) for run in runs}
    return [place for place in study.plan.folds if not all((place, seed) in there for seed in study.plan.seeds)]


def _named(places: Sequence[tuple[int, int]]) -> str:
    return some_of([f"fold {fold} of repeat {repeat}" for repeat, fold in places])


def _part(study: StudyData, runs: Sequence[RunData], place: tuple[int, int]) -> FoldScores:
    repeat, fold = place
    assert study.folds is not None
    n_train = int((study.folds.test[:, repeat] != fold).sum())
    return FoldScores(repeat=repeat, fold=fold, runs=scores_of_runs(study, runs, "test"), n_train=n_train)


def scores_of_runs(
    study: StudyData, runs: Sequence[RunData], split: Split, *, class_counts_fixed: bool = False
) -> RunScores:
    """Return the scores of some runs that were tested on the same cases.

    Raises
    ------
    InputError
        If they were not.
    """
    first = runs[0].predictions[split]
    for run in runs:
        part = run.predictions[split]
        if not (np.array_equal(part.cases, first.cases) and np.array_equal(part.y_true, first.y_true)):
            raise InputError(
                f"the {split} cases of {run.key} are not those of {runs[0].key}",
                expected="the same cases in every run",
                do="remove the run's folder and run the study again",
            )
    return RunScores.from_probabilities(
        first.y_true,
        np.stack([run.predictions[split].y_prob for run in runs]),
        arms=[run.key.arm for run in runs],
        seeds=[run.key.seed for run in runs],
        patients=study.patients_of(first.cases.tolist()),
        class_counts_fixed=class_counts_fixed,
    ).named(study.data.get("class_names", ()))
