"""DICOM files of strangers: at most 10 MB of them take no more than 2 GB and 20 s, and a decoder that crashes ends alone."""

from __future__ import annotations

import io
import multiprocessing
import os
import resource
import struct
import time
import zlib
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydicom.encaps import encapsulate
from pydicom.uid import JPEG2000, UID, JPEGBaseline8Bit, RLELossless
from tests.dicom_files import data_set, write_dicom

from scantrial.data.codecs.dicom import headers, unpack
from scantrial.data.decode import ImageError, decode_image
from scantrial.data.spec import ImageSpec

LIMIT_S, LIMIT_BYTES, SIZE = 20, 2 << 30, 9_500_000
RAMP = np.arange(256, dtype=np.uint16).reshape(16, 16)
ITEM, UNDEFINED = b"\xfe\xff\x00\xe0", b"\xff\xff\xff\xff"


def saved(**tags: object) -> bytes:
    stream = io.BytesIO()
    data_set(RAMP, **tags).save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def compressed(syntax: UID, frame: bytes, side: int) -> bytes:
    made = data_set(np.zeros((16, 16), np.uint8), Rows=side, Columns=side)
    made.file_meta.TransferSyntaxUID = syntax
    made.PixelData = encapsulate([frame])
    made["PixelData"].is_undefined_length = True
    stream = io.BytesIO()
    made.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def before_pixels(extra: bytes) -> bytes:
    plain = saved()
    at = plain.index(b"\xe0\x7f\x10\x00")
    return plain[:at] + extra + plain[at:]


def sequence(length: bytes, content: bytes) -> bytes:
    return before_pixels(struct.pack("<HH", 0x28, 0x3010) + b"SQ\0\0" + length + content)


def deflated(n_bytes: int) -> bytes:
    """Return a file whose data set is deflated, with so many zeros at its end."""
    plain = saved()
    start = 144 + int.from_bytes(plain[140:144], "little")
    name, longer = b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.1.99"
    at = plain.index(name)
    meta = plain[: at - 2] + struct.pack("<H", len(longer)) + longer + plain[at + len(name) : start]
    meta = meta[:140] + struct.pack("<I", start - 144 + len(longer) - len(name)) + meta[144:]
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = [packer.compress(plain[start:]), *(packer.compress(bytes(1 << 20)) for _ in range(n_bytes >> 20))]
    return meta + b"".join(packed) + packer.flush()


def picture(kind: str, side: int) -> bytes:
    stream = io.BytesIO()
    Image.new("L", (side, side)).save(stream, kind, **({"no_jp2": True} if kind == "JPEG2000" else {}))
    return stream.getvalue()


