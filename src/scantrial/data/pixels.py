"""Decode all cases in parallel, straight into one ``.npy`` file, from where a killed process stopped."""

from __future__ import annotations

import hashlib
import os
import re
import threading
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from scantrial.core.errors import SeveralShapesError, UnreadableScansError, itemised
from scantrial.core.machine import available_memory, n_cores
from scantrial.core.progress import Progress
from scantrial.data.decode import ImageError
from scantrial.data.fit import fit_image, is_enlarged, match_depth
from scantrial.data.formats.base import Decode, Listing
from scantrial.data.half_made import Journal, JournalBlock
from scantrial.data.masks import find_masks
from scantrial.data.scanset import Pixels
from scantrial.data.spec import ImageSpec

_BLOCK_ROWS, _BLOCK_BYTES = 64, 64 << 20
"""Scans, and bytes, after which the journal has a line: what a killed process decoded since then is decoded again."""

_IN_FLIGHT = 4
"""Images that wait for each thread: enough to keep it busy."""

_LEAST_ROOM = 512 << 20
"""Bytes that images in flight may take together at least; more where an eighth of the free memory is more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenPixels:
    """What was written.

    Parameters
    ----------
    shape, dtype : of the array
    sha256 : over type, shape and pixels
    skipped : pairs of (position in the listing, reason)
    n_widened : images of 8 bits that were scaled to 16, because others have 16
    n_enlarged : images that had fewer pixels than the shape asks for
    """

    shape: tuple[int, ...]
    dtype: str
    sha256: str
    skipped: tuple[tuple[int, str], ...]
    n_widened: int
    n_enlarged: int


class _RowFile:
    """An ``.npy`` file that grows by one image at a time, and from 8 to 16 bits when the first such image comes."""

    def __init__(self, path: Path, blocks: Sequence[JournalBlock] = ()) -> None:
        """Begin a file, or go on after some blocks that are in it."""
        self.handle: BinaryIO = path.open("r+b" if blocks else "w+b")
        self.shape: tuple[int, ...] = blocks[-1].shape if blocks else ()
        self.dtype: np.dtype[Any] = np.dtype(blocks[-1].dtype if blocks else np.uint8)
        self.n_rows = blocks[-1].n_rows if blocks else 0
        self.n_narrow = blocks[-1].n_narrow if blocks else 0
        self.since_block = hashlib.sha256()
        """Over the rows since the last block, or over all where they were written again."""
        self.n_bytes_since_block = 0
        if self.n_rows:
            self._write_header()
            self.handle.truncate(self.handle.tell() + self.n_rows * self._row_bytes)
            self.handle.seek(0, os.SEEK_END)

    def __enter__(self) -> _RowFile:
        return self

    def __exit__(self, *error: object) -> None:
        self.handle.close()

    def append(self, row: Pixels) -> None:
        if self.n_rows == 0:
            self.shape, self.dtype = row.shape, row.dtype
            self._write_header()
        elif self.is_widened_by(row):
            self._widen()
        self.n_narrow += row.dtype == np.uint8
        data = np.ascontiguousarray(match_depth(row, self.dtype)).data
        self.handle.write(data)
        self.since_block.update(data)
        self.n_bytes_since_block += data.nbytes
        self.n_rows += 1

    def is_widened_by(self, row: Pixels) -> bool:
        """Whether this image makes all before it ones of 16 bits."""
        return self.n_rows > 0 and row.dtype == np.uint16 and self.dtype == np.uint8

    def end_block(self) -> str:
        """Hand all rows over to the system, and return the digest of those since the last block."""
        self.handle.flush()
        digest, self.since_block, self.n_bytes_since_block = self.since_block.hexdigest(), hashlib.sha256(), 0
        return digest

    @property
    def _row_bytes(self) -> int:
        return int(np.prod(self.shape)) * self.dtype.itemsize

    def finish(self) -> str:
        """Write the true number of rows, flush to disk, and return the digest of the pixels."""
        self.handle.seek(0)
        self._write_header()
        self.handle.flush()
        digest = hashlib.sha256(f"{self.dtype.name} {(self.n_rows, *self.shape)}".encode())
        while block := self.handle.read(1 << 20):
            digest.update(block)
        os.fsync(self.handle.fileno())
        return digest.hexdigest()

    def _write_header(self) -> None:
        # NumPy leaves room in the header for the first number to grow, so it can be written again in place.
        facts = {
            "shape": (self.n_rows, *self.shape),
            "fortran_order": False,
            "descr": self.dtype.newbyteorder("<").str,
        }
        np.lib.format.write_array_header_1_0(self.handle, facts)

    def _widen(self) -> None:
        """Write all rows so far again with 16 bits, in the same file from the last block to the first."""
        wide = np.dtype(np.uint16)
        row_bytes = self._row_bytes
        self.dtype = wide
        self.handle.seek(0)
        self._write_header()
        start = self.handle.tell()
        for first in range((self.n_rows - 1) // _BLOCK_ROWS * _BLOCK_ROWS, -1, -_BLOCK_ROWS):
            n_bytes = (min(first + _BLOCK_ROWS, self.n_rows) - first) * row_bytes
            self.handle.seek(start + first * row_bytes)
            narrow = np.frombuffer(self.handle.read(n_bytes), dtype=np.uint8)
            self.handle.seek(start + first * row_bytes * 2)
            self.handle.write(match_depth(narrow, wide).data)
        self.handle.seek(start)
        self.since_block = hashlib.sha256()
        while block := self.handle.read(1 << 20):
            self.since_block.update(block)
        self.handle.seek(0, os.SEEK_END)


@dataclass(slots=True, kw_only=True)
class _Seen:
    """What is known of the cases so far.

    Parameters
    ----------
    n : cases
    shapes : of those that were decoded, by their position
    problems : (position, reason) of the others
    measured : values found in files whose range is not given
    enlarged : positions of those that had fewer pixels than the shape asks for; of some that come later too
    told : how many of the cases, problems and values are in the journal
    """

    n: int = 0
    shapes: dict[int, tuple[int, ...]] = field(default_factory=dict)
    problems: list[tuple[int, str]] = field(default_factory=list)
    measured: list[float] = field(default_factory=list)
    enlarged: set[int] = field(default_factory=set)
    told: tuple[int, int, int] = (0, 0, 0)

    @classmethod
    def of(cls, blocks: Sequence[JournalBlock]) -> _Seen:
        """Return what blocks tell."""
        seen = cls(n=blocks[-1].stop if blocks else 0)
        for block in blocks:
            seen.problems += block.problems
            seen.measured += block.measured
            seen.enlarged.update(block.enlarged)
        usual = blocks[-1].shape if blocks else ()
        missing = {position for position, _ in seen.problems}
        seen.shapes = {position: usual for position in range(seen.n) if position not in missing}
        seen.shapes.update(pair for block in blocks for pair in block.odd)
        seen.told = seen.n, len(seen.problems), len(seen.measured)
        return seen

    def add(self, result: Pixels | ImageError) -> bool:
        """Take in the next case; return whether it belongs into the file: one of the shape of the first."""
        position, self.n = self.n, self.n + 1
        if isinstance(result, ImageError):
            self.problems.append((position, result.reason))
            self.measured += result.measured or ()
            return False
        self.shapes[position] = result.shape
        return result.shape == next(iter(self.shapes.values()))

    def block(self, file: _RowFile) -> JournalBlock:
        """Return what the journal does not have yet."""
        start, n_problems, n_measured = self.told
        self.told = self.n, len(self.problems), len(self.measured)
        some = range(start, self.n)
        return JournalBlock(
            stop=self.n,
            n_rows=file.n_rows,
            n_narrow=file.n_narrow,
            shape=file.shape,
            dtype=file.dtype.name,
            sha256=file.end_block(),
            problems=tuple(self.problems[n_problems:]),
            measured=tuple(self.measured[n_measured:]),
            odd=tuple((row, self.shapes[row]) for row in some if self.shapes.get(row, file.shape) != file.shape),
            enlarged=tuple(row for row in some if row in self.enlarged),
        )


def intact_blocks(path: Path, blocks: Sequence[JournalBlock]) -> list[JournalBlock]:
    """Return the first of some blocks, as far as the rows of a file that is being made have their hashes."""
    found: list[JournalBlock] = []
    with suppress(OSError, ValueError), path.open("rb") as handle:
        np.lib.format.read_magic(handle)
        shape, _, dtype = np.lib.format.read_array_header_1_0(handle)
        row_bytes, n_rows = int(np.prod(shape[1:])) * dtype.itemsize, 0
        for block in blocks:
            if (tuple(shape[1:]), dtype.name) != (block.shape, block.dtype) or block.n_rows < n_rows:
                break
            if _digest_of_next(handle, (block.n_rows - n_rows) * row_bytes) != block.sha256:
                break
            found.append(block)
            n_rows = block.n_rows
    return found


def _digest_of_next(handle: BinaryIO, n_bytes: int) -> str:
    digest = hashlib.sha256()
    while n_bytes > 0 and (part := handle.read(min(n_bytes, 1 << 20))):
        digest.update(part)
        n_bytes -= len(part)
    return digest.hexdigest() if n_bytes == 0 else ""


def write_pixels(
    path: Path, listing: Listing, *, image: ImageSpec, skip_unreadable: bool, progress: Progress, journal: Journal
) -> WrittenPixels:
    """Decode and fit every case of `listing` and write them to `path` as one array, in order.

    Threads do the work, since Pillow decodes and resizes without Python's lock. Where 8 and 16 bits are mixed, those of
    8 bits are fitted as they are and then scaled by 257.

    Parameters
    ----------
    path, journal : may hold what a killed process has made of this array

    Raises
    ------
    UnreadableScansError
        Names all cases that cannot be read; with `skip_unreadable` only if none can.
    SeveralShapesError
        If no size (or number of channels) was set and the scans differ in it.
    """
    n = len(listing.sources)
    kept = intact_blocks(path, journal.blocks())
    journal.rewrite(kept)
    seen = _Seen.of(kept)
    if seen.n:
        progress("decoding scans", seen.n, n)
    with _RowFile(path, kept) as file:
        for result in _in_order(listing.decoders(), image, seen.enlarged, first=seen.n):
            if seen.add(result) and not isinstance(result, ImageError):
                if file.is_widened_by(result):
                    journal.rewrite([])
                    seen.told = (0, 0, 0)
                file.append(result)
            if seen.n - seen.told[0] >= _BLOCK_ROWS or file.n_bytes_since_block >= _BLOCK_BYTES:
                journal.add(seen.block(file))
            progress("decoding scans", seen.n, n)
        shapes, problems = seen.shapes, seen.problems
        if problems and not (skip_unreadable and shapes):
            raise _unreadable([(listing.names[position], reason) for position, reason in problems], seen.measured)
        _refuse_several_shapes(shapes, listing)
        return WrittenPixels(
            sha256=file.finish(),
            shape=(file.n_rows, *file.shape),
            dtype=file.dtype.name,
            skipped=tuple(problems),
            n_widened=file.n_narrow if file.dtype == np.uint16 else 0,
            n_enlarged=len(seen.enlarged),
        )


def _in_order(
    decoders: Iterator[Decode], image: ImageSpec, enlarged: set[int], *, first: int
) -> Iterator[Pixels | ImageError]:
    """Decode and fit in threads; yield in the order of the cases, and note the positions of the enlarged ones.

    Parameters
    ----------
    first : the first case to decode
    """
    room = _Room(max(_LEAST_ROOM, (available_memory() or 0) // 8), first=first)

    def work(position: int, decode: Decode) -> Pixels | ImageError:
        try:
            decoded = decode(partial(room.take, position), image)
            result = fit_image(decoded, image)
        except ImageError as error:
            room.keep(position, 0)
            return error
        if is_enlarged(decoded, image):
            enlarged.add(position)
        room.keep(position, result.nbytes)
        return result

    waiting: deque[Future[Any]] = deque()
    workers = n_cores()
    pool = ThreadPoolExecutor(workers, thread_name_prefix="decode")
    try:
        for position, decode in enumerate(islice(decoders, first, None), start=first):
            waiting.append(pool.submit(work, position, decode))
            if len(waiting) >= _IN_FLIGHT * workers:
                yield waiting.popleft().result()
                room.leave()
        while waiting:
            yield waiting.popleft().result()
            room.leave()
    finally:
        room.open_wide()
        pool.shutdown(cancel_futures=True)


class _Room:
    """The bytes that images in flight may take together; the first of them may always take what it needs.

    Parameters
    ----------
    limit : bytes
    first : position of the first image
    """

    def __init__(self, limit: int, *, first: int) -> None:
        self._limit: float = limit
        self._taken: dict[int, int] = {}
        self._first = first
        self._changed = threading.Condition()

    def take(self, position: int, n_bytes: int) -> None:
        """Wait until there is room for these bytes, and take it."""
        with self._changed:
            self._changed.wait_for(
                lambda: position == self._first or sum(self._taken.values()) + n_bytes <= self._limit
            )
            self._taken[position] = n_bytes

    def keep(self, position: int, n_bytes: int) -> None:
        """Keep only so many bytes of what an image took."""
        with self._changed:
            self._taken[position] = n_bytes
            self._changed.notify_all()

    def leave(self) -> None:
        """Give up what the first image took; the next one becomes the first."""
        with self._changed:
            self._taken.pop(self._first, None)
            self._first += 1
            self._changed.notify_all()

    def open_wide(self) -> None:
        """Let nobody wait any longer."""
        with self._changed:
            self._limit = float("inf")
            self._changed.notify_all()


def _unreadable(problems: Sequence[tuple[str, str]], measured: Sequence[float]) -> UnreadableScansError:
    """Return the error that names all files; where the study has to say how they are read, with what it has to say."""
    if measured:
        low, high = min(measured), max(measured)
        return UnreadableScansError(
            problems,
            values=(low, high),
            do=f"set data.image.range; the values of these files are from {low:.9g} to {high:.9g}, so that no value is "
            f"lost with `range: [{low:.9g}, {high:.9g}]`",
        )
    keys = Counter(key for _, reason in problems for key in _KEY.findall(reason))
    if sum(keys.values()) < len(problems):
        return UnreadableScansError(problems)
    way = _WAYS.get(keys.most_common(1)[0][0], "correct data.image, or leave these files out")
    return UnreadableScansError(problems, do=way)


_KEY = re.compile(r"data\.image\.([a-z]+)")
"""Of the study file, in the reason why a file cannot be read."""

_WAYS = {
    "channels": "correct data.image.channels: names and numbers as the files have them",
    "frame": "set data.image.frame, or --frame: all, each a case of the same patient, or the number of one",
    "page": "set data.image.page: max, mean, or the number of a page",
}


def _refuse_several_shapes(shapes: dict[int, tuple[int, ...]], listing: Listing) -> None:
    counts = Counter(shapes.values()).most_common()
    if len(counts) == 1:
        return
    usual = counts[0][0]
    seen = ", ".join(f"{n} of {_words(shape)}" for shape, n in counts[:5]) + (" ..." if len(counts) > 5 else "")
    odd = [f"{listing.names[i]}: {_words(shape)}" for i, shape in shapes.items() if shape != usual]
    error = SeveralShapesError(
        f"the scans have {len(counts)} shapes: {seen}; these differ from the most common one:\n"
        + itemised(odd, alike=True),
        expected="one height, width and number of channels",
        do=_way_to_one_shape(listing),
    )
    error.shapes = dict(counts)
    raise error


def _way_to_one_shape(listing: Listing) -> str:
    masks = find_masks(listing.names, None if listing.shown is None else listing.sources)
    first = "" if masks is None else f"{len(masks.rows):,} files look like masks: {masks.way_out}; then "
    return f"{first}set data.image.size and data.image.channels, which bring all scans to one shape"


def _words(shape: tuple[int, ...]) -> str:
    colour = "gray" if len(shape) == 2 else "RGB" if shape[2] == 3 else f"of {shape[2]} channels"
    return f"{shape[0]}x{shape[1]} {colour}"
