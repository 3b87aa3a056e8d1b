"""``run`` and ``demo``: train, show the progress, print the results."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.table import Table

from scantrial import api
from scantrial.cli.audit import BLOCKED, say_audit
from scantrial.cli.output import duration, err, print_json, progress_bar, say, say_trust
from scantrial.core.format import NONE, counted, percent
from scantrial.store.folder import RunKey
from scantrial.study.pool import Event
from scantrial.study.study import Study
from scantrial.study.trial import Clock, Outcome
from scantrial.study.worker_count import WorkerChoice

SOME_FAILED = 3
INTERRUPTED = 130
SAY_EVERY_S = 10.0


def run(study: str, *, as_json: bool, verbose: bool = False, **options: Any) -> None:
    """Carry out a study, write its report, print its results.

    Exit 3 if runs failed, else 4 if the audit has a blocker that is not acknowledged.
    """
    seeds, sets = options.pop("seeds", None), options.pop("sets", ())
    loaded = api.load_study(study, sets=sets, seeds=seeds)
    n_runs = len(loaded.arms) * loaded.n_runs_an_arm
    folder = Path(options.pop("out", None) or api.default_folder(loaded))
    folds = f" x {counted(len(loaded.folds), 'fold')}" if loaded.folds else ""
    size = (
        f"{counted(len(loaded.arms), 'arm')}{folds} x {counted(len(loaded.seeds), 'seed')} = {counted(n_runs, 'run')}"
    )
    title = f"{loaded.spec.study}: {size}, to {folder}"
    err.print(title)
    with _interruptible():
        outcome = _carry_out(loaded, folder, options)
    for note in outcome.notes:
        err.print(f"--reuse {note}")
    from scantrial.cli import results  # noqa: PLC0415 - so that training begins sooner

    report_path, view = api.report_and_results(outcome.folder)
    if as_json:
        print_json(results.outcome_dict(outcome, view, report_path))
    else:
        again = [study, *(word for one in sets for word in ("--set", one))]
        results.print_outcome(outcome, view, report_path, study=again, verbose=verbose)
    if outcome.failed:
        raise SystemExit(SOME_FAILED)
    if view.audit is not None and view.audit.open_blockers:
        raise SystemExit(BLOCKED)


def _carry_out(study: Study, folder: Path, options: Mapping[str, Any]) -> Outcome:
    """Train; show a bar while the scans are read, then the progress of the runs."""
    with ExitStack() as reading, _display(err) as display:
        progress = reading.enter_context(progress_bar())

        def watch(event: Event, clock: Clock) -> None:
            # A terminal takes one live display at a time.
            reading.close()
            display.watch(event, clock)

        told: Mapping[str, Any] = {
            "on_audit": say_audit,
            "on_workers": _say_workers,
            "on_damage": _say_damage,
            "on_trust": say_trust,
            "on_network": _say_damage,
        }
        return api.run(study, out=folder, watch=watch, progress=progress, **told, **options)


def _say_damage(sentence: str) -> None:
    say(sentence, bullet="! ", console=err)


def _say_workers(choice: WorkerChoice) -> None:
    if choice.workers > 1 or choice.measured:
        at_once = f"{counted(choice.workers, 'run')} at a time, {counted(choice.threads, 'thread')} each"
        err.print(f"training {at_once} ({choice.reason})")


@contextmanager
def _interruptible() -> Iterator[None]:
    """End with a message on Ctrl-C; by then the workers have ended and their checkpoints are kept."""
    try:
        yield
    except KeyboardInterrupt:
        err.print("scantrial: stopped; run the same command to continue")
        raise SystemExit(INTERRUPTED) from None


def _display(console: Console) -> _LiveTable | _PlainLines:
    return _LiveTable(console) if console.is_terminal else _PlainLines(console)


class _PlainLines:
    """Print a line when a run starts and ends, and one every ten seconds in between."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._said = -SAY_EVERY_S

    def __enter__(self) -> _PlainLines:
        return self

    def __exit__(self, *error: object) -> None:
        return None

    def watch(self, event: Event, clock: Clock) -> None:
        if event.kind == "epoch" and time.monotonic() - self._said < SAY_EVERY_S:
            return
        self._said = time.monotonic()
        what = {
            "started": "started",
            "epoch": f"epoch {event.epoch} of {event.n_epochs}, val accuracy {_accuracy(event)}",
            "done": f"copied from {event.reused_from}" if event.reused_from else event.status,
            "lost": f"{event.message}; it will be tried again",
            "failed": f"failed: {event.message}",
        }[event.kind]
        left = "" if clock.seconds_left is None else f" ({duration(clock.seconds_left)} left)"
        self._console.print(f"{event.key}: {what}{left}")


class _LiveTable:
    """Show a table of the runs in progress, drawn anew at every epoch."""

    def __init__(self, console: Console) -> None:
        self._rows: dict[RunKey, Event] = {}
        self._n_ended = 0
        self._live = Live(console=console, transient=True, auto_refresh=False)
        self._started = False

    def __enter__(self) -> _LiveTable:
        return self

    def __exit__(self, *error: object) -> None:
        if self._started:
            self._live.stop()

    def watch(self, event: Event, clock: Clock) -> None:
        if not self._started:
            self._live.start()
            self._started = True
        if event.kind == "lost":
            self._rows.pop(event.key, None)
            self._live.console.print(f"{event.key}: {event.message}; it will be tried again")
        elif event.kind in ("done", "failed"):
            self._rows.pop(event.key, None)
            self._n_ended += 1
            self._live.console.print(f"{event.key}: {event.status or 'failed: ' + event.message}")
        else:
            self._rows[event.key] = event
        self._live.update(self._table(clock), refresh=True)

    def _table(self, clock: Clock) -> Table:
        left = "" if clock.seconds_left is None else f", {duration(clock.seconds_left)} left"
        table = Table(
            title=f"{self._n_ended} of {counted(len(clock.n_epochs), 'run')} done{left}", title_justify="left"
        )
        has_folds = any(key.place for key in clock.n_epochs)
        for column in ("arm", *(("repeat", "fold") if has_folds else ()), "seed", "epoch", "val accuracy"):
            table.add_column(column, justify="left" if column == "arm" else "right")
        for key, event in self._rows.items():
            epoch = f"{event.epoch} / {clock.n_epochs[key]}"
            place = map(str, key.place or ())
            table.add_row(key.arm, *place, str(key.seed), epoch, _accuracy(event))
        return table


def _accuracy(event: Event) -> str:
    return NONE if event.val_accuracy is None else percent(event.val_accuracy, 1)
