"""The report's sentences on a study, its scans, results and limits; each claims no more than the numbers show."""

from __future__ import annotations

import re
from collections.abc import Sequence, Set

from scantrial.analysis.metric_names import depends_on_positive
from scantrial.analysis.metrics import METRICS
from scantrial.analysis.verdict_words import order_of_grades, title_in_text
from scantrial.core.format import SPLIT_WORDS, counted, joined, percent
from scantrial.core.positive import positive_class
from scantrial.core.records import Split
from scantrial.data.left_out import left_out_items
from scantrial.findings.run_views import RunView
from scantrial.findings.view import ArmView, ReportView
from scantrial.prose.folds import (
    audit_of_folds,
    folds_planned,
    named_runs,
    over,
    scans_of_folds,
    what_changes,
)
from scantrial.recipe.facts import Start, start_of
from scantrial.recipe.selection import SELECTIONS
from scantrial.recipe.spec import SelectSpec
from scantrial.store.folder import CHANGED_ABOUT, WRITTEN_DIFFERENTLY


def what_was_done(view: ReportView) -> list[str]:
    """Describe the study in one paragraph: arms, seeds, runs, scans."""
    return [*_runs_planned(view), *_stopped_early(view), *_scans_used(view), *_scans_left_out(view)]


def _runs_planned(view: ReportView) -> list[str]:
    if view.folds:
        return folds_planned(view)
    arms, seeds = counted(len(view.arms), "arm"), counted(len(view.seeds), "seed")
    same = ", the same seeds for every arm" if len(view.arms) > 1 and len(view.seeds) > 1 else ""
    if view.n_finished < view.n_planned:
        finished = f"{view.n_finished} of them finished"
    else:
        finished = "finished" if view.n_planned == 1 else "all finished"
    return [f"This study has {arms} and {seeds}{same}: {counted(view.n_planned, 'run')}, {finished}."]


def _stopped_early(view: ReportView) -> list[str]:
    """Say how many epochs the runs of each arm trained that could stop early, beside those planned."""
    parts = []
    for arm in view.arms:
        if arm.recipe.early_stopping is None or not arm.runs:
            continue
        epochs = [run.facts.n_epochs for run in arm.runs]
        n_ended, mean = sum(run.facts.stopped_early for run in arm.runs), sum(epochs) / len(epochs)
        span = f" ({min(epochs)} to {max(epochs)})" if len(epochs) > 1 else ""
        parts.append(
            f"{n_ended} of {counted(len(epochs), 'run')} of {arm.label}, which trained {mean:.4g} of the "
            f"{arm.recipe.n_epochs} planned epochs on average{span}"
        )
    return [f"Early stopping ended {joined(parts)}."] if parts else []


def _kept(are_last: frozenset[bool]) -> str:
    """Say which epoch of a run is kept, from whether each arm keeps its last."""
    if are_last == {True, False}:
        return "its epoch is chosen on the validation scans, or its last epoch is kept, depending on its recipe"
    return "its last epoch is kept" if True in are_last else "these choose its epoch"


def _scans_used(view: ReportView) -> list[str]:
    n = {split: counted(view.data.n_of(split), f"{word} scan") for split, word in SPLIT_WORDS.items()}
    kept = _kept(frozenset(arm.recipe.select.name == "last" for arm in view.arms))
    if view.folds:
        return scans_of_folds(view, kept)
    return [
        f"Each run is trained on {n['train']} and monitored on {n['val']}: {kept}.",
        f"It is then evaluated on {n['test']}, which were not used for training or for choosing.",
    ]


def _scans_left_out(view: ReportView) -> list[str]:
    said = [f"Left out: {'; '.join(left_out_items(view.data.left_out))}."] if view.data.left_out else []
    skipped = view.data.skipped
    if skipped:
        said.append(f"{counted(len(skipped), 'file')} could not be read and {_was(skipped)} left out.")
    if view.data.n_unused > 0:
        are = "is in no split and was" if view.data.n_unused == 1 else "are in no split and were"
        said.append(f"{counted(view.data.n_unused, 'scan')} of the source {are} not used.")
    return said or ["No scan was left out."]


def _was(things: Sequence[object]) -> str:
    return "was" if len(things) == 1 else "were"


# ---------------------------------------------------------------------- the scans, audited


