"""The numbers of a report, as records; `build_view` makes them from what a study folder holds.

Nothing here is rounded or put in words, except the sentences of verdicts and diagnoses.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from scantrial.analysis.curves import (
    SKIPPED_EPOCHS,
    PairedMeans,
    paired_means,
)
from scantrial.analysis.intervals import ArmEstimate
from scantrial.analysis.metrics import METRICS, MetricValue, confusion_matrix, listed_metrics, measure_all
from scantrial.analysis.summary import SeedSummary, summarise
from scantrial.audit.records import Audit
from scantrial.core.about import answers
from scantrial.core.notebook import notebook_html
from scantrial.core.records import SPLITS, Split
from scantrial.data.places import name_without_folders
from scantrial.findings.class_counts import fixed_splits
from scantrial.findings.diagnosis import DiagnosedArm, StudyDiagnosis, diagnose_study
from scantrial.findings.evaluation import Evaluation, evaluate
from scantrial.findings.fold_evaluation import evaluate_by_fold
from scantrial.findings.judging import Judgement, judge
from scantrial.findings.mistakes import DisputedCase, WorstCase, disputed_cases, worst_cases
from scantrial.findings.ranking import ClassCurves, ranking_curves
from scantrial.findings.reading import RunData, StudyData
from scantrial.findings.run_views import RunView, StretchView, epoch_means, numbered_views, stretches_of
from scantrial.recipe.plan import PlannedArm
from scantrial.recipe.spec import Recipe
from scantrial.store.folder import Failure, RunKey

N_DISPUTED = 8
"""Cases that are shown because arms disagree on them."""

EVALUATION = "run"
"""Under this name a run logs that it evaluates itself on the test scans."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DataView:
    """The scans.

    Parameters
    ----------
    counts : cases by split, then by class; splits that hold no case are left out. Of a cross-validation all cases are
        for test, and the others are those of its first fold
    n_unused : cases in no split
    about : what is known about the source: name, licence, citation, notes
    image, split : how the scans were brought to one shape and split, as the study says
    skipped : (path, reason) of files that were left out
    patients_known : whether it is known which patient a case is of
    n_shared_patients : patients with cases in more than one split
    class_counts_fixed : splits for which the design fixed how many cases of each class there are
    left_out : files, rows and scans that were left out before any was decoded, by reason
    """

    class_names: tuple[str, ...]
    counts: Mapping[str, Mapping[str, int]]
    n_unused: int
    about: Mapping[str, Any]
    image: Mapping[str, Any]
    split: Mapping[str, Any]
    fingerprint: str
    skipped: tuple[tuple[str, str], ...]
    patients_known: bool
    n_shared_patients: int
    class_counts_fixed: tuple[Split, ...] = ()
    left_out: Mapping[str, int] = field(default_factory=dict)

    def n_of(self, split: str) -> int:
        """Return the number of cases in a split."""
        return sum(self.counts.get(split, {}).values())


@dataclass(frozen=True, slots=True, kw_only=True)
class AggregateDifference:
    """An arm's mean validation accuracy over epochs minus the first arm's, paired over seeds; the cases are fixed."""

    arm: str
    other: str
    found: PairedMeans


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmView:
    """One arm.

    Parameters
    ----------
    differing : the settings that are not the same in all arms
    missing : runs of the plan that are not finished
    summaries : by split and metric, over the seeds
    confusion : test cases by true class (rows) and decision (columns), summed over the runs; None without any
    code : of a custom network, the SHA-256 of each of its modules
    """

    name: str
    label: str
    recipe: Recipe
    differing: Mapping[str, Any]
    n_parameters: int | None
    runs: tuple[RunView, ...]
    missing: tuple[RunKey, ...]
    summaries: Mapping[Split, Mapping[str, SeedSummary]]
    confusion: NDArray[np.int64] | None
    n_confusion_runs: int
    stretches: tuple[StretchView, ...]
    code: Mapping[str, str] = field(default_factory=dict)

    @property
    def missing_seeds(self) -> tuple[int, ...]:
        """The seeds of these runs."""
        return tuple(dict.fromkeys(key.seed for key in self.missing))


