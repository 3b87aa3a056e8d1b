"""From the name of a source to a `ScanSet`: find, list, decode once, cache, number.

source -> format -> Listing -> cache (decoded only where it is new) -> ScanSet
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, TypedDict, Unpack

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from scantrial.core.errors import DataError, UnreadableScansError, itemised
from scantrial.core.files import sha256_of
from scantrial.core.machine import n_cores
from scantrial.core.names import listed, nearest
from scantrial.core.progress import Progress, silent
from scantrial.data import cache, catalogue, phantom
from scantrial.data.archive_tables import ARCHIVE, TABLE, place_in_archive
from scantrial.data.archives import is_archive, unpacked
from scantrial.data.arrange import arrange, refuse_missing_classes
from scantrial.data.codecs.table import codec_of_file
from scantrial.data.dicom_cases import dicom_cases
from scantrial.data.formats import FORMATS, Format, Listing, format_of
from scantrial.data.formats.base import Decode, ReadSettings, row_decoder
from scantrial.data.half_made import JOURNAL, Journal
from scantrial.data.ignore import refuse_idle_patterns
from scantrial.data.nifti_cases import nifti_cases
from scantrial.data.pixels import WrittenPixels, write_pixels
from scantrial.data.places import remember_place
from scantrial.data.scanset import CaseList, ScanSet, ShapedScans
from scantrial.data.spec import ImageSpec, SourceSpec

PHANTOM = "phantom"

_ENLARGED = "n_enlarged"
"""Key of a cache entry's facts: how many scans had fewer pixels than the shape asks for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Job:
    """A source, listed, before anything is decoded.

    Parameters
    ----------
    made_from : digest of what its images are drawn from, or None if they are in files
    facts : what the cache keeps beside the pixels
    origin : plain facts for the report
    place : the source itself, if it is a file or a folder
    """

    listing: Listing
    made_from: str | None
    origin: Mapping[str, Any]
    facts: Mapping[str, Any]
    place: Path | None = None


class LoadOptions(TypedDict, total=False):
    """What a study may say about its scans beside their source and shape, as keywords of `load`.

    Parameters
    ----------
    ignore : patterns of files that are no scans, see `scantrial.data.ignore`
    classes : the class names in the order of their indices; where the source has only numbers
        (MedMNIST's files), they name the numbers 0, 1, ...; or a mapping from new names to lists of the source's own
        names: cases of other classes are left out
    patient : a regular expression with a group, searched in each case's file name, that gives the patient, or
        ``folder``; by default what the source itself or the catalogue knows
    skip_unreadable : continue without single scans that cannot be read; `ScanSet.skipped` lists them. Rows of a table
        without a file or a label are left out too
    """

    ignore: Sequence[str] | None
    classes: Mapping[str, Sequence[str]] | Sequence[str] | None
    patient: str | None
    skip_unreadable: bool


def load(
    source: SourceSpec,
    *,
    image: ImageSpec | None = None,
    shapes: Collection[ImageSpec] = (),
    progress: Progress = silent,
    base: Path | None = None,
    **options: Unpack[LoadOptions],
) -> ScanSet:
    """Load labelled scans as one memory-mapped array.

    The first time, every scan is decoded and fitted in parallel and the result is kept in the cache folder
    (``$SCANTRIAL_CACHE``, or the user's own). After that the files are only read to check that their content is the
    same and that the pixels in the cache are those that were decoded; if they are not, the scans are decoded again.

    Parameters
    ----------
    source : a catalogue name, ``phantom``, or a path, with the options of that source
    image : one shape for all scans; by default their own, which must then be the same for all
    shapes : further shapes for `ScanSet.shapes`; each is decoded from the scans themselves and cached by itself
    progress : receives the files checked and the scans decoded
    base : the folder that relative paths are taken from first (the study file's); then the working folder
    options : see `LoadOptions`

    Raises
    ------
    UnreadableScansError
        Names every scan that cannot be read.
    DataError
        For anything else wrong with the source, all faults at once.
    StoreError
        If the cache folder cannot be written.
    """
    image = image or ImageSpec()
    skip_unreadable = options.get("skip_unreadable", False)
    list_again = partial(_job, source, options=options, base=base, progress=progress)
    job = list_again(image)
    contents = _digests(job.listing, progress) if job.made_from is None else (job.made_from,)
    decode = partial(_decoded, contents=contents, skip_unreadable=skip_unreadable, progress=progress)
    found = decode(job, image)
    scans = _scan_set(job, found, skip_unreadable)
    if job.place is not None:
        remember_place(scans.fingerprint, job.place, source.name)
    # The cache has drawn images in the shape of its entry alone: for another shape they are drawn again.
    jobs = {shape: job if job.made_from is None else list_again(shape) for shape in shapes}
    shaped = {shape: _shaped(scans, found.entry, decode(of_shape, shape)) for shape, of_shape in jobs.items()}
    return replace(scans, shapes=shaped)


