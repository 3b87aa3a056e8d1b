"""Real radiographs, a network of timm with and without pretrained weights, from the command line."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.conftest import HANGS_S

STUDY = """
study: Do ImageNet weights help on radiographs?
data:
  source: {name: scans}
  image: {size: 64, channels: 1}
  split: {test: given, val: 0.25}
recipe:
  model: cnn-gap
  optimizer: {name: adamw, lr: 1e-3}
  batch_size: 8
  epochs: 2
factors:
  model:
    - cnn-gap
    - {name: timm/tf_efficientnet_lite0, pretrained: none}
    - {name: timm/tf_efficientnet_lite0, pretrained: package, freeze: all}
seeds: 2
"""


@pytest.fixture(name="study")
def give_study(tmp_path: Path, chest_xray: Path) -> Path:
    """A few scans of each class, and the study beside them."""
    for split, n in (("train", 12), ("test", 4)):
        for folder in sorted((chest_xray / split).iterdir()):
            (tmp_path / "scans" / split / folder.name).mkdir(parents=True)
            for file in sorted(folder.iterdir())[:n]:
                shutil.copy(file, tmp_path / "scans" / split / folder.name)
    (tmp_path / "study.yaml").write_text(STUDY)
    return tmp_path / "study.yaml"


def bytes_of_runs(folder: Path) -> dict[str, str]:
    """The hash of each file of the runs that holds no time."""
    files = {str(path.relative_to(folder)): path for path in (folder / "runs").rglob("*") if path.is_file()}
    return {
        name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in files.items() if path.name != "run.json"
    }


@pytest.mark.slow
def test_a_killed_study_of_pretrained_networks_ends_with_the_same_bytes(
    study: Path, tmp_path: Path, timm_environment: dict[str, str]
) -> None:
    """Killed twice, then run to its end; equal to a study that was left alone, which also agrees with `verify`."""

    def start(*words: str | Path) -> subprocess.Popen[str]:
        """Start a command as a user does: the server of the other tests has no shim for torchvision."""
        return subprocess.Popen(
            [sys.executable, "-m", "scantrial", *map(str, words)],
            env={**os.environ, **timm_environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def cli(*words: str | Path) -> str:
        process = start(*words)
        said, _ = process.communicate(timeout=4 * HANGS_S)
        assert process.returncode == 0, said
        return said

    words = ("run", study, "--checkpoint-every", "0")
    cli(*words, "--out", tmp_path / "whole")
    for n_runs in (2, 4):
        process = start(*words, "--out", tmp_path / "killed")
        end = time.monotonic() + 4 * HANGS_S
        while len(list((tmp_path / "killed/runs").glob("*/seed-*/run.json"))) < n_runs:
            assert time.monotonic() < end
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    cli(*words, "--out", tmp_path / "killed")
    assert bytes_of_runs(tmp_path / "killed") == bytes_of_runs(tmp_path / "whole")
    assert len(bytes_of_runs(tmp_path / "whole")) >= 6 * 3

    cli("verify", tmp_path / "whole")
    cli(*words, "--out", tmp_path / "copied", "--reuse", tmp_path / "whole")
    assert bytes_of_runs(tmp_path / "copied") == bytes_of_runs(tmp_path / "whole")
    scan = next((tmp_path / "scans/test").rglob("*.jpeg"))
    arm = "model-timm-tf-efficientnet-lite0-pretrained-package-freeze-all"
    assert "NORMAL" in cli("predict", tmp_path / "whole/runs" / arm / "seed-0", scan)
    text = "\n".join(path.read_text() for path in (tmp_path / "whole").rglob("*.json"))
    assert "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db" in text
    assert str(tmp_path) not in text + (tmp_path / "whole/study.yaml").read_text()
