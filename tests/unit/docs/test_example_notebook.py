"""The example notebook is the script's, was executed, and ended without an error."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]
NOTEBOOK = ROOT / "examples" / "first-trial.ipynb"


def script() -> Any:
    spec = importlib.util.spec_from_file_location("example_notebook", ROOT / "scripts" / "example_notebook.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def cells(notebook: Any) -> list[tuple[str, str]]:
    return [(cell["cell_type"], "".join(cell["source"])) for cell in notebook["cells"]]


def check(notebook: Any) -> None:
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    outputs = [output for cell in code for output in cell["outputs"]]
    assert not [output for output in outputs if output["output_type"] == "error"]
    assert all(cell["outputs"] for cell in code)


def test_the_notebook_is_executed_and_its_cells_are_the_script_s() -> None:
    """In order, every code cell with an output, none with an error."""
    notebook = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    assert cells(notebook) == list(script().CELLS)
    check(notebook)


def test_the_notebook_names_no_machine() -> None:
    """No path of the computer it was executed on, and no time."""
    text = NOTEBOOK.read_text(encoding="utf-8")
    assert not [word for word in ("/home/", "/root/", "/tmp/", "/work/", "iopub") if word in text]


@pytest.mark.slow
def test_the_notebook_runs_again() -> None:
    """Executed from its sources it ends without an error."""
    pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    made = script()
    check(made.execute(made.build()))
