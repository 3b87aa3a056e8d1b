"""The program that undoes the compression of frames, in a process of its own: ``python unpacker.py MEGABYTES SECONDS``.

A damaged frame can make a decoder crash, or run for ever, or overwrite memory. Here that ends this process alone. Each
request on standard input is a line of JSON and so many bytes, and so is each answer; the process ends with its input.
"""

from __future__ import annotations

import json
import resource
import signal
import sys
from contextlib import suppress
from typing import Any, BinaryIO


def answer_requests(megabytes: int, seconds: float, requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer requests until there are no more.

    Parameters
    ----------
    megabytes, seconds : address space and time of the processor that one frame may take; the system ends the process
        where it takes more
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # Not every system bounds the address space.
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_AS, (megabytes << 20, resource.getrlimit(resource.RLIMIT_AS)[1]))
    while line := requests.readline():
        asked = json.loads(line)
        source = requests.read(asked.pop("n_bytes"))
        signal.setitimer(signal.ITIMER_PROF, seconds)
        try:
            pixels = _unpacked(source, **asked)
            told, content = (
                {"shape": pixels.shape, "dtype": pixels.dtype.str, "n_bytes": pixels.nbytes},
                pixels.tobytes(),
            )
        except Exception as error:  # a decoder raises nearly anything, with values of the file in its words
            told, content = {"error": type(error).__name__, "n_bytes": 0}, b""
        signal.setitimer(signal.ITIMER_PROF, 0)
        answers.write(json.dumps(told).encode() + b"\n" + content)
        answers.flush()


def _unpacked(source: bytes, *, syntax: str, plugin: str, options: dict[str, Any]) -> Any:
    if plugin == "imagecodecs":
        import imagecodecs  # noqa: PLC0415 - as below

        return imagecodecs.jpeg8_decode(source)
    from pydicom.encaps import encapsulate  # noqa: PLC0415 - not before the limits are set
    from pydicom.pixels import get_decoder  # noqa: PLC0415
    from pydicom.uid import UID  # noqa: PLC0415

    pixels, _ = get_decoder(UID(syntax)).as_array(
        encapsulate([source], has_bot=False),
        index=0,
        decoding_plugin=plugin,
        correct_unused_bits=False,
        **{**options, "number_of_frames": 1, "transfer_syntax_uid": UID(syntax)},
    )
    return pixels


if __name__ == "__main__":
    answer_requests(int(sys.argv[1]), float(sys.argv[2]), sys.stdin.buffer, sys.stdout.buffer)
