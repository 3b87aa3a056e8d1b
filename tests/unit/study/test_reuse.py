"""Runs of other folders that are taken over instead of trained, and those that are not."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.studies import rewrite
from tests.unit.study.trial import Trial

from scantrial import api
from scantrial.cli.status import status_dict
from scantrial.core.errors import InputError, StoreError
from scantrial.findings.reading import read_study_folder
from scantrial.findings.view import build_view
from scantrial.prose.study import choice_sentences
from scantrial.store.folder import RunKey
from scantrial.study import trial as trial_module
from scantrial.study.identity import Identities, where
from scantrial.study.trial import Outcome

PREPARED = {"device": "cpu", "torch": "1.0", "cpu_capability": "NONE"}
MAY_BE_THERE = ("kernel", "cpu", "gpu", "cuda", "cudnn")
BASE = RunKey("base", 0)


@pytest.fixture
def other(trial: Trial, tmp_path: Path) -> Trial:
    """Return a second study beside the first, with the same engine and the same scans, and a folder of its own."""
    (tmp_path / "other").mkdir()
    return Trial(path=tmp_path / "other")


def give_identity(trial: Trial, *, threads: int = 2) -> None:
    """Write into recorded runs the hashes that a worker would."""
    identities, place = Identities(trial.folder), where(PREPARED, engine="fake_engine:train", threads=threads)
    for key in trial.folder.run_keys():
        path = trial.folder.run_path(key) / "run.json"
        identity = {"what": identities.what(key), "where": place}
        facts = {**json.loads(path.read_text()), "threads": threads, "identity": identity}
        rewrite(trial.folder, path, json.dumps(facts))


def reuse(other: Trial, trial: Trial, *sets: str, **how: object) -> Outcome:
    return other.run(other.study(*sets), reuse=(trial.folder.path,), **how)


def test_an_equal_run_is_taken_over_and_the_rest_is_trained(trial: Trial, other: Trial):
    """Under another arm's name: equal bytes, the name of this study, and everything that tells says where from."""
    trial.run(trial.study(), threads=2)
    outcome = reuse(other, trial, "recipe.loss=ce", "factors={epochs: [2, 3]}", "seeds=2", threads=2)
    source = trial.folder.path.resolve()
    assert dict(outcome.reused) == {RunKey("base", seed): f"{source}, loss-ce/seed-{seed}" for seed in (0, 1)}
    assert list(map(str, outcome.trained)) == ["epochs-3/seed-0", "epochs-3/seed-1"]
    assert outcome.notes == ()
    assert "base/seed-0 starts" not in trial.trained()[4:]
    facts = other.folder.facts(BASE)
    assert (facts.arm, facts.threads) == ("base", 2)
    assert facts.reused_from == {"folder": source.name, "arm": "loss-ce", "seed": 0}
    assert facts.identity == trial.folder.facts(RunKey("loss-ce", 0)).identity
    for name in ("history.parquet", "predictions.parquet", "best.safetensors"):
        theirs = trial.folder.run_path(RunKey("loss-ce", 0)) / name
        assert (other.folder.run_path(BASE) / name).read_bytes() == theirs.read_bytes()
    told = status_dict(api.status(other.folder.path))["reused"]
    assert told[0] == {"arm": "base", "seed": 0, "from": {"folder": source.name, "arm": "loss-ce", "seed": 0}}
    assert "copied from" in other.folder.test_openings()[0].purpose
    said = " ".join(choice_sentences(build_view(read_study_folder(other.folder, by="report", purpose="a test"))))
    assert f"epochs = 2 (base) at seed 0 and epochs = 2 (base) at seed 1 from {source.name}" in said


