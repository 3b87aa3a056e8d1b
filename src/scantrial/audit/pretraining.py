"""Whether the weights that training starts from have seen this study's validation and test scans.

A file of weights does not say what it was trained on. Only where it is the file of a run, in its study folder, does the
record of that study's scans lie beside it.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from PIL import Image

from scantrial.audit.duplicates import correlations
from scantrial.audit.facts import digest_of
from scantrial.audit.hash_search import near_pairs
from scantrial.audit.phash import HASH_SIDE, N_ORIENTATIONS, orientation_hashes
from scantrial.audit.reach import clean_test, touching_test
from scantrial.audit.records import CheckOutcome, Found, Subject, WeightsOrigin, clear, not_applicable
from scantrial.core.errors import ScantrialError
from scantrial.core.format import counted
from scantrial.data.fit import gray_of, resize
from scantrial.data.scanset import Pixels
from scantrial.data.thumbnails import thumbnail
from scantrial.recipe.plan import stored_recipe
from scantrial.store.contents import is_picture
from scantrial.store.folder import RunKey, StudyFolder, open_folder
from scantrial.store.run_files import WEIGHTS, read_facts
from scantrial.store.verify import refuse_changed

CODE = "AU008"
_DEEP = 4
"""Folders above a run's file, up to that of the study."""

_NOT_KNOWN = "no record of the scans that they were trained on lies beside them"


def origins_of(weights: Mapping[str, Path]) -> tuple[WeightsOrigin, ...]:
    """Look beside each file of weights for the study folder that it belongs to; files by their SHA-256."""
    return tuple(_origin(sha256, path) for sha256, path in sorted(weights.items()))


def origin_keys(origins: tuple[WeightsOrigin, ...]) -> dict[str, str]:
    """Return the key of each origin that is known, by the file's SHA-256."""
    return {origin.sha256: origin.key for origin in origins if origin.key}


def _origin(sha256: str, path: Path) -> WeightsOrigin:
    place = path.resolve()
    key = RunKey.of_folder(place.parents[1].name, place.parent.name) if len(place.parents) >= _DEEP else None
    nowhere = WeightsOrigin(sha256=sha256, unknown=_NOT_KNOWN)
    if place.name != WEIGHTS or key is None or place.parents[2].name != "runs":
        return nowhere
    try:
        return _of_run(open_folder(place.parents[3]), key, sha256)
    except (ScantrialError, OSError):
        return replace(nowhere, unknown="the study folder around them cannot be read")  # an error would name its place


def _of_run(folder: StudyFolder, key: RunKey, sha256: str) -> WeightsOrigin:
    """Return what the folder says of a run's weights; nothing if the file is not the one that the run stored."""
    refuse_changed(folder)
    facts = folder.facts(key)
    if read_facts(folder.run_path(key), None)[1].get(WEIGHTS) != sha256:
        return WeightsOrigin(sha256=sha256, unknown="they are not the file that the run beside them stored")
    table = folder.cases(["case", "split", "thumbnail"])
    folds = folder.fold_table()
    parts = table["split"] if folds is None or key.place is None else pa.array(folds.parts(*key.place).tolist())
    rows = table.filter(pc.is_in(parts, pa.array(["train", "val"])))
    chain = stored_recipe(facts, folder=folder.path).model.weights_file
    return WeightsOrigin(
        sha256=sha256,
        run=f"run {key} of the study “{folder.plan().study}”",
        unknown="that run itself started from a file of weights" if chain else "",
        fingerprint=str(folder.data()["fingerprint"]),
        learnt_from=tuple(rows["case"].to_pylist()),
        pictures=tuple(rows["thumbnail"].to_pylist()),
    )


def check_weights(subject: Subject) -> CheckOutcome:
    """Find validation and test scans that the weights of training's start have seen."""
    if not subject.pretrained:
        return clear("no network starts from the weights of a file")
    found, unknown, not_known = [], [], []
    for origin in subject.pretrained:
        seen = None if not origin.run else _seen(subject, origin)
        if seen is not None and len(seen):
            found.append(_found(subject, origin, seen))
        elif seen is None or origin.unknown:
            not_known.append(origin.sha256)
            unknown.append(origin.unknown or "the study that they are from does not keep a picture of each scan")
    numbers = {"keys": origin_keys(subject.pretrained), "n_unknown": len(unknown), "unknown": not_known}
    if found:
        return CheckOutcome(outcome="found", found=tuple(found), numbers=numbers)
    if unknown:
        reason = f"nobody knows what the weights of a file were trained on: {'; '.join(dict.fromkeys(unknown))}"
        return replace(not_applicable(reason), numbers=numbers)
    return clear("the runs that these weights are from learnt from none of these scans", **numbers)


