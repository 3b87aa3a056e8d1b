"""What the numbers of a study cannot tell: its seeds, its scans, its curves."""

from __future__ import annotations

from scantrial.analysis.verdicts import FEW_SEEDS
from scantrial.core.format import SPLIT_WORDS, joined
from scantrial.findings.view import DataView, ReportView
from scantrial.prose.folds import limits_of_folds
from scantrial.prose.networks import limits_of_networks
from scantrial.recipe.facts import drawn_by_seed


def limit_sentences(view: ReportView) -> list[str]:
    """Say what these numbers cannot tell; only what is true of this study."""
    return [
        *_limits_of_seeds(view),
        *limits_of_networks(view),
        *_limits_of_scans(view),
        *_limits_of_curves(view),
    ]


def _limits_of_seeds(view: ReportView) -> list[str]:
    said = []
    if view.folds:
        return limits_of_folds()
    if len(view.seeds) == 1:
        said.append("There is only one seed: seed-to-seed variation is not known.")
    else:
        changed = joined(drawn_by_seed(view.recipes.values()))
        said.append(
            f"Seeds are not new training data. They change {changed}; the scans and their split "
            "stay the same. How results would change with other scans was not measured."
        )
    if 1 < len(view.seeds) < FEW_SEEDS:
        said.append(f"{len(view.seeds)} seeds are few: a standard deviation over so few runs is imprecise.")
    return said


def _limits_of_scans(view: ReportView) -> list[str]:
    n = view.data.n_of("test")
    said = []
    if n:
        cases = "cases" if view.folds else "test cases"
        said.append(f"There are {n:,} {cases}, so one case changes accuracy by {100 / n:.2g} points.")
    said.append(where_test_scans_are_from(view.data))
    if not view.data.patients_known:
        said.append(
            "Patients are not identified. If one patient has scans in two splits, the results are too optimistic."
        )
    if view.data.n_shared_patients:
        have = "patient has" if view.data.n_shared_patients == 1 else "patients have"
        said.append(
            f"{view.data.n_shared_patients:,} {have} scans in more than one split: the results may be too optimistic."
        )
    if view.data.skipped:
        said.append("The files that were left out may differ from those that were used.")
    return said


def where_test_scans_are_from(data: DataView) -> str:
    """Say how far test scans are from those of training, as far as the split and the source tell."""
    parts = [data.split.get(split) for split in SPLIT_WORDS]
    in_numbers = any(isinstance(part, int) for part in parts)
    shift = data.about.get("options", {}).get("shift", 0) if data.about.get("name") == "phantom" else 0
    if shift and (parts[-1] == "given" or in_numbers):
        return f"The test scans were drawn on purpose with a different acquisition (shift {shift:g})."
    if shift:
        return f"Scans drawn with a different acquisition (shift {shift:g}) were split together with the others."
    if parts[-1] == "given":
        return "The test scans are the source's own test split."
    if in_numbers:
        return (
            "The test scans come from the source's own test split where it has one, otherwise from the same pool as "
            "the training and validation scans."
        )
    return "Training, validation and test scans come from one source. Scans from other sources were not tested."


def _limits_of_curves(view: ReportView) -> list[str]:
    said = []
    if not view.losses_alike:
        said.append("The losses of these arms are different quantities; compare their log loss instead.")
    if view.has_epoch_means:
        said.append("A mean over epochs averages many half-trained networks: no single network has that accuracy.")
    if view.has_rounds:
        said.append("Each round of a run continues from the round before. Rounds are not replicates; only seeds are.")
    if view.diverged():
        said.append("Leaving out diverged runs makes the arm look better than it is.")
    return said
