"""Each check finds what it looks for where it was planted, and nothing where it was not."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from curve_examples import BCE, CE, CLEAR, FOUND, N_EPOCHS, T, fits_both, good, overfit, scatter, stuck, unlike
from scantrial.analysis.diagnosis.checks import CHECKS, LABELS
from scantrial.analysis.diagnosis.curve import LearningCurve, curves_of, guessing_of
from scantrial.analysis.diagnosis.curve_words import (
    SENTENCES,
    arm_paragraph,
    caveats,
    curve_sentence,
    factor_paragraph,
)
from scantrial.analysis.diagnosis.diagnose import diagnose, diagnose_arm
from scantrial.core.errors import InputError, ShapeError
from scantrial.core.records import EpochRecord
from scantrial.recipe.training import drawn_of_classes


def record(epoch: int, **values) -> EpochRecord:
    plain = {"lr": 1e-3, "train_loss": 0.5, "train_accuracy": 0.8, "val_loss": 0.6, "val_accuracy": 0.7, "round": 1}
    return EpochRecord(epoch=epoch, **{**plain, **values})


# ---------------------------------------------------------------------- curves


def test_curves_of_unequal_length_are_refused():
    """Every series has one value an epoch, and there is one epoch at least."""
    with pytest.raises(ShapeError, match=r"curves of shapes .*\(39,\)"):
        good(val_loss=np.ones(39))
    with pytest.raises(ShapeError, match="n_epochs at least 1"):
        LearningCurve(
            *(),
            **dict.fromkeys(("train_loss", "train_accuracy", "val_loss", "val_accuracy"), np.ones(0)),
            n_val=4,
            guessing=BCE,
        )
    with pytest.raises(InputError, match="n_val = 0"):
        good(n_val=0)


@pytest.mark.parametrize(
    ("loss", "counts", "expected", "floor"),
    [
        ("ce", (800, 800), math.log(2), 0.3133),
        ("bce", (800, 800), math.log(2), 0.5032),
        ("ce", (900, 100), 0.3251, 0.3133),
        ("ce", (10, 10, 10), math.log(3), math.log(1 + 2 / math.e)),
        ("bce", (10, 10, 10), 3 * 0.6365, 0.3133 + 2 * math.log(2)),
    ],
)
def test_guessing_costs_the_entropy_of_the_shares(loss, counts, expected, floor):
    """And outputs that are squashed twice have the floors that are known for two equal classes."""
    found = guessing_of({"name": loss}, counts, counts)
    assert found.loss == pytest.approx(expected, abs=1e-4)
    assert found.floor == pytest.approx(floor, abs=1e-4)
    assert found.accuracy == max(counts) / sum(counts)


@pytest.mark.parametrize(
    ("loss", "weights", "counts", "expected", "floor"),
    [
        ("ce", "balanced", (700, 200, 100), math.log(3), math.log(1 + 2 / math.e)),
        ("ce", "balanced", (950, 50), math.log(2), 0.3133),
        ("bce", "balanced", (950, 50), math.log(2), 0.5032),
        ("bce", "balanced", (700, 200, 100), 3 * 0.6365, 0.3133 + 2 * math.log(2)),
        ("ce", (1.0, 3.0), (900, 300), math.log(2), 0.3133),
        ("ce", (2.0, 2.0), (900, 100), 0.3251, 0.3133),
    ],
)
def test_guessing_under_class_weights_costs_the_entropy_of_the_weighted_shares(loss, weights, counts, expected, floor):
    """ln k with balanced weights, whatever the counts; equal weights change nothing."""
    found = guessing_of({"name": loss, "class_weights": weights}, counts, counts)
    assert found.loss == pytest.approx(expected, abs=1e-4)
    assert found.floor == pytest.approx(floor, abs=1e-4)
    assert found.reason is None
    assert found.accuracy == max(counts) / sum(counts)


def test_guessing_under_balanced_draws_costs_the_entropy_of_what_is_drawn():
    """An epoch of as many cases of each class: ln 2, though 9 of 10 training cases are of one."""
    found = guessing_of({"name": "ce"}, drawn_of_classes("undersampled", (900, 100)), (90, 10))
    assert found.loss == pytest.approx(math.log(2))
    assert found.accuracy == 0.9


def test_no_constant_prediction_has_a_smaller_weighted_loss_than_guessing():
    """The loss of guessing is the smallest weighted mean loss over all constant predictions, found by search."""
    counts, weights = np.array([700, 200, 100]), np.array([1.0, 2.0, 5.0])
    grid = [
        (a, b, 1 - a - b) for a in np.linspace(0.01, 0.98, 98) for b in np.linspace(0.01, 0.98, 98) if a + b < 0.995
    ]
    losses = [-(counts * weights * np.log(q)).sum() / (counts * weights).sum() for q in grid]
    found = guessing_of({"name": "ce", "class_weights": tuple(weights)}, counts.tolist(), counts.tolist())
    assert found.loss == pytest.approx(min(losses), abs=1e-3)
    assert found.loss <= min(losses)


@pytest.mark.parametrize(
    ("loss", "reason"),
    [
        ({"name": "ce", "label_smoothing": 0.1}, "the loss is label-smoothed, so the loss of guessing"),
        (
            {"name": "bce", "class_weights": "balanced", "focal_gamma": 2.0},
            "the loss is focal, so the loss of guessing",
        ),
        ({"name": "ce", "focal_gamma": 2.0, "label_smoothing": 0.1}, "the loss is label-smoothed and focal, so"),
        (None, "the loss is not known"),
    ],
)
def test_rules_that_compare_with_guessing_are_switched_off_where_it_costs_another_number(loss, reason):
    """Neither stuck nor underfit is judged under a smoothed or focal loss; the reason is given."""
    guessing = guessing_of(loss, (800, 800), (200, 200))
    found = diagnose(replace(stuck(), guessing=guessing)).findings
    for code in ("LC002", "LC006", "LC011", "LC012", "LC018"):
        assert found[code].state == "not applicable"
        assert found[code].reason.startswith(reason)
    assert caveats(diagnose_arm({0: [replace(stuck(), guessing=guessing)]}))[-1].startswith(
        f"The rules that compare with guessing are switched off: {reason[:20]}"
    )


def test_a_class_without_training_cases_switches_them_off_too():
    """Guessing has no share of a class that is not there."""
    assert guessing_of({"name": "ce"}, (5, 0), (2, 2)).reason == "a class has no training case"


def test_rounds_become_curves_of_their_own_with_epochs_that_count_on():
    """Each round is a curve; the kept epoch belongs to the one it lies in."""
    history = [record(epoch, round=(epoch - 1) // 6 + 1) for epoch in range(1, 13)]
    first, second = curves_of(history, n_val=4, guessing=BCE, chosen_epoch=8, val_loss_se=0.1)
    assert (first.round, first.first_epoch, first.chosen_epoch, first.val_loss_se) == (1, 1, None, None)
    assert (second.round, second.first_epoch, second.chosen_epoch, second.val_loss_se) == (2, 7, 8, 0.1)
    assert diagnose(second).first_epoch == 7
    assert diagnose(second).last_epoch == 12


def test_training_measured_again_is_preferred_to_training_on_the_move():
    """Where each epoch has them, numbers of its end are used; the moving ones are kept beside."""
    history = [record(epoch, train_eval_loss=0.4, train_eval_accuracy=0.9) for epoch in range(1, 4)]
    (curve,) = curves_of(history, n_val=4, guessing=BCE)
    assert curve.train_measured
    assert (curve.train_loss[0], curve.train_accuracy[0], curve.moving_train_loss[0]) == (0.4, 0.9, 0.5)
    (curve,) = curves_of([record(1), *history], n_val=4, guessing=BCE)
    assert not curve.train_measured
    assert (curve.train_loss[1], curve.train_accuracy[1]) == (0.5, 0.8)


# ---------------------------------------------------------------------- the table


def test_codes_are_without_gaps_and_labels_are_in_the_order_of_their_priority():
    """No code is left out or used twice, and the labels stand before all else in the order of their priority."""
    assert sorted(CHECKS) == [f"LC{n:03}" for n in range(1, len(CHECKS) + 1)]
    assert list(CHECKS.values())[: len(LABELS)] == list(LABELS)
    assert [check.title for check in LABELS] == [
        "Diverged",
        "Stuck at chance",
        "Overfit",
        "Fits both",
        "Still improving",
        "Oscillating",
        "Underfit",
        "Validation loss rising",
        "Converged",
        "Plateau",
    ]


def test_every_check_says_its_rule_with_its_thresholds_its_source_and_where_it_is_described():
    """Each threshold that a check names stands in its rule (the tail's and the trend's are explained once)."""
    shared = {"TAIL_SHARE", "TAIL_LEAST"}
    for check in CHECKS.values():
        assert check.source
        assert check.anchor == f"docs/learning-curves.md#{check.code.lower()}"
        for threshold in check.thresholds:
            assert threshold.origin
            assert threshold.name in check.rule or threshold.name in shared or "trend" in check.rule


@pytest.mark.parametrize("code", FOUND)
def test_each_check_finds_what_was_planted(code):
    """On its simulated positive each check is found, and a label's curve gets that label."""
    found = diagnose(FOUND[code]())
    assert found.findings[code].is_found
    if CHECKS[code].kind == "label":
        assert found.primary == code


