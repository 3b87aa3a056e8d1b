"""`init`: a study file for some scans, each line with its reason."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Unpack

import numpy as np

from scantrial.api.scan_source import SourceOptions, asked_of, divided, find_source, load_any_size
from scantrial.core.errors import InputError
from scantrial.core.files import clear_os_errors
from scantrial.core.names import slug
from scantrial.core.plain import Plain
from scantrial.core.progress import Progress, silent
from scantrial.data.catalogue import CATALOGUE
from scantrial.data.load import PHANTOM, find_path, list_cases
from scantrial.data.masks import masks_among
from scantrial.data.patients import FOLDER
from scantrial.data.scanset import CaseList, ScanSet
from scantrial.data.spec import DataSpec
from scantrial.study.draft import LookedAt, Said, StudyDraft, draft_study
from scantrial.study.file import parse_study

N_LOOKED_AT = 200
"""Colour scans that are looked at, spread over all, to see whether they are gray."""

_SAME = 1.0
"""Mean difference of two channels, in gray values of 255, up to which a colour scan counts as gray."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenDraft(Plain):
    """A study file that was written: its path and its draft."""

    path: Path
    draft: StudyDraft


def init(
    data: str | Path, *, out: str | Path | None = None, progress: Progress = silent, **options: Unpack[SourceOptions]
) -> WrittenDraft:
    """Look at some scans and write a study file that runs, each line with its reason as a comment.

    Size, channels, classes with the positive one last, patients where the names seem to tell, a split or folds, and
    class weights follow from the scans. The margin is left to the author.

    Parameters
    ----------
    data : a catalogue name, folder, ``.npz`` or ``.csv`` file
    out : the file to write; default: the name of `data` and ``-study.yaml``, in the working folder
    options : see `SourceOptions`; what they do not say is found in the files

    Raises
    ------
    InputError
        If the file is there already; it is never written over.
    DataError
        If the scans cannot be read, or are too few for any split.
    """
    name = str(data)
    if Path(name).suffix.lower() in (".yaml", ".yml"):
        raise InputError(f"{name} is a study file", expected="scans: a folder, a file or a data set of the catalogue")
    path = Path(out) if out is not None else Path(f"{slug(Path(name).absolute().stem)}-study.yaml")
    if path.exists():
        raise InputError(f"{path} is there already", expected="a new file", do="give another name with --out FILE")
    columns, others = divided(options)
    found = find_source(name, progress=progress, **columns)
    asked = asked_of(found.data, others)
    masks = None if name == PHANTOM else masks_among(_list(asked))
    if masks is not None and masks.patterns:
        asked = asked.model_copy(update={"ignore": masks.patterns})
    loaded = load_any_size(asked, progress=progress)
    scans, read = loaded.scans, loaded.data
    may_be_folders = scans.patients is None and scans.origin.get("n_folders")
    seen = LookedAt(
        name=Path(name).absolute().name,
        source=_from(read.source.name, path.absolute().parent),
        cases=_listed(scans),
        spread=loaded.spread,
        colour_is_gray=_is_gray(_in_colour(read, progress) if len(loaded.spread.channels) > 1 else scans),
        skipped=scans.skipped,
        masks=masks,
        folders=_by_folder(read, progress) if may_be_folders else None,
        said=Said(
            options=read.source.options,
            source_lines=found.lines,
            classes=read.classes if isinstance(read.classes, dict) else None,
            patient=read.patient,
            image={key: value for key, value in read.image.stored().items() if key in ("frame", "page", "range")},
            image_lines=loaded.lines,
        ),
    )
    draft = draft_study(seen)
    parse_study(draft.text, name=path.stem, source=str(path), base=path.absolute().parent)
    with clear_os_errors(path), path.open("x", encoding="utf-8") as file:
        file.write(draft.text)
    return WrittenDraft(path=path, draft=draft)


def _from(source: str, folder: Path) -> str:
    """Return the name of a source as a study file in a folder gives it."""
    place = None if source in (PHANTOM, *CATALOGUE) else find_path(source)
    return source if place is None else Path(os.path.relpath(place, folder)).as_posix()


def _list(asked: DataSpec) -> CaseList:
    return list_cases(asked.source, classes=asked.classes, patient=asked.patient, skip_unreadable=True)


def _listed(scans: ScanSet) -> CaseList:
    return CaseList(
        labels=scans.labels,
        class_names=scans.class_names,
        split=scans.split,
        sources=scans.sources,
        patients=scans.patients,
        origin=scans.origin,
    )


def _by_folder(asked: DataSpec, progress: Progress) -> tuple[str, ...] | None:
    """Return the folder of each scan, as ``patient: folder`` finds it."""
    return load_any_size(asked.model_copy(update={"patient": FOLDER}), progress=progress).scans.patients


def _in_colour(asked: DataSpec, progress: Progress) -> ScanSet:
    """Load scans of which only some are gray as colour: read as gray they would not tell whether there is any."""
    image = asked.image.model_copy(update={"channels": 3})
    return load_any_size(asked.model_copy(update={"image": image}), progress=progress).scans


def _is_gray(scans: ScanSet) -> bool:
    """Tell whether scans are gray, though they may have three equal channels."""
    if scans.images.ndim == 3:
        return True
    rows = np.unique(np.linspace(0, len(scans) - 1, min(len(scans), N_LOOKED_AT)).astype(np.int64))
    top = float(np.iinfo(scans.images.dtype).max)
    apart = [np.ptp(scans.images[row].astype(np.float32), axis=-1).mean() * 255 / top for row in rows]
    return bool(max(apart) <= _SAME)