def _decoded(
    job: _Job, image: ImageSpec, *, contents: Sequence[str], skip_unreadable: bool, progress: Progress
) -> cache.CachedScans:
    """Return the pixels in one shape from the cache, where they are decoded to if they are not there."""
    key = _key_of(job, image, contents)
    found = cache.find_cached(key)
    if found is None:
        told = partial(_say_damaged, progress) if cache.entry_folder(key).exists() else progress
        write = partial(write_pixels, listing=job.listing, image=image, skip_unreadable=skip_unreadable)
        found = cache.install(key, partial(_fill, key, job.facts, partial(write, progress=told)))
    return found


def _shaped(scans: ScanSet, own: cache.CacheEntry, found: cache.CachedScans) -> ShapedScans:
    if [position for position, _ in found.entry.skipped] != [position for position, _ in own.skipped]:
        raise DataError(
            "the scans that can be read are not the same at each size of an arm as at the study's own",
            expected="the same scans at every size",
            do="leave out or replace the files that cannot be read",
        )
    return ShapedScans(
        images=found.images,
        images_path=found.images_path,
        fingerprint=fingerprint_of(found.entry.pixels_sha256, scans.labels, scans.class_names, scans.sources),
        n_enlarged=found.entry.facts.get(_ENLARGED),
    )


def _say_damaged(progress: Progress, what: str, n_done: int, n_total: int) -> None:
    progress(f"{what} again, because the cached pixels were damaged", n_done, n_total)


def list_cases(source: SourceSpec, *, base: Path | None = None, **options: Unpack[LoadOptions]) -> CaseList:
    """List the labelled cases of a source without decoding any, and without the cache; parameters as in `load`.

    A scan that cannot be read is listed too, because no image is decoded. The phantom's scans must be drawn.

    Raises
    ------
    DataError
        If the source is not there, or anything is wrong with its files' names, tables or classes.
    """
    job = _job(source, ImageSpec(), options=options, base=base)
    listing = job.listing
    return CaseList(
        labels=listing.labels,
        class_names=listing.class_names,
        split=listing.split,
        sources=listing.sources,
        patients=listing.patients,
        origin=job.origin,
        shown=listing.shown,
    )


def _job(
    source: SourceSpec, image: ImageSpec, *, options: LoadOptions, base: Path | None, progress: Progress = silent
) -> _Job:
    messages = check_source(source, base=base)
    if messages:
        raise DataError(itemised(messages).lstrip(), do="fix data.source")
    settings = _read_settings(options)
    job = _phantom_job(source, image) if source.name == PHANTOM else _file_job(source, base, settings, progress)
    # A table names its scans: a pattern may settle which file an id means, or match files that no row names.
    if job.origin["format"] != "table":
        refuse_idle_patterns(settings.ignore, job.listing.left_out)
    known = options.get("patient") or _known_patient(source, job.listing)
    listing = arrange(job.listing, classes=options.get("classes"), patient=known)
    counts = _counts(listing, is_tree=job.origin["format"] == "folder")
    kinds = [codec_of_file(file) for file in listing.files]
    listing, found = dicom_cases(listing, image, kinds)
    if not found:
        listing, found = nifti_cases(listing, image, kinds)
    return replace(job, listing=listing, origin={**job.origin, **counts, **found, **_all_notes(job.origin, found)})


