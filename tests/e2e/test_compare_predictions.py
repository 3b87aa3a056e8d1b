"""`scantrial compare --predictions` in a process of its own, on the ratings of a published example."""

from __future__ import annotations

import json
import re
from math import log
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest

from scantrial import compare_predictions
from scantrial.core.errors import InputError

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "docs" / "data" / "imrmc-example.csv"
"""Ratings of two modalities by five readers on 80 cases: example data of the iMRMC software (CC0)."""


def close(value: float, *, digits: int):
    """Equal to the printed digits, one unit in the last one."""
    return pytest.approx(value, rel=0, abs=1.01 * 10**-digits)


def read_json(done) -> dict:
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(params=["comma", "semicolon", "tab", "parquet"])
def example(request, tmp_path) -> Path:
    """The same predictions in every form that can be read."""
    if request.param == "parquet":
        path = tmp_path / "example.parquet"
        pa.parquet.write_table(pa.csv.read_csv(EXAMPLE), path)
        return path
    path = tmp_path / "example.csv"
    delimiter = {"comma": ",", "semicolon": ";", "tab": "\t"}[request.param]
    path.write_text(EXAMPLE.read_text().replace(",", delimiter))
    return path


def test_the_published_auroc_analysis_comes_out(cli, example):
    """MRMCaov's numbers for these ratings: variance components, effect, standard error, df, p and interval."""
    if example.suffix == ".parquet" or "," not in example.read_text():
        found = compare_predictions(example, metric="auroc", bootstrap=False).to_dict()
    else:
        found = read_json(cli("compare", "--predictions", example, "--metric", "auroc", "--no-bootstrap", "--json"))
    (compared,) = found["comparisons"]
    parts = found["components"]
    assert parts["var_error"] == close(0.0030686018, digits=10)
    assert parts["cov1"] == close(0.0017855769, digits=10)
    assert parts["cov2"] == close(0.0017416466, digits=10)
    assert parts["cov3"] == close(0.0011740435, digits=10)
    assert parts["ms_arm_seed"] == close(0.0012016211, digits=10)
    assert compared["effect"] == close(0.07275, digits=5)
    assert compared["se"] == close(0.04019769605, digits=11)
    assert compared["df"] == close(45.20740409, digits=8)
    assert compared["p"] == close(0.0769769145, digits=10)
    both = compared["seeds_and_cases"]
    assert (both["low"], both["high"]) == (close(-0.008202065, digits=9), close(0.153702065, digits=9))
    assert both["statistic"] ** 2 == close(3.275394922, digits=9)
    assert compared["cases_only"]["se"] == close(0.03770113, digits=8)
    assert compared["cases_only"]["p"] == close(0.05365015, digits=8)
    means = [(arm["mean"], arm["se"], arm["df"]) for arm in found["arms"]]
    assert means[0] == (close(0.692875, digits=6), close(0.05513520859, digits=11), close(28.6410905, digits=7))
    assert means[1] == (close(0.765625, digits=6), close(0.06358455625, digits=11), close(10.77313632, digits=8))
    assert compared["verdict"] == "inconclusive"
    assert compared["sentence"].startswith("It is unclear whether B is better or worse than A: the difference is 0.073")


def test_the_published_accuracy_analysis_comes_out(cli):
    """A rating above 1.0 is positive: theta, F, df, p, standard error and interval of the reference."""
    words = ("compare", "--predictions", EXAMPLE, "--threshold", "1.0", "--no-bootstrap", "--json")
    found = read_json(cli(*words))
    (compared,) = found["comparisons"]
    assert [arm["mean"] for arm in found["arms"]] == [close(0.64, digits=6), close(0.6825, digits=6)]
    both = compared["seeds_and_cases"]
    assert both["statistic"] ** 2 == close(1.18719775, digits=8)
    assert both["df"] == close(11.044201, digits=6)
    assert both["p"] == close(0.29909871, digits=8)
    assert both["se"] == close(0.03900564, digits=8)
    assert (both["low"], both["high"]) == (close(-0.04330893, digits=8), close(0.12830893, digits=8))
    assert found["threshold"] == 1.0


def test_patients_are_what_was_sampled(tmp_path):
    """With 40 patients of two cases each the clustered analysis of Obuchowski (1997) comes out."""
    head, *rows = EXAMPLE.read_text().splitlines()
    path = tmp_path / "patients.csv"
    path.write_text("\n".join([f"{head},patient", *(f"{row},p{(int(row.split(',')[2]) - 1) % 40}" for row in rows)]))
    found = compare_predictions(path, metric="auroc", bootstrap=False).to_dict()
    both = found["comparisons"][0]["seeds_and_cases"]
    assert found["n_patients"] == 40
    assert both["se"] == close(0.04586442, digits=8)
    assert both["df"] == close(76.61408, digits=5)
    assert both["p"] == close(0.1168137, digits=7)


