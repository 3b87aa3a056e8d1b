"""What the report says about verdicts: the answer first, then what it rests on."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from typing import Any

from scantrial.analysis.best import BestArm
from scantrial.analysis.class_mix import ByMix
from scantrial.analysis.comparison import Compared, Comparison
from scantrial.analysis.cross_validation import FoldCompared, FoldComparison
from scantrial.analysis.metrics import METRICS, Metric
from scantrial.analysis.verdict_words import NO_INTERVAL, metric_difference, metric_number
from scantrial.core.format import counted, interval, joined, moment, percent
from scantrial.findings.hypotheses import Declared, HypothesisAnswer
from scantrial.findings.judging import Judgement
from scantrial.prose.folder import folder_warnings
from scantrial.recipe.spec import Recipe

MAX_IN_SHORT = 3
"""Verdicts that the top of a report says in full."""


def in_short(judgement: Judgement) -> list[str]:
    """Answer the study's question in a few sentences."""
    if judgement.compared is None:
        return [f"There is no verdict: {judgement.reason}."]
    best = None if judgement.primary is None else judgement.primary.best
    sentences = [item.sentence for item in judgement.compared.comparisons]
    said = [*([] if best is None else [best.sentence]), *sentences[:MAX_IN_SHORT]]
    if len(sentences) > MAX_IN_SHORT:
        said.append(tally(judgement.compared))
    return [*said, *reversals(judgement)]


def reversals(judgement: Judgement) -> list[str]:
    """Say where choosing on validation would have picked the arm that is worse on test: a paragraph, or nothing."""
    return [] if judgement.reversals is None else [" ".join(judgement.reversals.sentences)]


def verdict_warnings(judgement: Judgement) -> list[str]:
    """Return what a reader has to know before the verdicts."""
    not_logged = [f"{judgement.not_logged}."] if judgement.not_logged else []
    of_scores = () if judgement.compared is None else judgement.compared.warnings
    return [*folder_warnings(judgement.mismatches), *not_logged, *of_scores]


def is_provisional(item: Compared | FoldCompared) -> bool:
    """Whether more seeds, or folds, may change the verdict."""
    return item.verdict.provisional and item.verdict.label != "not enough to judge"


def verdict_label(item: Compared | FoldCompared) -> str:
    """Name the verdict, with its most important qualifications."""
    within = ", by less than the margin" if item.verdict.within_margin else ""
    return f"{item.verdict.label}{within}{', provisional' if is_provisional(item) else ''}"


def notes_on(comparison: Comparison | FoldComparison) -> list[str]:
    """Return what a reader has to know besides the verdicts: about each comparison, then about all."""
    of_each = [f"{item.name}: {note}" for item in comparison.comparisons for note in item.verdict.notes]
    return [*of_each, *comparison.notes]


def what_best_is(found: BestArm) -> list[str]:
    """Explain the table behind the sentence on the best arm."""
    said = [
        "An arm is excluded where its difference from some other arm is surely below 0; its interval then ends at 0."
    ]
    if found.reasons:
        said.append("Where a pair of arms gets no verdict, neither excludes the other, and no limit is given.")
    return said


def effects_title(effects: Comparison) -> str:
    """Name the second family: trends along ordered factors, or the simple effects of a factorial design."""
    simple = effects.comparisons[0].result.contrast.kind == "simple effect"
    return "Effects of each factor at each level of another" if simple else "Trends along ordered factors"


def tally(primary: Comparison | FoldComparison) -> str:
    """Count the comparisons by verdict."""
    labels = [item.verdict.label for item in primary.comparisons]
    n, counts = len(labels), Counter(labels)
    if len(counts) > 1:
        each = joined([f"{counts[label]} {label}" for label in counts])
        return f"Of all {n} comparisons: {each}."
    return f"Both comparisons: {labels[0]}." if n == 2 else f"All {n} comparisons: {labels[0]}."


def what_verdicts_are(judgement: Judgement) -> list[str]:
    """Explain the verdicts' table: which comparisons, what is counted as random, how p is corrected."""
    primary = judgement.compared
    if primary is None:
        return [f"There is no verdict: {judgement.reason}."]
    n = len(primary.comparisons)
    by_fold = isinstance(primary, FoldComparison)
    cases = "in each fold, on the cases that it tests" if by_fold else f"of the {judgement.split} cases"
    said = [
        f"Compared: {judgement.family}, on {METRICS[judgement.metric].title} {cases}.",
        *(_what_folds_count(primary) if isinstance(primary, FoldComparison) else _what_is_random(primary)),
    ]
    if n > 1:
        said.append(
            f"p is corrected for {n} comparisons (Holm 1979). The intervals are simultaneous: all {n} hold together "
            f"with {percent(primary.level)} (Bonferroni)."
        )
    if judgement.margin is None:
        said.append("The study file declares no margin, so arms cannot be called equivalent.")
    if not METRICS[judgement.metric].higher_is_better:
        said.append("Lower is better here: signs are reversed, so a positive difference is an improvement.")
    return [*said, *_primary_declared(judgement)]


