"""Patients found in file names by a regular expression, in a process of its own that has so many seconds.

A pattern such as ``(a+)+b`` tries more ways than anyone can wait for. Python's own engine is kept, so that a pattern
means what it always meant, and the system ends a search that uses too much of the processor.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Sequence

from scantrial.core.errors import DataError

FOLDER = "folder"
"""Instead of an expression: the patient is the folder that a case lies in."""

MAX_PATTERN = 1000
"""Characters of a pattern."""

LIMIT_S = 10
"""Seconds of the processor for all names, more than a hundred times what a plain pattern needs for a million."""

_PROGRAM = """
import json, re, resource, sys
pattern, names, limit_s = json.load(sys.stdin)
most = resource.getrlimit(resource.RLIMIT_CPU)[1]
limit_s = limit_s if most == resource.RLIM_INFINITY else min(limit_s, most)
resource.setrlimit(resource.RLIMIT_CPU, (limit_s, limit_s))
search = re.compile(pattern).search
found = [search(name) for name in names]
json.dump(["" if match is None else match[1] or "" for match in found], sys.stdout)
"""


def find_patients(pattern: str, names: Sequence[str]) -> list[str]:
    """Search each name for the pattern; return what its first group holds, empty where nothing is found.

    Raises
    ------
    DataError
        If the search does not end within `LIMIT_S` seconds of the processor, or cannot be carried out.
    """
    # -I and -S: no code but Python's own is loaded, whatever the folder and the environment hold.
    command = [sys.executable, "-I", "-S", "-c", _PROGRAM]
    given = json.dumps([pattern, list(names), LIMIT_S]).encode()
    done = subprocess.run(command, input=given, capture_output=True, check=False)
    # At the soft limit the system sends SIGXCPU, and at the hard one SIGKILL.
    if done.returncode in (-signal.SIGXCPU, -signal.SIGKILL):
        raise DataError(
            f"patient: the search for {pattern!r} in {len(names):,} file names was stopped after {LIMIT_S} s",
            expected="a pattern that is found quickly",
            do="repeat no group that repeats something itself: write (a+)b, not ((a+)+)b",
        )
    if done.returncode:
        end = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        raise DataError(
            f"patient: the search for {pattern!r} failed: {end[-200:] or f'exit code {done.returncode}'}",
            expected="a regular expression that Python can search for",
            do="correct the pattern; if it is right, see what this machine lacks, such as memory",
        )
    patients: list[str] = json.loads(done.stdout)
    return patients