@pytest.mark.parametrize(
    ("sets", "how"),
    [
        (("recipe.batch_size=8",), {}),
        (("recipe.optimizer.lr=0.01",), {}),
        (("seeds=[7]",), {}),
        ((), {"brighter": 1}),
        ((), {"split": ("train",) * 5 + ("val",) * 4 + ("test",) * 3}),
    ],
)
def test_a_run_that_differs_in_anything_is_not_offered(trial: Trial, other: Trial, sets, how):
    """Recipe, seed, pixels or split; that nothing was of use is said."""
    trial.record(trial.study(seeds=1), finished=["base/seed-0"])
    give_identity(trial)
    outcome = other.run(
        other.study(*(sets or ("seeds=1",)), "factors={}"), other.scans(**how), reuse=(trial.folder.path,), threads=2
    )
    assert (dict(outcome.reused), len(outcome.trained)) == ({}, len(outcome.finished))
    (note,) = outcome.notes
    assert note.startswith(f"{trial.folder.path}: none of its runs matches a run to train")


def test_a_run_that_was_trained_otherwise_is_trained_anew(trial: Trial, other: Trial):
    """With another number of threads, asked for here; the reason is said."""
    trial.record(trial.study(seeds=1), finished=["base/seed-0"])
    give_identity(trial, threads=2)
    outcome = reuse(other, trial, "factors={}", "seeds=1", threads=1)
    assert list(map(str, outcome.trained)) == ["base/seed-0"]
    (note,) = outcome.notes
    assert "1 run of the same recipe and seed, but trained differently there" in note


def test_a_run_of_another_processor_is_trained_anew(trial: Trial, other: Trial):
    """The same settings and versions on another processor need not give the same bits."""
    trial.behave(cpu="one")
    trial.run(trial.study("factors={}", seeds=1))
    trial.behave(cpu="another")
    outcome = reuse(other, trial, "factors={}", "seeds=1")
    assert (dict(outcome.reused), len(outcome.trained)) == ({}, 1)
    assert "trained differently there (machine" in outcome.notes[0]


def test_threads_are_those_of_the_runs_on_offer(trial: Trial, other: Trial, monkeypatch):
    """Unless they are asked for, or fixed: with others no run would be equal."""
    monkeypatch.setattr(trial_module, "n_cores", lambda: 6)
    trial.record(trial.study(seeds=1), finished=["base/seed-0"])
    give_identity(trial, threads=5)
    outcome = reuse(other, trial, "factors={}", "seeds=1", workers=None)
    assert list(outcome.reused) == [BASE]
    assert other.folder.environment()["threads"] == 5


@pytest.mark.parametrize(("n_cores", "seeds", "workers"), [(6, 3, 1), (6, 1, 2), (4, 1, 1)])
def test_threads_of_few_runs_or_too_many_threads_are_not_taken(
    trial: Trial, other: Trial, monkeypatch, n_cores, seeds, workers
):
    """One run of three on offer, or threads that all workers together have no cores for; what it takes is said."""
    monkeypatch.setattr(trial_module, "n_cores", lambda: n_cores)
    trial.record(trial.study(seeds=1), finished=["base/seed-0"])
    give_identity(trial, threads=5)
    outcome = reuse(other, trial, "factors={}", f"seeds={seeds}", workers=workers)
    assert (dict(outcome.reused), len(outcome.trained)) == ({}, seeds)
    assert other.folder.environment()["threads"] == n_cores // workers
    assert "1 run on offer was trained with another number of threads" in outcome.notes[0]
    assert outcome.notes[0].endswith("run into a new folder with --threads 5")


def test_where_depends_on_all_that_moves_bits():
    """Engine, threads, device, PyTorch, its instruction set, the kernel's, processor, graphics card and its libraries."""
    first = where(PREPARED, engine="a:b", threads=2)
    assert first == where({**PREPARED, "other": 1}, engine="a:b", threads=2)
    others = [where({**PREPARED, name: "else"}, engine="a:b", threads=2) for name in (*PREPARED, *MAY_BE_THERE)]
    others += [where(PREPARED, engine="a:c", threads=2), where(PREPARED, engine="a:b", threads=1)]
    assert len({first, *others}) == 11


