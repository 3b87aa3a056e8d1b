"""What a study folder holds: its state, results, report, verdicts, single cases."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scantrial.analysis.metric_names import check_margin, check_metric
from scantrial.api.checks import require_torch
from scantrial.api.trial import load_scans, load_study
from scantrial.core.about import answers
from scantrial.core.errors import DataError, InputError
from scantrial.core.progress import Progress, silent
from scantrial.core.records import SaliencyMaps
from scantrial.data.arm_images import decoding
from scantrial.data.places import place_of
from scantrial.data.scanset import Pixels, ScanSet
from scantrial.findings.case import CaseView, case_view
from scantrial.findings.judging import Choices, Judgement, judge
from scantrial.findings.reading import read_study_folder as read_folder
from scantrial.findings.view import ReportView, build_view
from scantrial.recipe.plan import stored_recipe
from scantrial.recipe.training import stopped_words
from scantrial.store.folder import RunKey, StudyFolder, open_folder
from scantrial.store.lock import holder_of
from scantrial.store.verify import Mismatch, refuse_changed, study_mismatches
from scantrial.study.answering import record_answers
from scantrial.study.record import arm_shapes
from scantrial.study.study import Study
from scantrial.study.to_plan import planned_data

if TYPE_CHECKING:
    from scantrial.report.formats import Written


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """What a study folder holds and what is left to do.

    Parameters
    ----------
    question : the study's question
    mismatches : which files and lines of the folder are not what was written
    finished, diverged, failed, waiting : runs by their state; diverged ones are finished, too
    running : where each run stood a few seconds ago: arm, seed, epoch, n_epochs, val_accuracy
    reused : finished runs that were copied, each with the folder, arm and seed that it came from
    stopped_early : finished runs that early stopping ended, each with when and why in words
    seconds_left : of the process that is training now, or None
    holder : the process that holds the folder (pid, host, since, command), or None
    """

    folder: Path
    question: str
    finished: tuple[RunKey, ...]
    diverged: tuple[RunKey, ...]
    failed: tuple[tuple[RunKey, str], ...]
    running: tuple[Mapping[str, Any], ...]
    waiting: tuple[RunKey, ...]
    reused: tuple[tuple[RunKey, Mapping[str, Any]], ...]
    seconds_left: float | None
    holder: Mapping[str, Any] | None
    mismatches: tuple[Mismatch, ...] = ()
    stopped_early: tuple[tuple[RunKey, str], ...] = ()


def status(folder: str | Path) -> Status:
    """Tell what is done, running and left in a study folder."""
    store = open_folder(folder)
    holder = holder_of(store.path)
    progress = _note_of(store, holder)
    finished = store.run_keys()
    failures = store.failures()
    running = {RunKey(item["arm"], item["seed"]): item for item in progress.get("running", ())}
    # The note is a few seconds old: what has ended since then no longer runs.
    busy = running.keys() - set(finished)
    seen = {*finished, *busy, *(failure.key for failure in failures)}
    facts = {key: store.facts(key) for key in finished}
    return Status(
        folder=store.path,
        question=store.plan().study,
        finished=tuple(finished),
        diverged=tuple(key for key in finished if facts[key].status == "diverged"),
        failed=tuple((failure.key, failure.message) for failure in failures if failure.key not in busy),
        running=tuple(item for key, item in running.items() if key in busy),
        waiting=tuple(key for key in store.planned_keys() if key not in seen),
        reused=tuple((key, found.reused_from) for key, found in facts.items() if found.reused_from is not None),
        seconds_left=_seconds_left(progress),
        holder=holder,
        mismatches=tuple(study_mismatches(store)),
        stopped_early=tuple((key, stopped_words(found)) for key, found in facts.items() if found.stopped_early),
    )


def _note_of(store: StudyFolder, holder: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """Return the training process's note of where its runs are; the note of a process that has ended is ignored."""
    note = store.progress() if holder is not None else {}
    return note if holder is not None and note.get("pid") == holder.get("pid") else {}


