"""Tables of comparisons in a terminal, of any design."""

from __future__ import annotations

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.table import Table

from scantrial.analysis.bootstrap import CrossCheck
from scantrial.analysis.comparison import Compared
from scantrial.analysis.cross_validation import FoldCompared
from scantrial.analysis.metrics import METRICS
from scantrial.analysis.verdict_words import amount, difference_interval, interval_title
from scantrial.cli import output
from scantrial.core.format import NONE


def plain_table(title: str) -> Table:
    """Return an empty table."""
    return Table(title=title, title_justify="left", box=SIMPLE_HEAD, collapse_padding=True, pad_edge=False)


def comparisons_table(metric: str, comparisons: Sequence[Compared | FoldCompared]) -> Table:
    """Return the differences of a family, with their intervals and verdicts."""
    title = f"Differences{' in points' if METRICS[metric].unit == 'proportion' else ''}, positive is better"
    table = plain_table(title)
    table.add_column("comparison")
    for name in ("effect", interval_title(comparisons[0].evidence), "p adj."):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("verdict")
    checks = [item.cross_check if isinstance(item, Compared) else None for item in comparisons]
    checked = any(check is not None for check in checks)
    if checked:
        table.add_column("bootstrap CI", justify="right", no_wrap=True)
    for compared, check in zip(comparisons, checks, strict=True):
        table.add_row(*_cells(compared), *([_check(metric, check)] if checked else []))
    return table


def _cells(compared: Compared | FoldCompared) -> tuple[str, ...]:
    metric, found = compared.result.metric, compared.evidence
    size = amount(metric, found.effect, spread=(found.high - found.low) / 2).split(" ")[0]
    verdict = compared.verdict
    short = " (within the margin)" if verdict.within_margin else ""
    provisional = ", provisional" if verdict.provisional and verdict.label in ("better", "worse", "equivalent") else ""
    label = f"{verdict.label}{short}{provisional}"
    return compared.name, size, difference_interval(metric, found.low, found.high), p_in_cell(verdict.p_adjusted), label


def _check(metric: str, found: CrossCheck | None) -> str:
    if found is None:
        return NONE
    return f"{difference_interval(metric, found.low, found.high)}{'' if found.agrees else ' !'}"


def p_in_cell(value: float) -> str:
    """Return a p as a table shows it."""
    return "<0.0001" if value < 0.0001 else f"{value:.2g}" if value < 0.1 else f"{value:.2f}"


def print_list(name: str, lines: Sequence[str]) -> None:
    """Print lines below their name, if there are any."""
    if lines:
        output.say(f"{name}:")
    for line in lines:
        output.say(line, bullet="  - ")
