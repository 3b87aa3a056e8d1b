"""The test lock: every reading of test rows is logged in ``test-openings.jsonl`` before the rows are handed out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from scantrial.store.chain import append_chained, read_log
from scantrial.store.contents import OpeningLine
from scantrial.store.schema import now

OPENINGS = "test-openings.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """One reading of test rows.

    Parameters
    ----------
    at : time, ISO 8601 UTC
    by : what read them, such as "report"
    purpose : what for
    runs : which runs' rows
    """

    at: str
    by: str
    purpose: str
    runs: tuple[str, ...]


class TestLock:
    """The log of a study folder, and which runs' test rows this process has opened.

    Parameters
    ----------
    folder : the study folder
    """

    __test__ = False  # no test class, whatever its name suggests to pytest

    def __init__(self, folder: Path) -> None:
        self._path = folder / OPENINGS
        self._opened: set[str] = set()

    def log(self, *, by: str, purpose: str, runs: Sequence[str]) -> None:
        """Log that test rows are about to be read.

        Raises
        ------
        StoreError
            If the log cannot be written: then the rows are not handed out either.
        """
        opening = Opening(at=now(), by=by, purpose=purpose, runs=tuple(runs))
        append_chained(self._path, asdict(opening), sync=False)
        self._opened.update(runs)

    def is_open(self, run: str) -> bool:
        """Return whether this process has logged an opening of a run's test rows."""
        return run in self._opened

    def openings(self) -> list[Opening]:
        """Return every reading of test rows so far."""
        return [
            Opening(at=line["at"], by=line["by"], purpose=line["purpose"], runs=tuple(line["runs"]))
            for line in read_log(self._path, OpeningLine).lines
        ]
