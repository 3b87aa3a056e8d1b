"""The luck of the winner."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from scantrial.analysis.selection import expected_maximum, expected_optimism, mean_scorer, score_of_winner
from scantrial.core.errors import InputError, ShapeError


class TestExpectedMaximum:
    """The mean of the largest of n normal numbers."""

    @pytest.mark.parametrize(
        ("n", "value"), [(2, 0.5642), (3, 0.8463), (5, 1.1630), (10, 1.5388), (20, 1.8675), (50, 2.2491)]
    )
    def test_published_table(self, n, value):
        """Tippett (1925), Harter (1961): to four places."""
        assert expected_maximum(n) == pytest.approx(value, abs=5e-5)

    @pytest.mark.parametrize(
        ("n", "value"),
        [
            (1, 0.0),
            (2, 1 / math.sqrt(math.pi)),
            (3, 1.5 / math.sqrt(math.pi)),
            (4, 6 / math.pi**1.5 * math.atan(math.sqrt(2))),
            (5, 5 / (2 * math.sqrt(math.pi)) * (6 / math.pi * math.atan(math.sqrt(2)) - 1)),
        ],
    )
    def test_closed_forms(self, n, value):
        """Up to five there are formulas."""
        assert expected_maximum(n) == pytest.approx(value, abs=1e-9)

    def test_a_great_many(self):
        """A million: 4.8629, as the asymptotic expansion has it; it rises with n."""
        gumbel = math.sqrt(2 * math.log(1e6))
        rough = gumbel - (math.log(math.log(1e6)) + math.log(4 * math.pi)) / (2 * gumbel) + 0.5772156649 / gumbel
        assert expected_maximum(10**6) == pytest.approx(rough, abs=0.02)

    def test_the_best_of_none_is_refused(self):
        """There has to be one."""
        with pytest.raises(InputError, match="the best of 0"):
            expected_maximum(0)


class TestOptimism:
    """By how much the best is too good."""

    def test_the_example(self):
        """A standard error of 2 points and 20 epochs: up to 3.7 points."""
        assert expected_optimism(0.02, 20) == pytest.approx(0.0373, abs=5e-5)

    def test_correlation(self):
        """Scores that go together leave less to choose from, and equal ones nothing."""
        assert expected_optimism(0.02, 20, correlation=0.75) == pytest.approx(expected_optimism(0.02, 20) / 2)
        assert expected_optimism(0.02, 20, correlation=1) == 0

    @pytest.mark.parametrize(("se", "correlation"), [(-1, 0), (math.nan, 0), (1, -0.1), (1, 1.1)])
    def test_refused(self, se, correlation):
        """No negative standard error, no correlation beyond 0 to 1."""
        with pytest.raises(InputError, match="a correlation from 0 to 1"):
            expected_optimism(se, 2, correlation=correlation)


class TestWinner:
    """Bootstrap bias correction."""

    def noise(self, n_arms=20, n_cases=200, share=0.8, seed=0):
        return np.random.default_rng(seed).random((n_arms, n_cases)) < share

    def test_of_equal_arms_the_winner_loses_its_luck(self):
        """20 arms that are right 80 % of the time: on average the best looks better, and corrected it does not.

        The corrected score scatters by .02 from one set of cases to the next: a mean over 12 by .006.
        """
        found = [
            score_of_winner(mean_scorer(self.noise(seed=seed)), n_cases=200, seed=1, n_resamples=60)
            for seed in range(12)
        ]
        assert np.mean([each.apparent for each in found]) > 0.84
        assert np.mean([each.corrected for each in found]) == pytest.approx(0.8, abs=0.018)
        assert found[0].optimism == found[0].apparent - found[0].corrected
        assert sum(found[0].share_won) == pytest.approx(1)

    def test_an_arm_that_is_far_ahead_keeps_its_score(self):
        """Where there is nothing to choose there is no luck to correct."""
        table = np.vstack([np.tile([1, 1, 1, 1, 0], 40), np.zeros(200)])
        found = score_of_winner(mean_scorer(table), n_cases=200, seed=1)
        assert (found.winner, found.share_won) == (0, (1.0, 0.0))
        assert found.corrected == pytest.approx(found.apparent, abs=0.005)

    def test_the_order_of_the_arms_does_not_matter(self):
        """Arms that are equal inside share; copies of one arm change nothing."""
        table = self.noise(5)
        forth, back, twice = (
            score_of_winner(mean_scorer(each), n_cases=200, seed=1, n_resamples=200)
            for each in (table, table[::-1], np.vstack([table, table]))
        )
        assert forth.corrected == pytest.approx(back.corrected, abs=1e-12)
        assert forth.corrected == pytest.approx(twice.corrected, abs=1e-12)
        assert forth.share_won == pytest.approx(back.share_won[::-1])

    def test_the_seed_decides(self):
        """The same seed gives the same number, another one another."""
        first, again, other = (
            score_of_winner(mean_scorer(self.noise()), n_cases=200, seed=seed, n_resamples=50).corrected
            for seed in (1, 1, 2)
        )
        assert first == again != other

    def test_patients_are_drawn_whole(self):
        """No case of a patient who was drawn is among those left out."""
        patients = np.array(["b", "a", "b", "c", "a", "c"])
        seen: list[set[str]] = []

        def scorer(cases):
            seen.append(set(patients[cases]))
            assert all(
                (cases == case).sum() == (cases == other).sum()
                for case in cases
                for other in cases
                if patients[case] == patients[other]
            )
            return np.zeros(2)

        found = score_of_winner(scorer, n_cases=6, seed=1, patients=patients, n_resamples=40)
        inside, outside = seen[1::2], seen[2::2]
        assert all(not a & b and a | b == {"a", "b", "c"} for a, b in zip(inside, outside, strict=True))
        assert found.n_used + found.n_skipped == 40
        assert found.n_skipped > 0

    def test_resamples_without_a_score_are_skipped_and_counted(self):
        """A score that one class cannot give leaves the resample out."""
        y = np.array([1] + [0] * 9)

        def scorer(cases):
            return np.array([0.5, 0.6]) if y[cases].any() else np.full(2, np.nan)

        found = score_of_winner(scorer, n_cases=10, seed=1, n_resamples=100)
        assert (found.n_used, found.n_skipped) == (0, 100)
        assert found.reason == "no resample has a score both on the cases drawn and on the cases left out"
        assert found.apparent == 0.6
        json.dumps(found.to_dict(), allow_nan=False)

    def test_one_case(self):
        """It is drawn every time, and nothing is left out."""
        found = score_of_winner(mean_scorer([[1.0]]), n_cases=1, seed=1, n_resamples=5)
        assert (found.n_skipped, found.reason) == (
            5,
            "no resample has a score both on the cases drawn and on the cases left out",
        )

    def test_an_arm_without_a_score(self):
        """It is told, not passed over."""
        found = score_of_winner(lambda cases: np.array([0.5, np.nan]), n_cases=5, seed=1)
        assert found.reason == "an arm has no score on these cases"
        assert (found.winner, found.apparent) == (0, 0.5)

    def test_refused(self):
        """No case, patients of another number, tables that are none."""
        with pytest.raises(InputError, match="0 cases"):
            score_of_winner(mean_scorer(np.zeros((2, 0))), n_cases=0, seed=1)
        with pytest.raises(ShapeError, match=r"patients of shape \(3,\) for 2 cases"):
            score_of_winner(mean_scorer(np.zeros((2, 2))), n_cases=2, seed=1, patients=np.arange(3))
        with pytest.raises(ShapeError, match=r"scores of shape \(2,\)"):
            mean_scorer(np.zeros(2))
        with pytest.raises(ShapeError, match=r"one for each arm"):
            score_of_winner(lambda cases: np.zeros((2, 2)), n_cases=2, seed=1)
