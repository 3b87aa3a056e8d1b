"""What is known of networks that scantrial did not make: custom classes, and weights that were trained before."""

from __future__ import annotations

from collections.abc import Iterable

from scantrial.audit.pretraining import CODE as WEIGHTS_CODE
from scantrial.audit.records import ScanFinding
from scantrial.core.format import joined
from scantrial.findings.leaks import seen_by_weights
from scantrial.findings.view import ArmView, ReportView


def limits_of_networks(view: ReportView) -> list[str]:
    """Say what a custom class may do unseen, and whether weights had seen the test scans."""
    said = weights_and_test(view, view.arms)
    if any(arm.recipe.model.is_custom for arm in view.arms):
        said.append(
            "What a custom class does internally is not known: it may augment or normalise its input, be an ensemble, "
            "or start from weights that were trained elsewhere, perhaps on these scans."
        )
    return said


def found_in(view: ReportView) -> list[ScanFinding]:
    """Return what the audit found of weights."""
    return [] if view.audit is None else [one for one in view.audit.findings if one.code == WEIGHTS_CODE]


def weights_and_test(view: ReportView, arms: Iterable[ArmView]) -> list[str]:
    """Say of the files of weights that some arms start from whether they have seen the test scans, as far as known."""
    models = {arm.recipe.model.weights_sha256: arm.recipe.model for arm in arms if arm.recipe.model.weights_file}
    seen = {model.weights_file or "": seen_by_weights(view.audit, model) for model in models.values()}
    untold = [name for name, cases in seen.items() if cases is None]
    told = [cases for cases in seen.values() if cases is not None]
    said = []
    if untold:
        files = "the file of weights" if len(untold) == 1 else "the files of weights"
        said.append(
            f"Nobody knows whether {files} that training started from ({joined(untold)}) had seen the test scans."
        )
    in_test = {number for one in found_in(view) if one.numbers.get("n_test_cases") for number in one.case_numbers}
    if any(in_test & set(cases.tolist()) for cases in told):
        said.append(
            "Weights that training started from had learnt from test scans (AU008 of the audit): arms that start from "
            "them look better than they are."
        )
    elif any(len(cases) for cases in told):
        said.append(
            "Weights that training started from had learnt from validation scans (AU008 of the audit): validation "
            "results of arms that start from them look better than they are, and epochs are chosen by them."
        )
    elif told:
        said.append(
            "Weights that training started from are those of runs of scantrial, and no scan that these learnt from "
            "is a validation or test scan here."
        )
    return said