def audited(view: ReportView) -> list[str]:
    """Say how many findings the audit has, and whether blockers are open."""
    if view.audit is None:
        return ["The scans were not audited: the study is not finished, or an early version of scantrial ran it."]
    n = {
        severity: sum(finding.severity == severity for finding in view.audit.findings)
        for severity in ("blocker", "warning", "note")
    }
    checks = counted(len(view.audit.results), "check")
    said = [f"{checks} found {joined([counted(n[severity], severity) for severity in n])}.", *audit_of_folds(view)]
    n_open = sum(finding.is_open_blocker for finding in view.audit.findings)
    if n_open:
        said.append(
            f"{counted(n_open, 'blocker')} {'is' if n_open == 1 else 'are'} not acknowledged in the study file: "
            "until then no arm can be called better than another."
        )
    return said


# ---------------------------------------------------------------------- what did not go as planned


def trouble(view: ReportView) -> list[str]:
    """Say which runs are missing, failed or diverged; nothing where all went well."""
    return [*_missing(view), *_failed(view), *_diverged(view)]


def _missing(view: ReportView) -> list[str]:
    failed = {failure.key for failure in view.failures}
    waiting = [(arm.label, [key for key in arm.missing if key not in failed]) for arm in view.arms]
    parts = [f"{label} ({named_runs(keys)})" for label, keys in waiting if keys]
    if not parts:
        return []
    n = sum(len(keys) for _, keys in waiting)
    return [
        f"The study is not finished: {counted(n, 'run')} of {view.n_planned} {'is' if n == 1 else 'are'} still "
        f"missing: {'; '.join(parts)}. All numbers below come from the finished runs."
    ]


def _failed(view: ReportView) -> list[str]:
    labels = {arm.name: arm.label for arm in view.arms}
    return [
        f"The run of {labels.get(failure.key.arm, failure.key.arm)}, {failure.key.words}, failed: {failure.message}"
        for failure in view.failures
    ]


def _diverged(view: ReportView) -> list[str]:
    return [_one_diverged(arm, run) for arm, run in view.diverged()]


def _one_diverged(arm: ArmView, run: RunView) -> str:
    epoch = run.facts.diverged_epoch
    when = f" at epoch {epoch}" if epoch is not None else ""
    if run.facts.chosen_epoch is None:
        after = "No epoch could be chosen, so this run has no predictions and is in no mean of the results."
    else:
        after = (
            f"Its predictions come from epoch {run.facts.chosen_epoch}, before it diverged, and count in the results."
        )
    aggregates = "It is shown in the learning curves but left out of their aggregates."
    return f"The run of {arm.label}, {run.words}, diverged: its loss was not finite{when}. {after} {aggregates}"


# ---------------------------------------------------------------------- results


def how_to_read(view: ReportView) -> list[str]:
    """Explain the numbers of the results' tables."""
    said = ["Each number comes from one run."]
    if _means_of_runs(view, view.splits):
        said = [
            f"Each number is the mean over an arm's runs, ± the standard deviation over its {over(view)}; below it are "
            "the smallest and the largest run.",
            f"The standard deviation shows how much runs vary when {what_changes(view)}; it is not a confidence "
            "interval.",
        ]
    said += _of_positive(view)
    if len(view.arms) > 1:
        said.append("These numbers only describe: whether arms differ is answered by the verdicts.")
    chance = majority_share(view, "test")
    if chance is not None:
        share, name = chance
        said.append(
            f"Always answering “{name}” would be right in {percent(share, 1)} of the test cases: "
            "an accuracy is meaningful only above this."
        )
    orders = [said for name in view.metrics for said in order_of_grades(name, view.data.class_names)]
    return [*said, *(f"{order}." for order in orders)]


def _of_positive(view: ReportView) -> list[str]:
    """Say which class the metrics of two classes are about that depend on it."""
    positive = positive_class(view.data.class_names)
    names = [METRICS[name].title for name in view.metrics if depends_on_positive(name)]
    if positive is None or not names:
        return []
    names = [names[0], *(name if name.isupper() else name[0].lower() + name[1:] for name in names[1:])]
    return [f"{joined(names)} are about the positive class, “{positive}”."]


def about_positive(view: ReportView, metric: str) -> str:
    """Name the positive class after a caption where a metric depends on it; empty elsewhere."""
    positive = positive_class(view.data.class_names)
    return f" The positive class is “{positive}”." if positive is not None and depends_on_positive(metric) else ""


def what_numbers_are(view: ReportView, splits: Sequence[Split]) -> str:
    """Say for a table's caption what its numbers are."""
    if _means_of_runs(view, splits):
        return f"mean ± standard deviation over {over(view)}, smallest to largest run below"
    return "each number comes from one run"


def _means_of_runs(view: ReportView, splits: Sequence[Split]) -> bool:
    """Whether some arm has scores of more than one run on one of these splits."""
    return any(sum(split in run.metrics for run in arm.runs) > 1 for split in splits for arm in view.arms)


