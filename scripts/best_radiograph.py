"""What the page of the study `best-radiograph` has beside the results of its arms.

Why each part of the recipes is there, how often the test scans were looked at, and what other thresholds would do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.metrics import roc_auc_score

from page_table import table
from scantrial.analysis.rows import Rows, rows_of, validation_rows
from scantrial.analysis.thresholds import (
    OperatingPoint,
    operate,
    threshold_at_half,
    threshold_by_youden,
    threshold_for_sensitivity,
)
from scantrial.core.records import SplitPredictions
from scantrial.findings.reading import RunData, StudyData

NAME = "best-radiograph"
EARLIER_LOOKS = 19
"""Runs before these studies whose test scores were seen while the recipes were found."""

MOST_STEPS, LEAST_CHANGE = 1000, 1e-6

REASONS = """## Why each part is there

The recipes were written down before their runs. Each part has a reason that does not need the test scans:

| part | reason |
| --- | --- |
| small residual network, 64 x 64 pixels | 5,216 scans are few; a run takes a minute or two on one core |
| EfficientNet-Lite0, 160 x 160 pixels | its ImageNet weights come as a package, and its first layer takes gray scans |
| stem and two stages frozen | edges and textures are the same in radiographs, and a step costs less |
| AdamW, weight decay 0.05 on weights only, cosine with a warm-up epoch | the usual recipe for short trainings |
| as many normal scans as scans with pneumonia in each epoch | so that a decision at 0.5 needs no tuned threshold |
| label smoothing 0.1, dropout 0.2 | some labels are wrong, and training accuracy reaches 100 % without them |
| rotation, shift, scale | test scans are positioned differently: [they tell](augmentation.md) |
| gamma, contrast, brightness, noise, low resolution | exposure and detector differ between devices |
| each image standardised after augmentation | the same for scans that are brighter or darker as a whole |
| mean of the weights over time, last epoch | validation scans cannot choose an epoch for these test scans |
| six views of each test scan | the mean over small changes of a scan depends less on any of them |
"""

PUBLISHED = """## Published on the same test scans

| network | accuracy | AUROC | source |
| --- | --- | --- | --- |
| ResNet-18, 28 x 28 pixels | 0.854 | 0.944 | Yang et al. 2023, MedMNIST v2 |
| ResNet-18, 224 x 224 pixels | 0.864 | 0.956 | as above |
| ResNet-50, 224 x 224 pixels | 0.884 | 0.962 | as above |
| Google AutoML Vision | 0.946 | 0.991 | as above |

