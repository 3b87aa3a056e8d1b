"""A study of DICOM files, and the names of their patients, which nothing says that is written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.dicom_files import write_dicom
from tests.e2e.test_handed_on import texts_of
from tests.siege.commands import run

SECRET = "SECRET^NAME"
STUDY = """
study: Is one epoch enough?
data:
  source: scans
  image: {size: 16, channels: 1, frame: all}
  split: {train: 0.4, val: 0.3, test: 0.3, by: patient}
  skip_unreadable: true
recipe: {batch_size: 8, model: {name: mlp, hidden: [4]}, augment: {shift: 0.1}}
factors: {epochs: [1, 2]}
seeds: 1
"""


@pytest.mark.usefixtures("quick_workers")
def test_no_byte_names_a_patient(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run, audited with a page, reported, shown, predicted: no file, name of a file or line of output has the name."""
    cache, out = tmp_path / "its cache" / "scantrial", tmp_path / "out"
    monkeypatch.setenv("SCANTRIAL_CACHE", str(cache))
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    for number in range(24):
        pixels = rng.integers(0, 2000, (2, 20, 18), dtype=np.uint16) + np.uint16(1500 * (number % 2))
        folder = tmp_path / "scans" / ("sick" if number % 2 else "well") / f"{SECRET} {number // 2}"
        write_dicom(folder / f"{number}.{SECRET}", pixels, PatientID=f"{SECRET}{number // 2}", PatientName=SECRET)
    (folder / "torn").write_bytes((folder / f"23.{SECRET}").read_bytes()[:-900])
    (folder / f"list.{SECRET}").write_text(SECRET)
    Path("study.yaml").write_text(STUDY)
    said = [
        done("run", "study.yaml", "--out", out),
        done("audit", out, "--html", "audit.html"),
        done("report", out, "--format", "md"),
        done("show", out, "--case", "3"),
        done("verify", out),
    ]
    assert not [line for text in said for line in text.splitlines() if "SECRET" in line]
    files = [*texts_of(out), *texts_of(cache.parent), (Path("audit.html"), Path("audit.html").read_text())]
    assert len(files) > 20
    assert not [path for path, text in files if "SECRET" in text]
    assert "thumbnails: false" in (out / "study.yaml").read_text()
    assert "white and black" not in (report := (out / "report" / "report.html").read_text())
    assert "gray levels span the full range of stored values, as no window applies in" in report
    assert "burned_in" not in report
    assert "the header does not say whether names are burned into the pixels" in report
    owner = done("show", out, "--files", "--case", "3")
    assert f"scan-01#1,sick/{SECRET} " in owner.splitlines()[-1]
    assert not [path for path, text in texts_of(out) if "SECRET" in text]
    probabilities = done("predict", out / "runs" / "base" / "seed-0", folder / f"23.{SECRET}")
    assert probabilities.count(f"23.{SECRET}#") == 2


def done(*words: str | Path) -> str:
    """Carry out a command, which has to succeed, and return all that it said."""
    code, said = run(*words)
    assert code == 0, said
    return said
