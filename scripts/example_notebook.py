"""Write examples/first-trial.ipynb: a first trial from question to verdict, executed on scans that scantrial draws.

    python scripts/example_notebook.py [--notebook FILE]

Tests hold the notebook's source to `CELLS`. Executing needs nbclient, nbformat and ipykernel; times and ids that change
from one execution to the next are left out, so that an equal run gives an equal file.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOK = ROOT / "examples" / "first-trial.ipynb"

CELLS: tuple[tuple[str, str], ...] = (
    (
        "markdown",
        "# A first trial\n\nTwo losses, three seeds, drawn scans: which is more accurate, and is the difference real?\n"
        "Everything here is also a command: `scantrial demo`.",
    ),
    ("code", 'import scantrial\n\nstudy = scantrial.load_study("demo")\nstudy'),
    ("markdown", "What can this design show at all? Asked before anything is trained."),
    ("code", 'for sentence in scantrial.plan(study).plan.sentences:\n    print("-", sentence)'),
    ("markdown", "Audit the scans, then train every arm with every seed. The same call goes on where it was stopped."),
    ("code", 'outcome = scantrial.run(study, out="first-trial")\noutcome'),
    ("markdown", "The verdict accounts for both seed-to-seed variation and the sample of test cases."),
    ("code", 'judgement = scantrial.compare("first-trial")\njudgement'),
    ("markdown", "What the study saw, and what of the uncertainty is due to seeds or to cases."),
    (
        "code",
        "from scantrial.figures.variance import variance_bars\n\n"
        'variance_bars(judgement.primary, title="What the uncertainty is due to")',
    ),
    ("code", 'results = scantrial.results("first-trial")\nresults'),
    ("markdown", "ROC and precision-recall: a line an arm, the band from its lowest to its highest seed."),
    (
        "code",
        "from scantrial.figures.ranking import ranking_figure\n\n"
        'ranking_figure(results.curves[0], results.labels, title="Curves on test")',
    ),
    ("markdown", "All of it as one page, from the study folder alone."),
    ("code", 'print(scantrial.report("first-trial"))'),
)
"""Kind and source of every cell."""


def build(sources: tuple[tuple[str, str], ...] = CELLS) -> Any:
    """Return the notebook, not executed."""
    from nbformat import v4  # noqa: PLC0415 - a tool of this script alone

    make = {"markdown": v4.new_markdown_cell, "code": v4.new_code_cell}
    cells = [make[kind](source, id=f"cell-{number}") for number, (kind, source) in enumerate(sources, start=1)]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})


def execute(notebook: Any) -> Any:
    """Execute a notebook in a fresh folder; what changes from run to run is taken out."""
    from nbclient import NotebookClient  # noqa: PLC0415 - as above

    with tempfile.TemporaryDirectory() as folder:
        client = NotebookClient(notebook, timeout=900, kernel_name="python3", resources={"metadata": {"path": folder}})
        client.execute()
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        for output in cell.get("outputs", ()):
            if {"text/html", "image/svg+xml"} & output.get("data", {}).keys():
                # The plain form beside it names folders and times.
                output["data"].pop("text/plain", None)
    notebook.metadata.pop("language_info", None)
    return notebook


def main() -> None:
    """Build, execute, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--notebook", type=Path, default=NOTEBOOK)
    target = parser.parse_args().notebook
    target.parent.mkdir(exist_ok=True)
    text = json.dumps(execute(build()), indent=1, ensure_ascii=False, sort_keys=True)
    target.write_text(f"{text}\n", encoding="utf-8")
    print(target)


if __name__ == "__main__":
    main()
