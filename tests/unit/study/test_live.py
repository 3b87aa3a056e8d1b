"""The epochs of a running run, kept for those who watch it."""

from __future__ import annotations

from pathlib import Path

import pytest

from scantrial.core.records import EpochRecord
from scantrial.store.folder import RunKey, StudyFolder
from scantrial.study.live import LiveHistory

KEY = RunKey("base", 0)


def epoch(number: int, *, loss: float = 0.5) -> EpochRecord:
    return EpochRecord(
        round=1, epoch=number, lr=0.1, train_loss=loss, train_accuracy=0.7, val_loss=0.6, val_accuracy=0.65
    )


@pytest.fixture
def folder(tmp_path: Path) -> StudyFolder:
    return StudyFolder(tmp_path)


def test_every_epoch_is_there(folder):
    """In order."""
    live = LiveHistory(folder, KEY, every_s=0)
    for number in (1, 2, 3):
        live.note(epoch(number))
    assert [record.epoch for record in folder.live_history(KEY)] == [1, 2, 3]


def test_it_is_not_written_more_often_than_asked(folder, monkeypatch):
    """Many quick epochs cost one write."""
    written = []
    monkeypatch.setattr(folder, "write_live", lambda key, records: written.append(len(records)))
    live = LiveHistory(folder, KEY, every_s=3600)
    for number in range(1, 200):
        live.note(epoch(number))
    assert written == [1]


@pytest.mark.parametrize("name", ["checkpoint.pt", "checkpoint-1.pt"])
def test_a_checkpoint_is_followed_by_a_write(folder, name):
    """So that a run that goes on from it misses no epoch, however seldom it is written otherwise."""
    live = LiveHistory(folder, KEY, every_s=3600)
    for number in (1, 2, 3):
        live.note(epoch(number))
    assert [record.epoch for record in folder.live_history(KEY)] == [1]
    (folder.partial_path(KEY) / name).write_bytes(b"4")
    for number in (4, 5):
        live.note(epoch(number))
    assert [record.epoch for record in folder.live_history(KEY)] == [1, 2, 3, 4]


@pytest.mark.parametrize("resumed_at", [1, 3, 5])
def test_a_resumed_run_goes_on_where_its_checkpoint_was(folder, resumed_at):
    """Epochs from before the checkpoint stay, later ones are those of the new training, each once."""
    live = LiveHistory(folder, KEY, every_s=0)
    for number in range(1, 5):
        live.note(epoch(number, loss=0.5))
    again = LiveHistory(folder, KEY, every_s=0)
    for number in range(resumed_at, 7):
        again.note(epoch(number, loss=0.4))
    found = folder.live_history(KEY)
    assert [record.epoch for record in found] == list(range(1, 7))
    assert [record.train_loss for record in found] == [0.5] * (resumed_at - 1) + [0.4] * (7 - resumed_at)


def test_a_resumed_run_has_the_epochs_of_its_checkpoint(folder):
    """Those between the last write and a kill were not told by the process that trained them."""
    LiveHistory(folder, KEY, every_s=0).note(epoch(1))
    again = LiveHistory(folder, KEY, every_s=0)
    again.take_up([epoch(number) for number in range(1, 58)])
    again.note(epoch(58))
    assert [record.epoch for record in folder.live_history(KEY)] == list(range(1, 59))


def test_a_folder_that_cannot_be_written_stops_no_training(folder):
    """What counts is written elsewhere, and fails there."""
    folder.partial_path(KEY).parent.parent.mkdir(parents=True)
    folder.partial_path(KEY).parent.write_text("in the way")
    LiveHistory(folder, KEY, every_s=0).note(epoch(1))
    assert folder.live_history(KEY) == ()
