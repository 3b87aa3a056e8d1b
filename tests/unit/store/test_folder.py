"""The study folder: what it keeps, what it refuses, and that test rows leave a trace."""

from __future__ import annotations

import errno
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import threading
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from tests.studies import TWO_ARMS, StudyShape, cases_of, data_of
from tests.unit.store.conftest import PLAN, MakeResult

from scantrial.core.errors import InputError, StoreError
from scantrial.core.records import EpochRecord
from scantrial.store import folder as folder_module
from scantrial.store import run_files
from scantrial.store.folder import RunKey, StudyFolder, open_folder
from scantrial.store.schema import now

BASE_0 = RunKey("base", 0)


def files_of(folder: StudyFolder) -> list[str]:
    """Return all files, as paths in the folder."""
    return sorted(str(path.relative_to(folder.path)) for path in folder.path.rglob("*") if path.is_file())


class TestStudy:
    """The study file, the plan, and the versions of both."""

    def test_is_kept(self, folder: StudyFolder):
        """Text and plan come back as they were."""
        assert folder.exists()
        assert folder.study_text() == "study: Is CE better?\n"
        assert folder.plan() == PLAN

    def test_every_version_is_kept(self, folder: StudyFolder, make_result: MakeResult):
        """With its time, hash, text, what changed, and how many runs were finished by then."""
        folder.write_run(make_result())
        folder.write_study("study: Why?\n", PLAN, sha256="cd", change="changed study")
        first, second = folder.protocol()
        assert (first["study_sha256"], first["finished_runs"], first["change"]) == ("ab", 0, "first version")
        assert (second["study_sha256"], second["finished_runs"], second["change"]) == ("cd", 1, "changed study")
        assert second["study_yaml"] == folder.study_text() == "study: Why?\n"
        assert datetime.fromisoformat(first["at"]).tzinfo == UTC

    def test_a_version_is_logged_before_it_counts(self, folder: StudyFolder, monkeypatch):
        """Where the protocol cannot be written, the study stays what it was."""
        shutil.move(folder.path / "protocol.jsonl", folder.path / "kept")
        (folder.path / "protocol.jsonl").mkdir()
        with pytest.raises(StoreError, match="protocol"):
            folder.write_study("study: Why?\n", PLAN, sha256="cd", change="changed study")
        assert folder.study_text() == "study: Is CE better?\n"
        assert folder.plan() == PLAN

    def test_environment_and_data_are_kept(self, folder: StudyFolder):
        """Plain facts come back as they were; the table of cases column by column."""
        shape = StudyShape(arms=TWO_ARMS)
        cases, data = cases_of(shape), data_of(shape, cases_of(shape))
        folder.write_environment({"threads": 2})
        folder.write_data(data, cases)
        assert folder.environment() == {"threads": 2}
        assert folder.data() == data
        assert folder.cases().equals(cases)
        assert folder.cases(["case", "split"]).column_names == ["case", "split"]

    def test_every_file_carries_its_version(self, folder: StudyFolder, make_result: MakeResult):
        """Each JSON file and each line of a log says which layout it has."""
        folder.write_environment({})
        folder.write_run(make_result())
        folder.log_test_opening(by="run", purpose="x", runs=[BASE_0])
        found = sorted(folder.path.rglob("*.json*"))
        assert len(found) == 5
        for path in found:
            text = path.read_text()
            whole = [text] if path.suffix == ".json" else text.splitlines()
            assert all(json.loads(part)["schema_version"] == 1 for part in whole)

    def test_nothing_there_is_no_study(self, tmp_path: Path):
        """The message tells a missing folder from one that is something else."""
        with pytest.raises(InputError, match="does not exist") as caught:
            open_folder(tmp_path / "nowhere")
        assert caught.value.do == "scantrial run STUDY --out DIR"
        with pytest.raises(InputError, match="is not a study folder"):
            open_folder(tmp_path)

    def test_open_folder_takes_a_text_or_a_path(self, folder: StudyFolder):
        """Both lead to the same study."""
        assert open_folder(str(folder.path)).path == open_folder(folder.path).path == folder.path


