"""Scans of which only the place is known: columns of a table, frames and a range are found in the files themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypedDict

from pydantic import ValidationError

from scantrial.api.trial import load_without_split
from scantrial.audit.files import header_shapes
from scantrial.core.errors import DataError, InputError, SeveralShapesError, UnreadableScansError, itemised
from scantrial.core.format import counted
from scantrial.core.progress import Progress, silent
from scantrial.data.archive_tables import TABLE, tables_in
from scantrial.data.archives import is_archive, unpacked
from scantrial.data.catalogue import CATALOGUE
from scantrial.data.formats import FORMATS, format_of
from scantrial.data.formats.base import Listing, ReadSettings
from scantrial.data.formats.table_guess import GuessedTable, NamedColumns, guess_table
from scantrial.data.load import PHANTOM, find_path, list_cases
from scantrial.data.patients import FOLDER
from scantrial.data.scanset import ScanSet
from scantrial.data.spec import DataSpec, ImageSpec, SourceSpec, SplitSpec
from scantrial.data.spread import ShapeSpread, shape_spread, working_image

_ENOUGH = 0.5
"""A table in a folder is used if its rows name this share of the scans, or this share of its rows name scans."""


class SourceOptions(TypedDict, total=False):
    """What may be said of scans that have no study file, as keywords.

    Parameters
    ----------
    path, label : columns of a table of scans: of the files, and of the classes, or several columns of 0 and 1
    patient : a column of a table of scans, ``folder``, or a regular expression that finds the patient in a file's name
    range : (low, high), the values that become black and white
    frame : the number of a frame or slice, or ``all``
    """

    path: str
    label: str | Sequence[str]
    patient: str
    range: tuple[float, float]
    frame: int | Literal["all"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundSource:
    """A source, and what was found out about it.

    Parameters
    ----------
    data : with the columns of a table as options of its source
    lines : what was guessed, for a person to confirm
    """

    data: DataSpec
    lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedSource:
    """Scans brought to one shape.

    Parameters
    ----------
    data : with what had to be said of the files so that they could be read: frame, page, range
    lines : what was guessed, for a person to confirm
    """

    scans: ScanSet
    spread: ShapeSpread
    data: DataSpec
    lines: tuple[str, ...] = ()


def of_source(name: str) -> DataSpec:
    """Return a source with nothing said about it; its split is not used."""
    return DataSpec(source=SourceSpec(name=name), split=SplitSpec(train="given"), skip_unreadable=True)


def load_source(name: str, options: Mapping[str, Any], *, progress: Progress = silent) -> LoadedSource:
    """Load scans of which nothing is known but what options say, see `find_source`, `asked_of` and `load_any_size`."""
    columns, others = divided(options)
    found = find_source(name, progress=progress, **columns)
    loaded = load_any_size(asked_of(found.data, others), progress=progress)
    return replace(loaded, lines=(*found.lines, *loaded.lines))


def divided(options: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the options of `find_source`, and the others."""
    columns = {key: value for key, value in options.items() if key in ("path", "label", "patient")}
    return columns, {key: value for key, value in options.items() if key not in columns}


def asked_of(data: DataSpec, options: Mapping[str, Any]) -> DataSpec:
    """Return data with what options say instead, those of `SourceOptions` and the keys of the data and of its image.

    Raises
    ------
    InputError
        If an option is none that a study file could have.
    """
    given: dict[str, Any] = {key: value for key, value in options.items() if value is not None}
    image = {key: given.pop(key) for key in ("size", "channels", "range", "frame") if key in given}
    named = ("path", "label", *(["patient"] if is_column(given.get("patient")) else []))
    columns = {key: given.pop(key) for key in named if key in given}
    if not isinstance(columns.get("label", ""), str) and len(columns["label"]) == 1:
        columns["label"] = columns["label"][0]
    source: dict[str, Any] = {"name": data.source.name, **data.source.options, **columns}
    changed: dict[str, Any] = {**dict(data), "source": source, **given, "image": {**data.image.model_dump(), **image}}
    try:
        return DataSpec.model_validate(changed)
    except ValidationError as error:
        faults = [f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors()]
        raise InputError(
            f"options for the scans:\n{itemised(faults)}", expected="the form of data in a study file"
        ) from error


