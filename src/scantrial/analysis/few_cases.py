"""The rule of ten: what has too few cases, or too few patients, to be judged on.

Where patients have several scans, patients were sampled and not scans, so they are what is counted.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from scantrial.analysis.metrics import METRICS, POSITIVE
from scantrial.core.format import counted
from scantrial.core.positive import class_word

MIN_OF_CLASS = 10
"""A metric that rests on one class is not judged on fewer cases, or patients, of that class."""

_RESTS_ON = {
    "sensitivity": (POSITIVE,),
    "specificity": (1 - POSITIVE,),
    "balanced_accuracy": None,
    "auroc": None,
    "average_precision": None,
    "f1": None,
    "mcc": None,
    "macro_f1": None,
}
"""Which classes a metric rests on, None for all; the others rest on all cases together."""


class JudgedCases(Protocol):
    """The cases that a metric is judged on."""

    @property
    def n_by_class(self) -> tuple[int, ...]:
        """Cases of each class."""

    @property
    def n_patients(self) -> int | None:
        """Patients of all cases; None where they are not known."""

    @property
    def patients_by_class(self) -> tuple[int, ...] | None:
        """Patients with a case of each class; None where they are not known."""

    @property
    def class_names(self) -> tuple[str, ...]:
        """In the order of their indices; empty where they are not known."""


def small_classes(metric: str, cases: JudgedCases) -> list[str]:
    """Say what is too small for a verdict on a metric; empty where nothing is.

    A metric that rests on each class needs ten cases of each, or ten patients where patients have several cases.
    Kappa rests on no single grade, but on the cases outside the commonest one: without them there is no agreement
    beyond chance. Every other metric needs ten patients in all where patients have several cases.
    """
    patients = cases.patients_by_class or cases.n_by_class
    if metric == "quadratic_weighted_kappa":
        commonest = int(np.argmax(cases.n_by_class))
        outside = f"outside {class_word(commonest, cases.class_names)}"
        n = sum(cases.n_by_class) - cases.n_by_class[commonest]
        others = [count for index, count in enumerate(patients) if index != commonest]
        # A patient may have cases of several grades: so many different ones there are at least.
        of = max(others) if cases.patients_by_class and cases.n_patients != sum(cases.n_by_class) else n
        return _refused(metric, n, of, f"{n} cases {outside}")
    if metric not in _RESTS_ON:
        if cases.n_patients is None:
            return []
        n = sum(cases.n_by_class)
        return [] if cases.n_patients == n else _refused(metric, n, cases.n_patients, counted(n, "case"))
    classes = _RESTS_ON[metric]
    refused = []
    for index in range(len(cases.n_by_class)) if classes is None else classes:
        n = cases.n_by_class[index]
        what = f"{counted(n, 'case')} of {class_word(index, cases.class_names)}"
        refused += _refused(metric, n, patients[index], what)
    return refused


def _refused(metric: str, n_cases: int, n_patients: int, what: str) -> list[str]:
    """Say that a metric is not judged on so few; `n_patients` is that of cases where patients are not known."""
    title = METRICS[metric].title
    if n_patients < MIN_OF_CLASS and n_patients < n_cases:
        return [f"{what}, from {counted(n_patients, 'patient')}: {title} is not judged on fewer than {MIN_OF_CLASS}"]
    return [f"{what}: {title} is not judged on fewer than {MIN_OF_CLASS}"] if n_cases < MIN_OF_CLASS else []
