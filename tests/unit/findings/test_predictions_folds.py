"""`compare --predictions` of cross-validations: the numbers, the threshold of each fold; JSON."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from scantrial import compare_arrays, compare_predictions
from scantrial.core.errors import InputError
from scantrial.findings.predictions_file import CHOSEN_ON_JUDGED

N, N_FOLDS, N_REPEATS = 60, 3, 2
Y = np.arange(N) % 2
HEAD = "arm,seed,repeat,fold,case,label,score,split"


def drawn(*, lead: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Return scores, shape (repeats, arms, cases), and folds, shape (repeats, cases)."""
    rng = np.random.default_rng(5)
    hard = rng.normal(size=N)
    pull = np.array([0.8, 0.8 + lead])[None, :, None]
    logits = pull * (2 * Y - 1) + hard + 0.3 * rng.normal(size=(N_REPEATS, 2, N))
    folds = np.stack([(rng.permutation(N // 2) % N_FOLDS).repeat(2) for _ in range(N_REPEATS)])
    return 1 / (1 + np.exp(-logits)), folds


def write(path: Path, scores: np.ndarray, folds: np.ndarray, *, val: bool = False) -> Path:
    """Write them as rows; with `val` each fold has the cases of the next one as its validation cases."""
    lines = [HEAD]
    for repeat, arm, case in np.ndindex(scores.shape):
        fold, score = folds[repeat, case], scores[repeat, arm, case]
        lines.append(f"{'AB'[arm]},0,{repeat},{fold},c{case:02},{Y[case]},{score:.17g},test")
        if val:
            lines.append(f"{'AB'[arm]},0,{repeat},{(fold - 1) % N_FOLDS},c{case:02},{Y[case]},{score:.17g},val")
    path = path / "folds.csv"
    path.write_text("\n".join(lines))
    return path


def test_a_file_gives_what_arrays_give(tmp_path):
    """The same folds, values, intervals and verdict."""
    scores, folds = drawn()
    found = compare_predictions(write(tmp_path, scores, folds), metric="auroc", margin=0.05)
    arrays = compare_arrays(
        Y,
        scores.reshape(-1, N),
        arms=["A", "B"] * N_REPEATS,
        repeats=[0, 0, 1, 1],
        folds=folds.repeat(2, axis=0),
        metric="auroc",
        margin=0.05,
        class_names=("0", "1"),
    )
    assert found.comparison.comparisons == arrays.comparisons
    assert found.comparison.arms == arrays.arms
    assert found.comparison.folds == arrays.folds
    assert (found.outlook, found.outlook_reason) == (None, None)


def test_json_holds_the_folds_and_every_value(tmp_path):
    """Plain data, with a value for each fold in the order of `folds`."""
    found = json.loads(json.dumps(compare_predictions(write(tmp_path, *drawn()), metric="brier").to_dict()))
    assert found["design"] == "cross-validation"
    assert [(fold["repeat"], fold["fold"]) for fold in found["folds"]] == [(r, f) for r in (0, 1) for f in range(3)]
    assert all(fold["n_test"] + fold["n_train"] == N for fold in found["folds"])
    (compared,) = found["comparisons"]
    (first, second) = found["arms"]
    assert compared["by_fold"] == pytest.approx(np.subtract(first["by_fold"], second["by_fold"]).tolist())
    assert compared["interval"]["low"] < compared["effect"] < compared["interval"]["high"]
    assert (found["n_repeats"], found["test_share"], found["n_cases"]) == (2, pytest.approx(0.5, abs=0.05), N)


def test_each_run_takes_the_threshold_of_its_own_fold(tmp_path):
    """Chosen on the fold's validation rows; without them on the judged ones, and then there is no verdict."""
    scores, folds = drawn(lead=3.0)
    found = compare_predictions(write(tmp_path, scores, folds, val=True), threshold_rule="youden")
    chosen = found.threshold_choice.to_dict()
    assert (chosen["chosen_on"], len(chosen["by_run"])) == ("val", 2 * N_FOLDS * N_REPEATS)
    assert chosen["by_run"][0].keys() == {"arm", "seed", "threshold", "repeat", "fold"}
    assert found.comparison.comparisons[0].verdict.label == "better"
    assert found.comparison.threshold is None
    on_test = compare_predictions(write(tmp_path, scores, folds), threshold_rule="youden")
    assert on_test.comparison.comparisons[0].verdict.reasons == (CHOSEN_ON_JUDGED,)


def test_decisions_and_directions_are_looked_at_over_all_folds(tmp_path):
    """An arm that always says one class, and one whose scores are for the other class."""
    scores, folds = drawn(lead=2.0)
    scores[:, 0] = 0.1 + scores[:, 0] / 100
    scores[:, 1] = 1 - scores[:, 1]
    found = compare_predictions(write(tmp_path, scores, folds))
    assert found.decisions.said[0] == "A: 6 of 6 runs give every test case the class 0."
    assert "B: an accuracy of" in found.decisions.said[1]
    assert "(mean of 6 runs) is below always saying 0" in found.decisions.said[1]
    assert found.comparison.warnings[0].startswith("AUROC of B is 0.00 in every fold: the scores may belong to")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"bootstrap": True}, "--bootstrap with a file that has folds"),
        ({"class_counts_fixed": True}, "--class-counts-fixed with a file that has folds"),
        ({"split": "val"}, "--split with a file that has folds"),
        ({"control": "C"}, "control 'C' is not an arm"),
    ],
)
def test_what_does_not_go_with_folds_is_refused(tmp_path, options, message):
    """Options that have no meaning there."""
    with pytest.raises(InputError) as caught:
        compare_predictions(write(tmp_path, *drawn(), val=True), **options)
    assert message in str(caught.value)