# ---------------------------------------------------------------------- tables


def find_source(
    name: str,
    *,
    path: str | None = None,
    label: str | Sequence[str] | None = None,
    patient: str | None = None,
    progress: Progress = silent,
) -> FoundSource:
    """Return a source with the columns of its table, where it is one or has one beside its scans.

    Parameters
    ----------
    path, label, patient : columns; a patient that is no column is a regular expression or ``folder``

    Raises
    ------
    DataError
        If columns are named that are not there, or several may be meant.
    """
    plain = of_source(name)
    whole = plain if patient is None else plain.model_copy(update={"patient": patient})
    place = None if name in (PHANTOM, *CATALOGUE) else find_path(name)
    if place is None:
        return FoundSource(data=_without_table(whole, path, label))
    if FORMATS["table"].matches(place):
        return _of_table(whole, guess_table(place, _named(path, label, patient)), place, root=place)
    root = unpacked(place, progress=progress) if is_archive(place) else place
    if format_of(root) is not FORMATS["folder"]:
        return FoundSource(data=_without_table(whole, path, label))
    return _of_folder(whole, root, _named(path, label, patient), place)


def _named(path: str | None, label: str | Sequence[str] | None, patient: str | None) -> NamedColumns:
    columns = None if label is None else (label,) if isinstance(label, str) else tuple(label)
    return NamedColumns(path=path, label=columns, patient=patient if is_column(patient) else None)


def is_column(patient: str | None) -> bool:
    """Whether what names the patient can only be a column: neither the word ``folder`` nor an expression."""
    return patient is not None and patient != FOLDER and "(" not in patient


def _without_table(data: DataSpec, path: str | None, label: str | Sequence[str] | None) -> DataSpec:
    option = "--path" if path is not None else "--label" if label is not None else None
    if option is not None:
        raise DataError(
            f"{option}: {data.source.name} is no table, and no table lies beside its scans",
            expected="a .csv or .tsv file with a row for each scan",
        )
    return data


def _of_table(data: DataSpec, found: GuessedTable, place: Path, *, root: Path) -> FoundSource:
    """Return the source with the columns of a table, which is `place` or lies in it; `root` is where it is unpacked."""
    options, name = dict(found.options), data.source.name
    counts = f"{found.n_named:,} of {found.n_scans:,} scans are in its {found.n_rows:,} rows"
    lines = [f"labels from the table {found.table.name}: {counts}", *found.lines]
    if is_archive(place):
        options[TABLE] = found.table.relative_to(root).as_posix()
    elif found.table != place:
        name = (Path(name) / found.table.relative_to(place)).as_posix()
    changed: dict[str, Any] = {"source": SourceSpec(name=name, **options), "classes": found.classes}
    if data.patient == options.get("patient"):
        changed["patient"] = None
    return FoundSource(data=data.model_copy(update=changed), lines=tuple(lines))


def _of_folder(data: DataSpec, root: Path, named: NamedColumns, place: Path) -> FoundSource:
    """Return a folder of classes, or the table beside its scans: where columns are named, or it says more."""
    tables, asked = tables_in(root), named != NamedColumns()
    if not tables:
        return FoundSource(data=_without_table(data, named.path, named.label))
    fitting, faults = _fitting(tables, named)
    listing = None if asked else _class_folders(root)
    if len(fitting) == 1 and (listing is None or (fitting[0].is_sure and not any(listing.split))):
        return _of_table(data, fitting[0], place, root=root)
    if listing is not None:
        names = ", ".join(found.table.name for found in fitting)
        told = (f"labels from the class folders, not from {names}; --label COLUMN takes them from a table",)
        return FoundSource(data=data, lines=told if fitting else ())
    if fitting:
        raise DataError(
            f"{len(fitting)} tables in {place} name its scans: {', '.join(one.table.name for one in fitting)}",
            expected="one table of labels",
            do="give that table instead of the folder",
        )
    if asked or len(tables) == 1 or any("--label" in str(fault) for fault in faults):
        raise next((fault for fault in faults if "--label" in str(fault)), faults[0])
    return FoundSource(data=data)


