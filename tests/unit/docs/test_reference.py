"""The reference pages are what the code makes of them, and the pages in prose leave nothing out."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import typer

import checks_page
import commands_page
import metrics_page
import study_file_page
from scantrial.analysis.diagnosis.checks import CHECKS as CURVE_CHECKS
from scantrial.analysis.metrics import METRICS
from scantrial.audit.checks import CHECKS as SCAN_CHECKS
from scantrial.cli.main import app
from scantrial.study.schema import schema

ROOT = Path(__file__).resolve().parents[3]

COMMANDS = dict(commands_page.commands())
PROSE = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
PARTS = list(study_file_page.parts(schema()))
DOCUMENTED = [*sorted((ROOT / "docs").rglob("*.md")), ROOT / "README.md"]


def section(text: str, heading: str) -> str:
    return re.split(r"^## ", text.split(f"## {heading}\n")[1], flags=re.MULTILINE)[0]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_is_described(name: str) -> None:
    """A command's section has each of its options, with its help; the page in prose names them as well."""
    text = section(commands_page.page(), f"scantrial {name}")
    prose = section(PROSE, f"scantrial {name.split(maxsplit=1)[0]}")
    for entry in commands_page.entries(COMMANDS[name]):
        first = entry.metavar if entry.is_argument else entry.name
        assert f"| `{first}` |" in text
        assert len(entry.help) > 3
        assert entry.help in text
        assert all(word in prose for word in first.split("/")), first


@pytest.mark.parametrize("name", COMMANDS)
def test_the_command_line_itself_has_these_options(name: str) -> None:
    """What the parser takes are the very options of the page."""
    command = typer.main.get_command(app)
    for word in name.split():
        command = command.commands[word]
    taken = {option for part in command.params for option in (*part.opts, *part.secondary_opts)}
    written = {word for entry in commands_page.entries(COMMANDS[name]) for word in entry.name.split("/")}
    assert written == taken


@pytest.mark.parametrize(("path", "part"), PARTS, ids=[path or "study file" for path, _ in PARTS])
def test_every_key_is_described(path: str, part: dict[str, Any]) -> None:
    """Each key of each part stands in a row of its own, with its help text."""
    text = section(study_file_page.page(), study_file_page._heading(path, part))
    for key, entry in part["properties"].items():
        (row,) = re.findall(rf"^\| `{key}` \|.*$", text, flags=re.MULTILINE)
        assert len(entry["description"]) > 3
        assert row.count(" | ") >= 3


def test_no_part_is_left_out() -> None:
    """Every model of the schema has its section."""
    whole = schema()
    shown = [part for _, part in PARTS]
    assert all(part in shown for part in (whole, *whole["$defs"].values()))


@pytest.mark.parametrize("name", METRICS)
def test_every_metric_is_described(name: str) -> None:
    """Definition and direction, under its own anchor."""
    text = section(metrics_page.page(), name)
    assert METRICS[name].reference in text
    assert ("higher" if METRICS[name].higher_is_better else "lower") in text
    assert f"`{name}`" in (ROOT / "docs" / "study-file.md").read_text(encoding="utf-8")


def test_every_check_is_listed() -> None:
    """Those of scans and those of curves."""
    listed = re.findall(r"^\| \[(\w+)\]", checks_page.page(), flags=re.MULTILINE)
    assert listed == [*SCAN_CHECKS, *CURVE_CHECKS]


def shown_commands(text: str) -> list[list[str]]:
    """Return the words behind `scantrial` of every command in a page's code, without comments."""
    fenced = re.findall(r"^```\w*\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
    code = "\n".join([*fenced, *re.findall(r"^    (.*)", text, flags=re.MULTILINE)]).replace("\\\n", " ")
    lines = re.findall(r"^(?:\$ )?scantrial (.+)$", code, flags=re.MULTILINE)
    return [re.sub(r"\s#.*", "", line).split() for line in lines]


@pytest.mark.parametrize("page", DOCUMENTED, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_in_pages_exist_with_their_options(page: Path) -> None:
    """Every command that a page shows is one, and has the options that it is shown with."""
    for words in shown_commands(page.read_text(encoding="utf-8")):
        name = " ".join(words[:2]) if words[0] == "data" else words[0]
        assert name in COMMANDS, words
        known = {word for entry in commands_page.entries(COMMANDS[name]) for word in entry.name.split("/")}
        used = {part for word in words if word.lstrip("[").startswith("--") for part in word.strip("[].").split("/")}
        assert used <= known, words


def test_the_pages_show_commands() -> None:
    """The reader above finds some."""
    assert len(shown_commands((ROOT / "README.md").read_text(encoding="utf-8"))) >= 5
