"""What the audit takes grows with the scans alone, and slowly."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from scantrial.core import scratch
from scantrial.core.scratch import scratch_array

AUDIT = """
import json, sys, threading, time
from pathlib import Path
import numpy as np
from scantrial.audit.audit import audit_scans
from scantrial.data.scanset import ScanSet

def held_kb():
    kinds = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(kinds["RssAnon"].split()[0])

def scans_of(n):
    rng = np.random.default_rng(n)
    coarse = rng.integers(0, 256, (n, 7, 7), dtype=np.uint8)
    return ScanSet(
        images=np.kron(coarse, np.ones((1, 4, 4), np.uint8)), labels=rng.integers(0, int(sys.argv[1]), n),
        class_names=tuple(map(str, range(int(sys.argv[1])))), split=rng.choice(["train", "val", "test"], n, p=[0.6, 0.2, 0.2]),
        sources=tuple(map(str, range(n))), patients=None, fingerprint="", images_path=Path("none"),
    )

def audited(n):
    scans, peak, over = scans_of(n), [0], threading.Event()
    def look():
        while not over.wait(0.005):
            peak.append(held_kb())
    watch = threading.Thread(target=look)
    before, cpu = held_kb(), time.process_time()
    watch.start()
    audit_scans(scans)
    over.set()
    watch.join()
    return {"kb": max(peak) - before, "s": time.process_time() - cpu}

audited(500)  # imports
print(json.dumps([audited(n) for n in map(int, sys.argv[2:])]))
"""


def audited(*counts: int, n_classes: int) -> list[dict[str, float]]:
    done = subprocess.run(
        [sys.executable, "-c", AUDIT, str(n_classes), *map(str, counts)],
        stdout=subprocess.PIPE,
        check=True,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
    )
    found: list[dict[str, float]] = json.loads(done.stdout)
    return found


needs_linux = pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="tells memory by its kind on Linux alone"
)


@pytest.mark.slow
@needs_linux
def test_a_scan_takes_a_few_kilobytes():
    """From 10,000 to 40,000 scans each further one takes at most 7 KB of memory that is not in a file."""
    few, many = audited(10_000, 40_000, n_classes=2)
    assert (many["kb"] - few["kb"]) / 30_000 < 7


@pytest.mark.slow
@needs_linux
def test_many_classes_take_hardly_longer_than_a_few():
    """Thirty classes of 6,000 scans take at most three times the CPU time of three."""
    assert audited(6_000, n_classes=30)[0]["s"] < 3 * audited(6_000, n_classes=3)[0]["s"]


def test_a_large_array_is_in_a_file_that_nobody_sees(tmp_path, monkeypatch):
    """It is written and read as any other; where the folder cannot be made, it is in memory."""
    monkeypatch.setattr(scratch, "IN_MEMORY", 1 << 12)
    (tmp_path / "file").touch()
    for folder in (tmp_path / "new", tmp_path / "file" / "none"):
        found = scratch_array((70, 10, 10), np.uint8, folder=folder)
        found[:] = np.arange(70, dtype=np.uint8)[:, None, None]
        assert (found[:, 3, 3] == np.arange(70)).all()
        assert found.shape == (70, 10, 10)
    assert {path.name for path in tmp_path.iterdir()} == {"file", "new"}
    assert list((tmp_path / "new").iterdir()) == []
