"""`audit`: what is wrong with some scans."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from scantrial.audit.records import Audit, AuditSettings
from scantrial.core.files import write_atomic
from scantrial.core.progress import Progress, silent
from scantrial.data.load import load
from scantrial.data.scanset import ScanSet
from scantrial.data.spec import DataSpec, ImageSpec, SourceSpec, SplitSpec
from scantrial.data.splits import apply_split
from scantrial.store.folder import StudyFolder, open_folder
from scantrial.store.verify import refuse_changed
from scantrial.study import builtin
from scantrial.study.file import parse_study
from scantrial.study.study import Study

if TYPE_CHECKING:
    pass


from scantrial.api.study_folder import base_of
from scantrial.api.trial import load_scans, load_study


def audit(
    data: Study | DataSpec | str | Path,
    *,
    patient: str | None = None,
    split: SplitSpec | None = None,
    settings: AuditSettings | None = None,
    page: Path | str | None = None,
    progress: Progress = silent,
) -> Audit:
    """Look for what is wrong with some scans: leakage, duplicates, shift, shortcuts, labels.

    Parameters
    ----------
    data : a study (its scans, split, patients and acknowledgements are used), a study file or a built-in study's name,
        a study folder (its runs' validation and test predictions are used as well, which is logged), or a source:
        a catalogue name, folder, ``.npz`` or ``.csv`` file, with its own splits
    patient : a regular expression that finds the patient in a file's name, instead of the data's own
    split : instead of the data's own
    page : a file to write what was found to, as one self-contained HTML page with pictures

    Raises
    ------
    StudyFileError, DataError
        If the study or the scans cannot be read.
    """
    from scantrial.audit.audit import audit_scans, audited_cases  # noqa: PLC0415 - only who audits pays for it
    from scantrial.audit.stored import stored_scores  # noqa: PLC0415 - as above

    study, folder = _study_to_audit(data)
    if study is not None:
        scans = _scans_to_audit(study.spec.data, study.base, patient, split, progress)
    elif isinstance(data, DataSpec):
        scans = _scans_to_audit(data, None, patient, split, progress)
    else:
        scans = load(SourceSpec(name=str(data)), image=ImageSpec(), patient=patient, progress=progress)
        scans = scans if split is None else apply_split(scans, split)
    acknowledge = study.spec.acknowledge if study is not None else ()
    found = audit_scans(
        scans,
        settings=settings,
        acknowledged={item.finding: item.reason for item in acknowledge},
        scores=None if folder is None else stored_scores(folder, audited_cases(scans)),
        progress=progress,
    )
    if page is not None:
        from scantrial.report.audit_document import audit_page  # noqa: PLC0415 - drawing takes a second to load

        write_atomic(Path(page), audit_page(found, scans, source=_named(data)))
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


def _scans_to_audit(
    data: DataSpec, base: Path | None, patient: str | None, split: SplitSpec | None, progress: Progress
) -> ScanSet:
    changes = {"patient": patient, "split": split}
    asked = data.model_copy(update={key: value for key, value in changes.items() if value is not None})
    return load_scans(asked, base=base, progress=progress)