@dataclass(frozen=True, slots=True, kw_only=True)
class OpeningView:
    """How often one command read stored test rows of a run, or looked at a test scan; first and last as ISO 8601."""

    by: str
    n_readings: int
    first: str
    last: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportView:
    """All the numbers of a report.

    Parameters
    ----------
    diagnosis : what the learning curves and the gaps between the splits show
    metrics : names of the metrics that this report lists, the primary one first
    skipped_epochs : epochs left out at the start of a mean over epochs
    openings : readings of stored test rows; the runs' own evaluations are not among them
    audit : what is wrong with the scans; None where they were not audited
    n_evaluations, n_evaluated : how often runs evaluated themselves on the test scans, and how many runs did; the first
        is larger where a run was stopped after its evaluation and repeated
    judgement : the verdicts on the primary metric, and the hypotheses' answers
    evaluation : intervals of every metric, calibration, thresholds, and the best arm's corrected score, on test cases
    about : what the author answered, by question; see `scantrial.core.about`
    disputed : the test cases on which arms differ most
    curves : ROC and precision-recall curves on the test cases, by class
    folds : every (repeat, fold) of a cross-validation; empty for a study with one test set
    """

    question: str
    design: str
    primary_metric: str
    primary_split: Split
    claims: tuple[str, ...]
    data: DataView
    arms: tuple[ArmView, ...]
    diagnosis: StudyDiagnosis
    seeds: tuple[int, ...]
    metrics: tuple[str, ...]
    splits: tuple[Split, ...]
    skipped_epochs: int
    worst: tuple[WorstCase, ...]
    failures: tuple[Failure, ...]
    openings: tuple[OpeningView, ...]
    n_evaluations: int
    n_evaluated: int
    environment: Mapping[str, Any]
    study_text: str
    protocol: tuple[Mapping[str, Any], ...]
    judgement: Judgement
    evaluation: Evaluation
    audit: Audit | None = None
    about: Mapping[str, str] = field(default_factory=dict)
    disputed: tuple[DisputedCase, ...] = ()
    curves: tuple[ClassCurves, ...] = ()
    folds: tuple[tuple[int, int], ...] = ()

    def _repr_html_(self) -> str:
        """Show each arm's primary metric in a notebook, and the verdicts."""
        values = primary_values(self)
        found = [(label, list(by_seed.values())) for label, by_seed in values.items() if by_seed]
        rows = [(label, len(of_seeds), f"{np.mean(of_seeds):.4g}") for label, of_seeds in found]
        primary = self.judgement.compared
        return notebook_html(
            self.question,
            columns=("arm", "runs", f"{METRICS[self.primary_metric].title} on {self.primary_split}, mean over seeds"),
            rows=rows,
            lines=() if primary is None else primary.sentences,
        )

    def estimate_of(self, arm: str, metric: str) -> ArmEstimate | None:
        """Return an arm's metric on the test cases with its interval; None where there is none."""
        found = next((one.estimates for one in self.evaluation.arms if one.arm == arm), {})
        return found.get(metric)

    @property
    def labels(self) -> dict[str, str]:
        """Each arm's label, by its name."""
        return {arm.name: arm.label for arm in self.arms}

    @property
    def n_planned(self) -> int:
        """Number of runs in the plan."""
        return len(self.arms) * len(self.seeds) * max(1, len(self.folds))

    @property
    def n_finished(self) -> int:
        """Number of finished runs."""
        return sum(len(arm.runs) for arm in self.arms)

    @property
    def recipes(self) -> dict[str, Recipe]:
        """Each arm's recipe, by its name."""
        return {arm.name: arm.recipe for arm in self.arms}

    def aggregate_differences(self) -> tuple[AggregateDifference, ...]:
        """Compare each arm's mean validation accuracy over epochs with the first arm's, seed by seed.

        Not of a cross-validation: its folds go together, and a paired t-test would find too much.
        """
        if self.folds:
            return ()
        means = [(arm.label, epoch_means(arm.runs, skip=self.skipped_epochs)) for arm in self.arms]
        pairs = [(label, paired_means(values, means[0][1])) for label, values in means[1:]]
        return tuple(
            AggregateDifference(arm=label, other=means[0][0], found=found)
            for label, found in pairs
            if found is not None
        )

    @property
    def has_rounds(self) -> bool:
        """Whether some arm has more than one round."""
        return any(len(arm.stretches) > 1 for arm in self.arms)

    @property
    def has_epoch_means(self) -> bool:
        """Whether some run has more epochs than a mean over epochs leaves out."""
        return any(mean.n for arm in self.arms for stretch in arm.stretches for mean in stretch.mean.values())

    @property
    def losses_alike(self) -> bool:
        """Whether the losses of all arms are one quantity; with two classes, BCE and CE are."""
        ignored: set[str] = {"name"} if len(self.data.class_names) == 2 else set()
        losses = [arm.recipe.loss.model_dump(exclude=ignored) for arm in self.arms]
        return all(loss == losses[0] for loss in losses)

    def diverged(self) -> tuple[tuple[ArmView, RunView], ...]:
        """Return the runs whose loss was not finite."""
        return tuple((arm, run) for arm in self.arms for run in arm.runs if run.facts.status == "diverged")