@pytest.mark.parametrize("custom", [False, True])
def test_a_run_without_a_hash_is_of_no_use(trial: Trial, other: Trial, custom: bool):
    """Of an earlier scantrial, or with a network of the user's own, whose imports nobody knows: both are said."""
    text = 'recipe.model={name: "nets.mine:Net"}' if custom else "recipe.batch_size=4"
    trial.record(trial.study(text, "factors={}", seeds=1), finished=["base/seed-0"])
    if custom:
        assert Identities(trial.folder).what(BASE) is None
        return
    outcome = reuse(other, trial, text, "factors={}", "seeds=1")
    assert len(outcome.trained) == 1
    assert outcome.notes[0].startswith(f"{trial.folder.path}: 1 run without a hash of what they depend on")


@pytest.mark.parametrize("keep", ["best", "none"])
def test_weights_are_taken_where_they_are_kept(trial: Trial, other: Trial, keep: str):
    """A study that keeps them trains what has none; one that keeps none copies none."""
    trial.record(trial.study(seeds=1), finished=["base/seed-0"])
    give_identity(trial)
    weights = trial.folder.run_path(BASE) / "best.safetensors"
    if keep == "best":
        weights.unlink()
    outcome = reuse(other, trial, "factors={}", "seeds=1", f"keep_weights={keep}", threads=2)
    assert len(outcome.reused) == (keep == "none")
    assert other.folder.has_weights(BASE) == (keep == "best")
    if keep == "best":
        assert "1 run without weights, which this study keeps, not copied" in outcome.notes[0]


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 3] ^= 1
    path.write_bytes(bytes(data))


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("history.parquet", cut),
        ("predictions.parquet", flip),
        ("predictions.parquet", Path.unlink),
        ("best.safetensors", cut),
        ("best.safetensors", flip),
        ("run.json", cut),
    ],
)
def test_a_damaged_run_is_refused_before_anything_runs(
    trial: Trial, other: Trial, name: str, damage: Callable[[Path], None]
):
    """The file is named; no worker was started and nothing trained."""
    trial.record(trial.study(seeds=1), finished=["base/seed-0"])
    give_identity(trial)
    damage(trial.folder.run_path(BASE) / name)
    with pytest.raises(StoreError, match=name.replace(".", r"\.")):
        reuse(other, trial, "factors={}", "seeds=1", threads=2)
    assert trial.trained() == []
    assert not other.folder.has_environment()


def test_a_recipe_of_a_later_version_is_refused_with_its_folder(trial: Trial, other: Trial):
    """Of several folders the message names the one, and the run in it."""
    trial.record(trial.study(seeds=1), finished=["base/seed-0"])
    give_identity(trial)
    path = trial.folder.run_path(BASE) / "run.json"
    facts = json.loads(path.read_text())
    facts["recipe"]["later_key"] = 1
    rewrite(trial.folder, path, json.dumps(facts))
    with pytest.raises(StoreError, match=r"run\.json of base/seed-0 in .* does not know: later_key = 1") as caught:
        reuse(other, trial, "factors={}", "seeds=1", threads=2)
    assert str(trial.folder.path) in caught.value.got
    assert trial.trained() == []


def test_what_is_no_other_study_is_refused(trial: Trial, other: Trial, tmp_path: Path):
    """A folder that is not there, one that holds something else, and the study's own: before its folder is made."""
    (tmp_path / "pictures").mkdir()
    for path, words in (
        (tmp_path / "nowhere", "does not exist"),
        (tmp_path / "pictures", "is not a study folder"),
        (other.folder.path, "does not exist"),
    ):
        with pytest.raises(InputError, match=words):
            other.run(reuse=(path,))
    assert not other.folder.path.exists()
    trial.record(trial.study(seeds=1))
    with pytest.raises(InputError, match="is the study's own folder"):
        trial.run(reuse=(trial.folder.path,))
    assert trial.trained() == []


def test_a_copy_of_the_folder_elsewhere_will_do(trial: Trial, other: Trial, tmp_path: Path):
    """Nothing in a run depends on where its folder lies."""
    trial.record(trial.study(seeds=1), finished=["base/seed-0", "loss-ce/seed-0"])
    give_identity(trial)
    shutil.copytree(trial.folder.path, tmp_path / "copied")
    outcome = other.run(other.study(seeds=1), reuse=(tmp_path / "copied",), threads=2)
    assert (len(outcome.reused), trial.trained()) == (2, [])
