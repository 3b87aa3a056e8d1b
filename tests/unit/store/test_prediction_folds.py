"""Files of predictions with the columns `fold` and `repeat`, and folds that are given as seeds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from scantrial.core.errors import InputError
from scantrial.store.prediction_files import read_prediction_file

N_FOLDS = 3


def rows(*, arms=("a", "b"), repeats=(0, 1), n=12, seeds=(0,)) -> list[dict[str, object]]:
    """Return rows of repeats that divide the cases differently, two to a patient; folds are by patient."""
    found = []
    for repeat in repeats:
        for arm in arms:
            for seed in seeds:
                for case in range(n):
                    patient = case // 2
                    fold = (patient if repeat == 0 else patient * 2 // 4 + repeat) % N_FOLDS
                    found.append(
                        {
                            "arm": arm,
                            "seed": seed,
                            "case": f"c{case}",
                            "label": case % 2,
                            "score": 0.25 + case / 100 + repeat / 1000,
                            "fold": fold,
                            "repeat": repeat,
                            "patient": f"p{patient}",
                        }
                    )
    return found


def write(path: Path, content: list[dict[str, object]], *, without: tuple[str, ...] = ()) -> Path:
    names = [name for name in content[0] if name not in without]
    lines = [",".join(names), *(",".join(str(row[name]) for name in names) for row in content)]
    path = path / "folds.csv"
    path.write_text("\n".join(lines))
    return path


def faults(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        read_prediction_file(path)
    return str(caught.value)


def test_each_fold_has_its_own_runs_and_cases(tmp_path):
    """Rows in any order; the folds of a repeat hold every case once, with its score."""
    content = rows(seeds=(3, 1))
    found = read_prediction_file(write(tmp_path, content[::-1]))
    assert [(fold.repeat, fold.fold) for fold in found.folds] == [(r, f) for r in (0, 1) for f in range(N_FOLDS)]
    assert found.splits == {}
    for fold in found.folds:
        assert sorted(zip(fold.arms, fold.seeds, strict=True)) == [("a", 1), ("a", 3), ("b", 1), ("b", 3)]
        scores = fold.splits["test"]
        wanted = {row["case"]: row for row in content if (row["repeat"], row["fold"]) == (fold.repeat, fold.fold)}
        assert set(scores.cases) == set(wanted)
        for case, label, patient, score in zip(
            scores.cases, scores.y_true, scores.patients, scores.scores.T, strict=True
        ):
            assert (label, patient) == (wanted[case]["label"], wanted[case]["patient"])
            assert score.tolist() == [wanted[case]["score"]] * 4
    assert sum(len(fold.splits["test"].cases) for fold in found.folds[:N_FOLDS]) == 12


@pytest.mark.parametrize("without", [("seed",), ("repeat",), ("seed", "repeat", "patient")])
def test_seed_and_repeat_may_be_left_out(tmp_path, without):
    """One training of an arm in a fold, one cross-validation."""
    found = read_prediction_file(write(tmp_path, rows(repeats=(0,)), without=without))
    assert len(found.folds) == N_FOLDS
    assert {seed for fold in found.folds for seed in fold.seeds} == {0}


def _in_two_folds(content: list) -> list:
    return [*content, content[0] | {"fold": 2}, content[12] | {"fold": 2}]


def _patient_in_two(content: list) -> list:
    return [row | {"fold": (row["fold"] + row["label"]) % 3} if row["repeat"] == 1 else row for row in content]


CHANGES = [
    (_in_two_folds, "1 case in more than one fold, so it is tested more than once: c0 in folds 0 and 2 of repeat 0"),
    (_patient_in_two, "6 patients in more than one fold, so scans of a patient are tested by networks that were"),
    (lambda content: [row for row in content if (row["case"], row["repeat"]) != ("c3", 1)], "it lacks c3"),
    (lambda content: [row | {"fold": 0} for row in content], "one fold only in repeats 0, 1, expected two or more"),
    (
        lambda content: [row | {"fold": int(str(row["patient"])[1:]) % 3 + row["repeat"]} for row in content],
        "repeats 0, 1 have the same folds: they are seeds of one repeat",
    ),
    (
        lambda content: [row for row in content if (row["arm"], row["fold"]) != ("b", 1)],
        "arm b has no rows of fold 1, repeat 0",
    ),
    (
        lambda content: [row for row in content if (row["arm"], row["case"], row["repeat"]) != ("b", "c4", 0)],
        "arm b, seed 0, fold 2, repeat 0 lacks 1 of the 4 test cases: c4",
    ),
    (lambda content: [*content, content[0]], "the same run and case twice; arm a, seed 0, fold 0, repeat 0, case c0"),
    (lambda content: [content[0] | {"fold": "x"}, *content[1:]], "fold is not a whole number: row 2 ('x')"),
]


@pytest.mark.parametrize(("change", "message"), CHANGES)
def test_folds_that_are_no_cross_validation_are_refused(tmp_path, change, message):
    """Every fault is told with its count."""
    assert message in faults(write(tmp_path, change(rows())))


def test_a_fold_without_a_test_row_is_refused(tmp_path):
    """Where a file has validation rows too, every fold has to test something."""
    content = [{**row, "split": "test"} for row in rows(repeats=(0,))]
    content += [{**row, "split": "val", "fold": 7, "case": f"v{row['case']}"} for row in content[:4]]
    path = write(tmp_path, content)
    with pytest.raises(InputError, match="fold 7 of repeat 0 has no test row"):
        read_prediction_file(path, splits=("val", "test"))
    assert len(read_prediction_file(path).folds) == N_FOLDS


def test_faults_of_many_folds_stay_short(tmp_path):
    """A file in which nothing fits is told in a few lines."""
    wrong = [row | {"fold": number % 7, "repeat": number % 31} for number, row in enumerate(rows(n=200))]
    assert len(faults(write(tmp_path, wrong)).splitlines()) < 30


def test_a_repeat_needs_folds(tmp_path):
    """It is not taken for an extra column."""
    assert "a column 'repeat' without a column 'fold'" in faults(write(tmp_path, rows(), without=("fold",)))


def as_seeds(content: list[dict[str, object]], seed_of) -> Iterator[dict[str, object]]:
    for row in content:
        yield {name: value for name, value in row.items() if name not in ("fold", "repeat")} | {"seed": seed_of(row)}


@pytest.mark.parametrize(
    ("seed_of", "repeats", "message"),
    [
        (lambda row: row["fold"], (0,), "the 3 seeds of arm a test 4 of the 12 cases each, and share no case"),
        (
            lambda row: 3 * row["repeat"] + row["fold"],
            (0, 1),
            "the 6 seeds of arm a test 4 of the 12 cases each, and a case is tested in 2 of them: they look like the "
            "folds of repeated cross-validations",
        ),
    ],
)
def test_folds_given_as_seeds_are_recognised(tmp_path, seed_of, repeats, message):
    """The message says which columns to name instead, and nothing else is said of the missing cases."""
    told = faults(write(tmp_path, list(as_seeds(rows(repeats=repeats), seed_of))))
    assert message in told
    assert "Name the column fold instead of seed, number further cross-validations in a column repeat" in told
    assert "lacks" not in told


def test_nearly_disjoint_seeds_are_recognised_and_seeds_with_gaps_are_not(tmp_path):
    """One case in two folds changes nothing; a run that lacks half of the cases is told as that."""
    content = list(as_seeds(rows(repeats=(0,)), lambda row: row["fold"]))
    told = faults(write(tmp_path, [*content, content[0] | {"seed": 2}]))
    assert "test 4 to 5 of the 12 cases each, and share hardly any case" in told
    full = list(as_seeds(rows(repeats=(0,), seeds=(0, 1)), lambda row: row["seed"]))
    gaps = [row for row in full if row["seed"] == 0 or int(str(row["case"])[1:]) < 4]
    assert "arm a, seed 1 lacks 8 of the 12 test cases" in faults(write(tmp_path, gaps))
