"""``compare``: the arms of a study folder or of a file of predictions, compared."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.table import Table

from scantrial import api
from scantrial.analysis.comparison import Comparison
from scantrial.analysis.cross_validation import FoldComparison
from scantrial.analysis.metric_names import metric_called
from scantrial.analysis.metrics import METRICS
from scantrial.cli import output
from scantrial.cli.compare_folds import print_folds
from scantrial.cli.compare_table import comparisons_table, p_in_cell, plain_table, print_list
from scantrial.cli.output import print_json, print_table, say_positive_class
from scantrial.core.errors import InputError
from scantrial.core.format import decimal, percent, proportion
from scantrial.findings.decisions import DecisionFaults
from scantrial.findings.judging import Judgement
from scantrial.findings.predictions_file import Rescored
from scantrial.prose.folder import folder_warnings
from scantrial.prose.verdicts import effects_title, notes_on, reversals, when_declared, without_leaks


def compare(folder: Path | None, predictions: Path | None, *, as_json: bool, **asked: Any) -> None:
    """Compare the arms of a study folder, or of a file of predictions."""
    if (folder is None) == (predictions is None):
        got = "neither DIR nor --predictions FILE" if folder is None else "both DIR and --predictions FILE"
        raise InputError(got, expected="one of the two")
    asked["metric"] = _metric(asked["metric"])
    if folder is not None:
        _compare_study(folder, asked, as_json=as_json)
        return
    assert predictions is not None
    asked["metric"] = asked["metric"] or "accuracy"
    found = api.compare_predictions(predictions, **asked)
    if as_json:
        print_json(found.to_dict())
        return
    output.say(_headline(found))
    _print_decisions(found.decisions)
    if isinstance(found.comparison, FoldComparison):
        print_folds(found.comparison)
        return
    print_comparison(found.comparison)
    _print_outlook(found)


def _metric(name: str | None) -> str | None:
    """Return the metric that ``--metric`` means, and say which where it is not its name."""
    if name is None:
        return None
    found = metric_called(name)
    if found != name:
        output.err.print(f"--metric {name}: {found}")
    return found


_OF_FILES = ("threshold", "threshold_rule", "target_sensitivity", "positive", "class_counts_fixed")
"""Options for files of predictions only: a study fixes its own decisions, classes and splits."""


def _compare_study(folder: Path, asked: dict[str, Any], *, as_json: bool) -> None:
    given = {name: asked.pop(name, None) for name in _OF_FILES}
    foreign = [name for name, value in given.items() if value is not None and value is not False]
    if foreign or asked.pop("split") != "test":
        options = ", ".join(f"--{name.replace('_', '-')}" for name in foreign) or "--split"
        raise InputError(
            f"{options} with a study folder", expected="it with --predictions FILE only", do="leave it out"
        )
    pairs = asked.pop("pairs") == "all"
    found = api.compare(folder, pairs=pairs, **asked)
    if as_json:
        print_json({"folder": str(folder), **found.to_dict()})
        return
    print_judgement(found)


def print_judgement(found: Judgement) -> None:
    """Print what a study decides: its comparisons, its hypotheses, its trends."""
    for warning in folder_warnings(found.mismatches):
        output.say(warning, bullet="! ")
    if found.compared is None:
        output.say(f"No verdict: {found.reason}.")
        _print_decisions(found.decisions)
        return
    where = f"{found.compared.n_cases} {found.split} cases"
    if isinstance(found.compared, FoldComparison):
        where = f"{found.compared.n_cases} cases{_in_folds(found.compared)}"
    output.say(f"Compared: {found.family}; {where}.")
    say_positive_class(found.class_names)
    _print_decisions(found.decisions)
    if isinstance(found.compared, FoldComparison):
        print_folds(found.compared)
    else:
        print_comparison(found.compared)
    for sentence in reversals(found):
        output.say(sentence, bullet="! ")
    print_list(
        "hypotheses", [f"{item.claim}: {item.answer}, {when_declared(item.declared)}" for item in found.hypotheses]
    )
    print_list("with and without cases that appear in two splits", without_leaks(found))
    _print_outlook(found)
    if found.effects is not None:
        print_list(effects_title(found.effects).lower(), [item.sentence for item in found.effects.comparisons])


def _print_decisions(found: DecisionFaults) -> None:
    for sentence in found.said:
        output.say(sentence, bullet="- ")


def _print_outlook(found: Judgement | Rescored) -> None:
    sentences = () if found.outlook is None else found.outlook.sentences
    reason = found.outlook_reason
    print_list(
        "what would be needed to decide, from the spreads measured here", [*sentences, *([reason] if reason else [])]
    )


def _headline(found: Rescored) -> str:
    comparison = found.comparison
    cases = f"{comparison.n_cases} {found.split} cases"
    if comparison.n_patients is not None:
        cases += f" of {comparison.n_patients} patients"
    counts = [f"{n} of class {name}" for name, n in zip(found.class_names, comparison.n_by_class, strict=True)]
    if isinstance(comparison, FoldComparison):
        cases += _in_folds(comparison)
    positive = f"; positive class: {found.positive}" if found.positive is not None else ""
    return f"{found.file}: {cases} ({', '.join(counts)}{positive})"


def _in_folds(comparison: FoldComparison) -> str:
    repeats = f", repeated {comparison.n_repeats} times" if comparison.n_repeats > 1 else ""
    return f" in {len(comparison.folds) // comparison.n_repeats} folds{repeats}"


def print_comparison(comparison: Comparison) -> None:
    """Print arms, comparisons, a sentence on each, and the notes; nothing is left out."""
    for warning in comparison.warnings:
        output.say(warning, bullet="! ")
    print_table(_arms_table(comparison))
    if comparison.comparisons:
        print_table(comparisons_table(comparison.metric, comparison.comparisons))
    for sentence in comparison.sentences:
        output.say(sentence, bullet="- ")
    if comparison.global_test is not None and comparison.global_test.p == comparison.global_test.p:
        output.say(
            f"Test that all arms are equal: p = {p_in_cell(comparison.global_test.p)} (one test for all arms).",
            bullet="- ",
        )
    print_list("notes", notes_on(comparison))
    print_list("methods", [f"{step}: {name}" for step, name in comparison.methods.items()])


def _arms_table(comparison: Comparison) -> Table:
    entry = METRICS[comparison.metric]
    in_percent = entry.unit == "proportion"
    table = plain_table(f"{entry.title}{', %' if in_percent else ''}")
    table.add_column("arm")
    table.add_column("seeds", justify="right")
    for name in ("mean", f"{percent(comparison.level)} CI", "range over seeds"):
        table.add_column(name, justify="right", no_wrap=True)
    for arm in comparison.arms:
        values = arm.by_seed.values()
        mean, low, high, least, most = (
            (proportion if in_percent else decimal)(value)
            for value in (arm.mean, arm.low, arm.high, min(values), max(values))
        )
        table.add_row(arm.arm, str(len(values)), mean, f"{low} to {high}", f"{least} to {most}")
    return table
