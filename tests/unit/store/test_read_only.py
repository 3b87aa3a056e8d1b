"""A study folder on a medium that cannot be written to: it is read, and it is said that this could not be logged."""

from __future__ import annotations

import errno
import os
import subprocess
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.unit.store.conftest import MakeResult

from scantrial import api
from scantrial.core.errors import NotLoggedWarning, StoreError
from scantrial.store.folder import RunKey, StudyFolder

BASE_0 = RunKey("base", 0)


@pytest.fixture
def finished(folder: StudyFolder, make_result: MakeResult) -> StudyFolder:
    folder.log_test_opening(by="run", purpose="x", runs=[BASE_0])
    folder.write_run(make_result())
    return folder


def set_read_only(path: Path, on: bool) -> None:
    """Make a folder and its logs read-only, for the superuser too, or undo it."""
    if os.geteuid() != 0:
        for one in (path, *path.glob("*.jsonl")):
            one.chmod(0o555 if on else 0o755)
        return
    done = subprocess.run(["chattr", "+i" if on else "-i", path, *path.glob("*.jsonl")], check=False)
    if done.returncode:
        pytest.skip("this file system cannot make a folder read-only for the superuser")


@pytest.fixture
def read_only(finished: StudyFolder) -> Iterator[StudyFolder]:
    """Return a folder that nobody can write to."""
    set_read_only(finished.path, on=True)
    try:
        yield finished
    finally:
        set_read_only(finished.path, on=False)


def test_it_is_read_and_said(read_only: StudyFolder):
    """The rows come, with a warning; the log is what it was."""
    before = (read_only.path / "test-openings.jsonl").read_bytes()
    with pytest.warns(NotLoggedWarning, match="the folder is read-only"):
        (test,) = read_only.predictions(BASE_0, ["test"], by="report", purpose="table 1")
    assert len(test.cases)
    assert read_only.not_logged.startswith("This reading of test rows could not be logged")
    assert (read_only.path / "test-openings.jsonl").read_bytes() == before
    assert api.verify(read_only.path).heads["test-openings.jsonl"] is not None


def test_what_reads_no_test_rows_says_nothing(read_only: StudyFolder):
    """Facts, history, validation rows and the state of the study."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_only.facts(BASE_0)
        read_only.predictions(BASE_0, ["val"], by="x", purpose="y")
        assert api.status(read_only.path).finished == (BASE_0,)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EACCES, errno.EPERM, errno.ENOLCK])
def test_in_a_folder_that_can_be_written_to_nothing_is_handed_out(finished: StudyFolder, monkeypatch, number: int):
    """A full disk, or a log alone that cannot be written to, is no reason to read test rows unlogged."""
    monkeypatch.setattr(os, "open", failing_on("test-openings.jsonl", number))
    with pytest.raises(StoreError, match=r"test-openings\.jsonl"):
        finished.predictions(BASE_0, ["test"], by="report", purpose="table 1")


def test_a_read_only_file_system_is_one(finished: StudyFolder, monkeypatch):
    """Whatever the folder's permissions say."""
    monkeypatch.setattr(os, "open", failing_on("test-openings.jsonl", errno.EROFS))
    with pytest.warns(NotLoggedWarning):
        finished.predictions(BASE_0, ["test"], by="report", purpose="table 1")


def failing_on(name: str, number: int) -> Callable[..., int]:
    """Return an `os.open` that fails for writing a file of one name, as the system would."""
    real = os.open

    def fail(path: str | Path, flags: int, *rest: object, **more: object) -> int:
        if Path(path).name == name and flags & os.O_ACCMODE != os.O_RDONLY:
            raise OSError(number, os.strerror(number), str(path))
        return real(path, flags, *rest, **more)  # type: ignore[arg-type]

    return fail
