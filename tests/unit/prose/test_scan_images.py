"""How the scans of a study were decoded, in sentences."""

from __future__ import annotations

import json

import pytest

from scantrial.data.spec import ImageSpec
from scantrial.prose.scan_images import scan_images


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ({}, []),
        ({"window": "full"}, ["Gray levels of DICOM files span the full range of stored values."]),
        ({"window": 0}, ["Gray levels of DICOM files come from window 0 of each file, counted from 0."]),
        (
            {"window": [40, 400]},
            ["Gray levels of DICOM and NIfTI files come from a window with centre 40 and width 400."],
        ),
        ({"frame": 0}, ["Of each file frame (or slice) 0 was taken, counted from 0."]),
        (
            {"window": [-600.5, 1500], "frame": "all"},
            [
                "Gray levels of DICOM and NIfTI files come from a window with centre -600.5 and width 1500.",
                "Each frame or slice of a file is a case of its own.",
            ],
        ),
    ],
)
def test_window_and_frame_of_the_study_are_told(image, expected):
    """As they stand in ``data.json``; what is not set is not spoken of."""
    assert scan_images(json.loads(json.dumps(ImageSpec.model_validate(image).stored()))) == expected


def test_how_scans_are_brought_to_one_size_is_told():
    """The fit and the interpolation; nothing of it where the size is the scans' own."""
    image = {"shape": "1 \u00d7 64 \u00d7 64", "fit": "stretch"}
    how = "stretched to this size where needed (bilinear interpolation with antialiasing)"
    assert scan_images({**image, "size": 64}) == [f"Scans have 64 \u00d7 64 pixels in one channel, {how}."]
    assert scan_images(image) == ["Scans have 64 \u00d7 64 pixels in one channel."]
