"""How a trial in progress is shown."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path

import pytest
from rich.console import Console
from tests.siege import commands

from scantrial import api
from scantrial.cli import output, run
from scantrial.store.folder import Failure, RunKey
from scantrial.study.pool import Event
from scantrial.study.trial import Clock, Outcome

NOTHING_YET = [("base", 0), ("loss-ce", 0)]
FIRST, SECOND = RunKey("[lr]", 0), RunKey("base", 1)


@pytest.fixture
def show() -> Callable[..., str]:
    """Show made-up events as the trial of two runs would, and return what was written."""

    def shown(events: list[Event], *, terminal: bool) -> str:
        console = output.make_console(file=io.StringIO(), width=100, terminal=terminal)
        clock = Clock({FIRST: 4, SECOND: 4}, 1)
        with run._display(console) as display:
            for event in events:
                clock.note(event)
                display.watch(event, clock)
        return console.file.getvalue()

    return shown


def epochs(key: RunKey, n: int) -> list[Event]:
    return [Event(kind="epoch", key=key, epoch=k, n_epochs=4, val_accuracy=0.5 + 0.1 * k) for k in range(1, n + 1)]


def test_a_terminal_shows_the_runs_in_a_table(show):
    """The live table tells arm, seed, epoch, accuracy and what is done; ended runs leave a line each."""
    events = [Event(kind="started", key=FIRST), *epochs(FIRST, 4), Event(kind="done", key=FIRST, status="finished")]
    events += [Event(kind="started", key=SECOND), Event(kind="failed", key=SECOND, message="no [/b] room")]
    text = show(events, terminal=True)
    assert "0 of 2 runs done\x1b[0m" in text
    assert "1 of 2 runs done" in text
    assert "2 of 2 runs done, 0 s left" in text
    assert "4 / 4" in text
    assert "70.0 %" in text
    assert "│ [lr]" in text
    assert "[lr]/seed-0: finished" in text
    assert "base/seed-1: failed: no [/b] room" in text
    assert text.endswith("\x1b[?25h") or "\x1b[?25h" in text.split("failed: no")[1]


def test_the_live_table_comes_after_the_bar(make_study, monkeypatch, consoles):
    """The bar of the scans has ended before the first event is shown: a terminal takes one live display at a time."""
    consoles(terminal=True)
    monkeypatch.setattr(run, "err", output.err)
    said: list[str] = []

    @contextmanager
    def bar():
        said.append("bar begins")
        yield lambda *what: said.append("bar moves")
        said.append("bar ends")

    class Display(run._PlainLines):
        def watch(self, event: Event, clock: Clock) -> None:
            said.append(event.kind)

    def carry_out(study, *, out, watch, progress, **options):
        progress("reading", 0, 1)
        for event in (Event(kind="started", key=SECOND), *epochs(SECOND, 1)):
            watch(event, Clock({SECOND: 1}, 1))
        return Outcome(folder=Path(out), finished=(), trained=(), diverged=(), failed=())

    monkeypatch.setattr(run, "progress_bar", bar)
    monkeypatch.setattr(run, "_display", Display)
    monkeypatch.setattr(api, "run", carry_out)
    run.run("demo", out=make_study(seeds=(0,), missing=NOTHING_YET).path, as_json=True)
    assert said == ["bar begins", "bar moves", "bar ends", "started", "epoch"]


def test_elsewhere_a_line_tells_start_and_end(show):
    """Without a terminal a run has a line when it starts and when it ends, and epochs at most every ten seconds."""
    events = [Event(kind="started", key=FIRST), *epochs(FIRST, 4), Event(kind="done", key=FIRST, status="diverged")]
    lines = show(events, terminal=False).splitlines()
    assert lines[0] == "[lr]/seed-0: started"
    assert lines[1].startswith("[lr]/seed-0: diverged (")
    assert len(lines) == 2


def test_elsewhere_epochs_are_told_every_few_seconds(show, monkeypatch):
    """After the pause an epoch has a line with its number and its accuracy."""
    monkeypatch.setattr(run, "SAY_EVERY_S", 0.0)
    lines = show(epochs(FIRST, 2), terminal=False).splitlines()
    assert lines[0] == "[lr]/seed-0: epoch 1 of 4, val accuracy 60.0 %"
    assert lines[1].startswith("[lr]/seed-0: epoch 2 of 4, val accuracy 70.0 % (")


def test_results_are_whole_where_every_run_failed(make_study, monkeypatch, capsys):
    """With no finished run, JSON still has question, primary metric, cases and classes; the exit code is 3."""
    folder = make_study(seeds=(0,), failed=NOTHING_YET)
    failed = tuple(folder.failures())
    outcome = Outcome(folder=folder.path, finished=(), trained=(), diverged=(), failed=failed)
    monkeypatch.setattr(api, "run", lambda *study, **options: outcome)
    with pytest.raises(SystemExit) as stopped:
        run.run("demo", out=folder.path, as_json=True)
    assert stopped.value.code == 3
    told = json.loads(capsys.readouterr().out)
    assert told["study"] == "Is cross-entropy better than BCE?"
    assert told["primary"] == {"metric": "accuracy", "split": "test"}
    assert told["n_cases"] == {"train": 12, "val": 8, "test": 10}
    assert told["class_names"] == ["normal", "pneumonia"]
    assert told["runs"] == []
    assert [arm["missing_seeds"] for arm in told["arms"]] == [[0], [0]]
    assert [one["message"] for one in told["failed"]] == [one.message for one in failed]
    assert Path(told["report"]).is_file()
    assert folder.test_openings() == []


def test_one_reading_makes_the_results_and_the_report(make_study, monkeypatch, capsys):
    """What is printed and the report come from one logged reading of the test rows."""
    folder = make_study()
    outcome = Outcome(
        folder=folder.path,
        finished=tuple(folder.run_keys()),
        trained=(),
        diverged=(FIRST,),
        failed=(),
    )
    monkeypatch.setattr(api, "run", lambda *study, **options: outcome)
    run.run("demo", out=folder.path, as_json=False, verbose=True)
    (opening,) = [opening for opening in folder.test_openings() if opening.by != "run"]
    assert opening.by == "report"
    assert len(opening.runs) == 6
    printed = capsys.readouterr().out
    assert "report.html" in printed
    assert "diverged: [lr]/seed-0" in printed


def test_an_interrupt_ends_in_words(monkeypatch, capsys, tmp_path):
    """Ctrl-C ends with exit code 130 and the way to go on."""

    def interrupted(*study, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(api, "run", interrupted)
    with pytest.raises(SystemExit) as stopped:
        run.run("demo", out=tmp_path, as_json=False)
    assert stopped.value.code == 130
    assert "run the same command to continue" in capsys.readouterr().err


def test_failures_are_printed_as_they_are(make_study, monkeypatch, capsys):
    """A failure's message is printed with its brackets."""
    folder = make_study(seeds=(0,), failed=NOTHING_YET)
    failed = (Failure(key=RunKey("base", 0), message="[/x] gone"),)
    outcome = Outcome(folder=folder.path, finished=(), trained=(), diverged=(), failed=failed)
    monkeypatch.setattr(api, "run", lambda *study, **options: outcome)
    with pytest.raises(SystemExit):
        run.run("demo", out=folder.path, as_json=False, verbose=True)
    assert "failed: base/seed-0: [/x] gone" in capsys.readouterr().out


