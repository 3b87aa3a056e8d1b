"""How a cross-validation uses its cases, and which run is which."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from scantrial.core.errors import DamagedError
from scantrial.core.fold_table import FoldTable
from scantrial.core.run_key import RunKey
from scantrial.store.tables import fold_columns, read_fold_table, write_table


def table(test, val) -> FoldTable:
    return FoldTable(n_folds=3, test=np.array(test).reshape(-1, 1), val=np.array(val).reshape(-1, 1))


def test_the_parts_of_a_fold():
    """A bit of `val` is a fold that a case validates; it trains where it neither tests nor validates."""
    found = table([0, 1, 2, 2], [0b010, 0b101, 0, 0b001])
    assert [found.parts(0, fold).tolist() for fold in range(3)] == [
        ["test", "val", "train", "val"],
        ["val", "test", "train", "train"],
        ["train", "val", "test", "test"],
    ]
    assert list(found.places) == [(0, 0), (0, 1), (0, 2)]


@pytest.mark.parametrize(
    ("test", "val", "fault"),
    [
        ([0, 1], [0, 0], None),
        ([0, 3], [0, 0], "a fold is not one of 0 to 2"),
        ([0, 1], [0, 0b1000], "a case validates a fold that is not one of 0 to 2"),
        ([0, 1], [0b001, 0], "a case is tested and used for validation by the same fold"),
    ],
)
def test_what_cannot_be_in_a_table(test, val, fault):
    assert table(test, val).fault() == fault


@pytest.mark.parametrize("key", [RunKey("a", 3), RunKey("a", 0, 1, 4)])
def test_a_run_is_known_by_its_folder_and_as_plain_data(key):
    assert RunKey.of_folder("a", key.folder_name) == key
    assert RunKey.from_dict({**key.to_dict(), "epoch": 1}) == key


@pytest.mark.parametrize("name", ["seed-01", "seed-", "seed-1-repeat-0", "seed-1-repeat-0-fold-01", "seed-1" * 90])
def test_other_folders_are_no_runs(name):
    assert RunKey.of_folder("a", name) is None


def test_every_fold_draws_anew():
    """A lucky start in one fold is none in the others; with one test set the seed is the seed."""
    drawn = {RunKey("a", 0, repeat, fold).drawn_seed for repeat in range(2) for fold in range(5)}
    assert len(drawn) == 10
    assert RunKey("a", 7).drawn_seed == 7
    assert RunKey("a", 0, 0, 0).drawn_seed == RunKey("b", 0, 0, 0).drawn_seed


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda table: table.drop_columns(["repeat_1_val"]), "0 columns 'repeat_1_val'"),
        (lambda table: with_values(table, "repeat_0_test", 3), "a fold is not one of 0 to 2"),
        (lambda table: with_values(table, "repeat_0_val", None), "a case is in no fold"),
    ],
)
def test_a_stored_table_that_cannot_be_is_damaged(tmp_path, change, fault):
    """What was written comes back; a column that is missing, out of range or empty is named."""
    folds = FoldTable(n_folds=3, test=np.array([[0, 1], [1, 2], [2, 0]]), val=np.array([[2, 1], [0, 0], [1, 6]]))
    table = pa.table(fold_columns(folds, slice(None)))
    places = list(folds.places)
    write_table(table, tmp_path / "cases.parquet")
    back = read_fold_table(tmp_path / "cases.parquet", places)
    assert (back.n_folds, back.test.tolist(), back.val.tolist()) == (3, folds.test.tolist(), folds.val.tolist())
    write_table(change(table), tmp_path / "cases.parquet")
    with pytest.raises(DamagedError, match=fault):
        read_fold_table(tmp_path / "cases.parquet", places)


def with_values(table, name, value):
    return table.set_column(table.column_names.index(name), name, pa.array([value] * len(table), pa.int64()))
