"""Downloads that can be stopped at any moment: received bytes stay in ``NAME.part``, and the next call continues.

A file gets its name only after its size and its hash have been checked.
"""

from __future__ import annotations

import fcntl
import hashlib
import http.client
import os
import re
import shutil
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import urlsplit

from scantrial.core.errors import DownloadError
from scantrial.core.files import sync_folder
from scantrial.core.progress import Progress, silent

CHUNK_BYTES = 1 << 18
MAX_UNKNOWN_BYTES = 16 << 30
"""Bytes of a file whose size is not known beforehand; more are neither asked for nor received."""

_NUMBER = re.compile(r"[0-9]{1,18}")
_RANGE = re.compile(r"bytes ([0-9]{1,18})-[0-9]{1,18}/([0-9]{1,18}|\*)")
HASHES = ("sha256", "md5", "git-blob-sha1")


def file_digest(path: Path, algorithm: str) -> str:
    r"""Return the hexadecimal digest of a file.

    Parameters
    ----------
    path : the file
    algorithm : ``sha256``, ``md5``, or ``git-blob-sha1``: SHA-1 of ``b"blob <size>\0"`` and the content, as git names
        a file's content
    """
    with path.open("rb") as handle:
        if algorithm != "git-blob-sha1":
            return hashlib.file_digest(handle, algorithm).hexdigest()
        digest = hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)
        while chunk := handle.read(CHUNK_BYTES):
            digest.update(chunk)
        return digest.hexdigest()


def matches_hash(path: Path, known_hash: str) -> bool:
    """Tell whether a file has the hash ``algorithm:digits`` (algorithms as in `file_digest`)."""
    algorithm, _, digits = known_hash.partition(":")
    if algorithm not in HASHES or not digits:
        raise ValueError(f"hash {known_hash!r}: expected algorithm:digits with one of {', '.join(HASHES)}")
    return file_digest(path, algorithm) == digits.lower()


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumingDownloader:
    """Download one file over HTTP, continuing where an earlier attempt stopped.

    Fits pooch's ``downloader=``; called by itself it needs no pooch: ``downloader(url, path)``. The bytes go to
    ``NAME.part`` (asked for with ``Range`` where some are there already); size and hash are checked; then the file is
    renamed to its name. At most ``NAME.part`` is left: the next call continues it, and it is deleted if its hash
    is wrong.

    Parameters
    ----------
    known_hash : ``sha256:...``, ``md5:...`` or ``git-blob-sha1:...``
    size : bytes, or None to trust the server
    part : the file to collect in; None is the output file's name with ``.part``. With pooch, whose output file has
        a new temporary name each time, set ``part`` so that the next call finds it
    progress : receives bytes done and in total (0 if unknown)
    timeout_s : seconds without a byte after which the connection counts as lost

    Raises
    ------
    DownloadError
        For a wrong hash or size, a lost connection, a server's refusal, no network, a full disk, or another process
        that downloads the same file.
    """

    known_hash: str
    size: int | None = None
    part: Path | None = None
    progress: Progress = silent
    timeout_s: float = 30.0

    def __call__(
        self, url: str, output_file: str | os.PathLike[str], _pooch: Any = None, *, check_only: bool = False
    ) -> bool | None:
        """Fetch `url` to `output_file`; with `check_only` only return whether the server has it."""
        if check_only:
            return _is_there(url, self.timeout_s)
        target = Path(os.fspath(output_file))
        part = self.part or target.with_name(target.name + ".part")
        with _disk_errors(part):
            part.parent.mkdir(parents=True, exist_ok=True)
            if self.part is not None:
                # pooch's temporary file, still empty: it must not outlive a killed process.
                target.unlink(missing_ok=True)
            with _held(part) as handle:
                self._collect(url, handle, part.name.removesuffix(".part"))
                self._check(url, part)
                os.fsync(handle.fileno())
                part.replace(target)
            sync_folder(target.parent)
        return None

    def _collect(self, url: str, handle: BinaryIO, name: str) -> None:
        have = _length(handle)
        if self.size is not None and have > self.size:
            have = _start_again(handle)
        if have == self.size:
            return
        answer = _ask(url, have, self.timeout_s)
        if answer is None:
            return
        with answer.response:
            self._expect_size(url, answer.total)
            if answer.start != have:
                have = _start_again(handle)
            total = self.size if answer.total is None else answer.total
            if self.size is None and (total or 0) > MAX_UNKNOWN_BYTES:
                raise _endless(url)
            _expect_room(handle, have, total)
            self._receive(answer.response, handle, have=have, total=total, what=f"fetching {name}")

    def _receive(
        self, response: http.client.HTTPResponse, handle: BinaryIO, *, have: int, total: int | None, what: str
    ) -> None:
        broken = False
        limit = MAX_UNKNOWN_BYTES if total is None else total
        while not broken and have <= limit:
            self.progress(what, have, total or 0)
            try:
                chunk = response.read1(CHUNK_BYTES)
            except (OSError, http.client.HTTPException):
                chunk, broken = b"", True
            if not chunk:
                break
            handle.write(chunk)
            have += len(chunk)
        handle.flush()
        if total is None and have > limit:
            handle.truncate(0)
            raise _endless(response.url)
        if broken or (total is not None and have < total):
            of = "" if total is None else f" of {total:,}"
            raise DownloadError(
                f"{response.url}: the connection closed after {have:,}{of} bytes",
                do="run the same command again: it continues where this one stopped",
            )

    def _expect_size(self, url: str, total: int | None) -> None:
        if self.size is not None and total is not None and total != self.size:
            raise DownloadError(
                f"{url}: the server offers {total:,} bytes",
                expected=f"{self.size:,} bytes",
                do="the publishers may have changed this file, or a proxy may have answered instead: "
                "try another network",
            )

    def _check(self, url: str, part: Path) -> None:
        if matches_hash(part, self.known_hash):
            return
        size = part.stat().st_size
        part.unlink()
        raise DownloadError(
            f"{url}: received {size:,} bytes with the wrong hash; they were deleted",
            expected=self.known_hash,
            do="run the same command again to fetch the file from the start; "
            "if the hash is wrong again, the publishers may have changed the file",
        )