def runs(header: bytes, run: bytes, n_bytes: int) -> bytes:
    return header + run * (n_bytes // len(run))


_LARGE = 5792
_ONE_SEGMENT = struct.pack("<16L", 1, 64, *[0] * 14)
_ELEMENTS = b"".join(struct.pack("<HH2sH", 0x29 + 2 * (n >> 16), n & 0xFFFF, b"SH", 0) for n in range(SIZE // 8))

HOSTILE: dict[str, Callable[[], bytes]] = {
    "sequences in sequences": lambda: sequence(
        UNDEFINED, (ITEM + UNDEFINED + b"\x28\x00\x10\x30SQ\0\0" + UNDEFINED) * (SIZE // 20)
    ),
    "a million items": lambda: sequence(UNDEFINED, (ITEM + bytes(4)) * (SIZE // 8)),
    "a million items of a length": lambda: sequence(struct.pack("<I", SIZE // 8 * 8), (ITEM + bytes(4)) * (SIZE // 8)),
    "a million elements": lambda: before_pixels(_ELEMENTS),
    "deflated to gigabytes": lambda: deflated(8 << 30),
    "deflated to a part of it": lambda: deflated(200 << 20),
    "a large JPEG": lambda: compressed(JPEGBaseline8Bit, picture("JPEG", _LARGE), _LARGE),
    "a large JPEG 2000": lambda: compressed(JPEG2000, picture("JPEG2000", _LARGE), _LARGE),
    "long runs": lambda: compressed(RLELossless, runs(_ONE_SEGMENT, b"\x81\0", _LARGE * _LARGE // 64), _LARGE),
    "short runs": lambda: compressed(RLELossless, runs(_ONE_SEGMENT, b"\0\7", SIZE), 2000),
    "many rows": lambda: saved(Rows=65535, Columns=65535),
    "many frames": lambda: saved(NumberOfFrames=100_000),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", HOSTILE)
def test_no_file_takes_more_than_its_time_and_memory(tmp_path: Path, name: str) -> None:
    """Each of at most 10 MB, in a process that can have no more memory; the decoder's own process is bounded too."""
    content = HOSTILE[name]()
    assert len(content) < 10_000_000
    (tmp_path / "x.dcm").write_bytes(content)
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_measured, args=(str(tmp_path / "x.dcm"), theirs))
    process.start()
    theirs.close()
    seconds, peak, said = ours.recv()
    process.join()
    assert seconds < LIMIT_S, said
    assert peak < LIMIT_BYTES, said


def _measured(path: str, answer: Connection) -> None:
    start = time.process_time() + sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2])
    try:
        said = str(decode_image(path, image=ImageSpec(frame=0)).shape)
    except ImageError as error:
        said = error.reason
    unpack.end_processes()
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    seconds = time.process_time() + sum(used[1][:2]) - start
    answer.send((seconds, max(one.ru_maxrss for one in used) << 10, said))


def refusal(tmp_path: Path, content: bytes) -> str:
    (tmp_path / "x.dcm").write_bytes(content)
    with pytest.raises(ImageError) as caught:
        decode_image(tmp_path / "x.dcm", image=ImageSpec(frame=0))
    return caught.value.reason


def test_long_headers_and_deflated_bombs_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the files above, with smaller limits and smaller files."""
    monkeypatch.setattr(headers, "_MAX_READS", 1000)
    monkeypatch.setattr(headers, "_MAX_SEQUENCE", 1000)
    monkeypatch.setattr(headers, "_MAX_INFLATED", 1 << 20)
    items = (ITEM + bytes(4)) * 600
    assert "more than 500 elements in its header" in refusal(tmp_path, sequence(UNDEFINED, items * 2))
    assert "a sequence of 4,800 bytes in its header" in refusal(tmp_path, sequence(struct.pack("<I", 4800), items))
    assert "unpacks to more than 1 MB" in refusal(tmp_path, deflated(2 << 20))
    (tmp_path / "x.dcm").write_bytes(deflated(1 << 19))
    assert decode_image(tmp_path / "x.dcm").shape == (16, 16)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (
            lambda: compressed(JPEGBaseline8Bit, picture("JPEG", 64), 16),
            "have 64x64 with 1 samples, its header says 16x16",
        ),
        (lambda: compressed(JPEG2000, picture("JPEG2000", 64), 16), "have 64x64 with 1 samples, its header says 16x16"),
        (lambda: compressed(JPEGBaseline8Bit, picture("JPEG2000", 16), 16), "have no size"),
        (
            lambda: compressed(RLELossless, runs(_ONE_SEGMENT, b"\x81\0", 100_000), 16),
            "run lengths overlap or do not fit",
        ),
        (lambda: compressed(JPEGBaseline8Bit, picture("JPEG", 16)[:-60], 16), "its decoder could not unpack it"),
    ],
)
def test_compressed_pixels_that_contradict_the_header_are_refused(
    tmp_path: Path, content: Callable[[], bytes], reason: str
) -> None:
    assert reason in refusal(tmp_path, content())


def test_a_decoder_that_ends_is_a_refusal_and_the_next_file_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that the system ends, here for its time, takes nothing else with it."""
    good, path = compressed(JPEGBaseline8Bit, picture("JPEG", 16), 16), tmp_path / "good.dcm"
    path.write_bytes(good)
    unpack.end_processes()
    monkeypatch.setattr(unpack, "LIMIT_S", 1e-6)
    assert refusal(tmp_path, good).startswith("damaged: its decoder crashed, or took more than")
    monkeypatch.undo()
    assert decode_image(path).shape == (16, 16)
    unpack.end_processes()


def test_a_process_that_ended_while_it_waited_is_no_fault_of_the_next_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither one that is seen to have ended, nor one that ends over the request: a fresh one is asked."""
    path = tmp_path / "good.dcm"
    path.write_bytes(compressed(JPEGBaseline8Bit, picture("JPEG", 16), 16))
    unpack.end_processes()
    decode_image(path)
    (_, waiting), *others = unpack._idle
    assert not others
    waiting._running.kill()
    waiting._running.wait()
    assert decode_image(path).shape == (16, 16)
    unpack.end_processes()
    with monkeypatch.context() as patch:
        patch.setattr(unpack, "LIMIT_S", 1e-6)
        unpack._idle.append((os.getpid(), unpack._Process()))
    assert decode_image(path).shape == (16, 16)
    unpack.end_processes()


@pytest.mark.parametrize("answer", ['{"shape": [16, 16], "dtype": "|u1", "n_bytes": 256}\\nabc', '{"shape": '])
def test_an_answer_that_is_cut_off_is_a_refusal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: str) -> None:
    """A process that ends within its answer does not wait for the next request."""
    unpack.end_processes()
    program = tmp_path / "program.py"
    program.write_text(f"import sys\nsys.stdin.buffer.readline()\nsys.stdout.write('{answer}')\n")
    monkeypatch.setattr(unpack.unpacker, "__file__", str(program))
    said = refusal(tmp_path, compressed(JPEGBaseline8Bit, picture("JPEG", 16), 16))
    assert said.startswith("damaged: its decoder crashed")
    assert not unpack._idle


def test_a_table_of_levels_is_made_for_any_numbers(tmp_path: Path) -> None:
    """Numbers at the ends of what a header can hold give a picture or a reason, and no warning."""
    for slope in ("0", "-1e9", "1e30", "1e-30"):
        path = write_dicom(tmp_path / "x.dcm", RAMP, RescaleSlope=slope, RescaleIntercept="-1e9", PixelPaddingValue=0)
        assert decode_image(path).shape == (16, 16)
