"""A small study that trains in seconds, and the words of a command line."""

from __future__ import annotations

import sys
import textwrap
from pathlib import Path

import pytest
from tests.conftest import MakeOnce, RunCli

SMALL_STUDY = textwrap.dedent(
    """
    study: Does cross-entropy differ from BCE on small phantoms?
    data:
      source: {name: phantom, n_cases: 144, size: 32, difficulty: 0.3}
      split: {test: given, val: 0.25}
    recipe:
      model: {name: mlp, hidden: [16], batch_norm: true, dropout: 0.3}
      loss: bce
      batch_size: 16
      epochs: 3
      rounds: 2
    factors:
      loss: [bce, ce]
    seeds: 2
    primary: {metric: accuracy, split: test, margin: 0.05}
    hypotheses:
      - {claim: CE is more accurate than BCE, better: {loss: ce}, than: {loss: bce}}
    """
)


def command(*words: str | Path) -> list[str]:
    """Return the command line as its list of words."""
    return [sys.executable, "-m", "scantrial", *map(str, words)]


@pytest.fixture(scope="session")
def trained(made_once: MakeOnce, cli_in: RunCli) -> Path:
    """Return the folder of the small study, fully trained, beside its file and what the command said, in run.json."""

    def train(folder: Path) -> None:
        (folder / "small.yaml").write_text(SMALL_STUDY)
        result = cli_in("run", "small.yaml", "--json", cwd=folder)
        assert result.returncode == 0, result.stderr
        (folder / "run.json").write_text(result.stdout)

    return made_once("trained", train) / "small"


@pytest.fixture
def small_study(tmp_path: Path) -> Path:
    """Write the small study to a file."""
    path = tmp_path / "small.yaml"
    path.write_text(SMALL_STUDY)
    return path
