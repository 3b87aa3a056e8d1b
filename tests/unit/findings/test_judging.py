"""Verdicts of a study folder: which comparisons, what becomes of hypotheses, and when they were declared."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from scantrial.analysis.comparison import compare
from scantrial.audit.records import Audit, ScanFinding
from scantrial.core.errors import InputError
from scantrial.core.records import EpochRecord, SplitPredictions
from scantrial.figures.forest import forest_plot
from scantrial.findings.hypotheses import MAX_READ, _decided
from scantrial.findings.judging import Choices, judge, run_scores
from scantrial.findings.reading import RunData, StudyData
from scantrial.prose import verdicts as verdict_prose
from scantrial.recipe.plan import Plan
from scantrial.recipe.spec import Recipe
from scantrial.store.folder import RunKey

N = 400
ARMS = ("base", "loss-ce")


def recipe(**settings):
    return {
        "loss": {"name": "bce"},
        "optimizer": {"name": "adam", "lr": 1e-3, "weight_decay": 0.0},
        "model": {"name": "mlp-256"},
        "epochs": 3,
        **settings,
    }


def scores(shift, seed, *, n=N, noise=1.0):
    """Logits of n cases, the classes in turns; all arms share the cases' own difficulty."""
    y_true = np.arange(n) % 2
    common = np.random.default_rng(99).normal(0, 1.2, n)
    own = np.random.default_rng([5, seed]).normal(0, 0.1 * noise, n)
    return y_true, (2 * y_true - 1) * (1 + shift) + common + own


def run_data(arm, seed, shift, **options):
    y_true, logits = scores(shift, seed, **options)
    p = 1 / (1 + np.exp(-logits))
    part = SplitPredictions(
        split="test",
        cases=np.arange(len(y_true)),
        y_true=y_true,
        logits=logits.astype(np.float32)[:, None],
        output_names=("ill",),
        y_prob=np.stack([1 - p, p], axis=1),
    )
    epoch = EpochRecord(round=1, epoch=1, lr=1e-3, train_loss=1, train_accuracy=1, val_loss=1, val_accuracy=1)
    return RunData(key=RunKey(arm, seed), facts=None, history=(epoch,), predictions={"test": part})  # type: ignore[arg-type]


def version(text, *, finished_runs=0, at="2026-01-01T10:00:00+00:00", sha="a" * 64):
    return {"at": at, "study_sha256": sha, "finished_runs": finished_runs, "change": "", "study_yaml": text}


def study(
    shifts, *, seeds=range(5), hypotheses=(), design="one-at-a-time", factors=None, plans=None, margin=0.02, **options
):
    names = list(shifts)
    arms = [
        {"name": name, "label": name, "recipe": recipe(), "factor": None, **((plans or {}).get(name, {}))}
        for name in names
    ]
    plan = {
        "study": "?",
        "arms": arms,
        "seeds": list(seeds),
        "design": design,
        "factors": factors or {},
        "primary": {"metric": "accuracy", "split": "test", "margin": margin},
        "hypotheses": list(hypotheses),
    }
    skipped = options.pop("skipped", ())
    patients = options.pop("patients", None)
    protocol = options.pop("protocol", (version("study: x\nprimary: {metric: accuracy}\nhypotheses: []"),))
    runs = tuple(
        run_data(name, seed, shifts[name], **options) for name in names for seed in seeds if (name, seed) not in skipped
    )
    n = options.get("n", N)
    cases = pa.table(
        {
            "case": pa.array(range(n), pa.int64()),
            "split": ["test"] * n,
            "label": pa.array([k % 2 for k in range(n)], pa.int64()),
            "patient": pa.array(patients if patients is not None else [None] * n, pa.string()),
            "source": [""] * n,
        }
    )
    return StudyData(
        plan=Plan.from_dict(plan),
        data={"class_names": ["healthy", "ill"]},
        environment={},
        study_text="",
        protocol=tuple(protocol),
        runs=runs,
        failures=(),
        openings=(),
        cases=cases,
    )


def claim(kind="better", first="loss-ce", second="base", text="CE is better"):
    return {"claim": text, "kind": kind, "arms": [first, second]}


