"""A study by cross-validation, through the command line: its folds, its verdict, its openings, kill and resume."""

from __future__ import annotations

import json
import textwrap
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from tests.conftest import HANGS_S, MakeOnce, RunCli, StartCli
from tests.siege.kills import run_files

from scantrial import api
from scantrial.core.errors import InputError
from scantrial.core.files import matching
from scantrial.store.folder import StudyFolder

STUDY = textwrap.dedent(
    """
    study: Does cross-entropy differ from BCE in folds?
    data:
      source: {name: phantom, n_cases: 96, size: 32, difficulty: 0, images_per_patient: 2}
      split: {folds: 3, repeats: 2, by: patient}
    recipe:
      model: {name: mlp, hidden: [16]}
      loss: bce
      optimizer: {name: adam, lr: 1e-3}
      batch_size: 16
      epochs: 6
    factors:
      loss: [bce, ce]
    primary: {metric: auroc, margin: 0.05}
    hypotheses:
      - {claim: CE ranks better than BCE, better: {loss: ce}, than: {loss: bce}}
    """
)
PLACES = [(repeat, fold) for repeat in range(2) for fold in range(3)]
RUN = ("run", "folds.yaml", "--threads", "1", "--checkpoint-every", "0")


@pytest.fixture(scope="module", name="crossed")
def give_crossed(made_once: MakeOnce, cli_in: RunCli) -> Path:
    """Return the folder of the study, with what the command said in run.json beside it."""

    def train(folder: Path) -> None:
        (folder / "folds.yaml").write_text(STUDY)
        result = cli_in(*RUN, "--json", cwd=folder)
        assert result.returncode == 0, result.stderr
        (folder / "run.json").write_text(result.stdout)

    return made_once("crossed", train) / "folds"


def by_fold(folder: StudyFolder, metric) -> np.ndarray:
    """Return the metric of each arm in each fold."""
    found = [
        [
            metric(parts[0].y_true, parts[0].y_prob[:, 1])
            for key, parts in folder.open_predictions(folder.run_keys(), ["test"], by="t", purpose="t").items()
            if key.arm == arm
        ]
        for arm in ("base", "loss-ce")
    ]
    return np.array(found)


def area(y_true, scores) -> float:
    """Return the share of pairs in their order."""
    positive, negative = scores[y_true == 1][:, None], scores[y_true == 0][None, :]
    return float(((positive > negative) + 0.5 * (positive == negative)).mean())


def test_every_case_is_tested_once_a_repeat_by_networks_that_have_not_seen_its_patient(crossed):
    folder = StudyFolder(crossed)
    cases = folder.cases(["case", "patient"])
    patients = dict(zip(cases["case"].to_pylist(), cases["patient"].to_pylist(), strict=True))
    found = folder.open_predictions(folder.run_keys(), ["train", "val", "test"], by="t", purpose="t")
    assert [key.place for key in found] == PLACES * 2
    tested: Counter[tuple[str, int, int]] = Counter()
    for key, (train, val, test) in found.items():
        tested.update((key.arm, key.repeat, int(case)) for case in test.cases)
        seen = {patients[int(case)] for part in (train, val) for case in part.cases}
        assert not seen & {patients[int(case)] for case in test.cases}
        assert len(train.cases) + len(val.cases) + len(test.cases) == 96
        facts = json.loads((folder.run_path(key) / "run.json").read_text())
        assert (facts["seed"], facts["repeat"], facts["fold"]) == (0, *key.place)
    assert set(tested.values()) == {1}
    assert len(tested) == 2 * 2 * 96


def test_the_verdict_is_the_corrected_test_on_the_folds(crossed):
    """AUROC is taken in each fold; no two folds' scores meet."""
    said = json.loads((crossed.parent / "run.json").read_text())
    judged = said["judgement"]
    values = by_fold(StudyFolder(crossed), area)
    d = values[1] - values[0]
    se = np.sqrt((1 / 6 + 1 / 2) * d.var(ddof=1))
    (item,) = judged["by_fold"]["comparisons"]
    assert judged["primary"] is None
    assert item["by_fold"] == pytest.approx(d)
    assert item["se"] == pytest.approx(se)
    assert item["p"] == pytest.approx(2 * stats.t.sf(abs(d.mean()) / se, 5))
    assert judged["hypotheses"][0]["comparison"] == item["name"]
    first = said["evaluation"]["arms"][0]["estimates"]["auroc"]
    assert first["mean"] == pytest.approx(values[0].mean())
    assert {(run["repeat"], run["fold"]) for run in said["runs"]} == set(PLACES)


