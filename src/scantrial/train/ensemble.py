"""A run that trains several networks, one after the other, and averages their logits."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

import torch
from numpy.typing import NDArray

from scantrial.core.records import SPLITS, EpochRecord, RunFacts, RunResult, SplitPredictions
from scantrial.core.rng import derive_seed
from scantrial.nets.ensemble import Ensemble
from scantrial.recipe.task import RunTask, Tell
from scantrial.train.predictor import load_predictor
from scantrial.train.run import EpochTrainer, carry_out, failures_named, split_predictions

_MEANS = tuple(field.name for field in fields(EpochRecord) if field.name not in ("round", "epoch", "lr"))


def carry_out_run(task: RunTask, tell: Tell, *, engine: str, train_epoch: EpochTrainer) -> RunResult:
    """Carry out a run of one network or, where the recipe asks for an ensemble, of several.

    The first network of an ensemble is the one that the same recipe without an ensemble trains at this seed; the
    others have seeds of their own. Its history holds the means over its networks, epoch by epoch. Each network has its
    own checkpoint, and the test scans are read once, after the last one is trained.

    Parameters and errors are those of `scantrial.train.run.carry_out`.
    """
    if task.recipe.ensemble == 1:
        return carry_out(task, tell, engine=engine, train_epoch=train_epoch)
    members = [
        carry_out(_member(task, number), _told(task, number, tell), engine=engine, train_epoch=train_epoch)
        for number in range(task.recipe.ensemble)
    ]
    began = time.monotonic()
    with failures_named(task, "was being evaluated"):
        joined = _joined(task, members)
    seconds = time.monotonic() - began
    times = {name: float(joined.facts.times[name]) + seconds for name in ("evaluate_s", "total_s")}
    return replace(joined, facts=replace(joined.facts, times={**joined.facts.times, **times}))


def member_seed(seed: int, number: int) -> int:
    """Return the seed of one network of an ensemble; the first has the run's own."""
    return seed if number == 0 else derive_seed(seed, "ensemble", number)


def _member(task: RunTask, number: int) -> RunTask:
    """Return the run of one network, which predicts no scan."""
    path = task.checkpoint_path
    return replace(
        task,
        seed=member_seed(task.seed, number),
        recipe=task.recipe.model_copy(update={"ensemble": 1}),
        cases={split: cases for split, cases in task.cases.items() if split != "test"},
        checkpoint_path=path.with_name(f"{path.stem}-{number}{path.suffix}"),
        member=number,
    )


def _told(task: RunTask, number: int, tell: Tell) -> Callable[[EpochRecord, int], None]:
    """Return what tells a network's epochs as epochs of the whole run."""

    def told(record: EpochRecord, n_epochs: int) -> None:
        epoch = number * n_epochs + record.epoch
        tell(replace(record, epoch=epoch), task.recipe.n_told_epochs)

    return told


def _joined(task: RunTask, members: Sequence[RunResult]) -> RunResult:
    history = _mean_history([member.history for member in members])
    facts = _facts(task, [member.facts for member in members], n_epochs=len(history))
    if facts.chosen_epoch is None:
        return RunResult(facts=facts, history=history, predictions=(), weights={})
    weights = {name: array for number, member in enumerate(members) for name, array in _named(member.weights, number)}
    return RunResult(
        facts=facts,
        history=history,
        predictions=_predictions(task, facts, weights),
        weights=weights,
        sheet=members[0].sheet,
    )


def _named(weights: Mapping[str, NDArray[Any]], number: int) -> list[tuple[str, NDArray[Any]]]:
    return [(Ensemble.weight_name(number, name), array) for name, array in weights.items()]


def _mean_history(histories: Sequence[Sequence[EpochRecord]]) -> tuple[EpochRecord, ...]:
    """Return the mean of each epoch, as far as all networks were trained; a number that one lacks is left out."""
    return tuple(
        replace(epochs[0], **{name: _mean([getattr(record, name) for record in epochs]) for name in _MEANS})
        for epochs in zip(*histories, strict=False)
    )


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return math.fsum(known) / len(known) if len(known) == len(values) else None


def _facts(task: RunTask, members: Sequence[RunFacts], *, n_epochs: int) -> RunFacts:
    diverged = [facts.diverged_epoch for facts in members if facts.diverged_epoch is not None]
    chosen = [facts.chosen_epoch for facts in members]
    first = members[0]
    return replace(
        first,
        status="diverged" if diverged else "finished",
        n_epochs=n_epochs,
        chosen_epoch=None if None in chosen else min(epoch for epoch in chosen if epoch is not None),
        diverged_epoch=min(diverged, default=None),
        n_parameters=sum(facts.n_parameters for facts in members),
        recipe=task.recipe.to_dict(),
        times={"started": first.times["started"], **_seconds(members)},
    )


def _seconds(members: Sequence[RunFacts]) -> dict[str, float]:
    names = [name for name in members[0].times if name != "started"]
    return {name: math.fsum(float(facts.times[name]) for facts in members) for name in names}


def _predictions(task: RunTask, facts: RunFacts, weights: Mapping[str, NDArray[Any]]) -> tuple[SplitPredictions, ...]:
    """Score each split with all networks. The test scans are read here, after a call of `open_test`."""
    predictor = load_predictor(facts, weights, device=task.device)
    there = [split for split in SPLITS if len(task.cases.get(split, ()))]
    found = []
    for split in there:
        if split == "test":
            task.open_test(facts.chosen_epoch or 0)
        logits = predictor(task.images, task.cases[split]).logits
        found.append(split_predictions(task, split, torch.from_numpy(logits), predictor.head))
    return tuple(found)