@pytest.mark.parametrize("code", CLEAR)
def test_each_check_is_clear_where_nothing_was_planted(code):
    """On its simulated negative each check is clear: judged, and not found."""
    assert diagnose(CLEAR[code]()).findings[code].state == "clear"


def test_sigmoid_before_its_loss_is_seen_by_its_floor():
    """BCE of sigmoids that go through another sigmoid flattens at .5032 with every decision for one class."""
    curve = good(guessing=BCE, train_loss=0.5034 + 0.15 * np.exp(-T / 2), train_accuracy=np.full(N_EPOCHS, 0.5))
    assert diagnose(curve).findings["LC011"].is_found
    middling = replace(curve, train_accuracy=np.full(N_EPOCHS, 0.76))
    assert diagnose(middling).findings["LC011"].state == "clear"


def test_training_that_leaps_up_again_and_again_had_steps_too_long():
    """Rises of more than 5 % of guessing in a quarter of the epochs are a sign; small ripples are none."""
    for size, state in ((0.06, "found"), (0.01, "clear")):
        curve = good(train_loss=0.3 + size * (-1.0) ** T)
        assert diagnose(curve).findings["LC012"].state == state


def test_the_first_epoch_of_a_later_round_is_no_overshoot():
    """A later round begins with trained weights."""
    curve = FOUND["LC012"]()
    assert diagnose(replace(curve, round=2)).findings["LC012"].state == "clear"


