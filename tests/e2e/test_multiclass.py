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
