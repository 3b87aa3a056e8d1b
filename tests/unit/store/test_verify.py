"""`verify_folder`, and what reading does about files that are not what was written."""

from __future__ import annotations

import json
import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from tests.unit.store.conftest import PLAN, MakeResult

from scantrial.core.errors import DamagedError
from scantrial.store.folder import RunKey, StudyFolder
from scantrial.store.lock import StudyLock
from scantrial.store.schema import write_json
from scantrial.store.verify import Verification, verify_folder

BASE_0, BASE_1 = RunKey("base", 0), RunKey("base", 1)
RUN_0 = "runs/base/seed-0/"


@pytest.fixture
def whole(folder: StudyFolder, make_result: MakeResult) -> StudyFolder:
    """Return a folder with all files that a study has, and two runs."""
    folder.write_data({"fingerprint": "f"}, pa.table({"case": [0, 1]}))
    folder.write_environment({"threads": 1})
    folder.write_audit({"key": "k"})
    for seed in (0, 1):
        folder.log_test_opening(by="run", purpose="evaluation after training", runs=[RunKey("base", seed)])
        folder.write_run(make_result("base", seed))
    return folder


def said(folder: StudyFolder) -> list[str]:
    """Return what `verify_folder` says is wrong, as a fresh process would."""
    return [item.sentence for item in verify_folder(StudyFolder(folder.path)).mismatches]


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def as_of_0_1_0(folder: StudyFolder) -> None:
    """Take the chain out of both logs, as an earlier version wrote them, and the hashes out of one run."""
    for name in ("protocol.jsonl", "test-openings.jsonl"):
        path = folder.path / name
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        kept = [line for line in lines if line.get("kind", "study") == "study"]
        for line in kept:
            for key in ("kind", "files", "previous", "sha256"):
                line.pop(key, None)
        path.write_text("".join(json.dumps(line) + "\n" for line in kept))
    path = folder.run_path(BASE_1) / "run.json"
    facts = json.loads(path.read_text())
    del facts["sha256"]
    path.write_text(json.dumps(facts))


def test_what_was_written_is_whole(whole: StudyFolder):
    """Every file has a hash and both logs are chained."""
    found = verify_folder(whole)
    assert (found.is_whole, found.not_bound, found.not_checked, found.notes) == (True, (), (), ())
    assert found.n_files == len([path for path in whole.path.rglob("*") if path.suffix != ".jsonl" and path.is_file()])
    assert found.n_lines == {"protocol.jsonl": 6, "test-openings.jsonl": 2}
    assert None not in found.heads.values()


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (
            lambda path: edit(path / "plan.json", '"seeds": [\n    0', '"seeds": [\n    7'),
            "plan.json has changed since",
        ),
        (lambda path: edit(path / "study.yaml", "better", "worse"), "study.yaml has changed since"),
        (lambda path: edit(path / "data.json", '"f"', '"g"'), "data.json has changed since"),
        (lambda path: edit(path / "environment.json", "1\n}", "2\n}"), "environment.json has changed since"),
        (lambda path: (path / "audit.json").unlink(), "audit.json is missing"),
        (lambda path: (path / "cases.parquet").write_bytes(b""), "cases.parquet has changed since"),
        (
            lambda path: edit(path / RUN_0 / "run.json", '"n_epochs": 2', '"n_epochs": 3'),
            f"{RUN_0}run.json has changed",
        ),
        (lambda path: (path / RUN_0 / "history.parquet").unlink(), f"{RUN_0}history.parquet is missing"),
        (lambda path: (path / RUN_0 / "best.safetensors").unlink(), f"{RUN_0}best.safetensors is missing"),
        (lambda path: shutil.rmtree(path / RUN_0), f"{RUN_0}run.json is missing"),
        (lambda path: shutil.copytree(path / RUN_0, path / "runs/base/seed-2"), "runs/base/seed-2/run.json is not in"),
        (lambda path: (path / "protocol.jsonl").unlink(), "protocol.jsonl is missing"),
        (lambda path: edit(path / "protocol.jsonl", "Is CE", "Is BCE"), "protocol.jsonl: line 1 has changed"),
        (lambda path: edit(path / "test-openings.jsonl", "after", "before"), "test-openings.jsonl: line 1 has changed"),
        (lambda path: (path / RUN_0 / "evil.txt").write_text(""), f"{RUN_0}evil.txt was not written here by a study"),
        (lambda path: (path / "runs/base/seed-9").mkdir(), "runs/base/seed-9 has no run.json: it was not written here"),
        (lambda path: (path / "test-openings.jsonl").unlink(), f"{RUN_0}run.json: test-openings.jsonl has no line"),
    ],
)
def test_each_thing_that_is_wrong_is_told(whole: StudyFolder, damage: Callable[[Path], None], expected: str):
    """By the file it is about."""
    damage(whole.path)
    found = said(whole)
    assert any(sentence.startswith(expected) for sentence in found), found


