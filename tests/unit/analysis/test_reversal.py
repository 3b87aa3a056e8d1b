"""Arms whose order on validation is the opposite of that on test."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from tests.unit.analysis.drawn import runs_with_errors

from scantrial.analysis.comparison import compare_runs
from scantrial.analysis.contrasts import against_control
from scantrial.analysis.estimates import estimate
from scantrial.analysis.gaps import TwoSample
from scantrial.analysis.reversal import find_reversals
from scantrial.analysis.reversal_words import SplitShift, reversal_sentences
from scantrial.analysis.selection import expected_maximum

SEEDS = range(5)
NO_CHOICE = {"a": 1, "b": 1}


def drawn(n_wrong, *, seed, n_cases=400, n_positive=None, own=4):
    """Runs of each arm that are wrong on its first n cases, drawn anew but for a few that each seed has of its own."""
    rng = np.random.default_rng(seed)
    wrong = {}
    for arm, n in n_wrong.items():
        order = rng.permutation(n_cases)
        wrong[arm] = {k: [*order[:n], *order[n + own * k : n + own * (k + 1)]] for k in SEEDS}
    return runs_with_errors(wrong, n_cases=n_cases, n_positive=n_positive)


def reversals(test, val, *, metric="accuracy", n_epochs=NO_CHOICE, control="a"):
    family = against_control(test.arm_names, control)
    return find_reversals(compare_runs(test, family, metric=metric), test, val, n_epochs=n_epochs)


def test_a_reversal_has_the_numbers_of_both_splits_and_of_their_difference():
    """The effects are those of either split, and the change is their difference, seed by seed."""
    test, val = drawn({"a": 100, "b": 20}, seed=1), drawn({"a": 20, "b": 60}, seed=2)
    (found,) = reversals(test, val)
    assert (found.better, found.worse, found.metric) == ("b", "a", "accuracy")
    on_test, on_val = (
        float(np.subtract(*(estimate(part, "accuracy").theta[part.runs_of(arm)].mean() for arm in "ba")))
        for part in (test, val)
    )
    assert found.test.effect == pytest.approx(on_test)
    assert found.val.effect == pytest.approx(on_val)
    assert found.change.effect == pytest.approx(on_val - on_test)
    assert found.change.low <= found.change.effect <= found.change.high < 0
    # The cases of the two splits are independent: over cases alone the variances add up.
    cases = {
        name: next(item.se for item in part.used if item.scope == "cases only")
        for name, part in (("test", found.test), ("val", found.val), ("change", found.change))
    }
    assert cases["change"] == pytest.approx(math.hypot(cases["test"], cases["val"]))
    assert max(found.test_p, found.val_p, found.change_p) < 0.05


@pytest.mark.parametrize(
    ("on_test", "on_val"),
    [
        ({"a": 100, "b": 20}, {"a": 60, "b": 20}),  # the same order
        ({"a": 100, "b": 20}, {"a": 20, "b": 23}),  # not real on validation
        ({"a": 23, "b": 20}, {"a": 20, "b": 60}),  # not real on test
    ],
)
def test_what_is_not_real_on_both_splits_is_no_reversal(on_test, on_val):
    """One order, or a difference that chance explains on either split, gives nothing."""
    assert reversals(drawn(on_test, seed=1), drawn(on_val, seed=2)) == ()


def test_the_family_is_that_of_the_verdicts():
    """With eleven more arms Holm's adjustment hides a lead on validation that two arms show."""
    others = {f"other-{k}": 40 for k in range(11)}
    pair = drawn({"a": 100, "b": 20}, seed=1), drawn({"a": 30, "b": 54}, seed=2)
    (found,) = reversals(*pair)
    assert 0.05 / 12 < found.val_p < 0.05
    test = drawn({"a": 100, "b": 20, **others}, seed=1)
    val = drawn({"a": 30, "b": 54, **others}, seed=2)
    assert "b - a" not in [one.name for one in reversals(test, val)]


def test_what_the_choice_of_the_epoch_can_add_is_taken_off_the_lead():
    """The arm that leads on validation was chosen from many epochs, the other from one: its lead may be luck."""
    test, val = drawn({"a": 100, "b": 20}, seed=1), drawn({"a": 30, "b": 58}, seed=2, own=12)
    (plain,) = reversals(test, val)
    assert (plain.luck, plain.epochs_chosen) == (0, False)
    (shared,) = reversals(test, val, n_epochs={"a": 30, "b": 30})
    covariance = estimate(val, "accuracy").covariance
    most = {
        arm: math.sqrt(np.diag(block).mean() - (block.sum() - np.trace(block)) / 20) * expected_maximum(30)
        for arm in "ab"
        for block in [covariance[np.ix_(val.runs_of(arm), val.runs_of(arm))]]
    }
    assert shared.luck == pytest.approx(max(most["a"] - most["b"], 0))
    assert shared.epochs_chosen
    of_all = reversals(test, val, n_epochs={"a": 30, "b": 1})
    assert of_all == () or (of_all[0].luck == pytest.approx(most["a"]) and of_all[0].val_p > plain.val_p)
    # A lead is taken off at most: the luck of the side that is behind adds nothing.
    (other,) = reversals(test, val, n_epochs={"a": 1, "b": 30})
    assert other.luck == 0


