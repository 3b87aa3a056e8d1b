"""Comparisons in words: each sentence carries its numbers and what they count as random."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

from scantrial.analysis.contrasts import Contrast
from scantrial.analysis.estimates import Estimates
from scantrial.analysis.metrics import METRICS, Metric
from scantrial.analysis.mrmc import ROUNDING, ContrastResult
from scantrial.analysis.verdicts import Evidence, Verdict
from scantrial.core.format import NONE, decimal, minus, percent, proportion, signed


class Judged(Protocol):
    """What was compared, in any design: which arms, on which metric, and whether they are identical on it."""

    @property
    def contrast(self) -> Contrast:
        """The arms and their weights."""

    @property
    def metric(self) -> str:
        """Its name."""

    @property
    def identical(self) -> bool:
        """Whether the arms' runs give the same, so that nothing can differ."""


NO_INTERVAL = "two seeds give no usable interval"


def metric_number(metric: Metric, value: float | None, *, fine: bool = False) -> str:
    """Show a metric's value: per cent for a proportion, decimals otherwise; `fine` shows one digit more."""
    if metric.unit == "proportion":
        return proportion(value, 2 if fine else 1)
    return decimal(value, 4 if fine else 3)


def metric_heading(metric: Metric) -> str:
    """Title of a metric's column, with its unit where it has one."""
    unit = {"proportion": ", %", "grades": ", grades"}.get(metric.unit, "")
    return f"{metric.title}{unit}"


def metric_difference(metric: Metric, value: float | None, *, fine: bool = False) -> str:
    """Show a difference of a metric: points for a proportion, with its sign."""
    if value is None:
        return NONE
    scale, digits = (100, 2 if fine else 1) if metric.unit == "proportion" else (1, 4 if fine else 3)
    return signed(scale * value, digits)


def amount(metric: str, value: float, *, spread: float) -> str:
    """Return a difference in words: points for proportions, else the metric's own unit; `spread` sets the digits."""
    scale = 100 if METRICS[metric].unit == "proportion" else 1
    return _in_unit(metric, _rounded(scale * value, scale * spread))


def at_least(metric: str, value: float) -> str:
    """Return a difference in words with two significant digits, rounded up: a limit that must not be understated."""
    scaled = 100 * value if METRICS[metric].unit == "proportion" else value
    if not (math.isfinite(scaled) and scaled > 0):
        return amount(metric, value, spread=value)
    step = 10.0 ** (math.floor(math.log10(scaled)) - 1)
    up = step * math.ceil(scaled / step - 1e-9)
    return _in_unit(metric, _rounded(up, up))


def _in_unit(metric: str, number: str) -> str:
    unit = METRICS[metric].unit
    if unit == "grades":
        return f"{number} {'grade' if number in ('1', '−1') else 'grades'}"
    return _points(number) if unit == "proportion" else number


def _points(number: str) -> str:
    return f"{number} {'point' if number in ('1', '−1') else 'points'}"


def order_of_grades(metric: str, class_names: Sequence[str]) -> list[str]:
    """Say in which order a metric of grades takes the classes; nothing for other metrics, nor for two classes."""
    if not METRICS[metric].is_ordinal or len(class_names) < 3:
        return []
    return [f"{METRICS[metric].title} takes the classes as grades, in the order {' < '.join(class_names)}"]


def difference_interval(metric: str, low: float, high: float) -> str:
    """Return ``0.4 to 3.8``, in points for proportions; a dash where there is no interval."""
    if math.isnan(low):
        return NONE
    scale = 100 if METRICS[metric].unit == "proportion" else 1
    spread = scale * (high - low) / 2
    return f"{_rounded(scale * low, spread)} to {_rounded(scale * high, spread)}"


def _rounded(value: float, spread: float) -> str:
    """Round to two significant digits of the spread, so that no digit is shown that the spread makes random."""
    if not math.isfinite(spread) or spread <= 0:
        return minus(f"{value:.3g}")
    digits = max(0, 1 - math.floor(math.log10(spread)))
    text = f"{value:.{min(digits, 6)}f}"
    return text.removeprefix("-") if float(text) == 0 else minus(text)