def primary_that_does_not_apply(view: ReportView) -> list[str]:
    """Say why the primary metric has no value with this number of classes; nothing where it applies."""
    if view.primary_metric in view.metrics:
        return []
    title, n_classes = METRICS[view.primary_metric].title, len(view.data.class_names)
    return [f"{title} is not defined here: it needs two classes, and there are {n_classes}."]


def majority_share(view: ReportView, split: Split) -> tuple[float, str] | None:
    """Return the share of the commonest class of a split, and its name; None where the split is empty."""
    counts = view.data.counts.get(split, {})
    total = sum(counts.values())
    if not total:
        return None
    name = max(counts, key=lambda key: counts[key])
    return counts[name] / total, name


def undefined_values(view: ReportView, split: Split) -> list[str]:
    """Say which metrics have no value on a split, and why."""
    found: dict[tuple[str, str], int] = {}
    for arm in view.arms:
        for run in arm.runs:
            for value in run.metrics.get(split, {}).values():
                if value.reason is not None:
                    key = (METRICS[value.name].title, name_classes(value.reason, view.data.class_names))
                    found[key] = found.get(key, 0) + 1
    return [f"{title} is not defined in {counted(n, 'run')}: {reason}." for (title, reason), n in found.items()]


def name_classes(reason: str, class_names: Sequence[str]) -> str:
    """Put classes' names for their indices in the reason why a metric is undefined: `no case is of class 1 or 2`."""
    found = re.fullmatch(r"(no case is of class )(\d+(?: or \d+)*)", reason)
    if found is None:
        return reason
    return found[1] + re.sub(r"\d+", lambda index: f"“{class_names[int(index[0])]}”", found[2])


def clipped_values(view: ReportView, split: Split) -> list[str]:
    """Say how many probabilities the log loss clipped on a split."""
    values = [run.metrics[split]["log_loss"] for arm in view.arms for run in arm.runs if split in run.metrics]
    n_clipped, n = sum(value.n_clipped for value in values), sum(value.n for value in values)
    if not n_clipped:
        return []
    return [
        f"For the log loss, {n_clipped:,} of {n:,} probabilities (over all runs) were clipped "
        "to at least 1e−7 and at most 1 − 1e−7."
    ]


def worst_heading(view: ReportView) -> str:
    """Say which cases are shown as the worst, and whether they are mistakes."""
    n_runs = max((case.n_runs for case in view.worst), default=0)
    said = (
        f"The {counted(len(view.worst), 'test case')} with the lowest mean probability of the true class over "
        f"{counted(n_runs, 'run')}."
    )
    wrong = sum(case.n_right < case.n_runs for case in view.worst)
    return said if wrong else f"{said} All runs classified them correctly."


def what_aggregates_are(view: ReportView) -> list[str]:
    """Explain the tables of the learning curves' aggregates."""
    skipped = view.skipped_epochs
    several = any(stretch.n_runs > 1 for arm in view.arms for stretch in arm.stretches)
    shown = (
        f"each computed run by run, then shown as mean ± standard deviation over {over(view)}"
        if several
        else "from one run"
    )
    if not view.has_epoch_means and any(arm.stretches for arm in view.arms):
        no_mean = f"No run has more than {skipped} epochs, so there is no mean over epochs without the first {skipped}."
        return [no_mean, f"For each arm and round: the value at its last epoch, {shown.removeprefix('each ')}."]
    said = [
        f"For each arm and round: the mean over the round’s epochs without its first {skipped}, "
        f"and the value at its last epoch; {shown}."
    ]
    if view.has_rounds:
        said.append(f"“All” covers the whole run without its first {skipped} epochs.")
    return said


# ---------------------------------------------------------------------- how choices were made


def how_arms_start(view: ReportView) -> str:
    """Say what the initial weights of two arms have in common under one seed."""
    return start_in_common({start_of(arm.recipe) for arm in view.arms})


def start_in_common(starts: Set[Start]) -> str:
    """Say what the initial weights of two networks have in common under one seed, by how some arm's start."""
    kinds = (("by itself", "custom classes"), ("by timm", "networks of timm"))
    own = joined([name for start, name in kinds if start in starts])
    if own:
        return (
            f"{own[:1].upper()}{own[1:]} initialise themselves from one stream of random numbers per seed: the same "
            "seed may give two networks different initial weights."
        )
    drawn = " and both are drawn" if "trained" in starts else ""
    return (
        f"Where two networks have a parameter of the same name and shape{drawn}, the same seed gives both the same "
        "initial values."
    ) + (" Pretrained weights are the same at every seed." if drawn else "")


