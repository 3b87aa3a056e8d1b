"""What a trial can show: power, the smallest difference it can see, and what it would take to see a smaller one.

Everything follows from three numbers that a pilot, or an assumption, gives: how much the difference between two arms
varies from seed to seed, and how much two runs share over the cases. Power is that of the verdict, which needs three
tests to agree, or of one of these tests by the formulas of Hillis, Obuchowski and Berbaum (2011), with networks in
place of readers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import scipy

from scantrial.analysis.mrmc import Components
from scantrial.analysis.verdict_power import VerdictTest
from scantrial.core.errors import InputError
from scantrial.core.format import percent
from scantrial.core.plain import LEFT_OUT, Plain

Test = Literal["verdict", "seeds and cases", "cases only", "seeds only"]
"""What has to find a difference: the verdict, that is all three of the others, or one of them."""

MAX_SEEDS = 50
MAX_CASES_FACTOR = 100
"""How far a search for enough seeds, or for enough cases (times those at hand), goes."""

POWER = 0.80
"""A difference counts as one that a design can show if it is found with this probability."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Variances(Plain):
    """What a plan is made from, for the difference between two arms.

    Parameters
    ----------
    n_cases : cases that the covariances are of; those of a planned set scale with ``n_cases / planned``
    var_arm_seed : variance of an arm's metric from seed to seed, beyond what a seed does to all arms
    error : variance of one run's metric over samples of cases, less what two arms share at one seed (``- Cov1``)
    excess : what two trainings of one arm share over cases beyond what two arms share (``max(Cov2 - Cov3, 0)``)
    source : where the numbers are from, in words
    area : mean AUROC where that is the metric, else None
    """

    n_cases: int
    var_arm_seed: float
    error: float
    excess: float
    source: str
    area: float | None = field(default=None, metadata=LEFT_OUT)

    def __post_init__(self) -> None:
        if self.n_cases < 2 or min(self.var_arm_seed, self.error, self.excess) < 0 or self.error < self.excess:
            raise InputError(
                f"{self.n_cases} cases, variances {self.var_arm_seed:g}, {self.error:g}, {self.excess:g}",
                expected="two cases or more, variances of 0 or more, and an error of at least the excess",
            )

    def on(self, n_cases: int) -> Variances:
        """Return what they would be on another number of cases of the same kind."""
        k = self.n_cases / n_cases
        return replace(self, n_cases=n_cases, error=k * self.error, excess=k * self.excess)


def from_components(
    found: Components, *, source: str, ms_arm_seed: float | None = None, area: float | None = None
) -> Variances:
    """Take the variances of a study that has run as a pilot.

    `ms_arm_seed` replaces the mean square of arms and seeds, for its uncertainty (see `cautious`). `area` is the mean
    AUROC where that is the metric.
    """
    ms = found.ms_arm_seed if ms_arm_seed is None else ms_arm_seed
    error = max(found.var_error - found.cov1, found.excess)
    return Variances(
        n_cases=found.n_cases,
        var_arm_seed=max(ms - found.var_error + found.cov1 + found.excess, 0.0),
        error=error,
        excess=found.excess,
        source=source,
        area=area,
    )


def mean_area(metric: str, values: Sequence[float]) -> float | None:
    """Return the mean of some arms' or runs' AUROC; None for another metric."""
    return sum(values) / len(values) if metric == "auroc" else None


def cautious(found: Components, *, source: str, area: float | None = None) -> Variances:
    """Take a pilot with its mean square at the upper 80 % limit, for a pilot's variance is uncertain (Browne 1995)."""
    df = found.n_seeds - 1
    upper = found.ms_arm_seed * df / float(scipy.stats.chi2.ppf(0.20, df))
    return from_components(found, source=source, ms_arm_seed=upper, area=area)