def _what_folds_count(found: FoldComparison) -> list[str]:
    """Say what the intervals over folds count, and that they hold for arms that are trained anew."""
    return [
        f"Each interval is over the differences of {len(found.folds)} folds, with a variance that is corrected for the "
        f"training cases that folds share (1/{len(found.folds)} + {found.test_share:.3g}; Nadeau and Bengio 2003): it "
        "holds for arms that are trained anew on as many other cases, not for these networks.",
        "The correction is a heuristic that was derived for random splits.",
    ]


def _what_is_random(primary: Comparison) -> list[str]:
    """Say what the intervals count, by how the arms of the comparisons are paired."""
    pairings = {item.result.pairing for item in primary.comparisons}
    several = "With several seeds each" if "one seed" in pairings else "Each"
    both = f"{several} interval counts both seed-to-seed variation and the sample of cases"
    agree = "a verdict also requires that the intervals over cases alone and over seeds alone agree"
    said = []
    if "paired" in pairings:
        said.append(f"{both}, paired on seeds and cases (Obuchowski and Rockette 1995; Hillis 2007); {agree}.")
        if "unpaired" in pairings:
            said.append("Arms that do not share their seeds are paired on cases alone (Hillis 2014).")
    elif "unpaired" in pairings:
        said.append(f"{both}, paired on cases alone because the arms do not share seeds (Hillis 2014); {agree}.")
    if "one seed" in pairings:
        said.append(
            "Where an arm has one seed, the interval accounts only for the sample of cases: it holds for these trained "
            "networks, not for networks that are trained again."
        )
    return said


def _primary_declared(judgement: Judgement) -> list[str]:
    declared = judgement.primary_declared
    if not declared.at:
        return []
    if declared.before_runs:
        return [f"Metric, split and margin were declared before the first run finished ({_version(declared)})."]
    return [
        f"Metric, split or margin were added to the study file after runs had finished ({_version(declared)}): "
        "they may have been chosen with knowledge of the results."
    ]


def without_leaks(judgement: Judgement) -> list[str]:
    """Show each comparison with and without the cases that the audit found in two splits."""
    with_all, without = judgement.primary, judgement.without_leaks
    if with_all is None or not judgement.n_leaking:
        return []
    metric = METRICS[judgement.metric]
    shared = f"{judgement.n_leaking:,} of the cases are known from training (same patient or same image; see the audit)"
    if without is None or judgement.without_mix is None:
        return [f"{shared}, and the comparison cannot be made without them: {judgement.without_reason}."]
    left = f"{shared}; without them {counted(without.n_cases, 'case')} are left"
    said = [f"{left}{_at_which_mix(judgement.without_mix, metric.title)}."]
    for item, other in zip(with_all.comparisons, without.comparisons, strict=True):
        before, after = (_with_interval(metric, found, with_all.level) for found in (item, other))
        said.append(f"{item.result.contrast.title}: {before}; without these cases {after}.")
    for arm in with_all.arms:
        levels = [metric_number(metric, found.arm(arm.arm).mean) for found in (with_all, without)]
        said.append(f"{judgement.labels[arm.arm]}: {levels[0]}, without these cases {levels[1]}.")
    return said


def _at_which_mix(mix: ByMix, metric: str) -> str:
    """Say how the class mix of the cases that are left enters the metric; completes ``cases are left``."""
    if mix == "weighted":
        return ", weighted to the class mix of all cases, so no difference is due to the mix"
    if mix == "the same":
        return f"; {metric} does not depend on the class mix"
    return f" in another class mix, on which {metric} depends: a difference may be due to the mix"


def _with_interval(metric: Metric, item: Compared, level: float) -> str:
    found = item.alone
    effect, low, high = (metric_difference(metric, value, fine=True) for value in (found.effect, found.low, found.high))
    span = NO_INTERVAL if math.isnan(found.low) else interval(low, high, level)
    return f"{effect} ({span}), {item.verdict.label}"


