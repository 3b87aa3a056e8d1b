"""The commands as functions, for notebooks and scripts.

>>> import scantrial
>>> outcome = scantrial.run("demo", out="demo")          # doctest: +SKIP
>>> scantrial.report("demo")                              # doctest: +SKIP
"""

from __future__ import annotations

from scantrial.api.augmented_scans import AugmentedScans, augmented_scans
from scantrial.api.checks import require_torch
from scantrial.api.power import PlanOptions, StudyPlan, plan
from scantrial.api.predictions import CompareOptions, compare_arrays, compare_predictions, predict
from scantrial.api.scan_audit import audit
from scantrial.api.study_draft import WrittenDraft, init
from scantrial.api.study_folder import (
    Status,
    about,
    compare,
    report,
    report_and_results,
    reports,
    results,
    run_images,
    saliency,
    show,
    status,
    study_scans,
)
from scantrial.api.trial import RunOptions, default_folder, load_scans, load_study, run
from scantrial.api.verification import verify
from scantrial.core.names import DeviceName, EngineName

__all__ = [
    "AugmentedScans",
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
