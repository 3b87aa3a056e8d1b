"""The curves of runs that still train."""

from __future__ import annotations

import pytest

from scantrial.core.records import EpochRecord
from scantrial.findings.watching import network_in_training


@pytest.mark.parametrize(("told", "kept"), [(0, []), (3, [1, 2, 3]), (4, [1]), (9, [1, 2, 3])])
def test_of_an_ensemble_the_network_in_training_is_shown(told, kept):
    """Three epochs each: curves of several networks, one behind the other, would be no learning curve."""
    history = [
        EpochRecord(round=1, epoch=n, lr=0.1, train_loss=n, train_accuracy=0.5, val_loss=1.0, val_accuracy=0.5)
        for n in range(1, told + 1)
    ]
    found = network_in_training(history, n_epochs=3)
    assert [record.epoch for record in found] == kept
    assert [record.train_loss for record in found] == list(range(told - len(kept) + 1, told + 1))
