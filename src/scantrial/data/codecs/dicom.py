"""DICOM: one frame of a file, by `scantrial.data.dicom`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from scantrial.data.codecs.base import Claim, Codec
from scantrial.data.dicom.decode import decode_frame
from scantrial.data.dicom.headers import is_dicom
from scantrial.data.spec import USUAL


def _decode(path: Path, claim: Claim) -> NDArray[Any]:
    return decode_frame(path, claim, USUAL)


DICOM = Codec(title="DICOM", suffixes=(".dcm", ".dicom", ".ima"), recognises=is_dicom, decode=_decode)
