"""`run` and what comes before it: read a study, load its scans, choose engine and executor."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Literal, TypedDict, Unpack, get_args

from scantrial.api.checks import at_least_one, no_less_than_zero, one_of, require_torch
from scantrial.audit.records import Audit
from scantrial.core.errors import InputError
from scantrial.core.machine import return_freed_memory
from scantrial.core.names import DeviceName, EngineName, slug
from scantrial.core.progress import Progress, silent
from scantrial.data.arm_images import decoding
from scantrial.data.contrast import require_clahe
from scantrial.data.load import load
from scantrial.data.scanset import ScanSet
from scantrial.data.spec import DataSpec, ImageSpec, SourceSpec
from scantrial.data.splits import apply_split
from scantrial.recipe.networks import is_timm
from scantrial.store.folder import StudyFolder
from scantrial.store.trust import OnTrust, permit
from scantrial.study.executor import local_executor
from scantrial.study.file import read_study_file
from scantrial.study.own_networks import try_own_networks
from scantrial.study.record import arm_shapes
from scantrial.study.study import Study
from scantrial.study.to_plan import code_folders
from scantrial.study.trial import Execution, Hooks, Outcome, Watch, run_study
from scantrial.study.weights import frozen_untrained
from scantrial.study.worker_count import WorkerChoice
from scantrial.train.choice import choose_engine


def load_study(study: str | Path, *, sets: Sequence[str] = (), seeds: int | None = None) -> Study:
    """Read a study file, or a built-in study by its name.

    Parameters
    ----------
    sets : changes as ``KEY=VALUE`` with dotted keys, such as ``recipe.epochs=2``
    seeds : number of seeds instead of the file's

    Raises
    ------
    StudyFileError
        With every fault of the file, each with its line.
    """
    return read_study_file(study, sets=sets, seeds=seeds)


def load_scans(
    data: DataSpec | str | Path,
    *,
    base: Path | None = None,
    shapes: Collection[ImageSpec] = (),
    progress: Progress = silent,
) -> ScanSet:
    """Load scans as one array, with the split of `data` if it is a full `DataSpec`.

    Parameters
    ----------
    data : the ``data`` part of a study, or just a source: a catalogue name, folder, ``.npz`` or ``.csv`` file
    base : folder that relative paths start from
    shapes : further shapes to decode the scans of a full `DataSpec` in, see `scantrial.data.load.load`

    Raises
    ------
    DataError
        If the scans cannot be used; every offending file is named.
    """
    if not isinstance(data, DataSpec):
        return load(SourceSpec(name=str(data)), image=ImageSpec(), base=base, progress=progress)
    return apply_split(load_without_split(data, base=base, shapes=shapes, progress=progress), data.split)


def load_without_split(
    data: DataSpec, *, base: Path | None = None, shapes: Collection[ImageSpec] = (), progress: Progress = silent
) -> ScanSet:
    """Load scans with the source's own splits; parameters and errors as in `load_scans`."""
    return load(
        data.source,
        image=data.image,
        shapes=shapes,
        ignore=data.ignore,
        classes=data.classes,
        patient=data.patient,
        skip_unreadable=data.skip_unreadable,
        base=base,
        progress=progress,
    )


def load_study_scans(study: Study, *, progress: Progress = silent) -> ScanSet:
    """Load the scans of a study, also in the shapes that its arms want."""
    shapes = set(arm_shapes(study.arms, study.spec.data.image).values())
    return load_scans(study.spec.data, base=study.base, shapes=shapes, progress=progress)


class RunOptions(TypedDict, total=False):
    """How to train, as keywords of `run`.

    Parameters
    ----------
    workers : runs trained at the same time, each in its own process, default 1; ``auto`` times a few steps with
        several numbers of workers and takes the fastest; a folder's first run fixes it
    threads : threads for each run, default: the cores divided among the workers; a folder's first run fixes it
    engine : ``reference``, plain PyTorch; ``fused``, many times faster where the first layer is linear on pixels; or
        ``auto``, the default, which uses the fused one where it can. A folder's first run fixes it
    device : default ``auto``: CUDA, MPS or the CPU, whichever is there first; a folder's first run fixes it
    checkpoint_every_s : seconds between checkpoints, taken at an epoch's end, default 60; 0 is every epoch
    on_audit : called with what the audit found, before anything is trained
    on_workers : called with how many runs are trained at the same time, and why
    on_damage : called with a sentence about each file of the folder that is not what was written, before anything is
        trained; such runs are set aside and trained anew
    reuse : other study folders, whose finished runs are copied instead of trained if they are equal in
        everything: recipe, seed, scans, split, engine, threads, device, versions
    trust_code : import networks of your own that you have not allowed in this folder before; kept for the folder
    on_trust : called with each such network and its files before it is imported
    on_network : called with a sentence about a network that is probably not as it was meant, before any run begins
    """

    workers: int | Literal["auto"]
    threads: int | None
    engine: EngineName
    device: DeviceName
    checkpoint_every_s: float
    reuse: Sequence[str | Path]
    on_audit: Callable[[Audit], None]
    on_workers: Callable[[WorkerChoice], None]
    on_damage: Callable[[str], None]
    trust_code: bool
    on_trust: OnTrust
    on_network: Callable[[str], None]