def _fitting(tables: Sequence[Path], named: NamedColumns) -> tuple[list[GuessedTable], list[DataError]]:
    """Return the tables that name enough scans, and what is wrong with the others."""
    fitting, faults = [], []
    for table in tables:
        try:
            found = guess_table(table, named)
        except DataError as fault:
            faults.append(fault)
            continue
        if found.n_named >= _ENOUGH * min(found.n_rows, found.n_scans):
            fitting.append(found)
        else:
            few = f"{table}: {found.n_rows:,} rows name {found.n_named:,} of {found.n_scans:,} scans"
            faults.append(DataError(few, expected="a table of the scans beside it"))
    return fitting, faults


def _class_folders(root: Path) -> Listing | None:
    """Return the scans by their class folders; None where they are in no two of them."""
    try:
        listing = FORMATS["folder"].read(root, {}, ReadSettings(skip_unreadable=True))
    except DataError:
        return None
    return listing if len(listing.class_names) > 1 else None


# ---------------------------------------------------------------------- shapes


def load_any_size(data: DataSpec, *, progress: Progress = silent) -> LoadedSource:
    """Load scans with their own splits; where they differ in size or channels, bring them to one.

    What the headers of the files say is enough to choose it, so that nothing is decoded twice. Where they are not
    enough (arrays, files that Pillow does not know), the scans are decoded in their own size first. Of files with
    several frames each is a case, of stacks the brightest values are taken, and numbers that are no pixels span the
    range that all have together, unless the data says otherwise.
    """
    lines: list[str] = []
    while True:
        try:
            scans, spread = _brought_to_one(data, progress)
        except UnreadableScansError as error:
            lacking = _lacking(error, data.image)
            if lacking is None:
                raise
        else:
            lacking = _lacking(UnreadableScansError(scans.skipped), data.image) if scans.skipped else None
            if lacking is None:
                return LoadedSource(scans=scans, spread=spread, data=data, lines=tuple(lines))
        image, why = lacking
        data = data.model_copy(update={"image": image})
        lines.append(why)


def _lacking(error: UnreadableScansError, image: ImageSpec) -> tuple[ImageSpec, str] | None:
    """Return how the files of an error can be read if the study says nothing of it, and why."""
    n_of = {key: sum(f"set data.image.{key}" in reason for _, reason in error.problems) for key in ("frame", "page")}
    if image.frame is None and n_of["frame"]:
        why = (
            f"{counted(n_of['frame'], 'file')} of several frames or slices: frame: all takes each as a case, and keeps "
            "those of a file with one patient; frame: N takes one of them, from 0"
        )
        return image.model_copy(update={"frame": "all"}), why
    if image.page is None and n_of["page"]:
        why = (
            f"{counted(n_of['page'], 'file')} of several pages: page: max takes the brightest values over them; "
            "page: mean and page: N are the others"
        )
        return image.model_copy(update={"page": "max"}), why
    if image.range is None and error.values is not None:
        low, high = (float(f"{value:.9g}") for value in error.values)
        why = (
            f"numbers that are no pixels: range: [{low:.9g}, {high:.9g}] spans those of all files; give the values "
            "that are black and white if you know them"
        )
        return image.model_copy(update={"range": (low, high)}), why
    return None


def _brought_to_one(data: DataSpec, progress: Progress) -> tuple[ScanSet, ShapeSpread]:
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