def test_a_study_is_judged_as_its_arrays_are():
    """The verdicts of a folder are those of `compare` on the same arrays."""
    found = judge(study({"base": 0.0, "loss-ce": 0.15}))
    y_true = scores(0, 0)[0]
    rows = [1 / (1 + np.exp(-scores(shift, seed)[1])) for shift in (0.0, 0.15) for seed in range(5)]
    arms, seeds = ["base"] * 5 + ["loss-ce"] * 5, [*range(5)] * 2
    expected = compare(y_true, np.array(rows), arms=arms, seeds=seeds, control="base", margin=0.02)
    assert found.primary is not None
    mine, theirs = found.primary.comparisons[0], expected.comparisons[0]
    assert mine.evidence.effect == pytest.approx(theirs.evidence.effect, abs=1e-12)
    assert mine.evidence.low == pytest.approx(theirs.evidence.low, abs=1e-12)
    assert mine.sentence == theirs.sentence
    json.dumps(found.to_dict(), allow_nan=False)


@pytest.mark.parametrize(
    ("shift", "kind", "answer"),
    [
        (0.5, "better", "supported"),
        (-0.5, "better", "contradicted"),
        (0.0, "better", "contradicted"),  # the same network: equivalent
        (0.5, "equivalent", "contradicted"),
        (0.0, "equivalent", "supported"),
    ],
)
def test_hypotheses_are_answered(shift, kind, answer):
    """Better: supported by a better arm, contradicted by a worse or an equivalent one; equivalent the other way."""
    found = judge(study({"base": 0.0, "loss-ce": shift}, hypotheses=[claim(kind)]))
    assert found.hypotheses[0].answer == answer
    assert found.hypotheses[0].sentence.startswith(answer.capitalize())


def test_few_seeds_leave_hypotheses_undecided():
    """With two seeds nothing is judged, so the claim is undecided, and so it is where an arm has no run."""
    two = judge(study({"base": 0.0, "loss-ce": 0.5}, seeds=range(2), hypotheses=[claim()]))
    assert two.hypotheses[0].answer == "undecided"
    assert "2 seeds in each arm" in two.hypotheses[0].sentence
    absent = {("loss-ce", seed) for seed in range(5)}
    none = judge(study({"base": 0.0, "loss-ce": 0.5}, hypotheses=[claim()], skipped=absent))
    assert none.hypotheses[0].sentence == "Undecided: there is no finished run of loss-ce."
    assert none.reason == "there is one arm, so there is nothing to compare"


def test_a_claim_that_is_put_the_other_way_round_is_answered_the_other_way():
    """Two claims about one pair share a comparison; the second is answered with its sides swapped."""
    claims = [claim(), claim(first="base", second="loss-ce", text="BCE is better")]
    found = judge(study({"base": 0.0, "loss-ce": 0.5}, hypotheses=claims))
    assert [item.answer for item in found.hypotheses] == ["supported", "contradicted"]
    assert found.primary is not None
    assert len(found.primary.comparisons) == 1


def test_the_family_is_every_arm_against_the_base_and_what_hypotheses_compare():
    """A claim about two other arms joins the family, and p are corrected over all of it."""
    shifts = {"base": 0.0, "a": 0.2, "b": 0.3}
    found = judge(study(shifts, hypotheses=[claim(first="b", second="a")]))
    assert found.primary is not None
    assert [item.name for item in found.primary.comparisons] == ["b - a", "a - base", "b - base"]
    assert found.family == "every arm against base, and what the hypotheses compare"
    assert found.primary.methods["multiplicity"] == "Holm over 3 comparisons; intervals by Bonferroni"
    pairs = judge(study(shifts), choices=Choices(pairs=True))
    assert pairs.primary is not None
    assert [item.name for item in pairs.primary.comparisons] == ["a - base", "b - base", "b - a"]
    other = judge(study(shifts), choices=Choices(control="b"))
    assert other.primary is not None
    assert [item.name for item in other.primary.comparisons] == ["base - b", "a - b"]
    with pytest.raises(InputError, match="no arm is called 'c'"):
        judge(study(shifts), choices=Choices(control="c"))


def test_sentences_say_labels_and_names_stay():
    """A sentence says what people call an arm; the comparison keeps its name, for programs."""
    plans = {"base": {"label": "loss = bce (base)"}, "loss-ce": {"label": "loss = ce"}}
    found = judge(study({"base": 0.0, "loss-ce": 0.5}, plans=plans))
    assert found.primary is not None
    assert found.primary.comparisons[0].name == "loss-ce - base"
    assert found.primary.comparisons[0].sentence.startswith("loss = ce is better than loss = bce by ")


