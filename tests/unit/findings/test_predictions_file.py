"""What is asked of a file of predictions, and where a threshold comes from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from scantrial import compare_predictions
from scantrial.core.errors import InputError
from scantrial.findings.predictions_file import CHOSEN_ON_JUDGED, TRAINED_ON_JUDGED

ARMS = ("a", "b", "c")


def make_file(tmp_path: Path, *, splits=("test",), arms=ARMS, n_seeds=3, n=60, scale=1.0, better=1.0) -> Path:
    """Write runs whose scores tell the classes apart, those of the last arm better."""
    rng = np.random.default_rng(7)
    lines = ["arm,seed,case,label,score,split"]
    for split in splits:
        own = rng.normal(size=n)
        for place, arm in enumerate(arms):
            for seed in range(n_seeds):
                pull = 1.0 + better * (place == len(arms) - 1)
                for case in range(n):
                    noise = own[case] + 0.3 * rng.normal()
                    raw = pull * (2 * (case % 2) - 1) + noise
                    score = 1 / (1 + np.exp(-raw)) if scale == 1 else scale * raw
                    lines.append(f"{arm},{seed},{split}-{case},{case % 2},{score!r},{split}")
    path = tmp_path / "predictions.csv"
    path.write_text("\n".join(lines).replace("np.float64(", "").replace(")", ""))
    return path


# ---------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"metric": "acuracy"}, "no metric is called 'acuracy' (did you mean 'accuracy'?)"),
        ({"split": "tset"}, "no split is called 'tset' (did you mean 'test'?)"),
        ({"threshold_rule": "best"}, "threshold rule 'best'\nexpected: sensitivity or youden"),
        ({"pairs": "some"}, "pairs 'some'\nexpected: all or control"),
        ({"pairs": "control"}, "pairs against the control, but no control\nexpected: --control ARM with it"),
        ({"control": "A"}, "control 'A' is not an arm (did you mean 'a'?)\nexpected: one of a, b, c"),
        ({"threshold": 0.4, "threshold_rule": "youden"}, "a threshold of 0.4 and the rule youden"),
        ({"target_sensitivity": 0.8}, "a target sensitivity without its rule"),
        ({"threshold_rule": "sensitivity", "target_sensitivity": 1.5}, "target sensitivity 1.5"),
        ({"margin": -1.0}, "margin -1.0"),
        ({"level": 95.0}, "level 95.0"),
        ({"levle": 0.9}, "no option is called 'levle' (did you mean 'level'?)"),
    ],
)
def test_what_cannot_be_asked(tmp_path, options, message):
    """Every option that does not fit is refused with what would fit."""
    with pytest.raises(InputError) as caught:
        compare_predictions(make_file(tmp_path, n=12), bootstrap=False, **options)
    assert message in str(caught.value)


def test_scores_that_are_no_probabilities_have_no_threshold_of_their_own(tmp_path):
    """0.5 is a choice for probabilities only; other scores need one for decisions, and none for ranking."""
    path = make_file(tmp_path, scale=10.0)
    with pytest.raises(InputError, match=r"scores from -.* and no threshold for accuracy"):
        compare_predictions(path, bootstrap=False)
    assert compare_predictions(path, threshold=0.0, bootstrap=False).comparison.threshold == 0.0
    assert compare_predictions(path, metric="auroc", bootstrap=False).comparison.threshold is None
    with pytest.raises(InputError, match="Log loss of scores outside"):
        compare_predictions(path, metric="log_loss", bootstrap=False)


# ---------------------------------------------------------------------- families


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ({}, ["b - a", "c - a", "c - b"]),
        ({"control": "b"}, ["a - b", "c - b"]),
        ({"control": "b", "pairs": "control"}, ["a - b", "c - b"]),
        ({"control": "b", "pairs": "all"}, ["a - b", "c - b", "c - a"]),
    ],
)
def test_the_family_is_what_was_asked(tmp_path, options, names):
    """All pairs without a control, each against it with one."""
    found = compare_predictions(make_file(tmp_path), bootstrap=False, **options).comparison
    assert [compared.name for compared in found.comparisons] == names


def test_one_arm_is_estimated_and_not_compared(tmp_path):
    """It gets its interval, and the notes say that there is nothing to compare it with."""
    found = compare_predictions(make_file(tmp_path, arms=("only",), better=-0.7)).comparison
    assert found.comparisons == ()
    assert found.arms[0].low < found.arms[0].mean < found.arms[0].high
    assert any("only is the only arm" in note for note in found.notes)


# ---------------------------------------------------------------------- thresholds


def test_a_rule_chooses_on_validation_rows_and_the_verdict_stands(tmp_path):
    """Each run has its own threshold, the largest with the target sensitivity on its validation rows."""
    path = make_file(tmp_path, splits=("val", "test"), better=4.0)
    found = compare_predictions(
        path, metric="specificity", threshold_rule="sensitivity", target_sensitivity=0.8, bootstrap=False
    )
    choice = found.threshold_choice
    assert (choice.chosen_on, choice.n_cases, choice.target) == ("val", 60, 0.8)
    assert choice.values == found.comparison.threshold
    assert len(set(choice.values)) == 9
    rows = [line.split(",") for line in path.read_text().splitlines()[1:]]
    for arm, seed, value in zip(choice.arms, choice.seeds, choice.values, strict=True):
        positives = sorted(
            float(score)
            for name, s, _, label, score, split in rows
            if (name, s, label, split) == (arm, str(seed), "1", "val")
        )
        assert sum(score > value for score in positives) == 24  # 0.8 of 30
        assert value < positives[6]
    assert found.comparison.comparisons[1].verdict.label == "better"


def test_a_threshold_chosen_on_the_judged_rows_gives_no_verdict(tmp_path):
    """However clear the difference: not enough to judge, and the reason is named. A fixed threshold gives one."""
    path = make_file(tmp_path, better=4.0)
    chosen = compare_predictions(path, threshold_rule="youden", margin=0.5, bootstrap=False).comparison
    assert {compared.verdict.label for compared in chosen.comparisons} == {"not enough to judge"}
    assert all(CHOSEN_ON_JUDGED in compared.sentence for compared in chosen.comparisons)
    fixed = compare_predictions(path, bootstrap=False).comparison
    assert fixed.comparisons[1].verdict.label == "better"


def test_validation_rows_that_are_judged_are_the_judged_rows(tmp_path):
    """``--split val`` with a rule chooses on what it judges; train rows are never judged."""
    path = make_file(tmp_path, splits=("train", "val"), better=4.0)
    on_val = compare_predictions(path, split="val", threshold_rule="youden", bootstrap=False).comparison
    assert all(compared.verdict.reasons == (CHOSEN_ON_JUDGED,) for compared in on_val.comparisons)
    on_train = compare_predictions(path, split="train", bootstrap=False).comparison
    assert all(compared.verdict.reasons == (TRAINED_ON_JUDGED,) for compared in on_train.comparisons)


def test_youden_takes_the_lowest_of_the_best(tmp_path):
    """By hand: cut at 0.35, 3 of 3 and 3 of 6, J = 0.5; at 0.65, 2 of 3 and 5 of 6, J = 0.5; the lower one wins."""
    scores = [(0, 0.1), (0, 0.3), (1, 0.4), (0, 0.5), (0, 0.6), (1, 0.7), (1, 0.8), (0, 0.2), (0, 0.75)]
    lines = [f"a,0,{case},{label},{score}" for case, (label, score) in enumerate(scores)]
    path = tmp_path / "x.csv"
    path.write_text("\n".join(["arm,seed,case,label,score", *lines]))
    assert compare_predictions(path, threshold_rule="youden").threshold_choice.values == (pytest.approx(0.35),)
    found = compare_predictions(path, threshold_rule="sensitivity").threshold_choice.values
    assert found == (pytest.approx(0.35),)


@pytest.mark.parametrize("options", [{"threshold": 0.7}, {"threshold_rule": "youden"}])
def test_ranking_metrics_ignore_a_threshold_and_say_so(tmp_path, options):
    """The numbers are those without it."""
    path = make_file(tmp_path)
    plain = compare_predictions(path, metric="auroc", bootstrap=False).comparison
    found = compare_predictions(path, metric="auroc", bootstrap=False, **options).comparison
    assert found.comparisons == plain.comparisons
    assert sum("is not used for AUROC" in note for note in found.notes) == 1


# ---------------------------------------------------------------------- the cross-check


def test_the_bootstrap_stands_beside_and_changes_no_verdict(tmp_path):
    """It gives each comparison its interval; without it everything else is the same."""
    path = make_file(tmp_path)
    plain = compare_predictions(path, bootstrap=False).comparison
    checked = compare_predictions(path).comparison
    assert all(compared.cross_check is None for compared in plain.comparisons)
    assert all(compared.cross_check.n_draws == 2000 for compared in checked.comparisons)
    assert [c.verdict for c in plain.comparisons] == [c.verdict for c in checked.comparisons]
    flagged = [c.name for c in checked.comparisons if not c.cross_check.agrees]
    assert [note.split()[4] for note in checked.notes if "times as wide" in note] == [
        name.split()[0] for name in flagged
    ]


def test_a_bootstrap_that_would_take_long_is_left_out_aloud(tmp_path, monkeypatch):
    """Beyond a limit it runs only where it is asked for, and a note says so."""
    from scantrial.findings import predictions_file

    monkeypatch.setattr(predictions_file, "BOOTSTRAP_LIMIT", 1000)
    found = compare_predictions(make_file(tmp_path)).comparison
    assert found.comparisons[0].cross_check is None
    assert any("no crossed bootstrap" in note and "--bootstrap runs it" in note for note in found.notes)
    assert compare_predictions(make_file(tmp_path), bootstrap=True).comparison.comparisons[0].cross_check is not None


def test_a_draw_that_cannot_give_the_metric_ends_the_check_not_the_command(tmp_path):
    """In arm a one patient of four alone is called negative, so that some draws have no MCC: the check is left out, with why.

    No draw lacks a class, for patients are drawn among those of their class: AUROC is checked.
    """
    rng, lines = np.random.default_rng(1), ["arm,seed,case,label,score,patient"]
    for arm in "ab":
        for seed in range(3):
            scores = 0.4 * rng.uniform(size=12) + 0.55 * (np.arange(12) % 4 != 3)
            scores[seed] *= arm == "a"
            lines += [f"{arm},{seed},{case},{case % 2},{scores[case]},p{case % 4}" for case in range(12)]
    path = tmp_path / "x.csv"
    path.write_text("\n".join(lines))
    found = compare_predictions(path, metric="mcc").comparison
    assert found.comparisons[0].cross_check is None
    assert any("no crossed bootstrap for b - a: MCC is undefined" in note for note in found.notes)
    assert compare_predictions(path, metric="auroc").comparison.comparisons[0].cross_check is not None
