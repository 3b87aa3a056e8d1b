"""Mutated inputs of every kind that is read: each is read or refused in words, in time."""

from __future__ import annotations

import gzip
import io
import json
import random
import resource
import tarfile
import time
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import imagecodecs
import nibabel
import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import tifffile
from PIL import Image
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from tests.dicom_files import data_set
from tests.e2e.conftest import SMALL_STUDY
from tests.siege.mutation import mutated
from tests.siege.outcome import Row

from scantrial import api
from scantrial.audit.stored import read_audit
from scantrial.core.errors import ScantrialError
from scantrial.core.records import SPLITS
from scantrial.data.decode import decode_image
from scantrial.data.spec import ImageSpec
from scantrial.store.folder import RunKey, StudyFolder

LIMIT_S = 20.0
ROOM_BYTES = 2 << 30
"""Seconds and further memory that no input of a few kilobytes may take."""

KEY = RunKey("base", 0)
BASE = f"runs/{KEY}"


@dataclass(frozen=True, kw_only=True)
class Input:
    """One kind of input.

    Parameters
    ----------
    content : one that is sound
    path : where it is put, in the folder that `read` is given
    """

    content: bytes
    path: str
    read: Callable[[Path], object]


def inputs(trained: Path) -> dict[str, Input]:
    """Return every kind of input, by its name; `trained` is a study folder, whole."""
    return {**_given(), **_images(), **_stored(trained)}


# ---------------------------------------------------------------------- what a user gives


def _given() -> dict[str, Input]:
    table, csv, parquet = _predictions(), io.BytesIO(), io.BytesIO()
    pyarrow.csv.write_csv(table, csv)
    pyarrow.parquet.write_table(table, parquet)
    cases = "path,label,split,patient\n" + "".join(
        f"{i}.png,{'sick' if i % 2 else 'well'},{SPLITS[i % 3]},p{i // 2}\n" for i in range(12)
    )
    npz, npy, hot, floats = (io.BytesIO() for _ in range(4))
    np.save(hot, np.eye(2)[np.arange(12) % 2])
    pngs = {
        f"set/{split}/{name}/{i}.png": _png(20 * i) for split in ("train", "test") for name in "ab" for i in range(3)
    }
    pixels = np.arange(12 * 64, dtype=np.uint8).reshape(12, 8, 8)
    np.save(npy, pixels)
    np.save(floats, pixels / 255)
    tabled = {"set/cases.csv": cases.encode(), **{f"set/{i}.png": _png(20 * i) for i in range(12)}}
    arrays = {f"{split}_images": pixels for split in SPLITS}
    np.savez(npz, **arrays, **{f"{split}_labels": np.arange(12)[:, None] % 2 for split in SPLITS})
    return {
        "study file": Input(content=SMALL_STUDY.encode(), path="study.yaml", read=_read_study_file),
        "table of cases": Input(content=cases.encode(), path="cases.csv", read=_loading("cases.csv", _twelve_pngs)),
        "arrays by class": Input(content=npy.getvalue(), path="arrays/a.npy", read=_loading("arrays", _second_array)),
        "labels as an array": Input(
            content=hot.getvalue(), path="pairs/y_train.npy", read=_loading("pairs", _images_x)
        ),
        "archive, zip": Input(content=_zip(pngs), path="x.zip", read=_loading("x.zip")),
        "archive, a table": Input(content=_zip(tabled), path="t.zip", read=_loading("t.zip")),
        "arrays, floating-point": Input(
            content=floats.getvalue(), path="floats/a.npy", read=_loading("floats", _more_arrays, "range: [0, 1]")
        ),
        "archive, tar.gz": Input(content=_tar(pngs), path="x.tar.gz", read=_loading("x.tar.gz")),
        "MedMNIST archive": Input(content=npz.getvalue(), path="x.npz", read=_loading("x.npz")),
        "predictions, CSV": Input(content=csv.getvalue(), path="x.csv", read=_judging("x.csv")),
        "predictions, Parquet": Input(content=parquet.getvalue(), path="x.parquet", read=_judging("x.parquet")),
    }


