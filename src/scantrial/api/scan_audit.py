"""`audit`: what is wrong with some scans."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypedDict, Unpack

from pydantic import ValidationError

from scantrial.api.study_folder import base_of
from scantrial.api.trial import load_scans, load_study, load_without_split
from scantrial.audit.files import header_shapes
from scantrial.audit.records import Audit, AuditSettings
from scantrial.core.errors import InputError, SeveralShapesError, itemised
from scantrial.core.files import write_atomic
from scantrial.core.progress import Progress, silent
from scantrial.data.load import PHANTOM, list_cases
from scantrial.data.scanset import ScanSet
from scantrial.data.spec import DataSpec, SourceSpec, SplitSpec
from scantrial.data.splits import apply_split
from scantrial.data.spread import ShapeSpread, shape_spread, working_image
from scantrial.store.folder import StudyFolder, open_folder
from scantrial.store.verify import refuse_changed
from scantrial.study import builtin
from scantrial.study.file import parse_study
from scantrial.study.study import Study


class AuditOptions(TypedDict, total=False):
    """What `audit` takes instead of the data's own, as keywords.

    Parameters
    ----------
    patient : a regular expression that finds the patient in a file's name
    split : which scans are used for training, validation and test
    size : side in pixels, or (height, width), that scans are brought to
    channels : 1 (gray) or 3 (RGB)
    classes : class names in the order of their indices
    ignore : patterns of names of files that are no scans
    """

    patient: str
    split: SplitSpec
    size: int | tuple[int, int]
    channels: int
    classes: Sequence[str]
    ignore: Sequence[str]


def audit(
    data: Study | DataSpec | str | Path,
    *,
    settings: AuditSettings | None = None,
    page: Path | str | None = None,
    progress: Progress = silent,
    **options: Unpack[AuditOptions],
) -> Audit:
    """Look for what is wrong with some scans: leakage, duplicates, shift, shortcuts, labels.

    A source needs no study file: scans that differ in size or channels are brought to one size and read as gray, and
    files that cannot be read are left out; both are told.

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
    if study is not None:
        scans = load_scans(_asked(study.spec.data, options), base=study.base, progress=progress)
    elif isinstance(data, DataSpec):
        scans = load_scans(_asked(data, options), progress=progress)
    else:
        scans, spread = load_any_size(_asked(of_source(str(data)), options), progress=progress)
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
    found = replace(found, spread=spread)
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


def of_source(name: str) -> DataSpec:
    """Return a source with nothing said about it; its split is not used."""
    return DataSpec(source=SourceSpec(name=name), split=SplitSpec(train="given"), skip_unreadable=True)


def _asked(data: DataSpec, options: AuditOptions) -> DataSpec:
    """Return data with what the options say instead."""
    given: dict[str, Any] = {key: value for key, value in options.items() if value is not None}
    image = {key: given.pop(key) for key in ("size", "channels") if key in given}
    changed: dict[str, Any] = {**dict(data), **given, "image": {**data.image.model_dump(), **image}}
    try:
        return DataSpec.model_validate(changed)
    except ValidationError as error:
        faults = [f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors()]
        raise InputError(
            f"options of the audit:\n{itemised(faults)}", expected="the form of data in a study file"
        ) from error


def load_any_size(data: DataSpec, *, progress: Progress = silent) -> tuple[ScanSet, ShapeSpread]:
    """Load scans with their own splits; where they differ in size or channels, bring them to one.

    What the headers of the files say is enough to choose it, so that nothing is decoded twice. Where they are not
    enough (arrays, files that Pillow does not know), the scans are decoded in their own size first.
    """
    spread = _spread_of_files(data)
    try:
        image = data.image if spread is None else working_image(spread, data.image)
        scans = load_without_split(data.model_copy(update={"image": image}), progress=progress)
    except SeveralShapesError as error:
        spread = shape_spread(error.shapes, given=data.image)
        image = working_image(spread, data.image)
        scans = load_without_split(data.model_copy(update={"image": image}), progress=progress)
    return scans, spread or shape_spread({scans.images.shape[1:]: len(scans)})


def _spread_of_files(data: DataSpec) -> ShapeSpread | None:
    if data.source.name == PHANTOM:
        return None
    listed = list_cases(
        data.source,
        ignore=data.ignore,
        classes=data.classes,
        patient=data.patient,
        skip_unreadable=data.skip_unreadable,
    )
    shapes = header_shapes(listed)
    return shape_spread(shapes, given=data.image) if shapes else None