def _all_notes(*facts: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return the notes of all facts together, if there are any."""
    notes = [note for one in facts for note in one.get("notes", ())]
    return {"notes": notes} if notes else {}


def _read_settings(options: LoadOptions) -> ReadSettings:
    classes = options.get("classes") or ()
    return ReadSettings(
        ignore=tuple(options.get("ignore") or ()),
        classes=tuple(chain(*classes.values())) if isinstance(classes, Mapping) else tuple(classes),
        picks_classes=isinstance(classes, Mapping),
        skip_unreadable=options.get("skip_unreadable", False),
    )


def _counts(listing: Listing, *, is_tree: bool) -> dict[str, Any]:
    """Return what the report says of the listing: what was left out, and folders that may be patients'."""
    found: dict[str, Any] = {"excluded": dict(listing.left_out)} if listing.left_out else {}
    if is_tree and listing.patients is None and listing.folders is not None and "" not in listing.folders:
        found["n_folders"] = len(set(listing.folders))
    if listing.patients is None and listing.like_patients is not None:
        found["like_patients"] = listing.like_patients
    return found


def check_source(source: SourceSpec, *, base: Path | None = None) -> list[str]:
    """Return what is wrong with a source's name and options, without decoding anything; empty if nothing is.

    A catalogue name is accepted even if its files are not on this machine: `load` says how to download them.
    """
    if source.name == PHANTOM:
        return _phantom_faults(source.options)
    if source.name in catalogue.CATALOGUE:
        place = catalogue.find_data_set(source.name)
        return _format_faults(place, source) if place is not None else []
    path = find_path(source.name, base)
    return [unknown_source(source.name)] if path is None else _format_faults(path, source)


def is_here(source: SourceSpec, *, base: Path | None = None) -> bool:
    """Whether the files of a source are on this machine; the phantom needs none."""
    if source.name == PHANTOM:
        return True
    if source.name in catalogue.CATALOGUE:
        return catalogue.find_data_set(source.name) is not None
    return find_path(source.name, base) is not None


def available_formats() -> tuple[Format, ...]:
    """Return the formats, for the documentation; each has `name`, `looks_like` and `options`."""
    return tuple(FORMATS.values())


def find_path(name: str, base: Path | None = None) -> Path | None:
    """Find a file or folder: by its path, or below `base`, or below the working folder; None if it is nowhere."""
    try:
        given = Path(name).expanduser()
        candidates = [folder / given for folder in (base, Path.cwd()) if folder is not None]
        return next((path.absolute() for path in candidates if path.exists()), None)
    except (OSError, ValueError, RuntimeError):  # too long, a null byte, no such user
        return None


def _known_patient(source: SourceSpec, listing: Listing) -> str | None:
    """Return the catalogue's expression for patients, where the files themselves do not name them."""
    if listing.patients is not None or source.name not in catalogue.CATALOGUE:
        return None
    return catalogue.entry(source.name).patient or None


def unknown_source(name: str) -> str:
    """Return the words for a name that is no path and not in the catalogue."""
    known = (PHANTOM, *catalogue.data_set_names())
    guess = nearest(name, known)
    hint = f" (did you mean {guess!r}?)" if guess else ""
    return f"no file, folder or data set in the catalogue is called {name!r}{hint}; the catalogue has {listed(known)}"


def _format_faults(path: Path, source: SourceSpec) -> list[str]:
    try:
        found = ARCHIVE if is_archive(path) else format_of(path)
    except OSError as error:
        return [f"{path}: {error.strerror}"]
    if found is None:
        kinds = "; ".join(candidate.looks_like for candidate in FORMATS.values())
        return [f"{path} has no known format, expected: {kinds}; a .zip or .tar of a folder"]
    return found.faults_of(source.options)


def _phantom_faults(options: Mapping[str, Any]) -> list[str]:
    try:
        phantom.PhantomOptions.model_validate(dict(options))
    except ValidationError as error:
        known = phantom.PhantomOptions.model_fields
        return [_phantom_fault(fault, known) for fault in error.errors()]
    return []


def _phantom_fault(fault: Mapping[str, Any], known: Mapping[str, Any]) -> str:
    where = ".".join(map(str, fault["loc"]))
    if fault["type"] != "extra_forbidden":
        return f"{where}: {fault['msg']} (got {fault['input']!r})" if where else str(fault["msg"])
    guess = nearest(where, known)
    hint = f" (did you mean {guess!r}?)" if guess else ""
    return f"{where}: the phantom takes no option {where!r}{hint}; it takes: {listed(known)}"


def _file_job(source: SourceSpec, base: Path | None, settings: ReadSettings, progress: Progress) -> _Job:
    place, options, origin = _resolved(source, base)
    path, given = place, source.options
    if is_archive(place):
        folder = unpacked(place, progress=progress)
        path = place_in_archive(folder, place, options)
        given.pop(TABLE, None)
    reader = format_of(path)
    if reader is None:
        raise DataError("\n  ".join(_format_faults(path, source)))
    faults = reader.faults_of(given)
    if faults:  # of an archive, which options apply is known only now
        raise DataError(itemised(faults).lstrip(), do="fix data.source")
    # A catalogue entry may have more options than the reader needs.
    known = {key: value for key, value in options.items() if key in reader.options}
    try:
        listing = reader.read(path, known, settings)
    except DataError as error:
        # Of an archive the user knows the name, and not the folder in the cache.
        shown = error.got.replace(str(folder), str(place)) if is_archive(place) else error.got
        raise DataError(shown, expected=error.expected, do=error.do) from error
    _refuse_unspeakable(listing.sources)
    facts: dict[str, Any] = {"format": reader.name, "path": str(path), "ignored": dict(listing.ignored)}
    if listing.notes:
        facts["notes"] = [*origin.get("notes", ()), *listing.notes]
    return _Job(listing=listing, made_from=None, origin={**origin, **facts}, facts={}, place=place)


def _resolved(source: SourceSpec, base: Path | None) -> tuple[Path, dict[str, Any], dict[str, Any]]:
    """(path, options, origin) of a catalogue name or a path."""
    if source.name not in catalogue.CATALOGUE:
        path = find_path(source.name, base)
        if path is None:
            raise DataError(unknown_source(source.name))
        return path, source.options, {"name": source.name}
    entry = catalogue.entry(source.name)
    described = ("name", "title", "licence", "citation", "homepage")
    origin = {**{field: getattr(entry, field) for field in described}, "notes": list(entry.notes)}
    return catalogue.locate(source.name), {**entry.reader_options, **source.options}, origin


def _refuse_unspeakable(sources: Sequence[str]) -> None:
    """Refuse file names that are not text: no table or report could show them."""
    wrong = [source for source in sources if any("\ud800" <= letter <= "\udfff" for letter in source)]
    if wrong:
        raise DataError(
            f"file names that are not valid UTF-8:\n{itemised(map(repr, wrong), alike=True)}",
            do="rename these files",
        )


def _key_of(job: _Job, image: ImageSpec, contents: Sequence[str]) -> str:
    sources = job.listing.sources if job.made_from is None else ()
    return cache.key_of(image=image, sources=sources, contents=contents)


def _digests(listing: Listing, progress: Progress) -> list[str]:
    """Digest every file's bytes: times and sizes are not reliable."""

    def digest(file: Path) -> str:
        try:
            return sha256_of(file)
        except OSError as error:
            return f"unreadable: {error.strerror}"

    digests = []
    with ThreadPoolExecutor(n_cores()) as pool:
        for number, found in enumerate(pool.map(digest, listing.files), start=1):
            digests.append(found)
            progress("checking files", number, len(listing.files))
    return digests


def _phantom_job(source: SourceSpec, image: ImageSpec) -> _Job:
    options = phantom.PhantomOptions.model_validate(source.options)
    stated = options.model_dump(mode="json")
    digest = json.dumps([PHANTOM, phantom.PHANTOM_VERSION, stated], sort_keys=True)
    key = cache.key_of(image=image, sources=(), contents=[digest])
    found = cache.find_cached(key)
    if found is not None:
        facts: Mapping[str, Any] = found.entry.facts
        images: NDArray[Any] = found.images
    else:
        made = phantom.make_phantom(options)
        images = made.images
        facts = {
            "sources": list(made.sources),
            "labels": made.labels.tolist(),
            "class_names": list(made.class_names),
            "split": made.split.tolist(),
            "patients": None if made.patients is None else list(made.patients),
        }
    origin = {"name": PHANTOM, "format": PHANTOM, "options": stated, "version": phantom.PHANTOM_VERSION}
    return _Job(listing=_phantom_listing(facts, images), made_from=digest, origin=origin, facts=facts)


def _phantom_listing(facts: Mapping[str, Any], images: NDArray[Any]) -> Listing:
    def decoders() -> Iterator[Decode]:
        return (partial(row_decoder, images, number) for number in range(len(images)))

    return Listing(
        sources=tuple(facts["sources"]),
        labels=np.array(facts["labels"], dtype=np.int64),
        class_names=tuple(facts["class_names"]),
        split=np.array(facts["split"], dtype="U5"),
        patients=None if facts["patients"] is None else tuple(facts["patients"]),
        files=(),
        decoders=decoders,
    )


def _fill(key: str, facts: Mapping[str, Any], write: Callable[..., WrittenPixels], folder: Path) -> cache.CacheEntry:
    target = folder / "images.npy"
    written = write(target, journal=Journal(folder / JOURNAL, decoders=cache.DECODERS))
    return cache.CacheEntry(
        key=key,
        shape=written.shape,
        dtype="uint16" if written.dtype == "uint16" else "uint8",
        n_bytes=target.stat().st_size,
        pixels_sha256=written.sha256,
        skipped=written.skipped,
        n_widened=written.n_widened,
        facts={**facts, _ENLARGED: written.n_enlarged},
    )


def _scan_set(job: _Job, found: cache.CachedScans, skip_unreadable: bool) -> ScanSet:
    listing, entry = job.listing, found.entry
    if entry.skipped and not skip_unreadable:
        raise UnreadableScansError([(listing.names[position], reason) for position, reason in entry.skipped])
    skipped = tuple((listing.sources[position], reason) for position, reason in entry.skipped)
    kept = np.ones(len(listing.sources), dtype=bool)
    kept[[position for position, _ in entry.skipped]] = False
    labels = listing.labels[kept]
    refuse_missing_classes(listing.class_names, labels)
    sources = _kept(listing.sources, kept)
    return ScanSet(
        images=found.images,
        labels=labels,
        class_names=listing.class_names,
        split=listing.split[kept],
        sources=sources,
        patients=None if listing.patients is None else _kept(listing.patients, kept),
        fingerprint=fingerprint_of(entry.pixels_sha256, labels, listing.class_names, sources),
        images_path=found.images_path,
        origin=_with_notes(job.origin, entry),
        shown=None if listing.shown is None else _kept(listing.shown, kept),
        skipped=skipped,
    )


def _kept(texts: Sequence[str], kept: NDArray[np.bool_]) -> tuple[str, ...]:
    return tuple(text for text, keep in zip(texts, kept, strict=True) if keep)


def _with_notes(origin: Mapping[str, Any], entry: cache.CacheEntry) -> dict[str, Any]:
    notes = []
    if entry.n_widened:
        notes.append(f"{entry.n_widened} 8-bit scans were multiplied by 257 to match the 16-bit scans.")
    n_channels = entry.shape[3] if len(entry.shape) == 4 else 1
    if n_channels not in (1, 3):
        which = "the first of 2 channels in gray" if n_channels == 2 else f"the first 3 of {n_channels} channels in RGB"
        notes.append(f"Pictures show {which}; the audit looks at the mean of all channels.")
    return {**origin, "notes": [*origin.get("notes", ()), *notes]} if notes else dict(origin)


def fingerprint_of(
    pixels_sha256: str, labels: NDArray[np.int64], class_names: Sequence[str], sources: Sequence[str]
) -> str:
    """Return SHA-256 over pixels, labels, class names and sources; splits and patients do not count."""
    text = json.dumps([pixels_sha256, labels.tolist(), list(class_names), list(sources)])
    return hashlib.sha256(text.encode()).hexdigest()