def test_exchanged_runs_are_told(whole: StudyFolder):
    """Each run is intact, but stands where the other one was."""
    one, other = whole.run_path(BASE_0), whole.run_path(BASE_1)
    one.rename(whole.path / "third")
    other.rename(one)
    (whole.path / "third").rename(other)
    assert said(whole) == [f"runs/base/seed-{seed}/run.json has changed since it was written" for seed in (0, 1)]
    with pytest.raises(DamagedError, match=r"seed-0/run\.json has changed"):
        whole.facts(BASE_0)


def test_a_file_that_was_put_back_is_told(whole: StudyFolder):
    """An earlier version of the plan was right once; it is not the last one."""
    before = (whole.path / "plan.json").read_bytes()
    whole.write_study("study: Why?\n", PLAN.model_copy(update={"study": "Why?"}), sha256="cd", change="changed study")
    (whole.path / "plan.json").write_bytes(before)
    (sentence,) = said(whole)
    assert sentence.startswith("plan.json is an earlier version")


@pytest.mark.parametrize("name", ["history.parquet", "predictions.parquet", "best.safetensors", "run.json"])
def test_no_file_of_a_run_is_read_that_is_not_what_was_written(whole: StudyFolder, make_result: MakeResult, name: str):
    """Another run's file is sound in itself, and refused: the message names it and says what to do."""
    shutil.copy(whole.run_path(BASE_1) / name, whole.run_path(BASE_0) / name)
    read = {
        "history.parquet": whole.history,
        "predictions.parquet": lambda key: whole.predictions(key, ["val"], by="x", purpose="y"),
        "best.safetensors": whole.weights,
        "run.json": whole.facts,
    }
    with pytest.raises(DamagedError, match=f"seed-0/{name} has changed since it was written") as caught:
        read[name](BASE_0)
    assert caught.value.do == f"run the study again: it sets {whole.run_path(BASE_0)} aside and trains this run anew"
    read[name](BASE_1)


def test_weights_that_were_deleted_are_missed(whole: StudyFolder):
    """They are not taken for weights that were never kept."""
    (whole.run_path(BASE_0) / "best.safetensors").unlink()
    with pytest.raises(DamagedError, match=r"best\.safetensors is missing"):
        whole.weights(BASE_0)


def test_weights_that_were_added_are_told(folder: StudyFolder, make_result: MakeResult):
    """A run that kept none has a hash of each of its files, and none of these."""
    folder.log_test_opening(by="run", purpose="evaluation after training", runs=[BASE_0])
    folder.write_run(make_result("base", 0), keep_weights=False)
    assert said(folder) == []
    (folder.run_path(BASE_0) / "best.safetensors").write_bytes(b"")
    assert said(folder) == [f"{RUN_0}best.safetensors is not in the protocol: it was not written here by a study"]


def test_a_run_without_its_facts_is_told_once(whole: StudyFolder):
    """Its other files are not called strangers."""
    (whole.run_path(BASE_0) / "run.json").unlink()
    (sentence,) = said(whole)
    assert sentence.startswith(f"{RUN_0}run.json is missing")


def test_files_without_a_hash_are_named(whole: StudyFolder, tmp_path: Path):
    """Reports, notes and what unfinished runs left may be anything; links are named, and not followed."""
    names = ("damaged/base/seed-1-1/run.json", "notes.md", "partial/base/seed-3/checkpoint.pt", "report/report.html")
    for name in names:
        (whole.path / name).parent.mkdir(parents=True, exist_ok=True)
        (whole.path / name).write_text("")
    (whole.path / "zoo").symlink_to(tmp_path)
    found = verify_folder(whole)
    assert found.is_whole
    assert found.not_checked == (*names, "zoo")