def assumed(
    *,
    n_cases: int,
    value: float,
    disagreement: float,
    sd_training: float,
    shared: float = 0.5,
    n_independent: float | None = None,
) -> Variances:
    """Make variances for a proportion such as accuracy from plain assumptions, before anything has run.

    Two arms that each decide a share `value` of cases rightly and disagree on a share `disagreement` have a difference
    with variance ``disagreement / n`` over cases for one pair of runs; `shared` of it stays when both are trained
    again, for two trainings of an arm make similar mistakes.

    Parameters
    ----------
    value : in (0, 1), the expected proportion
    disagreement : share of cases on which one run of an arm is right and one of the other wrong; at most
        ``2 min(value, 1 - value)``
    sd_training : standard deviation over seeds of an arm's proportion on infinitely many cases
    shared : in [0, 1], default 0.5; the value if two trainings of one arm disagree on half as many cases as two arms do
    n_independent : independent cases that the proportion rests on, where those are not all `n_cases`: one class's, or
        fewer because patients have several

    Raises
    ------
    InputError
        If a number is out of its range.
    """
    _refuse_impossible(
        n_cases,
        "value in (0, 1), disagreement in (0, 2 min(value, 1 - value)], sd_training in [0, 1), shared in [0, 1]",
        value=(value, 0 < value < 1),
        disagreement=(disagreement, 0 < disagreement <= 2 * min(value, 1 - value) + 1e-12),
        sd_training=(sd_training, 0 <= sd_training < 1),
        shared=(shared, 0 <= shared <= 1),
    )
    error = disagreement / (2 * (n_cases if n_independent is None else n_independent))
    return Variances(
        n_cases=n_cases,
        var_arm_seed=sd_training**2,
        error=error,
        excess=shared * error,
        source=f"assumed: {percent(value)} of cases right, arms disagree on {percent(disagreement)} of cases, standard "
        f"deviation over seeds {100 * sd_training:g} points, {percent(shared)} of the variance over cases remains when "
        "both networks are trained again",
    )


def assumed_auroc(
    *,
    n_cases: int,
    n_positive: float,
    n_negative: float,
    value: float,
    correlation: float,
    sd_training: float,
    shared: float = 0.5,
) -> Variances:
    """Make variances for AUROC from plain assumptions, before anything has run.

    Variance over cases by Hanley and McNeil (1982),
    ``[A (1 - A) + (n1 - 1)(Q1 - A^2) + (n0 - 1)(Q2 - A^2)] / (n1 n0)`` with ``Q1 = A / (2 - A)`` and
    ``Q2 = 2 A^2 / (1 + A)``; a share `correlation` of it is common to two arms (Hanley and McNeil 1983).

    Parameters
    ----------
    n_positive, n_negative : independent cases of each kind
    value : in (0.5, 1), the expected AUROC
    correlation : in [0, 1), of the AUROCs of one run of each arm over samples of cases
    sd_training : standard deviation over seeds of an arm's AUROC on infinitely many cases
    shared : as in `assumed`

    Raises
    ------
    InputError
        If a number is out of its range.
    """
    _refuse_impossible(
        n_cases,
        "value in (0.5, 1), correlation in [0, 1), sd_training in [0, 1), shared in [0, 1]",
        value=(value, 0.5 < value < 1),
        correlation=(correlation, 0 <= correlation < 1),
        sd_training=(sd_training, 0 <= sd_training < 1),
        shared=(shared, 0 <= shared <= 1),
    )
    q1, q2, square = value / (2 - value), 2 * value**2 / (1 + value), value**2
    spread = value * (1 - value) + (n_positive - 1) * (q1 - square) + (n_negative - 1) * (q2 - square)
    error = (1 - correlation) * spread / (n_positive * n_negative)
    return Variances(
        n_cases=n_cases,
        var_arm_seed=sd_training**2,
        error=error,
        excess=shared * error,
        source=f"assumed: AUROC {value:g}, correlation {correlation:g} between arms over cases, "
        f"standard deviation over seeds {sd_training:g}, {percent(shared)} of the variance over cases remains when "
        "both networks are trained again",
        area=value,
    )


def _refuse_impossible(n_cases: int, expected: str, **numbers: tuple[float, bool]) -> None:
    faults = [f"{name} {number:g}" for name, (number, good) in numbers.items() if not good]
    if n_cases < 2:
        faults.append(f"{n_cases} cases")
    if faults:
        raise InputError(f"impossible assumptions: {', '.join(faults)}", expected=expected)


