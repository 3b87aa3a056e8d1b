"""Scans with and without a planted fault."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from scantrial.audit.audit import subject_of
from scantrial.audit.checks import CHECKS
from scantrial.audit.records import AuditSettings, CheckOutcome, Subject
from scantrial.data.load import load
from scantrial.data.phantom import PhantomOptions, make_phantom
from scantrial.data.scanset import ScanSet
from scantrial.data.spec import SourceSpec, SplitSpec
from scantrial.data.splits import apply_split

SMALL = {"n_cases": 240, "size": 64, "difficulty": 0.3}
"""A phantom large enough for every check."""


def phantom_scans(split: Mapping[str, Any] | None = None, **knobs: Any) -> ScanSet:
    scans = load(SourceSpec(name="phantom", **{**SMALL, **knobs}))
    return scans if split is None else apply_split(scans, SplitSpec(**split))


def checked(code: str, scans: ScanSet, **settings: Any) -> CheckOutcome:
    """Make one check on some scans."""
    return CHECKS[code].run(subject_of(scans, AuditSettings(**settings)))


def subject(**knobs: Any) -> Subject:
    return subject_of(phantom_scans(**knobs), AuditSettings())


WriteScans = Callable[..., ScanSet]


@pytest.fixture
def write_scans(tmp_path: Path) -> WriteScans:
    """Write phantom scans as image files by class, changed by a function (name, number, picture) -> picture, and load them."""

    def write(
        change: Callable[[str, int, Image.Image], Image.Image] | None = None,
        *,
        suffix: Callable[[str, int], str] = lambda name, number: "png",
        n_cases: int = 120,
        skip: bool = False,
        torn: int = 0,
    ) -> ScanSet:
        made = make_phantom(PhantomOptions(n_cases=n_cases, size=64, difficulty=0.3))
        for number, (pixels, label) in enumerate(zip(made.images, made.labels, strict=True)):
            name = made.class_names[label]
            picture = Image.fromarray(pixels)
            picture = picture if change is None else change(name, number, picture)
            file = tmp_path / "scans" / "train" / name / f"s{number:03d}.{suffix(name, number)}"
            file.parent.mkdir(parents=True, exist_ok=True)
            picture.save(file)
            if number < torn:
                file.write_bytes(file.read_bytes()[:60])
        from scantrial.data.spec import ImageSpec

        image = ImageSpec(size=64, channels=1)
        return load(SourceSpec(name=str(tmp_path / "scans")), image=image, skip_unreadable=skip)

    return write


def picture_of(text: str) -> np.ndarray:
    """Return the pixels of a picture that stands in an audit."""
    import io

    return np.asarray(Image.open(io.BytesIO(base64.b64decode(text))))