class TestRuns:
    """Finished runs: whole or not at all."""

    def test_comes_back_as_it_was(self, folder: StudyFolder, make_result: MakeResult):
        """Facts, history, predictions and weights, to the last bit."""
        result = make_result()
        folder.write_run(result)
        assert folder.facts(BASE_0) == result.facts
        assert folder.history(BASE_0) == result.history
        (val,) = folder.predictions(BASE_0, ["val"], by="test", purpose="test")
        np.testing.assert_array_equal(val.y_prob, result.predictions[1].y_prob, strict=True)
        weights = folder.weights(BASE_0)
        assert weights.keys() == result.weights.keys()
        for name in weights:
            np.testing.assert_array_equal(weights[name], result.weights[name], strict=True)

    def test_is_four_files(self, folder: StudyFolder, make_result: MakeResult):
        """And nothing beside them."""
        folder.write_run(make_result())
        assert sorted(path.name for path in folder.run_path(BASE_0).iterdir()) == [
            "best.safetensors",
            "history.parquet",
            "predictions.parquet",
            "run.json",
        ]
        assert [path.name for path in folder.run_path(BASE_0).parent.iterdir()] == ["seed-0"]

    def test_equal_runs_are_equal_bytes(self, folder: StudyFolder, make_result: MakeResult, tmp_path: Path):
        """Times stand in ``run.json`` only: the other files of two equal runs are the same."""
        other = StudyFolder(tmp_path / "other")
        other.path.mkdir()
        folder.write_run(make_result(facts={"times": {"total": 1.0}}))
        other.write_run(make_result(facts={"times": {"total": 9.0}}))
        for name in ("history.parquet", "predictions.parquet", "best.safetensors"):
            assert (folder.run_path(BASE_0) / name).read_bytes() == (other.run_path(BASE_0) / name).read_bytes()
        assert (folder.run_path(BASE_0) / "run.json").read_bytes() != (other.run_path(BASE_0) / "run.json").read_bytes()

    @pytest.mark.parametrize(
        "write",
        [
            lambda folder, result: folder.write_run(result),
            lambda folder, result: folder.write_live(BASE_0, result.history),
            lambda folder, _: folder.write_progress({"running": []}),
            lambda folder, _: folder.write_failure(BASE_0, "killed"),
            lambda folder, _: folder.set_aside(BASE_0),
            lambda folder, _: folder.log_test_opening(by="run", purpose="evaluation", runs=[BASE_0]),
        ],
    )
    def test_nothing_that_is_written_brings_a_deleted_folder_back(self, folder: StudyFolder, make_result, write):
        """A run, its epochs or notes that come after the folder was deleted are refused."""
        shutil.rmtree(folder.path)
        with pytest.raises(StoreError, match="No such file"):
            write(folder, make_result())
        assert not folder.path.exists()

    @pytest.mark.parametrize("step", ["history_table", "predictions_table", "write_weights", "write_json"])
    @pytest.mark.parametrize("kind", [OSError, ValueError, KeyboardInterrupt])
    def test_a_failure_in_the_middle_leaves_nothing(self, folder, make_result, monkeypatch, step, kind):
        """Whatever file it strikes at, and whatever it is; what was kept of the unfinished run stays."""
        folder.write_failure(BASE_0, "earlier")
        before = files_of(folder)

        def fail(*_: object, **__: object) -> None:
            raise kind(errno.ENOSPC, "No space left on device") if kind is OSError else kind

        monkeypatch.setattr(run_files, step, fail)
        with pytest.raises(StoreError if kind is OSError else kind):
            folder.write_run(make_result())
        assert files_of(folder) == before
        assert list((folder.path / "runs" / "base").iterdir()) == []
        assert folder.run_keys() == []

    def test_a_disk_that_is_full_leaves_nothing(self, folder: StudyFolder, make_result: MakeResult):
        """The system itself refuses to write more: an error of the store, no run, no leftovers."""
        result = make_result(weights={"w": np.zeros(100_000)})
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, hard))
            with pytest.raises(StoreError, match="File too large"):
                folder.write_run(result)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert folder.run_keys() == []
        assert files_of(folder) == ["plan.json", "protocol.jsonl", "study.yaml"]

    def test_a_run_that_is_there_is_not_replaced(self, folder: StudyFolder, make_result: MakeResult):
        """The first result stays, and the second one leaves nothing beside it."""
        folder.write_run(make_result())
        with pytest.raises(StoreError):
            folder.write_run(make_result(facts={"n_epochs": 99}))
        assert folder.facts(BASE_0).n_epochs == 2
        assert [path.name for path in folder.run_path(BASE_0).parent.iterdir()] == ["seed-0"]

    def test_are_listed_in_the_order_of_the_plan(self, folder: StudyFolder, make_result: MakeResult):
        """Finished ones arm by arm; planned ones seed by seed, so that every arm is there early."""
        for arm, seed in (("loss-ce", 0), ("base", 1), ("base", 0)):
            folder.write_run(make_result(arm, seed))
        assert list(map(str, folder.run_keys())) == ["base/seed-0", "base/seed-1", "loss-ce/seed-0"]
        assert list(map(str, folder.planned_keys())) == [
            "base/seed-0",
            "loss-ce/seed-0",
            "base/seed-1",
            "loss-ce/seed-1",
        ]

    def test_what_is_not_planned_is_not_listed(self, folder: StudyFolder, make_result: MakeResult):
        """A folder that someone put there is no run of this study."""
        folder.write_run(make_result("another", 0))
        (folder.path / "runs" / "base" / "seed-0").mkdir(parents=True)
        assert folder.run_keys() == []

    def test_a_run_that_is_not_finished_is_refused(self, folder: StudyFolder):
        """The message names the run and the command that shows what there is."""
        with pytest.raises(InputError, match="has no finished run base/seed-0") as caught:
            folder.facts(BASE_0)
        assert caught.value.do == f"scantrial status {folder.path}"

    def test_weights_that_were_not_kept(self, folder: StudyFolder, make_result: MakeResult):
        """The message says how to have them; it is what was asked for that cannot be had, not a damaged folder."""
        folder.write_run(make_result(), keep_weights=False)
        with pytest.raises(InputError, match="seed-0 holds no weights") as caught:
            folder.weights(BASE_0)
        assert caught.value.do == "run the study with `keep_weights: best`"

    def test_weights_that_a_diverged_run_has_not(self, folder: StudyFolder, make_result: MakeResult):
        """No setting would have kept any: the message says that, and advises none."""
        folder.write_run(make_result(weights={}, facts={"status": "diverged", "chosen_epoch": None}))
        with pytest.raises(InputError, match="run base/seed-0 diverged before any epoch could be chosen") as caught:
            folder.weights(BASE_0)
        assert caught.value.expected == "a run with weights"
        assert "keep_weights" not in str(caught.value)

    def test_a_folder_without_its_run_json_is_no_run(self, folder: StudyFolder, make_result: MakeResult):
        """A copy that was broken off leaves one: it does not count, and the run that is trained takes its place."""
        folder.run_path(BASE_0).mkdir(parents=True)
        (folder.run_path(BASE_0) / "history.parquet").write_bytes(b"half")
        assert not folder.is_finished(BASE_0)
        assert not folder.has_finished_runs()
        result = make_result()
        folder.write_run(result)
        assert folder.history(BASE_0) == result.history
        assert folder.has_finished_runs()

    def test_a_diverged_run_is_a_run(self, folder: StudyFolder, make_result: MakeResult):
        """Without predictions and weights, and with a loss that is no number."""
        result = make_result(
            predictions=(), weights={}, facts={"status": "diverged", "chosen_epoch": None, "diverged_epoch": 2}
        )
        folder.write_run(result)
        assert folder.run_keys() == [BASE_0]
        assert folder.facts(BASE_0).status == "diverged"
        assert folder.predictions(BASE_0, ["val"], by="x", purpose="y") == ()