def two_by_two(shifts, **options):
    """A factorial study of two losses and two learning rates."""
    loss, optimizer = {"name": "ce"}, {"name": "adam", "lr": 1e-4}
    settings = {
        "base": recipe(),
        "ce": recipe(loss=loss),
        "slow": recipe(optimizer=optimizer),
        "both": recipe(loss=loss, optimizer=optimizer),
    }
    plans = {name: {"recipe": found} for name, found in settings.items()}
    factors = {"loss": ["bce", "ce"], "optimizer.lr": [1e-3, 1e-4]}
    return study(shifts, design="factorial", plans=plans, factors=factors, **options)


def test_a_factorial_design_gives_effects():
    """Main effects and the interaction, with the weights of a two by two design."""
    shifts = {"base": 0.0, "ce": 0.4, "slow": 0.0, "both": 0.4}
    found = judge(two_by_two(shifts))
    assert found.primary is not None
    names = [item.name for item in found.primary.comparisons]
    assert names == ["loss: ce - bce", "optimizer.lr: 0.0001 - 0.001", "loss x optimizer.lr"]
    labels = [item.verdict.label for item in found.primary.comparisons]
    assert labels[0] == "better"
    assert labels[1] == "equivalent"
    assert found.primary.comparisons[2].evidence.effect == pytest.approx(0, abs=1e-12)


def test_an_ordered_factor_has_a_trend():
    """Three numeric levels give a slope, on a log scale where they span it; it is no part of the family."""
    levels = {"base": 1e-3, "lr-1e-4": 1e-4, "lr-1e-2": 1e-2}
    plans = {
        name: {
            "recipe": recipe(optimizer={"name": "adam", "lr": lr}),
            "factor": None if name == "base" else "optimizer.lr",
        }
        for name, lr in levels.items()
    }
    shifts = {"base": 0.3, "lr-1e-4": 0.0, "lr-1e-2": 0.6}
    found = judge(study(shifts, plans=plans, factors={"optimizer.lr": [1e-4, 1e-2]}))
    assert found.effects is not None
    trend = found.effects.comparisons[0]
    assert trend.name == "optimizer.lr, trend per tenfold increase"
    means = {arm.arm: arm.mean for arm in found.effects.arms}
    assert trend.evidence.effect == pytest.approx((means["lr-1e-2"] - means["lr-1e-4"]) / 2)
    assert len(found.primary.comparisons) == 2  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("protocol", "before"),
    [
        ([version("hypotheses: [{claim: CE is better}]")], True),
        ([version("hypotheses: []"), version("hypotheses: [{claim: CE is better}]", finished_runs=4)], False),
        (
            [
                version("hypotheses: [{claim: CE is better}]"),
                version("hypotheses: [{claim: CE is better}]\nseeds: 9", finished_runs=4),
            ],
            True,
        ),
        (
            [
                version("hypotheses: [{claim: BCE is better}]"),
                version("hypotheses: [{claim: CE is better}]", finished_runs=1),
            ],
            False,
        ),
        ([version("{{not yaml")], None),
        ([], None),
        (
            [
                version("hypotheses: []\n#" + "x" * MAX_READ),
                version("hypotheses: [{claim: CE is better}]", finished_runs=4),
            ],
            None,
        ),
    ],
    ids=["there", "added-later", "seeds-added-later", "changed-later", "damaged", "no-protocol", "too-long"],
)
def test_when_a_hypothesis_was_declared(protocol, before):
    """A claim counts as declared before the runs only if a version of the file without finished runs holds it.

    Where the last version cannot be read, or an earlier one is longer than is read, when is not known.
    """
    found = judge(study({"base": 0.0, "loss-ce": 0.5}, hypotheses=[claim()], protocol=protocol))
    assert found.hypotheses[0].declared.before_runs is bool(before)
    words = verdict_prose.when_declared(found.hypotheses[0].declared)
    if before is None:
        assert words == "declared at an unknown time"
    elif before:
        assert words.startswith("declared before the first run finished (2026-01-01 10:00 UTC, study file aaaa")
    else:
        assert words.startswith("added after runs had finished")


