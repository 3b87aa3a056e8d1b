"""A hypothesis speaks of two arms of the study."""

from __future__ import annotations

import pytest

from .conftest import FaultsOf, MakeStudy

FACTORS = "recipe: {optimizer: {name: adam, lr: 0.001}}\nfactors: {loss: [bce, ce], optimizer.lr: [1e-4]}\n"


@pytest.mark.parametrize(
    ("better", "than", "arms"),
    [
        ("{loss: ce}", "{loss: bce}", ("loss-ce", "base")),
        ("{loss: {name: ce}}", "{optimizer.lr: 1e-4}", ("loss-ce", "lr-0.0001")),
        ("{optimizer.lr: 1e-3}", "{arm: loss-ce}", ("base", "loss-ce")),
        ("{arm: loss = ce}", "{arm: base}", ("loss-ce", "base")),
        ("{loss: bce, optimizer.lr: 1e-4}", "{epochs: 30}", ("lr-0.0001", "base")),
    ],
)
def test_arms_are_found_by_what_they_set_or_by_name(
    study_with: MakeStudy, better: str, than: str, arms: tuple[str, str]
) -> None:
    """Any settings that come to an arm's recipe mean that arm."""
    study = study_with(FACTORS + f"hypotheses: [{{claim: c, better: {better}, than: {than}}}]")
    (hypothesis,) = study.hypotheses
    assert (hypothesis.claim, hypothesis.kind, hypothesis.arms) == ("c", "better", arms)


def test_equivalence_names_two_arms(study_with: MakeStudy) -> None:
    """A claim of equivalence has two arms and needs a margin."""
    text = FACTORS + "primary: {margin: 0.02}\nhypotheses: [{claim: c, equivalent: [{loss: bce}, {loss: ce}]}]"
    (hypothesis,) = study_with(text).hypotheses
    assert (hypothesis.kind, hypothesis.arms) == ("equivalent", ("base", "loss-ce"))


@pytest.mark.parametrize(
    ("claim", "path", "message", "suggestion"),
    [
        ("better: {loss: cee}, than: {loss: bce}", "hypotheses[0].better",
         "no arm has loss = 'cee'; the arms are base, loss-ce (loss = ce), lr-0.0001 (lr = 0.0001)", "ce"),
        ("better: {loss: ce, optimizer.lr: 1e-4}, than: {loss: bce}", "hypotheses[0].better",
         "no arm has loss = 'ce', optimizer.lr = 0.0001; the arms are base, loss-ce (loss = ce), "
         "lr-0.0001 (lr = 0.0001)", None),
        ("better: {los: ce}, than: {loss: bce}", "hypotheses[0].better.los",
         "the recipe has no such key; only its keys can be varied, such as loss or optimizer.lr", "loss"),
        ("better: {arm: loss-c}, than: {loss: bce}", "hypotheses[0].better.arm",
         "no arm is called 'loss-c'; the arms are base, loss-ce (loss = ce), lr-0.0001 (lr = 0.0001)", "loss-ce"),
        ("better: {arm: base, loss: ce}, than: {loss: bce}", "hypotheses[0].better",
         "arm names the whole arm; leave out the other keys", None),
        ("better: {loss: bce}, than: {arm: base}", "hypotheses[0]", "both sides are the same arm, base", None),
        ("better: {loss: bce}", "hypotheses[0]",
         "better and than go together: better: {loss: ce}, than: {loss: bce}", None),
        ("equivalent: [{loss: ce}]", "hypotheses[0].equivalent",
         "got [{'loss': 'ce'}]; expected a longer list", None),
    ],
)  # fmt: skip
def test_claims_about_no_arm_are_refused(
    faults_of: FaultsOf, claim: str, path: str, message: str, suggestion: str | None
) -> None:
    """Each claim that speaks of no arm, or of one only, has one fault with the nearest right name."""
    (fault,) = faults_of(FACTORS + f"primary: {{margin: 0.1}}\nhypotheses: [{{claim: c, {claim}}}]")
    assert (fault.path, fault.message, fault.suggestion) == (path, message, suggestion)


def test_equivalence_without_a_margin_is_refused(faults_of: FaultsOf) -> None:
    """Nothing can be equivalent without a margin."""
    (fault,) = faults_of(FACTORS + "hypotheses: [{claim: c, equivalent: [{loss: bce}, {loss: ce}]}]")
    assert fault.path == "hypotheses[0].equivalent"
    assert fault.message == "needs primary.margin, the difference below which two arms are equivalent"


def test_claims_are_checked_where_the_recipe_is_faulty(faults_of: FaultsOf) -> None:
    """A fault of the recipe hides no wrong claim, and makes no sound claim wrong."""
    text = (
        "recipe: {loss: bce, epochs: 0}\nfactors: {loss: [bce, ce]}\nhypotheses:\n"
        "  - {claim: a, better: {loss: ce}, than: {loss: bce}}\n  - {claim: b, better: {loss: c}, than: {arm: base}}\n"
    )
    assert [fault.path for fault in faults_of(text)] == ["recipe.epochs", "hypotheses[1].better"]
