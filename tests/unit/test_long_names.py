"""One long name among many short ones takes its own room alone, wherever names from data come into an array."""

from __future__ import annotations

import tracemalloc
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scantrial.analysis.runs import RunScores
from scantrial.audit.audit import units_of
from scantrial.core.errors import DamagedError, DataError, InputError
from scantrial.core.numbering import MAX_TEXT, numbered
from scantrial.core.records import SplitPredictions
from scantrial.data.formats import FORMATS
from scantrial.data.scanset import CaseList
from scantrial.data.spec import SplitSpec
from scantrial.data.splits import apply_split
from scantrial.findings import diagnosis
from scantrial.findings.reading import StudyData
from scantrial.store.prediction_files import read_prediction_file
from scantrial.store.tables import read_case_table, write_table
from scantrial.study.test_cases import _count

N, MOST_MB = 10_000, 30
"""Cases, and what they may take; with an array of texts each would take 16 kB, all of them 160 MB."""

NAMES = ("x" * MAX_TEXT, *(f"p{i // 2}" for i in range(1, N)))
LABELS = np.arange(N) % 2
CASES = CaseList(
    labels=LABELS.astype(np.int64),
    class_names=("a", "b"),
    split=np.array(["test"] * 100 + [""] * (N - 100), dtype="U5"),
    sources=tuple(map(str, range(N))),
    patients=NAMES,
)


@dataclass
class Study:
    """The part of a study's data that names patients."""

    cases: pa.Table


STUDY = Study(pa.table({"case": np.arange(N), "patient": NAMES}))
PART = SplitPredictions(
    split="test",
    cases=np.arange(N),
    y_true=LABELS,
    logits=np.zeros((N, 1), dtype=np.float32),
    output_names=("b",),
    y_prob=np.full((N, 2), 0.5),
)


def runs_of(patients):
    return RunScores.from_scores(LABELS, np.full((1, N), 0.5), arms=["a"], seeds=[0], patients=patients)


def a_file(folder: Path, **long: str) -> Path:
    """Write predictions of one arm on all cases, the first row with these texts."""
    rows = {"arm": ["a"] * N, "case": list(map(str, range(N))), "label": list(map(str, LABELS)), "split": ["test"] * N}
    rows["patient"] = list(NAMES)
    for name, text in long.items():
        rows[name][0] = text
    path = folder / "scores.parquet"
    pq.write_table(pa.table({**rows, "seed": np.zeros(N, dtype=np.int64), "score": LABELS * 0.5}), path)
    return path


@pytest.mark.parametrize(
    "work",
    [
        lambda: units_of(CASES, np.arange(N)),
        lambda: apply_split(CASES, SplitSpec(by="patient", test="given", val=0.2)),
        lambda: _count(CASES),
        lambda: runs_of(StudyData.patients_of(STUDY, range(N))),
        lambda: runs_of(np.array(NAMES, dtype=object)),
        lambda: diagnosis._groups(PART, diagnosis._patients(STUDY)),
    ],
    ids=["audit", "split", "count", "judging", "frame", "gap"],
)
def test_a_long_name_of_a_patient(work):
    """Names of patients are numbered, not put into an array of texts."""
    tracemalloc.start()
    assert work() is not None
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < MOST_MB * 1e6


def test_a_long_name_in_a_file_of_predictions(tmp_path):
    """Arms, cases, patients of the longest length that is allowed."""
    path = a_file(tmp_path, arm="x" * MAX_TEXT, case="y" * MAX_TEXT)
    tracemalloc.start()
    with pytest.raises(InputError, match="lacks"):
        read_prediction_file(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < MOST_MB * 1e6


@pytest.mark.parametrize("column", ["arm", "case", "label", "split", "patient"])
def test_longer_texts_of_predictions_are_refused(tmp_path, column):
    """The message names the column and the length, not the text."""
    with pytest.raises(InputError, match=rf"4,097 characters in the column '{column}', expected at most 4,096") as told:
        read_prediction_file(a_file(tmp_path, **{column: "x" * (MAX_TEXT + 1)}))
    assert len(str(told.value)) < 1000


def test_longer_texts_of_a_study_are_refused(tmp_path):
    """A table of cases with a longer patient is damaged."""
    row = {"case": [0], "split": ["test"], "label": [0], "patient": ["x" * (MAX_TEXT + 1)], "source": ["a"]}
    write_table(pa.table(row), tmp_path / "cases.parquet")
    with pytest.raises(DamagedError, match="'patient' has a text of more than 4,096 characters"):
        read_case_table(tmp_path / "cases.parquet", list(row), n_classes=1)


def test_longer_texts_of_a_table_of_scans_are_refused(tmp_path):
    """A label, a patient or a path of more characters is a fault of its row."""
    (tmp_path / "1.png").write_bytes(b"")
    long = "x" * (MAX_TEXT + 1)
    rows = ["path,label,patient", f"1.png,{long},p", f"1.png,a,{long}", f"{long},a,p"]
    (tmp_path / "t.csv").write_text("\n".join(rows))
    with pytest.raises(DataError, match="line 2: a label of 4,097 characters") as told:
        FORMATS["table"].read(tmp_path / "t.csv", {})
    assert "line 3: a patient of 4,097 characters, expected at most 4,096" in str(told.value)
    assert "line 4: no such file: xxx" in str(told.value)


def test_numbers_are_those_of_sorted_names():
    """The same numbers as those that NumPy gives to the sorted distinct names."""
    names = ["p10", "p9", "ä", "p10", "Z", ""]
    assert numbered(names).tolist() == np.unique(names, return_inverse=True)[1].tolist()
    assert numbered([]).dtype == np.int64