def run(
    study: Study | str | Path,
    *,
    out: str | Path | None = None,
    seeds: int | None = None,
    sets: Sequence[str] = (),
    watch: Watch | None = None,
    progress: Progress = silent,
    **options: Unpack[RunOptions],
) -> Outcome:
    """Carry out a study: audit its scans, then train every run that its folder does not hold yet.

    Findings of the audit do not stop the training. The same call continues where an earlier one stopped, and ends with
    the same numbers.

    Parameters
    ----------
    out : the study folder, default: the study's name in the working directory
    seeds, sets : see `load_study`
    watch : called as ``watch(event, clock)`` with everything that happens
    progress : told how far the decoding and the audit of the scans are, and the timing of workers
    options : see `RunOptions`

    Raises
    ------
    StudyFileError, DataError
        Before anything is trained.
    LockedError
        If another process holds the folder.
    InputError, StoreError
        If a folder to be reused holds no study or is damaged, or a network of your own is not found or not allowed,
        before anything is trained.
    """
    if not isinstance(study, Study):
        study = load_study(study, sets=sets, seeds=seeds)
    require_torch("training")
    folder = StudyFolder(out if out is not None else default_folder(study))
    folder.refuse_foreign()
    execution = execution_of(study, folder, options)
    scans = load_study_scans(study, progress=progress)
    check_networks(study, scans)
    tried = try_own_networks(study, scans, execution.custom_classes, folder=folder)
    for sentence in (*frozen_untrained(study.arms), *tried):
        options.get("on_network", silent)(sentence)

    def audit_first(folder: StudyFolder) -> None:
        from scantrial.audit.stored import keep_audit  # noqa: PLC0415 - only who trains or audits pays for it

        found = keep_audit(folder, scans, weights=study.weights_files, progress=progress)
        return_freed_memory()
        options.get("on_audit", silent)(found)

    hooks = Hooks(
        watch=watch or silent,
        before=audit_first,
        timing=progress,
        chosen=options.get("on_workers", silent),
        note=options.get("on_damage", silent),
    )
    return run_study(study, scans, folder, execution, hooks)


def default_folder(study: Study) -> Path:
    """Return the folder that `run` takes when none is named: the study's name in the working directory.

    An English name becomes a slug. Of any other a slug would lose the letters, so only what some file system
    refuses is replaced in it.
    """
    if study.name.isascii():
        return Path(slug(study.name))
    return Path(re.sub(r"[\s\x00-\x1f\x7f/\\:*?\"<>|]+", "-", study.name).strip("-.") or slug(study.name))


def execution_of(study: Study, folder: StudyFolder | None, options: RunOptions) -> Execution:
    """Return how a study is carried out: engine, executor, device, threads and workers, each checked.

    Raises
    ------
    InputError
        If an option is unknown or has a value that cannot be.
    """
    for name in options:
        one_of("option", name, RunOptions.__annotations__)
    if any(arm.recipe.clahe for arm in study.arms):
        require_clahe()
    threads = options.get("threads")
    device = one_of("device", options.get("device", "auto"), get_args(DeviceName))
    engine = one_of("engine", options.get("engine", "auto"), get_args(EngineName))
    choice = choose_engine(
        engine,
        {arm.name: arm.recipe for arm in study.arms},
        device=device,
        fixed=None if folder is None else folder.fixed_engine(),
    )
    return Execution(
        engine=choice.engine,
        engine_reason=choice.reason,
        prepare="scantrial.train.process:prepare_process",
        executor=local_executor,
        device="cpu" if engine == "fused" else device,
        workers=_workers(options.get("workers", 1)),
        threads=None if threads is None else at_least_one("threads", threads),
        checkpoint_every_s=no_less_than_zero("checkpoint-every", options.get("checkpoint_every_s", 60.0)),
        reuse=tuple(Path(path) for path in options.get("reuse", ())),
        custom_classes=permit(
            None if folder is None else folder.path,
            [arm.recipe.model for arm in study.arms],
            search=code_folders(study),
            trust_code=options.get("trust_code", False),
            on_trust=options.get("on_trust", silent),
        ),
    )


def check_networks(study: Study, scans: ScanSet) -> None:
    """Refuse networks of timm, and pretrained weights, that cannot be built on these scans.

    Raises
    ------
    MissingExtraError
        If timm is not installed.
    InputError
        If timm has no such network, or weights are not found or do not fit.
    """
    recipes = [arm.recipe for arm in study.arms if is_timm(arm.recipe.model.name)]
    if recipes:
        from scantrial.nets.pretrained import refuse_unfit  # noqa: PLC0415 - PyTorch only where it is needed

        own = study.spec.data.image
        networks = [(recipe.model, scans.shaped(decoding(recipe.image, own)).image_shape) for recipe in recipes]
        refuse_unfit(networks, files=study.weights_files)


def _workers(asked: int | str) -> int | None:
    if asked == "auto":
        return None
    if isinstance(asked, str):
        raise InputError(f"--workers {asked}", expected="a whole number, 1 or more, or auto")
    return at_least_one("workers", asked)
