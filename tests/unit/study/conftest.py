"""A small study to change, its faults in words, and a trial that is carried out."""

from __future__ import annotations

import os
import shutil
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.unit.study import fake_engine
from tests.unit.study.trial import Trial

from scantrial.core.errors import Fault, StudyFileError
from scantrial.study.file import parse_study
from scantrial.study.study import Study

HEAD = "study: Which?\ndata: {source: phantom, split: given}\n"

MakeStudy = Callable[..., Study]
FaultsOf = Callable[..., tuple[Fault, ...]]


@pytest.fixture
def study_with() -> MakeStudy:
    """Read a study from a head with a question and data, and some text below it (from line 3)."""

    def make(text: str = "", **options: object) -> Study:
        return parse_study(HEAD + textwrap.dedent(text).lstrip("\n"), **options)  # type: ignore[arg-type]

    return make


@pytest.fixture
def faults_of(study_with: MakeStudy) -> FaultsOf:
    """Return the faults of such a study."""

    def find(text: str = "", **options: object) -> tuple[Fault, ...]:
        with pytest.raises(StudyFileError) as caught:
            study_with(text, **options)
        return caught.value.faults

    return find


@pytest.fixture
def trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quick_workers: Callable[[], list[int]]) -> Trial:
    """Return a trial without a folder yet, whose engine worker processes find."""
    (tmp_path / "engine").mkdir()
    shutil.copy(fake_engine.__file__, tmp_path / "engine" / "fake_engine.py")
    paths = (str(tmp_path / "engine"), os.environ.get("PYTHONPATH", ""))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, paths)))
    return Trial(path=tmp_path, worker_pids=quick_workers)
