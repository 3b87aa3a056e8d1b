"""What holds for the diagnosis of any learning curve."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from scantrial.analysis.diagnosis.checks import CHECKS
from scantrial.analysis.diagnosis.curve import Guessing, LearningCurve
from scantrial.analysis.diagnosis.curve_words import arm_paragraph, curve_sentence
from scantrial.analysis.diagnosis.diagnose import diagnose, diagnose_arm

losses = st.floats(0.001, 10, allow_nan=False)


@st.composite
def curves(draw, n_least: int = 1) -> LearningCurve:
    n = draw(st.integers(n_least, 30))
    train, val = (draw(arrays(np.float64, n, elements=losses)) for _ in range(2))
    accuracies = [draw(arrays(np.float64, n, elements=st.floats(0, 1))) for _ in range(2)]
    return LearningCurve(
        train_loss=train,
        val_loss=val,
        train_accuracy=accuracies[0],
        val_accuracy=accuracies[1],
        n_val=draw(st.integers(1, 500)),
        guessing=Guessing(accuracy=0.5, loss=0.6931, floor=0.3133),
        chosen_epoch=draw(st.integers(1, n)),
        val_loss_se=draw(st.floats(0, 1)),
    )


@given(curves())
@settings(max_examples=100, deadline=None)
def test_any_curve_is_judged_by_every_check_and_told_in_words(curve):
    """No curve fails a check; what is found has a sentence, and the primary label is one of those found."""
    found = diagnose(curve)
    assert set(found.findings) == {code for code, check in CHECKS.items() if check.judge is not None}
    for code, finding in found.findings.items():
        assert (finding.reason is not None) == (finding.state == "not applicable")
        if finding.is_found:
            assert curve_sentence(code, [finding.numbers])
    assert found.primary is None or found.findings[found.primary].is_found
    assert arm_paragraph(diagnose_arm({0: [curve]}))


@given(curves(), st.sampled_from([0.25, 0.5, 2.0, 4.0]))
@settings(max_examples=100, deadline=None)
def test_losses_in_another_unit_have_the_same_labels(curve, factor):
    """Losses, and with them that of guessing, in bits or nats: the findings are the same (powers of 2 round nothing)."""
    guessing = replace(curve.guessing, loss=factor * 0.6931, floor=factor * 0.3133)
    scaled = replace(
        curve,
        train_loss=factor * curve.train_loss,
        val_loss=factor * curve.val_loss,
        guessing=guessing,
        val_loss_se=factor * curve.val_loss_se,
    )
    one, other = diagnose(curve), diagnose(scaled)
    assert one.primary == other.primary
    assert one.best == other.best
    assert {code: f.state for code, f in one.findings.items()} == {code: f.state for code, f in other.findings.items()}


@given(curves(n_least=5))
@settings(max_examples=200, deadline=None)
def test_no_onset_is_before_the_best_epoch(curve):
    """Overfitting begins, and is confirmed, after both best epochs; divergence is not dated before the best one."""
    found = diagnose(curve)
    numbers = found.findings["LC003"].numbers
    if found.findings["LC003"].is_found:
        assert curve.n_epochs >= numbers["onset"] > max(found.best.raw, found.best.smoothed)
        assert numbers["confirmed"] is None or numbers["confirmed"] >= numbers["onset"]
    if found.primary == "LC001":
        assert found.findings["LC001"].numbers["epoch"] >= found.best.raw


@given(curves(n_least=5))
@settings(max_examples=100, deadline=None)
def test_accuracies_by_chance_are_proportions(curve):
    """What guessing may reach lies between its share and 1."""
    found = diagnose(curve).findings["LC002"]
    if found.reason is None:
        assert curve.guessing.accuracy <= found.numbers["chance_bound"] <= 1


@given(st.lists(curves(n_least=5), min_size=2, max_size=4), st.randoms(use_true_random=False))
@settings(max_examples=50, deadline=None)
def test_the_order_of_the_seeds_does_not_matter(some, random):
    """An arm's runs in another order have the same counts; each run has the same diagnosis."""
    runs = {seed: [curve] for seed, curve in enumerate(some)}
    shuffled = list(runs.items())
    random.shuffle(shuffled)
    one, other = diagnose_arm(runs)[0], diagnose_arm(dict(shuffled))[0]
    assert sorted(one.counts.items(), key=str) == sorted(other.counts.items(), key=str)
    for seed in runs:
        assert one.runs[seed].to_dict() == other.runs[seed].to_dict()
