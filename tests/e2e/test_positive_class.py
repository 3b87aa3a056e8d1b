"""Which class is positive, from the scans to the report, and scores of the other class, as a user meets them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.conftest import MakeOnce, RunCli

WARNING = "The positive class is “Normal”, a name for health"
LINE = "classes: [Normal, COVID]"

STUDY = """
study: Is CE more sensitive than BCE?
data:
  source: scans
  image: {size: 16, channels: 1}
  split: {train: 0.5, val: 0.25, test: 0.25}
recipe: {model: {name: mlp, hidden: [4]}, epochs: 1}
factors: {loss: [bce, ce]}
seeds: 2
primary: {metric: sensitivity}
"""


def said(done) -> str:
    assert done.returncode == 0, done.stderr
    return " ".join(done.stdout.split())


@pytest.fixture(scope="module")
def ran(made_once: MakeOnce, cli_in: RunCli) -> Path:
    """Return the folder of a study of COVID and Normal, which `run` has carried out, with what it said."""

    def make(folder: Path) -> None:
        rng = np.random.default_rng(7)
        for bright, name in enumerate(("Normal", "COVID")):
            (folder / "scans" / name).mkdir(parents=True)
            for case in range(20):
                pixels = np.clip(rng.normal(100 + 60 * bright, 20, (16, 16)), 0, 255).astype(np.uint8)
                Image.fromarray(pixels).save(folder / "scans" / name / f"{name}{case}.png")
        (folder / "study.yaml").write_text(STUDY)
        done = cli_in("run", "study.yaml", "--out", "out", cwd=folder)
        assert done.returncode == 0, done.stderr
        (folder / "out.txt").write_text(done.stdout)
        (folder / "err.txt").write_text(done.stderr)

    return made_once("positive", make)


def test_run_names_the_positive_class_and_warns_before_and_after_training(ran):
    """Before anything is trained on standard error, and above the verdict with the line to write."""
    before = " ".join((ran / "err.txt").read_text().split())
    after = " ".join((ran / "out.txt").read_text().split())
    assert before.index(WARNING) < before.index("base/seed-0: started")
    assert before.count(LINE) == after.count(LINE) == 1
    assert "positive class: Normal" in after
    assert after.index(WARNING) < after.index("No verdict on loss = ce")
    assert "5 cases of Normal: Sensitivity is not judged on fewer than 10" in after
    assert "class 1" not in after


def test_run_shows_the_primary_metric_first_with_its_interval(ran):
    """A table whose first numbers are of the metric that is judged; accuracy follows."""
    lines = (ran / "out.txt").read_text().splitlines()
    row = next(number for number, line in enumerate(lines) if line.lstrip().startswith("arm "))
    assert re.search(r"arm\s+seeds\s+sensitivity % \(95 % CI\)\s+sensitivity %\s+accuracy %\s+a run", lines[row])
    assert lines[row - 1].split() == ["test", "val", "test", "time"]


def test_plan_audit_compare_and_report_say_it_too(ran, cli_in):
    """In words and as JSON; nothing is blocked by it."""
    for words in (("plan", "study.yaml"), ("audit", "study.yaml"), ("compare", "out")):
        text = said(cli_in(*words, cwd=ran))
        assert "positive class: Normal" in text
        assert WARNING in text
        assert LINE in text
        found = json.loads(cli_in(*words, "--json", cwd=ran).stdout)
        assert found["positive_class"] == "Normal"
        assert LINE in found["positive_class_warning"]
    done = cli_in("run", "study.yaml", "--out", "out", "--json", cwd=ran)
    assert json.loads(done.stdout)["positive_class"] == "Normal"
    said(cli_in("report", "out", "--format", "md", cwd=ran))
    report = (ran / "out" / "report" / "report.md").read_text(encoding="utf-8")
    assert report.index(WARNING) < report.index("In short")


def test_the_line_that_is_suggested_turns_the_classes_round(ran, cli_in):
    """Written below data, it makes COVID positive, and nobody warns."""
    (ran / "turned.yaml").write_text(STUDY.replace("  source: scans\n", f"  source: scans\n  {LINE}\n"))
    for command in ("plan", "audit"):
        text = said(cli_in(command, "turned.yaml", cwd=ran))
        assert "positive class: COVID" in text
        assert "a name for health" not in text


def test_with_two_seeds_nobody_advises_how_many_would_decide(ran, cli_in):
    """`compare`, the plan of the same study and its report say that three seeds are needed, and nothing else."""
    needed = "at least 3 seeds are needed before the spread between seeds can be estimated"
    compared = said(cli_in("compare", "out", "--metric", "acc", "--margin", "0.1", cwd=ran))
    planned = said(cli_in("plan", "study.yaml", "--set", "primary={metric: accuracy, margin: 0.1}", cwd=ran))
    said(cli_in("report", "out", "--format", "md", cwd=ran))
    report = (ran / "out" / "report" / "report.md").read_text(encoding="utf-8")
    for text in (compared, planned, report):
        assert needed in text
        assert not re.search(r"Showing [\d.]+ points? takes|you need|would be enough to show", text)
    found = json.loads(cli_in("compare", "out", "--json", cwd=ran).stdout)
    assert found["outlook"] is None
    assert needed in found["outlook_reason"]
    pilot = cli_in("plan", "study.yaml", "--pilot", "out", cwd=ran)
    assert pilot.returncode == 2
    assert needed in pilot.stderr


def test_a_margin_in_per_cent_and_a_metric_by_another_name(ran, cli_in):
    """3 is refused before test rows are read, in options and in study files; `acc` is accuracy and said to be."""
    log = ran / "out" / "test-openings.jsonl"
    before = log.read_bytes()
    for words in (("compare", "out", "--margin", "3"), ("plan", "study.yaml", "--set", "primary.margin=3")):
        done = cli_in(*words, cwd=ran)
        assert done.returncode == 2
        assert "margin 3 of sensitivity (did you mean 0.03?)" in done.stderr
    assert log.read_bytes() == before
    done = cli_in("compare", "out", "--metric", "acc", cwd=ran)
    assert "--metric acc: accuracy" in done.stderr
    assert "Accuracy, %" in done.stdout
    several = cli_in("compare", "out", "--metric", "a", cwd=ran)
    assert several.returncode == 2
    assert "one of accuracy, auroc, average_precision" in several.stderr
    in_file = cli_in("plan", "study.yaml", "--set", "primary.metric=nll", cwd=ran)
    assert in_file.returncode == 2
    assert "log_loss" in in_file.stderr
    assert "did you mean" in in_file.stderr


# ---------------------------------------------------------------------- files of predictions


@pytest.fixture
def turned(tmp_path) -> Path:
    """Write scores of two arms over five seeds, all of them of class 0, and a file where only B's are."""
    rng, y_true = np.random.default_rng(5), np.arange(200) % 2
    lines: dict[str, list[str]] = {"both": [], "one": []}
    for place, arm in enumerate("AB"):
        for seed in range(5):
            p = 1 / (1 + np.exp(-((0.8 + 0.4 * place) * (2 * y_true - 1) + rng.normal(0, 1, 200))))
            for case, value in enumerate(p):
                row = f"{arm},{seed},c{case},{y_true[case]}"
                lines["both"].append(f"{row},{1 - value}")
                lines["one"].append(f"{row},{1 - value if arm == 'B' else value}")
    for name, rows in lines.items():
        (tmp_path / f"{name}.csv").write_text("\n".join(["arm,seed,case,label,score", *rows]))
    return tmp_path


