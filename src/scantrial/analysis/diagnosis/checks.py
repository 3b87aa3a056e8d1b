"""The table of checks: code, title, rule in words, thresholds, source, and the function that judges."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from scantrial.analysis.diagnosis import detectors, labels
from scantrial.analysis.diagnosis import thresholds as limit
from scantrial.analysis.diagnosis.curve import LearningCurve
from scantrial.analysis.diagnosis.labels import Found
from scantrial.analysis.diagnosis.thresholds import CheckThreshold
from scantrial.analysis.diagnosis.workings import Verdict, Workings

Need = Literal["guessing loss", "learning rate", "schedule that moves", "dead units", "chosen epoch", "loss error"]
Judge = Callable[[Workings, Found], Verdict]


@dataclass(frozen=True, slots=True, kw_only=True)
class CurveCheck:
    """One check.

    Parameters
    ----------
    code : never reused for another check; the order of the table is not that of the codes
    kind : ``label`` (the first that is found, in the table's order, is the curve's), ``modifier`` (in addition to a
        label), ``detector`` (signs of a fault), ``gap`` (of an arm's accuracies; see `analysis.gaps`)
    severity : ``warning`` where something should be done, otherwise ``note``
    rule : in words; the numbers in it are those of `thresholds`
    source : where the rule is from
    thresholds : the numbers that it compares with
    judge : takes a curve's workings and the earlier checks, returns the verdict; None for a gap
    needs : what has to be known about the curve
    least_epochs : a shorter round is not judged
    after_divergence : whether it is judged where the losses diverged
    """

    code: str
    title: str
    kind: Literal["label", "modifier", "detector", "gap"]
    severity: Literal["warning", "note"]
    rule: str
    source: str
    thresholds: tuple[CheckThreshold, ...]
    judge: Judge | None = None
    needs: tuple[Need, ...] = ()
    least_epochs: int = 1
    after_divergence: bool = False

    @property
    def anchor(self) -> str:
        """Where the documentation describes it."""
        return f"docs/learning-curves.md#{self.code.lower()}"


_TAIL = int(limit.TAIL_LEAST.value)
_TREND = (limit.TAIL_SHARE, limit.TAIL_LEAST, limit.TREND, limit.TREND_P)

_TABLE = (
    CurveCheck(
        code="LC001",
        title="Diverged",
        kind="label",
        severity="warning",
        rule="a loss is not finite, or training loss ends at LOSS_LIMIT or more; or smoothed training loss ends above "
        "LOSS_RATIO times its smallest value and above the loss of guessing. The epoch is the first of the last "
        "unbroken stretch where this holds, after the epoch of the smallest validation loss. If the loss of guessing "
        "is not known, the second part is left out.",
        source="Zhang 2021; Smith 2017",
        thresholds=(limit.LOSS_LIMIT, limit.LOSS_RATIO),
        judge=labels.diverged,
        after_divergence=True,
    ),
    CurveCheck(
        code="LC002",
        title="Stuck at chance",
        kind="label",
        severity="warning",
        rule="smoothed training loss never falls to STUCK_SHARE of the loss of guessing, and smoothed validation "
        "accuracy ends no higher than guessing the commonest class may come by chance: the CHANCE quantile of a "
        "binomial distribution over the validation cases",
        source="Karpathy 2019; Zhang 2021; Lu 2020",
        thresholds=(limit.STUCK_SHARE, limit.CHANCE),
        judge=labels.stuck,
        needs=("guessing loss",),
        least_epochs=_TAIL,
    ),
    CurveCheck(
        code="LC003",
        title="Overfit",
        kind="label",
        severity="warning",
        rule="with t* the epoch of the smallest smoothed validation loss: the median of the tail lies more than "
        "OVERFIT_RISE above it; so does the Theil-Sen line from t* to the end, with Mann-Kendall p below OVERFIT_P; "
        "both rises are larger than LEAST_CHANGE of the loss of guessing, where that is known; there are at least "
        "OVERFIT_EPOCHS epochs from the best one on; and training loss fell further, below OVERFIT_TRAIN of its value "
        "at t*. The best epoch here is the later one of t* and that of the smallest loss as it is, and onset is the "
        "epoch after it. It is confirmed at the first epoch of the last unbroken stretch in which smoothed validation "
        "loss lies more than OVERFIT_RISE, and LEAST_CHANGE of the loss of guessing, above its smallest value so far. "
        "It is loss only, unless validation accuracy fell by more than NORMAL_95 standard errors of a difference from "
        "t* to the last 3 epochs. Strong above OVERFIT_STRONG.",
        source="Prechelt 1998; Guo 2017; Li 2024",
        thresholds=(
            limit.OVERFIT_RISE,
            limit.OVERFIT_P,
            limit.LEAST_CHANGE,
            limit.OVERFIT_EPOCHS,
            limit.OVERFIT_TRAIN,
            limit.OVERFIT_STRONG,
            limit.NORMAL_95,
        ),
        judge=labels.overfit,
        least_epochs=_TAIL,
    ),
    CurveCheck(
        code="LC018",
        title="Fits both",
        kind="label",
        severity="note",
        rule="smoothed training loss and smoothed validation loss both end below LEAST_CHANGE of the loss of guessing",
        source="ours",
        thresholds=(limit.LEAST_CHANGE,),
        judge=labels.fits_both,
        needs=("guessing loss",),
        least_epochs=_TAIL,
    ),
    CurveCheck(
        code="LC004",
        title="Still improving",
        kind="label",
        severity="warning",
        rule="neither stuck nor overfit; validation loss falls by more than TREND over the tail with p below TREND_P; "
        "and its smallest smoothed value lies in the last LAST_SHARE of the epochs, or one before; "
        "and early stopping did not end the run",
        source="Domhan 2015; Viering and Loog 2023",
        thresholds=(*_TREND, limit.LAST_SHARE),
        judge=labels.improving,
        least_epochs=_TAIL,
    ),
    CurveCheck(
        code="LC005",
        title="Oscillating",
        kind="label",
        severity="warning",
        rule="between neighbouring turning points validation accuracy swings by at least SWING and at least "
        "SWING_ERRORS standard errors of a difference, and there are at least SWING_SHARE such swings for each epoch",
        source="Zhang 2021",
        thresholds=(limit.SWING, limit.SWING_ERRORS, limit.SWING_SHARE),
        judge=labels.oscillating,
        least_epochs=_TAIL,
    ),
    CurveCheck(
        code="LC006",
        title="Underfit",
        kind="label",
        severity="warning",
        rule="none of the labels above; smoothed training loss ends above UNDERFIT_SHARE of the loss of guessing. Not "
        "where training loss ends above validation loss and the two are not measured alike (LC019)",
        source="Goodfellow 2016, chapter 5",
        thresholds=(limit.UNDERFIT_SHARE,),
        judge=labels.underfit,
        needs=("guessing loss",),
        least_epochs=_TAIL,
    ),
    CurveCheck(
        code="LC007",
        title="Validation loss rising",
        kind="label",
        severity="warning",
        rule="not overfit; validation loss rises by more than TREND over the tail with p below TREND_P, and by more "
        "than LEAST_CHANGE of the loss of guessing, where that is known",
        source="ours: an early warning",
        thresholds=(*_TREND, limit.LEAST_CHANGE),
        judge=labels.rising,
        least_epochs=_TAIL,
    ),
    CurveCheck(
        code="LC008",
        title="Converged",
        kind="label",
        severity="note",
        rule="over the tail, training loss and validation loss each change by no more than TREND, or by no more than "
        "LEVEL_MOST without a trend (p at least TREND_P); neither underfit nor oscillating",
        source="ReduceLROnPlateau; P_k of Prechelt 1998",
        thresholds=(*_TREND, limit.LEVEL_MOST),
        judge=labels.converged,
        least_epochs=_TAIL,
    ),
    CurveCheck(
        code="LC009",
        title="Plateau",
        kind="label",
        severity="note",
        rule="over the tail, validation loss changes by no more than TREND, or by no more than LEVEL_MOST without a "
        "trend (p at least TREND_P)",
        source="ReduceLROnPlateau; P_k of Prechelt 1998",
        thresholds=(*_TREND, limit.LEVEL_MOST),
        judge=labels.plateau,
        least_epochs=_TAIL,
    ),
    CurveCheck(
        code="LC010",
        title="Spike",
        kind="modifier",
        severity="note",
        rule="not oscillating; the validation loss of an epoch lies above the epoch before and above the median of the "
        "7 epochs around it by more than SPIKE_MAD scaled median deviations, more than SPIKE_SHARE of the curve's "
        "range, more than SPIKE_SHARE of that median, and more than LEAST_CHANGE of the loss of guessing, where that "
        "is known; and it is back within SPIKE_EPOCHS",
        source="Hampel 1974; Davies and Gather 1993",
        thresholds=(limit.SPIKE_MAD, limit.SPIKE_SHARE, limit.LEAST_CHANGE, limit.SPIKE_EPOCHS),
        judge=labels.spike,
        least_epochs=_TAIL,
    ),
    CurveCheck(
        code="LC019",
        title="Losses that are not measured alike",
        kind="modifier",
        severity="note",
        rule="smoothed training loss ends above smoothed validation loss; it is a mean over the epoch (without "
        "train_eval), and something makes it harder only in training: dropout, augmentation, classes that are "
        "resampled",
        source="Srivastava 2014 (dropout)",
        thresholds=(),
        judge=labels.not_alike,
        least_epochs=_TAIL,
    ),
    CurveCheck(
        code="LC011",
        title="Loss floor of a softmax or sigmoid applied twice",
        kind="detector",
        severity="warning",
        rule="over the tail, training loss shows no trend and its median lies between FLOOR_BELOW under and "
        "FLOOR_ABOVE over the loss of perfect outputs after one softmax or sigmoid too many: ln(1 + (k - 1)/e) for "
        "softmax over k classes (.3133 for 2), p ln(1 + 1/e) + (1 - p) ln 2 for a sigmoid and a share p of "
        "positives (.5032 if balanced); and training accuracy is at least FLOOR_ACCURACY, or that of "
        "the commonest class",
        source="arithmetic",
        thresholds=(*_TREND, limit.LEVEL_MOST, limit.FLOOR_BELOW, limit.FLOOR_ABOVE, limit.FLOOR_ACCURACY),
        judge=detectors.loss_floor,
        needs=("guessing loss",),
        least_epochs=_TAIL,
    ),
    CurveCheck(
        code="LC012",
        title="Learning rate too high",
        kind="detector",
        severity="warning",
        rule="training diverged; or its mean loss over the first epoch is above OVERSHOOT times that of guessing; or "
        "training loss rises from one epoch to the next by more than TRAIN_RISE of the loss of guessing in at least "
        "TRAIN_RISE_SHARE of the epochs (and at least twice). These are signs, not proof: try a lower learning rate.",
        source="ours, after Zhang 2021 and Smith 2017",
        thresholds=(limit.OVERSHOOT, limit.TRAIN_RISE, limit.TRAIN_RISE_SHARE),
        judge=detectors.rate_too_high,
        needs=("guessing loss",),
        after_divergence=True,
    ),
    CurveCheck(
        code="LC013",
        title="Dead units",
        kind="detector",
        severity="warning",
        rule="at the last epoch, at least DEAD_SHARE of the hidden units give the same output for all validation cases",
        source="Lu 2020 (the notion)",
        thresholds=(limit.DEAD_SHARE,),
        judge=detectors.dead_units,
        needs=("dead units",),
    ),
    CurveCheck(
        code="LC014",
        title="Schedule that hardly moves",
        kind="detector",
        severity="warning",
        rule="a schedule that is not constant changes the learning rate, over the round, by less than LR_RANGE of its "
        "largest value; not in a round that early stopping ended",
        source="ours",
        thresholds=(limit.LR_RANGE,),
        judge=detectors.schedule_still,
        needs=("learning rate", "schedule that moves"),
        least_epochs=2,
        after_divergence=True,
    ),
    CurveCheck(
        code="LC015",
        title="Kept epoch outside the one-standard-error range",
        kind="detector",
        severity="note",
        rule="the epoch whose weights were kept lies outside the first and last epoch whose smoothed validation loss "
        "is within one standard error (over cases) of the smallest",
        source="Breiman 1984",
        thresholds=(),
        judge=detectors.chosen_epoch,
        needs=("chosen epoch", "loss error"),
    ),
    CurveCheck(
        code="LC016",
        title="Training accuracy far above validation",
        kind="gap",
        severity="warning",
        rule="at the kept epoch, training accuracy minus validation accuracy is at least GAP (GAP_HIGH where training "
        "accuracy is above HIGH_ACCURACY), and its 95 % interval lies above 0",
        source="Zhang 2021",
        thresholds=(limit.GAP, limit.GAP_HIGH, limit.HIGH_ACCURACY),
    ),
    CurveCheck(
        code="LC017",
        title="Validation accuracy above test",
        kind="gap",
        severity="warning",
        rule="at the kept epoch, the 95 % interval of validation accuracy minus test accuracy lies above 0",
        source="Newcombe 1998; Hillis 2005",
        thresholds=(),
    ),
)

CHECKS: dict[str, CurveCheck] = {check.code: check for check in _TABLE}
"""Every check by its code; labels are in the order of their priority."""

LABELS: tuple[CurveCheck, ...] = tuple(check for check in _TABLE if check.kind == "label")


def missing_need(curve: LearningCurve, check: CurveCheck) -> str | None:
    """Return why a check cannot be judged on this curve, or None where it can."""
    if curve.n_epochs < check.least_epochs:
        return f"{curve.n_epochs} epochs; this needs at least {check.least_epochs}"
    reasons = (_NEEDS[need](curve) for need in check.needs)
    return next((reason for reason in reasons if reason is not None), None)


def _no_schedule(curve: LearningCurve) -> str | None:
    if curve.schedule is None:
        return "the schedule is not known"
    return "the learning rate is meant to be constant" if curve.schedule == "constant" else None


def _no_chosen_epoch(curve: LearningCurve) -> str | None:
    return "no epoch of this round was kept" if curve.chosen_epoch is None else None


def _no_error(curve: LearningCurve) -> str | None:
    return None if curve.val_loss_se is not None else "the standard error of the validation loss is not known"


_NEEDS: dict[Need, Callable[[LearningCurve], str | None]] = {
    "guessing loss": lambda curve: curve.guessing.reason,
    "learning rate": lambda curve: "the learning rate is not recorded" if curve.lr is None else None,
    "schedule that moves": _no_schedule,
    "dead units": lambda curve: "dead units are not recorded" if curve.dead_units is None else None,
    "chosen epoch": _no_chosen_epoch,
    "loss error": _no_error,
}