def test_runs_that_one_split_lacks_are_left_out():
    """A run without validation predictions takes no part, and without any there is no reversal."""
    test, val = drawn({"a": 100, "b": 20}, seed=1), drawn({"a": 20, "b": 60}, seed=2)
    some = val.on_runs(np.array([run for run in range(10) if val.seeds[run] != 0][::-1]))
    (found,) = reversals(test, some)
    (expected,) = reversals(test, val.on_runs(np.array([run for run in range(10) if val.seeds[run] != 0])))
    assert found.val.effect == pytest.approx(expected.val.effect)
    assert found.change.effect == pytest.approx(expected.change.effect)
    assert reversals(test, replace(val, arms=("c",) * 10)) == ()


def test_validation_that_cannot_give_the_metric_contradicts_nothing():
    """Of one class there is no AUROC on validation."""
    test, val = drawn({"a": 100, "b": 20}, seed=1), drawn({"a": 20, "b": 60}, seed=2, n_positive=400)
    assert len(reversals(test, drawn({"a": 20, "b": 60}, seed=2), metric="auroc")) == 1
    assert reversals(test, val, metric="auroc") == ()


def mixed(n_negative, n_positive, by_class):
    """Runs of each arm that are wrong on these shares of the negative and of the positive cases."""
    wrong = {
        arm: {
            seed: [*range(round(positive * n_positive) + seed)]
            + [n_positive + k for k in range(round(negative * n_negative) + seed)]
            for seed in SEEDS
        }
        for arm, (negative, positive) in by_class.items()
    }
    return runs_with_errors(wrong, n_cases=n_negative + n_positive, n_positive=n_positive)


def test_a_class_mix_whose_effect_may_be_chance_explains_nothing_for_sure():
    """At the mix of validation the arms are nearly equal on test: the sign alone is no explanation."""
    test = mixed(100, 300, {"a": (0.05, 0.40), "b": (0.40, 0.05)})
    val = mixed(205, 195, {"a": (0.05, 0.05), "b": (0.40, 0.05)})
    (found,) = reversals(test, val)
    assert 0 < found.at_val_mix * math.copysign(1, found.val.effect) < 0.02
    assert (found.may_be_mix, found.is_mix) == (True, False)
    said = " ".join(reversal_sentences([found], SplitShift(look=None, n_leaking=0)))
    assert "about the order of validation, but no real difference: the class mix may explain the disagreement." in said


def test_a_class_mix_that_explains_the_reversal_is_named():
    """The arms are good at one class each; test has more of the other one, and nothing else differs."""
    by_class = {"a": (0.05, 0.40), "b": (0.40, 0.05)}  # shares of negative and positive cases that are wrong

    (found,) = reversals(mixed(100, 300, by_class), mixed(300, 100, by_class))
    assert found.is_mix
    assert found.at_val_mix == pytest.approx(found.val.effect, abs=0.01)
    said = " ".join(reversal_sentences([found], SplitShift(look=None, n_leaking=0)))
    assert "so the class mix explains the disagreement." in said
    # AUROC does not depend on the mix, so it is not taken at another.
    (same,) = reversals(drawn({"a": 100, "b": 20}, seed=1), drawn({"a": 20, "b": 60}, seed=2))
    assert same.at_val_mix == pytest.approx(same.test.effect, abs=1e-9)
    assert not same.is_mix


def sentences(shift=None, **options):
    test, val = drawn({"a": 100, "b": 20}, seed=1), drawn({"a": 20, "b": 60}, seed=2)
    found = reversals(test, val, **options)
    return reversal_sentences(found, shift or SplitShift(look=None, n_leaking=0))


def test_the_sentence_says_what_validation_would_have_picked():
    """Both differences with their intervals and p, then the arm, then what is known of the shift."""
    first, *rest = sentences()
    assert first == (
        "Validation and test disagree: b is better than a on test, by 20.0 points of accuracy (95 % CI 15.2 to 24.8; "
        "p < 0.001), and worse on validation, by 10.0 points of accuracy (95 % CI 5.8 to 14.2; p < 0.001). Choosing on "
        "validation would have picked a."
    )
    assert rest == [
        "What differs between validation and test is not known: the scans were not compared (AU010 of the audit)."
    ]
    assert reversal_sentences([], SplitShift(look=None, n_leaking=0)) == ()


@pytest.mark.parametrize(
    ("shift", "said"),
    [
        (
            SplitShift(look=TwoSample(auroc=0.934, p=0.005, is_found=True), n_leaking=0),
            "The test scans differ from the validation scans: a classifier tells them apart with an AUROC of 0.93 "
            "(p = 0.005), see AU010 of the audit.",
        ),
        (
            SplitShift(look=TwoSample(auroc=0.52, p=0.4, is_found=False), n_leaking=0),
            "What differs between validation and test is not known: a classifier does not tell the scans apart (AUROC "
            "0.52, AU010 of the audit).",
        ),
        (
            SplitShift(look=None, n_leaking=1),
            "1 validation case shares a patient or an image with training, which favours arms that memorise.",
        ),
    ],
)
def test_the_shift_is_named_as_far_as_it_is_known(shift, said):
    """Scans that differ, validation cases that training has, or that nothing is known."""
    assert sentences(shift)[-1] == said


def test_the_choice_of_the_epoch_is_told_once():
    """Validation numbers are too good where epochs were chosen there: whether a lead can be so by that."""
    assert len(sentences(n_epochs=NO_CHOICE)) == 2
    said = sentences(n_epochs={"a": 2, "b": 1})[1]
    assert said.startswith(
        "The epochs were chosen on validation, so numbers there are too good. If both arms gain an equal share of what "
        "this choice can add, it adds at most "
    )
    assert said.endswith(" points to a lead there, and the leads are real beyond it.")
    assert sentences(n_epochs={"a": 1, "b": 30})[1].endswith(
        "an equal share of what this choice can add, it adds nothing to the leads there."
    )
