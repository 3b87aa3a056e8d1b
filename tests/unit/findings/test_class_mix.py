"""The class mix in the findings of a study: class counts that the design fixed, and cases that are taken away."""

from __future__ import annotations

import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.unit.findings.test_judging import N, audit_with, study

from scantrial.analysis.estimates import estimate
from scantrial.analysis.gap_words import shift_words
from scantrial.analysis.intervals import arm_estimate
from scantrial.api import results
from scantrial.audit.records import CheckResult
from scantrial.core.records import RunFacts, SplitPredictions
from scantrial.findings.class_counts import fixed_splits
from scantrial.findings.diagnosis import DiagnosedArm, diagnose_study
from scantrial.findings.evaluation import evaluate
from scantrial.findings.judging import Choices, Judgement, judge, run_scores
from scantrial.findings.reading import StudyData, read_study_folder
from scantrial.findings.shift import two_sample
from scantrial.prose import methods_statistics as methods
from scantrial.prose.verdicts import without_leaks
from scantrial.store.folder import StudyFolder

ROOT = Path(__file__).resolve().parents[3]
PER_CLASS = {"source": {"name": "scans"}, "split": {"train": 8, "val": 8, "test": 200, "per": "class"}}
NAMES = {"class_names": ["well", "ill"]}


def designed(given: StudyData, data=PER_CLASS, **others) -> StudyData:
    """The same study with a plan that says how the scans were split."""
    return replace(given, plan=given.plan.model_copy(update={"data": data}), data=NAMES, **others)


def with_scores(given: StudyData, shift: dict[int, float]) -> StudyData:
    """The same study with the logits of each class moved: one class becomes easier than the other."""

    def moved(part: SplitPredictions) -> SplitPredictions:
        p = part.y_prob[:, 1]
        logits = np.log(p / (1 - p)) + np.array([shift[0], shift[1]])[part.y_true]
        p = 1 / (1 + np.exp(-logits))
        return replace(part, y_prob=np.stack([1 - p, p], axis=1), logits=logits.astype(np.float32)[:, None])

    runs = tuple(replace(run, predictions={"test": moved(run.predictions["test"])}) for run in given.runs)
    return replace(given, runs=runs)


# ---------------------------------------------------------------------- fixed class counts


def test_a_split_per_class_takes_cases_within_their_class():
    """Estimates, verdicts and the evaluation of every arm use the stratified covariance; without a split they do not."""
    plain = with_scores(study({"base": 0.0, "loss-ce": 0.2}), {0: 1.0, 1: 1.0})
    fixed = designed(plain)
    assert (fixed_splits(plain), fixed_splits(fixed)) == ((), ("train", "val", "test"))
    runs = run_scores(fixed, "test")
    assert runs is not None
    assert runs.class_counts_fixed
    found, pooled = judge(fixed).primary, judge(plain).primary
    assert found is not None
    assert pooled is not None
    assert found.methods["covariance"] == "mean over cases, class counts fixed"
    expected = arm_estimate(estimate(runs, "accuracy"), "base")
    assert found.arm("base") == expected
    assert evaluate(fixed, metric="accuracy").arms[0].estimates["accuracy"] == expected
    assert expected.high - expected.low < pooled.arm("base").high - pooled.arm("base").low
    assert found.comparisons[0].evidence.effect == pooled.comparisons[0].evidence.effect


def test_the_methods_say_that_class_counts_were_fixed(make_study):
    """With the mix that intervals hold for, and its source; nothing of it where counts were left to chance."""
    view = results(make_study().path)
    assert not any("fixed how many" in sentence for sentence in methods.evaluation(view))
    fixed = replace(view, data=replace(view.data, class_counts_fixed=("test",)))
    said = [sentence for sentence in methods.evaluation(fixed) if "fixed how many" in sentence]
    assert said == [
        "The design fixed how many test cases of each class there are, so cases count as sampled within their class "
        "[@cochran]: intervals hold for cases of this class mix (50.0 % “normal” and 50.0 % “pneumonia”)."
    ]


# ---------------------------------------------------------------------- without the cases in two splits


def leaking(given: StudyData, cases) -> Judgement:
    """The study judged with an audit that found these cases in two splits."""
    return judge(replace(given, audit=audit_with(acknowledged="known", cases=cases)))