def test_another_metric_has_no_margin():
    """A margin is one of the declared metric; asked for another metric, nothing is called equivalent."""
    found = judge(study({"base": 0.0, "loss-ce": 0.0}), choices=Choices(metric="auroc"))
    assert found.margin is None
    assert found.primary is not None
    assert found.primary.comparisons[0].verdict.label == "inconclusive"
    assert {item.metric for item in found.secondary} >= {"accuracy", "brier"}


def audit_with(*, severity="blocker", acknowledged=None, cases=()):
    finding = ScanFinding(
        code="AU001",
        severity=severity,
        title="Patients in more than one split",
        text="Two patients.",
        action="share out patients",
        case_numbers=tuple(cases),
        cases=(),
        numbers={},
        acknowledged=acknowledged,
    )
    return Audit(key="", n_cases={}, class_names=(), results=(), findings=(finding,), pictures={})


def test_a_blocker_of_the_audit_withholds_every_verdict_until_it_is_acknowledged():
    """The reason stands in the sentence; acknowledged, or as a warning, the finding withholds nothing."""
    given = study({"base": 0.0, "loss-ce": 0.5}, hypotheses=[claim()])
    found = judge(replace(given, audit=audit_with()))
    assert found.primary is not None
    assert {item.verdict.label for item in found.primary.comparisons} == {"not enough to judge"}
    assert "(AU001, patients in more than one split)" in found.primary.comparisons[0].sentence
    assert found.hypotheses[0].answer == "undecided"
    for audit in (audit_with(acknowledged="they are two"), audit_with(severity="warning")):
        assert judge(replace(given, audit=audit)).hypotheses[0].answer == "supported"


def test_the_metric_is_shown_with_and_without_the_cases_concerned():
    """Without the audit's cases the comparison is that of the other cases alone; both stand in the words."""
    given = study({"base": 0.0, "loss-ce": 0.3})
    found = judge(replace(given, audit=audit_with(acknowledged="two", cases=range(100))))
    assert found.n_leaking == 100
    assert found.without_leaks is not None
    assert found.without_leaks.n_cases == 300
    runs = run_scores(given, "test")
    assert runs is not None
    rest = runs.on_cases(np.arange(100, N))
    expected = (rest.y_pred == rest.y_true).mean(axis=1)
    assert found.without_leaks.arm("loss-ce").mean == pytest.approx(expected[5:].mean())
    said = verdict_prose.without_leaks(found)
    assert said[0].startswith("100 of the cases are known from training")
    assert "without these cases" in said[1]
    assert judge(given).without_leaks is None


def test_patients_are_what_was_sampled_where_they_are_known():
    """With two scans a patient the interval is that of the patients; with one unknown patient, of the cases."""
    patients = [f"p{k // 4}" for k in range(N)]
    known = judge(study({"base": 0.0, "loss-ce": 0.15}, patients=patients)).primary
    assert known is not None
    assert known.n_patients == 100
    assert "400 cases of 100 patients" in known.comparisons[0].sentence
    half = judge(study({"base": 0.0, "loss-ce": 0.15}, patients=[None, *patients[1:]])).primary
    assert half is not None
    assert half.n_patients is None


def test_runs_on_other_cases_are_refused():
    """Every run has to have judged the same cases."""
    given = study({"base": 0.0, "loss-ce": 0.1})
    part = given.runs[0].predictions["test"]
    other = replace(part, cases=part.cases + 1)
    broken = replace(given, runs=(replace(given.runs[0], predictions={"test": other}), *given.runs[1:]))
    with pytest.raises(InputError, match="are not those of"):
        run_scores(broken, "test")


def test_bce_and_ce_are_explained_where_nothing_else_differs():
    """The note stands where arms differ in BCE and CE alone, with two classes; what breaks exactness is named."""
    bce, ce = recipe(), recipe(loss={"name": "ce"})

    def note_on(n_classes=2, **recipes):
        typed = {name: Recipe.model_validate(settings) for name, settings in recipes.items()}
        return " ".join(verdict_prose.loss_note(typed, n_classes=n_classes))

    assert "twice as high" in note_on(base=bce, ce=ce)
    assert "the equivalence is exact" in note_on(base=bce, ce=ce)
    assert note_on(base=bce, ce={**ce, "epochs": 4}) == ""
    assert note_on(base=bce, ce=ce, n_classes=3) == ""
    assert note_on(base=bce) == ""
    clipped = {"clip_grad_norm": 1.0}
    assert "not exact: gradient clipping acts" in note_on(base=bce | clipped, ce=ce | clipped)
    decayed = {"optimizer": {"name": "adam", "lr": 1e-3, "weight_decay": 0.1}}
    assert "weight decay coupled into Adam" in note_on(base=bce | decayed, ce=ce | decayed)


