"""DICOM: one frame of a file, by `scantrial.data.codecs.dicom.decode`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from scantrial.data.codecs.base import Claim, Codec, RefusedError, refuse_page
from scantrial.data.codecs.dicom.decode import decode_frame
from scantrial.data.codecs.dicom.headers import dicom_frames, is_dicom
from scantrial.data.spec import ImageSpec


def _decode(path: Path, claim: Claim, image: ImageSpec) -> NDArray[Any]:
    refuse_page(image)
    if image.range is not None:
        raise RefusedError("its gray levels come from a window: set data.image.window: [centre, width], and no range")
    return decode_frame(path, claim, image)


DICOM = Codec(
    title="DICOM", suffixes=(".dcm", ".dicom", ".ima"), recognises=is_dicom, decode=_decode, frames=dicom_frames
)
