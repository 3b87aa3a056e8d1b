"""Public data sets by name: what they are, where they come from, where they are on this machine.

Nothing is downloaded unless `fetch` is called.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

from scantrial.core.errors import DataError
from scantrial.core.names import listed
from scantrial.core.plain import Plain
from scantrial.core.progress import Progress, silent
from scantrial.core.registry import Registry
from scantrial.data.download import ResumingDownloader, matches_hash
from scantrial.data.folders import cache_folder


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteFile:
    """One file of a data set.

    Parameters
    ----------
    path : where it belongs, relative to the data folder
    address : relative to the entry's `base_url`
    hash : ``md5:...``, ``sha256:...`` or ``git-blob-sha1:...``
    size : bytes, or None where the publishers do not state it
    """

    path: str
    address: str
    hash: str
    size: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSet(Plain):
    """One public data set.

    Parameters
    ----------
    place : the file or folder that holds it, relative to the data folder
    obtain : how a person gets it, in one sentence
    base_url : address that the files' addresses are relative to; empty where they have no fixed address
    files : what `fetch` downloads; empty where it cannot
    reader_options : options of the reader: ``classes``, the class names in the order of their indices;
        ``files``, {split: {class: path within the place}}, for a set of arrays with one file for each class
    patient : a regular expression with one group that finds the patient in a file's name; empty where there is none
    class_counts_fixed : whether the publishers chose how many scans of each class each of its splits has
    """

    name: str
    title: str
    place: str
    licence: str
    citation: str
    homepage: str
    obtain: str
    notes: tuple[str, ...] = ()
    base_url: str = ""
    files: tuple[RemoteFile, ...] = ()
    reader_options: Mapping[str, Any] = field(default_factory=dict)
    patient: str = ""
    class_counts_fixed: bool = False

    @property
    def can_be_fetched(self) -> bool:
        """Whether `fetch` can download it."""
        return bool(self.files)

    def url(self, file: RemoteFile, *, base_url: str | None = None) -> str:
        """Return the address of one file, at a mirror where `base_url` names one."""
        base = self.base_url if base_url is None else base_url
        return urljoin(base.rstrip("/") + "/", file.address)

    def is_at(self, folder: Path) -> bool:
        """Return whether all of it is in a data folder."""
        if not self.files:
            return (folder / self.place).is_dir()
        return all((folder / file.path).is_file() for file in self.files)


_COURSE_CLASSES = ("normal", "pneumonia")
_COURSE_FILES = (
    ("train/normal.npy", 65_536_128, "3441143ccc293a939b2661dd7265df93df9db2dc"),
    ("train/pneumonia.npy", 65_536_128, "1a979a1fbb475c0b232d7c3b268d3f7b4562c47e"),
    ("test/test_normal.npy", 13_107_328, "c36d547316eb3d1a1669c9d54e653f08980a86ca"),
    ("test/test_pneumonia.npy", 13_107_328, "ea2ff47c2f68ad02c0b2adcc40d901a26c3f996f"),
)
_KERMANY = (
    "Kermany, D., Zhang, K., Goldbaum, M. (2018). Labeled Optical Coherence Tomography (OCT) and Chest X-Ray Images "
    "for Classification. Mendeley Data. doi:10.17632/rscbjbr9sj. Described in: Kermany, D. S. et al. (2018). "
    "Identifying Medical Diagnoses and Treatable Diseases by Image-Based Deep Learning. Cell 172(5)."
)
_MEDMNIST = (
    "Yang, J., Shi, R., Wei, D., Liu, Z., Zhao, L., Ke, B., Pfister, H., Ni, B. (2023). MedMNIST v2 - A large-scale "
    "lightweight benchmark for 2D and 3D biomedical image classification. Scientific Data 10, 41. "
    "doi:10.1038/s41597-022-01721-8."
)


def _course_xray() -> DataSet:
    return DataSet(
        name="course-xray",
        title="The course's chest radiographs: 1,000 + 1,000 to train on, 200 + 200 to test, 256 x 256 pixels",
        place="course-xray",
        licence="not stated by the publishers",
        citation="The files are a selection of: " + _KERMANY,
        homepage="https://github.com/TacoXDD/homeworks",
        obtain="`scantrial data fetch course-xray` downloads it (150 MiB)",
        notes=(
            "The publishers state no licence for these files; the radiographs they were made from are CC BY 4.0.",
            "Patients are not known, so no split can keep them apart.",
            "The course trains on the first 800 of each class and validates on the last 200.",
        ),
        base_url="https://raw.githubusercontent.com/TacoXDD/homeworks/master/dataset/",
        files=tuple(
            RemoteFile(path=f"course-xray/{address}", address=address, hash=f"git-blob-sha1:{digits}", size=size)
            for address, size, digits in _COURSE_FILES
        ),
        class_counts_fixed=True,
        reader_options={
            "classes": _COURSE_CLASSES,
            "files": {
                "train": {name: f"train/{name}.npy" for name in _COURSE_CLASSES},
                "test": {name: f"test/test_{name}.npy" for name in _COURSE_CLASSES},
            },
        },
    )


def _chest_xray() -> DataSet:
    return DataSet(
        name="chest-xray",
        title="Paediatric chest radiographs, normal or pneumonia: 5,216 to train on, 624 to test, 224 x 224 pixels",
        place="chest_xray",
        licence="CC BY 4.0",
        citation=_KERMANY,
        homepage="https://doi.org/10.17632/rscbjbr9sj",
        obtain="the radiographs come from Mendeley Data, https://doi.org/10.17632/rscbjbr9sj; copies of 224 pixels "
        "have no fixed address, so scantrial cannot fetch them. Put them under $SCANTRIAL_DATA/chest_xray as "
        "train/NORMAL, train/PNEUMONIA, test/NORMAL and test/PNEUMONIA",
        notes=(
            "A third party scaled these copies to 224 x 224 pixels: enlarging them to 256 pixels adds no detail.",
            "All patients are children: results may not hold for adults.",
            "The publishers made no validation split: make one from the training scans, {test: given, val: 0.2}.",
            "Patients are identified by the number in the file name. 170 `person` numbers are in both train and test; "
            "whether they are the same patients is not known.",
        ),
        patient=r"(person\d+|(?:NORMAL2-)?IM-\d+)",
    )


def _medmnist(
    name: str,
    title: str,
    md5: str,
    classes: tuple[str, ...],
    *,
    licence: str = "CC BY 4.0",
    notes: tuple[str, ...] = (),
) -> DataSet:
    file = f"{name}.npz"
    return DataSet(
        name=name,
        title=f"{title}, 28 x 28 pixels",
        place=file,
        licence=licence,
        citation=_MEDMNIST,
        homepage="https://medmnist.com",
        obtain=f"`scantrial data fetch {name}` downloads it from https://zenodo.org/record/6496656",
        notes=("28 x 28 pixels show far less detail than the original scans.", *notes),
        base_url="https://zenodo.org/record/6496656/files/",
        files=(RemoteFile(path=file, address=f"{file}?download=1", hash=f"md5:{md5}"),),
        reader_options={"classes": classes},
    )


# Class names and MD5 sums: medmnist/info.py of the publishers' package, release 2.1.0.
_ENTRIES = (
    _course_xray(),
    _chest_xray(),
    _medmnist(
        "pneumoniamnist",
        "Paediatric chest radiographs, normal or pneumonia: 5,856 scans",
        "28209eda62fecd6e6a2d98b1501bb15f",
        ("normal", "pneumonia"),
    ),
    _medmnist(
        "breastmnist",
        "Breast ultrasound, malignant or not: 780 scans",
        "750601b1f35ba3300ea97c75c52ff8f6",
        ("malignant", "normal, benign"),
        notes=("The publishers' positive class, index 1, is `normal, benign`: reverse `classes` to change it.",),
    ),
    _medmnist(
        "bloodmnist",
        "Normal blood cells under the microscope, eight kinds: 17,092 images in colour",
        "7053d0359d879ad8a5505303e11de1dc",
        (
            "basophil",
            "eosinophil",
            "erythroblast",
            "immature granulocytes(myelocytes, metamyelocytes and promyelocytes)",
            "lymphocyte",
            "monocyte",
            "neutrophil",
            "platelet",
        ),
    ),
    _medmnist(
        "octmnist",
        "Optical coherence tomography of the retina, four findings: 109,309 scans",
        "c68d92d5b585d8d81f7112f81e2d0842",
        ("choroidal neovascularization", "diabetic macular edema", "drusen", "normal"),
    ),
    _medmnist(
        "dermamnist",
        "Dermatoscopy of pigmented skin lesions, seven kinds: 10,015 images in colour",
        "0744692d530f8e62ec473284d019b0c7",
        (
            "actinic keratoses and intraepithelial carcinoma",
            "basal cell carcinoma",
            "benign keratosis-like lesions",
            "dermatofibroma",
            "melanoma",
            "melanocytic nevi",
            "vascular lesions",
        ),
        licence="CC BY-NC 4.0",
    ),
    _medmnist(
        "retinamnist",
        "Fundus photographs, five grades of diabetic retinopathy: 1,600 images in colour",
        "bd4c0672f1bba3e3a89f0e4e876791e4",
        ("0", "1", "2", "3", "4"),
        notes=("The classes are grades from 0 to 4; a classifier does not use their order.",),
    ),
)

CATALOGUE: Registry[DataSet] = Registry("public data set", {entry.name: entry for entry in _ENTRIES})


def data_set_names() -> tuple[str, ...]:
    """Return the names of all data sets, in the order of the catalogue."""
    return tuple(CATALOGUE)


def entry(name: str) -> DataSet:
    """Return one data set's entry; an unknown name raises `InputError` with the nearest right one."""
    return CATALOGUE[name]


