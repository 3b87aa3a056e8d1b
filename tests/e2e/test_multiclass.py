"""More than two classes, from an ``.npz`` file to the report."""

from __future__ import annotations

import json

import numpy as np

STUDY = """
study: Which loss for three kinds of blob?
data: {source: blobs.npz, split: given}
recipe: {model: {name: mlp, hidden: [16]}, loss: bce, normalize: dataset, batch_size: 16, epochs: 6}
factors: {loss: [bce, ce]}
seeds: 1
"""


def write_blobs(path):
    """Three classes that differ in where the bright corner is, as MedMNIST stores its sets."""
    rng = np.random.default_rng(0)
    arrays = {}
    for split, n in (("train", 90), ("val", 30), ("test", 30)):
        labels = np.arange(n) % 3
        images = rng.integers(0, 60, (n, 12, 12), dtype=np.uint8)
        for image, label in zip(images, labels, strict=True):
            image[6 * (label // 2) : 6 * (label // 2) + 6, 6 * (label % 2) : 6 * (label % 2) + 6] += 120
        arrays |= {f"{split}_images": images, f"{split}_labels": labels[:, None]}
    np.savez(path, **arrays)


def test_three_classes_from_file_to_report(cli, tmp_path):
    """Both losses learn three plain classes; run, show, predict and the report speak of all three."""
    write_blobs(tmp_path / "blobs.npz")
    (tmp_path / "blobs.yaml").write_text(STUDY)
    result = cli("run", "blobs.yaml", "--json")
    assert result.returncode == 0, result.stderr
    told = json.loads(result.stdout)
    assert told["class_names"] == ["0", "1", "2"]
    for run in told["runs"]:
        assert run["test"]["metrics"]["accuracy"] > 0.9
        assert "sensitivity" not in run["test"]["metrics"]
        assert np.shape(run["test"]["confusion"]) == (3, 3)
    case = json.loads(cli("show", "blobs", "--case", "140", "--json").stdout)
    assert [len(arm["y_prob"]) for arm in case["arms"]] == [3, 3]
    np.save(tmp_path / "new.npy", np.load(tmp_path / "blobs.npz")["test_images"][:2])
    judged = json.loads(cli("predict", "blobs/runs/loss-ce/seed-0", "new.npy", "--json").stdout)
    assert [row["predicted_class"] for row in judged["rows"]] == ["0", "1"]
    assert "Which loss for three kinds of blob?" in (tmp_path / "blobs" / "report" / "report.html").read_text()


def test_a_measure_for_two_classes_is_refused_before_training(cli, tmp_path):
    """Sensitivity on three classes ends with exit 2 and nothing trained."""
    write_blobs(tmp_path / "blobs.npz")
    (tmp_path / "blobs.yaml").write_text(STUDY)
    result = cli("run", "blobs.yaml", "--set", "primary.metric=sensitivity")
    assert result.returncode == 2
    assert "sensitivity needs two classes" in result.stderr
    assert not (tmp_path / "blobs").exists()


GRADED = STUDY.replace("seeds: 1", "seeds: 3\nprimary: {metric: quadratic_weighted_kappa, margin: 0.1}")
ORDER = "Quadratic weighted kappa takes the classes as grades, in the order 0 < 1 < 2"


def test_kappa_decides_a_study_of_grades(cli, tmp_path):
    """Run, compare, report, plan with the study as its pilot: kappa decides, and each says the order of the grades."""
    write_blobs(tmp_path / "blobs.npz")
    (tmp_path / "graded.yaml").write_text(GRADED)
    result = cli("run", "graded.yaml", "--json")
    assert result.returncode == 0, result.stderr
    told = json.loads(result.stdout)
    assert told["primary"]["metric"] == "quadratic_weighted_kappa"
    for run in told["runs"]:
        assert {"quadratic_weighted_kappa", "macro_f1", "weighted_f1"} < set(run["test"]["metrics"])
        assert "mean_absolute_error" not in run["test"]["metrics"]
    judged = json.loads(cli("compare", "graded", "--json").stdout)
    primary = judged["primary"]
    assert (primary["metric"], primary["margin"]) == ("quadratic_weighted_kappa", 0.1)
    assert primary["methods"]["covariance"] == "jackknife over cases"
    assert ORDER in primary["notes"]
    assert {one["metric"] for one in judged["secondary"]} >= {"accuracy", "macro_f1", "weighted_f1"}
    other = cli("compare", "graded", "--metric", "mean_absolute_error")
    assert "Mean absolute error takes the classes as grades, in the order 0 < 1 < 2" in " ".join(other.stdout.split())
    assert cli("report", "graded", "--format", "md").returncode == 0
    report = next((tmp_path / "graded" / "report").glob("*.md")).read_text()
    assert "Quadratic weighted kappa takes the classes as grades, in the order 0 \\< 1 \\< 2" in report
    assert "Macro F1" in report
    plan = cli("plan", "graded.yaml", "--pilot", "graded", "--json")
    assert plan.returncode == 0, plan.stderr
    planned = json.loads(plan.stdout)
    assert planned["design"]["metric"] == "quadratic_weighted_kappa"
    assert f"{ORDER}." in planned["warnings"]
    without = cli("plan", "graded.yaml")
    assert without.returncode == 2
    assert "no assumption in plain numbers gives the spread of Quadratic weighted kappa" in without.stderr


def test_kappa_of_a_file_of_predictions(cli, tmp_path):
    """Grades in the order of the columns: two arms of five seeds on 90 cases, one an error of a grade more often."""
    rng = np.random.default_rng(0)
    labels, names = np.arange(90) % 3, ["none", "mild", "severe"]
    rows = ["arm,seed,case,label,p_none,p_mild,p_severe"]
    for arm, share in (("old", 0.5), ("new", 0.05)):
        for seed in range(5):
            decided = np.clip(labels + (rng.uniform(size=90) < share) * rng.choice([-1, 1], 90), 0, 2)
            for case, (label, grade) in enumerate(zip(labels, decided, strict=True)):
                p = ",".join(map(str, 0.1 + 0.7 * np.eye(3)[grade]))
                rows.append(f"{arm},{seed},{case},{names[label]},{p}")
    (tmp_path / "grades.csv").write_text("\n".join(rows))
    words = ("compare", "--predictions", "grades.csv", "--control", "old", "--metric", "quadratic_weighted_kappa")
    found = json.loads(cli(*words, "--json").stdout)
    (compared,) = found["comparisons"]
    assert compared["verdict"] == "better"
    assert compared["bootstrap"]["expected_ratio"] > 0
    assert all(arm["method"] == "Fisher's z, t" for arm in found["arms"])
    said = " ".join(cli(*words, "--no-bootstrap").stdout.split())
    assert "takes the classes as grades, in the order none < mild < severe" in said
    assert "of quadratic weighted kappa (95 % CI" in said