def _found(subject: Subject, origin: WeightsOrigin, seen: NDArray[np.int64]) -> Found:
    n_test = int(subject.tested[seen].sum())
    n_val = len(seen) - n_test
    of = " and ".join(
        f"{n:,} of the {counted(n_all, f'{word} scan')}"
        for n, n_all, word in (
            (n_test, int(subject.tested.sum()), "test"),
            (n_val, len(subject.rows_of("val")), "validation"),
        )
        if n
    )
    return Found(
        text=f"Training starts from the weights of {origin.run}, which learnt from {of}.{clean_test(n_test)}",
        rows=seen.tolist(),
        numbers={"n_test_cases": n_test, "n_val_cases": n_val, "weights_sha256": origin.sha256},
        severity=touching_test(n_test),
    )


def _seen(subject: Subject, origin: WeightsOrigin) -> NDArray[np.int64] | None:
    """Return the positions of validation and test scans that the weights' run learnt from; None if it cannot be told.

    A study keeps a bounded number of pictures: where some are missing, only what is found is sure. Scans of one
    fingerprint have the same case numbers. Others are compared by their small pictures: equal, or near as
    two scans of AU005 are whose hashes differ in at most `near_distance` bits.
    """
    rows = np.flatnonzero(subject.tested | (subject.parts == "val"))
    if origin.fingerprint == subject.scans.fingerprint:
        return rows[np.isin(subject.cases[rows], origin.learnt_from)]
    pictures = [content for content in origin.pictures if content is not None and is_picture(content)]
    if not pictures:
        return None
    ours = _Pictures(len(rows), lambda number: thumbnail(subject.scans.images[subject.cases[rows[number]]]))
    theirs = _Pictures(len(pictures), lambda number: _decoded(pictures[number]))
    known = set(theirs.digests) - {b""}
    equal = {number for number, digest in enumerate(ours.digests) if digest in known}
    near = _near(ours, theirs, radius=subject.settings.near_distance, least=subject.settings.min_correlation)
    seen = rows[sorted(equal | near)]
    return seen if len(seen) or len(pictures) == len(origin.learnt_from) else None


def _decoded(content: bytes) -> Pixels:
    with Image.open(io.BytesIO(content)) as picture:
        return np.asarray(picture)


class _Pictures:
    """Small pictures that are made one by one, with a digest (empty for one that shows nothing) and hashes of each."""

    def __init__(self, n: int, picture: Callable[[int], Pixels]) -> None:
        self._picture = picture
        self.digests: list[bytes] = []
        self.hashes = np.empty((n, N_ORIENTATIONS), dtype=np.uint64)
        for number in range(n):
            image = picture(number)
            self.digests.append(digest_of(image) if image.min() < image.max() else b"")
            small = resize(gray_of(image), (HASH_SIDE, HASH_SIDE)).astype(np.float32)
            self.hashes[number] = orientation_hashes(small[None] / np.float32(255))[0]

    def small(self, numbers: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return some pictures in gray, shape (len(numbers), 32, 32): no detail that a smaller decoding lacks."""
        shape = (HASH_SIDE, HASH_SIDE)
        some = [resize(gray_of(self._picture(int(number))), shape) for number in numbers]
        return np.stack(some).astype(np.float32) if some else np.zeros((0, *shape), dtype=np.float32)


_AT_ONCE = 256
_FOR_THE_MEAN = 1000


def _near(ours: _Pictures, theirs: _Pictures, *, radius: int, least: float) -> set[int]:
    """Return which of our pictures are nearly one of theirs, in the same orientation."""
    n = len(ours.digests)
    pairs = near_pairs(np.concatenate([ours.hashes, theirs.hashes]), radius=radius)
    across = (pairs.first < n) & (pairs.second >= n) & (pairs.orientation == 0)
    first, second = pairs.first[across], pairs.second[across] - n
    step = max(1, n // _FOR_THE_MEAN)
    mean = ours.small(np.arange(0, n, step)).mean(axis=0) if len(first) else np.zeros((HASH_SIDE, HASH_SIDE))
    found: set[int] = set()
    for start in range(0, len(first), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        both = correlations(ours.small(first[part]), theirs.small(second[part]), mean.astype(np.float32))
        found.update(first[part][np.minimum(*both) >= least].tolist())
    return found