class TestEarlierVersions:
    """Folders without hashes are old, not forged."""

    @pytest.fixture
    def old(self, whole: StudyFolder) -> StudyFolder:
        as_of_0_1_0(whole)
        return StudyFolder(whole.path)

    def test_are_not_bound(self, old: StudyFolder):
        """Their files are listed as such, and nothing is wrong with them; what has a hash is compared."""
        found = verify_folder(old)
        assert found.is_whole
        assert {"plan.json", "cases.parquet", f"{RUN_0}run.json", "runs/base/seed-1/history.parquet"} <= {
            *found.not_bound
        }
        assert f"{RUN_0}history.parquet" not in found.not_bound
        assert found.heads == {"protocol.jsonl": None, "test-openings.jsonl": None}
        old.history(BASE_1)

    def test_are_bound_as_they_are_when_they_are_written_to(self, old: StudyFolder, make_result: MakeResult):
        """From then on every change is told; that they are old stays known."""
        old.log_test_opening(by="run", purpose="x", runs=[RunKey("loss-ce", 0)])
        old.write_run(make_result("loss-ce", 0))
        found = verify_folder(old)
        assert found.is_whole
        assert "written by an earlier version, and bound as they were at" in found.notes[0]
        edit(old.path / "plan.json", "Is CE", "Is BCE")
        assert said(old) == ["plan.json has changed since it was written"]

    def test_are_not_taken_for_stripped_when_they_are_read(self, old: StudyFolder):
        """A reader adds a chained line to the log of openings, and nothing to the protocol."""
        old.predictions(BASE_0, ["test"], by="compare", purpose="x")
        assert verify_folder(old).heads["test-openings.jsonl"] is not None
        assert said(old) == []

    def test_a_study_file_that_was_edited_is_told(self, old: StudyFolder):
        """The protocol of an earlier version has its text."""
        edit(old.path / "study.yaml", "better", "worse")
        assert said(old) == ["study.yaml has changed since it was written"]


def test_a_protocol_that_was_lost_stays_lost(whole: StudyFolder):
    """The next line of the study begins a new one, which does not pass for the whole."""
    (whole.path / "protocol.jsonl").unlink()
    StudyFolder(whole.path).write_environment({"threads": 2})
    assert said(whole)[0].startswith("protocol.jsonl was lost, and begun again at ")


def test_runs_that_were_deleted_count_as_finished(whole: StudyFolder, make_result: MakeResult):
    """Who looks at results, deletes them and changes the study has not declared it before the first run."""
    shutil.rmtree(whole.path / "runs")
    whole.write_study("study: Why?\n", PLAN, sha256="cd", change="changed study")
    assert [version["finished_runs"] for version in whole.protocol()] == [0, 2]


def test_it_is_plain_data(whole: StudyFolder):
    """For ``--json``."""
    write_json(whole.path / "audit.json", {})
    found: Verification = verify_folder(whole)
    assert found.to_dict()["mismatches"] == [
        {"kind": "changed", "where": "audit.json", "sentence": "audit.json has changed since it was written"}
    ]


def slow_to_sync(monkeypatch, path: Path) -> tuple[threading.Event, threading.Event]:
    """Let the disk take its time over a file until the second event; the first tells that it has begun."""
    real, begun, goes_on = os.fsync, threading.Event(), threading.Event()

    def wait(handle: int) -> None:
        if os.path.samestat(os.fstat(handle), path.stat()):
            begun.set()
            assert goes_on.wait(60)
        real(handle)

    monkeypatch.setattr(os, "fsync", wait)
    return begun, goes_on


@pytest.mark.parametrize("what", ["run", "environment"])
def test_a_running_study_on_a_slow_disk_is_whole(whole: StudyFolder, make_result: MakeResult, monkeypatch, what: str):
    """The line of a file is there long before the file; without its writer, the file is missing."""
    writes = {
        "run": lambda: whole.write_run(make_result("loss-ce", 0)),
        "environment": lambda: whole.write_environment({"threads": 2}),
    }
    whole.log_test_opening(by="run", purpose="evaluation after training", runs=[RunKey("loss-ce", 0)])
    begun, goes_on = slow_to_sync(monkeypatch, whole.path / "protocol.jsonl")
    with StudyLock(whole.path):
        writer = threading.Thread(target=writes[what])
        writer.start()
        assert begun.wait(60)
        during = said(whole)
        goes_on.set()
        writer.join()
    assert during == []
    assert said(whole) == []


def test_a_run_whose_writing_was_interrupted_is_told_as_such(whole: StudyFolder):
    """Between its line and its name; nobody holds the folder any more."""
    shutil.rmtree(whole.run_path(BASE_1))
    whole.partial_path(BASE_1).mkdir(parents=True)
    (sentence,) = said(whole)
    assert sentence == (
        "runs/base/seed-1/run.json is missing: it was deleted, or writing it was interrupted; run the study again"
    )
