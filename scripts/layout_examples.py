"""Layouts in which scans are found on disk, each small, with the lines of a study file that read it.

The gallery of the documentation shows them, and a test reads every one of them.
"""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from ruamel.yaml import YAML

from scantrial.data.load import LoadOptions, list_cases
from scantrial.data.scanset import CaseList
from scantrial.data.spec import DataSpec

Content = str | bytes | NDArray[Any]
"""Of a file: a table's text, bytes, or an array; an empty text stands for a scan."""

SCAN = ""
_SPLIT = {"train": 0.6, "val": 0.2, "test": 0.2}


@dataclass(frozen=True, kw_only=True)
class Layout:
    """One layout.

    Parameters
    ----------
    files : by path; the first folder or the file itself is the source
    lines : of the part ``data`` of a study file
    counts : scans by class, as the layout is meant
    patients : how many there are; None where they are not known
    left_out : how many files, rows or scans
    splits : scans by split
    packed : the archive that the files are put into
    """

    title: str
    files: Mapping[str, Content]
    lines: str
    counts: Mapping[str, int]
    note: str = ""
    patients: int | None = None
    left_out: int = 0
    splits: Mapping[str, int] = field(default_factory=dict)
    packed: str = ""

    def write(self, folder: Path) -> None:
        """Write all files below a folder."""
        for number, (path, content) in enumerate(self.files.items()):
            file = folder / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(_bytes_of(content, path, number))
        if self.packed:
            _pack(folder, self.packed, list(self.files))

    def spec(self) -> DataSpec:
        """Return the lines, typed, with a split."""
        return DataSpec.model_validate({"split": _SPLIT, **YAML(typ="safe").load(self.lines)})

    def options(self) -> LoadOptions:
        """Return the lines as keywords of `load`."""
        spec = self.spec()
        return {
            "ignore": spec.ignore,
            "classes": spec.classes,
            "patient": spec.patient,
            "skip_unreadable": spec.skip_unreadable,
        }

    def listed(self, folder: Path) -> CaseList:
        """List the cases, once the files are written."""
        return list_cases(self.spec().source, base=folder, **self.options())

    def tree(self) -> list[str]:
        """Return the files as lines of a tree; of many entries in a folder the first are shown."""
        if self.packed:
            return [self.packed, *(f"  {line}" for line in _tree(list(self.files)))]
        return list(_tree(list(self.files)))


def _tree(paths: Sequence[str], depth: int = 0) -> list[str]:
    names = dict.fromkeys(path.split("/", 1)[0] for path in paths)
    lines = []
    shown = list(names) if len(names) <= 4 else list(names)[:3]
    for name in shown:
        below = [path.split("/", 1)[1] for path in paths if path.startswith(f"{name}/")]
        lines.append(f"{'  ' * depth}{name}{'/' if below else ''}")
        lines += _tree(below, depth + 1)
    return [*lines, f"{'  ' * depth}... ({len(names)} in all)"] if len(shown) < len(names) else lines


def _bytes_of(content: Content, path: str, number: int) -> bytes:
    out = io.BytesIO()
    if isinstance(content, np.ndarray):
        np.save(out, content)
    elif content == SCAN and Path(path).suffix in (".png", ".jpg"):
        Image.fromarray(np.full((8, 8), 5 * number % 250, dtype=np.uint8)).save(
            out, Path(path).suffix[1:].replace("jpg", "jpeg")
        )
    else:
        return content.encode() if isinstance(content, str) else content
    return out.getvalue()


def _pack(folder: Path, name: str, paths: Sequence[str]) -> None:
    if name.endswith(".zip"):
        with zipfile.ZipFile(folder / name, "w") as archive:
            for path in paths:
                archive.write(folder / path, path)
    else:
        with tarfile.open(folder / name, "w:gz") as tar:
            for path in paths:
                tar.add(folder / path, path)


def scans(*paths: str) -> dict[str, Content]:
    """Return scans at these paths."""
    return dict.fromkeys(paths, SCAN)