def test_a_run_that_diverged_is_judged_by_little_else():
    """Other labels are not applicable, with the epoch; the learning rate is blamed."""
    curve = good(val_loss=np.where(T < 9, 0.5, np.nan))
    found = diagnose(curve)
    assert found.primary == "LC001"
    assert found.findings["LC003"].reason == "training diverged at epoch 9"
    assert found.findings["LC012"].is_found
    assert (found.best.raw, found.best.smoothed, found.best.one_error) == (1, None, None)
    assert diagnose(good(val_loss=np.full(N_EPOCHS, np.inf))).best.raw is None


@pytest.mark.parametrize("n", [1, 2, 4])
def test_a_few_epochs_are_too_few(n):
    """Below five epochs no label but divergence is judged, and the words say so."""
    cut = {name: getattr(good(), name)[:n] for name in ("train_loss", "train_accuracy", "val_loss", "val_accuracy")}
    found = diagnose_arm({0: [good(**cut, lr=None, dead_units=None)]})
    assert found[0].runs[0].primary is None
    assert found[0].runs[0].findings["LC003"].reason == f"{n} epochs; this needs at least 5"
    assert (
        arm_paragraph(found)[0] == f"No clear pattern: {n} epochs are too few to judge a curve; at least 5 are needed."
    )


@pytest.mark.parametrize(
    ("changes", "code", "reason"),
    [
        ({"lr": None}, "LC014", "the learning rate is not recorded"),
        ({"schedule": None}, "LC014", "the schedule is not known"),
        ({"schedule": "constant"}, "LC014", "the learning rate is meant to be constant"),
        ({"dead_units": None}, "LC013", "dead units are not recorded"),
        ({"chosen_epoch": None}, "LC015", "no epoch of this round was kept"),
        ({"val_loss_se": None}, "LC015", "the standard error of the validation loss is not known"),
    ],
)
def test_a_check_that_lacks_what_it_needs_says_so(changes, code, reason):
    """Not applicable, with the reason."""
    found = diagnose(good(**changes)).findings[code]
    assert (found.state, found.reason) == ("not applicable", reason)


