"""Every threshold of the curve checks: its value, its unit, and where it is from."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckThreshold:
    """A number that a rule compares with.

    Parameters
    ----------
    meaning : what is compared with it
    unit : such as ``%`` or ``epochs``; empty for a bare number
    origin : the source, or ``ours``
    """

    name: str
    value: float
    unit: str
    meaning: str
    origin: str


WINDOW = CheckThreshold(name="WINDOW", value=5, unit="epochs", meaning="window of the running median", origin="ours")
SHORT_WINDOW = CheckThreshold(
    name="SHORT_WINDOW", value=3, unit="epochs", meaning="the same below 20 epochs", origin="ours"
)
SHORT_RUN = CheckThreshold(
    name="SHORT_RUN", value=20, unit="epochs", meaning="below it the window is the short one", origin="ours"
)
TAIL_SHARE = CheckThreshold(
    name="TAIL_SHARE", value=0.2, unit="", meaning="share of the epochs that is the tail", origin="ours"
)
TAIL_LEAST = CheckThreshold(
    name="TAIL_LEAST", value=5, unit="epochs", meaning="smallest tail; a shorter run is not judged", origin="ours"
)
TREND_P = CheckThreshold(
    name="TREND_P", value=0.05, unit="", meaning="Mann-Kendall p below which a tail has a trend", origin="Mann 1945"
)
TREND = CheckThreshold(
    name="TREND",
    value=1.0,
    unit="%",
    meaning="Theil-Sen change over the tail that counts as a trend",
    origin="ours, after the relative threshold of ReduceLROnPlateau",
)
LEVEL_MOST = CheckThreshold(
    name="LEVEL_MOST",
    value=10.0,
    unit="%",
    meaning="change over the tail above which it is not called level, however uncertain the trend",
    origin="ours: five epochs show a trend with p below 0.05 only where each lies beyond the one before",
)
LEAST_CHANGE = CheckThreshold(
    name="LEAST_CHANGE",
    value=0.01,
    unit="",
    meaning="share of the guessing loss; a loss below it is fitted, and a smaller rise is not counted",
    origin="ours: a small loss may double and still be small",
)
LOSS_LIMIT = CheckThreshold(
    name="LOSS_LIMIT", value=1000.0, unit="", meaning="training loss that counts as diverged", origin="Zhang 2021"
)
LOSS_RATIO = CheckThreshold(
    name="LOSS_RATIO",
    value=4.0,
    unit="",
    meaning="smoothed training loss at the end over its smallest value",
    origin="Smith 2017, as fastai's learning-rate finder stops",
)
STUCK_SHARE = CheckThreshold(
    name="STUCK_SHARE",
    value=0.98,
    unit="",
    meaning="share of the guessing loss that training never got below",
    origin="ours, after Karpathy 2019",
)
CHANCE = CheckThreshold(
    name="CHANCE",
    value=0.975,
    unit="",
    meaning="quantile of the binomial distribution that guessing stays below",
    origin="two-sided 95 %, exact",
)
NORMAL_95 = CheckThreshold(
    name="NORMAL_95", value=1.96, unit="", meaning="standard errors of a difference beyond chance", origin="95 % normal"
)
OVERFIT_RISE = CheckThreshold(
    name="OVERFIT_RISE",
    value=5.0,
    unit="%",
    meaning="rise of validation loss above its smallest smoothed value",
    origin="GL_alpha with alpha = 5, Prechelt 1998",
)
OVERFIT_P = CheckThreshold(
    name="OVERFIT_P", value=0.01, unit="", meaning="Mann-Kendall p of the rise since the best epoch", origin="ours"
)
OVERFIT_EPOCHS = CheckThreshold(
    name="OVERFIT_EPOCHS", value=6, unit="epochs", meaning="epochs from the best one to the last", origin="ours"
)
OVERFIT_TRAIN = CheckThreshold(
    name="OVERFIT_TRAIN",
    value=0.98,
    unit="",
    meaning="training loss of the tail over that of the best epoch",
    origin="ours",
)
OVERFIT_STRONG = CheckThreshold(
    name="OVERFIT_STRONG", value=20.0, unit="%", meaning="rise that is called strong", origin="ours"
)
LAST_SHARE = CheckThreshold(
    name="LAST_SHARE", value=0.1, unit="", meaning="share of the epochs that is the very end", origin="ours"
)
SWING = CheckThreshold(
    name="SWING",
    value=0.05,
    unit="",
    meaning="swing of validation accuracy between turning points",
    origin="Zhang 2021",
)
SWING_ERRORS = CheckThreshold(
    name="SWING_ERRORS", value=2.0, unit="", meaning="the same, in standard errors of a difference", origin="ours"
)
SWING_SHARE = CheckThreshold(
    name="SWING_SHARE", value=0.25, unit="", meaning="swings for each epoch", origin="Zhang 2021"
)
SPIKE_MAD = CheckThreshold(
    name="SPIKE_MAD",
    value=3.0,
    unit="",
    meaning="scaled median deviations (times 1.4826) above the median of 7 epochs",
    origin="Hampel 1974; Davies and Gather 1993",
)
SPIKE_SHARE = CheckThreshold(
    name="SPIKE_SHARE", value=0.1, unit="", meaning="share of the curve's range, and of the median", origin="ours"
)
SPIKE_EPOCHS = CheckThreshold(
    name="SPIKE_EPOCHS", value=3, unit="epochs", meaning="epochs within which the loss returns", origin="ours"
)
UNDERFIT_SHARE = CheckThreshold(
    name="UNDERFIT_SHARE",
    value=0.5,
    unit="",
    meaning="share of the guessing loss that training ends above",
    origin="ours; the notion is from Goodfellow 2016, chapter 5",
)
FLOOR_ABOVE = CheckThreshold(
    name="FLOOR_ABOVE", value=0.02, unit="", meaning="how far above the floor the tail may lie, relative", origin="ours"
)
FLOOR_BELOW = CheckThreshold(
    name="FLOOR_BELOW", value=0.002, unit="", meaning="how far below it, for rounding, relative", origin="ours"
)
FLOOR_ACCURACY = CheckThreshold(
    name="FLOOR_ACCURACY", value=0.95, unit="", meaning="training accuracy of a network that fits", origin="ours"
)
OVERSHOOT = CheckThreshold(
    name="OVERSHOOT", value=2.0, unit="", meaning="mean loss of the first epoch over that of guessing", origin="ours"
)
TRAIN_RISE = CheckThreshold(
    name="TRAIN_RISE",
    value=0.05,
    unit="",
    meaning="rise of training loss from one epoch to the next, over that of guessing",
    origin="ours, after the swing of Zhang 2021",
)
TRAIN_RISE_SHARE = CheckThreshold(
    name="TRAIN_RISE_SHARE", value=0.25, unit="", meaning="share of the epochs with such a rise", origin="Zhang 2021"
)
DEAD_SHARE = CheckThreshold(
    name="DEAD_SHARE", value=0.5, unit="", meaning="share of the hidden units with a constant output", origin="ours"
)
LR_RANGE = CheckThreshold(
    name="LR_RANGE", value=0.01, unit="", meaning="range of the learning rate over its largest value", origin="ours"
)
GAP = CheckThreshold(name="GAP", value=0.10, unit="", meaning="training minus validation accuracy", origin="Zhang 2021")
GAP_HIGH = CheckThreshold(
    name="GAP_HIGH", value=0.07, unit="", meaning="the same where training accuracy is high", origin="Zhang 2021"
)
HIGH_ACCURACY = CheckThreshold(
    name="HIGH_ACCURACY", value=0.9, unit="", meaning="training accuracy that is high", origin="Zhang 2021"
)