def build_view(study: StudyData, *, skip: int = SKIPPED_EPOCHS, n_worst: int = 5) -> ReportView:
    """Compute the numbers of a report; means over epochs leave out the first `skip`."""
    plan = study.plan
    class_names = tuple(study.data["class_names"])
    arms = _arms(study, class_names, skip=skip)
    labels = {arm.name: arm.label for arm in arms}
    metric = METRICS[plan.primary.metric].name
    evaluation = evaluate(study, metric=metric) if study.folds is None else evaluate_by_fold(study, metric=metric)
    evaluated = [run for opening in study.openings if opening.by == EVALUATION for run in opening.runs]
    return ReportView(
        question=plan.study,
        design=plan.design,
        primary_metric=plan.primary.metric,
        primary_split=plan.primary.split,
        claims=tuple(item.claim for item in plan.hypotheses if item.claim),
        data=_data(study, class_names),
        arms=arms,
        diagnosis=diagnose_study(
            study, [DiagnosedArm(name=arm.name, label=arm.label, differing=arm.differing) for arm in arms]
        ),
        seeds=plan.seeds,
        metrics=_primary_first(listed_metrics(len(class_names), primary=plan.primary.metric), plan.primary.metric),
        splits=tuple(split for split in SPLITS if any(split in run.metrics for arm in arms for run in arm.runs)),
        skipped_epochs=skip,
        worst=worst_cases(study, class_names, labels, n=n_worst),
        failures=study.failures,
        openings=_openings(study),
        n_evaluations=len(evaluated),
        n_evaluated=len(set(evaluated)),
        environment=study.environment,
        study_text=_without_place(study),
        protocol=study.protocol,
        judgement=judge(study),
        evaluation=evaluation,
        audit=study.audit,
        about=answers(plan.about),
        disputed=disputed_cases(study, class_names, labels, n=N_DISPUTED),
        # Of different networks' scores there is no one curve.
        curves=() if study.folds is not None else ranking_curves(study, class_names, evaluation),
        folds=plan.folds,
    )


def _primary_first(metrics: Sequence[str], primary: str) -> tuple[str, ...]:
    return tuple(sorted(metrics, key=lambda name: name != primary))


# ---------------------------------------------------------------------- data


def _data(study: StudyData, class_names: tuple[str, ...]) -> DataView:
    data, counts = study.data, dict(study.data["counts"])
    if study.folds is not None:  # every case is tested
        n_by_class = np.bincount(study.cases["label"].to_numpy(), minlength=len(class_names)).tolist()
        counts["test"] = dict(zip(class_names, n_by_class, strict=True))
    source = dict(data.get("source", {}))
    left_out = source.pop("excluded", {})
    source = {key: value for key, value in source.items() if key not in ("n_folders", "like_patients")}
    source |= {key: name_without_folders(str(source[key])) for key in ("name", "path") if source.get(key)}
    return DataView(
        class_names=class_names,
        counts={split: dict(found) for split in SPLITS if any((found := counts.get(split, {})).values())},
        n_unused=int(data.get("n_scans", 0)) - int(data.get("n_used", 0)),
        about={key: value for key, value in source.items() if value not in (None, "", [], {})},
        image=_image(data),
        split=data.get("split", {}),
        fingerprint=str(data["fingerprint"]),
        skipped=tuple((str(path), str(reason)) for path, reason in data.get("skipped", ())),
        patients_known=bool(data.get("has_patients")),
        n_shared_patients=_shared_patients(study.cases),
        class_counts_fixed=fixed_splits(study),
        left_out={str(reason): int(n) for reason, n in left_out.items()},
    )


def _without_place(study: StudyData) -> str:
    """Return the study file without the folders of its source, which earlier versions kept."""
    source = study.plan.data.get("source", "")
    name = str(source.get("name", "") if isinstance(source, Mapping) else source)
    short = name_without_folders(name)
    return study.study_text if short == name else study.study_text.replace(name, short)


