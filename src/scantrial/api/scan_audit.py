"""`audit`: what is wrong with some scans."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Unpack

from scantrial.api.scan_source import SourceOptions, asked_of, load_source
from scantrial.api.trial import load_scans, load_study
from scantrial.audit.records import Audit, AuditSettings
from scantrial.core.files import write_atomic
from scantrial.core.progress import Progress, silent
from scantrial.data.spec import DataSpec, SplitSpec
from scantrial.data.splits import apply_split
from scantrial.store.folder import StudyFolder, open_folder
from scantrial.store.verify import refuse_changed
from scantrial.study import builtin
from scantrial.study.file import parse_study
from scantrial.study.study import Study
from scantrial.study.to_plan import base_of


class AuditOptions(SourceOptions, total=False):
    """What `audit` takes instead of the data's own, as keywords, beside `SourceOptions`.

    Parameters
    ----------
    split : which scans are used for training, validation and test
    size : side in pixels, or (height, width), that scans are brought to
    channels : how many, 1 (gray) or 3 (RGB), or a list of numbers or names of those that are used
    classes : class names in the order of their indices
    ignore : patterns of names of files that are no scans
    skip_unreadable : leave out scans that cannot be read, as is always done where a source is audited
    """

    split: SplitSpec
    size: int | tuple[int, int]
    channels: int | Sequence[int | str]
    classes: Sequence[str]
    ignore: Sequence[str]
    skip_unreadable: bool


def audit(
    data: Study | DataSpec | str | Path,
    *,
    settings: AuditSettings | None = None,
    page: Path | str | None = None,
    progress: Progress = silent,
    **options: Unpack[AuditOptions],
) -> Audit:
    """Look for what is wrong with some scans: leakage, duplicates, shift, shortcuts, labels.

    A source needs no study file: columns of a table are guessed, scans that differ in size or channels are brought to
    one size and read as gray, frames are cases, and files that cannot be read are left out. All this is told.

    Parameters
    ----------
    data : a study (its scans, split, patients and acknowledgements are used), a study file or a built-in study's name,
        a study folder (its runs' validation and test predictions are used as well, which is logged), or a source:
        a catalogue name, folder, ``.npz`` or ``.csv`` file, with its own splits
    page : a file to write what was found to, as one self-contained HTML page with pictures
    options : see `AuditOptions`

    Raises
    ------
    StudyFileError, DataError
        If the study or the scans cannot be read.
    InputError
        If an option is none that a study file could have.
    """
    from scantrial.audit.audit import audit_scans, audited_cases  # noqa: PLC0415 - only who audits pays for it
    from scantrial.audit.pretraining import origins_of  # noqa: PLC0415 - as above
    from scantrial.audit.stored import stored_scores  # noqa: PLC0415 - as above

    study, folder = _study_to_audit(data)
    spread = None
    read_as: tuple[str, ...] = ()
    if study is not None:
        scans = load_scans(asked_of(study.spec.data, options), base=study.base, progress=progress)
    elif isinstance(data, DataSpec):
        scans = load_scans(asked_of(data, options), progress=progress)
    else:
        loaded = load_source(str(data), options, progress=progress)
        scans, spread, read_as = loaded.scans, loaded.spread, loaded.lines
        scans = apply_split(scans, options["split"]) if options.get("split") else scans
    acknowledge = study.spec.acknowledge if study is not None else ()
    found = audit_scans(
        scans,
        settings=settings,
        acknowledged={item.finding: item.reason for item in acknowledge},
        scores=None if folder is None else stored_scores(folder, audited_cases(scans)),
        pretrained=origins_of({} if study is None else study.weights_files),
        progress=progress,
    )
    found = replace(found, spread=spread, read_as=read_as)
    if page is not None:
        from scantrial.report.audit_document import audit_page  # noqa: PLC0415 - drawing takes a second to load

        write_atomic(Path(page), audit_page(found, scans, source=_named(data)), parents=True)
    return found


def _named(data: Study | DataSpec | str | Path) -> str:
    """Return a short name of what is audited."""
    if isinstance(data, Study):
        return data.name
    return data.source.name if isinstance(data, DataSpec) else str(data)


def _study_to_audit(data: Study | DataSpec | str | Path) -> tuple[Study | None, StudyFolder | None]:
    """Return the study that `data` names, and its folder where it names one; neither if it is a source of scans."""
    if isinstance(data, Study):
        return data, None
    if isinstance(data, DataSpec):
        return None, None
    if isinstance(data, str) and data in builtin.builtin_names():
        return load_study(data), None
    path = Path(data)
    if path.suffix.lower() in (".yaml", ".yml"):
        return load_study(path), None
    folder = StudyFolder(path)
    if folder.exists():
        refuse_changed(open_folder(path))
        text = folder.study_text()
        return parse_study(text, source=str(path / "study.yaml"), base=base_of(folder)), folder
    return None, None
