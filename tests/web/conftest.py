"""A folder of studies of every kind, and a server in front of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.studies import TWO_ARMS, StudyShape, write_study
from tests.web.serving import Reader, served

HOSTILE = '"><script>alert(1)</script>{{ 7 * 7 }}'


def write_studies(root: Path) -> Path:
    """Write a finished study, an unfinished, a three-class, a hostile, a single-arm, a one-seed and a turned one."""
    write_study(root / "done", StudyShape(arms=TWO_ARMS, cases_per_patient=2, diverged=[("loss-ce", 2)]))
    write_study(root / "half", StudyShape(arms=TWO_ARMS, missing=[("loss-ce", 1), ("loss-ce", 2)]))
    write_study(root / "three", StudyShape(arms=TWO_ARMS, class_names=("a", "b", "c"), failed=[("base", 0)]))
    write_study(root / "one arm & more", StudyShape(arms={"base": {}}, thumbnails=False))
    write_study(
        root / "wrong way",
        StudyShape(
            arms=TWO_ARMS,
            class_names=("COVID", "Normal"),
            turned=["loss-ce"],
            primary="balanced_accuracy",
            n_cases={"train": 12, "val": 8, "test": 60},
        ),
    )
    write_study(root / "one seed", StudyShape(arms=TWO_ARMS, seeds=(0,)))
    write_study(root / "folds", StudyShape(arms=TWO_ARMS, seeds=(0,), folds=(3, 2), cases_per_patient=2))
    hostile = StudyShape(
        arms=TWO_ARMS,
        question=HOSTILE,
        labels={"base": HOSTILE, "loss-ce": "<b>CE"},
        class_names=("<i>a", '"b'),
        source="../../{case}" + HOSTILE,
        about={"name": HOSTILE},
    )
    write_study(root / "<hostile> ?#%2e", hostile)
    return root


@pytest.fixture(scope="module")
def studies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of studies."""
    return write_studies(tmp_path_factory.mktemp("studies"))


@pytest.fixture(scope="module")
def reader(studies: Path) -> Iterator[Reader]:
    """Somebody who may read all of them."""
    with served(studies) as found:
        yield found
