"""Arms whose images differ: size, borders and contrast, from the files to the predictions and to the report."""

from __future__ import annotations

import json
import os
import signal
import textwrap
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import tifffile
from PIL import Image
from tests.siege.kills import run_files

from scantrial import api
from scantrial.core.errors import ScantrialError
from scantrial.study.pool import Event
from scantrial.study.trial import Clock

ARMS = textwrap.dedent(
    """
    study: Which images?
    data: {source: scans, split: given, image: {size: 16, channels: CHANNELS}}
    recipe: {model: {name: mlp, hidden: [4]}, epochs: 1, batch_size: 8, select: last}
    design:
      - {arm: large, set: {image.size: [24, 20]}}
      - {arm: cropped, set: {image.crop_border: 0.1}}
      - {arm: clipped, set: {image.clip_percentiles: [2, 95], normalize: dataset}}
      - {arm: equal, set: {normalize: equalize, image.size: 24}}
      - {arm: clahe, set: {normalize: {name: clahe, tiles: 2}, image: {size: 24, crop_border: 0.05}}}
    seeds: 1
    """
)
SIZES = textwrap.dedent(
    """
    study: Which size?
    data: {source: {name: phantom, n_cases: 96, size: 32}, split: {test: given, val: 0.25}, image: {size: 16}}
    recipe: {model: {name: mlp, hidden: [4]}, epochs: 2, batch_size: 16}
    factors: {image.size: [16, 24]}
    seeds: 2
    """
)
KINDS = {"gray": (np.uint8, ()), "deep gray": (np.uint16, ()), "rgb": (np.uint8, (3,)), "deep rgb": (np.uint16, (3,))}