def test_losses_of_nought_are_judged_without_a_warning():
    """A network that fits perfectly has losses of 0; nothing is divided by them."""
    zero = np.zeros(N_EPOCHS)
    found = diagnose(good(train_loss=zero, val_loss=zero))
    assert found.primary == "LC018"
    assert found.findings["LC008"].is_found


def test_a_loss_that_doubles_far_below_guessing_is_no_overfitting():
    """From 1e-4 to 2e-4 with every case right is fitting both; the same curve a thousand times as high is overfit."""
    curve = fits_both()
    found = diagnose(curve)
    assert found.findings["LC003"].numbers["rise"] > 50
    assert [found.findings[code].state for code in ("LC003", "LC007", "LC010")] == ["clear"] * 3
    assert found.label == "Fits both"
    high = diagnose(replace(curve, train_loss=1000 * curve.train_loss, val_loss=1000 * curve.val_loss))
    assert high.primary == "LC003"


def test_a_rise_counts_from_a_hundredth_of_guessing_on():
    """A rise of a third that is smaller than .0069 counts for nothing; one by .02 is overfitting."""
    late = np.maximum(T - 12, 0) / 28
    for rise, state in ((0.005, "clear"), (0.02, "found")):
        curve = good(train_loss=0.001 + 0.6 * np.exp(-T / 4), val_loss=0.01 + 0.6 * np.exp(-T / 1.5) + rise * late)
        assert diagnose(curve).findings["LC003"].numbers["rise"] > 30
        assert diagnose(curve).findings["LC003"].state == state
        assert diagnose(curve).findings["LC007"].state == "clear"
    unknown = guessing_of({"name": "ce", "focal_gamma": 2.0}, (800, 800), (200, 200))
    assert diagnose(replace(curve, guessing=unknown)).findings["LC003"].numbers["least_rise"] == 0.0


def test_dropout_that_raises_training_loss_is_no_underfitting():
    """Training loss over half of guessing and above validation loss: underfit only where both are measured alike."""
    curve = unlike()
    assert curve.train_loss[-1] > 0.5 * CE.loss
    found = diagnose(curve)
    assert (found.findings["LC006"].state, found.findings["LC019"].state) == ("clear", "found")
    assert found.label == "Converged"
    for alike in (replace(curve, train_measured=True), replace(curve, only_in_training=())):
        assert diagnose(alike).label == "Underfit"
        assert diagnose(alike).findings["LC019"].state == "clear"
    below = replace(curve, val_loss=curve.train_loss + 0.1)
    assert diagnose(below).label == "Underfit"
    said = " ".join(arm_paragraph(diagnose_arm({0: [below]})))
    assert (
        "is 0.693. It is measured with dropout switched on, so that the cases themselves may be fitted better." in said
    )
    alike = " ".join(arm_paragraph(diagnose_arm({0: [replace(below, train_measured=True)]})))
    assert "Even on its training cases" in alike
    assert "switched on" not in alike


def test_what_is_not_measured_alike_is_said_with_its_reason():
    """The sentence names what is switched on; a later augmentation stands beside dropout."""
    said = " ".join(arm_paragraph(diagnose_arm({0: [unlike()]})))
    assert "(0.420 and 0.250), but the two are not measured alike: training loss is a mean over the epoch with" in said
    assert "with dropout switched on" in said
    assert "nderfit." not in said
    both = replace(unlike(), only_in_training=("dropout", "augmentation"))
    assert "with augmentation and dropout switched on" in " ".join(arm_paragraph(diagnose_arm({0: [both]})))


def test_a_network_at_ln_3_under_balanced_weights_is_stuck_at_chance():
    """Five epochs of a weighted cross-entropy at ln 3 were called converged while the rules of guessing were off."""
    weighted = guessing_of({"name": "ce", "class_weights": "balanced"}, (700, 200, 100), (70, 20, 10))
    curve = LearningCurve(
        train_loss=math.log(3) + scatter(0.002, 1)[:5],
        val_loss=math.log(3) + scatter(0.002, 2)[:5],
        train_accuracy=np.full(5, 0.2),
        val_accuracy=np.full(5, 0.2),
        n_val=100,
        guessing=weighted,
    )
    assert diagnose(curve).label == "Stuck at chance"
    assert "the loss of guessing is 1.099" in arm_paragraph(diagnose_arm({0: [curve]}))[0]


