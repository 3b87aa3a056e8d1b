"""A study folder and its report name no folder of the machine that they were made on, and no user."""

from __future__ import annotations

import csv
import html
import json
import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image
from tests.siege.commands import run

import scantrial

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


def printed_commands(report: Path) -> list[list[str]]:
    """Return the words of the commands that a report prints to run its study again."""
    block = re.search(r'<pre[^>]* id="again-commands".*?</pre>', report.read_text(encoding="utf-8"), re.DOTALL)
    assert block is not None
    lines = html.unescape(re.sub("<[^>]*>", "", block[0])).strip().splitlines()
    return [shlex.split(line) for line in lines]


@pytest.mark.usefixtures("quick_workers")
def test_no_byte_names_the_machine(home: Path, monkeypatch: pytest.MonkeyPatch):
    """Run by absolute paths, run again by the commands of its report, reported as Markdown, audited."""
    for name, value in {"USER": USER, "LOGNAME": USER, "HOME": home, "SCANTRIAL_CACHE": home / "cache"}.items():
        monkeypatch.setenv(name, str(value))
    monkeypatch.chdir(home)
    source = home / "list.csv"
    study, out = home / "study.yaml", home / "out list.csv"
    study.write_text(STUDY.format(source=json.dumps(str(source))))
    done("run", study, "--out", out, "--set", f"data.source={source}")
    names_nothing(out, home)
    # Somebody else saves the study file that the report shows, and has the scans.
    monkeypatch.chdir(home.parent)
    shutil.copy(out / "study.yaml", "study.yaml")
    (_, *first), (_, *second) = printed_commands(out / "report" / "report.html")
    done(*(word.replace("PATH", str(source)) for word in first), "--reuse", out, "--set", "seeds=2")
    done(*second, "--format", "md")
    again = home.parent / "again"
    names_nothing(again, home)
    done("verify", again)
    # What the folder no longer says, this machine still knows.
    monkeypatch.chdir("/")
    done("audit", out)
    assert scantrial.run(study, out=out).trained == ()
    before = json.loads((out / "plan.json").read_text())["data"]
    done("run", out / "study.yaml", "--seeds", "2", "--out", out)
    names_nothing(out, home)
    assert json.loads((out / "plan.json").read_text())["data"] == before
    assert (out / "runs" / "base" / "seed-1" / "run.json").is_file()


def done(*words: str | Path) -> None:
    """Carry out a command, which has to succeed."""
    code, said = run(*words)
    assert code == 0, said


def names_nothing(folder: Path, home: Path) -> None:
    """Look for the machine and its user in everything that a folder says."""
    for path, text in texts_of(folder):
        for secret in (FOLDER, USER, str(home.parent)):
            assert secret not in text, f"{path} names {secret}: {text[max(0, text.find(secret) - 90) :][:200]}"
