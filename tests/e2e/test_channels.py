"""Stacks of named channels and arrays of many, from the files to predictions, pictures and report."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import tifffile

from scantrial import api
from scantrial.core.errors import InputError, UnreadableScansError

STUDY = textwrap.dedent(
    """
    study: Which channels tell?
    data:
      source: plates
      image: {size: 16, channels: [GFP, DAPI, BF, Cy5], page: max, range: [0, 4095]}
      split: {train: 0.5, val: 0.25, test: 0.25}
    recipe: {model: {name: mlp, hidden: [4]}, epochs: 1, batch_size: 8, select: last, normalize: dataset}
    design:
      - {arm: small, set: {image.size: 12}}
      - {arm: turned, set: {augment: {rotate: 20, noise: 0.02}}}
    seeds: 1
    """
)
NAMES = ["DAPI", "GFP", "Cy5", "BF"]


def write_plates(folder: Path) -> None:
    """Write 32 OME-TIFFs of two slices and four channels."""
    rng = np.random.default_rng(0)
    for label, name in enumerate(("wild", "mutant")):
        (folder / name).mkdir(parents=True)
        for number in range(16):
            planes = rng.integers(0, 3000, (2, 4, 16, 16), dtype=np.uint16)
            planes[:, 1] += np.uint16(1000 * label)
            described = {"axes": "ZCYX", "Channel": {"Name": NAMES}}
            path = folder / name / f"{name}{number}.ome.tif"
            tifffile.imwrite(path, planes, ome=True, photometric="minisblack", metadata=described)


@pytest.mark.usefixtures("quick_workers")
def test_a_study_of_named_channels(tmp_path):
    """Predictions of files are the stored ones to the last bit; report, sheet, maps and refusals know the channels."""
    write_plates(tmp_path / "plates")
    (tmp_path / "study.yaml").write_text(STUDY)
    out = tmp_path / "out"
    assert not api.run(tmp_path / "study.yaml", out=out, threads=1).failed
    cases = [case for case in pq.read_table(out / "cases.parquet").to_pylist() if case["split"] == "test"]
    files = [tmp_path / "plates" / case["source"] for case in cases]
    for run in sorted(out.glob("runs/*/seed-0")):
        stored = [row for row in pq.read_table(run / "predictions.parquet").to_pylist() if row["split"] == "test"]
        found = api.predict(run, files).rows
        assert [row.y_prob for row in found] == [(row["p_mutant"], row["p_wild"]) for row in stored], run
    assert json.loads((out / "data.json").read_text())["image"] == {
        "shape": [4, 16, 16],
        "size": 16,
        "channels": ["GFP", "DAPI", "BF", "Cy5"],
        "fit": "stretch",
        "page": "max",
        "range": [0.0, 4095.0],
    }
    text = api.report(out, format="md").read_text(encoding="utf-8")
    assert "in 4 channels (GFP, DAPI, BF and Cy5 of those in the files)" in text
    assert "Of each stack the maximum over its pages was taken. Values from 0 to 4095 were scaled linearly" in text
    assert "Pictures show the first 3 of 4 channels in RGB" in text
    assert api.augmented_scans(out).png.startswith(b"\x89PNG")
    assert api.saliency(out, 0, arm="base", seed=0, scans=api.study_scans(out)).occlusion.shape == (16, 16)
    assert not api.run(tmp_path / "study.yaml", out=out).trained

    tifffile.imwrite(tmp_path / "other.tif", np.zeros((16, 16, 4), np.uint16), photometric="minisblack")
    with pytest.raises(UnreadableScansError, match=r"channels have no names, but data\.image\.channels asks for 'GFP'"):
        api.predict(out / "runs" / "base" / "seed-0", [tmp_path / "other.tif"])
    with pytest.raises(InputError, match="arm base: augment changes hue or saturation, but the scans have 4 channels"):
        api.run(tmp_path / "study.yaml", out=tmp_path / "hue", sets=["recipe.augment={hue: 0.1}"])


@pytest.mark.slow
@pytest.mark.usefixtures("quick_workers")
def test_a_study_of_spectral_arrays(tmp_path):
    """Arrays of 30 channels are trained on, audited, and predicted: one image, or many in an array."""
    rng = np.random.default_rng(0)
    (tmp_path / "spectra").mkdir()
    for label, name in enumerate(("healthy", "tumour")):
        pixels = rng.integers(0, 200, (24, 12, 14, 30), dtype=np.uint8)
        pixels[..., 20] += np.uint8(50 * label)
        np.save(tmp_path / "spectra" / f"{name}.npy", pixels)
    text = STUDY.replace("source: plates", "source: spectra").replace(
        "{size: 16, channels: [GFP, DAPI, BF, Cy5], page: max, range: [0, 4095]}", "{channels: [20, 3]}"
    )
    (tmp_path / "study.yaml").write_text(text)
    out = tmp_path / "out"
    assert not api.run(tmp_path / "study.yaml", out=out, threads=1).failed
    run, whole = out / "runs" / "base" / "seed-0", np.load(tmp_path / "spectra" / "tumour.npy")
    np.save(tmp_path / "one.npy", whole[0])
    one = api.predict(run, [tmp_path / "one.npy"]).rows
    many = api.predict(run, [tmp_path / "spectra" / "tumour.npy"]).rows
    assert len(one) == 1
    assert one[0].y_prob == pytest.approx(many[0].y_prob, abs=1e-6)
    assert len(many) == 24
    assert api.audit(out).result("AU041").outcome == "clear"