class TestUnfinished:
    """Checkpoints, failures, leftovers."""

    def test_a_failure_is_noted_and_forgotten(self, folder: StudyFolder):
        """Until the run is tried again."""
        folder.write_failure(BASE_0, "out of memory: bild-\udce9.png")
        (failure,) = folder.failures()
        assert failure.key == BASE_0
        assert failure.message == "out of memory: bild-\udce9.png"
        folder.clear_failure(BASE_0)
        folder.clear_failure(BASE_0)
        assert folder.failures() == []

    @pytest.mark.parametrize(
        ("said", "kept"),
        [
            ('File "/usr/lib/python3/net.py", line 3', 'File "net.py", line 3'),
            ("/home/ada/scans: gone (/home/ada/x.npy); https://a.org/b/c", "scans: gone (x.npy); https://a.org/b/c"),
            ("{folder}/runs/base/seed-0 is gone", "runs/base/seed-0 is gone"),
            ("1/2 of a/b and 3 / 4", "1/2 of a/b and 3 / 4"),
        ],
    )
    def test_a_note_names_no_folder_of_the_machine(self, folder: StudyFolder, said: str, kept: str):
        """Of an absolute path its last part stays; what lies in the study folder is named from there."""
        folder.write_failure(BASE_0, said.format(folder=folder.path))
        (failure,) = folder.failures()
        assert failure.message == kept

    def test_a_failure_leaves_the_checkpoint(self, folder: StudyFolder):
        """So that the run can go on from there."""
        checkpoint = folder.partial_path(BASE_0) / "checkpoint.pt"
        checkpoint.parent.mkdir(parents=True)
        checkpoint.write_bytes(b"x")
        folder.write_failure(BASE_0, "killed")
        assert checkpoint.read_bytes() == b"x"

    def test_a_finished_run_leaves_nothing_unfinished(self, folder: StudyFolder, make_result: MakeResult):
        """Its checkpoint goes, another run's stays; empty folders go once every worker has ended."""
        other = RunKey("base", 1)
        folder.write_failure(BASE_0, "x")
        folder.write_failure(other, "y")
        folder.write_run(make_result("base", 0))
        assert [str(failure.key) for failure in folder.failures()] == ["base/seed-1"]
        folder.write_run(make_result("base", 1))
        assert folder.unfinished_keys() == []
        assert (folder.path / "partial" / "base").is_dir()
        folder.tidy_partial()
        assert not (folder.path / "partial").exists()

    def test_tidying_keeps_what_failed_runs_left(self, folder: StudyFolder):
        """Logs, the note of progress and empty folders go; checkpoints and failures stay."""
        folder.write_failure(BASE_0, "x")
        folder.write_progress({"running": []})
        (folder.path / "partial" / "worker-0.log").write_text("a warning")
        (folder.path / "partial" / "loss-ce").mkdir()
        folder.tidy_partial()
        assert files_of(folder)[0] == "partial/base/seed-0/failure.json"
        assert [path.name for path in (folder.path / "partial").iterdir()] == ["base"]

    def test_tidying_a_folder_without_anything_unfinished_is_no_error(self, folder: StudyFolder):
        """There may be nothing to tidy."""
        before = files_of(folder)
        folder.tidy_partial()
        assert files_of(folder) == before

    def test_unfinished_runs_are_listed_in_the_plan_or_not(self, folder: StudyFolder):
        """By arm and seed."""
        for key in (RunKey("gone", 3), RunKey("base", 10), RunKey("base", 9)):
            folder.write_failure(key, "x")
        assert list(map(str, folder.unfinished_keys())) == ["base/seed-9", "base/seed-10", "gone/seed-3"]

    def test_workers_that_finish_together_do_not_disturb_each_other(self, folder: StudyFolder):
        """Each makes, fills and drops its own folder while the others do the same beside it."""
        errors: list[BaseException] = []

        def work(seed: int) -> None:
            key = RunKey("base", seed)
            try:
                for _ in range(200):
                    folder.partial_path(key).mkdir(parents=True, exist_ok=True)
                    (folder.partial_path(key) / "checkpoint.pt").write_bytes(b"x")
                    folder.drop_partial(key)
            except BaseException as error:
                errors.append(error)

        threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert errors == []

    def test_leftovers_of_a_killed_process_are_swept(self, folder: StudyFolder, make_result: MakeResult):
        """Half-written files and run folders, wherever the holder of the lock writes aside; nothing else."""
        folder.write_run(make_result())
        folder.write_failure(RunKey("base", 1), "x")
        kept = files_of(folder)
        folder.write_failure(BASE_0, "left of a run that is finished")
        folder.write_progress({"running": []})
        for leftover in (
            ".plan.json.0123abcd.tmp",
            "runs/base/.seed-1.0123abcd.tmp/history.parquet",
            "partial/.progress.json.0123abcd.tmp",
            "partial/base/seed-1/.checkpoint.pt.0123abcd.tmp",
        ):
            (folder.path / leftover).parent.mkdir(exist_ok=True)
            (folder.path / leftover).write_bytes(b"half")
        folder.sweep_leftovers()
        assert files_of(folder) == kept
        assert [path.name for path in (folder.path / "runs" / "base").iterdir()] == ["seed-0"]

    def test_what_others_write_is_not_swept(self, folder: StudyFolder):
        """Reports are written without the lock; and a name that only looks like ours is somebody's own."""
        others = (
            "report/.report.html.0123abcd.tmp",
            ".mydata.tmp/scans.npy",
            "runs/base/.notes.tmp",
            "kept.0123abcd.tmp",
        )
        for other in others:
            (folder.path / other).parent.mkdir(parents=True, exist_ok=True)
            (folder.path / other).write_bytes(b"theirs")
        before = files_of(folder)
        folder.sweep_leftovers()
        assert files_of(folder) == before

    def test_a_folder_that_holds_no_study_is_not_swept(self, tmp_path: Path):
        """Whatever a file there is called."""
        (tmp_path / ".plan.json.0123abcd.tmp").write_text("theirs")
        (tmp_path / "partial").mkdir()
        (tmp_path / "partial" / "progress.json").write_text("theirs")
        StudyFolder(tmp_path).sweep_leftovers()
        assert files_of(StudyFolder(tmp_path)) == [".plan.json.0123abcd.tmp", "partial/progress.json"]

    def test_a_process_killed_while_it_writes_a_run_leaves_only_leftovers(self, folder: StudyFolder, tmp_path: Path):
        """Before the rename the run is not there; after the sweep nothing of it is."""
        code = f"""
import os, sys
from pathlib import Path
from types import SimpleNamespace
from scantrial.store import folder, run_files as module
import pyarrow as pa
def die(*_): os.kill(os.getpid(), 9)
module.history_table = lambda _: pa.table({{"epoch": [1]}})
module.predictions_table = die
result = SimpleNamespace(facts=SimpleNamespace(arm="base", seed=0, repeat=None, fold=None, class_names=()), history=(), predictions=())
folder.StudyFolder({str(folder.path)!r}).write_run(result)
"""
        assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -9
        assert folder.run_keys() == []
        assert not folder.run_path(BASE_0).exists()
        assert len(list((folder.path / "runs" / "base").iterdir())) == 1
        folder.sweep_leftovers()
        assert list((folder.path / "runs" / "base").iterdir()) == []

    def test_progress_is_kept_for_status(self, folder: StudyFolder):
        """Empty before the first note; then the last one."""
        assert folder.progress() == {}
        folder.write_progress({"running": [], "seconds_left": float("inf")})
        assert folder.progress() == {"running": [], "seconds_left": None}


