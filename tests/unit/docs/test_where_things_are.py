"""Where a contributor looks first: forty questions, and the file and name that answer each."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import scantrial

ROOT = Path(scantrial.__file__).parent

WHERE = {
    "DeLong's variance of the AUROC": "analysis/delong.py:delong",
    "the expected calibration error (ECE)": "analysis/ece.py:Bins",
    "Wilson's interval of a proportion": "analysis/proportions.py:wilson",
    "the verdict better / worse / equivalent": "analysis/verdicts.py:Verdict",
    "the sentence of a verdict": "analysis/verdict_words.py:verdict_sentence",
    "Holm's correction": "analysis/multiplicity.py:holm",
    "the table of metrics": "analysis/metrics.py:METRICS",
    "the analysis of several readers and cases (MRMC)": "analysis/mrmc.py:ContrastResult",
    "the crossed bootstrap": "analysis/bootstrap.py:crossed_bootstrap",
    "the table of what a planned design can show": "analysis/power_table.py:PowerPlan",
    "the checks of learning curves": "analysis/diagnosis/checks.py:CHECKS",
    "how one curve is diagnosed": "analysis/diagnosis/diagnose.py:diagnose",
    "the checks of scans": "audit/checks.py:CHECKS",
    "the search for near duplicates": "audit/duplicates.py:near_duplicates",
    "the typed plan, arms with their recipes (plan.json)": "recipe/plan.py:Plan",
    "the keys of a recipe": "recipe/spec.py:Recipe",
    "the table of networks": "recipe/networks.py:NETWORKS",
    "the table of losses": "recipe/losses.py:LOSSES",
    "the table of image decoders, where DICOM would be added": "data/codecs/table.py:CODECS",
    "how scans are split": "data/splits.py:apply_split",
    "what makes the phantom, the scans of the demo": "data/phantom/make.py:make_phantom",
    "the study folder on disk": "store/folder.py:StudyFolder",
    "the lock that one process holds": "store/lock.py:StudyLock",
    "the log of readings of test rows (test lock)": "store/test_lock.py:TestLock",
    "how weights are stored": "store/weights.py:write_weights",
    "from factors to arms": "study/arms.py:ArmBuilder",
    "the executor that starts worker processes (a cluster comes next)": "study/executor.py:LocalExecutor",
    "the pool that hands out runs": "study/pool.py:Pool",
    "whether an earlier run may be reused": "study/identity.py:Identities",
    "one training step and its cases": "train/steps.py:TrainingStep",
    "the plain PyTorch engine": "train/reference.py:train_run",
    "the fused engine": "train/fused.py:train_run",
    "checkpoints": "train/checkpoint.py:save_checkpoint",
    "predicting new files": "train/predict.py:predict_files",
    "reading a finished study": "findings/reading.py:read_study_folder",
    "judging a study": "findings/judging.py:judge",
    "the methods text of the report": "prose/methods.py:methods_text",
    "the forest plot": "figures/forest.py:forest_plot",
    "the PDF": "report/pdf.py:to_pdf",
    "the formats of the report": "report/formats.py:FORMATS",
    "what `scantrial status` prints": "cli/status.py:status",
}
"""A question, and the module and the name at its top that answer it."""


def names_of(path: Path) -> set[str]:
    """Return what a module defines at its top."""
    found: set[str] = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            found.add(node.name)
        targets = (
            node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        )
        found |= {target.id for target in targets if isinstance(target, ast.Name)}
    return found


def test_there_are_forty_questions():
    """The list is long enough to mean something."""
    assert len(WHERE) >= 40


@pytest.mark.parametrize("question", WHERE)
def test_a_thing_is_where_the_list_says(question):
    """The module is there and defines the name."""
    place, _, name = WHERE[question].partition(":")
    assert name in names_of(ROOT / place)