def write_scans(folder: Path, dtype: type, channels: tuple[int, ...]) -> None:
    """Write 40 scans of sizes of their own, as PNG, or as TIFF where PNG cannot hold them."""
    rng = np.random.default_rng(3)
    for number in range(40):
        split = ("train", "train", "val", "test")[number % 4]
        shape = (30 + number % 5, 26 + number % 3, *channels)
        scan = (rng.beta(2, 3, shape) * np.iinfo(dtype).max).astype(dtype)
        path = folder / split / "ab"[number // 4 % 2] / f"{number:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        if channels and dtype == np.uint16:
            tifffile.imwrite(path.with_suffix(".tif"), scan, photometric="rgb")
        else:
            Image.fromarray(scan).save(path)


def trained_on(kind: str, folder: Path) -> Path:
    dtype, channels = KINDS[kind]
    write_scans(folder / "scans", dtype, channels)
    (folder / "arms.yaml").write_text(ARMS.replace("CHANNELS", "3" if channels else "1"))
    outcome = api.run(folder / "arms.yaml", out=folder / "out", threads=1)
    assert not outcome.failed
    return folder / "out"


@pytest.mark.usefixtures("quick_workers")
@pytest.mark.parametrize(
    "kind",
    [
        "deep gray",
        "rgb",
        pytest.param("gray", marks=pytest.mark.slow),
        pytest.param("deep rgb", marks=pytest.mark.slow),
    ],
)
def test_new_files_are_judged_as_in_training_to_the_last_bit(kind, tmp_path):
    """`predict` on the files of the test cases gives the stored predictions, for every way to make images."""
    out = trained_on(kind, tmp_path)
    cases = pq.read_table(out / "cases.parquet").to_pylist()
    files = [tmp_path / "scans" / case["source"] for case in cases if case["split"] == "test"]
    shapes = set()
    for run in sorted(out.glob("runs/*/seed-0")):
        stored = [row for row in pq.read_table(run / "predictions.parquet").to_pylist() if row["split"] == "test"]
        found = api.predict(run, files).rows
        assert [row.y_prob for row in found] == [(row["p_a"], row["p_b"]) for row in stored], run
        shapes.add(tuple(json.loads((run / "run.json").read_text())["image_shape"][1:]))
    assert shapes == {(16, 16), (24, 20), (24, 24)}


@pytest.fixture
def sizes(tmp_path: Path) -> Path:
    path = tmp_path / "sizes.yaml"
    path.write_text(SIZES)
    return path


@pytest.mark.usefixtures("quick_workers")
def test_sizes_are_trained_copied_extended_and_reported(sizes, tmp_path):
    """Two sizes on the fused engine; another study copies the runs; a third size is added; the report says each size."""
    first = tmp_path / "first"
    outcome = api.run(sizes, out=first, threads=1)
    assert sorted(map(str, outcome.trained)) == ["base/seed-0", "base/seed-1", "size-24/seed-0", "size-24/seed-1"]
    facts = {arm: json.loads((first / "runs" / arm / "seed-0" / "run.json").read_text()) for arm in ("base", "size-24")}
    assert [facts[arm]["image_shape"] for arm in facts] == [[1, 16, 16], [1, 24, 24]]
    assert "images" not in facts["base"]
    assert facts["size-24"]["images"]["n_enlarged"] == 0

    again = api.run(sizes, out=tmp_path / "again", reuse=[first])
    assert not again.trained
    assert len(again.reused) == 4
    assert run_files(tmp_path / "again") == run_files(first)

    more = api.run(sizes, out=first, sets=["factors.image.size=[16, 24, 48]"])
    assert sorted(map(str, more.trained)) == ["size-48/seed-0", "size-48/seed-1"]
    scans = api.study_scans(first)
    maps = {arm: api.saliency(first, 7, arm=arm, seed=0, scans=scans).occlusion.shape for arm in ("base", "size-48")}
    assert maps == {"base": (16, 16), "size-48": (48, 48)}

    text = api.report(first, format="md").read_text(encoding="utf-8")
    assert (
        "For arm size = 24, scans were decoded from their files once more to 24 × 24 pixels (bilinear interpolation"
        in text
    )
    assert (
        "to 48 × 48 pixels (bilinear interpolation with antialiasing); all scans have fewer pixels than this in the file and were enlarged"
        in text
    )
    assert "size = 16 (base)" in text


@pytest.mark.usefixtures("quick_workers")
def test_images_of_an_arm_that_have_changed_are_refused(sizes, tmp_path):
    """Runs of an arm are not continued on other images, even where the study's own are the same."""
    out = tmp_path / "out"
    scans = tmp_path / "scans"
    write_scans(scans, np.uint8, ())
    text = SIZES.replace("{name: phantom, n_cases: 96, size: 32}", "scans").replace("{test: given, val: 0.25}", "given")
    sizes.write_text(text.replace("{size: 16}", "{size: 4}").replace("[16, 24]", "[4, 28]"))
    api.run(sizes, out=out, threads=1, seeds=1)
    # One pixel a little darker: nothing at 4 x 4 pixels, where it is averaged with fifty others.
    path = next(scans.rglob("00.png"))
    pixels = np.asarray(Image.open(path)).copy()
    pixels[15, 13] -= 1
    Image.fromarray(pixels).save(path)
    with pytest.raises(ScantrialError, match="had other images than arm size-28 has now"):
        api.run(sizes, out=out, seeds=2)


def test_killed_with_two_sizes_ends_with_the_same_bytes(sizes, tmp_path, quick_workers):
    """A study of two sizes whose worker is killed at work on the larger one goes on to the same bytes."""
    how = {"sets": ["recipe.epochs=4"], "seeds": 1, "threads": 1, "checkpoint_every_s": 0.0}
    api.run(sizes, out=tmp_path / "straight", **how)

    def kill_at_work(event: Event, clock: Clock) -> None:
        if event.kind == "epoch" and (event.key.arm, event.epoch) == ("size-24", 2):
            for pid in quick_workers():
                os.kill(pid, signal.SIGKILL)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        api.run(sizes, out=tmp_path / "killed", watch=kill_at_work, **how)
    assert list((tmp_path / "killed").glob("partial/size-24/*/checkpoint.pt"))
    assert list(map(str, api.run(sizes, out=tmp_path / "killed", **how).trained)) == ["size-24/seed-0"]
    assert run_files(tmp_path / "killed") == run_files(tmp_path / "straight") != {}
