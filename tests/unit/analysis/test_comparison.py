"""What `compare` and `with_best` are given reaches the analysis."""

from __future__ import annotations

import numpy as np
from tests.unit.analysis.drawn import noisy

from scantrial.analysis.comparison import compare, compare_runs, with_best
from scantrial.analysis.contrasts import all_pairs
from scantrial.analysis.estimates import estimate
from scantrial.analysis.mrmc import analyse
from scantrial.analysis.runs import RunScores


def test_compare_hands_its_choices_on():
    """Patients, the design of the cases, the control and the level are those of the estimates, and of the best arm."""
    y_true, scores, arms, seeds = noisy(gain=(0.0, 0.3, 0.6))
    asked = {"arms": arms, "seeds": seeds, "threshold": 0.0, "patients": np.arange(200) // 2}
    found = compare(y_true, scores, **asked, class_counts_fixed=True, control="a", level=0.9)
    assert (found.control, found.n_patients, found.level, found.best.level) == ("a", 100, 0.9, 0.9)
    estimates = estimate(RunScores.from_scores(y_true, scores, **asked, class_counts_fixed=True), "accuracy")
    for item in found.comparisons:
        assert item.result == analyse(estimates, item.result.contrast, level=0.9)


def test_what_withholds_verdicts_reaches_the_best_arm():
    """A leak and copied seeds are reasons to call no arm best; labels stand in its sentence."""
    y_true, scores, arms, seeds = noisy(gain=(0.0, 0.3, 0.9))
    runs = RunScores.from_scores(y_true, scores, arms=arms, seeds=seeds, threshold=0.0)
    compared = compare_runs(runs, all_pairs("abc"))
    labels = {"a": "first", "b": "second", "c": "third"}
    best = with_best(compared, runs, labels=labels).best
    assert best.best == "c"
    assert best.sentence.startswith("Best of the 3 arms on accuracy: third with 97.5 % ")
    assert with_best(compared, runs, withheld=["a leak"]).best.reasons == ("a leak",)
    scores[-1] = scores[-2]
    copied = RunScores.from_scores(y_true, scores, arms=arms, seeds=seeds, threshold=0.0)
    (reason,) = with_best(compare_runs(copied, all_pairs("abc")), copied).best.reasons
    assert reason.startswith("c: seeds 3 and 4 have the same scores on every case")
