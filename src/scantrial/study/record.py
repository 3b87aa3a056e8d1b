"""What the study folder stores about its scans, and the check that scans are the same."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from scantrial.core.errors import DamagedError, StudyConflictError
from scantrial.core.fold_table import FoldTable
from scantrial.core.format import counted
from scantrial.core.records import SPLITS
from scantrial.data.arm_images import decoding
from scantrial.data.places import common_folder, name_without_folders, without_folder
from scantrial.data.scanset import ScanSet, ShapedScans
from scantrial.data.spec import ArmImageSpec, DataSpec, ImageSpec
from scantrial.data.thumbnails import thumbnail_png
from scantrial.recipe.plan import PlannedArm
from scantrial.store.folder import StudyFolder
from scantrial.store.tables import fold_columns
from scantrial.study.study import Arm, Study

MAX_PICTURES = 10_000
"""Cases of which a study folder keeps small pictures: 7 MB of 28 x 28 pixels, some 100 MB of large scans."""


def data_record(scans: ScanSet, spec: DataSpec) -> dict[str, Any]:
    """Return the content of ``data.json``: plain facts about the scans that the study uses."""
    counts = {
        split: {
            name: int(((scans.split == split) & (scans.labels == index)).sum())
            for index, name in enumerate(scans.class_names)
        }
        for split in SPLITS
    }
    return {
        "fingerprint": scans.fingerprint,
        "class_names": list(scans.class_names),
        "counts": counts,
        "n_scans": len(scans),
        "n_used": int((scans.split != "").sum()),
        "has_patients": scans.patients is not None,
        "image": {"shape": list(scans.image_shape), **spec.image.stored()},
        "pixel_type": str(scans.images.dtype),
        "split": spec.split.model_dump(mode="json", exclude_none=True),
        "source": _source(scans),
        "skipped": without_folder(scans.skipped, common_folder(scans.sources)),
    }


def _source(scans: ScanSet) -> dict[str, Any]:
    """Return the facts about the source, without folders of this machine."""
    facts = {key: value for key, value in scans.origin.items() if key != "path"}
    return {**facts, **({"name": name_without_folders(str(facts["name"]))} if "name" in facts else {})}


def cases_table(scans: ScanSet, *, thumbnails: bool) -> pa.Table:
    """Return one row for each case in a split: case, split, label, patient, source, thumbnail, and for a
    cross-validation how each repeat uses it.

    Pictures are of `MAX_PICTURES` cases at most, test before validation before training.
    """
    used = np.flatnonzero(scans.split != "")
    patients, folder = scans.patients, common_folder(scans.sources)
    pictures: list[bytes | None] = [None] * len(used)
    if thumbnails:
        places = np.concatenate([np.flatnonzero(scans.split[used] == split) for split in reversed(SPLITS)])
        shown = places[:MAX_PICTURES].tolist()
        with ThreadPoolExecutor() as pool:
            found = pool.map(lambda case: thumbnail_png(scans.images[case]), used[shown])
            for place, png in zip(shown, found, strict=True):
                pictures[place] = png
    return pa.table(
        {
            "case": pa.array(used, pa.int64()),
            "split": pa.array(scans.split[used].tolist(), pa.string()),
            "label": pa.array(scans.labels[used], pa.int64()),
            "patient": pa.array([None if patients is None else patients[case] for case in used], pa.string()),
            "source": pa.array([without_folder(scans.sources[case], folder) for case in used], pa.string()),
            "thumbnail": pa.array(pictures, pa.binary()),
            **({} if scans.folds is None else fold_columns(scans.folds, used)),
        }
    )


def check_same_scans(folder: StudyFolder, scans: ScanSet, images: Mapping[str, ArmImages] | None = None) -> None:
    """Refuse scans or splits that differ from those of the folder's runs; their location does not matter.

    Parameters
    ----------
    images : see `images_by_arm`

    Raises
    ------
    StudyConflictError
        If a fingerprint or the split of any case differs.
    """
    stored = folder.data()["fingerprint"]
    if stored != scans.fingerprint:
        raise StudyConflictError(
            f"the scans have changed: fingerprint {scans.fingerprint[:12]}, but {folder.path} was run on {stored[:12]}",
            expected="the same pixels, labels, class names and file names (data.source, data.image, data.classes)",
            do="restore the old scans, or run into a new folder (--out DIR)",
        )
    n_moved = _n_moved(folder, scans)
    if n_moved:
        raise StudyConflictError(
            f"the splits have changed: {counted(n_moved, 'case')} in another split than in {folder.path}",
            do="restore the old split, or run into a new folder (--out DIR)",
        )
    _refuse_other_images(folder, images or {})


def arm_shapes(arms: Iterable[Arm | PlannedArm], own: ImageSpec) -> dict[str, ArmImageSpec]:
    """Return how the scans are decoded for each arm that has images of its own, by the arm's name.

    Parameters
    ----------
    own : `data.image` of the study
    """
    found = {arm.name: decoding(arm.recipe.image, own) for arm in arms}
    return {arm: image for arm, image in found.items() if image is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmImages:
    """The images of an arm that are not those of the study.

    Parameters
    ----------
    path : their ``.npy`` file
    fingerprint, n_enlarged : as `scantrial.data.scanset.ShapedScans` has them
    """

    path: str
    fingerprint: str
    n_enlarged: int | None


def images_by_arm(study: Study, scans: ScanSet) -> dict[str, ArmImages]:
    """Return the images of each arm that has its own, by the arm's name."""
    return {arm: _described(scans.shapes[image]) for arm, image in _shapes_of(study).items()}