def test_leaks_in_one_class_without_an_effect_make_no_difference():
    """The class that leaks is easy; taken away at random it leaves each class's share as it was, and so the line."""
    given = designed(with_scores(study({"base": 0.0, "loss-ce": 0.0}), {0: 0.7, 1: 1.5}))
    runs = run_scores(given, "test")
    assert runs is not None
    # Of class 1, 150 of 200 cases, as many right of them as of the others in every run: there is no effect.
    ill = np.flatnonzero(runs.y_true == 1)
    order = ill[np.lexsort((ill, (runs.y_pred[:, ill] == 1).sum(axis=0)))]
    kept = order[::4]
    gone = np.setdiff1d(ill, kept)
    found = leaking(given, gone.tolist())
    assert found.primary is not None
    assert found.without_leaks is not None
    assert (found.n_leaking, found.without_mix) == (150, "weighted")
    before, after = found.primary.arm("base").mean, found.without_leaks.arm("base").mean
    own_mix = float((runs.y_pred == runs.y_true)[:5, np.setdiff1d(np.arange(N), gone)].mean())
    assert abs(after - before) < 0.005
    assert before - own_mix > 0.05
    # By hand: the mean of the two recalls, for there were 200 cases of each class.
    recalls = [float((runs.y_pred[:5, cases] == label).mean()) for label, cases in ((0, runs.y_true == 0), (1, kept))]
    assert after == pytest.approx(np.mean(recalls))
    said = without_leaks(found)
    assert said[0] == (
        "150 of the cases are known from training (same patient or same image; see the audit); without them 250 cases are "
        "left, weighted to the class mix of all cases, so no difference is due to the mix."
    )
    assert said[-2] == f"base: {100 * before:.1f}, without these cases {100 * after:.1f}."


def test_estimate_interval_and_verdict_are_all_at_the_mix_of_all_cases():
    """A leak that helps one arm on one class is judged as on balanced accuracy, for the classes were equal."""
    given = designed(with_scores(study({"base": 0.0, "loss-ce": 0.3}), {0: 0.5, 1: 1.2}))
    found = leaking(given, range(1, 301, 2)).without_leaks
    balanced = judge(
        replace(given, audit=audit_with(acknowledged="known", cases=range(1, 301, 2))),
        choices=Choices(metric="balanced_accuracy", margin=0.02),
    )
    other = balanced.without_leaks
    assert found is not None
    assert other is not None
    assert balanced.without_mix == "the same"
    one, two = found.comparisons[0], other.comparisons[0]
    assert one.evidence.effect == pytest.approx(two.evidence.effect)
    assert (one.evidence.low, one.evidence.high) == pytest.approx((two.evidence.low, two.evidence.high))
    assert one.verdict.label == two.verdict.label
    assert "Balanced accuracy does not depend on the class mix." in without_leaks(balanced)[0]


def test_with_one_seed_the_interval_is_at_that_mix_too():
    """McNemar's test and its interval count cases as they are, and do not take the place of it."""
    given = designed(study({"base": 0.0, "loss-ce": 0.3}, seeds=[0]))
    found = leaking(given, range(1, 301, 2))
    assert found.primary is not None
    assert found.without_leaks is not None
    assert found.primary.comparisons[0].paired_proportions is not None
    (one,) = found.without_leaks.comparisons
    assert one.paired_proportions is None
    assert (one.evidence.low, one.evidence.high) == (one.result.cases_only.low, one.result.cases_only.high)


def test_a_metric_that_depends_on_the_mix_says_so():
    """F1 is taken at the mix that is left, and the line says that the mix may be the reason."""
    given = replace(designed(study({"base": 0.0, "loss-ce": 0.3})), audit=audit_with(acknowledged="x", cases=range(50)))
    found = judge(given, choices=Choices(metric="f1"))
    assert found.without_mix == "another"
    assert "in another class mix, on which F1 depends: a difference may be due to the mix." in without_leaks(found)[0]


@pytest.mark.parametrize(
    ("gone", "words"), [(range(1, N, 2), "no other case of “ill” is left"), (range(N), "of “well” and “ill” is left")]
)
def test_where_a_class_vanishes_there_is_no_comparison_and_it_is_said(gone, words):
    """A class of which every case leaks cannot be weighted; a metric of the other class alone still can be had."""
    given = designed(study({"base": 0.0, "loss-ce": 0.3}))
    found = leaking(given, gone)
    assert (found.without_leaks, found.without_mix) == (None, None)
    (said,) = without_leaks(found)
    assert said.startswith(f"{len(gone)} of the cases are known from training")
    assert words in said
    other = judge(
        replace(given, audit=audit_with(acknowledged="x", cases=range(1, N, 2))), choices=Choices(metric="specificity")
    )
    assert other.without_leaks is not None
    assert other.without_reason is None


