"""The table of a study's page as CSV: what the page shows, unrounded."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from scantrial.core.format import plain
from scantrial.core.text import printable
from scantrial.report.assets import no_formula
from scantrial.web.records import StudyPage
from scantrial.web.table_records import MetricOfArm

TABLES = ("arms", "runs")
"""The tables that can be downloaded."""


def table_csv(page: StudyPage, table: str) -> str:
    """Return one of `TABLES`; texts that a spreadsheet would take for a formula begin with an apostrophe."""
    stream = io.StringIO()
    rows = _arms(page) if table == "arms" else _runs(page)
    csv.writer(stream).writerows([_cell(value) for value in row] for row in rows)
    return stream.getvalue()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, int | float):
        return repr(value)
    return str(no_formula(printable(str(value))))


def _settings(page: StudyPage) -> dict[str, list[str]]:
    keys = page.table.settings
    return {arm.name: [plain(arm.settings[key]) if key in arm.settings else "" for key in keys] for arm in page.arms}


def _arms(page: StudyPage) -> Iterator[Sequence[Any]]:
    found, settings, metrics = page.table, _settings(page), tuple(page.table.metrics)
    ends = [f"{name}{end}" for name in metrics for end in ("", "_low", "_high")]
    yield ["arm", "label", *found.settings, "runs", "seconds", "engine", "epochs_kept", "val_accuracy", *ends]
    for arm in found.arms:
        kept = " ".join(map(str, arm.epochs_kept))
        known = [arm.n_finished, arm.seconds, " ".join(arm.engines), kept, arm.val_accuracy]
        yield [arm.name, arm.label, *settings[arm.name], *known, *_with_ends(arm.metrics, metrics)]


def _with_ends(found: Mapping[str, MetricOfArm], metrics: Sequence[str]) -> Iterator[float | None]:
    for name in metrics:
        one = found.get(name)
        yield from (None, None, None) if one is None else (one.mean, one.low, one.high)


def _runs(page: StudyPage) -> Iterator[Sequence[Any]]:
    found, settings = page.table, _settings(page)
    known = ["state", "n_epochs", "epoch_kept", "seconds", "engine", "val_accuracy"]
    of_folds = ["repeat", "fold"] if any(run.fold is not None for run in found.runs) else []
    yield ["arm", "label", "seed", *of_folds, *found.settings, *known, *found.metrics]
    for run in found.runs:
        places, values = ([getattr(run, name) for name in names] for names in (of_folds, known))
        yield [run.arm, run.label, run.seed, *places, *settings[run.arm], *values, *map(run.metrics.get, found.metrics)]