def answer_of(item: HypothesisAnswer, titles: Mapping[str, str]) -> str:
    """Answer a hypothesis by the verdict that is said already, or say why there is none.

    Parameters
    ----------
    titles : of the comparisons, by their name
    """
    if item.comparison is None:
        return item.sentence
    return f"{item.answer.capitalize()}: see the verdict on {titles[item.comparison]} above."


def when_declared(declared: Declared) -> str:
    """Say when a hypothesis was declared: before the first run finished, or after; completes ``the claim was``."""
    if not declared.at:
        return "declared at an unknown time"
    if declared.before_runs:
        return f"declared before the first run finished ({_version(declared)})"
    return (
        f"added after runs had finished ({_version(declared)}), when results were known, so the study does not test "
        "this claim fairly"
    )


def _version(declared: Declared) -> str:
    digest = f", study file {declared.sha256[:12]}" if declared.sha256 else ""
    return f"{moment(declared.at)}{digest}"


def component_words(primary: Comparison) -> list[str]:
    """Say how much of the spread is seed-to-seed variation and how much the sample of cases."""
    found = primary.components
    if found is None:
        return []
    training = max(found.var_seed, 0.0) + max(found.var_arm_seed, 0.0)
    return [
        f"How much one run of an arm varies (standard deviations of {METRICS[primary.metric].title}): "
        f"seed-to-seed variation {training**0.5:.4f}, sample of cases {max(found.var_error, 0.0) ** 0.5:.4f} "
        f"({counted(found.n_seeds, 'seed')} shared by {counted(found.n_arms, 'arm')}, "
        f"{counted(found.n_cases, 'case')})."
    ]


def loss_note(recipes: Mapping[str, Recipe], *, n_classes: int) -> list[str]:
    """Explain how BCE and CE are related, where arms differ in nothing else; else return nothing.

    With two classes ``softmax(z0, z1)`` is the sigmoid of ``z1 - z0``, so both losses are one function; what differs is
    how the last layer starts and how fast it moves.
    """
    pair = _bce_and_ce(recipes)
    if pair is None or n_classes != 2 or pair[0].model.is_custom:
        return []  # how the last layer of a custom class starts is not known
    bce, ce = pair
    said = [
        "With two classes, cross-entropy on two outputs z0, z1 is binary cross-entropy on the one output z1 − z0: the "
        "same function, with the same gradient for everything below the last layer.",
        "What differs: under CE the difference of the two outputs moves as if the last layer's learning rate were "
        "twice as high, and its initial values are √2 times as spread out. So expect no other difference than from "
        "these two changes to the last layer.",
    ]
    exact = _breaks_equivalence(bce)
    said.append(
        "With this optimiser the equivalence is exact: CE with a given learning rate of the last layer equals BCE "
        "with twice that rate."
        if not exact
        else f"Here the equivalence is not exact: {joined(exact)}."
    )
    said += _weights_note(bce, ce)
    return said


def _bce_and_ce(recipes: Mapping[str, Recipe]) -> tuple[Recipe, Recipe] | None:
    """Return the recipes of a BCE and a CE arm that are equal in everything but the loss."""
    for first in recipes.values():
        for second in recipes.values():
            if (first.loss.name, second.loss.name) == ("bce", "ce") and _without_loss(first) == _without_loss(second):
                return first, second
    return None


def _without_loss(recipe: Recipe) -> dict[str, Any]:
    return recipe.model_dump(exclude={"loss"})


def _breaks_equivalence(recipe: Recipe) -> list[str]:
    optimizer = recipe.optimizer
    broken = []
    if optimizer.name == "adam" and optimizer.weight_decay:
        broken.append("weight decay coupled into Adam scales with the weights")
    if recipe.clip_grad_norm:
        broken.append("gradient clipping acts on a last-layer gradient that is √2 times as long under CE")
    if recipe.precision != "float32":
        broken.append(f"{recipe.precision} rounds one output and two outputs differently")
    return broken


def _weights_note(bce: Recipe, ce: Recipe) -> list[str]:
    said = []
    if bce.loss.class_weights or ce.loss.class_weights:
        said.append(
            "Class weights: weighted CE divides by the sum of the weights, weighted BCE by the number of cases, which "
            "changes the effective learning rate."
        )
    if bce.loss.label_smoothing or ce.loss.label_smoothing:
        said.append("Label smoothing by ε under CE equals BCE targets of y(1 − ε) + ε/2.")
    return said
