"""How often the verdict errs, and what it finds, in trials as radiographs give them, where the truth is known.

Every cell of the grid carries the marker `sim`. Its draws are fixed, so its counts are those that `docs/simulations.md` shows,
which `scripts/simulations_page.py` writes. A few cells with fewer trials belong to every commit.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats
from tests.simulation.radiographs import AUROC, SPREADS, Cell, trials

from scantrial.analysis.comparison import Comparison, compare_runs
from scantrial.analysis.contrasts import against_control
from scantrial.analysis.estimates import estimate
from scantrial.analysis.mrmc import Components, components
from scantrial.analysis.multiplicity import simultaneous_level
from scantrial.analysis.power import from_components, power, power_of_equivalence, smallest_difference

STORED = Path(__file__).resolve().parents[2] / "docs" / "data" / "simulations.json"
N_TRIALS, N_PILOTS = 500, 100
METRICS = ("accuracy", "auroc")
LARGEST_SHIFT = 0.4

GRID = [
    Cell(spread=spread, n_arms=n_arms, n_seeds=n_seeds, images=images, positive=positive)
    for spread, n_arms, n_seeds, images, positive in product(SPREADS, (2, 3), (3, 5, 10), (1.0, 1.5, 6.0), (0.5, 0.05))
]


CELLS = [(cell, metric) for cell in GRID for metric in METRICS]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What happened in the trials of one cell, on one metric; counts are of trials, or of comparisons.

    Parameters
    ----------
    shift : by which all arms but the first are worse where they differ; the margin in every trial. It is what the formula
        of planning says is found with a probability of 80 %, from the mean spreads of other trials
    n_false : trials of equal arms with a false better or worse
    n_covered : comparisons of equal arms whose own interval holds 0; n_covered_together: trials in which all simultaneous
        ones do
    width : mean half width of that interval over 1.96 true standard deviations of the difference
    n_equivalent : comparisons of equal arms that are called equivalent; planned_equivalent is their planned share
    n_found : comparisons of unequal arms that are called worse; planned is their planned share
    n_false_equivalent : trials of unequal arms, by just the margin, with an arm that is called equivalent
    """

    spread: str
    n_arms: int
    n_seeds: int
    images: float
    positive: float
    metric: str
    n_trials: int
    shift: float
    n_false: int
    n_covered: int
    n_covered_together: int
    width: float
    n_equivalent: int
    planned_equivalent: float
    n_found: int
    planned: float
    n_false_equivalent: int

    @property
    def n_comparisons(self) -> int:
        """Comparisons of all trials."""
        return self.n_trials * (self.n_arms - 1)


def compared(cell: Cell, metric: str, *, n_trials: int, margin: float, shift: float, seed: int) -> list[Comparison]:
    family = against_control([str(arm) for arm in range(cell.n_arms)], "0")
    drawn = trials(cell, metric, n_trials=n_trials, shift=shift, seed=seed)
    return [compare_runs(runs, family, metric=metric, margin=margin, control="0") for runs in drawn]


def mean_components(cell: Cell, metric: str) -> Components:
    """Return the mean components of trials of equal arms that are used for nothing else."""
    pilots = [asdict(components(estimate(runs, metric))) for runs in trials(cell, metric, n_trials=N_PILOTS, seed=2)]
    mean: dict[str, Any] = {key: float(np.mean([pilot[key] for pilot in pilots])) for key in pilots[0]}
    return Components(**mean | {key: int(mean[key]) for key in ("n_arms", "n_seeds", "n_cases")})


