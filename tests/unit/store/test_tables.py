"""Parquet tables: equal bytes for equal content, rows only of the splits that were asked for."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.unit.store.conftest import MakeResult

from scantrial.core.errors import StoreError
from scantrial.core.records import EpochRecord
from scantrial.store.tables import (
    history_table,
    predictions_table,
    read_history,
    read_predictions,
    read_table,
    write_table,
)

CLASSES = ("well", "sick")


@pytest.fixture
def table() -> pa.Table:
    """Return numbers and words, enough of them that most of the file is content."""
    rng = np.random.default_rng(0)
    return pa.table({"case": np.arange(200), "x": rng.random(200), "split": ["val", "test"] * 100})


def test_a_table_comes_back_as_it_was(tmp_path: Path, table: pa.Table):
    """All columns, or the asked ones in the asked order."""
    write_table(table, tmp_path / "a.parquet")
    assert read_table(tmp_path / "a.parquet").equals(table)
    assert read_table(tmp_path / "a.parquet", ["x", "case"]).equals(table.select(["x", "case"]))


def test_equal_content_is_equal_bytes(tmp_path: Path, make_result: MakeResult):
    """History and predictions written twice, at different times, are the same files."""
    for name in ("a", "b"):
        result = make_result()
        write_table(history_table(result.history), tmp_path / f"history-{name}")
        write_table(predictions_table(result.predictions, CLASSES), tmp_path / f"predictions-{name}")
        time.sleep(0.01)
    for kind in ("history", "predictions"):
        assert (tmp_path / f"{kind}-a").read_bytes() == (tmp_path / f"{kind}-b").read_bytes()


def test_a_history_without_a_column_that_came_later_is_read(tmp_path: Path, make_result: MakeResult):
    """What an older version did not record is None; everything else is there."""
    history = make_result().history
    old = history_table(history).drop_columns(["last_grad_norm", "dead_units"])
    write_table(old, tmp_path / "history.parquet")
    found = read_history(tmp_path / "history.parquet")
    assert [record.val_loss for record in found] == [record.val_loss for record in history]
    assert {(record.last_grad_norm, record.dead_units) for record in found} == {(None, None)}


def test_a_failed_write_leaves_nothing(tmp_path: Path, table: pa.Table, monkeypatch):
    """Neither the file nor a half of it."""

    def fill_up(_table: pa.Table, where: Path, **_: object) -> None:
        where.write_bytes(b"PAR1")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pq, "write_table", fill_up)
    with pytest.raises(StoreError, match=r"a\.parquet: No space left") as caught:
        write_table(table, tmp_path / "a.parquet")
    assert "free some space" in str(caught.value.do)
    assert list(tmp_path.iterdir()) == []


class TestDamage:
    """A file that is not what was written is refused."""

    def test_missing(self, tmp_path: Path):
        """The message says so; it is not called damaged."""
        with pytest.raises(StoreError, match=r"a\.parquet: No such file"):
            read_table(tmp_path / "a.parquet")

    @pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.9, 0.999])
    def test_cut_off(self, tmp_path: Path, table: pa.Table, share: float):
        """However much is left of it."""
        path = tmp_path / "a.parquet"
        write_table(table, path)
        path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
        with pytest.raises(StoreError, match="is damaged"):
            read_table(path)

    @pytest.mark.parametrize(
        ("where", "advice"),
        [
            ("runs/base/seed-0", "run the study again: it sets {} aside and trains this run anew"),
            (".", "restore it from a copy, or run the study into a new folder"),
        ],
    )
    def test_the_way_out_is_never_to_delete_the_study(self, tmp_path: Path, where: str, advice: str):
        """A run can be trained again, so its folder may go; what lies beside ``plan.json`` may not."""
        path = tmp_path / where / "a.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"PAR1")
        with pytest.raises(StoreError, match="is damaged") as caught:
            read_table(path)
        assert caught.value.do == advice.format(path.parent)

    def test_a_flipped_bit_in_the_content(self, tmp_path: Path, table: pa.Table):
        """A bit of a page that turned over is noticed by its checksum: no wrong number is handed out."""
        path = tmp_path / "a.parquet"
        write_table(table, path)
        good = path.read_bytes()
        n_noticed = 0
        for position in range(4, len(good) - 700, 29):
            spoilt = bytearray(good)
            spoilt[position] ^= 0x10
            path.write_bytes(spoilt)
            try:
                assert read_table(path).equals(table), f"byte {position} changed the content unnoticed"
            except StoreError:
                n_noticed += 1
        assert n_noticed > 50

    @pytest.mark.parametrize("version", [None, b"2", b"one"])
    def test_another_version(self, tmp_path: Path, table: pa.Table, version: bytes | None):
        """A table without a version, or of another one, is not guessed at."""
        metadata = {} if version is None else {b"scantrial_schema_version": version}
        pq.write_table(table.replace_schema_metadata(metadata), tmp_path / "a.parquet")
        with pytest.raises(StoreError, match="has schema version"):
            read_table(tmp_path / "a.parquet")

    def test_no_parquet_at_all(self, tmp_path: Path):
        """A text under that name."""
        (tmp_path / "a.parquet").write_text("split,case\n" * 10)
        with pytest.raises(StoreError, match="is damaged"):
            read_table(tmp_path / "a.parquet")


class TestHistory:
    """One row an epoch."""

    def test_comes_back_as_it_was(self, tmp_path: Path, make_result: MakeResult):
        """Every number with all its digits; what was not recorded is None again."""
        history = make_result().history
        write_table(history_table(history), tmp_path / "h.parquet")
        assert read_history(tmp_path / "h.parquet") == history

    def test_nothing_recorded_is_null_and_not_nan(self, tmp_path: Path, make_result: MakeResult):
        """A loss that was no number stays NaN; a loss that was not recorded is null."""
        record = make_result().history[0]
        odd = EpochRecord(**{**{name: getattr(record, name) for name in record.__slots__}, "val_loss": float("nan")})
        write_table(history_table([odd]), tmp_path / "h.parquet")
        column = read_table(tmp_path / "h.parquet")
        assert column["grad_norm"].null_count == 1
        assert column["val_loss"].null_count == 0
        assert np.isnan(read_history(tmp_path / "h.parquet")[0].val_loss)

    def test_no_epoch(self, tmp_path: Path):
        """A run that diverged at once has an empty table with the same columns."""
        write_table(history_table([]), tmp_path / "h.parquet")
        assert read_history(tmp_path / "h.parquet") == ()


class TestPredictions:
    """One row for each case of each split."""

    def test_columns(self, make_result: MakeResult):
        """Split, case, label, the network's outputs in float32, one probability for each class in float64."""
        table = predictions_table(make_result().predictions, CLASSES)
        assert table.column_names == ["split", "case", "label", "logit_sick", "p_well", "p_sick"]
        assert table.schema.field("logit_sick").type == pa.float32()
        assert table.schema.field("p_sick").type == pa.float64()
        assert len(table) == 8

    def test_come_back_as_they_were_in_the_asked_order(self, tmp_path: Path, make_result: MakeResult):
        """To the last bit."""
        parts = make_result().predictions
        write_table(predictions_table(parts, CLASSES), tmp_path / "p.parquet")
        read = read_predictions(tmp_path / "p.parquet", ["test", "train"], CLASSES)
        assert [part.split for part in read] == ["test", "train"]
        for part, expected in zip(read, (parts[2], parts[0]), strict=True):
            assert part.output_names == expected.output_names
            for name in ("cases", "y_true", "logits", "y_prob"):
                np.testing.assert_array_equal(getattr(part, name), getattr(expected, name), strict=True)

    @pytest.mark.parametrize("splits", [["val"], ["train", "val"], []])
    def test_rows_of_other_splits_are_not_handed_out(self, tmp_path: Path, make_result: MakeResult, splits):
        """Who asks for validation rows holds no test row."""
        write_table(predictions_table(make_result().predictions, CLASSES), tmp_path / "p.parquet")
        read = read_predictions(tmp_path / "p.parquet", splits, CLASSES)
        assert [part.split for part in read] == splits
        assert not {3, 6, 7} & {int(case) for part in read for case in part.cases}

    def test_of_a_run_that_could_not_be_evaluated(self, tmp_path: Path):
        """No predictions: a table without rows, from which nothing is read."""
        write_table(predictions_table([], CLASSES), tmp_path / "p.parquet")
        assert read_predictions(tmp_path / "p.parquet", ["val"], CLASSES) == ()
