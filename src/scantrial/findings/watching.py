"""What learning curves warn of while a study still trains: from histories alone, so that no test row is read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from scantrial.analysis.diagnosis.checks import CHECKS
from scantrial.analysis.diagnosis.curve import curves_of, guessing_of
from scantrial.analysis.diagnosis.curve_words import curve_sentence
from scantrial.analysis.diagnosis.diagnose import diagnose_arm
from scantrial.core.records import EpochRecord
from scantrial.recipe.spec import Recipe
from scantrial.recipe.training import drawn_of_classes


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchedRun:
    """A run as far as it has come; `chosen_epoch` is None until it is finished, and so is `stopped_early` false."""

    history: tuple[EpochRecord, ...]
    chosen_epoch: int | None
    stopped_early: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CurveWarning:
    """A check of severity ``warning`` that is found in the last round that each of some runs has reached.

    Parameters
    ----------
    seeds : of the runs in which it is found
    said : what was found, with its numbers
    """

    code: str
    title: str
    seeds: tuple[int, ...]
    said: str


def network_in_training(history: Sequence[EpochRecord], *, n_epochs: int) -> tuple[EpochRecord, ...]:
    """Return the epochs of the network that a run trains now, counted from 1: of an ensemble, those of the last one.

    Parameters
    ----------
    history : as a run tells it
    n_epochs : of one network, over all rounds
    """
    before = (history[-1].epoch - 1) // n_epochs * n_epochs if history else 0
    return tuple(replace(record, epoch=record.epoch - before) for record in history if record.epoch > before)


def watch_curves(
    runs: Mapping[int, WatchedRun], *, recipe: Recipe, counts: Mapping[str, Mapping[str, int]]
) -> tuple[CurveWarning, ...]:
    """Judge an arm's curves as far as they go, and keep the warnings.

    Parameters
    ----------
    runs : of one arm, by seed
    recipe : the arm's
    counts : cases by split, then by class
    """
    of_split = {split: list(counts.get(split, {}).values()) for split in ("train", "val")}
    if not sum(of_split["val"]):
        return ()
    drawn = drawn_of_classes(recipe.sampling, of_split["train"])
    guessing = guessing_of(recipe.loss.model_dump(), drawn, of_split["val"])
    last = {
        seed: curves_of(
            run.history,
            n_val=sum(of_split["val"]),
            guessing=guessing,
            only_in_training=recipe.only_in_training,
            schedule=recipe.schedule.name,
            chosen_epoch=run.chosen_epoch,
            stopped_early=run.stopped_early,
        )[-1:]
        for seed, run in runs.items()
        if run.history
    }
    found: dict[str, dict[int, Mapping[str, Any]]] = {}
    for part in diagnose_arm(last):
        for seed, diagnosis in part.runs.items():
            for finding in (*diagnosis.beside, *_label(diagnosis.primary, diagnosis.findings)):
                found.setdefault(finding.code, {})[seed] = finding.numbers
    return tuple(_warning(code, found[code]) for code in CHECKS if code in found and CHECKS[code].severity == "warning")


def _label(primary: str | None, findings: Mapping[str, Any]) -> Sequence[Any]:
    return () if primary is None else (findings[primary],)


def _warning(code: str, found: Mapping[int, Mapping[str, Any]]) -> CurveWarning:
    return CurveWarning(
        code=code,
        title=CHECKS[code].title,
        seeds=tuple(sorted(found)),
        said=curve_sentence(code, list(found.values())),
    )