def test_the_best_of_three_arms_is_said_first():
    """By label, over all arms whichever family was declared, in the JSON too; two arms have their verdict alone."""
    found = judge(study({"base": 0.0, "a": 0.1, "b": 1.2}, plans={"b": {"label": "lr = 0.01"}}))
    best = found.primary.best
    assert best.best == "b"
    assert best.sentence.startswith("Best of the 3 arms on accuracy: lr = 0.01 with ")
    assert verdict_prose.in_short(found)[0] == best.sentence
    assert found.to_dict()["primary"]["best"]["sentence"] == best.sentence
    assert best.sentence in found._repr_html_()
    withheld = judge(replace(study({"base": 0.0, "a": 0.1, "b": 1.2}), audit=audit_with())).primary.best
    assert withheld.best is None
    assert "No arm can be called best: the audit found a blocker (AU001" in withheld.sentence
    assert judge(study({"base": 0.0, "a": 0.5})).primary.best is None


def test_many_verdicts_are_counted_at_the_top():
    """The top says which arm is best, three verdicts in full and then how many there are of each."""
    shifts = {"base": 0.0, "a": 0.5, "b": 0.5, "c": 0.5, "d": 0.0}
    said = verdict_prose.in_short(judge(study(shifts)))
    assert len(said) == 5
    assert said[0].startswith("Highest accuracy so far: ")
    assert said[-1] == "Of all 4 comparisons: 3 better and 1 equivalent."


@pytest.mark.parametrize(
    ("shifts", "why"),
    [
        ({"base": 0.0, "ce": 0.6, "slow": 0.6, "both": 0.0}, "excludes 0"),
        ({"base": 0.0, "ce": 0.02, "slow": 0.02, "both": 0.04}, "wider than the size of a main effect"),
        ({"base": 0.0, "ce": 0.6, "slow": 0.6, "both": 1.4}, None),
    ],
)
def test_an_interaction_brings_the_effects_at_each_level(shifts, why):
    """Where an interaction is there, or may be as large as a main effect, simple effects stand in for main effects."""
    found = judge(two_by_two(shifts))
    assert found.primary is not None
    if why is None:
        assert (found.effects, [note for note in found.primary.notes if " x " in note]) == (None, [])
        return
    assert any(why in note for note in verdict_prose.notes_on(found.primary))
    assert found.effects is not None
    assert verdict_prose.effects_title(found.effects) == "Effects of each factor at each level of another"
    pairs = [("ce", "base"), ("both", "slow"), ("slow", "base"), ("both", "ce")]
    means = {arm.arm: arm.mean for arm in found.effects.arms}
    assert [dict(item.result.contrast.weights) for item in found.effects.comparisons] == [
        {b: -1, a: 1} for a, b in pairs
    ]
    assert [item.result.effect for item in found.effects.comparisons] == pytest.approx(
        [means[a] - means[b] for a, b in pairs]
    )
    assert found.effects.comparisons[0].name == "loss: ce - bce at optimizer.lr = 0.001"


def test_an_arm_with_one_lone_seed_spoils_its_own_comparison_only():
    """It is left out with a note; the others are judged as if it were not there, and p are adjusted over these."""
    lone = [("x", seed) for seed in range(1, 6)] + [("base", 0), ("loss-ce", 0)]
    shifts = {"base": 0.0, "loss-ce": 0.4, "x": 0.2}
    found = judge(study(shifts, seeds=range(6), skipped=lone, hypotheses=[claim(first="x")]))
    without = judge(study({k: v for k, v in shifts.items() if k != "x"}, seeds=range(1, 6)))
    assert found.primary is not None
    assert without.primary is not None
    assert [item.to_dict() for item in found.primary.comparisons] == [
        item.to_dict() for item in without.primary.comparisons
    ]
    assert any(note.startswith("x - base is not compared: arm x has one seed") for note in found.primary.notes)
    assert found.hypotheses[0].answer == "undecided"
    assert found.hypotheses[0].comparison is None


