"""Cases from NIfTI volumes: with ``frame: all`` each slice is a case, and its volume stands for the patient."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import chain
from typing import Any, NamedTuple

import numpy as np

from scantrial.core.errors import DataError
from scantrial.core.format import counted
from scantrial.core.names import listed
from scantrial.data.codecs.base import Codec
from scantrial.data.codecs.nifti import NIFTI, Volume, volume_of
from scantrial.data.decode import decode_numbered
from scantrial.data.formats.base import MAX_IMAGES, Decode, Listing
from scantrial.data.spec import ImageSpec


class _Slice(NamedTuple):
    """A slice, by the position of its file and its number; None for the image of any other file."""

    position: int
    number: int | None


def nifti_cases(listing: Listing, image: ImageSpec, kinds: Sequence[Codec | None]) -> tuple[Listing, dict[str, Any]]:
    """Return the cases of a source that holds NIfTI files, and notes for its record; any other as it is.

    Without known patients, each file is taken for one where a file gives several cases.

    Parameters
    ----------
    kinds : the kind of each file of the listing

    Raises
    ------
    DataError
        If there are too many slices.
    MissingExtraError
        If nibabel is not installed.
    """
    if NIFTI not in kinds:
        return listing, {}
    volumes = {
        position: volume
        for position, (file, kind) in enumerate(zip(listing.files, kinds, strict=True))
        if kind is NIFTI and (volume := volume_of(file)) is not None
    }
    notes = [_planes(list(volumes.values()))] if volumes else []
    if image.frame != "all":
        return listing, {"notes": notes}
    n_slices = sum(volume.shape[2] for volume in volumes.values())
    if n_slices > MAX_IMAGES:
        do = "choose one: data.image.frame: 0"
        raise DataError(f"{n_slices:,} slices", expected=f"at most {MAX_IMAGES:,}", do=do)
    slices = list(chain.from_iterable(_slices(n, volumes.get(n)) for n in range(len(listing.files))))
    if listing.patients is None and len(slices) > len(listing.files):
        notes.append("Each file was taken for a patient: where patients have several volumes, set data.patient.")
    return _listing(listing, slices), {"notes": notes}


def _planes(volumes: list[Volume]) -> str:
    planes = listed(f"{what} in {n}" for what, n in Counter(volume.plane for volume in volumes).most_common())
    return f"The slices of {counted(len(volumes), 'NIfTI volume')} are {planes}."


def _slices(position: int, volume: Volume | None) -> list[_Slice]:
    if volume is None:
        return [_Slice(position, None)]
    return [_Slice(position, number) for number in volume.stored_order]


def _listing(listing: Listing, slices: Sequence[_Slice]) -> Listing:
    """Return the listing with a case for each slice, called by its number behind the name of the file."""
    rows = np.array([one.position for one in slices], dtype=np.int64)
    files = listing.sources if len(slices) > len(listing.files) else None
    patients = files if listing.patients is None else listing.patients

    def decoders() -> Iterator[Decode]:
        return (partial(decode_numbered, listing.files[one.position], one.number) for one in slices)

    return replace(
        listing,
        sources=tuple(
            listing.sources[one.position] + ("" if one.number is None else f"#{one.number}") for one in slices
        ),
        labels=listing.labels[rows],
        split=listing.split[rows],
        patients=None if patients is None else tuple(patients[row] for row in rows),
        folders=None if listing.folders is None else tuple(listing.folders[row] for row in rows),
        decoders=decoders,
    )
