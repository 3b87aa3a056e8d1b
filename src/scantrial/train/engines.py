"""Give each run to the engine that can train it: the fused one where possible, else the reference."""

from __future__ import annotations

from dataclasses import replace

from scantrial.core.records import RunResult
from scantrial.recipe.task import RunTask, Tell
from scantrial.train import fused, reference
from scantrial.train.choice import why_not_fused


def train_run(task: RunTask, tell: Tell) -> RunResult:
    """Train one arm at one seed with the fused engine, or with the reference engine and record why.

    Parameters, errors and notes are those of `scantrial.train.reference.train_run`.
    """
    reason = why_not_fused(task.recipe, device=task.device)
    if reason is None:
        return fused.train_run(task, tell)
    return reference.train_run(replace(task, engine_reason=f"auto: {reason}"), tell)
