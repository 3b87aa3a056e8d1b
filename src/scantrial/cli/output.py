"""Print results to standard output and progress to standard error.

No console here reads markup or emoji codes in names of files, arms and questions. What cannot be seen of a text, such
as a control character, is written as its escape.
"""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import IO, Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from scantrial.core.custom_code import CustomClass
from scantrial.core.positive import health_warning, positive_class
from scantrial.core.progress import Progress as Tell
from scantrial.core.text import printable, printable_json
from scantrial.store.schema import dump_json

_WIDE = 100_000
"""Width of a table that is not printed to a terminal: every row is one line."""


class _Console(Console):
    """Writes out what cannot be seen in every text that is printed, also in the cells of a table."""

    def render_str(self, text: str, **options: Any) -> Text:
        return super().render_str(printable(text, keep="\n"), **options)


def make_console(
    *, stderr: bool = False, file: IO[str] | None = None, width: int | None = None, terminal: bool | None = None
) -> Console:
    """Return a console that prints markup as text; with `terminal` None it finds out whether it is a terminal."""
    return _Console(
        stderr=stderr,
        file=file,
        width=width,
        force_terminal=terminal,
        highlight=False,
        markup=False,
        emoji=False,
        soft_wrap=True,
    )


out = make_console()
err = make_console(stderr=True)


def print_json(content: Any) -> None:
    """Print JSON to standard output as UTF-8, whatever the locale; numbers are not rounded, texts not shortened.

    A byte of a file name that is not valid text, which Python keeps as a surrogate, is written as its JSON escape.
    """
    text = printable_json(dump_json(content)) + "\n"
    sys.stdout.flush()
    binary = getattr(sys.stdout, "buffer", None)
    if binary is None:
        sys.stdout.write(text)
        return
    binary.write(text.encode(errors="backslashreplace"))
    binary.flush()


WIDTH, WIDEST = 80, 100
"""Width of a line that is not printed to a terminal, and the largest in a terminal: longer lines are hard to read."""


def say_trust(item: CustomClass) -> None:
    """Tell, on standard error, which code is imported because the user trusts it."""
    err.print(f"scantrial: --trust-code imports {item.name} from {item.listing}")


def say(text: str, *, bullet: str = "", under: str | None = None, console: Console | None = None) -> None:
    """Print text, wrapped between words; later lines are aligned with the text of the first.

    A word that is too long for a line, such as a path, is not broken.

    Parameters
    ----------
    bullet : text before the first line, with its indentation
    under : text before the other lines; default: as many blanks
    """
    console = console or out
    width = min(console.width, WIDEST) if console.is_terminal else WIDTH
    filled = textwrap.fill(
        text,
        width,
        initial_indent=bullet,
        subsequent_indent=" " * len(bullet) if under is None else under,
        break_long_words=False,
        break_on_hyphens=False,
    )
    console.print(filled)


def say_positive_class(class_names: Sequence[str], *, console: Console | None = None) -> None:
    """Name the positive class of two, and warn where its name stands for health."""
    positive, warning = positive_class(class_names), health_warning(class_names)
    if positive is not None:
        say(f"positive class: {positive}", console=console)
    if warning is not None:
        say(warning, bullet="! ", console=console)


def print_table(table: Table, *, console: Console | None = None) -> None:
    """Print a table in full: a terminal folds long cells, elsewhere every row is one line."""
    for column in table.columns:
        column.overflow = "fold"
    console = console or out
    if not console.is_terminal:
        console = make_console(file=console.file, width=_WIDE, terminal=False)
    console.print(table)


@contextmanager
def progress_bar() -> Iterator[Tell]:
    """Yield a progress callable: a bar on a terminal, a line at start and end elsewhere."""
    if not err.is_terminal:
        yield _say_ends
        return
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=err, transient=True) as bars:
        tasks: dict[str, TaskID] = {}

        def tell(what: str, n_done: int, n_total: int) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=n_total)
            bars.update(tasks[what], completed=n_done, total=n_total)

        yield tell


def _say_ends(what: str, n_done: int, n_total: int) -> None:
    if n_done in (0, n_total):
        err.print(f"{what}: {n_done} of {n_total}")


def duration(seconds: float | None) -> str:
    """Return a time for people: ``45 s``, ``3 min 20 s``, ``2 h 5 min``; ``not known yet`` for None."""
    if seconds is None:
        return "not known yet"
    whole = round(seconds)
    hours, minutes = divmod(whole // 60, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {whole % 60} s" if minutes else f"{whole} s"