class TestForeign:
    """A folder of somebody else's is refused before anything is written into it."""

    @pytest.mark.parametrize(
        "there",
        [
            ["notes.txt"],
            ["study.yaml"],
            ["partial/x", "study.yaml"],
            ["data.json"],
            ["environment.json"],
            ["cases.parquet"],
            ["runs/base/seed-0/run.json"],
            [".mydata.tmp/scans.npy"],
            [".lock", "study.yaml"],
            [".lock", "data.json", "notes.txt"],
        ],
    )
    def test_is_refused_and_untouched(self, tmp_path: Path, there: list[str]):
        """Files under any name, those that a study uses among them; the first ones are named."""
        folder = StudyFolder(tmp_path)
        for name in there:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text("theirs")
        with pytest.raises(InputError, match="is not a study folder and holds ") as caught:
            folder.refuse_foreign()
        assert there[-1].partition("/")[0] in caught.value.got
        assert "--out DIR" in str(caught.value.do)
        assert files_of(folder) == sorted(there)

    def test_only_the_first_names_are_told(self, tmp_path: Path):
        """A folder of a thousand pictures gives one line."""
        for number in range(9):
            (tmp_path / f"{number}.png").touch()
        with pytest.raises(InputError, match="and holds") as caught:
            StudyFolder(tmp_path).refuse_foreign()
        assert caught.value.got.endswith("and holds 0.png, 1.png, 2.png, 3.png, 4.png ...")

    @pytest.mark.parametrize(
        "there",
        [
            [],
            [".lock"],
            [".lock", ".cases.parquet.0123abcd.tmp"],
            [".lock", "cases.parquet", "data.json"],
            [".lock", "cases.parquet", "data.json", "protocol.jsonl"],
            [".lock", "cases.parquet", "data.json", "protocol.jsonl", "study.yaml"],
        ],
    )
    def test_what_an_interrupted_start_left_is_no_obstacle(self, tmp_path: Path, there: list[str]):
        """Up to any of its first files; a folder that is not there or empty is none either."""
        StudyFolder(tmp_path / "new").refuse_foreign()
        for name in there:
            (tmp_path / name).touch()
        StudyFolder(tmp_path).refuse_foreign()

    def test_a_file_in_its_place_is_refused(self, tmp_path: Path):
        """As the folder of new runs, and as a study: the folder with the name of a study file is offered."""
        (tmp_path / "mine.yaml").touch()
        with pytest.raises(InputError, match=r"mine\.yaml is a file") as caught:
            StudyFolder(tmp_path / "mine.yaml").refuse_foreign()
        assert caught.value.do == "choose another name with --out DIR"
        with pytest.raises(InputError, match=r"mine\.yaml is a file") as caught:
            open_folder(tmp_path / "mine.yaml")
        assert caught.value.do == f"scantrial run {tmp_path / 'mine.yaml'} makes it"
        (tmp_path / "mine").mkdir()
        (tmp_path / "mine" / "plan.json").touch()
        with pytest.raises(InputError) as caught:
            open_folder(tmp_path / "mine.yaml")
        assert caught.value.do == f"give {tmp_path / 'mine'}"

    def test_a_study_folder_may_hold_other_things(self, folder: StudyFolder):
        """Somebody's notes beside a study are theirs; they are no reason to stop."""
        (folder.path / "notes.txt").write_text("mine")
        folder.refuse_foreign()


