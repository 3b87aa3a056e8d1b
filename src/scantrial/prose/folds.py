"""What the report says of a study because it is a cross-validation."""

from __future__ import annotations

from collections.abc import Sequence

from scantrial.core.format import counted, joined
from scantrial.core.names import some_of
from scantrial.findings.view import ReportView
from scantrial.store.folder import RunKey


def over(view: ReportView) -> str:
    """Name what means and standard deviations of runs are over."""
    return "folds" if view.folds else "seeds"


def what_changes(view: ReportView) -> str:
    """Say what changes between the runs of an arm."""
    return "each is trained and tested on other cases" if view.folds else "only the seed changes"


def folds_planned(view: ReportView) -> list[str]:
    """Say how many folds, repeats and seeds there are, and how many runs these are."""
    n_repeats = len({repeat for repeat, _ in view.folds})
    folds = counted(len(view.folds) // n_repeats, "fold") + (f", repeated {n_repeats} times" if n_repeats > 1 else "")
    seeds = f" and {counted(len(view.seeds), 'seed')} in each" if len(view.seeds) > 1 else ""
    same = ", the same folds for every arm" if len(view.arms) > 1 else ""
    finished = "all finished" if view.n_finished == view.n_planned else f"{view.n_finished} of them finished"
    return [
        f"This study is a cross-validation of {counted(len(view.arms), 'arm')}: {folds}{seeds}{same}. These are "
        f"{counted(view.n_planned, 'run')}, {finished}."
    ]


def scans_of_folds(view: ReportView, kept: str) -> list[str]:
    """Say what each fold uses the scans for; `kept` says which epoch of a run is kept."""
    n = {split: counted(view.data.n_of(split), "scan") for split in ("train", "val", "test")}
    return [
        f"Each of the {n['test']} is tested once in every repeat, by networks that were not trained on it. A run is "
        f"trained on about {n['train']} and monitored on about {n['val']} of the other folds: "
        f"{kept.replace('these choose', 'the latter choose')}."
    ]


def left_out_of_folds(view: ReportView) -> list[str]:
    """Say which parts of a report a cross-validation does not have, and why; nothing for other studies."""
    if not view.folds:
        return []
    return [
        "ROC curves, calibration, net benefit, the gap from validation to test and the corrected score of the best arm "
        "are of networks on one test set. Each fold has other networks and other cases, whose scores are not pooled: "
        "they are left out."
    ]


def audit_of_folds(view: ReportView) -> list[str]:
    """Say which splits the audit compared; nothing for other studies."""
    if not view.folds:
        return []
    return [
        "It looks for patients, copies and what weights have seen across all folds; everything else that it compares "
        "between splits is of the first fold."
    ]


def limits_of_folds() -> list[str]:
    """Say what a cross-validation cannot tell."""
    return [
        "Folds share training cases, so their results go together: the intervals are corrected for that by a rule that "
        "was derived for random splits and is a heuristic.",
        "No network of this study was trained on all scans: the results are of the way to train, on a training set of "
        "this size.",
    ]


def named_runs(keys: Sequence[RunKey]) -> str:
    """Name some runs of an arm: by their seeds, in a cross-validation by the first few of their folds."""
    if keys[0].place is not None:
        return some_of(list(dict.fromkeys(f"fold {key.fold} of repeat {key.repeat}" for key in keys)))
    word = "seed" if len(keys) == 1 else "seeds"
    return f"{word} {joined([str(key.seed) for key in keys])}"