@pytest.mark.parametrize(
    ("share", "n_val", "bound"),
    [(0.5, 400, 220 / 400), (0.95, 60, 1.0), (0.95, 200, 196 / 200), (0.9, 10, 1.0), (1.0, 50, 1.0)],
)
def test_what_guessing_may_reach_by_chance_is_the_exact_binomial_quantile(share, n_val, bound):
    """The smallest accuracy that guessing exceeds with at most 2.5 %, by summing the distribution; never above 1."""
    curve = replace(stuck(), n_val=n_val, guessing=replace(CE, accuracy=share))
    found = diagnose(curve).findings["LC002"].numbers["chance_bound"]
    tail = [math.comb(n_val, k) * share**k * (1 - share) ** (n_val - k) for k in range(n_val + 1)]
    smallest = next(k for k in range(n_val + 1) if sum(tail[k + 1 :]) <= 0.025)
    assert found == bound == smallest / n_val


def test_an_onset_is_never_before_the_best_epoch():
    """A validation loss that is smallest, as it is, after its smoothed minimum dates the onset."""
    curve = overfit()
    smooth = diagnose(curve).best.smoothed
    dipped = replace(curve, val_loss=np.where(smooth + 2 == T, curve.val_loss.min() - 0.01, curve.val_loss))
    found = diagnose(dipped)
    assert (found.best.smoothed, found.best.raw) == (smooth, smooth + 2)
    numbers = found.findings["LC003"].numbers
    assert (numbers["best_epoch"], numbers["onset"]) == (smooth + 2, smooth + 3)
    assert numbers["confirmed"] >= numbers["onset"]
    last = replace(curve, val_loss=np.where(T == N_EPOCHS - 2, 0.1, curve.val_loss))
    assert diagnose(last).findings["LC003"].state == "clear"


def test_divergence_is_dated_after_the_best_epoch():
    """A loss that blew up, came back, fell to its minimum and blew up again diverged the second time."""
    curve = good(
        train_loss=np.where(T == 5, 3.0, np.where(T < 30, 0.6 * np.exp(-T / 8) + 0.05, 0.1 * 1.5 ** (T - 29))),
        val_loss=np.where(T == 5, 3.0, np.where(T < 30, 0.6 * np.exp(-T / 8) + 0.1, 0.2 * 1.5 ** (T - 29))),
    )
    curve = replace(curve, train_loss=np.where((T > 3) & (T < 9), 3.0, curve.train_loss))
    found = diagnose(curve)
    assert found.primary == "LC001"
    assert found.findings["LC001"].numbers["epoch"] > found.best.raw == 29


def test_a_loss_above_the_limit_that_came_back_has_not_diverged():
    """A first epoch at 2,000 is no divergence of a run that learns from then on: the learning rate is blamed."""
    found = diagnose(good(train_loss=np.where(T == 1, 2000.0, good().train_loss)))
    assert found.primary == "LC008"
    assert found.findings["LC012"].is_found
    stays = diagnose(good(train_loss=np.where(T > 20, 2000.0, good().train_loss), val_loss=0.3 + 0.01 * T))
    assert stays.findings["LC001"].numbers == {"epoch": 21, "kind": "no finite loss"}


def test_a_fall_that_five_epochs_cannot_show_is_no_plateau():
    """A tail that changes by half is not called level because its trend is uncertain."""
    losses = np.array([0.9, 0.7, 0.6, 0.4, 0.43, 0.3, 0.33, 0.2, 0.22, 0.12])
    cut = {name: getattr(good(), name)[:10] for name in ("train_accuracy", "val_accuracy")}
    found = diagnose(good(train_loss=losses, val_loss=losses, **cut, lr=None, dead_units=None))
    assert found.findings["LC009"].numbers["val_p"] >= 0.05
    assert not found.findings["LC009"].is_found
    assert not found.findings["LC008"].is_found


def test_a_steep_start_is_no_spike_nor_is_a_rise_that_stays():
    """A spike lies above the epoch before it and comes back."""
    curve = good()
    steep = replace(curve, val_loss=0.25 + 2 * np.exp(-T / 1.5))
    stays = replace(curve, val_loss=curve.val_loss + 0.5 * (T >= 25))
    last = replace(curve, val_loss=curve.val_loss + 0.5 * (T == N_EPOCHS))
    for other in (steep, stays, last):
        assert not diagnose(other).findings["LC010"].is_found


