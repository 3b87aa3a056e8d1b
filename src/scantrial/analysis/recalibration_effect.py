"""What recalibration does to given rows: log loss, Brier score and calibration before and after."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
import scipy
from numpy.typing import NDArray

from scantrial.analysis.calibration import Calibration, measure_calibration
from scantrial.analysis.ece import N_DRAWS
from scantrial.analysis.metrics import MetricValue, Undefined, measure
from scantrial.analysis.number import Number, attempt
from scantrial.analysis.recalibration import Recalibration, apply_recalibration, recalibrated_logits
from scantrial.analysis.rows import Rows, need_both_classes, probabilities_of_logits
from scantrial.core.errors import InputError
from scantrial.core.plain import Plain


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality(Plain):
    """How good probabilities are.

    Parameters
    ----------
    log_loss, brier : as in `metrics`
    auroc : of the scores themselves where there are two classes, so that rounding of p makes no ties; beyond, the
        mean over the classes of the probabilities, which a temperature may change
    calibration : two classes only, otherwise None
    """

    log_loss: MetricValue
    brier: MetricValue
    auroc: Number
    calibration: Calibration | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecalibrationEffect(Plain):
    """Rows before and after a recalibration.

    Parameters
    ----------
    recalibration : the map
    n : rows that were judged
    before : under the logits as they are
    after : None where the map cannot be estimated
    n_decisions_changed : cases whose most probable class changed; None as above
    """

    recalibration: Recalibration
    n: int
    before: Quality
    after: Quality | None
    n_decisions_changed: int | None


def judge_recalibration(fitted: Recalibration, rows: Rows, *, seed: int, n_draws: int = N_DRAWS) -> RecalibrationEffect:
    """Measure rows, usually those of the test split, before and after a map that was fitted elsewhere.

    Parameters
    ----------
    rows : logits of as many classes as the map was fitted on
    seed, n_draws : of the draws behind the noise floor and the consistency band; the same before and after
    """
    if rows.scale != "logit":
        raise InputError(f"scores of the scale {rows.scale!r}", expected="logits: recalibration works on them")
    quality = partial(_quality, seed=seed, n_draws=n_draws)
    before = quality(rows, probabilities_of_logits(rows.scores))
    if not fitted.is_defined:
        return RecalibrationEffect(recalibration=fitted, n=rows.n, before=before, after=None, n_decisions_changed=None)
    y_prob = apply_recalibration(fitted, rows)
    recalibrated = _recalibrated(fitted, rows, y_prob)
    return RecalibrationEffect(
        recalibration=fitted,
        n=rows.n,
        before=before,
        after=quality(recalibrated, y_prob),
        n_decisions_changed=int((_decisions(rows) != _decisions(recalibrated)).sum()),
    )


def _decisions(rows: Rows) -> NDArray[np.int64]:
    """Return the most probable class, of the scores themselves: probabilities near 0.5 round to ties."""
    if rows.scores.ndim == 2:
        return np.asarray(rows.scores.argmax(axis=1), dtype=np.int64)
    return (rows.scores > (0 if rows.scale == "logit" else 0.5)).astype(np.int64)


def _recalibrated(fitted: Recalibration, rows: Rows, y_prob: NDArray[np.float64]) -> Rows:
    if fitted.method == "isotonic":
        return Rows(y_true=rows.y_true, scores=y_prob[:, 1], scale="probability")
    return Rows(y_true=rows.y_true, scores=recalibrated_logits(fitted, rows), scale="logit")


def _quality(rows: Rows, y_prob: NDArray[np.float64], *, seed: int, n_draws: int) -> Quality:
    return Quality(
        log_loss=measure("log_loss", rows.y_true, y_prob),
        brier=measure("brier", rows.y_true, y_prob),
        auroc=attempt(lambda: _auroc(rows, y_prob)),
        calibration=measure_calibration(rows, seed=seed, n_draws=n_draws) if rows.n_classes == 2 else None,
    )


def _auroc(rows: Rows, y_prob: NDArray[np.float64]) -> float:
    if rows.n_classes > 2:
        found = measure("auroc", rows.y_true, y_prob)
        if found.reason is not None:
            raise Undefined(found.reason)
        return found.value
    need_both_classes(rows)
    ranks = scipy.stats.rankdata(rows.scores)[rows.positive]
    n_positive = len(ranks)
    return float((ranks.mean() - (n_positive + 1) / 2) / (rows.n - n_positive))
