"""How sizes and channels are spread, in words and as one size."""

from __future__ import annotations

import pytest

from scantrial.data.spec import ImageSpec
from scantrial.data.spread import ShapeSpread, shape_spread, training_side, working_image


def test_scans_that_are_alike_stay_as_they_are():
    """One size and one kind: said, nothing brought to anything, nothing needed to train."""
    spread = shape_spread({(64, 48): 10})
    assert spread.lines == ["Sizes: all 64 x 48 pixels", "Channels: all gray"]
    assert working_image(spread, ImageSpec()) == ImageSpec()


def test_several_sizes_become_their_median_at_most_256_long():
    """The longest side of the median becomes 256, the other follows; what is asked for goes first."""
    shapes = {(1000, 2000, 3): 3, (500, 1000): 1}
    spread = shape_spread(shapes)
    assert working_image(spread, ImageSpec()) == ImageSpec(size=(128, 256), channels=1)
    assert spread.to_train == {"size": 64, "channels": 3}
    assert "2 different, heights from 500 to 1,000 and widths from 1,000 to 2,000 pixels" in spread.lines[0]
    assert spread.lines[1] == "Channels: 3 with 3 channels and 1 gray; read as gray for this audit"
    asked = ImageSpec(size=32, channels=3)
    assert working_image(shape_spread(shapes, given=asked), asked) == ImageSpec(size=(32, 32), channels=3)


def test_sizes_alone_leave_the_channels():
    """Only what differs is changed."""
    spread = shape_spread({(40, 40, 3): 2, (50, 50, 3): 1})
    assert working_image(spread, ImageSpec()) == ImageSpec(size=(40, 40))
    assert spread.lines[-1] == "To train, a study file needs, under data: image: {size: 32}"


@pytest.mark.parametrize(("side", "proposed"), [(20, 20), (28, 28), (63, 48), (64, 64), (3000, 64)])
def test_the_side_to_train_enlarges_no_usual_scan(side, proposed):
    """The largest of the usual sides up to the median; the median itself where it is below them all."""
    assert training_side({(side, side + 5): 9, (4000, 4000): 2}) == proposed


def test_a_spread_is_read_back():
    """From plain data to the same record."""
    spread = shape_spread({(1000, 2000, 3): 3, (500, 1000): 1})
    assert ShapeSpread.from_dict(spread.to_dict()).to_dict() == spread.to_dict()
