"""`diagnose`: one curve under every check; `diagnose_arm`: all rounds of all of an arm's runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from scantrial.analysis.curves import QUANTITIES
from scantrial.analysis.diagnosis.checks import CHECKS, LABELS, CurveCheck, missing_need
from scantrial.analysis.diagnosis.curve import LearningCurve
from scantrial.analysis.diagnosis.detectors import one_error_range
from scantrial.analysis.diagnosis.labels import DIVERGED, OVERFIT
from scantrial.analysis.diagnosis.workings import CurveFinding, Workings
from scantrial.core.plain import Plain


@dataclass(frozen=True, slots=True, kw_only=True)
class BestEpoch:
    """The epoch of the smallest validation loss, counting through all rounds; None where there is none.

    Parameters
    ----------
    raw : of the losses as they are
    smoothed : of their running median
    one_error : first and last epoch within one standard error of the smallest smoothed loss
    """

    raw: int | None
    smoothed: int | None
    one_error: tuple[int, int] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis(Plain):
    """What one round of one run shows.

    Parameters
    ----------
    first_epoch, last_epoch : of the round
    primary : code of the first label found, or None
    findings : of every check that looks at a curve, by code
    best : the best epoch by validation loss
    tail : medians over the tail of train_loss, val_loss, train_accuracy and val_accuracy
    train_measured : whether training numbers are of the weights at the end of each epoch
    weight_norm, grad_norm : first and last, where recorded
    """

    round: int
    first_epoch: int
    last_epoch: int
    primary: str | None
    findings: Mapping[str, CurveFinding]
    best: BestEpoch
    tail: Mapping[str, float]
    train_measured: bool
    weight_norm: tuple[float, float] | None
    grad_norm: tuple[float, float] | None

    @property
    def label(self) -> str:
        """The primary label in words."""
        return CHECKS[self.primary].title if self.primary else "No clear pattern"

    @property
    def onset(self) -> int | None:
        """First epoch of overfitting, or None."""
        return self.findings[OVERFIT].numbers.get("onset")

    @property
    def beside(self) -> tuple[CurveFinding, ...]:
        """What was found in addition to the labels."""
        return tuple(f for f in self.findings.values() if f.is_found and CHECKS[f.code].kind != "label")

    def _content(self) -> dict[str, Any]:
        where = {"round": self.round, "first_epoch": self.first_epoch, "last_epoch": self.last_epoch}
        label = {"primary": self.primary, "label": self.label, "best_epoch": self.best}
        rest = {name: getattr(self, name) for name in ("tail", "train_measured", "weight_norm", "grad_norm")}
        return {**where, **label, **rest, "findings": list(self.findings.values())}


def diagnose(curve: LearningCurve) -> Diagnosis:
    """Judge one round of one run by every check that looks at a curve.

    Notes
    -----
    Later descent after a rise is possible (Nakkiran 2020), and rounds restart: each is judged by itself. Training
    numbers that were taken while the weights changed lag behind those at the end of the epoch, and dropout makes them
    worse.
    """
    work = Workings(curve)
    found: dict[str, CurveFinding] = {}
    for check in CHECKS.values():
        if check.judge is not None:
            found[check.code] = _judge(check, work, found)
    return Diagnosis(
        round=curve.round,
        first_epoch=curve.first_epoch,
        last_epoch=curve.epoch(curve.n_epochs - 1),
        primary=next((check.code for check in LABELS if found[check.code].is_found), None),
        findings=found,
        best=BestEpoch(
            raw=None if work.best_raw is None else curve.epoch(work.best_raw),
            smoothed=curve.epoch(work.best) if work.is_finite else None,
            one_error=one_error_range(work),
        ),
        tail={name: float(np.median(work.tail(getattr(curve, name)))) for name in QUANTITIES},
        train_measured=curve.train_measured,
        weight_norm=curve.weight_norm,
        grad_norm=curve.grad_norm,
    )


def _judge(check: CurveCheck, work: Workings, found: Mapping[str, CurveFinding]) -> CurveFinding:
    assert check.judge is not None
    reason = missing_need(work.curve, check)
    if reason is None and not check.after_divergence and found[DIVERGED].is_found:
        reason = f"training diverged at epoch {found[DIVERGED].numbers['epoch']}"
    if reason is not None:
        return CurveFinding(code=check.code, state="not applicable", reason=reason)
    holds, numbers = check.judge(work, found)
    return CurveFinding(code=check.code, state="found" if holds else "clear", numbers=numbers)


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundDiagnosis(Plain):
    """One round of all of an arm's runs.

    Parameters
    ----------
    runs : each run's diagnosis by its seed
    """

    round: int
    runs: Mapping[int, Diagnosis]

    @property
    def n_runs(self) -> int:
        """Runs that have this round."""
        return len(self.runs)

    @property
    def counts(self) -> dict[str | None, int]:
        """Runs by their primary label's code, the commonest first; None is no clear pattern."""
        return dict(Counter(run.primary for run in self.runs.values()).most_common())

    def found(self, code: str) -> dict[int, CurveFinding]:
        """Return the findings of one check where it was found, by seed."""
        return {seed: run.findings[code] for seed, run in self.runs.items() if run.findings[code].is_found}

    def with_primary(self, code: str | None) -> dict[int, Diagnosis]:
        """Return the runs that have this primary label, by seed."""
        return {seed: run for seed, run in self.runs.items() if run.primary == code}

    def _content(self) -> dict[str, Any]:
        return {
            "round": self.round,
            "n_runs": self.n_runs,
            "counts": [{"code": code, "n_runs": n} for code, n in self.counts.items()],
            "runs": [{"seed": seed, **run.to_dict()} for seed, run in self.runs.items()],
        }


def diagnose_arm(curves: Mapping[int, Sequence[LearningCurve]]) -> tuple[RoundDiagnosis, ...]:
    """Judge every round of an arm's runs; `curves` gives each seed's rounds. Rounds are never replicates."""
    numbers = sorted({curve.round for rounds in curves.values() for curve in rounds})
    return tuple(
        RoundDiagnosis(
            round=number,
            runs={
                seed: diagnose(curve) for seed, rounds in curves.items() for curve in rounds if curve.round == number
            },
        )
        for number in numbers
    )
