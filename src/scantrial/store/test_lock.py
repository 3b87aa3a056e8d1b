"""The test lock: every reading of test rows is logged in ``test-openings.jsonl`` before the rows are handed out."""

from __future__ import annotations

import errno
import os
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from scantrial.core.errors import NotLoggedWarning, StoreError
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


def _is_read_only(folder: Path, cause: BaseException | None) -> bool:
    """Return whether it is the medium or the folder that cannot be written to, not the log alone or a full disk."""
    if not isinstance(cause, OSError):
        return False
    refused = cause.errno in (errno.EACCES, errno.EPERM) and not os.access(folder, os.W_OK)
    return cause.errno == errno.EROFS or refused


class TestLock:
    """The log of a study folder, and which runs' test rows this process has opened.

    A folder on a read-only medium can be read: that the opening could not be logged is then told, as a warning and in
    `not_logged`. No other failure to write the log is forgiven.

    Parameters
    ----------
    folder : the study folder

    Attributes
    ----------
    not_logged : why the last opening could not be logged, in words; empty if it was
    """

    __test__ = False  # no test class, whatever its name suggests to pytest

    def __init__(self, folder: Path) -> None:
        self._path = folder / OPENINGS
        self._opened: set[str] = set()
        self.not_logged = ""

    def log(self, *, by: str, purpose: str, runs: Sequence[str]) -> None:
        """Log that test rows are about to be read.

        Raises
        ------
        StoreError
            If the log cannot be written: then the rows are not handed out either.

        Warns
        -----
        NotLoggedWarning
            If the folder is read-only.
        """
        opening = Opening(at=now(), by=by, purpose=purpose, runs=tuple(runs))
        self.not_logged = ""
        try:
            append_chained(self._path, asdict(opening), sync=False)
        except StoreError as error:
            if not _is_read_only(self._path.parent, error.__cause__):
                raise
            self.not_logged = (
                f"This reading of test rows could not be logged, because the folder is read-only ({error.got})"
            )
            warnings.warn(self.not_logged, NotLoggedWarning, stacklevel=2)
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