def test_the_range_of_one_standard_error_holds_the_best_epoch():
    """It grows with the error, and an error of nought leaves the best epoch alone."""
    found = [diagnose(replace(overfit(), val_loss_se=error)).best for error in (0.0, 0.01, 0.05)]
    assert found[0].one_error[0] == found[0].smoothed
    widths = [best.one_error[1] - best.one_error[0] for best in found]
    assert widths == sorted(widths)
    assert widths[0] < widths[-1]
    for best in found:
        assert best.one_error[0] <= best.smoothed <= best.one_error[1]


def test_a_diagnosis_is_plain_data():
    """`to_dict` gives what JSON can hold, of every example."""
    for make in FOUND.values():
        told = diagnose(make()).to_dict()
        assert json.loads(json.dumps(told))["label"] == told["label"]


# ---------------------------------------------------------------------- words


def test_every_check_of_a_curve_has_a_sentence():
    """No rule without words, no words without a rule."""
    assert set(SENTENCES) == set(FOUND) == {code for code, check in CHECKS.items() if check.judge is not None}


@pytest.mark.parametrize("code", FOUND)
def test_numbers_that_differ_between_runs_are_given_with_their_range(code):
    """Each sentence can speak of several runs, and the same run twice reads as once."""
    numbers = diagnose(FOUND[code]()).findings[code].numbers
    once = curve_sentence(code, [numbers])
    if code != "LC015":
        assert curve_sentence(code, [numbers, numbers]) == once
    assert "nan" not in once
    assert once[-1] == "."


def test_overfitting_says_onset_rise_best_epoch_and_what_became_of_accuracy():
    """The sentence holds the numbers that the rule compared."""
    numbers = {
        "onset": 13,
        "train_loss_best": 0.098,
        "train_loss_end": 0.011,
        "rise": 35.4,
        "best_epoch": 12,
        "kind": "loss only",
        "accuracy_best": 0.882,
        "accuracy_end": 0.897,
    }
    assert curve_sentence("LC003", [numbers]) == (
        "From epoch 13 on, training loss kept falling (from 0.098 to 0.011) while validation loss rose by 35.4 %: the "
        "network was memorising. Best epoch: 12. Validation accuracy did not clearly fall (from 88.2 % to 89.7 %): the "
        "network became over-confident."
    )
    fell = {**numbers, "onset": 9, "best_epoch": 8, "kind": "loss and accuracy", "accuracy_end": 0.8}
    both = curve_sentence("LC003", [numbers, fell])
    assert both.startswith("From epoch 11 (9 to 13) on")
    assert "did not clearly fall in 1 of these 2 runs (from" in both
    assert both.endswith("Validation accuracy fell as well in 1 of these 2 runs, from 88.2 % to 80.0 %.")


def test_a_loss_that_is_no_number_and_one_that_is_too_large_are_said_apart():
    """Divergence is said by what was seen."""
    numbers = diagnose(good(val_loss=np.where(T < 9, 0.5, np.nan))).findings["LC001"].numbers
    assert curve_sentence("LC001", [numbers]) == (
        "Training diverged at epoch 9: the loss was no longer finite, or above 1000. Lower the learning rate."
    )
    mixed = curve_sentence("LC001", [numbers, diagnose(FOUND["LC001"]()).findings["LC001"].numbers])
    assert "times its smallest value and above the loss of guessing (0.693)" in mixed


def test_each_sign_of_a_rate_that_is_too_high_is_said():
    """Overshoot, leaps and divergence stand with their numbers; without a recorded rate none is named."""
    leaps = diagnose(good(train_loss=0.3 + 0.06 * (-1.0) ** T, lr=None)).findings["LC012"].numbers
    assert curve_sentence("LC012", [leaps]) == (
        "The learning rate looks too high: training loss rises sharply (by more than 5 % of the loss of guessing) in "
        "20 of 40 epochs. Try a smaller one."
    )
    diverged = diagnose(FOUND["LC001"]()).findings["LC012"].numbers
    assert "training diverged" in curve_sentence("LC012", [diverged])