def test_several_classes_are_compared_by_their_probabilities(cli, tmp_path):
    """Accuracy, macro AUROC, log loss and Brier score go through; what is for two classes is refused."""
    lines = ["arm\tseed\tcase\tlabel\tp_cat\tp_dog\tp_owl"]
    for arm, sure in (("dull", 0.5), ("sharp", 0.8)):
        for seed in range(3):
            for case in range(45):
                label = case % 3
                decided = label if (case * 7 + seed) % 5 else (label + 1) % 3
                p = [(1 - sure) / 2] * 3
                p[decided] = sure
                name = ("cat", "dog", "owl")[label]
                lines.append(f"{arm}\t{seed}\tn{case}\t{name}\t" + "\t".join(f"{value:.4f}" for value in p))
    path = tmp_path / "classes.csv"
    path.write_text("\n".join(lines))
    # By hand: four of five decisions are right in both arms, with the same order of cases; the rest is arithmetic.
    right, wrong = 0.8, 0.2
    expected = {
        "accuracy": (right, right),
        "log_loss": (-right * log(0.5) - wrong * log(0.25), -right * log(0.8) - wrong * log(0.1)),
        "brier": (right * 0.375 + wrong * 0.875, right * 0.06 + wrong * 1.46),
    }
    for metric, means in expected.items():
        found = compare_predictions(path, metric=metric, bootstrap=False)
        assert (found.class_names, found.positive) == (("cat", "dog", "owl"), None)
        assert tuple(arm.mean for arm in found.comparison.arms) == pytest.approx(means)
    dull, sharp = (arm.mean for arm in compare_predictions(path, metric="auroc", bootstrap=False).comparison.arms)
    assert dull == sharp > 0.5
    with pytest.raises(InputError, match="Sensitivity of 3 classes"):
        compare_predictions(path, metric="sensitivity")
    with pytest.raises(InputError, match=r"a threshold of 0\.3 for 3 classes"):
        compare_predictions(path, threshold=0.3)
    done = cli("compare", "--predictions", path, "--metric", "brier", "--no-bootstrap")
    assert "45 test cases (15 of class cat, 15 of class dog, 15 of class owl)" in " ".join(done.stdout.split())


def test_people_get_tables_sentences_notes_and_methods(cli):
    """Piped and without colour: plain lines of at most 80 characters in the tables, one sentence a comparison."""
    done = cli("compare", "--predictions", EXAMPLE, "--metric", "auroc", "--control", "A")
    assert done.returncode == 0
    assert done.stderr == ""
    assert "\x1b" not in done.stdout
    tables, sentences = done.stdout.split("- It is unclear", 1)
    assert max(map(len, tables.splitlines()[1:])) <= 80
    assert re.search(r"A +5 +0\.693 +0\.570 to 0\.793 +0\.582 to 0\.781", tables)
    assert re.search(r"B - A +0\.073 +−0\.008 to 0\.154 +0\.077 +inconclusive +−0\.0\d+ to 0\.1\d+", tables)
    assert "accounting for both seed-to-seed variation (5 seeds) and the limited test set (80 cases)" in " ".join(
        sentences.split()
    )
    assert "every case counts as a separate patient" in sentences
    assert "Holm over 1 comparison" in sentences


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "neither DIR nor --predictions FILE"),
        ((".", "--predictions", "x.csv"), "both DIR and --predictions FILE"),
        (("--predictions", EXAMPLE, "--metric", "auroc", "--control", "C"), "control 'C' is not an arm"),
        (("--predictions", EXAMPLE, "--positive", "ill"), "labels '0', '1', expected 'ill' and one other"),
    ],
)
def test_bad_words_end_with_2(cli, words, message):
    """One plain message, no traceback, exit code 2."""
    done = cli("compare", *words)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


# ---------------------------------------------------------------------- the documentation


def documented_keys(heading: str) -> set[str]:
    """Return the keys of a table of docs/commands.md: everything in backquotes in its first column."""
    text = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    section = text.split("## scantrial compare\n", 1)[1].split("\n## ", 1)[0]
    table = re.search(rf"\| {heading} \| content \|\n\| --- \| --- \|\n((?:\|.*\n)+)", section)
    assert table is not None, heading
    return set(re.findall(r"`(\w+)`", "".join(row.split("|")[1] for row in table[1].splitlines())))


def test_every_json_key_is_documented_and_no_other(cli):
    """docs/commands.md and the command tell the same."""
    words = ("--threshold-rule", "youden", "--margin", "0.05", "--json")
    found = read_json(cli("compare", "--predictions", EXAMPLE, *words))
    assert documented_keys("key") == found.keys()
    assert documented_keys("key of an arm") == found["arms"][0].keys()
    assert documented_keys("key of a comparison") == found["comparisons"][0].keys()
    assert documented_keys("key of `components`") == found["components"].keys()
    assert documented_keys("key of an inference") == found["comparisons"][0]["cases_only"].keys()
    assert documented_keys("key of `verdict_details`") == found["comparisons"][0]["verdict_details"].keys()
    assert documented_keys("key of `bootstrap`") == found["comparisons"][0]["bootstrap"].keys()
    assert documented_keys("key of `threshold_choice`") == found["threshold_choice"].keys()
