"""Masks that lie beside scans."""

from __future__ import annotations

import pytest

from scantrial.core.errors import DataError
from scantrial.data.ignore import matcher_of, pattern_faults
from scantrial.data.load import load
from scantrial.data.masks import find_masks
from scantrial.data.spec import SourceSpec


@pytest.mark.parametrize(
    ("sources", "rows", "line"),
    [
        (["a/x (1).png", "a/x (1)_mask.png", "a/x (1)_mask_1.png"], (1, 2), 'ignore: "*_mask*.png"'),
        (["a/1.jpg", "a/1_seg.png", "b/2.jpg", "b/2-label.tif"], (1, 3), 'ignore: ["*_seg*.png", "*-label*.tif"]'),
        (["a/1.png", "a/1_Annotation.png"], (1,), 'ignore: "*_Annotation*.png"'),
        (["benign/1.png", "masks/1.png"], (1,), 'ignore: "masks/*"'),
        (["b/1.png", "b/masks/1_mask.png"], (1,), 'ignore: "*/masks/*"'),
        (["a/1.png", "a/1_mask.png", "a/no_mask_here.png"], (1,), 'ignore: "*_mask.png"'),
        (["a/[1].png", "a/[1]_mask.png", "a/with_mask_12.png"], (1,), 'ignore: "*_mask.png"'),
        (['a/1.[p"]', 'a/1_mask.[p"]'], (1,), r'ignore: "*_mask*.[[]p\"]"'),
        (["b/1.png", "b/masks/1_mask.png", "b/masks/cover.png"], (1,), 'ignore: "*/masks/*_mask.png"'),
    ],
)
def test_masks_are_found_by_their_names(sources, rows, line):
    """The line names patterns that match the masks and nothing else, narrow ones where another file has such a name."""
    masks = find_masks(sources)
    assert masks.rows == rows
    assert masks.line == line
    match = matcher_of(masks.patterns)
    assert [row for row, source in enumerate(sources) if match(source)] == list(rows)


@pytest.mark.parametrize(
    ("sources", "line"),
    [
        (["a/JOE.dcm", "a/JOE_mask.dcm", "a/JOE_mask_1.dcm"], 'ignore: "*_mask*.dcm"'),
        (["a/JOE.JOE", "a/JOE_mask.JOE", "b/SUE.DCM", "b/SUE_seg.SUE"], 'ignore: ["*_mask*", "*_seg*"]'),
        (["a/JOE", "a/JOE_mask"], 'ignore: "*_mask*"'),
        (["a/JOE", "a/JOE_mask", "a/with_masks"], 'ignore: "*_mask"'),
        (["a/JOE.1", "masks/JOE.1"], 'ignore: "masks/*"'),
    ],
)
def test_where_paths_are_not_told_patterns_hold_no_name(sources, line):
    """Only the mark of masks, names of folders of masks, and usual suffixes; the example is told by numbers."""
    masks = find_masks(sources, [f"scan-{number}" for number in range(len(sources))])
    assert masks.line == line
    assert masks.example == ("scan-1", "scan-0")


def test_masks_that_no_pattern_tells_from_a_scan_are_to_be_moved():
    """A scan called like a mask: no list of thousands of files, and a line for those masks that have one."""
    sources = [f"a/{number}{tail}.png" for number in range(1000) for tail in ("", "_mask")]
    masks = find_masks([*sources, "a/other_mask.png"])
    assert (len(masks.rows), masks.patterns, masks.n_left) == (1000, (), 1000)
    assert masks.way_out == "move them to another folder, as no pattern matches them and no scan"
    some = find_masks([*sources, "a/5_seg.png", "a/other_mask.png"])
    assert (some.patterns, some.n_left) == (("*_seg*.png",), 1000)
    assert some.way_out.startswith('leave 1 of them out with ignore: "*_seg*.png", and move the other 1,000 to')


@pytest.mark.parametrize(
    "sources",
    [
        ["a/1_mask.png", "a/2_mask.png"],  # beside no scan
        ["a/1.png", "b/1_mask.png"],  # in another class
        ["masks/1.png", "masks/2.png"],  # all that there is
        ["masks/1.png", "normal/2.png"],  # no scan of that name
        ["a/1.png", "a/1_2.png", "a/1_left.png"],
        ["p/roi.png", "p/label.png", "p/1.png"],
        [],
    ],
)
def test_other_names_are_no_masks(sources):
    """A word in a name is not enough: the scan must lie beside it."""
    assert find_masks(sources) is None


def test_the_refusal_of_several_shapes_names_masks_first(tmp_path):
    """Colour scans with gray masks: setting channels would bring the masks into the training."""
    import numpy as np
    from PIL import Image

    for name in ("a", "b"):
        (tmp_path / "busi" / name).mkdir(parents=True)
        Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(tmp_path / "busi" / name / "1.png")
        Image.fromarray(np.zeros((8, 8), np.uint8)).save(tmp_path / "busi" / name / "1_mask.png")
    with pytest.raises(DataError) as caught:
        load(SourceSpec(name=str(tmp_path / "busi")))
    assert caught.value.do.startswith('2 files look like masks: leave them out with ignore: "*_mask*.png"; then set')
    scans = load(SourceSpec(name=str(tmp_path / "busi")), ignore=["*_mask*.png"])
    assert scans.origin["excluded"] == {"files of the pattern *_mask*.png": 2}


def test_patterns_that_match_nothing_are_refused(make_tree):
    """A pattern with a slip in it must not pass for one that found nothing to leave out."""
    root = make_tree("a/1.png", "b/2.png", "b/2_mask.png")
    with pytest.raises(DataError, match=r"ignore: '\*_msk.png' matches no file"):
        load(SourceSpec(name=str(root)), ignore=["*_mask.png", "*_msk.png"])


@pytest.mark.parametrize(
    ("patterns", "fault"),
    [
        ((), "got an empty list"),
        ((" ",), "got a pattern of 1 characters"),
        (("x" * 1001,), "got a pattern of 1,001 characters"),
        (("../x",), "got '../x'; expected a file name, or a path relative to the source"),
        (("/x",), "got '/x'"),
        (("x",) * 101, "got 101 patterns; expected at most 100"),
    ],
)
def test_wrong_patterns(patterns, fault):
    """Patterns that cannot be meant are faults of the study file."""
    assert pattern_faults(patterns)[0].startswith(fault)


@pytest.mark.parametrize(
    ("pattern", "path", "is_matched"),
    [
        ("*_mask*.png", "a/1_mask.png", True),
        ("*_mask*.png", "1_mask_2.png", True),
        ("*_mask*.png", "a/1_mask.PNG", False),
        ("masks", "a/masks/b/1.png", True),
        ("masks/", "a/masks/b/1.png", True),
        ("masks", "a/masks2/1.png", False),
        ("a/masks", "a/masks/1.png", True),
        ("a/masks", "b/a/masks/1.png", False),
        ("*/masks/*", "b/a/masks/1.png", True),
        ("a/*", "a/b/c.png", True),
        ("?.png", "a/1.png", True),
        ("?.png", "a/12.png", False),
    ],
)
def test_what_a_pattern_matches(pattern, path, is_matched):
    """Without a slash names of files and folders, with one the path from the source."""
    assert matcher_of([pattern])(path) == (pattern if is_matched else None)
