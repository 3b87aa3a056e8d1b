"""Every kind of file that is read from outside, and what reads it: a mutated one is read, or refused in words."""

from __future__ import annotations

import io
import random
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image
from tests.siege.damage import mutated

from scantrial import compare_predictions
from scantrial.core.errors import ScantrialError
from scantrial.data.load import load
from scantrial.data.spec import SourceSpec
from scantrial.store.weights import read_weights
from scantrial.study.file import read_study_file

Reader = Callable[[Path], object]


def try_mutated(name: str, seed: int, folder: Path) -> None:
    """Write a mutated file of a kind and read it; only an error of the tree may come of it.

    Parameters
    ----------
    name : of `KINDS`
    folder : an empty folder
    """
    make, file_name, read = KINDS[name]
    path = folder / file_name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(mutated(make(), random.Random(seed)))
    with suppress(ScantrialError):
        read(path)


def _pixels() -> np.ndarray:
    return np.add.outer(np.arange(24), np.arange(24)).astype(np.uint8) * 5


def _picture(kind: str, **options: object) -> Callable[[], bytes]:
    def make() -> bytes:
        stream = io.BytesIO()
        Image.fromarray(_pixels()).save(stream, format=kind, **options)
        return stream.getvalue()

    return make


def _tiff_16() -> bytes:
    import tifffile

    stream = io.BytesIO()
    tifffile.imwrite(stream, _pixels().astype(np.uint16) * 257, compression="zlib")
    return stream.getvalue()


def _study() -> bytes:
    return (
        b"study: Is cross-entropy better?\ndata:\n  source: {name: phantom, n: 60}\n  split: {train: 0.6, test: 0.4}\n"
        b"  patient: '(p\\d+)_'\nrecipe: {epochs: 3, optimizer: {name: adam, lr: 1e-3}}\nfactors:\n  loss: [bce, ce]\n"
        b"seeds: [1, 2]\nhypotheses:\n- {claim: yes, better: {loss: ce}, than: {loss: bce}}\n"
    )


def _rows(n: int = 8) -> list[tuple[str, int, int, int, float, str]]:
    return [(arm, 0, case, case % 2, 0.1 * case, f"p{case}") for arm in ("a", "b") for case in range(n)]


def _csv() -> bytes:
    lines = [",".join(map(str, row)) for row in _rows()]
    return "\n".join(["arm,seed,case,label,score,patient", *lines, ""]).encode()


def _parquet() -> bytes:
    columns = zip(("arm", "seed", "case", "label", "score", "patient"), zip(*_rows(), strict=True), strict=True)
    stream = pa.BufferOutputStream()
    pq.write_table(pa.table({name: list(values) for name, values in columns}), stream)
    return bytes(stream.getvalue())


def _table() -> bytes:
    return b"path,label,split,patient\na.png,x,train,1\nb.png,y,test,2\nc.png,x,test,3\n"


def _npz() -> bytes:
    images, labels = np.stack([_pixels()] * 4), np.array([[0], [1], [0], [1]], dtype=np.uint8)
    stream = io.BytesIO()
    splits = {
        f"{split}_{what}": part
        for split in ("train", "test")
        for what, part in (("images", images), ("labels", labels))
    }
    np.savez_compressed(stream, **splits)
    return stream.getvalue()


def _npy() -> bytes:
    stream = io.BytesIO()
    np.save(stream, np.stack([_pixels()] * 3))
    return stream.getvalue()


def _weights() -> bytes:
    from safetensors.numpy import save

    return save({"a": np.ones((2, 3), dtype=np.float32), "b": np.zeros(2)}, metadata={"schema_version": "1"})


def _load_folder(path: Path) -> object:
    """Load a folder of two classes, one of them this file."""
    other = path.parent.parent / "b" / "good.png"
    other.parent.mkdir(exist_ok=True)
    Image.fromarray(_pixels()).save(other)
    return load(SourceSpec(name=str(path.parent.parent)))


def _load_arrays(path: Path) -> object:
    np.save(path.with_name("good.npy"), np.stack([_pixels()] * 3))
    return load(SourceSpec(name=str(path.parent)))


def _load_table(path: Path) -> object:
    for name in "abc":
        Image.fromarray(_pixels()).save(path.with_name(f"{name}.png"))
    return load(SourceSpec(name=str(path)))


def _judge(path: Path) -> object:
    return compare_predictions(path, metric="accuracy", bootstrap=False)


KINDS: Mapping[str, tuple[Callable[[], bytes], str, Reader]] = {
    "study file": (_study, "study.yaml", read_study_file),
    "case table": (_table, "cases.csv", _load_table),
    "PNG": (_picture("PNG"), "scans/a/x.png", _load_folder),
    "JPEG": (_picture("JPEG"), "scans/a/x.jpg", _load_folder),
    "progressive JPEG": (_picture("JPEG", progressive=True), "scans/a/x.jpg", _load_folder),
    "BMP": (_picture("BMP"), "scans/a/x.bmp", _load_folder),
    "TIFF": (_picture("TIFF"), "scans/a/x.tif", _load_folder),
    "TIFF, LZW": (_picture("TIFF", compression="tiff_lzw"), "scans/a/x.tif", _load_folder),
    "TIFF, 16 bits": (_tiff_16, "scans/a/x.tif", _load_folder),
    "npz": (_npz, "x.npz", lambda path: load(SourceSpec(name=str(path)))),
    "npy": (_npy, "scans/x.npy", _load_arrays),
    "predictions, CSV": (_csv, "x.csv", _judge),
    "predictions, Parquet": (_parquet, "x.parquet", _judge),
    "weights": (_weights, "x.safetensors", read_weights),
}
"""By name: what makes a good file, what it is called, and what reads it."""