def test_every_opening_of_a_fold_is_logged_once(crossed):
    """Each run reads the cases of its own fold, and the report reads them all."""
    lines = [json.loads(line) for line in (crossed / "test-openings.jsonl").read_text().splitlines()]
    runs = Counter(run for line in lines if line["by"] == "run" for run in line["runs"])
    assert set(runs.values()) == {1}
    assert set(runs) == {f"{arm}/seed-0-repeat-{r}-fold-{f}" for arm in ("base", "loss-ce") for r, f in PLACES}


def test_a_killed_cross_validation_ends_with_equal_bytes(crossed, start_cli: StartCli, cli_in: RunCli, tmp_path):
    """Killed in a fold, then ended by two workers: what every run wrote is equal to what one call wrote."""
    (tmp_path / "folds.yaml").write_text(STUDY)
    with (tmp_path / "words").open("wb") as words_to:
        process = start_cli(*RUN, cwd=tmp_path, words_to=words_to)
    end = time.monotonic() + HANGS_S
    while not matching(tmp_path / "folds", "partial/*/*-fold-1/checkpoint.pt"):
        assert time.monotonic() < end, "no checkpoint of the second fold came"
        time.sleep(0.005)
    process.kill()
    process.wait()
    assert len(run_files(tmp_path / "folds")) < 36
    told = json.loads(cli_in("status", "folds", "--json", cwd=tmp_path).stdout)
    assert told["waiting"]
    assert len(told["waiting"][0]) == 4
    result = cli_in(*RUN, "--workers", "2", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert run_files(tmp_path / "folds") == run_files(crossed)
    assert cli_in("verify", "folds", cwd=tmp_path).returncode == 0


def test_repeats_are_added_and_runs_are_reused(crossed, cli_in: RunCli, tmp_path):
    """Runs of another folder are copied fold by fold; then more repeats train only their own folds."""
    (tmp_path / "folds.yaml").write_text(STUDY)
    first = json.loads(cli_in(*RUN, "--reuse", crossed, "--json", cwd=tmp_path).stdout)
    assert len(first["reused"]) == 12
    assert run_files(tmp_path / "folds") == run_files(crossed)
    more = json.loads(cli_in(*RUN, "--set", "data.split.repeats=3", "--json", cwd=tmp_path).stdout)
    assert sorted(key[2:] for key in more["trained"]) == sorted([[2, fold] for fold in range(3)] * 2)
    assert len(more["judgement"]["by_fold"]["comparisons"][0]["by_fold"]) == 9
    fewer = cli_in(*RUN, cwd=tmp_path)
    assert fewer.returncode == 2
    assert "repeats 2: have finished runs, but are missing now" in fewer.stderr


def test_an_arm_predicts_with_the_mean_of_its_networks(crossed, tmp_path):
    """New scans get the mean probabilities of all folds' networks, each named with its weights; a run gives its own."""
    np.save(tmp_path / "new.npy", np.random.default_rng(0).integers(0, 255, (3, 32, 32), dtype=np.uint8))
    folders = sorted((crossed / "runs" / "base").iterdir())
    single = [api.predict(folder, [tmp_path / "new.npy"]) for folder in folders]
    mean = api.predict(crossed / "runs" / "base", [tmp_path / "new.npy"])
    by_run = np.array([[row.y_prob for row in one.rows] for one in single])
    assert np.array([row.y_prob for row in mean.rows]) == pytest.approx(by_run.mean(axis=0))
    assert {one["weights_sha256"] for one in mean.model["networks"]} == {one.model["weights_sha256"] for one in single}
    assert mean.identity.endswith("arm base, mean probabilities of 6 networks")
    assert "fold 2 of repeat 1" in single[-1].identity
    with pytest.raises(InputError, match="no finished run with weights"):
        api.predict(crossed / "runs" / "nothing", [tmp_path / "new.npy"])
