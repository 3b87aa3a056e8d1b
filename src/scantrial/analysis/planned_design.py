"""A planned trial: its arms, seeds and test cases."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from scantrial.analysis.metrics import METRICS, POSITIVE
from scantrial.analysis.multiplicity import simultaneous_level
from scantrial.core.errors import InputError
from scantrial.core.plain import Plain, fields_of


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedDesign(Plain):
    """A planned trial.

    Parameters
    ----------
    n_comparisons : pairs of arms that are compared together; p is adjusted for them
    n_by_class : test cases of each class
    independent_by_class : how many independent cases those are worth; fewer where patients have several
    n_independent : the same for all classes together
    n_patients, patients_by_class : in all, and with a test case of each class; None where patients are not known
    margin : the smallest difference that matters, in the metric's unit, or None
    class_names : in the order of `n_by_class`; empty where they are not known
    """

    n_arms: int
    n_comparisons: int
    n_seeds: int
    n_by_class: tuple[int, ...]
    metric: str
    margin: float | None = None
    independent_by_class: tuple[float, ...] = ()
    n_independent: float | None = None
    n_patients: int | None = None
    level: float = 0.95
    class_names: tuple[str, ...] = ()
    patients_by_class: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        METRICS[self.metric]  # an unknown name is refused with the nearest right one
        if self.n_arms < 2 or self.n_comparisons < 1:
            raise InputError(
                f"{self.n_arms} arm{'s' * (self.n_arms != 1)}, {self.n_comparisons} comparisons: nothing to compare",
                expected="at least two arms",
                do="name a factor with a second level",
            )
        if self.n_seeds < 1 or self.n_cases < 2 or not 0.5 < self.level < 1:
            raise InputError(
                f"{self.n_seeds} seeds, {self.n_cases} test cases, level {self.level:g}",
                expected="a seed, two test cases or more, and a level above 0.5 and below 1",
            )

    def _content(self) -> dict[str, Any]:
        return {**fields_of(self), "n_cases": self.n_cases, "alpha": self.alpha}

    @property
    def n_cases(self) -> int:
        """Test cases of all classes."""
        return sum(self.n_by_class)

    @property
    def independent(self) -> tuple[float, ...]:
        """Independent cases of each class."""
        return self.independent_by_class or tuple(map(float, self.n_by_class))

    @property
    def alpha(self) -> float:
        """The level of each test that holds for all of them together, ``alpha / m``: Holm's strictest step."""
        return 1 - simultaneous_level(self.level, self.n_comparisons)

    def resting_cases(self) -> float:
        """Return how many independent cases the metric is worth: of one class, or a mean over classes."""
        worth = self.independent
        if self.metric in ("sensitivity", "specificity"):
            return worth[POSITIVE if self.metric == "sensitivity" else 1 - POSITIVE]
        if self.metric == "balanced_accuracy":
            return len(worth) ** 2 / sum(1 / max(n, 1e-9) for n in worth)
        return self.n_independent or sum(worth)