They train on 4,708 of these training scans and choose on 524 of them.
"""


def found_in(study: StudyData, arms: Mapping[str, str]) -> dict[str, Any]:
    """Return as plain data how each arm does at other thresholds, and the mean of its runs.

    Parameters
    ----------
    arms : labels by name
    """
    return {
        "operating": [
            {"arm": label, "rule": rule, **_means(study.runs_of(name), points)}
            for name, label in arms.items()
            for rule, points in RULES.items()
        ],
        "averaged": [{"arm": label, **_averaged(study.runs_of(name))} for name, label in arms.items()],
    }


def _at_half(run: RunData) -> OperatingPoint:
    return operate(rows_of(run.predictions["test"]), threshold_at_half("logit"))


def _by_youden(run: RunData) -> OperatingPoint:
    return operate(_test(run), threshold_by_youden(validation_rows(run.predictions["val"])))


def _by_sensitivity(run: RunData) -> OperatingPoint:
    chosen = threshold_for_sensitivity(validation_rows(run.predictions["val"]), target=0.95)
    return operate(_test(run), chosen)


def _by_prior(run: RunData) -> OperatingPoint:
    rows = _test(run)
    return operate(
        Rows(y_true=rows.y_true, scores=rows.scores + log_odds_of_new_prior(rows.scores), scale="logit"),
        threshold_at_half("logit"),
    )


RULES: dict[str, Callable[[RunData], OperatingPoint]] = {
    "0.5, as declared": _at_half,
    "validation: sensitivity of 95 %": _by_sensitivity,
    "validation: Youden": _by_youden,
    "prior by EM": _by_prior,
}


def log_odds_of_new_prior(logits: NDArray[np.float64]) -> float:
    """Return the log odds of the positive class that the scores themselves suggest (Saerens et al. 2002).

    Parameters
    ----------
    logits : of a network trained on as many cases of both classes, shape (n,)
    """
    prior = 0.5
    for _ in range(MOST_STEPS):
        new = float(expit(logits + np.log(prior / (1 - prior))).mean())
        if abs(new - prior) < LEAST_CHANGE:
            break
        prior = new
    return float(np.log(prior / (1 - prior)))


def _test(run: RunData) -> Rows:
    return rows_of(run.predictions["test"])


def _means(runs: Sequence[RunData], rule: Callable[[RunData], OperatingPoint]) -> dict[str, float]:
    points = [rule(run) for run in runs]
    shares = {
        "accuracy": [(p.n_tp + p.n_tn) / (p.n_tp + p.n_tn + p.n_fp + p.n_fn) for p in points],
        "sensitivity": [p.n_tp / (p.n_tp + p.n_fn) for p in points],
        "specificity": [p.n_tn / (p.n_tn + p.n_fp) for p in points],
    }
    return {key: float(np.mean(values)) for key, values in shares.items()}


def _averaged(runs: Sequence[RunData]) -> dict[str, float]:
    tests: list[SplitPredictions] = [run.predictions["test"] for run in runs]
    scores = np.mean([rows_of(test).scores for test in tests], axis=0)
    truth = tests[0].y_true
    called = scores > 0
    return {
        "n": len(runs),
        "accuracy": float((called == (truth == 1)).mean()),
        "auroc": float(roc_auc_score(truth, scores)),
        "specificity": float((~called[truth == 0]).mean()),
    }


def sections(found: Mapping[str, Any], others: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the lines of the sections.

    Parameters
    ----------
    found : what `found_in` returned
    others : what is stored of the other questions' studies
    """
    looks = [(other["name"], sum(arm["n_seeds"] for arm in other["arms"])) for other in others]
    listed = ", ".join(f"{n} by [{name}]({name}.md)" for name, n in looks)
    tried = [
        [
            f"[{other['name']}]({other['name']}.md)",
            arm["label"],
            *(_number(arm["test"][key][0]) if key in arm["test"] else "–" for key in SHOWN),
        ]
        for other in others
        for arm in other["arms"]
    ]
    operating = [
        [row["arm"], row["rule"], *(_number(row[key]) for key in ("accuracy", "sensitivity", "specificity"))]
        for row in found["operating"]
    ]
    averaged = [
        [row["arm"], str(row["n"]), *(_number(row[key]) for key in ("accuracy", "auroc", "specificity"))]
        for row in found["averaged"]
    ]
    return [
        *_what_came_out(found),
        *REASONS.splitlines(),
        "",
        "## How often these test scans were looked at",
        "",
        f"{EARLIER_LOOKS} runs were looked at while the recipes were found, and {sum(n for _, n in looks)} runs of the "
        f"studies of this package after that: {listed}. Each look may have led the recipes towards these 624 scans, "
        "even if nobody wanted it. So read the numbers above as a little too good for new scans of the same place, and "
        "as no measure at all for another hospital. The intervals do not contain this.",
        "",
        "## What was tried beside it",
        "",
        "The other studies train on fewer scans and without views, most of them for 12 epochs; means over seeds.",
        "",
        *table(["study", "arm", *(f"test {TITLES[key]}" for key in SHOWN)], tried),
        "## Other thresholds",
        "",
        "A threshold that is chosen on validation scans, or a prior that the scores of the test scans suggest "
        "(expectation maximisation, Saerens et al. 2002). Means over seeds, on test. They are shown so that nobody "
        "needs to try them on these scans; the decision at 0.5 was declared before.",
        "",
        *table(["arm", "threshold", "accuracy", "sensitivity", "specificity"], operating),
        "## All runs of an arm averaged",
        "",
        "The mean of the logits of all seeds, at 0.5: one network of as many members, so there is no spread.",
        "",
        *table(["arm", "networks", "accuracy", "AUROC", "specificity"], averaged),
        *PUBLISHED.splitlines(),
        "",
    ]


def _what_came_out(found: Mapping[str, Any]) -> list[str]:
    """Return the lines that compare the result with what was hoped for."""
    lines = ["## What came out", ""]
    for arm in found["arms"]:
        accuracy, auroc = HOPED[arm["label"]]
        test = {key: arm["test"][key][0] for key in SHOWN}
        (other,) = [
            row["accuracy"]
            for row in found["operating"]
            if row["arm"] == arm["label"] and row["rule"] == "validation: sensitivity of 95 %"
        ]
        lines.append(
            f"- {arm['label']}: hoped for were an accuracy of {accuracy} and an AUROC of {auroc}, found were "
            f"{_number(test['accuracy'])} and {_number(test['auroc'])}, with a specificity of "
            f"{_number(test['specificity'])} at 0.5. A threshold for a sensitivity of 95 % on validation scans would "
            f"have given an accuracy of {_number(other)}. It was not declared, so it is not the result."
        )
    return [
        *lines,
        "",
        "At 0.5 both call more normal scans pneumonia than augmented networks of the other studies do (table below), "
        "which train on fewer scans, for fewer epochs and without views. This study cannot tell which of these it is.",
        "",
    ]


HOPED = {"base": (0.93, 0.975), "from scratch": (0.89, 0.96)}
"""Accuracy and AUROC on test that the recipes had been thought to reach, by arm."""


SHOWN = ("accuracy", "auroc", "specificity")
TITLES = {"accuracy": "accuracy", "auroc": "AUROC", "specificity": "specificity"}


def _number(value: float) -> str:
    return f"{value:.3f}"
