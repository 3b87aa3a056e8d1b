"""Power of the verdict where training has no luck, by normal theory; `test_power.py` has what simulations say."""

from __future__ import annotations

import pytest
from scipy import stats

from scantrial.analysis.verdict_power import VerdictTest


@pytest.mark.parametrize(("over_cases", "se"), [(1e-4, 0.01), (4e-4, 0.02), (1e-6, 0.01)])
def test_without_luck_of_training_the_normal_decides(over_cases, se):
    """Every seed gives the same difference, whose standard error is 0.01; a test looks at the larger of two of them."""
    planned = VerdictTest(n_seeds=5, over_seeds=0.0, shared=1e-4, over_cases=over_cases)
    above, below = (0.03 - 1.959964 * se) / 0.01, (-0.03 - 1.959964 * se) / 0.01
    expected = stats.norm.cdf(above) + stats.norm.cdf(below)
    assert planned.power(0.03, alpha=0.05) == pytest.approx(expected, abs=1e-6)
    # Beyond the critical value a difference is found, and not called equivalent.
    room = min(0.05 - 1.644854 * se, 1.959964 * se) / 0.01
    assert planned.power_of_equivalence(0.05, alpha=0.05) == pytest.approx(2 * stats.norm.cdf(room) - 1, abs=1e-6)


def test_a_little_luck_of_training_changes_little():
    """Where it is a millionth of the variance, the power is that without any."""
    none, little = (VerdictTest(n_seeds=5, over_seeds=v, shared=1e-4, over_cases=1e-4) for v in (0.0, 5e-10))
    assert little.power(0.03, alpha=0.05) == pytest.approx(none.power(0.03, alpha=0.05), abs=1e-4)
