"""Validation picks the wrong arm: made-up predictions, and real training where brightness gives the label away."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.studies import TWO_ARMS, StudyShape, write_study

from scantrial.findings.judging import judge
from scantrial.findings.reading import read_study_folder
from scantrial.prose.verdicts import in_short
from scantrial.store.folder import StudyFolder

STUDY = """
study: Does it help to standardise each image?
data: {source: scans, image: {size: 8, channels: 1}, split: given}
recipe:
  model: {name: mlp, hidden: [8]}
  optimizer: {name: adam, lr: 0.02}
  normalize: dataset
  epochs: 5
factors: {normalize: [dataset, image]}
seeds: 3
primary: {metric: accuracy, margin: 0.02}
"""


def write_scans(root: Path) -> None:
    """A faint gradient says the class; brightness says it too, but every scan of test is bright."""
    rng = np.random.default_rng(11)
    gradient = np.linspace(-1, 1, 8)[:, None] * np.ones(8)
    for split, n in (("train", 80), ("val", 60), ("test", 80)):
        for label, name in enumerate(("healthy", "ill")):
            (root / split / name).mkdir(parents=True)
            for case in range(n):
                side = 2 * label - 1
                light = side if split != "test" else 1
                scan = 128 + 30 * light + 6 * side * gradient + rng.normal(0, 22, (8, 8))
                pixels = np.clip(scan, 0, 255).astype(np.uint8)
                Image.fromarray(pixels).save(root / split / name / f"{split}{name}{case}.png")


@pytest.mark.slow
def test_training_on_brightness_is_picked_by_validation(cli, tmp_path):
    """`run`, `compare`, its JSON and the report say it once, with the shift that the audit found."""
    write_scans(tmp_path / "scans")
    (tmp_path / "light.yaml").write_text(STUDY)
    ran = cli("run", "light.yaml", "--out", "light")
    assert ran.returncode == 0, ran.stderr
    told = json.loads(cli("compare", "light", "--json").stdout)["reversals"]
    (found,) = told["found"]
    assert (found["better"], found["worse"]) == ("normalize = image", "normalize = dataset")
    assert found["test"]["low"] > 0 > found["val"]["high"]
    assert told["shift"]["look"]["is_found"]
    sentence = " ".join(told["sentences"])
    assert "Choosing on validation would have picked normalize = dataset." in sentence
    assert "The test scans differ from the validation scans: a classifier tells them apart" in sentence
    assert said_once(ran.stdout, sentence)
    assert said_once(cli("compare", "light").stdout, sentence)


def said_once(text: str, sentence: str) -> bool:
    """Whether a text has a sentence once, however its lines are broken."""
    return " ".join(text.replace("\u00a0", " ").split()).count(sentence) == 1


def test_predictions_that_disagree_are_told(cli, tmp_path):
    """A written study in which one arm ranks well on validation and the other on test; and one in which they agree."""
    cases = {"train": 40, "val": 160, "test": 160}
    signal = {"base": {"val": 6.0, "test": 1.0}, "loss-ce": {"val": 1.0, "test": 6.0}}
    shape = StudyShape(arms=TWO_ARMS, n_cases=cases, signal=signal)
    write_study(tmp_path / "disagree", shape)
    told = json.loads(cli("compare", "disagree", "--json").stdout)["reversals"]
    sentence = " ".join(told["sentences"])
    assert sentence.startswith("Validation and test disagree: loss-ce is better than base on test, by ")
    assert "Choosing on validation would have picked base." in sentence
    assert sentence.endswith(
        "What differs between validation and test is not known: the scans were not compared (AU010 of the audit)."
    )
    assert said_once(cli("compare", "disagree").stdout, sentence)
    # `run`, the page and the report's first section say what `in_short` gives.
    read = read_study_folder(StudyFolder(tmp_path / "disagree"), by="test", purpose="in short")
    assert in_short(judge(read))[-1] == sentence
    agreeing = replace(shape, signal={"base": signal["base"], "loss-ce": {"val": 1.0, "test": 0.0}})
    write_study(tmp_path / "agree", agreeing)
    assert "disagree" not in cli("compare", "agree").stdout
