"""The table of a study's arms and runs: what is known without test rows, and their metrics once results are ready."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

from scantrial.analysis.metrics import METRICS
from scantrial.core.format import finite
from scantrial.core.records import RunFacts
from scantrial.prose.brief import median_seconds, seconds_of
from scantrial.recipe.plan import Plan
from scantrial.store.folder import RunKey
from scantrial.web.records import ArmLearningCurves, Progress, SeedCurve
from scantrial.web.results import PrimaryMetrics
from scantrial.web.table_records import ArmRow, RunRow, RunTable

NOTHING_MEASURED = PrimaryMetrics(titles={}, arms={}, runs={})


def run_table(
    plan: Plan,
    facts: Mapping[RunKey, RunFacts],
    *,
    curves: Sequence[ArmLearningCurves],
    progress: Progress,
    measured: PrimaryMetrics | None,
) -> RunTable:
    """Put together what is known of every arm and every planned run.

    Parameters
    ----------
    facts : of the finished runs
    curves : of every arm, in the plan's order
    """
    found = NOTHING_MEASURED if measured is None else measured
    states = {RunKey(run.arm, run.seed, run.repeat, run.fold): "running" for run in progress.running}
    states |= {RunKey(run.arm, run.seed, run.repeat, run.fold): "failed" for run in progress.failed}
    places = plan.folds or ((None, None),)
    runs = [
        _run_row(key, arm, facts=facts, state=states.get(key), measured=found)
        for arm in curves
        for key in (RunKey(arm.name, seed, *place) for seed in plan.seeds for place in places)
    ]
    arms = [_arm_row(arm, [run for run in runs if run.arm == arm.name], facts, found) for arm in curves]
    by_arm = [arm.seconds for arm in arms]
    known = [seconds for seconds in by_arm if seconds is not None]
    return RunTable(
        settings=tuple(dict.fromkeys(key for arm in curves for key in arm.settings)),
        metrics=found.titles,
        arms=tuple(_best_first(arms, plan.primary.metric)),
        runs=tuple(runs),
        seconds_a_seed=len(places) * sum(known) if known and len(known) == len(by_arm) else None,
        seconds_trained=sum(run.seconds for run in runs if run.seconds is not None),
    )


def _best_first(arms: Sequence[ArmRow], metric: str) -> list[ArmRow]:
    sign = -1 if METRICS[metric].higher_is_better else 1

    def place(arm: ArmRow) -> float:
        found = arm.metrics.get(METRICS[metric].name)
        return float("inf") if found is None or found.mean is None else sign * found.mean

    return sorted(arms, key=place)


def _arm_row(
    arm: ArmLearningCurves, runs: Sequence[RunRow], facts: Mapping[RunKey, RunFacts], measured: PrimaryMetrics
) -> ArmRow:
    keys = (RunKey(arm.name, run.seed, run.repeat, run.fold) for run in runs)
    done = [facts[key] for key in keys if key in facts]
    accuracies = finite(run.val_accuracy for run in runs)
    return ArmRow(
        name=arm.name,
        label=arm.label,
        n_finished=len(done),
        n_planned=len(runs),
        seconds=median_seconds(done),
        engines=tuple(dict.fromkeys(one.engine for one in done)),
        epochs_kept=tuple(one.chosen_epoch for one in done if one.chosen_epoch is not None),
        val_accuracy=statistics.fmean(accuracies) if accuracies else None,
        metrics=measured.arms.get(arm.name, {}),
    )


def _run_row(
    key: RunKey,
    arm: ArmLearningCurves,
    *,
    facts: Mapping[RunKey, RunFacts],
    state: str | None,
    measured: PrimaryMetrics,
) -> RunRow:
    done = facts.get(key)
    curve = next(
        (run for run in arm.runs if (run.seed, run.repeat, run.fold) == (key.seed, key.repeat, key.fold)), None
    )
    kept = None if done is None else done.chosen_epoch
    known = state if done is None else done.status
    return RunRow(
        arm=arm.name,
        label=arm.label,
        seed=key.seed,
        repeat=key.repeat,
        fold=key.fold,
        state=known or ("waiting" if curve is None else curve.state),
        n_epochs=0 if curve is None or not curve.epochs else curve.epochs[-1],
        epoch_kept=kept,
        seconds=None if done is None else seconds_of(done),
        engine=None if done is None else done.engine,
        val_accuracy=_at(curve, kept),
        metrics=measured.runs.get(key, {}),
    )


def _at(curve: SeedCurve | None, epoch: int | None) -> float | None:
    """Return the validation accuracy of an epoch."""
    if curve is None or epoch is None or epoch not in curve.epochs:
        return None
    return curve.val_accuracy[curve.epochs.index(epoch)]
