"""The rules of the labels: each says whether it holds, and the numbers that it compared."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import scipy

from scantrial.analysis.diagnosis.series import Series, mann_kendall_p, theil_sen_rise, turning_points, windows_of
from scantrial.analysis.diagnosis.thresholds import (
    CHANCE,
    LAST_SHARE,
    LOSS_LIMIT,
    LOSS_RATIO,
    NORMAL_95,
    OVERFIT_EPOCHS,
    OVERFIT_P,
    OVERFIT_RISE,
    OVERFIT_STRONG,
    OVERFIT_TRAIN,
    SPIKE_EPOCHS,
    SPIKE_MAD,
    SPIKE_SHARE,
    STUCK_SHARE,
    SWING,
    SWING_ERRORS,
    SWING_SHARE,
    TREND,
    TREND_P,
    UNDERFIT_SHARE,
)
from scantrial.analysis.diagnosis.workings import CurveFinding, Verdict, Workings, is_level

Found = Mapping[str, CurveFinding]
"""Results of the checks before this one, by code."""

DIVERGED, STUCK, OVERFIT, IMPROVING = "LC001", "LC002", "LC003", "LC004"
OSCILLATING, UNDERFIT, RISING, CONVERGED, PLATEAU = "LC005", "LC006", "LC007", "LC008", "LC009"

SPIKE_WINDOW = 7
MAD_TO_SIGMA = 1.4826


def diverged(work: Workings, _found: Found) -> Verdict:
    """Judge whether training diverged."""
    curve = work.curve
    broken = ~np.isfinite(curve.train_loss) | ~np.isfinite(curve.val_loss) | (curve.train_loss >= LOSS_LIMIT.value)
    if broken[-1] or not work.is_finite:
        return True, {"epoch": curve.epoch(_start_of_last(broken, work.best_raw)), "kind": "no finite loss"}
    guess = curve.guessing.loss
    smooth = work.smooth_train
    ratio = float(smooth[-1] / smooth.min()) if smooth.min() > 0 else 1.0
    numbers = {"ratio": ratio, "guessing_loss": guess, "train_loss": float(smooth[-1])}
    if guess is None or ratio <= LOSS_RATIO.value or smooth[-1] <= guess:
        return False, numbers
    far = (smooth > LOSS_RATIO.value * np.minimum.accumulate(smooth)) & (smooth > guess)
    return True, {"epoch": curve.epoch(_start_of_last(far, work.best_raw)), "kind": "worse than guessing", **numbers}


def _start_of_last(holds: np.ndarray[tuple[int], np.dtype[np.bool_]], best: int | None) -> int:
    """Return where the last unbroken run of true begins, but no place up to the best epoch if there is a later one."""
    after = 0 if best is None else min(best + 1, len(holds) - 1)
    return max(_last_run(holds) or 0, after)


def stuck(work: Workings, _found: Found) -> Verdict:
    """Judge whether training never did better than guessing."""
    curve, guess = work.curve, _guess(work)
    accuracy = float(work.smooth_val_accuracy[-1])
    chance = curve.guessing.accuracy
    bound = float(scipy.stats.binom.ppf(CHANCE.value, curve.n_val, chance)) / curve.n_val
    lowest = float(work.smooth_train.min())
    numbers = {
        "train_loss": lowest,
        "guessing_loss": guess,
        "val_accuracy": accuracy,
        "chance_accuracy": chance,
        "chance_bound": bound,
    }
    return lowest > STUCK_SHARE.value * guess and accuracy <= bound, numbers


def overfit(work: Workings, _found: Found) -> Verdict:
    """Judge whether validation loss rose since its best epoch while training loss fell."""
    curve, best = work.curve, work.best
    lowest = float(work.smooth_val[best])
    since = curve.val_loss[best:]
    at_end = float(np.median(work.tail(curve.train_loss)))
    numbers = {
        "best_epoch": curve.epoch(work.last_best),
        "rise": _per_cent_above(float(np.median(work.tail(curve.val_loss))), lowest),
        "train_loss_best": float(work.smooth_train[best]),
        "train_loss_end": at_end,
    }
    if work.n - work.last_best < OVERFIT_EPOCHS.value:
        return False, numbers
    rises = float(np.median(work.tail(curve.val_loss))) - lowest, theil_sen_rise(since)
    numbers |= {
        "trend_rise": 100 * rises[1] / lowest if lowest > 0 else 0.0,
        "p": mann_kendall_p(since),
        "least_rise": work.least_change,
    }
    holds = (
        min(numbers["rise"], numbers["trend_rise"]) > OVERFIT_RISE.value
        and min(rises) > work.least_change
        and numbers["p"] < OVERFIT_P.value
        and at_end < OVERFIT_TRAIN.value * work.smooth_train[best]
    )
    return (True, {**numbers, **_overfit_details(work, numbers["rise"])}) if holds else (False, numbers)


def _overfit_details(work: Workings, rise: float) -> dict[str, object]:
    best, accuracy = work.best, work.smooth_val_accuracy
    at_best, at_end = float(accuracy[best]), float(np.median(work.curve.val_accuracy[-3:]))
    bound = NORMAL_95.value * work.accuracy_error(at_best)
    onset = work.last_best + 1
    far = work.smooth_val - np.minimum.accumulate(work.smooth_val) > work.least_change
    confirmed = _last_run(far & (generalisation_loss(work.smooth_val) > OVERFIT_RISE.value))
    return {
        "onset": work.curve.epoch(onset),
        "confirmed": None if confirmed is None else work.curve.epoch(max(confirmed, onset)),
        "kind": "loss and accuracy" if at_best - at_end > bound else "loss only",
        "accuracy_best": at_best,
        "accuracy_end": at_end,
        "accuracy_bound": bound,
        "strong": rise > OVERFIT_STRONG.value,
    }


def generalisation_loss(values: Series) -> Series:
    """Return Prechelt's GL: how far each value lies above the smallest until then, in per cent."""
    lowest = np.minimum.accumulate(values)
    return 100 * (values / np.maximum(lowest, np.finfo(np.float64).tiny) - 1)