def test_a_study_without_such_cases_says_nothing():
    """No audit, or none concerned: no line, no reason."""
    found = judge(designed(study({"base": 0.0, "loss-ce": 0.3})))
    assert (found.n_leaking, found.without_reason, found.without_mix) == (0, None, None)
    assert without_leaks(found) == []


# ---------------------------------------------------------------------- the gap's steps


def with_validation(given: StudyData, *, right: tuple[float, float], leaks: list[int]) -> StudyData:
    """The study with 100 + 100 validation cases of which these shares are right, and training twins of some.

    Shares are right in every tenth of a class alike, so that those that leak are no different from the others.
    """
    y_true = np.repeat([0, 1], 100)
    hit = (np.arange(200) % 10) < 10 * np.array(right)[y_true]
    p = np.where(hit == (y_true == 1), 0.9, 0.1)
    part = SplitPredictions(
        split="val",
        cases=np.arange(1000, 1200),
        y_true=y_true,
        logits=np.log(p / (1 - p)).astype(np.float32)[:, None],
        output_names=("ill",),
        y_prob=np.stack([1 - p, p], axis=1),
    )
    facts = RunFacts(
        arm="base",
        seed=0,
        status="finished",
        n_epochs=1,
        chosen_epoch=1,
        selection="best val_loss",
        diverged_epoch=None,
        engine="reference",
        engine_reason="asked for",
        device="cpu",
        threads=1,
        n_parameters=1,
        recipe={},
        preprocessing={},
        class_names=("well", "ill"),
        image_shape=(1, 8, 8),
        pixel_type="uint8",
        times={},
    )
    runs = tuple(replace(run, facts=facts, predictions={**run.predictions, "val": part}) for run in given.runs)
    table = given.cases
    rows = {
        "case": [*table["case"].to_pylist(), *range(1000, 1200), *range(2000, 2000 + len(leaks))],
        "split": [*table["split"].to_pylist(), *["val"] * 200, *["train"] * len(leaks)],
        "label": [*table["label"].to_pylist(), *y_true.tolist(), *y_true[leaks].tolist()],
        "patient": [
            *table["patient"].to_pylist(),
            *[f"v{case}" for case in range(200)],
            *[f"v{case}" for case in leaks],
        ],
        "source": [""] * (len(table) + 200 + len(leaks)),
    }
    checked = CheckResult(
        code="AU003", title="Equal images", severity="blocker", outcome="clear", reason=None, numbers={}
    )
    audit = replace(audit_with(acknowledged="x"), findings=(), results=(checked,))
    data = {**NAMES, "counts": {"train": {}, "val": {"well": 100, "ill": 100}, "test": {"well": 200, "ill": 200}}}
    return replace(given, runs=runs, cases=type(table).from_pydict(rows), audit=audit, data=data)


def steps_of(given: StudyData):
    """Words and steps of the gap of the first arm."""
    (arm,) = diagnose_study(given, [DiagnosedArm(name="base", label="base", differing={})]).arms
    assert arm.test_gap is not None
    return arm.test_gap, {step.name: step for step in arm.steps}


def test_leaks_in_one_class_are_not_taken_for_what_the_mix_does():
    """80 of 100 cases of the easy class leak and are no easier for it: leakage explains nothing, by any mix."""
    given = with_validation(designed(study({"base": -0.9})), right=(0.7, 1.0), leaks=list(range(100, 180)))
    gap, steps = steps_of(given)
    assert gap.low > 0
    step = steps["leakage"]
    assert (step.numbers["n_cases"], step.numbers["accuracy_without"]) == (80, pytest.approx(0.85))
    assert step.explained == pytest.approx(0)
    assert step.state == "explains nothing"
    said = shift_words(gap, [steps["leakage"]])[0]
    assert said.endswith(
        "without them, at the same class mix, validation accuracy is 85.0 %, so leakage explains nothing."
    )


def test_leaks_that_do_help_are_found_at_the_same_mix():
    """Of the hard class the 70 cases that are right leak: without them its share is 0, a step of half of .7."""
    right_ones = [case for case in range(100) if case % 10 < 7]
    _, steps = steps_of(with_validation(designed(study({"base": -0.9})), right=(0.7, 1.0), leaks=right_ones))
    assert steps["leakage"].explained == pytest.approx(0.35)