def test_scores_of_the_other_class_are_told_above_the_verdict(cli, turned):
    """The number stays, with what to do; what the warning says turns the verdict round and silences it."""
    words = ("--metric", "auc", "--no-bootstrap")
    text = said(cli("compare", "--predictions", turned / "both.csv", *words))
    assert text.index("AUROC of B is 0.04") < text.index("B is worse than A by")
    assert "give 1 − score or say --positive 0. Until then the verdict may be the wrong way round." in text
    right = said(cli("compare", "--predictions", turned / "both.csv", *words, "--positive", "0"))
    assert "B is better than A by" in right
    assert "wrong way round" not in right
    assert "positive class: 0" in right


def test_one_arm_turned_round_is_named(cli, turned):
    """Under accuracy as well, where turning the whole file would turn the other arm."""
    done = cli("compare", "--predictions", turned / "one.csv", "--no-bootstrap", "--json")
    found = json.loads(done.stdout)
    (warning,) = found["warnings"]
    assert warning.startswith("AUROC of B is 0.04")
    assert "give 1 − score in the rows of this arm" in warning
    assert found["positive_class"] == found["positive"] == "1"


def test_a_margin_in_per_cent_is_refused_before_the_file_is_read(cli, tmp_path):
    """The file is not even there."""
    done = cli("compare", "--predictions", tmp_path / "none.csv", "--margin", "3")
    assert done.returncode == 2
    assert "margin 3 of accuracy (did you mean 0.03?)" in done.stderr
