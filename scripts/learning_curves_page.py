"""Write docs/learning-curves.md from the table of checks; a test holds the page to it.

python scripts/learning_curves_page.py
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))

import curve_examples

from scantrial.analysis.diagnosis.checks import CHECKS, Check
from scantrial.analysis.diagnosis.diagnose import diagnose
from scantrial.analysis.diagnosis.thresholds import (
    SHORT_RUN,
    SHORT_WINDOW,
    TAIL_LEAST,
    TAIL_SHARE,
    WINDOW,
    Threshold,
)
from scantrial.analysis.diagnosis.words import sentence
from scantrial.analysis.gap_words import shift_words, train_gap_words
from scantrial.analysis.gaps import Gap, Leakage, ShiftEvidence, TwoSample, accuracy_gap, explain_gap

PAGE = Path(__file__).resolve().parents[1] / "docs" / "learning-curves.md"

HEAD = """# What learning curves show

*Written by `python scripts/learning_curves_page.py` from the table in `analysis/diagnosis/checks.py`.*

Every run is judged by the checks below, each round by itself. A check is *found*, *clear* or *not applicable* (with
the reason); all of them, with the numbers that they compared, stand in the JSON of `scantrial run` and
`scantrial report` under `diagnosis`. The report and the terminal print the sentences.

A run's label is the first label found, in the order of their codes; none is "no clear pattern". For an arm it is said
how many of its runs have it, and numbers that differ between runs are given as the median with the smallest and the
largest in brackets. Rounds are never replicates.

**Smoothing.** A running median over {window:g} epochs ({short:g} below {short_run:g} epochs), shifted inwards at the
ends. **Tail.** The last {tail:.0%} of the epochs, at least {least:g}. **Trend.** The Theil-Sen slope times the epochs
of the tail, over the size of its median, in per cent; its p is Mann and Kendall's, two-sided. **Loss of guessing.** The
cross-entropy of the training cases' class shares: 0.693 for two equal classes. For class-weighted, label-smoothed and
focal losses that is another number, and the rules that need it are switched off, with the reason. **Best epoch.** That
of the smallest validation loss, as it is and smoothed, with the first and last epoch whose smoothed loss is within one
standard error (over validation cases, at the kept epoch) of the smallest.

**Training numbers.** Those of the recipe's `train_eval: true` where it is set: the training cases measured again at the
end of each epoch. Without it they are means over the epoch while the weights moved, and it is said so. `train_eval` is
off by default because it costs 15 % of an epoch's time for `mlp-256`, 37 % for `mlp-64x3` and 62 to 71 % for `cnn`
(`python benchmarks/recording_costs.py`). Always recorded, each for less than 1 %: the learning rate, the norm of the
weights, the norm of the last step's gradient, and the share of hidden units that answer all validation cases with one
number (channels: the first 64 cases).

**How often the overfit label is wrong.** Of 1,000 simulated curves of 40 epochs whose validation loss is flat, with
noise of 5 % of the loss, 13 are called overfit if the noise of neighbouring epochs does not correlate, 54 if it
correlates by 0.3, 129 by 0.5, 235 by 0.7: noise that wanders looks like a rise. With 2 % noise it is 5 (at 0.3). A rise
by 35 % is seen in at least 996 of 1,000 (noise of 2 to 7 %, correlation 0.3); of 20 epochs with 7 % noise in 881.
(`tests/simulation/test_curve_labels.py`, run by `make sim`.)

**What is not asked.** A later fall after a rise is possible (Nakkiran 2020). The checks describe the runs at hand;
whether two arms differ is another question.

## The checks
"""

GAP_HEAD = """
## From validation to test

A gap has a 95 % interval: Newcombe's with one run; with more, the variance of the runs' gaps plus the covariance that
they share through the cases of either set, with Hillis' degrees of freedom, so that it speaks of newly trained networks
and new cases. Where validation lies above test beyond chance, these steps are carried out in order, and nothing is
called shift before the first four are done:

