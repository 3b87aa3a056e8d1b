"""A study folder and its report name no folder of the machine that they were made on, and no user."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

FOLDER, USER = "kaleidoscope-ward", "zebediah"
STUDY = """
study: Is one epoch enough?
data:
  source: {source}
  split: {{train: 4, val: 2, test: 4, per: class}}
recipe: {{epochs: 1, batch_size: 4, model: {{name: mlp, hidden: [4]}}}}
factors: {{epochs: [1, 2]}}
seeds: 1
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a user's home in a folder whose name stands nowhere else, with scans of two kinds."""
    home = tmp_path_factory.mktemp(FOLDER) / USER
    rng = np.random.default_rng(0)
    rows = []
    for label in ("well", "sick"):
        folder = home / "private scans" / label
        folder.mkdir(parents=True)
        for number in range(10):
            pixels = rng.integers(0, 200, (16, 16)) + 50 * (label == "sick")
            Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{number}.png")
            rows.append([str(folder / f"{number}.png"), label])
    with (home / "list.csv").open("w", newline="") as handle:
        csv.writer(handle).writerows([["path", "label"], *rows])
    return home


def texts_of(folder: Path) -> Iterator[tuple[Path, str]]:
    """Yield everything that the files of a folder say: their bytes, and the columns of tables."""
    for path in folder.rglob("*"):
        if path.is_file():
            yield path, path.read_bytes().decode("latin-1") + path.name
        if path.suffix == ".parquet":
            yield path, repr(pq.read_table(path).to_pydict()) + repr(pq.read_schema(path).metadata)


def test_no_byte_names_the_machine(home: Path, cli_in):
    """Run, copied into a second study, audited, reported in two formats, by absolute paths throughout."""
    source = "list.csv"
    who = {"USER": USER, "LOGNAME": USER, "SCANTRIAL_CACHE": str(home / "cache")}
    study, out = home / "study.yaml", home / f"out {source}"
    study.write_text(STUDY.format(source=json.dumps(str(home / source))))
    for folder, more in ((out, ()), (home / f"again {source}", ("--reuse", str(out), "--set", "seeds=2"))):
        done = cli_in("run", study, "--out", folder, "--set", f"data.source={home / source}", *more, cwd=home, **who)
        assert done.returncode == 0, done.stderr
        assert cli_in("report", folder, "--format", "html", "--format", "md", cwd=home, **who).returncode == 0
        for path, text in texts_of(folder):
            for secret in (FOLDER, USER, str(home.parent)):
                assert secret not in text, f"{path} names {secret}: {text[max(0, text.find(secret) - 90) :][:200]}"
    assert cli_in("verify", folder, cwd=home, **who).returncode == 0
    # What the folder no longer says, this machine still knows.
    assert cli_in("audit", out, cwd="/", home=home, **who).returncode == 0
    again = cli_in("run", study, "--out", out, cwd=home, **who)
    assert again.returncode == 0
    assert "started" not in again.stderr