def _image(data: Mapping[str, Any]) -> dict[str, Any]:
    image = {**data.get("image", {}), "pixel type": data.get("pixel_type")}
    if "shape" in image:
        image["shape"] = " × ".join(map(str, image["shape"]))
    return {key: value for key, value in image.items() if value is not None}


def _shared_patients(cases: pa.Table) -> int:
    """Count the patients that have cases in more than one split."""
    splits: dict[str, set[str]] = {}
    for patient, split in zip(cases["patient"].to_pylist(), cases["split"].to_pylist(), strict=True):
        if patient is not None:
            splits.setdefault(patient, set()).add(split)
    return sum(len(found) > 1 for found in splits.values())


# ---------------------------------------------------------------------- arms


def _arms(study: StudyData, class_names: tuple[str, ...], *, skip: int) -> tuple[ArmView, ...]:
    metrics = listed_metrics(len(class_names), primary=study.plan.primary.metric)
    labels, differing = study.plan.labels, study.plan.differing()
    return tuple(
        _arm(study, arm, labels[arm.name], differing[arm.name], metrics=metrics, skip=skip) for arm in study.plan.arms
    )


def _arm(
    study: StudyData, arm: PlannedArm, label: str, differing: Mapping[str, Any], *, metrics: tuple[str, ...], skip: int
) -> ArmView:
    runs = tuple(_run(run, metrics) for run in study.runs_of(arm.name))
    done = {run.key for run in study.runs_of(arm.name)}
    places = study.plan.folds or ((None, None),)
    planned = [RunKey(arm.name, seed, *place) for seed in study.plan.seeds for place in places]
    matrices = [run.confusion["test"] for run in runs if "test" in run.confusion]
    return ArmView(
        name=arm.name,
        label=label,
        recipe=arm.recipe,
        differing=differing,
        n_parameters=runs[0].facts.n_parameters if runs else None,
        runs=runs,
        missing=tuple(key for key in planned if key not in done),
        summaries={split: _summaries(runs, split, metrics) for split in SPLITS},
        confusion=np.sum(matrices, axis=0, dtype=np.int64) if matrices else None,
        n_confusion_runs=len(matrices),
        stretches=stretches_of(runs, skip=skip),
        code=arm.code,
    )


def _run(run: RunData, names: tuple[str, ...]) -> RunView:
    metrics: dict[Split, Mapping[str, MetricValue]] = {
        split: {value.name: value for value in measure_all(part.y_true, part.y_prob, names=names)}
        for split, part in run.predictions.items()
    }
    confusion: dict[Split, NDArray[np.int64]] = {
        split: confusion_matrix(part.y_true, part.y_pred, n_classes=part.y_prob.shape[1])
        for split, part in run.predictions.items()
    }
    return RunView(
        seed=run.key.seed,
        place=run.key.place,
        facts=run.facts,
        history=run.history,
        metrics=metrics,
        confusion=confusion,
    )


def _summaries(runs: Sequence[RunView], split: Split, names: Sequence[str]) -> dict[str, SeedSummary]:
    scored = [run.metrics[split] for run in runs if split in run.metrics]
    return {name: summarise(values[name].value for values in scored) for name in names} if scored else {}


# ---------------------------------------------------------------------- openings of the test rows


def _openings(study: StudyData) -> tuple[OpeningView, ...]:
    by: dict[str, list[tuple[str, int]]] = {}
    for opening in (opening for opening in study.openings if opening.by != EVALUATION):
        by.setdefault(opening.by, []).append((opening.at, len(opening.runs) or 1))
    return tuple(
        OpeningView(by=who, n_readings=sum(n for _, n in times), first=min(times)[0], last=max(times)[0])
        for who, times in by.items()
    )


def primary_values(view: ReportView) -> dict[str, dict[int, float]]:
    """Return the primary metric on its split by arm label and seed; runs that do not have it are left out."""
    split, name = view.primary_split, METRICS[view.primary_metric].name
    found = {
        arm.label: {number: run.metrics.get(split, {}).get(name) for number, run in numbered_views(arm.runs).items()}
        for arm in view.arms
    }
    return {
        label: {seed: value.value for seed, value in by_seed.items() if value is not None}
        for label, by_seed in found.items()
    }