def power(
    variances: Variances,
    difference: float,
    *,
    n_seeds: int,
    n_cases: int | None = None,
    alpha: float = 0.05,
    test: Test = "verdict",
) -> float:
    """Return the probability that a two-sided test finds a true difference between two arms.

    Of one test (Hillis, Obuchowski and Berbaum 2011): ``den = vTR + k [e + (J - 1) D]``, with ``e`` the error, ``D``
    the excess, ``k`` pilot over planned cases; ``df2 = den^2 (J - 1) / [vTR + k (e - D)]^2``; noncentral F with
    ``J delta^2 / (2 den)``. Of the verdict: see `scantrial.analysis.verdict_power`.

    Parameters
    ----------
    difference : in the metric's unit; its sign does not matter
    n_seeds : planned seeds an arm; 2 or more where seeds are random
    n_cases : planned cases, by default those of the pilot
    """
    if n_seeds < (1 if test == "cases only" else 2):
        raise InputError(f"{n_seeds} seeds", expected="2 or more")
    if test == "verdict":
        return verdict_test(variances, n_seeds=n_seeds, n_cases=n_cases).power(difference, alpha=alpha)
    k = variances.n_cases / (variances.n_cases if n_cases is None else n_cases)
    own = k * (variances.error - variances.excess)
    if test == "cases only":
        den = k * (variances.error + (n_seeds - 1) * variances.excess)
        return _power_chi2(n_seeds * difference**2 / (2 * den) if den > 0 else math.inf, alpha)
    den = variances.var_arm_seed + own
    if test == "seeds and cases":
        den += k * n_seeds * variances.excess
    within = variances.var_arm_seed + own
    if den == 0:
        return 1.0 if difference else alpha
    df2 = _df(den, within, n_seeds)
    return power_of_f(n_seeds * difference**2 / (2 * den), df2, alpha)


def verdict_test(variances: Variances, *, n_seeds: int, n_cases: int | None = None) -> VerdictTest:
    """Return the planned comparison of two arms that a verdict is given on."""
    k = variances.n_cases / (variances.n_cases if n_cases is None else n_cases)
    return VerdictTest(
        n_seeds=n_seeds,
        over_seeds=2 * (variances.var_arm_seed + k * (variances.error - variances.excess)),
        shared=2 * k * variances.excess,
        over_cases=2 * k * (variances.error + (n_seeds - 1) * variances.excess) / n_seeds,
        area=variances.area,
    )


def _df(den: float, within: float, n_seeds: int) -> float:
    """Return Hillis's degrees of freedom, ``(den / within)^2 (J - 1)``; infinite where seeds add nothing."""
    ratio = den / within if within > 0 else math.inf
    return ratio * ratio * (n_seeds - 1)


def power_of_f(ncp: float, df2: float, alpha: float) -> float:
    """Return the power of an F test with one degree of freedom in its numerator, which is a t test squared."""
    if df2 > 1e6:
        return _power_chi2(ncp, alpha)
    found = 1 - float(scipy.special.ncfdtr(1, df2, ncp, scipy.special.fdtri(1, df2, 1 - alpha)))
    # SciPy gives NaN where the noncentrality is beyond its series: long since certain.
    return 1.0 if math.isnan(found) else found


def _power_chi2(ncp: float, alpha: float) -> float:
    """Power of a test on one normal value, whose square has the noncentrality `ncp`."""
    z, shift = float(scipy.special.ndtri(1 - alpha / 2)), math.sqrt(ncp)
    return float(scipy.special.ndtr(shift - z) + scipy.special.ndtr(-shift - z))


def smallest_difference(
    variances: Variances,
    *,
    n_seeds: int,
    n_cases: int | None = None,
    alpha: float = 0.05,
    target: float = POWER,
    test: Test = "verdict",
) -> float:
    """Return the difference that is found with probability `target`, default 0.80."""
    return rising_root(
        lambda delta: power(variances, delta, n_seeds=n_seeds, n_cases=n_cases, alpha=alpha, test=test) - target
    )


