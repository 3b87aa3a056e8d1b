"""Checkpoints: resuming to the last bit, and what becomes of a file that cannot be used."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch
from pydantic import create_model

from scantrial.core.errors import StoreError
from scantrial.core.records import RunResult
from scantrial.recipe.spec import Recipe
from scantrial.train.checkpoint import load_checkpoint
from scantrial.train.reference import train_run

# Dropout draws from PyTorch's generator, batch norm has buffers, rounds and schedule have positions.
FULL = {"model": "mlp-64x3", "epochs": 2, "rounds": 3, "schedule": {"name": "cosine", "warmup_epochs": 1}}


class Stopped(Exception):
    """Raised from `tell`, as when a run is killed."""


def stop_at(epoch: int):
    def tell(record, n_epochs):
        if record.epoch == epoch:
            raise Stopped

    return tell


def never(record, n_epochs):
    """Go on."""


def assert_same(one: RunResult, other: RunResult) -> None:
    """History, choice, weights and predictions to the last bit."""
    assert one.history == other.history
    assert one.facts.chosen_epoch == other.facts.chosen_epoch
    assert list(one.weights) == list(other.weights)
    for name, array in one.weights.items():
        np.testing.assert_array_equal(array, other.weights[name])
    for left, right in zip(one.predictions, other.predictions, strict=True):
        np.testing.assert_array_equal(left.logits, right.logits)
        np.testing.assert_array_equal(left.y_prob, right.y_prob)


def test_all_keys_together_survive_a_stop_after_any_epoch(make_task):
    """Averaged weights, scores for early stopping, groups of weights and draws of cases: the same bits."""
    keys = {
        "model": "mlp-64x3",
        "optimizer": {"name": "adamw", "lr": 0.05, "weight_decay_on": "weights", "layer_decay": 0.7},
        "schedule": "one-cycle",
        "sampling": "oversampled",
        "accumulate": 2,
        "ema": 0.8,
        "early_stopping": {"patience": 2, "min_delta": 0.01},
        "precision": "bf16",
        "clip_grad_norm": 1.0,
        "epochs": 6,
        "rounds": 2,
    }
    whole = train_run(make_task(**keys), never)
    n = whole.facts.n_epochs
    assert 3 < n < 12
    chained = make_task(**keys, task={"checkpoint_every_s": 0})
    for epoch in range(1, n + 1):
        with pytest.raises(Stopped):
            train_run(chained, stop_at(epoch))
    assert_same(train_run(chained, never), whole)


@pytest.mark.parametrize("optimizer", ["adam", {"name": "sgd", "lr": 0.05, "momentum": 0.9}], ids=["adam", "sgd"])
def test_a_run_stopped_at_any_epoch_ends_as_if_it_had_not_been(make_task, optimizer):
    """Stopped once after each epoch, in one chain of resumptions and alone: the same bits."""
    keep = {"checkpoint_every_s": 0}
    whole = train_run(make_task(**FULL, optimizer=optimizer), never)
    chained = make_task(**FULL, optimizer=optimizer, task=keep)
    for epoch in range(1, 7):
        with pytest.raises(Stopped):
            train_run(chained, stop_at(epoch))
    assert_same(train_run(chained, never), whole)
    for epoch in (1, 2, 5):
        chained.checkpoint_path.unlink()
        with pytest.raises(Stopped):
            train_run(chained, stop_at(epoch))
        assert_same(train_run(chained, never), whole)


def test_only_the_epochs_left_are_trained(make_task):
    """A resumed run tells the epochs after its checkpoint and no others."""
    task = make_task(**FULL, task={"checkpoint_every_s": 0})
    with pytest.raises(Stopped):
        train_run(task, stop_at(4))
    told = []
    train_run(task, lambda record, n_epochs: told.append(record.epoch))
    assert told == [5, 6]


def test_times_add_up_over_resumptions(make_task):
    """Start, training time and total span all attempts."""
    task = make_task(**FULL, task={"checkpoint_every_s": 0})
    with pytest.raises(Stopped):
        train_run(task, stop_at(5))
    content = load_checkpoint(task, engine="reference")
    times = train_run(task, never).facts.times
    assert times["started"] == content["started"]
    assert times["train_s"] > sum(content["epoch_s"])
    assert times["total_s"] > content["spent_s"] >= sum(content["epoch_s"])


def test_a_diverged_run_is_not_trained_on(make_task):
    """Its checkpoint says that it is over."""
    task = make_task(loss="ce", epochs=4, optimizer={"name": "sgd", "lr": 1e30}, task={"checkpoint_every_s": 0})
    with pytest.raises(Stopped):
        train_run(task, stop_at(1))
    told = []
    result = train_run(task, lambda record, n_epochs: told.append(record))
    assert told == []
    assert (result.facts.status, result.facts.diverged_epoch) == ("diverged", 1)


def test_checkpoints_keep_their_distance(make_task, monkeypatch):
    """Written when the time is up, at an epoch's end, and not before."""
    from scantrial.train import run

    written = []
    monkeypatch.setattr(run, "save_checkpoint", lambda state, task, engine, spent_s: written.append(len(state.history)))
    train_run(make_task(epochs=3, task={"checkpoint_every_s": 1e9}), never)
    assert written == []
    train_run(make_task(epochs=3, task={"checkpoint_every_s": 0}), never)
    assert written == [1, 2, 3]