def _predictions() -> pa.Table:
    rng = np.random.default_rng(0)
    rows = [(arm, seed, case) for arm in ("a", "b") for seed in (0, 1) for case in range(20)]
    arms, seeds, cases = zip(*rows, strict=True)
    labels = [case % 2 for case in cases]
    scores = np.round(rng.uniform(0, 0.7, len(rows)) + 0.3 * np.array(labels), 3)
    return pa.table({"arm": arms, "seed": seeds, "case": cases, "label": labels, "score": scores})


def _read_study_file(folder: Path) -> object:
    return api.load_study(folder / "study.yaml")


def _judging(name: str) -> Callable[[Path], object]:
    return lambda folder: api.compare_predictions(folder / name, metric="auroc", bootstrap=False)


def _loading(
    source: str, prepare: Callable[[Path], None] = lambda folder: None, scale: str = ""
) -> Callable[[Path], object]:
    def read(folder: Path) -> object:
        prepare(folder)
        image = f"{{size: 8, channels: 1, {scale}}}"
        place = json.dumps(str(folder / source))  # a name may hold a comma, which ends a word in YAML
        text = f"study: Which?\ndata: {{source: {place}, split: {{test: given, val: 0.3}}, image: {image}}}\n"
        (folder / "study.yaml").write_text(text + "recipe: {model: mlp, epochs: 1}\nfactors: {loss: [bce, ce]}\n")
        return api.load_scans(api.load_study(folder / "study.yaml").spec.data)

    return read


def _twelve_pngs(folder: Path) -> None:
    for i in range(12):
        if not (folder / f"{i}.png").exists():
            Image.fromarray(np.full((8, 8), 20 * i, dtype=np.uint8)).save(folder / f"{i}.png")


def _png(value: int) -> bytes:
    out = io.BytesIO()
    Image.fromarray(np.full((8, 8), value, dtype=np.uint8)).save(out, "PNG")
    return out.getvalue()