def floor_over_seeds(
    variances: Variances, *, n_cases: int | None = None, alpha: float = 0.05, target: float = POWER
) -> float:
    """Return the smallest difference that any number of seeds can show with these cases."""
    k = variances.n_cases / (variances.n_cases if n_cases is None else n_cases)
    z = float(scipy.special.ndtri(1 - alpha / 2) + scipy.special.ndtri(target))
    return z * math.sqrt(2 * variances.excess * k)


def floor_over_cases(variances: Variances, *, n_seeds: int, alpha: float = 0.05, target: float = POWER) -> float:
    """Return the smallest difference that any number of cases can show with these seeds."""
    if variances.var_arm_seed == 0:
        return 0.0
    endless = Variances(
        n_cases=variances.n_cases, var_arm_seed=variances.var_arm_seed, error=0.0, excess=0.0, source=variances.source
    )
    return smallest_difference(endless, n_seeds=n_seeds, alpha=alpha, target=target)


def seeds_needed(
    variances: Variances,
    difference: float,
    *,
    n_cases: int | None = None,
    alpha: float = 0.05,
    target: float = POWER,
    at_least: int = 2,
) -> int | None:
    """Return the smallest number of seeds, up to 50, that shows a difference; None if none is enough."""
    for n_seeds in range(max(at_least, 2), MAX_SEEDS + 1):
        if power(variances, difference, n_seeds=n_seeds, n_cases=n_cases, alpha=alpha) >= target:
            return n_seeds
    return None


def cases_needed(
    variances: Variances, difference: float, *, n_seeds: int, alpha: float = 0.05, target: float = POWER
) -> int | None:
    """Return the smallest number of cases, up to 100 times those at hand, that shows a difference; None if none."""
    most = MAX_CASES_FACTOR * variances.n_cases

    def shows(n: int) -> bool:
        return power(variances, difference, n_seeds=n_seeds, n_cases=n, alpha=alpha) >= target

    if not shows(most):
        return None
    low, high = 2, most
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if shows(middle) else (middle + 1, high)
    return low


def power_of_equivalence(
    variances: Variances, margin: float, *, n_seeds: int, n_cases: int | None = None, alpha: float = 0.05
) -> float:
    """Return the probability that the verdict calls equal arms equivalent, each one-sided test at level `alpha`."""
    return verdict_test(variances, n_seeds=n_seeds, n_cases=n_cases).power_of_equivalence(margin, alpha=alpha)


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerCurve(Plain):
    """Power, or the smallest difference, over planned seeds or cases.

    Parameters
    ----------
    over : ``seeds`` or ``cases``
    counts : planned numbers of them
    smallest_difference : by count
    power : by count, for `difference`; empty without one
    """

    over: Literal["seeds", "cases"]
    counts: tuple[int, ...]
    smallest_difference: tuple[float, ...]
    difference: float | None
    power: tuple[float, ...]


def curve_over(
    variances: Variances,
    over: Literal["seeds", "cases"],
    counts: Sequence[int],
    *,
    n_seeds: int,
    difference: float | None,
    alpha: float = 0.05,
) -> PowerCurve:
    """Trace what a design can show over its seeds (cases as at hand) or over its cases (seeds as planned)."""
    designs = [(n, variances.n_cases) if over == "seeds" else (n_seeds, n) for n in counts]
    smallest = [smallest_difference(variances, n_seeds=j, n_cases=n, alpha=alpha) for j, n in designs]
    found = (
        []
        if difference is None
        else [power(variances, difference, n_seeds=j, n_cases=n, alpha=alpha) for j, n in designs]
    )
    return PowerCurve(
        over=over,
        counts=tuple(counts),
        smallest_difference=tuple(smallest),
        difference=difference,
        power=tuple(found),
    )


def rising_root(function: Callable[[float], float]) -> float:
    """Return where a rising function of a difference crosses 0."""
    high = 1e-6
    while function(high) < 0:
        high *= 2
        if high > 1e6:
            return math.inf
    return float(scipy.optimize.brentq(function, 0.0, high, xtol=1e-12))