def half(data: bytes) -> bytes:
    return data[: len(data) // 2]


def flipped(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]


@pytest.mark.parametrize(
    "damage",
    [half, flipped, lambda data: b"", lambda data: b"not a checkpoint" * 9, lambda data: data[:-1]],
    ids=["half", "one bit", "empty", "text", "one byte short"],
)
def test_a_damaged_checkpoint_is_thrown_away(make_task, damage):
    """The run starts anew and ends with the same bits; even one flipped bit among the weights is noticed."""
    task = make_task(**FULL, task={"checkpoint_every_s": 0})
    whole = train_run(make_task(**FULL), never)
    with pytest.raises(Stopped):
        train_run(task, stop_at(3))
    path: Path = task.checkpoint_path
    path.write_bytes(damage(path.read_bytes()))
    told = []
    assert_same(train_run(task, lambda record, n_epochs: told.append(record.epoch)), whole)
    assert told == [1, 2, 3, 4, 5, 6]


def test_a_checkpoint_is_taken_up_by_a_recipe_with_a_later_key(make_task):
    """A key that came since changes nothing at its default; at another value the run starts anew."""
    task = make_task(**FULL, task={"checkpoint_every_s": 0})
    with pytest.raises(Stopped):
        train_run(task, stop_at(2))
    later = create_model("Later", __base__=Recipe, warp=(Literal["none", "flip"], "none"))
    recipe = later.model_validate(task.recipe.to_dict())
    assert load_checkpoint(replace(task, recipe=recipe), engine="reference")["history"][-1]["epoch"] == 2
    flipped = recipe.model_copy(update={"warp": "flip"})
    assert load_checkpoint(replace(task, recipe=flipped), engine="reference") is None


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 4},
        {"arm": "other"},
        {"threads": 2},
        {"where": "another machine, version or code"},
        {"labels": np.arange(80)[::-1] % 2},
        {"recipe": Recipe.model_validate({"model": "mlp-32x3", "epochs": 3})},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_checkpoint_of_another_run_is_not_taken_up(make_task, change):
    """Another seed, arm, number of threads, labels, recipe or place: the file does not belong to this run."""
    task = make_task(**FULL, task={"checkpoint_every_s": 0})
    with pytest.raises(Stopped):
        train_run(task, stop_at(2))
    assert load_checkpoint(task, engine="reference")["history"][-1]["epoch"] == 2
    assert load_checkpoint(replace(task, **change), engine="reference") is None
    assert not task.checkpoint_path.exists()


def test_no_code_is_run_on_loading(make_task, tmp_path):
    """A pickle that would run code is refused and thrown away: only tensors and plain data are loaded."""
    import hashlib
    import io

    class Evil:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "ran",))

    task = make_task()
    buffer = io.BytesIO()
    torch.save({"run": Evil()}, buffer)
    content = buffer.getvalue()
    task.checkpoint_path.write_bytes(content + hashlib.sha256(content).digest())
    assert load_checkpoint(task, engine="reference") is None
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("tail", [b"", b"x", b"PK"], ids=["alone", "prefix", "comment"])
def test_a_packed_checkpoint_is_not_unpacked(make_task, tail, monkeypatch):
    """A few bytes may unpack to any number: such an archive is thrown away before PyTorch reads it."""
    import hashlib
    import io
    import zipfile

    task, buffer, packed = make_task(), io.BytesIO(), io.BytesIO()
    torch.save({"run": torch.zeros(1_000_000)}, buffer)
    with (
        zipfile.ZipFile(buffer) as plain,
        zipfile.ZipFile(packed, "w", compression=zipfile.ZIP_DEFLATED) as archive,
    ):
        for entry in plain.infolist():
            archive.writestr(entry.filename, plain.read(entry))
        archive.comment = tail if tail == b"PK" else b""
    content = tail * (tail == b"x") + packed.getvalue()
    assert len(content) < 50_000
    monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("it was unpacked"))
    task.checkpoint_path.write_bytes(content + hashlib.sha256(content).digest())
    assert load_checkpoint(task, engine="reference") is None
    assert not task.checkpoint_path.exists()


@pytest.mark.parametrize("change", ["packed", "larger"])
def test_a_checkpoint_whose_table_says_otherwise_is_thrown_away(make_task, change, monkeypatch):
    """The archive as PyTorch writes it, but for one entry that is said to be packed, or larger than the file."""
    import hashlib
    import io
    import struct

    task, buffer = make_task(), io.BytesIO()
    torch.save({"run": torch.zeros(100)}, buffer)
    content = bytearray(buffer.getvalue())
    entry = content.index(b"PK\x01\x02")
    place, value = (
        (entry + 10, struct.pack("<H", 8)) if change == "packed" else (entry + 20, struct.pack("<II", 9999, 9999))
    )
    content[place : place + len(value)] = value
    monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("it was unpacked"))
    task.checkpoint_path.write_bytes(content + hashlib.sha256(content).digest())
    assert load_checkpoint(task, engine="reference") is None
    assert not task.checkpoint_path.exists()


def test_a_folder_that_cannot_be_written_is_named(make_task, tmp_path):
    """The error names the path; no half-written file is left."""
    (tmp_path / "file").write_text("in the way")
    task = make_task(task={"checkpoint_every_s": 0, "checkpoint_path": tmp_path / "file" / "checkpoint.pt"})
    with pytest.raises(StoreError, match="file"):
        train_run(task, never)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file"]


def test_a_full_disk_leaves_the_checkpoint_before(make_task, monkeypatch):
    """When writing fails, the old checkpoint stays whole and the next attempt goes on from it."""
    from scantrial.train import checkpoint

    task = make_task(**FULL, task={"checkpoint_every_s": 0})
    with pytest.raises(Stopped):
        train_run(task, stop_at(2))

    def fill(self, data):
        raise OSError(28, os.strerror(28))

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint._SealedWriter, "write", fill)
        with pytest.raises(StoreError, match="No space left on device"):
            train_run(task, never)
    assert load_checkpoint(task, engine="reference")["history"][-1]["epoch"] == 2
    assert [path.name for path in task.checkpoint_path.parent.iterdir()] == [task.checkpoint_path.name]
