"""No file of a study folder is read, written or removed through a link in it, and none is written through a hard link."""

from __future__ import annotations

import os
import shutil
import threading
from pathlib import Path

import pytest
from tests.siege.commands import run

from scantrial.core.errors import LockedError, StoreError
from scantrial.core.files import append_line
from scantrial.store.folder import StudyFolder, open_folder
from scantrial.store.links import refuse_links
from scantrial.store.lock import StudyLock, holder_of
from scantrial.study.executor import _new_file

INSIDE = [".lock", "protocol.jsonl", "test-openings.jsonl", "plan.json", "runs", "partial", "report", "cases.parquet",
          "runs/base/seed-0/run.json", "partial/worker-0.log", "partial/progress.json"]  # fmt: skip


@pytest.fixture
def study(make_study, tmp_path: Path) -> Path:
    """A folder that a test may change."""
    return Path(shutil.copytree(make_study(seeds=(0,)).path, tmp_path / "study"))


def lead_out(folder: Path, name: str, target: Path) -> None:
    path = folder / name
    if path.is_dir():
        path.rename(target)
    else:
        target.write_bytes(path.read_bytes() if path.exists() else b"")
        path.unlink(missing_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(target)


@pytest.mark.parametrize("name", INSIDE)
def test_a_link_that_leads_out_is_refused(study, tmp_path, name):
    """A command names the link and where it leads, and what it leads to stays as it was."""
    target = tmp_path / "bashrc"
    lead_out(study, name, target)
    before = target.read_bytes() if target.is_file() else sorted(target.rglob("*"))
    for words in (("report", study), ("status", study), ("compare", study)):
        code, said = run(*words)
        assert code == 1
        assert f"{study / name} is a link to {target}, outside the study folder" in said
    assert before == (target.read_bytes() if target.is_file() else sorted(target.rglob("*")))


def test_a_study_is_not_trained_into_a_link(study, tmp_path):
    """`run` refuses such a folder before it takes the lock."""
    target = tmp_path / "elsewhere"
    target.write_text("mine")
    (study / ".lock").unlink(missing_ok=True)
    (study / ".lock").symlink_to(target)
    with pytest.raises(StoreError, match="outside the study folder"):
        StudyFolder(study).refuse_foreign()
    with pytest.raises(StoreError, match="links are not followed"), StudyLock(study):
        pass
    assert holder_of(study) is None
    assert target.read_text() == "mine"


def test_no_line_is_appended_through_a_link(tmp_path):
    """A log that is a link is refused when it is written, wherever it leads."""
    (tmp_path / "log").symlink_to(tmp_path / "mine")
    with pytest.raises(StoreError, match="links are not followed"):
        append_line(tmp_path / "log", "x")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(StoreError, match="no regular file"):
        append_line(tmp_path / "pipe", "x")
    assert not (tmp_path / "mine").exists()


WRITERS = {
    ".lock": lambda study: StudyLock(study).__enter__(),
    "protocol.jsonl": lambda study: StudyFolder(study).hashes.bind("run", {}),
    "test-openings.jsonl": lambda study: StudyFolder(study).log_test_opening(by="compare", purpose="a test", runs=[]),
}


@pytest.mark.parametrize("name", WRITERS)
def test_what_has_another_name_is_not_written(study, tmp_path, name):
    """An archive can hold a hard link to any file of the user's, and a shell would run what a log says."""
    mine, path = tmp_path / "bashrc", study / name
    mine.write_bytes(path.read_bytes() if path.exists() else b"mine")
    before = mine.read_bytes()
    path.unlink(missing_ok=True)
    os.link(mine, path)
    with pytest.raises(StoreError, match="copy the file and put the copy in its place") as caught:
        WRITERS[name](study)
    assert caught.value.got.startswith(f"{path} has other names (hard links)")
    assert mine.read_bytes() == before


def test_the_log_of_a_worker_is_a_new_file(tmp_path):
    """What was in its place keeps its content where it has another name, and is no obstacle."""
    mine = tmp_path / "bashrc"
    mine.write_text("mine")
    log = tmp_path / "worker-0.log"
    for put in (os.link, os.symlink):
        log.unlink(missing_ok=True)
        put(mine, log)
        with _new_file(log) as file:
            file.write(b"first")
        with _new_file(log) as file:
            file.write(b"last")
        assert (log.read_text(), mine.read_text()) == ("last", "mine")


def test_a_folder_whose_files_have_other_names_can_be_read(study, tmp_path):
    """As a backup whose files are links to those of the study."""
    shutil.copytree(study, tmp_path / "backup", copy_function=os.link)
    assert run("status", study)[0] == 0
    assert run("about", tmp_path / "backup")[0] == 0


def test_the_folder_itself_may_be_a_link_and_notes_in_it_may_be_links(study, tmp_path):
    """A study may be reached through a link, and a link of a name that is not scantrial's is not looked at."""
    (study / "copy.json").symlink_to("data.json")
    (tmp_path / "link").symlink_to(study)
    assert open_folder(tmp_path / "link").exists()


def test_a_pipe_in_a_folder_is_refused_at_once(study):
    """To open a pipe would wait for ever."""
    (study / "audit.json").unlink(missing_ok=True)
    os.mkfifo(study / "audit.json")
    with pytest.raises(StoreError, match="neither a file nor a folder"):
        open_folder(study)


def test_what_cannot_be_listed_is_left_to_its_reader(study):
    """A folder without permission is no link; whoever reads in it says so."""
    refuse_links(study)
    refuse_links(study / "is-not-there")
    with pytest.raises(LockedError), StudyLock(study), StudyLock(study, wait_s=0.1):
        pass


def test_a_running_study_can_be_opened_at_any_time(study):
    """Folders of runs are made, renamed and removed meanwhile."""
    ended = threading.Event()

    def write() -> None:
        place = study / "runs" / "base"
        while not ended.is_set():
            for temporary in [place / f".seed-9.{number:08x}.tmp" for number in range(8)]:
                (temporary / "inner").mkdir(parents=True)
                (temporary / "run.json").write_text("{}")
                temporary.rename(place / "seed-9")
                shutil.rmtree(place / "seed-9")

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(600):
            assert open_folder(study).exists()
    finally:
        ended.set()
        writer.join()


def test_what_is_not_of_the_study_is_not_looked_at(study, tmp_path):
    """A dangling link, a link beside the report and a pipe that nobody reads: the commands go on."""
    (study / "notes").symlink_to(tmp_path / "is-not-there")
    (study / "report").mkdir(exist_ok=True)
    (study / "report" / "latest").symlink_to(tmp_path)
    os.mkfifo(study / "pipe")
    for words in (("status", study), ("report", study)):
        assert run(*words)[0] == 0


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("partial", "runs"),
        ("partial/base", "../runs/base"),
        ("runs/copy", "base"),
        ("runs/base/seed-9", "seed-0"),
        ("runs/base/seed-0/more.json", "run.json"),
        ("damaged", "runs"),
        ("report", "runs"),
        ("audit.json", "data.json"),
        (".lock", "plan.json"),
    ],
)
def test_a_link_to_another_place_of_the_folder_is_refused(study, name, target):
    """What is removed or written at the one would be removed or written at the other."""
    path = study / name
    path.unlink(missing_ok=True)
    path.parent.mkdir(exist_ok=True)
    path.symlink_to(target)
    for refused in (open_folder, lambda folder: StudyFolder(folder).refuse_foreign()):
        with pytest.raises(StoreError) as caught:
            refused(study)
        assert caught.value.got == f"{path} is a link to {path.resolve()}"


@pytest.mark.parametrize(("name", "target"), [("partial", "runs"), ("partial/base", "../runs/base")])
def test_nothing_is_removed_through_a_link(study, name, target):
    """Not even by a caller that has not looked for links before: the finished runs stay."""
    (study / name).parent.mkdir(exist_ok=True)
    (study / name).symlink_to(target)
    (study / "runs" / "base" / ".run.json.01234567.tmp").write_text("")
    (study / "runs" / "base" / "seed-0" / ".run.json.01234567.tmp").write_text("")
    (study / "runs" / "progress.json").write_text("")
    before = sorted((study / "runs").rglob("*"))
    folder = StudyFolder(study)
    folder.tidy_partial()
    folder.sweep_leftovers()
    # Half-written files of an arm are removed in its own place.
    assert sorted((study / "runs").rglob("*")) == [
        path for path in before if path.parent != study / "runs" / "base" or path.suffix != ".tmp"
    ]