def counting(result: ContrastResult, estimates: Estimates) -> str:
    """Say what an interval counts as random: how many seeds and cases."""
    cases = f"{estimates.n_used} cases"
    if estimates.n_patients is not None:
        cases += f" of {estimates.n_patients_used} patients"
    if result.n_seeds == 1:
        return f"for these trained networks on {cases}; networks trained with other seeds may differ"
    n = result.n_seeds
    seeds = f"{n} seeds" if result.pairing == "paired" else f"at least {n} seeds in each arm, not paired"
    return f"accounting for both seed-to-seed variation ({seeds}) and the limited test set ({cases})"


def verdict_sentence(result: ContrastResult, found: Evidence, verdict: Verdict, estimates: Estimates) -> str:
    """Return a comparison in one or two sentences, with its numbers."""
    return sentence_on(
        result, found, verdict, counting(result, estimates), each="at every seed", few=f"{result.n_seeds} seeds"
    )


def sentence_on(result: Judged, found: Evidence, verdict: Verdict, counted: str, *, each: str, few: str) -> str:
    """Return a comparison of any design in one or two sentences, with its numbers.

    Parameters
    ----------
    counted : what the interval counts as random; goes on after a comma
    each : where arms may be identical, such as ``at every seed``
    few : what a provisional verdict rests on, such as ``3 seeds``
    """
    text = _SAY[verdict.label](result, found, verdict, counted)
    if result.identical and verdict.label != "not enough to judge":
        text += f" They are identical on this metric {each}."
    if verdict.within_margin:
        text += f" The difference is smaller than the margin of {_margin(result, verdict)}."
    if verdict.provisional and verdict.label not in ("not enough to judge", "inconclusive"):
        text += f" Provisional: with only {few} the verdict may still change."
    return text


def short_verdict(result: Judged, found: Evidence, verdict: Verdict, *, each: str, few: str) -> str:
    """Return a comparison in one sentence with its numbers, without what they count as random; see `sentence_on`."""
    first, second = sides(result)
    if verdict.label == "not enough to judge":
        return f"No verdict on {first} against {second}: {'; '.join(verdict.reasons)}."
    if verdict.label == "equivalent":
        said = f"{first} and {second} are equivalent within {_margin(result, verdict)}: "
        said += _measured(result, found, narrow=True)
    elif verdict.label == "inconclusive":
        said = f"Unclear whether {first} is better or worse than {second}: {_measured(result, found)}"
    else:
        sign = 1 if verdict.label == "better" else -1
        said = f"{first} is {verdict.label} than {second} by {_numbers(result, found, sign=sign)}"
        said += f", less than the margin of {_margin(result, verdict)}" if verdict.within_margin else ""
    if result.identical:
        said += f", identical {each}"
    provisional = verdict.provisional and verdict.label != "inconclusive"
    return f"{said}{f'; provisional with {few}' if provisional else ''}."


def sides(result: Judged, *, swapped: bool = False) -> tuple[str, str]:
    """Return the better and the other side of a contrast as a sentence names them."""
    contrast = result.contrast
    if contrast.kind == "trend":
        names = (f"a higher {contrast.first}", f"a lower {contrast.first}")
    elif contrast.kind == "interaction":
        names = (
            f"the effect of {contrast.second} at the second level of {contrast.first}",
            "that at the first level",
        )
    else:
        names = (contrast.first, contrast.second)
    return (names[1], names[0]) if swapped else names