def alike_at_start(starts: Set[Start]) -> str:
    """Name the networks whose equal parameters start alike under one seed."""
    kinds = (("by itself", "built-in"), ("by timm", "built-in"), ("trained", "untrained"))
    return " ".join([*dict.fromkeys(kind for start, kind in kinds if start in starts), "networks"])


def choice_sentences(view: ReportView) -> list[str]:
    """Say how each choice was made, and how often test rows were read."""
    n_reads = sum(opening.n_readings for opening in view.openings)
    said = [
        _epochs_chosen(view),
        *_engines_chosen(view),
        _copied(view),
        "The predicted class is the one with the largest probability; any other threshold or temperature that is shown "
        "was chosen on validation scans.",
        _changes_in_view_of_results(view) or "No arm was chosen: all arms of the plan are reported.",
        "Test scans were not used for training or for choosing the epoch. After that choice, each run computed its "
        "test predictions and stored them.",
        _evaluations(view),
        f"Stored test predictions have been read {counted(n_reads, 'time')} since (one reading for each run), "
        "and every reading is logged."
        if n_reads
        else "",
    ]
    return [sentence for sentence in said if sentence]


def _engines_chosen(view: ReportView) -> list[str]:
    """Say which engine trained the runs and why, by arm where arms differ."""
    arms: dict[tuple[str, str], list[str]] = {}
    for arm in view.arms:
        for choice in dict.fromkeys((run.facts.engine, run.facts.engine_reason) for run in arm.runs):
            arms.setdefault(choice, []).append(arm.label)
    whose = {choice: "" if len(arms) == 1 else f" of {joined(labels)}" for choice, labels in arms.items()}
    return [f"Runs{of} were trained by the {engine} engine ({reason})." for (engine, reason), of in whose.items()]


def _copied(view: ReportView) -> str:
    """Say which runs were copied from other study folders; empty where none was."""
    sources: dict[str, list[str]] = {}
    for arm in view.arms:
        for run in arm.runs:
            if run.facts.reused_from is not None:
                sources.setdefault(str(run.facts.reused_from["folder"]), []).append(f"{arm.label} at {run.words}")
    if not sources:
        return ""
    said = "; ".join(f"{joined(runs)} from {folder}" for folder, runs in sources.items())
    return f"Copied instead of trained again, because everything that the numbers depend on is equal: {said}."


def _epochs_chosen(view: ReportView) -> str:
    """Say from which epoch the weights are, by arm where arms differ."""
    labels: dict[str, list[str]] = {}
    for arm in view.arms:
        if arm.runs:
            labels.setdefault(epoch_rule(arm.recipe.select), []).append(arm.label)
    if len(labels) < 2:
        return "".join(f"Each run is evaluated with the weights of {rule}." for rule in labels)
    parts = "; ".join(f"{rule} ({joined(arms)})" for rule, arms in labels.items())
    return f"The arms differ in the epoch whose weights are evaluated: {parts}."


def epoch_rule(select: SelectSpec) -> str:
    """Put in words which epoch a recipe's `select` keeps."""
    return SELECTIONS[select.name].format(metric=title_in_text(select.metric) if select.metric else "")


def score_of(select: SelectSpec) -> str:
    """Return the name of the quantity that a recipe's `select` goes by."""
    return f"validation {title_in_text(select.metric) if select.metric else 'loss'}"


_HARMLESS = (CHANGED_ABOUT, WRITTEN_DIFFERENTLY, "spelt otherwise")
"""Changes of the study file that choose no arm and no metric; the last is what 0.1.0 called one of the text alone."""


def _changes_in_view_of_results(view: ReportView) -> str:
    """Say how the study file was changed after results existed; empty where it was not."""
    late = [version for version in view.protocol[1:] if version.get("finished_runs", 0) > 0]
    later = [version for version in late if version.get("change") not in _HARMLESS]
    if not later:
        return ""
    changes = "; ".join(f"{str(version.get('at', ''))[:10]}: {version.get('change', '')}" for version in later)
    return (
        f"The study file was changed {counted(len(later), 'time')} after results existed ({changes}): "
        "arms, seeds or the primary metric may have been chosen with knowledge of the results."
    )


def _evaluations(view: ReportView) -> str:
    """Say how often runs were evaluated on the test scans; empty where no evaluation is logged."""
    if not view.n_evaluations:
        return ""
    said = f"Test scans were evaluated {counted(view.n_evaluations, 'time')} for {counted(view.n_evaluated, 'run')}"
    if view.n_evaluations == view.n_evaluated:
        return f"{said}, each run once." if view.n_evaluated > 1 else f"{said}."
    return f"{said}: if a run is stopped after its evaluation but before the result is stored, it is evaluated again."
