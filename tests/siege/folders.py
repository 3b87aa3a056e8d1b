"""Damaged folders through every command and every page: an answer or an error in words, never a traceback."""

from __future__ import annotations

import random
import shutil
from collections.abc import Mapping
from pathlib import Path

from tests.siege.commands import readings, run
from tests.siege.damage import damage
from tests.siege.numbers import N_FOLDERS
from tests.siege.outcome import Row
from tests.web.serving import served

PAGES = (
    "/",
    "/s/study",
    "/s/study/report",
    "/s/study/cases",
    "/s/study/cases/1",
    "/s/study/compare",
    "/s/study/threshold",
)
TURNS = {"report md": range(0, N_FOLDERS, 5), "serve": range(0, N_FOLDERS, 10), "run": range(0, N_FOLDERS, 40)}
"""With which folders something is done that takes long: all figures as files, a server, training."""


def siege_of_folders(
    whole: Path, home: Path, *, numbers: range, seed: int, turns: Mapping[str, range] = TURNS
) -> list[Row]:
    """Damage a study folder anew for each number, and put every command and page to it.

    Parameters
    ----------
    whole : a study folder, whole
    home : a folder with an image to predict, ``scan.png``
    turns : with which numbers something is done; what is not named is done with each
    """
    rows: dict[str, Row] = {}
    folder = home / "study"
    for number in numbers:
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(whole, folder)
        what = damage(folder, random.Random(f"{seed}/{number}"))
        checks = {
            **readings(folder, home / "scan.png"),
            "run": lambda: _train(folder),
            "serve": lambda: _ask(home),
        }
        for name, check in checks.items():
            if number not in turns.get(name, numbers):
                continue
            row = rows.setdefault(name, Row(part="folders", kind=name))
            row.n += 1
            try:
                check()
            except Exception as error:
                row.faults.append(f"{number} ({what}): {type(error).__name__}: {str(error)[:300]}")
    return list(rows.values())


def _train(folder: Path) -> None:
    code, said = run("run", folder / "study.yaml", "--out", folder, "--threads", "1")
    assert code in (0, 1, 2, 3, 4), (code, said[-500:])
    assert "Traceback" not in said, said[-500:]


def _ask(root: Path) -> None:
    with served(root) as reader:
        for path in PAGES:
            answer = reader.ask(path)
            assert answer.status in (200, 400, 404, 409), (path, answer.status, answer.text[:300])