def test_where_a_class_leaks_as_a_whole_leakage_stays_open():
    """What it explains is not known, the class is named, and nothing may be called shift."""
    gap, steps = steps_of(
        with_validation(designed(study({"base": -0.9})), right=(0.7, 1.0), leaks=list(range(100, 200)))
    )
    assert (steps["leakage"].state, steps["leakage"].explained) == ("open", None)
    said = shift_words(gap, list(steps.values()))
    assert any("no other cases of “ill” are left, so how much leakage explains is not known." in one for one in said)
    assert steps["unexplained"].numbers["may_be_shift"] is False
    assert said[-1].endswith("They cannot be called shift until these are checked: leakage.")


def test_gaps_take_the_design_of_either_split():
    """A split per class fixes the counts of all parts, and narrows the gap's interval."""
    plain = with_validation(study({"base": -0.9}), right=(0.7, 1.0), leaks=[])
    gap, narrow = (steps_of(each)[0] for each in (plain, replace(designed(plain), data=plain.data)))
    assert (gap.class_counts_fixed, narrow.class_counts_fixed) == ((False, False), (True, True))
    assert narrow.se < gap.se
    assert narrow.value == gap.value


# ---------------------------------------------------------------------- the radiographs


@pytest.fixture(scope="module")
def radiographs(tmp_path_factory) -> StudyData:
    """Ten trainings an arm on 200 + 200 radiographs, 123 of them, all pneumonia, in two splits by their patient."""
    path = tmp_path_factory.mktemp("archive")
    with tarfile.open(ROOT / "docs" / "data" / "replication.tar.xz") as archive:
        members = [member for member in archive if member.name.startswith("report-a-loss/")]
        archive.extractall(path, members, filter="data")
    return read_study_folder(StudyFolder(path / "report-a-loss"), by="test", purpose="class mix")


def test_the_radiographs_have_the_interval_of_their_design(radiographs):
    """BCE: 70.5 to 77.6, where a pooled covariance gives 68.6 to 79.1; the recalls are 50 and 98 %."""
    found = judge(radiographs).primary
    assert found is not None
    bce = found.arm("base")
    assert [round(100 * value, 1) for value in (bce.mean, bce.low, bce.high)] == [74.2, 70.5, 77.6]
    runs = run_scores(radiographs, "test")
    assert runs is not None
    pooled = arm_estimate(estimate(replace(runs, class_counts_fixed=False), "accuracy"), "base")
    assert [round(100 * value, 1) for value in (pooled.low, pooled.high)] == [68.6, 79.1]


def test_the_radiographs_in_two_splits_are_no_easier(radiographs):
    """At the mix of all cases accuracy is 74.2 and 73.7, not 63.2: the rest was mix."""
    found = judge(radiographs)
    said = without_leaks(found)
    assert said[0].startswith("123 of the cases are known from training")
    assert "loss = bce (base): 74.2, without these cases 73.7." in said
    runs = run_scores(radiographs, "test")
    assert runs is not None
    kept = runs.patients is not None and found.without_leaks is not None and found.without_leaks.n_by_class
    assert kept == (200, 77)


@pytest.mark.parametrize(
    "pairs",
    [
        [1],
        {"val and test": 3},
        {"val and test": {"p": "0.1", "alpha": 0.01, "auc": 0.9, "min_auc": 0.6}},
        {"val and test": {"p": 0.1, "alpha": 0.01, "auc": 10**4000, "min_auc": 0.6}},
        {"val and test": {"p": 0.1}},
    ],
)
def test_an_audit_that_does_not_say_how_far_splits_differ_is_none(pairs):
    """A folder comes from anyone: what is no share stops no report."""
    given = study({"base": -0.9})
    checked = CheckResult(
        code="AU010", title="Shift", severity="warning", outcome="found", reason=None, numbers={"pairs": pairs}
    )
    audit = replace(audit_with(acknowledged="x"), findings=(), results=(checked,))
    assert two_sample(replace(given, audit=audit)) is None
    whole = {"val and test": {"p": 0.001, "alpha": 0.01, "auc": 0.9, "min_auc": 0.6}}
    told = replace(audit, results=(replace(checked, numbers={"pairs": whole}),))
    assert two_sample(replace(given, audit=told)).is_found
