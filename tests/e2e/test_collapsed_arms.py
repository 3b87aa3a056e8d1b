"""Two arms that say the commonest class to everything, through the command line."""

from __future__ import annotations

import json

import numpy as np
from PIL import Image

STUDY = """
study: Is CE better than BCE on moles?
data: {source: scans, image: {size: 16, channels: 1}, split: given}
recipe: {model: {name: mlp, hidden: [8]}, epochs: 15}
factors: {loss: [bce, ce]}
seeds: 3
primary: {metric: accuracy, margin: 0.02}
"""


def write_moles(root):
    """Noise without any signal, 95 % of it called nevus."""
    rng = np.random.default_rng(7)
    for split, n in (("train", (95, 5)), ("val", (57, 3)), ("test", (95, 5))):
        for name, count in zip(("nevus", "melanoma"), n, strict=True):
            (root / split / name).mkdir(parents=True)
            for case in range(count):
                pixels = np.clip(rng.normal(110, 18, (16, 16)), 0, 255).astype(np.uint8)
                Image.fromarray(pixels).save(root / split / name / f"{split}{name}{case}.png")


def test_two_collapsed_arms_are_named_before_the_verdict(cli, tmp_path):
    """`run`, `compare`, the report and the JSON name the class that every run gives, and there is no verdict."""
    write_moles(tmp_path / "scans")
    (tmp_path / "moles.yaml").write_text(STUDY)
    expected = [
        f"{arm}: 3 of 3 runs give every test case the class nevus." for arm in ("loss = bce (base)", "loss = ce")
    ]
    ran = cli("run", "moles.yaml", "--out", "moles")
    assert ran.returncode == 0, ran.stderr
    short = " ".join(ran.stdout.split())
    places = [short.index(words) for words in (f"{expected[0]} {expected[1]}", "answer: No verdict on loss = ce")]
    assert places == sorted(places)
    assert "all 2 arms: stuck at chance" in short
    ran = cli("run", "moles.yaml", "--out", "moles", "--verbose")
    bullets = [line[2:] for line in ran.stdout.splitlines() if line.startswith("- ")]
    assert bullets[:2] == expected
    assert "Stuck at chance (3 of 3 runs)" in ran.stdout
    assert "(up to 100.0 % by chance)" in " ".join(ran.stdout.split())
    compared = " ".join(cli("compare", "moles").stdout.split())
    places = [compared.index(words) for words in (f"- {expected[0]} - {expected[1]}", "- No verdict on loss = ce")]
    assert places == sorted(places)
    assert "every run gives all cases the same class (nevus): equal values say nothing about the arms" in compared
    told = json.loads(cli("compare", "moles", "--json").stdout)["decisions"]["collapsed"]
    assert [(arm["arm"], arm["seeds"], arm["sentence"]) for arm in told] == [
        ("base", {"nevus": [0, 1, 2]}, expected[0]),
        ("loss-ce", {"nevus": [0, 1, 2]}, expected[1]),
    ]
    assert cli("report", "moles", "--format", "md").returncode == 0
    page = (tmp_path / "moles" / "report" / "report.md").read_text()
    assert max(page.index(sentence) for sentence in expected) < page.index("In short")


def test_weighted_arms_below_the_commonest_class_are_told_so_and_stuck(cli, tmp_path):
    """Balanced weights on noise: stuck at ln 2, and less accurate than always saying nevus."""
    write_moles(tmp_path / "scans")
    (tmp_path / "moles.yaml").write_text(STUDY.replace("factors: {loss: [bce, ce]}\n", ""))
    sets = [
        "recipe.loss={name: ce, class_weights: balanced}",
        "recipe.optimizer={name: sgd, lr: 0.00001}",
        "recipe.select=last",
    ]
    changes = [word for change in sets for word in ("--set", change)]
    ran = cli("run", "moles.yaml", "--out", "moles", "--verbose", *changes)
    assert ran.returncode == 0, ran.stderr
    text = " ".join(ran.stdout.split())
    assert "switched off" not in text
    assert "Stuck at chance (3 of 3 runs)." in text
    assert "the loss of guessing is 0.693" in text
    assert "is below always saying nevus, which is right in 95.0 % of the test cases." in text