def _npz(**arrays: NDArray[Any]) -> bytes:
    out = io.BytesIO()
    np.savez_compressed(out, **arrays)
    return out.getvalue()


def _images(n: int) -> NDArray[np.uint8]:
    return np.arange(n, dtype=np.uint8)[:, None, None] + np.zeros((n, 8, 8), dtype=np.uint8)


TWO = {"normal": 2, "pneumonia": 2}

LAYOUTS: tuple[Layout, ...] = (
    Layout(
        title="A folder for each class",
        files=scans("scans/normal/1.png", "scans/normal/2.png", "scans/pneumonia/3.png", "scans/pneumonia/4.png"),
        lines="source: scans",
        counts=TWO,
    ),
    Layout(
        title="Splits above the classes",
        files=scans(
            "scans/train/normal/1.png",
            "scans/train/pneumonia/2.png",
            "scans/test/normal/3.png",
            "scans/test/pneumonia/4.png",
        ),
        lines="source: scans",
        counts=TWO,
        splits={"train": 2, "test": 2},
    ),
    Layout(
        title="Splits below the classes",
        files=scans(
            "scans/normal/train/1.png",
            "scans/normal/test/2.png",
            "scans/pneumonia/train/3.png",
            "scans/pneumonia/test/4.png",
        ),
        lines="source: scans",
        counts=TWO,
        splits={"train": 2, "test": 2},
    ),
    Layout(
        title="A folder around everything",
        note="As most archives have it when they are unpacked. Folders that hold nothing but one other mean nothing.",
        files=scans("download/set_v2/normal/1.png", "download/set_v2/normal/2.png", "download/set_v2/pneumonia/3.png"),
        lines="source: download",
        counts={"normal": 2, "pneumonia": 1},
    ),
    Layout(
        title="A folder for each patient below the class",
        note="With `patient: folder` the folder below the class is the patient; of several folders inside each other, "
        "the first.",
        files=scans("mri/AD/sub-01/s1.png", "mri/AD/sub-01/s2.png", "mri/AD/sub-02/s1.png", "mri/CN/sub-03/s1.png"),
        lines="source: mri\npatient: folder",
        counts={"AD": 3, "CN": 1},
        patients=3,
    ),
    Layout(
        title="Patients above the classes",
        note="Read so where ten or more folders with numbers in their names hold the same two or more folders.",
        files=scans(*(f"tiles/{10250 + p}/{k}/{10250 + p}_x{k}.png" for p in range(10) for k in (0, 1))),
        lines="source: tiles\npatient: folder",
        counts={"0": 10, "1": 10},
        patients=10,
    ),
    Layout(
        title="Patients in the names of the files",
        files=scans("scans/normal/person1_a.png", "scans/normal/person1_b.png", "scans/pneumonia/person2_a.png"),
        lines='source: scans\npatient: "(person[0-9]+)_"',
        counts={"normal": 2, "pneumonia": 1},
        patients=2,
    ),
    Layout(
        title="Masks beside the scans",
        note="Without `ignore` the audit finds the masks (AU015) and says this line.",
        files=scans(
            "busi/benign/benign (1).png",
            "busi/benign/benign (1)_mask.png",
            "busi/benign/benign (1)_mask_1.png",
            "busi/malignant/malignant (1).png",
            "busi/malignant/malignant (1)_mask.png",
        ),
        lines='source: busi\nignore: "*_mask*.png"',
        counts={"benign": 1, "malignant": 1},
        left_out=3,
    ),
    Layout(
        title="Folders of masks beside folders of images",
        note="Folders called `masks`, `segmentations` and the like beside one called `images` are left out and "
        "counted.",
        files=scans(
            "radiography/COVID/images/1.png",
            "radiography/COVID/masks/1.png",
            "radiography/Normal/images/2.png",
            "radiography/Normal/masks/2.png",
        ),
        lines="source: radiography",
        counts={"COVID": 1, "Normal": 1},
        left_out=2,
    ),
    Layout(
        title="Images and masks above the classes",
        files=scans(
            "set/images/benign/1.png",
            "set/images/malignant/2.png",
            "set/masks/benign/1.png",
            "set/masks/malignant/2.png",
        ),
        lines="source: set",
        counts={"benign": 1, "malignant": 1},
        left_out=2,
    ),
    Layout(
        title="More classes than are wanted",
        note="A mapping picks and joins classes, in its own order; classes in no list are left out.",
        files=scans(*(f"fundus/{grade}/{n}.png" for grade in range(5) for n in (1, 2))),
        lines='source: fundus\nclasses: {healthy: ["0"], severe: ["3", "4"]}',
        counts={"healthy": 2, "severe": 4},
        left_out=4,
    ),
    Layout(
        title="A zip archive",
        files=scans("chest/normal/1.png", "chest/normal/2.png", "chest/pneumonia/3.png", "chest/pneumonia/4.png"),
        packed="chest.zip",
        lines="source: chest.zip",
        counts=TWO,
    ),
    Layout(
        title="A tar archive",
        note="`.tar`, `.tar.gz`, `.tar.bz2` or `.tar.xz`.",
        files=scans(
            "chest/train/normal/1.png",
            "chest/train/pneumonia/2.png",
            "chest/test/normal/3.png",
            "chest/test/pneumonia/4.png",
        ),
        packed="chest.tar.gz",
        lines="source: chest.tar.gz",
        counts=TWO,
        splits={"train": 2, "test": 2},
    ),
    Layout(
        title="A zip archive with a table",
        note="As Kaggle packs data sets. A table is taken that alone has the columns that are asked for; "
        "`table` names one of several.",
        files={
            "train.csv": "id_code,diagnosis\nx1,0\nx2,1\n",
            "sample_submission.csv": "id_code,diagnosis\ny1,0\n",
            **scans("train_images/x1.png", "train_images/x2.png", "test_images/y1.png"),
        },
        packed="aptos.zip",
        lines="source: {name: aptos.zip, table: train.csv, path: id_code, label: diagnosis}",
        counts={"0": 1, "1": 1},
    ),
    Layout(
        title="A table of paths",
        files={
            "set/scans.csv": "path,label,patient\na/1.png,normal,P1\na/2.png,normal,P2\nb/3.png,pneumonia,P2\n",
            **scans("set/a/1.png", "set/a/2.png", "set/b/3.png"),
        },
        lines="source: set/scans.csv",
        counts={"normal": 2, "pneumonia": 1},
        patients=2,
    ),
    Layout(
        title="A table of ids",
        note="An id is a file's name without its suffix, in any folder below the table. An id of two files is refused: "
        "then `folder` and `suffix` say which.",
        files={
            "ham/metadata.csv": "lesion_id,image_id,dx\nHAM_1,ISIC_24306,nv\nHAM_1,ISIC_24307,nv\n"
            "HAM_2,ISIC_24308,mel\n",
            **scans("ham/part_1/ISIC_24306.jpg", "ham/part_1/ISIC_24307.jpg", "ham/part_2/ISIC_24308.jpg"),
        },
        lines="source: {name: ham/metadata.csv, path: image_id, label: dx, patient: lesion_id}",
        counts={"mel": 1, "nv": 2},
        patients=2,
    ),
    Layout(
        title="A table of ids, and files of the same names",
        files={
            "aptos/train.csv": "id_code,diagnosis\nx1,0\nx2,1\n",
            **scans("aptos/images/x1.png", "aptos/images/x2.png", "aptos/vessels/x1.png", "aptos/vessels/x2.png"),
        },
        lines="source: {name: aptos/train.csv, path: id_code, label: diagnosis, folder: images, suffix: .png}",
        counts={"0": 1, "1": 1},
    ),
    Layout(
        title="A column for each class",
        note="Rows with several labels, or none, are refused with their lines.",
        files={
            "isic/truth.csv": "image,MEL,NV,BCC\nI1,1.0,0.0,0.0\nI2,0.0,1.0,0.0\nI3,0.0,0.0,1.0\nI4,0.0,1.0,0.0\n",
            **scans(*(f"isic/input/I{n}.jpg" for n in (1, 2, 3, 4))),
        },
        lines="source: {name: isic/truth.csv, path: image, label: [MEL, NV, BCC]}",
        counts={"BCC": 1, "MEL": 1, "NV": 2},
    ),
    Layout(
        title="A table of another country or program",
        note="Semicolons or tabs, decimal commas, a byte-order mark, UTF-16; 0 and 0,0 are one class.",
        files={
            "set/scans.csv": "\ufeffpath;label\n1.png;0\n2.png;1\n3.png;0,0\n",
            **scans("set/1.png", "set/2.png", "set/3.png"),
        },
        lines="source: set/scans.csv",
        counts={"0": 2, "1": 1},
    ),
    Layout(
        title="A table of another machine",
        note="Backslashes, drives and folders above are cut until the path fits.",
        files={
            "set/scans.csv": "path,label\nC:\\data\\set\\train\\1.png,normal\nset\\train\\2.png,pneumonia\n",
            **scans("set/train/1.png", "set/train/2.png"),
        },
        lines="source: set/scans.csv",
        counts={"normal": 1, "pneumonia": 1},
    ),
    Layout(
        title="A table with more rows than files",
        note="Without `skip_unreadable` such rows are faults, of which ten are listed.",
        files={
            "nih/sample.csv": "path,label\n1.png,normal\n2.png,mass\n3.png,mass\n4.png,nan\n",
            **scans("nih/images/1.png", "nih/images/2.png", "nih/images/4.png"),
        },
        lines="source: nih/sample.csv\nskip_unreadable: true",
        counts={"mass": 1, "normal": 1},
        left_out=2,
    ),
    Layout(
        title="A table with several findings in a cell",
        note="scantrial knows one label a scan. A mapping picks the labels that stand alone; all others are left out.",
        files={
            "nih/labels.csv": "path,label\n1.png,No Finding\n2.png,Effusion\n3.png,Cardiomegaly|Effusion\n",
            **scans("nih/1.png", "nih/2.png", "nih/3.png"),
        },
        lines='source: nih/labels.csv\nclasses: {healthy: ["No Finding"], effusion: [Effusion]}',
        counts={"healthy": 1, "effusion": 1},
        left_out=1,
    ),
    Layout(
        title="An array for each class",
        files={
            "arrays/normal.npy": _images(3),
            "arrays/pneumonia.npy": _images(2),
            "arrays/test_normal.npy": _images(1),
            "arrays/test_pneumonia.npy": _images(1),
        },
        lines="source: arrays",
        counts={"normal": 4, "pneumonia": 3},
        splits={"train": 5, "test": 2},
    ),
    Layout(
        title="Images and labels in two arrays",
        note="`X` and `y`, or `images` and `labels`, with or without a split, also in one `.npz`. Labels are numbers "
        "from 0, texts, or a column for each class.",
        files={
            "xy/X_train.npy": _images(4),
            "xy/y_train.npy": np.array([0, 1, 0, 1]),
            "xy/X_test.npy": _images(2),
            "xy/y_test.npy": np.array([0, 1]),
        },
        lines="source: xy\nclasses: [normal, pneumonia]",
        counts={"normal": 3, "pneumonia": 3},
        splits={"train": 4, "test": 2},
    ),
    Layout(
        title="One .npz with a column for each class",
        files={"set.npz": _npz(train_images=_images(4), train_labels=np.eye(2, dtype=np.uint8)[[0, 1, 1, 1]])},
        lines="source: set.npz\nclasses: [normal, pneumonia]",
        counts={"normal": 1, "pneumonia": 3},
        splits={"train": 4},
    ),
)
