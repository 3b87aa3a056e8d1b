"""A cross-validation in words: what its intervals count, how differences fall out over folds, methods and notes."""

from __future__ import annotations

from collections.abc import Sequence

from scantrial.analysis.fold_estimates import FoldDifference
from scantrial.analysis.folds import Folds
from scantrial.analysis.metrics import METRICS
from scantrial.analysis.verdict_words import difference_interval
from scantrial.core.format import counted

HEURISTIC = (
    "folds share training cases; the correction for this is a heuristic that was derived for random splits (Nadeau and "
    "Bengio 2003)"
)


OVER_FOLDS = "corrected t over folds"
"""How an interval of one arm is found."""


def counting_folds(folds: Folds, result: FoldDifference) -> str:
    """Say what an interval counts as random: training on other cases, and how many cases and folds there are."""
    cases = f"{folds.n_cases} cases" + ("" if folds.n_patients is None else f" of {folds.n_patients} patients")
    n_seeds = [n for arm in result.contrast.arms for n in folds.n_seeds(arm)]
    seeds = f", {span_words(n_seeds)} seeds each" if max(n_seeds) > 1 else ""
    return f"accounting for new training cases and the limited number of cases ({cases} in {folds_words(folds)}{seeds})"


def folds_words(folds: Folds) -> str:
    """Say how many folds there are: ``5 folds``, ``20 folds of 4 repeats``."""
    n = len(folds.parts)
    return f"{n} folds" + (f" of {folds.n_repeats} repeats" if folds.n_repeats > 1 else "")


def span_words(numbers: Sequence[int]) -> str:
    """Return ``3``, or ``1 to 3``."""
    low, high = min(numbers), max(numbers)
    return str(low) if low == high else f"{low} to {high}"


def by_fold(result: FoldDifference) -> str:
    """Say in how many folds the first arm is ahead, and between which values the differences lie."""
    d = result.by_fold
    behind, equal = sum(value < 0 for value in d), sum(value == 0 for value in d)
    rest = [f"behind in {behind}" if behind else "", f"equal in {equal}" if equal else ""]
    others = " and ".join(part for part in rest if part)
    said = f"ahead in {len(d) - behind - equal} of {len(d)} folds{f', {others}' if others else ''}"
    unit = " points" if METRICS[result.metric].unit == "proportion" else ""
    return f"{said}; differences from {difference_interval(result.metric, min(d), max(d))}{unit}"


def fold_methods(folds: Folds, metric: str, n_comparisons: int) -> dict[str, str]:
    """Name what was used, by step."""
    n = len(folds.parts)
    several = n_comparisons != 1
    return {
        "values": f"{METRICS[metric].title} in each fold, the mean over its seeds; then the mean over the folds. "
        "Scores of different folds are never pooled",
        "inference": f"corrected t-test on the {n} differences of the folds: variance (1/{n} + {folds.test_share:.4g}) "
        f"times theirs, {n - 1} degrees of freedom (Nadeau and Bengio 2003; Bouckaert and Frank 2004)",
        "arms": "the same variance for one arm: the interval is for the mean over new training sets of this size and "
        "new cases",
        "multiplicity": f"Holm over {counted(n_comparisons, 'comparison')}" + "; intervals by Bonferroni" * several,
        "equivalence": "two one-sided tests (Schuirmann 1987)" + ", Holm" * several,
    }


def fold_notes(folds: Folds, n_clipped: int) -> tuple[str, ...]:
    """Say what a reader has to know: what the verdict is about, and how far the correction can be trusted."""
    trained = span_words([part.n_train for part in folds.parts])
    found = [f"the verdict is on arms that are trained anew on {trained} cases, not on these networks", HEURISTIC]
    sizes = [part.runs.n_cases for part in folds.parts]
    if len(set(sizes)) > 1:
        found.append(
            f"folds of {span_words(sizes)} cases count alike; {folds.test_share:.3g} test cases for each training case "
            "is their mean"
        )
    for arm in folds.arm_names:
        if len(set(folds.n_seeds(arm))) > 1:
            found.append(f"{arm}: {span_words(folds.n_seeds(arm))} seeds in a fold, of which the mean is taken")
    if n_clipped:
        found.append(f"{n_clipped} probabilities were clipped")
    return tuple(found)
