"""Draw all simulated trials of the documentation anew, and store what happened in docs/data/simulations.json.

    python scripts/simulations.py [NAME...] [--processes 2]

Takes about half an hour. `scripts/pages.py simulations` then writes docs/simulations.md from the file; `make sim`
draws every cell again and compares it with the file.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from multiprocessing import get_context
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.simulation import test_best_simulation as best  # noqa: E402 - tests are found beside the package
from tests.simulation import test_cross_validation_simulation as folds  # noqa: E402 - tests are found beside the package
from tests.simulation import test_single_arm_simulation as single  # noqa: E402 - tests are found beside the package
from tests.simulation import test_verdict_simulation as verdict  # noqa: E402 - tests are found beside the package

from scantrial.core.files import write_atomic  # noqa: E402 - after the path

STORED = ROOT / "docs" / "data" / "simulations.json"


BEST = list(best.cells())


def verdict_row(number: int) -> dict[str, Any]:
    """Return one row of the table of verdicts."""
    cell, metric = verdict.CELLS[number]
    return asdict(verdict.row(cell, metric))


def single_row(number: int) -> dict[str, Any]:
    """Return one row of the table of single arms: counts by metric."""
    cell = single.CELLS[number]
    return {**asdict(cell), "n_trials": single.N_TRIALS, "covered": single.covered(cell, n_trials=single.N_TRIALS)}


def best_row(number: int) -> dict[str, Any]:
    """Return one row of the table of the best arm."""
    case, metric, n_arms, n_seeds = BEST[number]
    return asdict(best.cell(case, metric, n_arms=n_arms, n_seeds=n_seeds, n_trials=best.N_TRIALS))


def folds_row(number: int) -> dict[str, Any]:
    """Return one row of the table of cross-validations."""
    return asdict(folds.row(folds.CELLS[number], n_trials=folds.N_TRIALS))


TABLES: dict[str, tuple[Callable[[int], dict[str, Any]], int]] = {
    "verdict": (verdict_row, len(verdict.CELLS)),
    "single": (single_row, len(single.CELLS)),
    "best": (best_row, len(BEST)),
    "folds": (folds_row, len(folds.CELLS)),
}
"""By name: what draws a row, and how many rows there are."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Draw the named tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(TABLES)}; default: all")
    parser.add_argument("--processes", type=int, default=2, help="default 2")
    asked = parser.parse_args(arguments)
    stored = json.loads(STORED.read_text(encoding="utf-8")) if STORED.exists() else {}
    with ProcessPoolExecutor(asked.processes, mp_context=get_context("spawn")) as pool:
        for name in asked.names or TABLES:
            draw, n_rows = TABLES[name]
            stored[name] = list(pool.map(draw, range(n_rows)))
            write_atomic(STORED, f"{json.dumps(stored, indent=0)}\n")
            print(f"{name}: {n_rows} rows")


if __name__ == "__main__":
    main()
