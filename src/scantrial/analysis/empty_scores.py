"""Scores that carry no evidence: copies of a run, one class for every case, one score for every case, decisions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scantrial.analysis.contrasts import Contrast
from scantrial.analysis.metrics import METRICS
from scantrial.analysis.runs import RunScores
from scantrial.core.format import joined
from scantrial.core.positive import class_word

_RANKED = ("auroc", "average_precision")


@dataclass(frozen=True, slots=True, kw_only=True)
class EmptyScores:
    """What is empty about the scores of a trial's runs.

    Parameters
    ----------
    arms : length n_runs
    copies : by arm, each group of its seeds that have equal scores on every case; not those of decisions that are all
        right, all wrong or all of one class, which are equal without being copied
    one_score : shape (n_runs,), whether a run gives every case the same score
    two_scores : shape (n_runs,), whether a run's scores take two values, as decisions do
    one_class : shape (n_runs,), the class that a run gives to every case, -1 where it gives several
    class_names : as those of `RunScores`
    """

    arms: NDArray[np.object_]
    copies: Mapping[str, tuple[tuple[int, ...], ...]]
    one_score: NDArray[np.bool_]
    two_scores: NDArray[np.bool_]
    one_class: NDArray[np.int64]
    class_names: tuple[str, ...] = ()

    def reasons(self, contrast: Contrast, metric: str) -> tuple[str, ...]:
        """Return why the scores of a contrast's arms carry no verdict on a metric; empty where they do.

        Seeds that are copies are one training, so their spread is not that of training. Where every run gives all cases
        the same class, or for a ranking metric the same score, equal values hold no information about the arms.
        """
        is_pair = contrast.kind == "difference"  # whose sides have names for sentences
        names = dict(zip(contrast.arms, (contrast.first, contrast.second) if is_pair else contrast.arms, strict=True))
        found = [_copies_words(names[arm], seeds) for arm in contrast.arms for seeds in self.copies[arm]]
        judged = np.isin(self.arms, contrast.arms)
        if metric in _RANKED and self.one_score[judged].all():
            found.append(_one_score_words())
        if METRICS[metric].needs == "labels" and (self.one_class[judged] >= 0).all():
            found.append(_one_class_words(set(self.one_class[judged].tolist()), self.class_names))
        return tuple(found)

    def notes(self, metric: str) -> list[str]:
        """Return notes on arms whose scores are the same for every case, or look like decisions."""
        notes = []
        for arm in dict.fromkeys(self.arms.tolist()):
            of_arm = self.arms == arm
            constant = int(self.one_score[of_arm].sum())
            if constant:
                notes.append(_constant_words(arm, constant, int(of_arm.sum())))
            elif metric in _RANKED and self.two_scores[of_arm].all():
                notes.append(_decisions_words(arm, METRICS[metric].title))
        return notes


def empty_scores(runs: RunScores) -> EmptyScores:
    """Look for scores that carry no evidence."""
    low, high = runs.ranking.min(axis=1, keepdims=True), runs.ranking.max(axis=1, keepdims=True)
    at_ends = (runs.ranking == low) | (runs.ranking == high)
    one_class, two_scores = class_of_every_case(runs), at_ends.all(axis=(1, 2))
    right = (runs.y_pred == runs.y_true).mean(axis=1)
    telling = ~(two_scores & ((right == 0) | (right == 1) | (one_class >= 0)))
    return EmptyScores(
        arms=np.array(runs.arms, dtype=object),
        copies={arm: _copied_seeds(runs, arm, telling) for arm in runs.arm_names},
        one_score=(low == high).all(axis=(1, 2)),
        two_scores=two_scores,
        one_class=one_class,
        class_names=runs.class_names,
    )


def class_of_every_case(runs: RunScores) -> NDArray[np.int64]:
    """Return the class that each run gives to every case, -1 where it gives several, shape (n_runs,)."""
    return np.where((runs.y_pred == runs.y_pred[:, :1]).all(axis=1), runs.y_pred[:, 0], -1)


def _copied_seeds(runs: RunScores, arm: str, telling: NDArray[np.bool_]) -> tuple[tuple[int, ...], ...]:
    scores = runs.ranking if runs.y_prob is None else runs.y_prob
    groups: dict[bytes, list[int]] = {}
    for run in runs.runs_of(arm)[telling[runs.runs_of(arm)]]:
        groups.setdefault(np.ascontiguousarray(scores[run]).tobytes(), []).append(runs.seeds[run])
    return tuple(tuple(sorted(seeds)) for seeds in groups.values() if len(seeds) > 1)


def _copies_words(arm: str, seeds: tuple[int, ...]) -> str:
    return (
        f"{arm}: seeds {joined([str(seed) for seed in seeds])} have the same scores on every case, so they are one "
        "training and not several (a copied file, a seed that was not set, or a method without randomness)"
    )


def _one_score_words() -> str:
    return "every run gives all cases the same score, which ranks no case above another"


def _constant_words(arm: str, n_constant: int, n_runs: int) -> str:
    which = "every run gives" if n_constant == n_runs else f"{n_constant} of {n_runs} runs give"
    return f"{arm}: {which} all cases the same score"


def _decisions_words(arm: str, title: str) -> str:
    return (
        f"{arm}: the scores take only two values, so they look like decisions. Their {title} does not tell how well "
        "scores would rank the cases"
    )


def _one_class_words(classes: set[int], class_names: tuple[str, ...]) -> str:
    if len(classes) > 1:
        return "every run gives all cases one class, whatever they show: the difference says nothing about the arms"
    name = class_word(classes.pop(), class_names)
    return f"every run gives all cases the same class ({name}): equal values say nothing about the arms"