1. **Chance.** Is 0 in the interval? Then nothing else is asked.
2. **Selection.** Validation chose the epoch: how much of its accuracy is gone at the last epoch?
3. **Class mix.** Test accuracy with the classes as common as in validation: the sum over classes of validation's share
   times the share of test cases decided rightly.
4. **Leakage.** Validation accuracy without the cases that training has seen in some form.
5. **Covariate shift.** Can a classifier tell the scans of the two apart?
6. **Label quality.** How many test labels are doubtful?
7. **Unexplained.** What is left.

What has not been looked at is said to be *not yet checked*. An example, with everything looked at:
"""


def example_gap(first: float, second: float, n: int = 400) -> Gap:
    """Return the gap of one run with these accuracies on n cases each."""
    places = np.arange(n)
    return accuracy_gap(places < first * n, places < second * n)


def example_evidence(gap: Gap) -> ShiftEvidence:
    """Return an example in which everything has been looked at."""
    return ShiftEvidence(
        gap=gap,
        kept_by_val=True,
        val_accuracy_last=0.92,
        val_shares=np.array([0.5, 0.5]),
        test_recalls=np.array([0.50, 0.96]),
        leakage=Leakage(n_cases=31, accuracy_without=0.925),
        two_sample=TwoSample(auroc=0.83, p=0.005, is_found=True),
        n_suspect_labels=6,
        n_epochs=30,
    )


def check_section(check: Check) -> list[str]:
    """Return the section of one check."""
    facts = [f"*{check.kind}, {check.severity}"]
    if check.needs:
        facts.append(f"; needs: {', '.join(check.needs)}")
    if check.least_epochs > 1:
        facts.append(f"; at least {check.least_epochs} epochs")
    lines = [f'### <a id="{check.code.lower()}"></a>{check.code} {check.title}', "", f"{''.join(facts)}*", ""]
    lines += [f"Rule: {_coded(check.rule, check.thresholds)}.", "", f"Source: {check.source}.", ""]
    if check.thresholds:
        lines += ["| threshold | value | of what | origin |", "| --- | --- | --- | --- |"]
        lines += [_row(threshold) for threshold in check.thresholds]
        lines.append("")
    return [*lines, f"> {example_sentence(check)}", ""]


def _coded(rule: str, thresholds: tuple[Threshold, ...]) -> str:
    names = "|".join(sorted((threshold.name for threshold in thresholds), key=len, reverse=True))
    coded = re.sub(rf"\b({names})\b", r"`\1`", rule) if names else rule
    return coded[0].upper() + coded[1:].rstrip(".")


def _row(threshold: Threshold) -> str:
    unit = f" {threshold.unit}" if threshold.unit else ""
    return f"| `{threshold.name}` | {threshold.value:g}{unit} | {threshold.meaning} | {threshold.origin} |"


def example_sentence(check: Check) -> str:
    """Return what scantrial says of the simulated curve, or gap, on which the check is found."""
    if check.code in curve_examples.FOUND:
        return sentence(check.code, [diagnose(curve_examples.FOUND[check.code]()).findings[check.code].numbers])
    if check.code == "LC016":
        return train_gap_words(example_gap(0.99, 0.91))
    gap = example_gap(0.93, 0.73)
    return shift_words(gap, explain_gap(example_evidence(gap)))[0]


def page() -> str:
    """Return the whole page."""
    head = HEAD.format(
        window=WINDOW.value,
        short=SHORT_WINDOW.value,
        short_run=SHORT_RUN.value,
        tail=TAIL_SHARE.value,
        least=TAIL_LEAST.value,
    )
    gap = example_gap(0.93, 0.73)
    steps = [f"> {i}. {said}" for i, said in enumerate(shift_words(gap, explain_gap(example_evidence(gap))), 1)]
    sections = [line for check in CHECKS.values() for line in check_section(check)]
    return "\n".join([head, *sections]).rstrip() + "\n" + GAP_HEAD + "\n" + "\n".join(steps) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