@contextmanager
def _disk_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise DownloadError(
            f"{error.filename or path}: {reason}",
            do="choose a writable folder with enough space (SCANTRIAL_CACHE), then run the same command again; "
            "what was downloaded is kept",
        ) from error


@contextmanager
def _held(part: Path) -> Iterator[BinaryIO]:
    """Open `part` for appending, held against other processes; an empty one is not left behind."""
    with part.open("ab") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            ours = part.exists() and os.path.samestat(os.fstat(handle.fileno()), part.stat())
        except BlockingIOError:
            ours = False
        if not ours:
            raise DownloadError(f"{part}: another process is fetching this file", do="wait until it is done")
        try:
            yield handle
        finally:
            if _length(handle) == 0:
                part.unlink(missing_ok=True)


def _length(handle: BinaryIO) -> int:
    handle.flush()
    return os.fstat(handle.fileno()).st_size


def _start_again(handle: BinaryIO) -> int:
    handle.truncate(0)
    return 0


def _request(url: str, have: int, method: str = "GET") -> urllib.request.Request:
    # Without "identity" a server may compress the bytes, and size and range would not be those of the file.
    headers = {"User-Agent": "scantrial", "Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
    return urllib.request.Request(url, headers=headers, method=method)


def _is_there(url: str, timeout_s: float) -> bool:
    try:
        with urllib.request.urlopen(_request(url, 0, "HEAD"), timeout=timeout_s):
            return True
    except (OSError, http.client.HTTPException, ValueError):
        return False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    """A server's answer: the byte it starts at, and the size of the whole file if known."""

    response: http.client.HTTPResponse
    start: int
    total: int | None


def _ask(url: str, have: int, timeout_s: float) -> _Answer | None:
    """Ask for the bytes from `have` on, or for all if the server cannot send a range; None if none are left."""
    try:
        response: http.client.HTTPResponse = urllib.request.urlopen(_request(url, have), timeout=timeout_s)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code != http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE or not have:
            raise _refused(url, error) from None
        complete = error.headers.get("Content-Range") == f"bytes */{have}"
        return None if complete else _ask(url, 0, timeout_s)
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise DownloadError(
            f"cannot reach {urlsplit(url).netloc or url}: {getattr(error, 'reason', None) or error}",
            do="check the network, then run the same command again",
        ) from error
    placed = _placed(response, have)
    if placed is None and not have:
        raise DownloadError(
            f"{url}: the server sends a part of the file that was not asked for",
            expected="the whole file",
            do="a proxy may have answered instead: try another network",
        )
    return placed or _ask(url, 0, timeout_s)


def _placed(response: http.client.HTTPResponse, asked_from: int) -> _Answer | None:
    """Read where the answer belongs in the file; None if it is not the part that was asked for."""
    if response.status == http.HTTPStatus.PARTIAL_CONTENT:
        found = _RANGE.fullmatch(response.headers.get("Content-Range", ""))
        if not found or int(found[1]) != asked_from:
            response.close()
            return None
        return _Answer(response=response, start=asked_from, total=None if found[2] == "*" else int(found[2]))
    length = response.headers.get("Content-Length", "")
    return _Answer(response=response, start=0, total=int(length) if _NUMBER.fullmatch(length) else None)


def _endless(url: str) -> DownloadError:
    return DownloadError(
        f"{url}: the server sends more than {MAX_UNKNOWN_BYTES:,} bytes; what was received is deleted",
        expected="a file of the data set",
        do="a proxy may have answered instead: try another network",
    )


def _refused(url: str, error: urllib.error.HTTPError) -> DownloadError:
    gone = error.code in (http.HTTPStatus.NOT_FOUND, http.HTTPStatus.GONE)
    return DownloadError(
        f"{url}: the server answers {error.code} {error.reason}",
        expected="the file",
        do="the file has moved or is gone: look for it on the data set's home page (`scantrial data` lists them)"
        if gone
        else "try again later with the same command; what was downloaded is kept",
    )


def _expect_room(handle: BinaryIO, have: int, total: int | None) -> None:
    folder = Path(handle.name).parent
    free = shutil.disk_usage(folder).free
    if total is not None and total - have > free:
        raise DownloadError(
            f"{folder}: {free:,} bytes are free",
            expected=f"at least {total - have:,} bytes",
            do="free some space, or choose another folder (SCANTRIAL_CACHE), then run the same command again",
        )