def test_in_short_a_failure_is_said_once_before_the_answer(make_study, monkeypatch, capsys):
    """As the report says it, and with the command that trains the run again."""
    folder = make_study(failed=[("loss-ce", 1)])
    (failure,) = folder.failures()
    outcome = Outcome(folder=folder.path, finished=(), trained=(), diverged=(), failed=(failure,))
    monkeypatch.setattr(api, "run", lambda *study, **options: outcome)
    with pytest.raises(SystemExit):
        run.run("demo", out=folder.path, as_json=False)
    printed = " ".join(capsys.readouterr().out.split())
    said = f"beware: The run of loss-ce, seed 1, failed: {' '.join(failure.message.split())}"
    assert printed.index(said) < printed.index("answer: ")
    assert printed.count(failure.message.split()[0]) == 1
    assert "# the runs that are missing" in printed


def test_the_consoles_are_plain():
    """No console of the commands reads markup."""
    for console in (output.out, output.err):
        assert isinstance(console, Console)
        assert console.render_str("[b]x[/b]").plain == "[b]x[/b]"


@pytest.mark.parametrize("workers", ["0", "\u00b2", "9" * 5000])
def test_workers_that_are_no_number_are_refused(workers: str):
    """Before anything is read; Python converts no number of thousands of digits."""
    code, said = commands.run("run", "demo", "--workers", workers)
    assert (code, "1 or more" in said) == (2, True)
