"""Learning rates as a function of the step: nothing has to be stored or resumed."""

from __future__ import annotations

import math

from scantrial.core.registry import Registry
from scantrial.recipe.schedules import ScheduleSpec


def learning_rate(spec: ScheduleSpec, lr: float, *, step: int, n_batches: int, n_epochs: int) -> float:
    """Return the learning rate of one step of a round.

    Parameters
    ----------
    spec : the recipe's schedule
    lr : the optimiser's rate, which the schedule scales
    step : steps of this round done before, from 0
    n_batches : steps in an epoch
    n_epochs : epochs in the round

    Notes
    -----
    During warm-up, step s of W gives ``lr (s + 1) / W``. The schedule itself starts after it: it counts the
    steps since then, and ``cosine`` reaches 0 at the round's end. Without warm-up ``cosine`` is `CosineAnnealingLR`
    with ``T_max = n_batches x n_epochs`` stepped once a batch; ``cosine-stepped-per-epoch`` is the same stepped once
    per epoch, so that it hardly falls; ``step`` is `StepLR`, or `MultiStepLR`, stepped once an epoch; ``one-cycle`` is
    `OneCycleLR` over the round with `cycle_momentum=False`, `lr` its `max_lr`.
    """
    n_warmup = spec.warmup_epochs * n_batches
    if step < n_warmup:
        return lr * (step + 1) / n_warmup
    return lr * FACTORS[spec.name](spec, step - n_warmup, n_batches, n_batches * n_epochs - n_warmup)


def _constant(_spec: ScheduleSpec, _step: int, _n_batches: int, _n_steps: int) -> float:
    return 1.0


def _cosine(_spec: ScheduleSpec, step: int, _n_batches: int, n_steps: int) -> float:
    return (1 + math.cos(math.pi * step / n_steps)) / 2


def _cosine_stepped_per_epoch(spec: ScheduleSpec, step: int, n_batches: int, n_steps: int) -> float:
    return _cosine(spec, step // n_batches, n_batches, n_steps)


def _step(spec: ScheduleSpec, step: int, n_batches: int, _n_steps: int) -> float:
    epoch = step // n_batches
    if spec.milestones is not None:
        n_drops = sum(epoch >= milestone for milestone in spec.milestones)
    else:
        n_drops = epoch // (spec.every or 1)
    return float((1.0 if spec.gamma is None else spec.gamma) ** n_drops)


def _one_cycle(spec: ScheduleSpec, step: int, _n_batches: int, n_steps: int) -> float:
    start = 1 / (spec.div_factor or 1)
    top = (spec.pct_start or 0) * n_steps - 1
    if step < top:
        return _between(start, 1.0, step / top)
    return _between(1.0, start / (spec.final_div_factor or 1), (step - top) / (n_steps - 1 - top))


def _between(first: float, last: float, share: float) -> float:
    """Go from one value to another along half a cosine."""
    return last + (first - last) / 2 * (1 + math.cos(math.pi * share))


FACTORS = Registry(
    "schedule",
    {
        "constant": _constant,
        "cosine": _cosine,
        "cosine-stepped-per-epoch": _cosine_stepped_per_epoch,
        "step": _step,
        "one-cycle": _one_cycle,
    },
)
"""The factor of the learning rate for each of `scantrial.recipe.schedules.SCHEDULES`."""
