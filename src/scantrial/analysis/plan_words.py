"""A plan in words: what a design can show, what more would cost, and what weakens the numbers."""

from __future__ import annotations

import math

from scantrial.analysis.assumptions import Basis
from scantrial.analysis.few_cases import MIN_OF_CLASS, small_classes
from scantrial.analysis.metrics import METRICS
from scantrial.analysis.outlook import SEEDS_SHOWN, Outlook
from scantrial.analysis.planned_design import PlannedDesign
from scantrial.analysis.power import MAX_CASES_FACTOR, MAX_SEEDS, POWER, Variances, cases_needed
from scantrial.analysis.verdict_words import amount
from scantrial.analysis.verdicts import FEW_SEEDS, MIN_SEEDS, NEEDED_SEEDS
from scantrial.core.format import counted, percent
from scantrial.core.positive import class_word


def chance_words(probability: float) -> str:
    """Return a probability in whole per cent, and never as certain where it is not."""
    if 0 < probability < 0.01:
        return "less than 1 %"
    return "more than 99 %" if probability > 0.99 else percent(probability, 0)


def size_words(metric: str, difference: float) -> str:
    """Return a difference in words, two digits: ``3.6 points``; ``0.021`` of AUROC."""
    return amount(metric, difference, spread=difference)


def about_count(count: int) -> str:
    """Return a number of cases to two digits, rounded up: ``about 1,400``."""
    step = 10 ** max(0, len(str(count)) - 2)
    return f"about {math.ceil(count / step) * step:,}"


def plan_sentences(
    design: PlannedDesign, variances: Variances, outlook: Outlook, cautious: Outlook | None
) -> list[str]:
    """Return the answer in words, each sentence with its numbers."""
    found = [_first(design, outlook, cautious)]
    if design.n_comparisons > 1:
        found.append(
            f"This holds for each of {design.n_comparisons} comparisons at once: each is tested at the level "
            f"{1 - design.level:.2g} / {design.n_comparisons}, the strictest step of Holm's correction, so the real "
            "power is at least as high."
        )
    if outlook.difference is not None and outlook.power is not None:
        found.append(_about_difference(design, outlook, cautious))
        found += _price(design, variances, outlook)
    if outlook.power_of_equivalence is not None and design.margin is not None:
        found.append(
            f"Arms that are truly equal would be called equivalent, within the margin of "
            f"{size_words(design.metric, design.margin)}, with a probability of "
            f"{chance_words(outlook.power_of_equivalence)}."
        )
    found.append(_floors(design, outlook))
    return found


def _first(design: PlannedDesign, outlook: Outlook, cautious: Outlook | None) -> str:
    shape = f"With {counted(design.n_seeds, 'seed')} and {counted(design.n_cases, 'test case')}"
    smallest, networks = (
        outlook.smallest_difference,
        size_words(design.metric, outlook.smallest_these_networks),
    )
    if smallest is None:
        each = "two trained networks" if design.n_seeds == 1 else f"{design.n_seeds} trained networks of each arm"
        return (
            f"{shape}, nothing can be said about arms: {NEEDED_SEEDS}. Between {each}, a true difference of "
            f"{networks} would be found with a probability of {chance_words(POWER)}."
        )
    if small_classes(design.metric, design):
        shape = f"{shape} no verdict is given. Without this rule"
    size = size_words(design.metric, smallest)
    text = f"{shape}, a true difference of {size} would be found with a probability of {chance_words(POWER)}."
    if cautious is not None and cautious.smallest_difference is not None:
        text += (
            f" A small pilot measures seed-to-seed variation imprecisely: at the upper 80 % limit of this variation, "
            "the difference is "
            f"{size_words(design.metric, cautious.smallest_difference)}."
        )
    return text


def _about_difference(design: PlannedDesign, outlook: Outlook, cautious: Outlook | None) -> str:
    difference, found = outlook.difference or 0.0, outlook.power or 0.0
    margin = "as large as the margin, " if difference == design.margin else "of "
    text = f"A true difference {margin}{size_words(design.metric, difference)}"
    text += f"{',' * (difference == design.margin)} would be found with a probability of {chance_words(found)}"
    low = cautious.power if cautious is not None else None
    return text + (
        "." if low is None else f" ({chance_words(low)} at the upper limit of the pilot's seed-to-seed variation)."
    )


def _price(design: PlannedDesign, variances: Variances, outlook: Outlook) -> list[str]:
    """Say what would show the difference that was asked about, where this design does not."""
    difference = outlook.difference or 0.0
    size, cases = size_words(design.metric, difference), counted(design.n_cases, "test case")
    if (outlook.power or 0.0) >= POWER:
        return _enough(design, outlook, size)
    seeds, more = outlook.seeds_needed, outlook.cases_needed
    with_cases = "" if more is None else f"{about_count(more)} test cases with {counted(design.n_seeds, 'seed')}"
    if seeds is not None:
        options = f"{counted(seeds, 'seed')} with these {cases}"
        return [f"Showing {size} takes {options}{', or ' * bool(with_cases)}{with_cases}."]
    if difference <= outlook.floor_over_seeds:
        start = f"No number of seeds can show {size} with these {cases}"
    else:
        start = f"To show {size}, even {MAX_SEEDS} seeds are too few with these {cases}"
    if with_cases:
        return [f"{start}: you need {with_cases}."]
    as_planned = counted(design.n_seeds, "seed")
    return [
        f"{start}, and no number of cases can do so with {as_planned}: {_both(design, variances, size, difference)}"
    ]