def row(cell: Cell, metric: str, *, n_trials: int = N_TRIALS) -> Row:
    """Draw and judge the trials of one cell."""
    area = AUROC if metric == "auroc" else None
    variances = from_components(mean_components(cell, metric), source="mean", area=area)
    shape = {"n_seeds": cell.n_seeds, "alpha": 1 - simultaneous_level(0.95, cell.n_arms - 1)}
    shift = min(smallest_difference(variances, **shape), LARGEST_SHIFT)
    equal = compared(cell, metric, n_trials=n_trials, margin=shift, shift=0.0, seed=0)
    unequal = compared(cell, metric, n_trials=n_trials, margin=shift, shift=shift, seed=1)
    items = [item for trial in equal for item in trial.comparisons]
    # Each comparison has its own spread: one arm may be less stable.
    sd = np.std([[item.alone.effect for item in trial.comparisons] for trial in equal], axis=0)
    half = np.mean([[(item.alone.high - item.alone.low) / 2 for item in trial.comparisons] for trial in equal], axis=0)
    return Row(
        **asdict(cell),
        metric=metric,
        n_trials=n_trials,
        shift=shift,
        n_false=_n_trials_with(equal, ("better", "worse")),
        n_covered=sum(item.alone.low <= 0 <= item.alone.high for item in items),
        n_covered_together=sum(
            all(item.evidence.low <= 0 <= item.evidence.high for item in trial.comparisons) for trial in equal
        ),
        width=float(np.mean(half / (1.96 * sd))),
        n_equivalent=sum(item.verdict.label == "equivalent" for item in items),
        planned_equivalent=power_of_equivalence(variances, shift, **shape),
        n_found=sum(item.verdict.label == "worse" for trial in unequal for item in trial.comparisons),
        planned=power(variances, shift, **shape),
        n_false_equivalent=_n_trials_with(unequal, ("equivalent",)),
    )


def _n_trials_with(found: list[Comparison], labels: tuple[str, ...]) -> int:
    return sum(any(item.verdict.label in labels for item in trial.comparisons) for trial in found)


def most(n: int, share: float) -> int:
    """Return the largest count that a share gives in 999 of 1,000 repetitions."""
    return int(stats.binom.ppf(0.999, n, share))


def check(found: Row) -> None:
    """Hold a cell to what the verdict promises, within binomial bounds."""
    assert found.n_false <= most(found.n_trials, 0.05)
    assert found.n_false_equivalent <= most(found.n_trials, 0.05)
    n = found.n_comparisons
    assert n - found.n_covered <= most(n, 0.07)
    assert found.n_trials - found.n_covered_together <= most(found.n_trials, 0.07)


@pytest.mark.sim
@pytest.mark.parametrize(
    ("cell", "metric"), CELLS, ids=[f"{'-'.join(map(str, asdict(c).values()))}-{m}" for c, m in CELLS]
)
def test_a_cell_of_the_grid(cell, metric):
    """False verdicts and false equivalence in at most 5 % of trials, coverage of at least 93 %; counts as stored."""
    found = row(cell, metric)
    check(found)
    stored = [
        item for item in json.loads(STORED.read_text()) if item | asdict(cell) == item and item["metric"] == metric
    ]
    assert asdict(found) == pytest.approx(stored[0])


def test_every_cell_that_is_stored_keeps_its_promises():
    """All cells of the grid are there, and hold the bounds, as they were drawn last."""
    stored = [Row(**item) for item in json.loads(STORED.read_text(encoding="utf-8"))["verdict"]]
    assert [(item.spread, item.n_seeds, item.metric) for item in stored] == [
        (cell.spread, cell.n_seeds, metric) for cell, metric in CELLS
    ]
    for item in stored:
        check(item)


@pytest.mark.parametrize(
    ("cell", "metric"),
    [
        (Cell(spread="loss", n_arms=2, n_seeds=3), "accuracy"),
        (Cell(spread="one unstable arm", n_arms=3, n_seeds=3), "auroc"),
        (Cell(spread="learning rate", n_arms=2, n_seeds=5, images=6.0), "accuracy"),
        (Cell(spread="seeds dominate", n_arms=2, n_seeds=5, positive=0.05), "auroc"),
    ],
)
def test_a_cell_in_few_trials(cell, metric):
    """The same on 60 trials, within what chance allows."""
    check(row(cell, metric, n_trials=60))