def _seconds_left(note: Mapping[str, Any]) -> float | None:
    """Return the time left now, from the time left when the note was written."""
    left = note.get("seconds_left")
    if left is None:
        return None
    now = time.time()
    age = max(0.0, now - float(note.get("at", now)))
    return max(0.0, float(left) - age)


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


def report(
    folder: str | Path,
    *,
    format: str = "html",
    assets: str | Path | None = None,
    out: str | Path | None = None,
) -> Path:
    """Write the report of a study folder and return its path.

    Needs neither the scans nor PyTorch.

    Parameters
    ----------
    format : ``html``, one file; ``pdf``, for paper; ``md``, Markdown with its figures beside it
    assets : a folder to write every figure and table to as well, as files for a paper
    out : the folder to write it to; default: ``report`` in the study folder

    Raises
    ------
    InputError
        If the folder is not a study folder, or the format does not exist.
    MissingExtraError
        If PDF is asked for and Typst is not installed.
    """
    return reports(folder, formats=(format,), assets=assets, out=out).reports[format]


def reports(
    folder: str | Path,
    *,
    formats: Sequence[str] = ("html", "pdf", "md"),
    assets: str | Path | None = None,
    out: str | Path | None = None,
) -> Written:
    """Write the report of a study folder in several formats from one logged reading; see `report`."""
    from scantrial.report.formats import write_reports  # noqa: PLC0415 - drawing takes a second to load

    return write_reports(folder, formats, assets=assets, out=out)


def report_and_results(folder: str | Path) -> tuple[Path, ReportView]:
    """Write the report of a study folder; return its path and the numbers in it, from one logged reading."""
    from scantrial.report.formats import write_report  # noqa: PLC0415 - drawing takes a second to load

    store = open_folder(folder)
    view = build_view(read_folder(store, by="report", purpose="report and printed results"))
    return write_report(store.path, view=view), view


def results(folder: str | Path) -> ReportView:
    """Return all the numbers of a study folder: per run, over seeds per arm, and the verdicts.

    Reads test rows, which is logged.
    """
    return build_view(read_folder(open_folder(folder), by="results", purpose="metrics of every run"))


def compare(
    folder: str | Path,
    *,
    metric: str | None = None,
    margin: float | None = None,
    control: str | None = None,
    pairs: bool = False,
    level: float = 0.95,
    bootstrap: bool | None = None,
) -> Judgement:
    """Judge a study folder: which arms are better, worse or equivalent, and the answers to its hypotheses.

    Without further words the comparisons, the metric and the margin are those that the study file declares. Reads
    test rows, which is logged.

    Parameters
    ----------
    metric : another metric than the declared one; it has no margin of its own
    margin : the smallest difference that matters, in the metric's unit
    control : compare every other arm with this one
    pairs : compare all pairs of arms
    level : confidence level, default 0.95
    bootstrap : whether to check the comparisons with a crossed bootstrap, which takes seconds each; default: no

    Raises
    ------
    InputError
        If there is no study, or what is asked for is no metric or no arm of it.
    """
    choices = Choices(
        metric=metric, margin=margin, control=control, pairs=pairs, level=level, bootstrap=bool(bootstrap)
    )
    store = open_folder(folder)
    check_margin(check_metric(metric or store.plan().primary.metric), margin)
    return judge(read_folder(store, by="compare", purpose="verdicts"), choices=choices)


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


def base_of(store: StudyFolder) -> Path | None:
    """Return the folder that the name of a folder's scans starts from on this machine, or None if that is not known."""
    name = planned_data(store.plan(), store).source.name
    known = place_of(str(store.data()["fingerprint"]), name) if store.has_data() else None
    if known is not None:
        return known
    environment = store.environment() if store.has_environment() else {}
    above, path = environment.get("paths_start_above"), store.path.resolve()
    if isinstance(above, int):
        return (path, *path.parents)[above] if 0 <= above <= len(path.parents) else None
    # Folders of scantrial 0.1.0 name it; from there scans are read, and nothing is imported.
    paths = environment.get("import_paths", ())
    return Path(paths[0]) if paths else None


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
