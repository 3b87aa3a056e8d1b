"""What `run` does about a folder that is not what was written."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.unit.study.trial import Trial

from scantrial import api
from scantrial.core.errors import DamagedError
from scantrial.store.folder import RunKey
from scantrial.study.damage import mend

BASE = RunKey("base", 0)


@pytest.fixture
def done(trial: Trial) -> Trial:
    """Return a trial whose runs are finished."""
    trial.run(trial.study(seeds=1), threads=1)
    return trial


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("history.parquet", flip),
        ("predictions.parquet", Path.unlink),
        ("best.safetensors", flip),
        ("best.safetensors", Path.unlink),
        ("run.json", flip),
    ],
)
def test_a_damaged_run_is_set_aside_and_trained_anew(
    done: Trial, name: str, damage: Callable[[Path], None], heard: list[str]
):
    """The others are kept, the new one has the same numbers, and it is said before anything is trained."""
    path = done.folder.run_path(BASE) / name
    before = {file.name: file.read_bytes() for file in path.parent.iterdir()}
    damage(path)
    n_trained = len(done.trained())
    outcome = done.run(done.study(seeds=1), hear=heard.append)
    assert outcome.trained == (BASE,)
    assert done.trained()[n_trained:] == ["base/seed-0 starts"]
    after = {file.name: file.read_bytes() for file in path.parent.iterdir()}
    assert {name: after[name] for name in after if name != "run.json"} == {
        name: before[name] for name in before if name != "run.json"
    }
    place = done.folder.path / "damaged" / "base" / "seed-0-1"
    assert {file.name for file in place.iterdir()} >= before.keys() - {name}
    assert len(heard) == 1
    assert str(path) in heard[0]
    assert str(place) in heard[0]
    assert api.verify(done.folder.path).is_whole


def test_a_run_that_is_missing_is_noted_and_trained_anew(done: Trial, heard: list[str]):
    """It was deleted, or a kill came between its line in the protocol and its name."""
    path = done.folder.run_path(BASE)
    path.rename(path.with_name(f".{path.name}.0123abcd.tmp"))
    outcome = done.run(done.study(seeds=1), hear=heard.append)
    assert outcome.trained == (BASE,)
    assert heard == [
        f"{path} is missing: it was deleted, or writing it was interrupted; run base/seed-0 is trained anew"
    ]
    assert api.verify(done.folder.path).is_whole


@pytest.fixture
def heard() -> list[str]:
    """What `run` says about damage."""
    return []


def test_a_number_that_is_free_is_taken(done: Trial):
    """Somebody removed the first of two that were set aside."""
    key, place = BASE, done.folder.path / "damaged" / "base"
    for _ in range(2):
        done.folder.set_aside(key)
        done.run(done.study(seeds=1))
    shutil.rmtree(place / "seed-0-1")
    assert done.folder.set_aside(key) == place / "seed-0-1"


def test_an_old_folder_is_bound_before_workers_write(done: Trial):
    """Its protocol has no chain: two workers that end at once would each bind what they find."""
    shutil.rmtree(done.folder.run_path(BASE))
    path = done.folder.path / "protocol.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    old = [{key: line[key] for key in line if key not in ("kind", "files", "previous", "sha256")} for line in lines]
    path.write_text("".join(json.dumps(line) + "\n" for line in old if "study_yaml" in line))
    states: list[bool] = []
    done.run(done.study(seeds=1), watch=lambda event, clock: states.append(done.folder.hashes.log().is_chained))
    assert set(states) == {True}
    kinds = [json.loads(line).get("kind") for line in path.read_text().splitlines()]
    assert kinds == [None, "found", "run"]


def test_a_sound_folder_is_not_mended(done: Trial):
    """Nothing is said, nothing is trained, no byte is changed."""
    before = done.contents()
    assert list(mend(done.folder)) == []
    assert done.run(done.study(seeds=1)).trained == ()
    assert done.contents() == before


def test_a_changed_plan_is_written_again(done: Trial, heard: list[str]):
    """From the study file that `run` is given; the protocol says why, and the folder is whole again."""
    path = done.folder.path / "plan.json"
    plan = json.loads(path.read_text())
    sound = path.read_bytes()
    path.write_text(json.dumps({**plan, "primary": {"metric": "accuracy", "split": "test", "margin": 0.5}}, indent=2))
    assert not api.verify(done.folder.path).is_whole
    done.run(done.study(seeds=1), hear=heard.append)
    assert path.read_bytes() == sound
    assert done.folder.protocol()[-1]["change"] == "written again, because plan.json had changed outside scantrial"
    assert heard == [f"{done.folder.path}: the study is written again, because plan.json had changed outside scantrial"]
    (done.folder.path / "study.yaml").write_text("study: Another?\n")
    done.run(done.study(seeds=1))
    assert done.folder.protocol()[-1]["change"] == ("written again, because study.yaml had changed outside scantrial")
    assert api.verify(done.folder.path).is_whole


@pytest.mark.parametrize(
    ("name", "damage"), [("data.json", flip), ("cases.parquet", Path.unlink), ("environment.json", flip)]
)
def test_what_finished_runs_depend_on_is_not_made_up(done: Trial, name: str, damage: Callable[[Path], None]):
    """The file is named; the runs stay."""
    damage(done.folder.path / name)
    with pytest.raises(DamagedError, match=f"{name} is not what was written") as caught:
        done.run(done.study(seeds=1))
    assert caught.value.do == "restore it from a copy, or run the study into a new folder"
    assert done.folder.run_keys()


@pytest.mark.parametrize("name", ["data.json", "environment.json"])
def test_without_finished_runs_it_is_written_anew(trial: Trial, name: str, heard: list[str]):
    """Nothing depends on it yet."""
    trial.record(trial.study(seeds=1))
    trial.folder.write_environment({"threads": 1, "device": "cpu", "engine": "fake_engine:train"})
    flip(trial.folder.path / name)
    trial.run(trial.study(seeds=1), hear=heard.append)
    assert heard == [f"{trial.folder.path / name} is not what was written: it is written anew"]
    assert len(trial.folder.run_keys()) == 2


def test_an_environment_whose_change_was_interrupted_is_kept(done: Trial, heard: list[str]):
    """The protocol has the newer one; the folder goes on with the one that is there."""
    path = done.folder.path / "environment.json"
    before = path.read_bytes()
    done.folder.write_environment({**done.folder.environment(), "torch": "9.9"})
    path.write_bytes(before)
    done.run(done.study(seeds=1), hear=heard.append)
    assert heard == [f"{path} is an earlier version, which is kept"]
    assert path.read_bytes() == before
    assert api.verify(done.folder.path).is_whole


def test_a_crash_between_the_protocol_and_the_plan_is_mended(done: Trial):
    """The line is there, the files are not: the same command writes them."""
    study = done.study(seeds=2)
    before = {name: (done.folder.path / name).read_bytes() for name in ("study.yaml", "plan.json")}
    done.run(study)
    for name, content in before.items():
        (done.folder.path / name).write_bytes(content)
    assert {item.kind for item in api.verify(done.folder.path).mismatches} == {"put back"}
    assert done.run(study).trained == ()
    assert "seeds" in done.folder.protocol()[-1]["change"]
    assert api.verify(done.folder.path).is_whole