def _zip(files: Mapping[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    return out.getvalue()


def _tar(files: Mapping[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, content in files.items():
            part = tarfile.TarInfo(name)
            part.size = len(content)
            archive.addfile(part, io.BytesIO(content))
    return gzip.compress(out.getvalue(), mtime=0)


def _images_x(folder: Path) -> None:
    for split in ("train", "test"):
        np.save(folder / "pairs" / f"X_{split}.npy", np.zeros((12, 8, 8), dtype=np.uint8))
    np.save(folder / "pairs" / "y_test.npy", np.arange(12) % 2)


def _second_array(folder: Path) -> None:
    _beside(folder / "arrays", np.uint8)


def _more_arrays(folder: Path) -> None:
    _beside(folder / "floats", np.float64)


def _beside(folder: Path, dtype: type[Any]) -> None:
    if not (folder / "test_b.npy").exists():
        for name in ("b", "test_a", "test_b"):
            np.save(folder / f"{name}.npy", np.zeros((12, 8, 8), dtype=dtype))


# ---------------------------------------------------------------------- images


def _images() -> dict[str, Input]:
    rng = np.random.default_rng(0)
    gray, wide = rng.integers(0, 255, (24, 24), dtype=np.uint8), rng.integers(0, 65535, (24, 24), dtype=np.uint16)
    colour = rng.integers(0, 255, (24, 24, 3), dtype=np.uint8)
    forms: Mapping[str, tuple[Any, dict[str, Any]]] = {
        "PNG": (gray, {"format": "PNG"}),
        "PNG, 16 bits": (wide, {"format": "PNG"}),
        "JPEG": (colour, {"format": "JPEG"}),
        "TIFF": (gray, {"format": "TIFF"}),
        "TIFF, compressed": (wide, {"format": "TIFF", "compression": "tiff_deflate"}),
        "BMP": (colour, {"format": "BMP"}),
        "WebP": (colour, {"format": "WEBP", "lossless": True}),
        "GIF": (gray, {"format": "GIF"}),
        "JPEG 2000": (gray, {"format": "JPEG2000"}),
        "PGM": (gray, {"format": "PPM"}),
    }
    found = {
        name: _scan(content, spec) for name, (content, spec) in {**_rare_images(rng, wide), **_dicom(wide)}.items()
    }
    for name, (pixels, options) in forms.items():
        stream = io.BytesIO()
        Image.fromarray(pixels).save(stream, **options)
        found[name] = _scan(stream.getvalue(), ImageSpec())
    return {**found, **_nifti(rng)}


def _rare_images(rng: np.random.Generator, wide: np.ndarray) -> dict[str, tuple[bytes, ImageSpec]]:
    """Return what Pillow does not write, and how it is read."""
    colour = rng.integers(0, 65535, (24, 24, 3), dtype=np.uint16)
    head = b"P6\n24 24\n65535\n"
    plain = b"P2\n24 24\n65535\n" + " ".join(map(str, wide.flat)).encode()
    stack, scaled = ImageSpec(page="max", channels=["B"]), ImageSpec(range=(0, 1))
    named = {"axes": "ZCYX", "Channel": {"Name": ["A", "B"]}}
    return {
        "PNG, 16-bit colour": (imagecodecs.png_encode(colour), ImageSpec()),
        "JPEG 2000, 16-bit colour": (imagecodecs.jpeg2k_encode(colour, level=0), ImageSpec()),
        "PPM, 16 bits": (head + colour.astype(">u2").tobytes(), ImageSpec()),
        "PGM, plain": (plain, ImageSpec()),
        "OME-TIFF, a stack": (_tiff(np.stack([wide] * 6).reshape(3, 2, 24, 24), ome=True, metadata=named), stack),
        "TIFF, LZW in 16-bit colour": (_tiff(colour, photometric="rgb", compression="lzw"), ImageSpec()),
        "JPEG 2000, EXIF": (_turned_jpeg_2000(wide), ImageSpec()),
        "TIFF, floating-point": (_tiff(rng.random((24, 24), dtype=np.float32), compression="zlib"), scaled),
        "TIFF, five channels": (_tiff(np.dstack([wide] * 5), planarconfig="contig"), ImageSpec(channels=[4, 0])),
    }


DICOM_KINDS = ("DICOM", "DICOM, deflated", "DICOM, JPEG-LS", "DICOM, JPEG 2000", "DICOM, frames and sequences")
"""The forms of DICOM that are tried."""


def _dicom(wide: np.ndarray) -> dict[str, tuple[bytes, ImageSpec]]:
    """Return files of pydicom, and one with window and frames."""
    names = ("MR_small.dcm", "image_dfl.dcm", "MR_small_jpeg_ls_lossless.dcm", "MR_small_jp2klossless.dcm")
    group, window, stream = Dataset(), Dataset(), io.BytesIO()
    window.WindowCenter, window.WindowWidth = 2000, 4000
    group.FrameVOILUTSequence = [window]
    frames = data_set(np.stack([wide] * 3), PerFrameFunctionalGroupsSequence=[group] * 3, PixelPaddingValue=0)
    frames.save_as(stream, enforce_file_format=True)
    contents = [*(Path(str(get_testdata_file(name))).read_bytes() for name in names), stream.getvalue()]
    return {kind: (content, ImageSpec(frame=0)) for kind, content in zip(DICOM_KINDS, contents, strict=True)}


def _nifti(rng: np.random.Generator) -> dict[str, Input]:
    """Return volumes: as they are, compressed, of the second version, and compressed after they are mutated."""
    voxels, spec = rng.integers(-1000, 1000, (12, 10, 6), dtype=np.int16), ImageSpec(frame=4, window=(40, 400))
    image = nibabel.Nifti1Image(voxels, np.diag([-1, 1, 2, 1]))
    image.header.extensions.append(nibabel.nifti1.Nifti1Extension("comment", b"text" * 20))
    image.header.set_slope_inter(2, -10)
    plain, second = image.to_bytes(), nibabel.Nifti2Image(voxels, np.eye(4)).to_bytes()

    def packed(folder: Path) -> object:
        (folder / "y.nii.gz").write_bytes(gzip.compress((folder / "x.img").read_bytes(), 1))
        return decode_image(folder / "y.nii.gz", image=spec)

    return {
        "NIfTI": _scan(plain, spec),
        "NIfTI, compressed": _scan(gzip.compress(plain, mtime=0), spec),
        "NIfTI, second version": _scan(second, spec),
        "NIfTI, compressed afterwards": Input(content=plain, path="x.img", read=packed),
    }


def _turned_jpeg_2000(wide: np.ndarray) -> bytes:
    """Return a file with its EXIF in a box."""
    stream, exif = io.BytesIO(), Image.Exif()
    Image.fromarray(wide).save(stream, "JPEG2000")
    exif[274] = 6
    content = exif.tobytes().removeprefix(b"Exif\0\0")
    return stream.getvalue() + (len(content) + 24).to_bytes(4, "big") + b"uuidJpgTiffExif->JP2" + content


def _tiff(pixels: np.ndarray, photometric: str = "minisblack", **options: Any) -> bytes:
    stream = io.BytesIO()
    tifffile.imwrite(stream, pixels, photometric=photometric, **options)
    return stream.getvalue()


def _scan(content: bytes, spec: ImageSpec) -> Input:
    return Input(content=content, path="x.img", read=lambda folder: decode_image(folder / "x.img", image=spec))


# ---------------------------------------------------------------------- what a study folder holds


def _stored(trained: Path) -> dict[str, Input]:
    return {
        path: Input(content=(trained / path).read_bytes(), path=path, read=read)
        for path, read in stored_readers().items()
    }


def stored_readers() -> dict[str, Callable[[Path], object]]:
    """Return what reads each kind of stored file, by its path in a study folder."""
    return {
        "plan.json": lambda folder: StudyFolder(folder).plan(),
        "study.yaml": lambda folder: StudyFolder(folder).study_text(),
        "data.json": lambda folder: StudyFolder(folder).data(),
        "environment.json": lambda folder: StudyFolder(folder).environment(),
        "audit.json": lambda folder: read_audit(StudyFolder(folder)),
        "protocol.jsonl": lambda folder: StudyFolder(folder).protocol(),
        "test-openings.jsonl": lambda folder: StudyFolder(folder).test_openings(),
        "cases.parquet": lambda folder: StudyFolder(folder).cases().to_pydict(),
        f"{BASE}/run.json": lambda folder: StudyFolder(folder).facts(KEY),
        f"{BASE}/history.parquet": lambda folder: StudyFolder(folder).history(KEY),
        f"{BASE}/predictions.parquet": _read_predictions,
        f"{BASE}/best.safetensors": lambda folder: StudyFolder(folder).weights(KEY),
    }


def _read_predictions(folder: Path) -> object:
    return StudyFolder(folder).predictions(KEY, SPLITS[:2], by="siege", purpose="siege")


# ---------------------------------------------------------------------- the siege


def limit_memory() -> None:
    """Let this process take a bounded amount of memory more than it has, for good."""
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + ROOM_BYTES, resource.RLIM_INFINITY))


def siege_of_inputs(kind: str, one: Input, folder: Path, *, n: int, seed: int) -> Row:
    """Read `n` mutants of an input. Only the error tree of scantrial may come out, and that soon.

    Parameters
    ----------
    folder : the folder that the input is put in; it holds what belongs to it
    """
    rng, row = random.Random(f"{seed}/{kind}"), Row(part="inputs", kind=kind, slowest_s=0.0)
    path = folder / one.path
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(one.content)
    one.read(folder)  # what is sound is read, or nothing that follows means anything
    for number in range(n):
        path.write_bytes(mutated(one.content, rng))
        began = time.monotonic()
        try:
            one.read(folder)
        except ScantrialError as error:
            row.told += 1
            if not str(error).strip():
                row.faults.append(f"mutant {number}: an error without words")
        except Exception as error:
            row.faults.append(f"mutant {number}: {type(error).__name__}: {str(error)[:150]}")
        took = time.monotonic() - began
        row.slowest_s = max(row.slowest_s or 0.0, took)
        if took > LIMIT_S:
            row.faults.append(f"mutant {number}: it took {took:.0f} s")
    row.n = n
    path.write_bytes(one.content)
    return row
