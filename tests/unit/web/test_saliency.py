"""Where a network looks is computed from what a folder holds, and from nothing that could run."""

from __future__ import annotations

import io
from typing import Any, cast

import numpy as np
import pytest
from PIL import Image
from tests.studies import StudyShape, write_study

from scantrial import api
from scantrial.core.errors import InputError
from scantrial.web.pictures import draw_map


def test_a_network_of_ones_own_is_not_loaded_from_a_folder(tmp_path):
    """A class named in a study folder would be code from data."""
    (tmp_path / "evil.py").write_text("raise SystemExit('imported')")
    folder = write_study(tmp_path / "study", StudyShape(arms={"base": {"model": {"name": "evil:Network"}}}))
    with pytest.raises(InputError, match="custom class"):
        api.saliency(folder.path, 0, arm="base", seed=0, scans=cast(Any, None))


def test_a_map_is_warm_where_it_costs_and_cold_where_it_gains():
    """Red above blue, and blue above red; a map of zeros leaves the scan as it is."""
    scan = np.full((400, 400), 100, dtype=np.uint8)
    values = np.zeros((400, 400))
    values[:100], values[300:] = 1.0, -1.0
    pixels = np.asarray(Image.open(io.BytesIO(draw_map(scan, values)))).astype(int)
    assert (pixels[50, 50, 0] > pixels[50, 50, 2] + 50).all()
    assert (pixels[350, 50, 2] > pixels[350, 50, 0] + 50).all()
    assert (pixels[200, 200] == 100).all()
    plain = np.asarray(Image.open(io.BytesIO(draw_map(scan, None))))
    assert (plain == 100).all()


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_small_scans_are_enlarged_and_deep_ones_brought_to_eight_bits(dtype):
    """At least 384 pixels on the longer side."""
    scan = np.full((32, 16), np.iinfo(dtype).max, dtype=dtype)
    image = Image.open(io.BytesIO(draw_map(scan, None)))
    assert image.size == (192, 384)
    assert np.asarray(image).min() == 255
