"""What is printed: every character, in every locale, and nothing cut."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys

import pytest
from rich.table import Table

from scantrial.analysis.metrics import METRICS
from scantrial.analysis.verdict_words import metric_number
from scantrial.api import results
from scantrial.cli import output
from scantrial.cli.results import print_results

ODD = "research 研究 \udce9.png"
"""A name with letters that Latin-1 lacks, and a byte that is no text."""

LOCALES = [
    {"PYTHONIOENCODING": "latin-1"},
    {"PYTHONIOENCODING": "ascii"},
    {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
]


def run_python(program: str, **env: str) -> subprocess.CompletedProcess[bytes]:
    kept = {key: os.environ[key] for key in ("PATH", "PYTHONPATH", "SCANTRIAL_CACHE") if key in os.environ}
    return subprocess.run([sys.executable, "-c", program], env={**kept, **env}, capture_output=True, check=False)


def table_text(table: Table, *, terminal: bool, width: int = 40) -> str:
    console = output.make_console(file=io.StringIO(), width=width, terminal=terminal)
    output.print_table(table, console=console)
    return console.file.getvalue()


@pytest.mark.parametrize("env", LOCALES)
def test_json_is_utf8_in_every_locale(env):
    """JSON comes as UTF-8 whatever the locale says, and a file name that is no text is read back as it was."""
    done = run_python(f"from scantrial.cli.output import print_json; print_json({{'file': {ODD!a}}})", **env)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.decode("utf-8")) == {"file": ODD}


@pytest.mark.parametrize("env", LOCALES)
def test_no_name_ends_a_command_in_a_traceback(env):
    """A command that has to print what the locale lacks spells it out, on either stream."""
    program = (
        "import sys\n"
        "from scantrial.cli import main, output\nfrom scantrial.core.errors import ScantrialError\n"
        "def app():\n"
        f"    output.out.print({ODD!a}); output.err.print({ODD!a})\n"
        f"    raise ScantrialError({ODD!a})\n"
        "main.app = app\n"
        "main.main()\n"
    )
    done = run_python(program, **env)
    assert done.returncode == 1
    assert b"Traceback" not in done.stderr
    assert rb"\udce9.png" in done.stdout
    assert done.stderr.count(rb"\udce9.png") == 2


@pytest.mark.parametrize("words", [(), ("--json",)])
def test_a_study_folder_of_any_name_is_told(make_study, cli, tmp_path, words):
    """A command works on a folder whose name the locale lacks, with and without --json."""
    name = os.fsdecode(b"caf\xe9-") + "研究"
    folder = make_study(question="Is 研究 [/b] better?", seeds=(0,), missing=[("base", 0)])
    (tmp_path / name).symlink_to(folder.path)
    done = cli("status", name, *words, PYTHONIOENCODING="latin-1:strict")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    if words:
        assert json.loads(done.stdout)["folder"] == name
    else:
        assert r"caf\udce9-\u7814\u7a76" in done.stdout


def test_json_is_captured_like_other_output(capsys):
    """JSON goes to what stands for standard output at that moment, after what was printed before it."""
    print("first")
    output.print_json({"a": float("nan")})
    assert capsys.readouterr().out == 'first\n{\n  "a": null\n}\n'


def test_json_goes_to_a_stream_of_text_alone(monkeypatch):
    """A standard output that takes no bytes gets the text."""
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stdout", stream)
    output.print_json({"name": "研究"})
    assert json.loads(stream.getvalue()) == {"name": "研究"}


@pytest.mark.parametrize("text", ["a [/b] b", "[lr]", "scan[left].png", ":smile:", "[red]x"])
def test_words_are_printed_as_they_are(text):
    """Square brackets and colons are no markup, in a line and in a table's head, title and cells."""
    console = output.make_console(file=io.StringIO(), terminal=False)
    console.print(text)
    assert console.file.getvalue() == f"{text}\n"
    table = Table(text, title=text)
    table.add_row(text)
    assert table_text(table, terminal=False).count(text) == 3


def test_nothing_is_cut_off_a_terminal():
    """Without a terminal a table's row is one line, however long."""
    table = Table("file", "class", box=None)
    table.add_row("folder/" * 60 + "scan.png", "normal")
    text = table_text(table, terminal=False)
    assert "folder/" * 60 + "scan.png" in text
    assert "…" not in text


def test_long_cells_are_folded_in_a_terminal():
    """In a terminal a long cell goes on in the next line; no character is lost."""
    table = Table("file", "class", box=None)
    table.add_row("abcdefghij" * 9, "normal")
    text = table_text(table, terminal=True)
    assert "…" not in text
    assert re.sub(r"file|class|normal|\s|\x1b\[\d+m", "", text) == "abcdefghij" * 9


@pytest.mark.parametrize("terminal", [True, False])
def test_the_results_show_labels_and_question_as_they_are(make_study, consoles, terminal):
    """The table of results keeps square brackets in the question and in the arms' labels."""
    folder = make_study(question="Is [/b] or [lr] better?", labels={"base": "[lr] = 1", "loss-ce": "a[/]"})
    console = consoles(terminal=terminal, width=120)
    print_results(results(folder.path))
    text = console.file.getvalue()
    for words in ("Is [/b] or [lr] better?", "[lr] = 1", "a[/]"):
        assert words in text
    assert "…" not in text


@pytest.mark.parametrize("primary", ["accuracy", "balanced_accuracy", "auroc", "log_loss"])
def test_the_first_numbers_are_of_the_metric_that_is_judged(make_study, consoles, primary):
    """With its interval; accuracy, or AUROC beside it, follows."""
    view = results(make_study(primary=primary, n_cases={"train": 12, "val": 8, "test": 60}).path)
    console = consoles(terminal=False)
    print_results(view)
    lines = console.file.getvalue().splitlines()
    head = next(number for number, line in enumerate(lines) if line.lstrip().startswith("arm "))
    metric = METRICS[primary]
    title = f"{metric.title.lower()} %" if metric.unit == "proportion" else metric.title
    other = "AUROC" if primary == "accuracy" else "accuracy %"
    assert re.split(r"\s{2,}", lines[head].strip()) == ["arm", "seeds", title, "95 % CI", "over seeds", title, other]
    assert lines[head - 1].split() == ["test", "val", "test"]
    found = view.judgement.primary.arm("base")
    low, high = (metric_number(metric, value) for value in (found.low, found.high))
    row = next(line for line in lines if line.lstrip().startswith("base"))
    assert f"{metric_number(metric, found.mean)}  {low} to {high}" in re.sub(r"\s{2,}", "  ", row)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(None, "not known yet"), (0.4, "0 s"), (59.6, "1 min 0 s"), (200, "3 min 20 s"), (7500, "2 h 5 min")],
)
def test_a_time_is_told_for_people(seconds, words):
    """A duration has one or two units."""
    assert output.duration(seconds) == words
