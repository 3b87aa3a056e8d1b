"""The commands as functions, for notebooks and scripts.

>>> import scantrial
>>> outcome = scantrial.run("demo", out="demo")          # doctest: +SKIP
>>> scantrial.report("demo")                              # doctest: +SKIP
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from scantrial.core.names import DeviceName, EngineName

if TYPE_CHECKING:
    from scantrial.api.augmentation import AugmentedScans, augmented_scans
    from scantrial.api.checks import require_torch
    from scantrial.api.judgement import compare, report, report_and_results, reports, results
    from scantrial.api.power import PlanOptions, StudyPlan, plan
    from scantrial.api.predictions import CompareOptions, compare_arrays, compare_predictions, predict
    from scantrial.api.progress import Status, status
    from scantrial.api.scan_audit import audit
    from scantrial.api.study_draft import WrittenDraft, init
    from scantrial.api.study_folder import CaseFile, about, case_files, run_images, saliency, show, study_scans
    from scantrial.api.trial import RunOptions, default_folder, load_scans, load_study, run
    from scantrial.api.verification import verify

__all__ = [
    "AugmentedScans",
    "CaseFile",
    "CompareOptions",
    "DeviceName",
    "EngineName",
    "PlanOptions",
    "RunOptions",
    "Status",
    "StudyPlan",
    "WrittenDraft",
    "about",
    "audit",
    "augmented_scans",
    "case_files",
    "compare",
    "compare_arrays",
    "compare_predictions",
    "default_folder",
    "init",
    "load_scans",
    "load_study",
    "plan",
    "predict",
    "report",
    "report_and_results",
    "reports",
    "require_torch",
    "results",
    "run",
    "run_images",
    "saliency",
    "show",
    "status",
    "study_scans",
    "verify",
]

_MODULES = {
    "augmentation": ("AugmentedScans", "augmented_scans"),
    "checks": ("require_torch",),
    "judgement": ("compare", "report", "report_and_results", "reports", "results"),
    "power": ("PlanOptions", "StudyPlan", "plan"),
    "predictions": ("CompareOptions", "compare_arrays", "compare_predictions", "predict"),
    "progress": ("Status", "status"),
    "scan_audit": ("audit",),
    "study_draft": ("WrittenDraft", "init"),
    "study_folder": ("CaseFile", "about", "case_files", "run_images", "saliency", "show", "study_scans"),
    "trial": ("RunOptions", "default_folder", "load_scans", "load_study", "run"),
    "verification": ("verify",),
}
"""Where each name is: its module is loaded when the name is first used, so that a command loads only what it needs."""

if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        for module, names in _MODULES.items():
            if name in names:
                globals()[name] = found = getattr(import_module(f"scantrial.api.{module}"), name)
                return found
        raise AttributeError(f"module 'scantrial.api' has no attribute {name!r}")