@pytest.mark.parametrize(
    ("seeds", "skipped", "there", "absent"),
    [
        (
            range(5),
            [],
            ["sample of cases, paired on seeds and cases", "cases alone and over seeds alone agree"],
            ["Hillis 2014", "one seed"],
        ),
        (
            range(6),
            [("base", 0), ("base", 1), ("base", 2), ("loss-ce", 3), ("loss-ce", 4), ("loss-ce", 5)],
            ["paired on cases alone because the arms do not share seeds (Hillis 2014)"],
            ["paired on seeds and cases", "one seed"],
        ),
        (
            [3],
            [],
            ["Where an arm has one seed, the interval accounts only for the sample of cases"],
            ["seed-to-seed", "Hillis"],
        ),
    ],
    ids=["paired", "unpaired", "one seed"],
)
def test_what_an_interval_counts_is_said_as_it_was_computed(seeds, skipped, there, absent):
    """Paired on both, on cases alone, or of one seed: over seeds and cases, or over cases alone; so in the forest."""
    found = judge(study({"base": 0.0, "loss-ce": 0.4}, seeds=seeds, skipped=skipped))
    text = " ".join(verdict_prose.what_verdicts_are(found))
    assert [words for words in there if words not in text] == []
    assert [words for words in absent if words in text] == []
    caption = forest_plot(found.primary, title="t").caption
    assert ("counting cases alone." if len(seeds) == 1 else "counting seeds and cases.") in caption


def test_identical_arms_on_a_few_cases_are_told_with_the_rule_of_three():
    """No difference in 20 cases leaves room for one in 14 % of others: 1 - 0.05^(1/20)."""
    found = judge(study({"base": 3.0, "loss-ce": 3.0}, n=20))
    assert found.primary is not None
    notes = verdict_prose.notes_on(found.primary)
    assert any("identical on this metric at every seed" in note for note in notes)
    assert any("up to 14 % of all cases" in note for note in notes)


def test_every_json_key_of_a_study_is_documented_and_no_other():
    """What `compare DIR --json` tells beside its comparisons stands in docs/commands.md, which the command adds to."""
    text = (Path(__file__).resolve().parents[3] / "docs" / "commands.md").read_text(encoding="utf-8")
    told = judge(study({"base": 0.0, "loss-ce": 0.4}, hypotheses=[claim()])).to_dict()
    for heading, keys in (("study", {"folder", *told}), ("hypothesis", set(told["hypotheses"][0]))):
        table = re.search(rf"\| key of a {heading} \| content \|\n\| --- \| --- \|\n((?:\|.*\n)+)", text)
        assert table is not None
        assert set(re.findall(r"`(\w+)`", "".join(row.split("|")[1] for row in table[1].splitlines()))) == keys


def test_a_copied_run_withholds_the_verdict_on_its_arm():
    """A run folder that was copied to another seed gives no verdict on its arm, and the others are judged."""
    found = study({"base": 0.0, "loss-ce": 0.8, "lr": 0.8})
    copied = replace(found.runs[6], key=RunKey("loss-ce", 4))
    runs = tuple(copied if run.key == RunKey("loss-ce", 4) else run for run in found.runs)
    assert {item.verdict.label for item in judge(found).primary.comparisons} == {"better"}
    first, second = judge(replace(found, runs=runs)).primary.comparisons
    assert (first.name, first.verdict.label) == ("loss-ce - base", "not enough to judge")
    assert first.verdict.reasons[0].startswith("loss-ce: seeds 1 and 4 have the same scores on every case")
    assert second.verdict.label == "better"


def test_a_difference_that_holm_alone_shows_contradicts_no_equivalence():
    """A difference is surely larger than the margin where its whole simultaneous interval lies beyond it."""
    found = judge(study({"base": 0.0, "loss-ce": 0.5}, margin=0.001)).primary.comparisons[0]
    assert found.evidence.low > 0.001
    assert _decided("equivalent", found, swapped=False) == "contradicted"
    around = replace(found, evidence=replace(found.evidence, low=-0.008))
    assert _decided("equivalent", around, swapped=False) == "undecided"


def test_two_seeds_leave_an_interaction_open():
    """Without an interval, main effects cannot be read alone: the effects at each level are shown."""
    found = judge(two_by_two({"base": 0.0, "ce": 0.4, "slow": 0.1, "both": 0.4}, seeds=range(2)))
    assert any("two seeds give no usable interval of the interaction" in note for note in found.primary.notes)
    assert found.effects is not None
    assert "(two seeds give no usable interval)" in forest_plot(found.primary, title="two seeds").alt
