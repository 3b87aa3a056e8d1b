"""A folder with one NumPy array for each class: ``normal.npy``, ``pneumonia.npy``, ``test_normal.npy`` ..."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scantrial.data.formats.base import (
    PLAIN,
    SPLIT_OF_WORD,
    Decode,
    Format,
    Listing,
    ReadSettings,
    array_fault,
    clashing_names,
    is_hidden,
    refuse,
    row_decoder,
    split_rank,
)
from scantrial.data.ignore import ignored_by, matcher_of

_EXPECTED = "one .npy array of numbers, shape (n, height, width[, 3 or 4]), for each class and split"
_MAX_WRAPPERS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class _Block:
    """One array: all scans of one class in one split."""

    file: Path
    source: str
    class_name: str
    split: str


def array_files(root: Path) -> list[Path]:
    """Return the ``.npy`` files of a folder, its split folders, or those of a single folder around them; sorted."""
    root = unwrapped(root)
    folders = [root, *(child for child in root.iterdir() if child.is_dir() and child.name.lower() in SPLIT_OF_WORD)]
    files = (file for folder in folders for file in folder.iterdir())
    return sorted(file for file in files if file.suffix.lower() == ".npy" and file.is_file() and not is_hidden(file))


def unwrapped(root: Path) -> Path:
    """Return the folder inside folders that hold nothing but one other, such as an archive's own."""
    for _ in range(_MAX_WRAPPERS):
        inner = [entry for entry in root.iterdir() if not is_hidden(entry)]
        if len(inner) != 1 or not inner[0].is_dir() or inner[0].name.lower() in SPLIT_OF_WORD:
            break
        root = inner[0]
    return root


def not_ignored(root: Path, files: list[Path], patterns: tuple[str, ...]) -> tuple[list[Path], dict[str, int]]:
    """Return the files that no pattern matches, and how many each pattern does."""
    match = matcher_of(patterns)
    by = {file: match(file.relative_to(root).as_posix()) for file in files}
    left_out = Counter(ignored_by(pattern) for pattern in by.values() if pattern is not None)
    return [file for file, pattern in by.items() if pattern is None], dict(left_out)


def matches(path: Path) -> bool:
    """Whether the folder, or a split folder in it, has ``.npy`` files."""
    return path.is_dir() and bool(array_files(path))


def _block_of(root: Path, file: Path) -> _Block:
    """Find class and split in the name; raises `ValueError` with the fault."""
    head, _, tail = file.stem.partition("_")
    prefix = SPLIT_OF_WORD.get(head.lower()) if tail else None
    above = SPLIT_OF_WORD.get(file.parent.name.lower()) if file.parent != root else None
    source = file.relative_to(root).as_posix()
    class_name = tail if prefix else file.stem
    if prefix and above and prefix != above:
        raise ValueError(f"{source}: the folder says {above}, the name says {prefix}")
    last = class_name.rpartition("_")[2].lower()
    if "_" in class_name and last in SPLIT_OF_WORD:
        raise ValueError(f"{source}: write the split before the class: {last}_{class_name.rpartition('_')[0]}.npy")
    return _Block(file=file, source=source, class_name=class_name, split=prefix or above or "")


def _open(block: _Block) -> NDArray[Any]:
    """Map an array; raises `ValueError` with the fault."""
    rows = mapped_array(block.file, block.source)
    fault = array_fault(rows.shape, rows.dtype)
    if fault:
        raise ValueError(f"{block.source}: {fault}")
    return rows


def mapped_array(file: Path, source: str) -> NDArray[Any]:
    """Map an array; raises `ValueError` with the fault, which begins with `source`."""
    try:
        rows: NDArray[Any] = np.load(file, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # a damaged header raises nearly anything
        text = " ".join(str(error).split())[:160]
        raise ValueError(f"{source}: not a complete .npy array ({text or type(error).__name__})") from error
    return rows


def _blocks(root: Path, files: list[Path]) -> tuple[list[_Block], list[NDArray[Any]], list[str]]:
    blocks: list[_Block] = []
    faults: list[str] = []
    for file in files:
        try:
            blocks.append(_block_of(root, file))
        except ValueError as error:
            faults.append(str(error))
    blocks = _split_spelled_out(blocks)
    blocks.sort(key=lambda block: (split_rank(block.split), block.class_name, block.source))
    arrays: list[NDArray[Any]] = []
    for block in blocks:
        try:
            arrays.append(_open(block))
        except ValueError as error:
            faults.append(str(error))
    return blocks, arrays, faults


def _split_spelled_out(blocks: list[_Block]) -> list[_Block]:
    """A name without a split means training if other names have one."""
    if not any(block.split for block in blocks):
        return blocks
    return [
        _Block(file=block.file, source=block.source, class_name=block.class_name, split=block.split or "train")
        for block in blocks
    ]


def _twice(blocks: list[_Block]) -> list[str]:
    first: dict[tuple[str, str], _Block] = {}
    faults = []
    for block in blocks:
        earlier = first.setdefault((block.split, block.class_name), block)
        if earlier is not block:
            what = f"{block.split} scans of class {block.class_name}" if block.split else f"class {block.class_name}"
            faults.append(f"{earlier.source} and {block.source} both hold the {what}")
    return faults


def read(path: Path, options: Mapping[str, Any], settings: ReadSettings = PLAIN) -> Listing:  # noqa: ARG001 - as all
    """List the cases of a folder of ``.npy`` arrays; the arrays are mapped, not loaded."""
    files, left_out = not_ignored(path, array_files(path), settings.ignore)
    blocks, arrays, faults = _blocks(path, files)
    names = sorted({block.class_name for block in blocks})
    faults += _twice(blocks) + clashing_names(names)
    if faults:
        raise refuse(path, faults, expected=_EXPECTED)
    lengths = [len(rows) for rows in arrays]
    index = {name: number for number, name in enumerate(names)}

    def decoders() -> Iterator[Decode]:
        return (partial(row_decoder, rows, number) for rows in arrays for number in range(len(rows)))

    return Listing(
        sources=tuple(f"{block.source}#{i}" for block, n in zip(blocks, lengths, strict=True) for i in range(n)),
        labels=np.repeat(np.array([index[b.class_name] for b in blocks], dtype=np.int64), lengths),
        class_names=tuple(names),
        split=np.repeat(np.array([b.split for b in blocks], dtype="U5"), lengths),
        files=tuple(block.file for block in blocks),
        decoders=decoders,
        left_out=left_out,
    )


FORMAT = Format(
    name="npy_classes",
    looks_like="a folder of .npy arrays, one for each class",
    matches=matches,
    read=read,
)
