"""How a terminal shows a cross-validation: arms and differences over the folds, verdicts, notes."""

from __future__ import annotations

from rich.table import Table

from scantrial.analysis.cross_validation import FoldComparison
from scantrial.analysis.fold_words import span_words
from scantrial.analysis.metrics import METRICS
from scantrial.analysis.verdict_words import metric_heading, metric_number
from scantrial.cli import output
from scantrial.cli.compare_table import comparisons_table, plain_table, print_list
from scantrial.core.format import NONE, percent


def print_folds(found: FoldComparison) -> None:
    """Print arms, comparisons, a sentence on each, the differences by fold, and the notes."""
    for warning in found.warnings:
        output.say(warning, bullet="! ")
    output.print_table(_arms_table(found))
    if found.comparisons:
        output.print_table(comparisons_table(found.metric, found.comparisons))
    for sentence in found.sentences:
        output.say(sentence, bullet="- ")
    print_list("differences by fold", [f"{item.name}: {item.by_fold}" for item in found.comparisons])
    of_each = [f"{item.name}: {note}" for item in found.comparisons for note in item.verdict.notes]
    print_list("notes", [*of_each, *found.notes])
    print_list("methods", [f"{step}: {name}" for step, name in found.methods.items()])


def _arms_table(found: FoldComparison) -> Table:
    metric = METRICS[found.metric]
    table = plain_table(metric_heading(metric))
    table.add_column("arm")
    columns = ("folds", "seeds", "mean", f"{percent(found.level)} CI", "SD over folds", "range over folds")
    for name in columns:
        table.add_column(name, justify="right", no_wrap=True)
    for arm in found.arms:
        values = (arm.mean, arm.low, arm.high, arm.sd, min(arm.by_fold), max(arm.by_fold))
        mean, low, high, sd, least, most = (metric_number(metric, value) for value in values)
        interval = f"{low} to {high}" if arm.low == arm.low else NONE
        table.add_row(arm.arm, str(len(arm.by_fold)), span_words(arm.n_seeds), mean, interval, sd, f"{least} to {most}")
    return table
