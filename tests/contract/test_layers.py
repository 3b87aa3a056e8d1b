"""The direction of imports is a check, and the check finds what it is there to find.

Each case plants one wrong import in a copy of the package and expects the contract that names it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src" / "scantrial"
LINT = "from importlinter.cli import lint_imports; raise SystemExit(lint_imports(no_cache=True, no_logo=True))"

pytest.importorskip("importlinter", reason="import-linter is not installed (make env)")


@dataclass(frozen=True)
class Planted:
    """A wrong import, and the name of the contract that it breaks."""

    module: str
    line: str
    contract: str
    chain: str = ""


WRONG = {
    "upwards": Planted("core/names.py", "from scantrial.data import spec", "imports run downwards only"),
    "upwards inside a function": Planted(
        "recipe/task.py", "def f():\n    from scantrial.nets import heads", "imports run downwards only"
    ),
    "neighbours": Planted("store/schema.py", "import scantrial.data.scanset", "imports run downwards only"),
    "a folder nobody placed": Planted("novel/__init__.py", "import scantrial.core", "imports run downwards only"),
    "a circle": Planted("core/errors.py", "import scantrial.core.files", "no circles between neighbours"),
    "torch elsewhere": Planted("api/trial.py", "import torch", "only nets, train and export import PyTorch"),
    "torch two steps away": Planted(
        "study/worker.py", "import scantrial.train.process", "no chain of imports leads from", "scantrial.train"
    ),
    "an audit that trains": Planted("audit/labels.py", "import scantrial.train.state", "imports run downwards only"),
    "a report that runs": Planted(
        "report/compose.py", "import scantrial.study.spec", "findings, prose, figures and report"
    ),
    "findings that run": Planted(
        "findings/view.py", "import scantrial.study.spec", "findings, prose, figures and report"
    ),
    "prose that draws": Planted("prose/limits.py", "import scantrial.figures.figure", "imports run downwards only"),
    "analysis on disk": Planted("analysis/summary.py", "import scantrial.store.tables", "analysis knows arrays"),
}


def lint(root: Path) -> subprocess.CompletedProcess[str]:
    """Check the imports of the package under `root`."""
    return subprocess.run(
        [sys.executable, "-c", LINT],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root / "src"), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Return a copy of the package with its contracts."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    shutil.copytree(PACKAGE, tmp_path / "src" / "scantrial", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def test_the_package_keeps_its_contracts(copy: Path):
    """As it stands, no contract is broken."""
    result = lint(copy)
    assert result.returncode == 0, result.stdout
    assert "0 broken" in result.stdout


@pytest.mark.parametrize("planted", WRONG.values(), ids=WRONG.keys())
def test_a_wrong_import_is_reported(copy: Path, planted: Planted):
    """The contract that it breaks is named, with the module that it stands in."""
    module = copy / "src" / "scantrial" / planted.module
    module.parent.mkdir(exist_ok=True)
    with module.open("a") as file:
        file.write(f"\n{planted.line}\n")
    result = lint(copy)
    assert result.returncode == 1
    broken = [line for line in result.stdout.splitlines() if line.endswith("BROKEN")]
    assert any(line.startswith(planted.contract) for line in broken), result.stdout
    assert planted.module.removesuffix("/__init__.py").removesuffix(".py").split("/")[-1] in result.stdout
    assert planted.chain in result.stdout


def test_every_part_is_kept_from_torch_or_allowed_it():
    """A new folder is not forgotten: it may import PyTorch, or no chain leads there, or it stands above."""
    contracts = {
        contract["id"]: contract
        for contract in tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    }
    kept = contracts["torch-chains"]["source_modules"]
    allowed = contracts["torch-direct"]["allowed_importers"]
    above = ["scantrial.cli", "scantrial.web", "scantrial.api"]
    parts = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert {f"scantrial.{part}" for part in parts} <= {*kept, *allowed, *above}