def download_folder() -> Path:
    """Return the folder that fetched data sets are put in."""
    return cache_folder() / "data"


def data_folders() -> tuple[Path, ...]:
    """Return the folders that data sets are looked for in, in this order: ``$SCANTRIAL_DATA``, then the cache."""
    own = os.environ.get("SCANTRIAL_DATA")
    return (*([Path(own).expanduser()] if own else []), download_folder())


def find_data_set(name: str) -> Path | None:
    """Return the file or folder that holds a data set, or None where it is not complete anywhere."""
    wanted = CATALOGUE[name]
    return next((folder / wanted.place for folder in data_folders() if wanted.is_at(folder)), None)


def locate(name: str) -> Path:
    """Return the file or folder that holds a data set on this machine.

    Raises
    ------
    InputError
        No data set has this name.
    DataError
        It is not on this machine; the message says where it comes from and how to fetch it.
    """
    found = find_data_set(name)
    if found is None:
        raise _absent(CATALOGUE[name])
    return found


def fetch(name: str, progress: Progress = silent, *, base_url: str | None = None) -> Path:
    """Download the missing files of a data set to the cache, and return where it is.

    A set under ``$SCANTRIAL_DATA`` is used without a check. Files in the cache are checked against their hashes, and
    downloaded again if they differ. A stopped download continues where it stopped.

    Parameters
    ----------
    name : the data set
    progress : receives bytes done and in total, file by file
    base_url : the address of a mirror, used instead of the publishers' address

    Raises
    ------
    DataError
        The set has no fixed address to download from; the message says how to get it.
    DownloadError
        A file could not be fetched.
    """
    wanted = CATALOGUE[name]
    folder = download_folder()
    found = find_data_set(name)
    if found is not None and found != folder / wanted.place:
        return found
    if not wanted.can_be_fetched:
        raise _absent(wanted)
    for file in wanted.files:
        _fetch_file(wanted.url(file, base_url=base_url), file, folder / file.path, progress)
    return folder / wanted.place


_POOCH_HASHES = ("md5:", "sha256:")
"""Hashes that pooch can check too; only our downloader checks the hash of a git blob."""


def _fetch_file(url: str, file: RemoteFile, target: Path, progress: Progress) -> None:
    import pooch  # noqa: PLC0415 - loaded only for a download

    if target.is_file():
        if matches_hash(target, file.hash):
            return
        target.unlink()
    pooch.get_logger().setLevel("ERROR")
    part = target.with_name(target.name + ".part")
    pooch.retrieve(
        url,
        known_hash=file.hash if file.hash.startswith(_POOCH_HASHES) else None,
        fname=target.name,
        path=target.parent,
        downloader=ResumingDownloader(known_hash=file.hash, size=file.size, part=part, progress=progress),
    )


def _absent(wanted: DataSet) -> DataError:
    looked = listed(str(folder / wanted.place) for folder in data_folders())
    unset = "" if os.environ.get("SCANTRIAL_DATA") else " (SCANTRIAL_DATA is not set)"
    return DataError(
        f"the data set {wanted.name!r} is not on this machine: looked for {looked}{unset}",
        expected=f"{wanted.title}; licence: {wanted.licence}; home page: {wanted.homepage}",
        do=wanted.obtain,
    )
