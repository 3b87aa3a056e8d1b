"""What a study folder holds: its answers, single cases, scans, and where networks look on them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from scantrial.api.checks import require_torch
from scantrial.api.trial import load_scans, load_study
from scantrial.core.about import answers
from scantrial.core.errors import DataError, InputError
from scantrial.core.plain import Plain
from scantrial.core.progress import Progress, silent
from scantrial.core.records import SaliencyMaps
from scantrial.data.arm_images import decoding
from scantrial.data.scanset import Pixels, ScanSet
from scantrial.findings.case import CaseView, case_named, case_view
from scantrial.recipe.plan import stored_recipe
from scantrial.store.folder import RunKey, StudyFolder, open_folder
from scantrial.store.verify import refuse_changed
from scantrial.study.answering import record_answers
from scantrial.study.record import arm_shapes
from scantrial.study.study import Study
from scantrial.study.to_plan import base_of, planned_data


def about(study: Study | str | Path, *, out: str | Path | None = None) -> dict[str, str]:
    """Return what the author answered about a study, by question (`scantrial.core.about` has them all).

    Parameters
    ----------
    study : a study file, a built-in's name, or a study folder
    out : a folder of this study to copy the answers into: nothing is trained, no scan is read, and the log of
        versions of the study file tells that they changed

    Raises
    ------
    InputError, StudyFileError
        If there is no such study, or its file has faults.
    StudyConflictError
        If `out` is the folder of another question.
    """
    if not isinstance(study, Study):
        if StudyFolder(study).exists():
            return answers(open_folder(study).plan().about)
        study = load_study(study)
    if out is not None:
        record_answers(study, open_folder(out))
    return answers(None if study.spec.about is None else study.spec.about.model_dump(exclude_none=True))


def show(folder: str | Path, case: int | str, *, arm: str | None = None, seed: int | None = None) -> CaseView:
    """Return one scan under every arm: probabilities, decisions, right or wrong.

    Parameters
    ----------
    case : case number, as in ``cases.parquet`` and the report; or the name of its file, with or without its folders or
        its suffix
    arm, seed : only this arm, only this seed

    Raises
    ------
    DamagedError
        If the study, its plan or its cases are not what was written.
    """
    store = open_folder(folder)
    refuse_changed(store)
    return case_view(store, case, arm=arm, seed=seed)


def study_scans(folder: str | Path, *, progress: Progress = silent) -> ScanSet:
    """Load the scans that a study folder was trained on, with their split and in every shape that an arm has.

    They must still be in the same place.

    Raises
    ------
    DataError
        If they are not there, or are other scans now.
    DamagedError
        If the folder's record of them is not what was written.
    """
    store = open_folder(folder)
    refuse_changed(store)
    plan = store.plan()
    data = planned_data(plan, store)
    shapes = set(arm_shapes(plan.arms, data.image).values())
    scans = load_scans(data, base=base_of(store), shapes=shapes, progress=progress)
    if scans.fingerprint != store.data()["fingerprint"]:
        raise DataError("the scans have changed since the study was run", expected="the scans of the study")
    return scans


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseFile(Plain):
    """A case: its number, what the study folder calls its scan, and its file on this machine."""

    case: int
    source: str
    file: str


def case_files(
    folder: str | Path, case: int | str | None = None, *, progress: Progress = silent
) -> tuple[CaseFile, ...]:
    """Return the files of the cases, for whoever has the scans: DICOM files have other names in a study folder.

    The scans must still be in the same place, and be the same. Nothing is written.

    Parameters
    ----------
    case : only this one, by number or name

    Raises
    ------
    DataError
        If the scans are not there, or are other scans now.
    InputError
        If there is no such case.
    """
    scans = study_scans(folder, progress=progress)
    number = case_named(open_folder(folder), case) if isinstance(case, str) else case
    if number is not None and not 0 <= number < len(scans):
        raise InputError(f"there is no case {number}", expected=f"a case number from 0 to {len(scans) - 1}")
    files = scans.sources if scans.shown is None else scans.shown
    numbers = range(len(scans)) if number is None else [number]
    return tuple(CaseFile(case=one, source=scans.sources[one], file=files[one]) for one in numbers)


def run_images(folder: str | Path, *, arm: str, seed: int, scans: ScanSet) -> Pixels:
    """Return the images of all scans as one run saw them, before their values were normalised.

    Parameters
    ----------
    scans : see `study_scans`

    Raises
    ------
    InputError
        If there is no such run.
    DataError
        If they are other images now.
    """
    store = open_folder(folder)
    facts = store.facts(RunKey(arm, seed))
    own = planned_data(store.plan(), store).image
    found = scans.shaped(decoding(stored_recipe(facts).image, own))
    if facts.images is not None and facts.images["fingerprint"] != found.fingerprint:
        raise DataError("the scans have changed since the study was run", expected="the images of the study")
    return found.images


def saliency(folder: str | Path, case: int, *, arm: str, seed: int, scans: ScanSet) -> SaliencyMaps:
    """Compute where the network of one run looks on one scan: input gradient and occlusion.

    Parameters
    ----------
    scans : see `study_scans`

    Raises
    ------
    InputError
        If there is no such run, it kept no weights, or its network is a custom class, which is not loaded
        from a study folder.
    """
    require_torch("saliency")
    from scantrial.train.predictor import load_predictor  # noqa: PLC0415 - PyTorch only where it is needed
    from scantrial.train.saliency import explain  # noqa: PLC0415 - as above

    store, key = open_folder(folder), RunKey(arm, seed)
    facts = store.facts(key)
    if stored_recipe(facts).model.is_custom:
        raise InputError("the network is a custom class", expected="a network of scantrial's")
    images = run_images(folder, arm=arm, seed=seed, scans=scans)
    return explain(load_predictor(facts, store.weights(key)), images[case])