def _shapes_of(study: Study) -> dict[str, ArmImageSpec]:
    return arm_shapes(study.arms, study.spec.data.image)


def _described(scans: ShapedScans) -> ArmImages:
    path = str(scans.images_path.resolve())
    return ArmImages(path=path, fingerprint=scans.fingerprint, n_enlarged=scans.n_enlarged)


def _refuse_other_images(folder: StudyFolder, images: Mapping[str, ArmImages]) -> None:
    """Refuse images of an arm that differ from those of its finished runs, although the study's own are the same."""
    for key in folder.run_keys():
        stored = folder.facts(key).images if key.arm in images else None
        if stored is not None and stored["fingerprint"] != images[key.arm].fingerprint:
            raise StudyConflictError(
                f"the scans have changed: run {key} had other images than arm {key.arm} has now",
                expected="the same files, so that their images are the same at every size",
                do="restore the old scans, or run into a new folder (--out DIR)",
            )


def holds_same_scans(folder: StudyFolder, scans: ScanSet) -> bool:
    """Return whether the folder's scans and their split are these."""
    return bool(folder.data()["fingerprint"] == scans.fingerprint) and _n_moved(folder, scans) == 0


def _n_in_other_folds(stored: FoldTable | None, now: FoldTable | None, n_cases: int) -> int:
    if stored is None or now is None or stored.n_folds != now.n_folds:
        return n_cases
    n = min(stored.n_repeats, now.n_repeats)  # a repeat that is taken away moves no case of the others
    if len(stored.test) != len(now.test):
        return n_cases
    moved = (stored.test[:, :n] != now.test[:, :n]) | (stored.val[:, :n] != now.val[:, :n])
    return int(moved.any(axis=1).sum())


def has_more_repeats(folder: StudyFolder, scans: ScanSet) -> bool:
    """Return whether a cross-validation has repeats that the folder's table of cases does not have yet."""
    stored = _stored_folds(folder) if scans.folds is not None else None
    return stored is not None and scans.folds is not None and scans.folds.n_repeats > stored.n_repeats


def _stored_folds(folder: StudyFolder) -> FoldTable | None:
    try:
        return folder.fold_table()
    except DamagedError:  # the table is of another plan than the folder's: a call was killed between writing the two
        return None


def _n_moved(folder: StudyFolder, scans: ScanSet) -> int:
    """Return how many cases are in another split, or in other folds, than in the folder; more repeats move none."""
    if scans.folds is not None or folder.plan().folds:
        return _n_in_other_folds(_stored_folds(folder), scans.folds, len(scans))
    table = folder.cases(["case", "split"])
    before = dict(zip(table["case"].to_pylist(), table["split"].to_pylist(), strict=True))
    now = {int(case): str(scans.split[case]) for case in np.flatnonzero(scans.split != "")}
    return sum(before.get(case, "") != now.get(case, "") for case in before.keys() | now.keys())