def test_an_arm_is_told_by_how_many_of_its_runs_do_what():
    """The commonest label first, each with k of r; what stands beside in some runs only says in how many."""
    rounds = diagnose_arm({0: [overfit()], 1: [overfit()], 2: [FOUND["LC010"]()]})
    assert rounds[0].counts == {"LC003": 2, "LC008": 1}
    said = arm_paragraph(rounds)
    assert said[0].startswith("Overfit (2 of 3 runs). From epoch 13 on")
    assert said[1].startswith("Converged (1 of 3 runs). Over the last 8 epochs")
    assert said[2].startswith("In 1 of 3 runs: Validation loss has an isolated spike at epoch 25")
    assert said[-1].startswith("Validation loss is smallest at epoch ")
    assert "within one standard error" in said[-1]


def test_rounds_are_told_one_by_one():
    """Each round has its paragraph, and it is said that they were judged one by one."""
    rounds = diagnose_arm({0: [good(), replace(overfit(), round=2, first_epoch=41)]})
    said = arm_paragraph(rounds)
    assert said[0].startswith("Round 1: Converged.")
    assert any(line.startswith("Round 2: Overfit. From epoch 53 on") for line in said)
    assert any("Each round is judged by itself" in line for line in caveats(rounds))


def test_caveats_are_said_where_they_apply_and_only_there():
    """Moving training numbers, and a rise that may fall again."""
    assert caveats(diagnose_arm({0: [good()]})) == []
    said = caveats(diagnose_arm({0: [replace(overfit(), train_measured=False)]}))
    assert [line.split()[0] for line in said] == ["Training", "After"]


def test_without_a_standard_error_or_a_finite_loss_the_best_epoch_says_less():
    """No range without an error; no best epoch where all runs diverged."""
    assert arm_paragraph(diagnose_arm({0: [good(val_loss_se=None)]}))[-1].count("standard error") == 0
    broken = good(val_loss=np.full(N_EPOCHS, np.nan))
    assert not any("smallest" in line for line in arm_paragraph(diagnose_arm({0: [broken]})))


def test_no_pattern_is_said_with_the_numbers_that_no_rule_took():
    """A loss that falls for good but was lowest before is none of the labels."""
    falls = np.where(T < 20, 0.2, 0.6 - 0.005 * T)
    curve = good(val_loss=falls, train_loss=0.3 * np.exp(-T / 30))
    found = diagnose_arm({0: [curve]})
    assert found[0].runs[0].primary is None
    assert arm_paragraph(found)[0].startswith(
        "No clear pattern: none of the rules applies. Validation loss changes by \u22129.6 % over the last 8 epochs (p ="
    )


def test_a_factor_of_numbers_is_told_in_their_order_and_its_direction_is_said():
    """Levels are sorted; a quantity that only falls is said to, one that does neither is said not to."""
    levels = [(100, overfit()), (10, FOUND["LC004"]()), (50, good())]
    said = factor_paragraph("epochs", [(value, diagnose_arm({0: [curve]})[0]) for value, curve in levels])
    assert said[0] == (
        "As epochs grows (10, 50, 100), the commonest label is: still improving (1 of 1), converged (1 of 1), "
        "overfit (1 of 1)."
    )
    assert said[1].startswith("The best epoch (smoothed validation loss) falls with every level: 38, ")
    assert any("does not change in one direction" in line or "rises with every level" in line for line in said[2:])


def test_a_factor_of_names_has_no_direction():
    """Names are told in the order of the study, and nothing is said to rise."""
    levels = [("bce", diagnose_arm({0: [good()]})[0]), ("ce", diagnose_arm({0: [overfit()]})[0])]
    said = " ".join(factor_paragraph("loss", levels))
    assert said.startswith("With loss at bce, ce, the commonest label is: converged (1 of 1), overfit (1 of 1).")
    assert "level" not in said


def test_a_run_that_stopped_early_is_not_told_to_train_longer_or_that_its_schedule_stands():
    """Validation loss that still falls, and a rate that hardly moved, are no fault where early stopping ended the run."""
    falling = FOUND["LC004"]()
    assert diagnose(falling).findings["LC004"].is_found
    assert not diagnose(replace(falling, stopped_early=True)).findings["LC004"].is_found
    still = FOUND["LC014"]()
    assert diagnose(still).findings["LC014"].is_found
    assert not diagnose(replace(still, stopped_early=True)).findings["LC014"].is_found
