"""A study that augments, by the command line: its report, its sheets, and equal bytes whatever happens."""

from __future__ import annotations

import io
import json
import textwrap
import time
from pathlib import Path

import pytest
from PIL import Image
from tests.siege.kills import run_files

STUDY = textwrap.dedent(
    """
    study: Does augmentation help on small phantoms?
    data:
      source: {name: phantom, n_cases: 72, size: 32, difficulty: 0.3}
      split: {test: given, val: 0.25}
    recipe: {model: {name: mlp, hidden: [8]}, batch_size: 16, epochs: 2, normalize: image, test_time_views: 1}
    factors:
      augment: [none, {preset: radiograph, elastic: 0.02, noise: 0.05, mixup: 0.4}]
    seeds: 2
    """
)
ARM = "augment-radiograph-elastic-0.02-noise-0.05-mixup-0.4"
SHEET = f"runs/{ARM}/seed-0/augmented.png"


def run(cli, folder: str, *options: str) -> None:
    done = cli("run", "study.yaml", "--out", folder, "--threads", "1", *options)
    assert done.returncode == 0, done.stderr


def all_bytes(folder: Path) -> dict[Path, bytes]:
    """Return histories, predictions, weights and sheets."""
    sheets = {path.relative_to(folder): path.read_bytes() for path in folder.glob("runs/*/*/augmented.png")}
    return {**run_files(folder), **sheets}


def test_a_study_shows_what_augmentation_did(cli, tmp_path: Path):
    """A sheet of the first seed alone, in the report and by ``show``; each run says why which engine trained it."""
    (tmp_path / "study.yaml").write_text(STUDY)
    run(cli, "out")
    out = tmp_path / "out"
    assert [path.relative_to(out).as_posix() for path in out.glob("runs/*/*/augmented.png")] == [SHEET]
    facts = json.loads((out / "runs" / ARM / "seed-0" / "run.json").read_text())
    assert facts["engine"] == "reference"
    assert "augmented.png" in facts["sha256"]
    assert cli("verify", "out").returncode == 0

    shown = cli("show", "out", "--augmented", "--n", "5", "--json")
    told = json.loads(shown.stdout)
    assert (told["arm"], told["seed"], told["epochs"]) == (ARM, 0, [1, 2, 3, 4])
    assert "mixup of normalised scans, shares from Beta(0.4, 0.4)" in told["said"]
    assert "@" not in told["said"]
    assert (tmp_path / told["png"]).read_bytes() == (out / SHEET).read_bytes()
    assert cli("show", "out", "--augmented", "--arm", "base").returncode == 2
    assert cli("show", "out").returncode == 2

    cli("report", "out", "--format", "md")
    report = (out / "report" / "report.md").read_text()
    for words in (
        "not augmented (augment = none (base)); rotation up to ±10°",
        "mixup of normalised scans, shares from Beta(0.4, 0.4)",
        "Augmented training scans",
        "the draws of augmentation",
    ):
        assert words in report, words
    pictures = [path for path in (out / "report" / "report_files").glob("*.png") if "augmented" in path.name]
    assert [path.read_bytes() for path in pictures] == [(out / SHEET).read_bytes()]
    (out / SHEET).write_bytes(b"something else")
    assert SHEET in cli("verify", "out").stdout
    damaged = cli("report", "out")
    assert damaged.returncode == 1
    assert "has changed since it was written" in damaged.stderr


@pytest.mark.slow
def test_without_thumbnails_no_picture_is_kept(cli, tmp_path: Path):
    """Neither of the cases nor of augmented scans."""
    (tmp_path / "study.yaml").write_text(STUDY)
    run(cli, "out", "--set", "data.thumbnails=false", "--set", "seeds=1", "--set", "recipe.epochs=1")
    assert not list((tmp_path / "out").glob("runs/*/*/augmented.png"))


@pytest.mark.slow
def test_two_workers_and_another_folder_give_equal_bytes(cli, tmp_path: Path):
    """One worker and two; taken over by another study, sheets as well."""
    (tmp_path / "study.yaml").write_text(STUDY)
    run(cli, "one")
    run(cli, "two", "--workers", "2")
    assert all_bytes(tmp_path / "one") == all_bytes(tmp_path / "two")
    run(cli, "reused", "--reuse", "one")
    assert all_bytes(tmp_path / "one") == all_bytes(tmp_path / "reused")
    reused = json.loads((tmp_path / "reused" / "runs" / ARM / "seed-1" / "run.json").read_text())
    assert reused["reused_from"] == {"folder": "one", "arm": ARM, "seed": 1}


@pytest.mark.slow
def test_a_study_killed_in_every_epoch_ends_with_equal_bytes(cli, start_cli, tmp_path: Path):
    """Each start is killed as soon as one more epoch has its checkpoint."""
    (tmp_path / "study.yaml").write_text(STUDY.replace("epochs: 2", "epochs: 10"))
    run(cli, "whole")
    words = ("run", "study.yaml", "--out", "killed", "--threads", "1", "--checkpoint-every", "0")
    for _ in range(5):
        seen = stamps(tmp_path / "killed")
        with (tmp_path / "words").open("wb") as words_to:
            process = start_cli(*words, cwd=tmp_path, words_to=words_to)
        try:
            while process.poll() is None and stamps(tmp_path / "killed") <= seen:
                time.sleep(0.005)
        finally:
            process.kill()
            process.wait()
    run(cli, "killed")
    assert all_bytes(tmp_path / "whole") == all_bytes(tmp_path / "killed")


def stamps(folder: Path) -> set[tuple[str, int]]:
    """Return the checkpoints that are there, and when each was written."""
    found = set()
    for path in folder.glob("partial/*/*/checkpoint.pt"):
        try:
            found.add((str(path), path.stat().st_mtime_ns))
        except FileNotFoundError:
            continue
    return found


@pytest.mark.slow
def test_real_radiographs_are_augmented(cli, chest_xray: Path, tmp_path: Path):
    """A small network on a few, with the preset and four views; `predict` gives the numbers that are stored."""
    text = f"""
        study: Does augmentation help?
        data:
          source: {chest_xray}
          image: {{size: 32, channels: 1}}
          split: {{train: 12, val: 6, test: 6, per: class}}
        recipe: {{model: cnn, epochs: 2, normalize: image, augment: radiograph, test_time_views: 4}}
        seeds: 1
    """
    (tmp_path / "study.yaml").write_text(textwrap.dedent(text))
    run(cli, "out")
    sheet = Image.open(io.BytesIO((tmp_path / "out" / "runs/base/seed-0/augmented.png").read_bytes()))
    assert sheet.width > 500
    told = json.loads(cli("show", "out", "--case", "0", "--json").stdout)
    source = chest_xray / told["source"]
    predicted = cli("predict", "out/runs/base/seed-0", str(source), "--json")
    p = json.loads(predicted.stdout)["rows"][0]["y_prob"]
    assert p == pytest.approx(told["arms"][0]["seeds"][0]["y_prob"], abs=1e-6)
