"""Cases from DICOM files: frames, patients, and sources without names.

Paths of DICOM files hold names of patients, and so do their headers. A case is therefore called by the number of its
file in the order of the source, ``scan-00012``, its frame after ``#``, and its patient by a keyed hash.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from scantrial.core.errors import DataError, MissingExtraError, itemised
from scantrial.core.format import counted
from scantrial.data.codecs.base import Codec
from scantrial.data.codecs.dicom.codec import DICOM
from scantrial.data.codecs.dicom.decode import chosen_frame
from scantrial.data.codecs.dicom.gray import gray_table
from scantrial.data.codecs.dicom.headers import needs_pydicom, open_dicom
from scantrial.data.codecs.table import frames_of
from scantrial.data.decode import decode_numbered
from scantrial.data.dicom_words import APPLIED
from scantrial.data.formats.base import Decode, Listing
from scantrial.data.pseudonyms import pseudonym, user_key
from scantrial.data.spec import ImageSpec

_MAX_CASES = 5_000_000
_COMMON_SUFFIXES = (".txt", ".csv", ".tsv", ".json", ".xml", ".pdf", ".md", ".zip")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Frame:
    """A frame of a file of the listing.

    Parameters
    ----------
    position : of the file in the listing
    frame : its number where each frame is a case, else None
    """

    position: int
    frame: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Facts:
    """What the header of a file says; a file that cannot be read says nothing.

    Parameters
    ----------
    frames : the numbers of its frames
    patient, study : as the file has them, empty where it does not say
    """

    frames: range = range(1)
    patient: str = ""
    study: str = ""
    is_read: bool = False
    facts: tuple[str, ...] = ()


def dicom_cases(listing: Listing, image: ImageSpec, kinds: Sequence[Codec | None]) -> tuple[Listing, dict[str, Any]]:
    """Return the cases of a source that holds DICOM files, and the facts for its record; any other as it is.

    With ``frame: all`` each frame is a case, and the patient is that of the file.

    Parameters
    ----------
    kinds : the kind of each file of the listing

    Raises
    ------
    DataError
        If the patient of some files is not known, or an archive holds DICOM.
    MissingExtraError
        If pydicom is not installed.
    """
    is_dicom = [kind is DICOM for kind in kinds]
    if not any(is_dicom):
        return listing, {}
    needs_pydicom()
    files = [_file(path, image, kind) for path, kind in zip(listing.files, kinds, strict=True)]
    cases = _cases(files, image)
    rows = np.array([case.position for case in cases], dtype=np.int64)
    width = len(str(len(files)))

    def decoders() -> Iterator[Decode]:
        return (partial(decode_numbered, listing.files[case.position], case.frame) for case in cases)

    named = replace(
        listing,
        sources=tuple(_source(case, width) for case in cases),
        shown=tuple(_shown(case, listing.sources) for case in cases),
        labels=listing.labels[rows],
        split=listing.split[rows],
        patients=_patients(listing, files, is_dicom, rows),
        decoders=decoders,
        ignored=_without_names(listing.ignored),
    )
    facts = {"dicom": _counts(files, len(cases)), "ignored": dict(named.ignored), "notes": _notes(files, listing)}
    return named, facts


def _file(path: Path, image: ImageSpec, kind: Codec | None) -> _Facts:
    """Read what the header says; what is wrong with the file is told when it is decoded."""
    if kind is not DICOM:
        return _Facts(frames=frames_of(path)) if image.frame == "all" else _Facts()
    try:
        with open_dicom(path) as header:
            frame = 0 if image.frame == "all" else chosen_frame(header, image.frame)
            return _Facts(
                frames=range(header.n_frames),
                patient=header.text("PatientID"),
                study=header.text("StudyInstanceUID"),
                is_read=True,
                facts=_facts(header.of_frame(frame), header.text("BurnedInAnnotation"), image),
            )
    except MissingExtraError:
        raise
    except Exception:  # pydicom raises nearly anything
        return _Facts()


def _facts(tags: Mapping[str, Any], burned_in: str, image: ImageSpec) -> tuple[str, ...]:
    """Return what is applied to a file, by the keys of the record."""
    burned = {"YES": "burned_in_yes", "NO": "burned_in_no"}.get(burned_in.upper(), "burned_in_unknown")
    if tags.get("PhotometricInterpretation") not in ("MONOCHROME1", "MONOCHROME2"):
        return burned, "colour"
    table = gray_table(tags, image.window)
    given = {
        "padding": table.padding,
        f"modality_{table.modality}": table.modality != "none",
        f"values_{table.values.replace(' ', '_')}": True,
        "turned": table.is_turned,
    }
    return burned, "gray", *(name for name, applies in given.items() if applies)


def _counts(files: list[_Facts], n_cases: int) -> dict[str, int]:
    found = Counter(fact for file in files for fact in file.facts)
    read = sum(file.is_read for file in files)
    return {"files": read, "frames": sum(len(file.frames) for file in files if file.is_read), "cases": n_cases} | {
        fact: found[fact] for fact in sorted(found)
    }


def _notes(files: list[_Facts], listing: Listing) -> list[str]:
    """Return sentences for the report: what was applied to how many files, and what names their patients.

    Where the study names the patients, the headers do not.
    """
    found = Counter(fact for file in files for fact in file.facts)
    n_gray = found["gray"]
    applied = "; ".join(f"{words} in {found[fact]} of {n_gray}" for fact, words in APPLIED.items() if found[fact])
    told = [f"Gray DICOM files: {applied}."] if applied else []
    if listing.patients is not None:
        return told
    grouped = [
        (sum(bool(file.patient) for file in files), "PatientID"),
        (sum(bool(file.study) and not file.patient for file in files), "StudyInstanceUID, as PatientID is empty"),
    ]
    told += [f"The patient of {counted(n, 'file')} is known by {what}." for n, what in grouped if n]
    return told


def _cases(files: list[_Facts], image: ImageSpec) -> list[_Frame]:
    if image.frame != "all":
        return [_Frame(position=position, frame=None) for position in range(len(files))]
    if sum(len(file.frames) for file in files) > _MAX_CASES:
        raise DataError(f"more than {_MAX_CASES:,} frames", expected="fewer", do="choose one: data.image.frame: 0")
    return [
        _Frame(position=position, frame=frame if file.is_read or len(file.frames) > 1 else None)
        for position, file in enumerate(files)
        for frame in file.frames
    ]


def _source(case: _Frame, width: int) -> str:
    number = f"scan-{case.position:0{width}d}"
    return number if case.frame is None else f"{number}#{case.frame}"


def _shown(case: _Frame, names: tuple[str, ...]) -> str:
    name = names[case.position]
    return name if case.frame is None else f"{name}#{case.frame}"


def _patients(
    listing: Listing, files: list[_Facts], is_dicom: list[bool], rows: np.ndarray[Any, np.dtype[np.int64]]
) -> tuple[str, ...] | None:
    """Return the pseudonym of each case's patient: what the study says, else PatientID, else StudyInstanceUID."""
    if listing.patients is not None:
        found = list(listing.patients)
    else:
        found = [file.patient or (f"study {file.study}" if file.study else "") for file in files]
    lacking = [n for n, text in enumerate(found) if not text and (files[n].is_read or not is_dicom[n])]
    if len(lacking) == sum(file.is_read or not known for file, known in zip(files, is_dicom, strict=True)):
        return None
    if lacking:
        names = [listing.sources[number] for number in lacking]
        raise DataError(
            f"{len(lacking)} of {len(files)} files name no patient (PatientID and StudyInstanceUID are empty):\n"
            + itemised(names, alike=True),
            expected="a patient for every scan",
            do="set data.patient, a regular expression with one group that finds the patient in each file's name, or "
            "leave these files out",
        )
    key = user_key()
    return tuple(pseudonym(key, "patient", found[row] or f"file {row}") for row in rows)


def _without_names(ignored: Mapping[str, int]) -> dict[str, int]:
    """Return the counts of skipped files; an ending that is not a usual one may be a part of a name."""
    counts: Counter[str] = Counter()
    for what, number in ignored.items():
        ending = what.removesuffix(" files")
        is_usual = not ending.startswith(".") or ending in _COMMON_SUFFIXES
        counts[what if is_usual else "other files"] += number
    return dict(counts)