def _last_run(holds: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> int | None:
    """Return where the last unbroken run of true begins, or None."""
    if not holds.any():
        return None
    last = len(holds) - 1 - int(np.argmax(holds[::-1]))
    before = np.flatnonzero(~holds[:last])
    return int(before[-1]) + 1 if len(before) else 0


def fits_both(work: Workings, _found: Found) -> Verdict:
    """Judge whether both losses end so small that what they still do says nothing."""
    train, val = float(work.smooth_train[-1]), float(work.smooth_val[-1])
    numbers = {
        "train_loss": train,
        "val_loss": val,
        "val_accuracy": float(work.smooth_val_accuracy[-1]),
        "guessing_loss": _guess(work),
        "fitted_below": work.least_change,
    }
    return max(train, val) < work.least_change, numbers


def improving(work: Workings, found: Found) -> Verdict:
    """Judge whether validation loss was still falling at the end."""
    end = work.n - 1 - int(np.ceil(LAST_SHARE.value * work.n))
    numbers = {**_val_trend(work), "best_epoch": work.curve.epoch(work.best)}
    falls = work.val_trend.change < -TREND.value and work.val_trend.p < TREND_P.value
    is_open = not work.curve.stopped_early and not _any(found, STUCK, OVERFIT)
    return falls and work.best >= end and is_open, numbers


def oscillating(work: Workings, _found: Found) -> Verdict:
    """Judge whether validation accuracy jumps up and down."""
    curve = work.curve
    middle = float(np.median(curve.val_accuracy))
    least = max(SWING.value, SWING_ERRORS.value * work.accuracy_error(middle))
    swings = np.abs(np.diff(turning_points(curve.val_accuracy)))
    large = swings[swings >= least]
    numbers = {
        "n_swings": len(large),
        "n_epochs": work.n,
        "least_swing": least,
        "median_swing": float(np.median(large)) if len(large) else 0.0,
    }
    return len(large) >= max(1.0, SWING_SHARE.value * work.n), numbers


def underfit(work: Workings, found: Found) -> Verdict:
    """Judge whether training ends far from fitting even its own cases."""
    at_end, guess = float(work.smooth_train[-1]), _guess(work)
    numbers = {
        "train_loss": at_end,
        "guessing_loss": guess,
        "share": at_end / guess,
        "only_in_training": list(work.unlike),
    }
    is_high = at_end > UNDERFIT_SHARE.value * guess and not work.is_above_unlike
    return is_high and not _any(found, STUCK, OVERFIT, IMPROVING, OSCILLATING), numbers


def rising(work: Workings, found: Found) -> Verdict:
    """Judge whether validation loss rises at the end, without the other signs of overfitting."""
    size = theil_sen_rise(work.tail(work.curve.val_loss))
    rises = work.val_trend.change > TREND.value and work.val_trend.p < TREND_P.value and size > work.least_change
    return rises and not _any(found, OVERFIT), {**_val_trend(work), "val_rise": size, "least_rise": work.least_change}


def converged(work: Workings, found: Found) -> Verdict:
    """Judge whether neither loss shows a trend at the end."""
    level = is_level(work.val_trend) and is_level(work.train_trend)
    return level and not _any(found, UNDERFIT, OSCILLATING), _both_trends(work)


def plateau(work: Workings, _found: Found) -> Verdict:
    """Judge whether validation loss shows no trend at the end."""
    return is_level(work.val_trend), _both_trends(work)


def spike(work: Workings, found: Found) -> Verdict:
    """Look for single epochs whose validation loss rises sharply and returns."""
    if work.n < SPIKE_WINDOW:
        return False, {"epochs": [], "heights": []}
    values, windows = work.curve.val_loss, windows_of(work.curve.val_loss, SPIKE_WINDOW)
    middle = np.median(windows, axis=1)
    scatter = MAD_TO_SIGMA * np.median(np.abs(windows - middle[:, None]), axis=1)
    span = float(np.ptp(work.smooth_val))
    least = np.maximum(SPIKE_MAD.value * scatter, SPIKE_SHARE.value * np.maximum(span, middle))
    least = np.maximum(least, work.least_change)
    outside = values - middle > least
    # A steep fall at the start is no spike: the epoch has to lie above the one before it.
    leaps = [i for i in np.flatnonzero(outside) if i > 0 and values[i] > values[i - 1] and not outside[i - 1]]
    back = [int(i) for i in leaps if not outside[i + 1 : i + 1 + int(SPIKE_EPOCHS.value)].all() and i + 1 < work.n]
    numbers = {
        "epochs": [work.curve.epoch(i) for i in back],
        "heights": [float(values[i] - middle[i]) for i in back],
    }
    return bool(back) and not _any(found, OSCILLATING), numbers


def not_alike(work: Workings, _found: Found) -> Verdict:
    """Judge whether training loss lies above validation loss because something was switched on only in training."""
    numbers = {
        "train_loss": float(work.smooth_train[-1]),
        "val_loss": float(work.smooth_val[-1]),
        "only_in_training": list(work.curve.only_in_training),
    }
    return work.is_above_unlike, numbers


def _guess(work: Workings) -> float:
    """Return the loss of guessing; checks that ask for it say that they need it."""
    assert work.curve.guessing.loss is not None
    return work.curve.guessing.loss


def _val_trend(work: Workings) -> dict[str, object]:
    return {"val_change": work.val_trend.change, "val_p": work.val_trend.p, "n_tail": work.n_tail}


def _both_trends(work: Workings) -> dict[str, object]:
    return {**_val_trend(work), "train_change": work.train_trend.change, "train_p": work.train_trend.p}


def _any(found: Found, *codes: str) -> bool:
    return any(found[code].is_found for code in codes)


def _per_cent_above(value: float, base: float) -> float:
    return 100 * (value / base - 1) if base > 0 else 0.0
