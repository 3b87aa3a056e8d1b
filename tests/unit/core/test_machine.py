"""What a folder that is handed on may say of this machine."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from scantrial.core.machine import command_line, without_folders


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home of a user called ada, with a blank in its path, and a working directory in it."""
    home = tmp_path / "Ada Lovelace"
    (home / "ward 3").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("USER", "ada")
    monkeypatch.chdir(home)
    return home


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("{home}/ward 3/x.csv: No such file", "x.csv: No such file"),
        ("No such file: '{home}/not there/b c.csv'", "No such file: 'b c.csv'"),
        ("{home}: full", "~: full"),
        ("{home}/ is full", "~/ is full"),
        ("'{home}' or {home}.", "'~' or ~."),
        ("/home/ada", "~"),
        ("/home/ada.csv and /home/ada-2", "ada.csv and ada-2"),
        ("file://{home}/x.csv, file:///home/ada/x.csv", "x.csv, x.csv"),
        ("`/home/ada/x.csv`", "`x.csv`"),
        ("<module 'a' from '/home/ada/a b/c.py'>", "<module 'a' from 'c.py'>"),
        ("</home/ada/a b/c.py>", "<c.py>"),
        ("\u201c/home/ada/a b/c.py\u201d \u2018/home/ada/c d.py\u2019", "\u201cc.py\u201d \u2018c d.py\u2019"),
        (";/home/ada/x|/home/ada/y", ";y"),
        ("c++ -I/home/ada/include -I{home}/ward 3/include", "c++ -Iinclude -Iinclude"),
        (r"failed\n{home}/x.py", r"failed\nx.py"),
        ("{home}/study/runs/base/run.json is gone", "runs/base/run.json is gone"),
        ("study/x.json and my-study/x.json", "study/x.json and my-study/x.json"),
    ],
)
def test_of_an_absolute_path_the_last_part_stays(home: Path, said: str, kept: str):
    """Whatever stands before it, with blanks where it is quoted or its folders exist, and never the user's name."""
    assert without_folders(said.format(home=home), home / "study") == kept


@pytest.mark.parametrize(
    "said",
    [
        "1/2 of a/b, 3 / 4, and/or",
        "runs/*/seed-*/run.json, {arm}/a/b, ../a/b/c, ./a/b, ~/a/b",
        "https://a.org/b/c",
        "/x",
        "",
    ],
)
def test_anything_else_stays(said: str):
    """Fractions, relative paths, addresses."""
    assert without_folders(said) == said


def test_a_relative_folder_is_no_part_of_another(home: Path):
    """Only what lies in it is named from there."""
    assert without_folders("study/x.json, my-study/x.json", Path("study")) == "x.json, my-study/x.json"


def test_a_command_names_no_folder(home: Path, monkeypatch: pytest.MonkeyPatch):
    """A word is one path to its end, with its blanks."""
    words = ["run", "/data/s t/study.yaml", "--out=/data/a b/ada", f"{home}/not there/", "a/b", "-o/opt/a/b"]
    monkeypatch.setattr(sys, "argv", ["scantrial", *words])
    assert command_line() == "scantrial run study.yaml --out=~ not there/ a/b -ob"