class TestTestOpenings:
    """Every reading of test rows is logged before the rows are handed out."""

    @pytest.fixture(autouse=True)
    def _one_run(self, folder: StudyFolder, make_result: MakeResult) -> None:
        folder.write_run(make_result())

    def test_reading_test_rows_is_logged(self, folder: StudyFolder):
        """When, by what, for what, which run."""
        parts = folder.predictions(BASE_0, ["val", "test"], by="report", purpose="table 1")
        assert [part.split for part in parts] == ["val", "test"]
        (opening,) = folder.test_openings()
        assert (opening.by, opening.purpose, opening.runs) == ("report", "table 1", ("base/seed-0",))
        assert datetime.fromisoformat(opening.at).tzinfo == UTC

    def test_reading_other_rows_is_not(self, folder: StudyFolder):
        """Who chooses an epoch reads validation rows and leaves no trace in this log."""
        folder.predictions(BASE_0, ["train", "val"], by="selection", purpose="epoch")
        assert folder.test_openings() == []

    def test_without_a_log_no_rows(self, folder: StudyFolder, monkeypatch):
        """Where the log cannot be written, the predictions are not even read."""
        (folder.path / "test-openings.jsonl").mkdir()
        monkeypatch.setattr(folder_module, "read_predictions", lambda *_: pytest.fail("test rows were read"))
        with pytest.raises(StoreError, match=r"test-openings\.jsonl"):
            folder.predictions(BASE_0, ["test"], by="report", purpose="table 1")

    def test_a_disk_that_is_full_means_no_rows(self, folder: StudyFolder, monkeypatch):
        """Also where it takes a part of the line."""
        monkeypatch.setattr(os, "write", lambda _handle, data: len(data) - 1)
        with pytest.raises(StoreError, match="No space left"):
            folder.predictions(BASE_0, ["test"], by="report", purpose="table 1")

    def test_openings_add_up(self, folder: StudyFolder):
        """The log only grows, in order."""
        for number in range(3):
            folder.log_test_opening(by="run", purpose=str(number), runs=[BASE_0, RunKey("loss-ce", 1)])
        assert [opening.purpose for opening in folder.test_openings()] == ["0", "1", "2"]
        assert folder.test_openings()[0].runs == ("base/seed-0", "loss-ce/seed-1")

    def test_a_torn_line_is_passed_over(self, folder: StudyFolder):
        """A crash in the middle of a write costs that line and no other."""
        folder.log_test_opening(by="run", purpose="first", runs=[])
        with (folder.path / "test-openings.jsonl").open("a") as log:
            log.write('{"schema_version": 1, "at": "2026-')
        assert [opening.purpose for opening in folder.test_openings()] == ["first"]
        folder.log_test_opening(by="run", purpose="second", runs=[])
        assert [opening.purpose for opening in folder.test_openings()] == ["first", "second"]

    def test_another_version_is_refused(self, folder: StudyFolder):
        """A log of another layout is not guessed at."""
        (folder.path / "test-openings.jsonl").write_text('{"schema_version": 2, "who": "report"}\n')
        with pytest.raises(StoreError, match="has schema version 2"):
            folder.test_openings()


