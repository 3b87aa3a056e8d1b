"""``plan``: what a design can show and how long it takes, before any training."""

from __future__ import annotations

from typing import Any

from rich.table import Table

from scantrial import api
from scantrial.analysis.assumptions import MEANINGS
from scantrial.analysis.fold_power import FoldPowerPlan
from scantrial.analysis.metrics import METRICS
from scantrial.analysis.outlook import seeds_of_curve
from scantrial.analysis.plan_words import chance_words, size_words
from scantrial.analysis.power import PowerCurve
from scantrial.analysis.power_table import PowerPlan
from scantrial.cli.about import say_open_questions
from scantrial.cli.output import duration, out, print_json, print_table, progress_bar, say, say_trust
from scantrial.core.format import counted
from scantrial.study.timing import StudyTime


def plan(study: str, *, as_json: bool, **options: Any) -> None:
    """Print what a study can show."""
    with progress_bar() as progress:
        found = api.plan(study, progress=progress, on_trust=say_trust, **options)
    if as_json:
        print_json(found.to_dict())
    else:
        print_plan(found)
        out.print()
        say_open_questions(study)


def print_plan(found: api.StudyPlan) -> None:
    """Print the design, its assumptions, the answer, two short tables, the warnings and the time."""
    plan = found.plan
    say(found.question)
    say(_design(found))
    if found.positive_class is not None:
        say(f"positive class: {found.positive_class}")
    out.print()
    _print_basis(plan)
    out.print()
    for sentence in plan.sentences:
        say(sentence, bullet="- ")
    out.print()
    if isinstance(plan, FoldPowerPlan):
        _print_fold_curves(plan)
    else:
        _print_curve(plan, plan.over_seeds, f"{plan.design.n_cases:,} test cases")
        _print_curve(plan, plan.over_cases, counted(seeds_of_curve(plan.design), "seed"))
    for warning in (*found.notes, *plan.warnings):
        say(warning, bullet="! ")
    out.print()
    for line in _time(found.time):
        say(line)


def _design(found: api.StudyPlan) -> str:
    design = found.plan.design
    folds = found.plan.folds if isinstance(found.plan, FoldPowerPlan) else None
    n_runs = design.n_arms * design.n_seeds * (1 if folds is None else folds.n_all_folds)
    in_folds = "" if folds is None else f" x {counted(folds.n_all_folds, 'fold')}"
    classes = ", ".join(f"{name} {n:,}" for name, n in found.cases.by_class.items())
    margin = "no margin" if design.margin is None else f"margin {size_words(design.metric, design.margin)}"
    cases = counted(design.n_cases, "test case" if folds is None else "case")
    return (
        f"{counted(design.n_arms, 'arm')}{in_folds} x {counted(design.n_seeds, 'seed')} = "
        f"{counted(n_runs, 'run')}, {counted(design.n_comparisons, 'comparison')}; {METRICS[design.metric].title} on "
        f"{cases} ({classes}; {found.cases.source}); {margin}"
    )


def _print_basis(plan: PowerPlan | FoldPowerPlan) -> None:
    if not plan.basis.assumptions:
        say(f"Measured in the {plan.basis.source}.")
        return
    say("Assumptions, because nothing has been trained yet; each can be changed:")
    for name, item in plan.basis.assumptions.items():
        out.print(f"  {'--' + name.replace('_', '-'):<14} {item.value:<6g} {MEANINGS[name]}")
        out.print(f"{'':24}({item.origin})")


def _print_curve(plan: PowerPlan, curve: PowerCurve, fixed: str) -> None:
    table = Table(box=None, padding=(0, 3, 0, 0))
    table.add_column(curve.over if curve.over == "seeds" else "test cases", justify="right")
    table.add_column("smallest difference", justify="right")
    if curve.difference is not None:
        table.add_column(f"power for {size_words(plan.design.metric, curve.difference)}", justify="right")
    table.add_column("", justify="left")
    design = plan.design
    planned = design.n_seeds if curve.over == "seeds" or seeds_of_curve(design) != design.n_seeds else design.n_cases
    for position, count in enumerate(curve.counts):
        cells = [f"{count:,}", size_words(plan.design.metric, curve.smallest_difference[position])]
        cells += [chance_words(curve.power[position])] if curve.power else []
        table.add_row(*cells, "as planned" if count == planned else "")
    out.print(f"With {fixed}:")
    print_table(table)
    out.print()


def _print_fold_curves(plan: FoldPowerPlan) -> None:
    folds, design = plan.folds, plan.design
    repeats = "repeated once" if folds.n_repeats == 1 else f"repeated {folds.n_repeats} times"
    shown = (
        ("repeats", plan.over_repeats, folds.n_repeats, f"{folds.n_folds} folds of {design.n_cases:,} cases"),
        ("cases", plan.over_cases, design.n_cases, f"{folds.n_folds} folds, {repeats}"),
    )
    for over, curve, planned, fixed in shown:
        table = Table(box=None, padding=(0, 3, 0, 0))
        for title in (over, "smallest difference"):
            table.add_column(title, justify="right")
        if plan.difference is not None:
            table.add_column(f"power for {size_words(design.metric, plan.difference)}", justify="right")
        table.add_column("", justify="left")
        for position, count in enumerate(curve.counts):
            cells = [f"{count:,}", size_words(design.metric, curve.smallest_difference[position])]
            cells += [chance_words(curve.power[position])] if curve.power else []
            table.add_row(*cells, "as planned" if count == planned else "")
        out.print(f"With {fixed}:")
        print_table(table)
        out.print()


def _time(time: StudyTime) -> list[str]:
    total = time.total_s
    if total is None and all(arm.epoch_s is None for arm in time.arms):
        return [f"Training time: {time.source}."]
    lines = [
        f"  {arm.arm}: {'at most ' * arm.may_stop}{arm.n_epochs} epochs, "
        + ("not known" if arm.run_s is None else f"{duration(arm.run_s)} a run ({arm.epoch_s:.2g} s an epoch)")
        for arm in time.arms
    ]
    whole = (
        "not known, because that of an arm is not known"
        if total is None
        else f"{'at most' if any(arm.may_stop for arm in time.arms) else 'about'} {duration(total)} with one worker"
    )
    return [f"Training time: {whole} ({time.source}):", *lines]
