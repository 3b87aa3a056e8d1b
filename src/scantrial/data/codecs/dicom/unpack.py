"""Compressed frames to stored values, in processes of their own (`scantrial.data.codecs.dicom.unpacker`) that are kept.

There are as many processes as threads that decode at the same time. They end with this process.
"""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scantrial.data.codecs.base import RefusedError
from scantrial.data.codecs.dicom import unpacker

LIMIT_MB, LIMIT_S = 2048, 15
"""Address space, of which Python and its libraries take a part, and seconds of the processor, for one frame."""


class _Process:
    """One process that answers one request at a time."""

    def __init__(self) -> None:
        command = [sys.executable, "-P", str(Path(unpacker.__file__)), str(LIMIT_MB), str(LIMIT_S)]
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        self._running = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment
        )

    def ask(self, request: Mapping[str, Any], source: bytes) -> tuple[dict[str, Any], bytes] | None:
        """Return the answer; None if the process ended before it was complete."""
        requests, answers = self._running.stdin, self._running.stdout
        if requests is None or answers is None:
            return None
        try:
            requests.write(json.dumps({**request, "n_bytes": len(source)}).encode() + b"\n" + source)
            requests.flush()
        except BrokenPipeError:
            return None
        line = answers.readline()
        if not line.endswith(b"\n"):
            return None
        told = json.loads(line)
        content = answers.read(told["n_bytes"])
        return (told, content) if len(content) == told["n_bytes"] else None

    @property
    def has_ended(self) -> bool:
        """Whether it can answer no more."""
        return self._running.poll() is not None

    def end(self) -> None:
        """End the process, whatever it is doing."""
        self._running.kill()
        for stream in (self._running.stdin, self._running.stdout):
            try:
                if stream is not None:
                    stream.close()
            except BrokenPipeError:
                pass
        self._running.wait()


_idle: list[tuple[int, _Process]] = []
"""Processes that wait for a request, each with the process that started it: after a fork they are not the child's."""

_lock = threading.Lock()


def stored_values(source: bytes, *, syntax: str, plugin: str, options: Mapping[str, Any]) -> NDArray[Any]:
    """Undo the compression of one frame.

    Parameters
    ----------
    source : the frame's bytes
    syntax : UID of the transfer syntax
    plugin, options : pydicom's

    Raises
    ------
    RefusedError
        If the decoder refuses the frame, crashes, or takes more than `LIMIT_MB` or `LIMIT_S`.
    """
    request = {"syntax": syntax, "plugin": plugin, "options": dict(options)}
    waiting = _taken()
    answer = None if waiting is None else _answer(waiting, request, source)
    if answer is None:
        # A process that waited may have been ended from outside, or harmed by an earlier frame.
        answer = _answer(_Process(), request, source)
    if answer is None:
        raise RefusedError(f"damaged: its decoder crashed, or took more than {LIMIT_S} s or {LIMIT_MB >> 10} GB")
    told, content = answer
    if "error" in told:
        raise RefusedError(f"damaged: its decoder could not unpack it ({told['error']})")
    return np.frombuffer(content, dtype=told["dtype"]).reshape(told["shape"])


def _answer(process: _Process, request: Mapping[str, Any], source: bytes) -> tuple[dict[str, Any], bytes] | None:
    """Return the answer of a process, which then waits for the next request; None if it has ended."""
    try:
        answer = process.ask(request, source)
    except BaseException:
        process.end()
        raise
    if answer is None:
        process.end()
        return None
    with _lock:
        _idle.append((os.getpid(), process))
    return answer


def _taken() -> _Process | None:
    """Take a process that waits; None if there is none."""
    with _lock:
        while _idle:
            owner, process = _idle.pop()
            if owner != os.getpid():
                continue
            if not process.has_ended:
                return process
            process.end()
    return None


@atexit.register
def end_processes() -> None:
    """End the processes that wait."""
    with _lock:
        while _idle:
            owner, process = _idle.pop()
            if owner == os.getpid():
                process.end()