def test_now_is_utc_to_the_second():
    """ISO 8601, with its zone."""
    assert now().endswith("+00:00")
    assert len(now()) == len("2026-01-01T00:00:00+00:00")


def test_keys_sort_by_arm_and_seed():
    """Ten comes after nine."""
    keys = [RunKey("b", 0), RunKey("a", 10), RunKey("a", 9)]
    assert sorted(keys) == [RunKey("a", 9), RunKey("a", 10), RunKey("b", 0)]


class TestLiveHistory:
    """`write_live` and `live_history`."""

    HISTORY = (
        EpochRecord(round=1, epoch=1, lr=0.1, train_loss=0.5, train_accuracy=0.7, val_loss=0.6, val_accuracy=0.65),
        EpochRecord(
            round=1, epoch=2, lr=0.1, train_loss=0.4, train_accuracy=0.8, val_loss=0.5, val_accuracy=0.75, grad_norm=1.0
        ),
    )

    def test_comes_back_as_it_was(self, tmp_path: Path):
        """Every number of every epoch."""
        folder = StudyFolder(tmp_path)
        folder.write_live(BASE_0, self.HISTORY)
        assert folder.live_history(BASE_0) == self.HISTORY

    def test_a_loss_that_is_not_finite_is_nan(self, tmp_path: Path):
        """It stands as null in the file."""
        folder = StudyFolder(tmp_path)
        folder.write_live(BASE_0, [replace(self.HISTORY[0], val_loss=float("inf"))])
        (record,) = folder.live_history(BASE_0)
        assert record.val_loss != record.val_loss

    @pytest.mark.parametrize(
        "content", [None, b"", b"{", b"[]", b'{"schema_version": 1, "columns": 3, "epochs": [[1]]}']
    )
    def test_what_is_not_whole_is_none(self, tmp_path: Path, content: bytes | None):
        """Missing, torn or foreign: whoever watches sees no epoch, and nothing fails."""
        folder = StudyFolder(tmp_path)
        path = folder.partial_path(BASE_0) / "live.json"
        path.parent.mkdir(parents=True)
        if content is not None:
            path.write_bytes(content)
        assert folder.live_history(BASE_0) == ()

    def test_goes_when_the_run_is_written(self, folder: StudyFolder):
        """It is no part of a finished run."""
        folder.write_live(BASE_0, self.HISTORY)
        folder.drop_partial(BASE_0)
        assert not folder.partial_path(BASE_0).exists()


def test_test_rows_are_not_read_without_a_log(folder: StudyFolder, make_result: MakeResult):
    """`read_logged_predictions` asks for an opening by this very reader; validation rows need none."""
    folder.write_run(make_result())
    assert [part.split for part in folder.read_logged_predictions(BASE_0, ["val"])] == ["val"]
    with pytest.raises(StoreError, match="without an entry"):
        folder.read_logged_predictions(BASE_0, ["val", "test"])
    folder.log_test_opening(by="a test", purpose="this one", runs=[BASE_0])
    assert [part.split for part in folder.read_logged_predictions(BASE_0, ["test"])] == ["test"]


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"schema_version": 1, "arms": 3}', '{"schema_version": 1}'])
def test_a_damaged_plan_names_its_file(folder: StudyFolder, content: str):
    """Whoever reads it, and whatever is wrong with it."""
    (folder.path / "plan.json").write_text(content)
    for read in (folder.plan, folder.run_keys, folder.planned_keys, folder.failures):
        with pytest.raises(StoreError, match=re.escape(str(folder.path / "plan.json"))):
            read()