def _numbers(result: Judged, found: Evidence, *, sign: int = 1, narrow: bool = False) -> str:
    metric = result.metric
    low, high, level = found.low, found.high, found.level
    if narrow:
        low, high, level = found.equivalence_low, found.equivalence_high, 1 - 2 * (1 - level)
    low, high = (low, high) if sign > 0 else (-high, -low)
    size = _size(metric, sign * found.effect, spread=(high - low) / 2)
    per = f" per {result.contrast.second}" if result.contrast.kind == "trend" else ""
    span = f"{interval_title(found, level)} {difference_interval(metric, low, high)}"
    return f"{size}{title_in_text(metric)}{per} ({NO_INTERVAL if math.isnan(low) else span})"


def interval_title(found: Evidence, level: float | None = None) -> str:
    """Name a comparison's interval: ``95 % CI``, or ``simultaneous 95 % CI`` where it holds for several together."""
    together = "simultaneous " if found.n_comparisons > 1 else ""
    return f"{together}{percent(found.level if level is None else level)} CI"


def _size(metric: str, value: float, *, spread: float) -> str:
    """Return ``4 points of``; nothing for 0; what the spread would round to 0 has two digits of its own."""
    if abs(value) < ROUNDING:
        return ""
    size = amount(metric, value, spread=spread)
    if float(size.split(" ")[0].replace("−", "-")) == 0:
        size = amount(metric, value, spread=abs(value))
    return f"{size} of "


def _measured(result: Judged, found: Evidence, *, narrow: bool = False) -> str:
    """Say which side is ahead and by how much: a number without its side can be read either way."""
    if abs(found.effect) < ROUNDING:
        return f"no difference measured in {_numbers(result, found, narrow=narrow)}"
    sign = 1 if found.effect > 0 else -1
    ahead, _ = sides(result, swapped=sign < 0)
    return f"{ahead} is ahead by {_numbers(result, found, sign=sign, narrow=narrow)}"


def title_in_text(metric: str) -> str:
    """Name a metric inside a sentence: ``accuracy`` and ``log loss``, but ``AUROC`` and ``Brier score``."""
    title = METRICS[metric].title
    return title if title.isupper() or title == "Brier score" else title[0].lower() + title[1:]


def _margin(result: Judged, verdict: Verdict) -> str:
    """Return the margin as it was declared: with two digits where these are exact, otherwise with all its digits."""
    margin = verdict.margin or 0.0
    proportion = METRICS[result.metric].unit == "proportion"
    scaled = 100 * margin if proportion else margin
    short = _rounded(scaled, scaled)
    number = short if math.isclose(float(short), scaled, rel_tol=1e-9) else f"{scaled:.10g}"
    return _in_unit(result.metric, number)


def _won(result: Judged, found: Evidence, verdict: Verdict, counted: str) -> str:
    sign = 1 if verdict.label == "better" else -1
    first, second = sides(result)
    numbers = _numbers(result, found, sign=sign)
    return f"{first} is {verdict.label} than {second} by {numbers}, {counted}."


def _equal(result: Judged, found: Evidence, verdict: Verdict, counted: str) -> str:
    first, second = sides(result)
    return (
        f"{first} and {second} are equivalent: {_measured(result, found, narrow=True)}, inside the "
        f"margin of {_margin(result, verdict)}, {counted}."
    )


def _open(result: Judged, found: Evidence, verdict: Verdict, counted: str) -> str:
    first, second = sides(result)
    smallest = at_least(result.metric, verdict.smallest_margin)
    return (
        f"It is unclear whether {first} is better or worse than {second}: {_measured(result, found)}, "
        f"{counted}. With a margin above {smallest} they would be equivalent."
    )


def _too_little(result: Judged, found: Evidence, verdict: Verdict, counted: str) -> str:
    first, second = sides(result)
    measured = _measured(result, found)
    said = f"Measured: {measured}" if abs(found.effect) >= ROUNDING else measured[0].upper() + measured[1:]
    return f"No verdict on {first} against {second} is possible: {'; '.join(verdict.reasons)}. {said}, {counted}."


_SAY = {
    "better": _won,
    "worse": _won,
    "equivalent": _equal,
    "inconclusive": _open,
    "not enough to judge": _too_little,
}
