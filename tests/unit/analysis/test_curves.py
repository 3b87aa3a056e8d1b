"""Aggregates of learning curves: means without the first epochs, values at the end of each round."""

from __future__ import annotations

import math

import pytest

from scantrial.analysis.curves import (
    SKIPPED_EPOCHS,
    curve_aggregates,
    paired_means,
)
from scantrial.core.errors import InputError
from scantrial.core.records import EpochRecord


def history(n_rounds: int, epochs: int) -> list[EpochRecord]:
    """Epoch t has train loss t, train accuracy t / 100, validation loss 2 t, validation accuracy t / 200."""
    return [
        EpochRecord(
            round=(t - 1) // epochs + 1,
            epoch=t,
            lr=1e-3,
            train_loss=float(t),
            train_accuracy=t / 100,
            val_loss=2.0 * t,
            val_accuracy=t / 200,
        )
        for t in range(1, n_rounds * epochs + 1)
    ]


def test_the_reports_leave_out_three_epochs():
    """Without saying otherwise, the mean of epochs 1 to 6 is that of 4, 5 and 6."""
    assert SKIPPED_EPOCHS == 3
    whole = curve_aggregates(history(1, 6)).whole
    assert whole.skipped == 3
    assert whole.mean.train_loss == pytest.approx(5)
    assert whole.mean.train_accuracy == pytest.approx(0.05)
    assert whole.mean.val_loss == pytest.approx(10)
    assert whole.mean.val_accuracy == pytest.approx(0.025)


def test_each_round_has_its_own_mean_and_end():
    """In rounds of 4 epochs the first epochs are left out in each; over the whole run they are left out once."""
    found = curve_aggregates(history(3, 4), skip=2)
    assert [stretch.mean.train_loss for stretch in found.rounds] == [3.5, 7.5, 11.5]
    assert [stretch.at_end.train_loss for stretch in found.rounds] == [4, 8, 12]
    assert [(stretch.first_epoch, stretch.last_epoch) for stretch in found.rounds] == [(1, 4), (5, 8), (9, 12)]
    assert found.whole.mean.train_loss == pytest.approx(7.5)  # mean of 3 to 12
    assert found.whole.at_end == found.rounds[-1].at_end


def test_one_round_is_the_whole_run():
    """With one round its aggregates are those of the whole run."""
    found = curve_aggregates(history(1, 5))
    assert found.rounds[0].mean == found.whole.mean


def test_nothing_left_to_average_is_nan():
    """If all epochs are left out there is no mean, but still a value at the end."""
    whole = curve_aggregates(history(1, 3)).whole
    assert math.isnan(whole.mean.val_accuracy)
    assert whole.at_end.train_loss == 3


def test_no_epoch_and_a_negative_skip_are_refused():
    """There is no curve of no epochs, and no skipping backwards."""
    with pytest.raises(InputError, match="without an epoch"):
        curve_aggregates([])
    with pytest.raises(InputError, match="skip = -1"):
        curve_aggregates(history(1, 3), skip=-1)


def test_to_dict_is_plain():
    """The record becomes plain data, rounds in order."""
    plain = curve_aggregates(history(2, 4)).to_dict()
    assert [stretch["round"] for stretch in plain["rounds"]] == [1, 2]
    assert plain["whole"]["round"] is None


def test_means_are_paired_over_seeds_as_scipy_does():
    """The t-test and its interval are SciPy's for paired samples; seeds that one arm lacks are left out."""
    from scipy.stats import ttest_rel

    first, second = {0: 0.93, 1: 0.95, 2: 0.94, 7: 0.5}, {0: 0.91, 1: 0.94, 2: 0.90, 9: 0.1, 7: float("nan")}
    found = paired_means(first, second)
    expected = ttest_rel([0.93, 0.95, 0.94], [0.91, 0.94, 0.90])
    assert found is not None
    assert found.n_seeds == 3
    assert found.p == pytest.approx(expected.pvalue)
    interval = expected.confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))


def test_paired_means_need_two_seeds_and_a_spread():
    """One shared seed gives nothing; equal differences have no p, and no difference has p = 1."""
    assert paired_means({0: 0.9}, {0: 0.8, 1: 0.7}) is None
    same = paired_means({0: 0.9, 1: 0.8}, {0: 0.9, 1: 0.8})
    assert same is not None
    assert same.p == 1
    apart = paired_means({0: 0.75, 1: 0.5}, {0: 0.5, 1: 0.25})
    assert apart is not None
    assert apart.to_dict()["p"] is None