def _enough(design: PlannedDesign, outlook: Outlook, size: str) -> list[str]:
    seeds = outlook.seeds_needed
    if seeds is None or seeds >= design.n_seeds:
        return []
    few = f", though with fewer than {FEW_SEEDS} every verdict is provisional" if seeds < FEW_SEEDS else ""
    return [f"{counted(seeds, 'seed')} would be enough to show {size}{few}."]


def _both(design: PlannedDesign, variances: Variances, size: str, difference: float) -> str:
    """Say how many cases are needed with more seeds, for a difference that neither alone can show."""
    for n_seeds in (n for n in SEEDS_SHOWN if n > design.n_seeds):
        more = cases_needed(variances, difference, n_seeds=n_seeds, alpha=design.alpha)
        if more is not None:
            return f"you need both, such as {n_seeds} seeds and {about_count(more)} test cases."
    return f"not even {MAX_SEEDS} seeds and {MAX_CASES_FACTOR} times as many cases can show {size}."


def _floors(design: PlannedDesign, outlook: Outlook) -> str:
    cases = f"With these {counted(design.n_cases, 'test case')},"
    floor = outlook.floor_over_seeds
    if floor > 0:
        text = f"{cases} no number of seeds can show less than {size_words(design.metric, floor)}"
    else:
        text = (
            f"{cases} more seeds can always show a smaller difference, because on the same cases two arms differ "
            "no more than two seeds of one arm"
        )
    below = outlook.floor_over_cases
    if below is None:
        return text + "."
    if below == 0:
        return text + "; with these seeds, more cases can always show a smaller difference."
    seeds = counted(design.n_seeds, "seed")
    return f"{text}; with {seeds}, no number of cases can show less than {size_words(design.metric, below)}."


def plan_warnings(design: PlannedDesign, basis: Basis, outlook: Outlook) -> list[str]:
    """Return what prevents a verdict, or weakens the numbers."""
    found = []
    if design.n_seeds < MIN_SEEDS:
        found.append(
            f"{counted(design.n_seeds, 'seed')}: no verdict is given with fewer than {MIN_SEEDS}; {FEW_SEEDS} or more "
            "are recommended."
        )
    elif design.n_seeds < FEW_SEEDS:
        found.append(f"{design.n_seeds} seeds: every verdict will be provisional; {FEW_SEEDS} or more are recommended.")
    found += _few_cases(design)
    if design.margin is None:
        found.append("The study declares no margin, so no two arms can be called equivalent.")
    found += _patients(design, basis)
    found += _beyond(design, basis, outlook)
    if basis.assumptions:
        found.append(
            "The numbers rest on assumptions. A pilot of a few seeds measures them: scantrial run STUDY --seeds 3 "
            "--out pilot, then plan with --pilot pilot."
        )
    return found


def _few_cases(design: PlannedDesign) -> list[str]:
    too_few = small_classes(design.metric, design)
    refused = [f"{text[0].upper()}{text[1:]}." for text in too_few]
    if refused:
        return refused
    unit, counts = "case", design.n_by_class
    if design.patients_by_class is not None and design.n_patients != design.n_cases:
        unit, counts = "patient", design.patients_by_class
    return [
        f"{counted(n, f'test {unit}')} of {class_word(index, design.class_names)}: sensitivity, specificity and AUROC "
        f"are not judged on fewer than {MIN_OF_CLASS}."
        for index, n in enumerate(counts)
        if n < MIN_OF_CLASS
    ]


def _patients(design: PlannedDesign, basis: Basis) -> list[str]:
    several = design.n_patients is not None and design.n_patients < design.n_cases
    if not several or not basis.assumptions:
        return []
    return [
        f"{design.n_cases:,} cases of {design.n_patients:,} patients: the plan assumes that all scans of a patient are "
        f"classified alike, which leaves {design.resting_cases():,.0f} independent cases; a pilot measures this."
    ]


def _beyond(design: PlannedDesign, basis: Basis, outlook: Outlook) -> list[str]:
    """Warn where the smallest difference is larger than any possible improvement."""
    value = basis.assumptions.get("value")
    smallest = outlook.smallest_difference
    best = METRICS[design.metric].bounds[1]
    if value is None or smallest is None or value.value + smallest <= best:
        return []
    return [
        f"The expected value {value.value:g} is only {size_words(design.metric, best - value.value)} below the best "
        "possible value, less than the smallest difference: this design can hardly show that an arm is better."
    ]
