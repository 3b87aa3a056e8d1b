"""Patients found in file names: what a pattern means, and that no pattern is waited for."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest

from scantrial.core.errors import DataError
from scantrial.data import patients
from scantrial.data.catalogue import CATALOGUE
from scantrial.data.spec import DataSpec

NAMES = [
    "person12_virus_3.png",
    "IM-0115-0001.jpeg",
    "patient_07-a.tif",
    "p٣_x.png",
    "名前12.png",
    "x\ny.png",
    "\udce9.png",
    "",
]

PATTERNS = [
    r"(person\d+)_",
    r"(?i)(PERSON\d+|IM-\d+)",
    r"^(\w+?)[_-]",
    r"(?<=_)(\d+)(?=-)",  # looks around
    r"(?P<id>p\d)_",  # digits of any script
    r"(.)\S*?12",
    r"(a)?",
    r"(\s)y",
    *[entry.patient for entry in CATALOGUE.values() if entry.patient],
]


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_pattern_means_what_python_says(pattern):
    """A search gives what Python's own engine gives, whatever the pattern uses."""
    found = [re.search(pattern, name) for name in NAMES]
    assert patients.find_patients(pattern, NAMES) == ["" if one is None else one[1] or "" for one in found]


def test_a_pattern_that_backtracks_is_stopped(monkeypatch):
    """A search that would take years ends with words after its seconds."""
    monkeypatch.setattr(patients, "LIMIT_S", 1)
    with pytest.raises(DataError, match="stopped after 1 s") as refused:
        patients.find_patients("((a+)+)b", ["a" * 60])
    assert "repeat no group that repeats something itself" in str(refused.value)


def test_a_search_that_fails_is_not_called_slow():
    """The end of what Python said is told."""
    with pytest.raises(DataError, match=r"failed: .*unterminated") as refused:
        patients.find_patients("((a)", NAMES)
    assert "stopped" not in str(refused.value)


def test_a_lower_limit_of_the_process_holds():
    """The seconds that the process may use at most are not raised, and a lower limit is no failure."""
    limited = (
        "import resource, os, sys; resource.setrlimit(resource.RLIMIT_CPU, (5, 5)); os.execv(sys.argv[1], sys.argv[1:])"
    )
    done = subprocess.run(
        [sys.executable, "-c", limited, sys.executable, "-c", patients._PROGRAM],
        input=json.dumps(["(a)", ["a", "b"], 10]),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, '["a", ""]'), done.stderr


def test_a_pattern_of_a_whole_page_is_refused():
    """A pattern longer than anyone writes is refused before it is compiled."""
    with pytest.raises(ValueError, match="at most 1,000"):
        DataSpec.model_validate({"source": "x", "split": "given", "patient": f"({'[^a]' * 500})"})
