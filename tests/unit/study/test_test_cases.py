"""A study's test cases, comparisons, pilot and time, before anything is trained."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.studies import rewrite

from scantrial import api
from scantrial.analysis.comparison import compare
from scantrial.analysis.power import from_components
from scantrial.api.trial import execution_of
from scantrial.core.errors import DataError, InputError
from scantrial.data.load import list_cases, load
from scantrial.data.splits import apply_split
from scantrial.recipe.spec import Recipe
from scantrial.store.schema import write_json
from scantrial.study.costs import cost_key
from scantrial.study.file import read_study_file
from scantrial.study.test_cases import count_test_cases, design_of, pilot_basis, planned_effects, planned_pairs
from scantrial.study.timing import measure_time, time_from_pilot
from scantrial.study.to_plan import study_to_plan

STUDY = """
study: Which loss?
data:
  source: {name: phantom, n_cases: 240, size: 32, images_per_patient: %d}
  split: {test: given, val: 0.25}
recipe: {model: {name: mlp, hidden: [8]}, loss: bce, epochs: 5, rounds: 2}
factors: {loss: [bce, ce], optimizer.lr: [0.01]}
design: %s
seeds: 4
primary: {metric: accuracy, margin: 0.05}
hypotheses:
  - {claim: CE beats a high rate, better: {loss: ce}, than: {optimizer.lr: 0.01}}
"""


def study_of(tmp_path: Path, *, images: int = 1, design: str = "one-at-a-time", text: str | None = None):
    path = tmp_path / "study.yaml"
    path.write_text(text or STUDY % (images, design))
    return read_study_file(path)


# ---------------------------------------------------------------------- test cases


def test_listing_counts_what_loading_gives(tmp_path):
    """Cases listed without decoding are split exactly as the decoded ones are."""
    data = study_of(tmp_path, images=3).spec.data
    listed = apply_split(list_cases(data.source), data.split)
    loaded = apply_split(load(data.source, image=data.image), data.split)
    assert listed.split.tolist() == loaded.split.tolist()
    assert listed.labels.tolist() == loaded.labels.tolist()
    assert listed.patients == loaded.patients
    assert listed.sources == loaded.sources


def test_the_real_scans_are_counted_without_decoding(chest_xray):
    """report-a-loss has 200 test scans of each class, of 274 patients by their files' names."""
    cases, notes = count_test_cases(read_study_file("report-a-loss"))
    assert dict(cases.by_class) == {"NORMAL": 200, "PNEUMONIA": 200}
    assert (cases.n_train, cases.n_patients, notes) == (1600, 274, ())


def test_scans_of_one_patient_count_less(tmp_path):
    """Patients with m scans each are worth as many cases as there are patients."""
    cases, _ = count_test_cases(study_of(tmp_path, images=4))
    assert cases.n_patients is not None
    assert cases.n_patients < cases.n
    assert cases.n_independent == pytest.approx(cases.n / 4, rel=0.1)
    assert sum(cases.independent_by_class) == pytest.approx(cases.n_independent, rel=0.1)


def test_another_number_of_cases_keeps_their_kind(tmp_path):
    """``n_cases`` scales classes and patients and adds up."""
    cases, _ = count_test_cases(study_of(tmp_path, images=4), n_cases=401)
    whole, _ = count_test_cases(study_of(tmp_path, images=4))
    assert cases.n == 401
    assert cases.n_independent / 401 == pytest.approx(whole.n_independent / whole.n)
    for name, n in whole.by_class.items():
        assert abs(cases.by_class[name] - 401 * n / whole.n) < 1


def test_scans_that_are_not_here_are_counted_as_the_split_states(tmp_path, monkeypatch):
    """Whole numbers in the split are enough; the note says what was taken."""
    monkeypatch.setenv("SCANTRIAL_DATA", str(tmp_path))
    cases, notes = count_test_cases(read_study_file("report-a-loss"))
    assert dict(cases.by_class) == {"class 0": 200, "class 1": 200}
    assert cases.n_train is None
    assert len(notes) == 1
    assert notes[0].startswith("The scans could not be listed (")
    assert notes[0].endswith("counted as in the split, 200 of each class; two classes are assumed.")


def test_scans_that_are_not_here_and_not_counted_are_asked_for(tmp_path, monkeypatch):
    """With fractions nothing is known without the scans: the error says to give a number, which then does."""
    monkeypatch.setenv("SCANTRIAL_DATA", str(tmp_path))
    study = read_study_file("report-a-loss", sets=["data.split={train: 0.7, val: 0.15, test: 0.15}"])
    with pytest.raises(DataError, match="chest-xray") as caught:
        count_test_cases(study)
    assert "--n-cases N" in (caught.value.do or "")
    cases, notes = count_test_cases(study, n_cases=301)
    assert list(cases.by_class.values()) == [151, 150]
    assert "as requested, split evenly; two classes are assumed" in notes[0]


def test_a_fault_of_scans_that_are_here_is_told(chest_xray):
    """More test cases of a class than there are is a fault of the study: no count is made up for it."""
    study = read_study_file("report-a-loss", sets=["data.split.test=2000"])
    assert chest_xray.is_dir()
    with pytest.raises(DataError, match="2000 cases asked for"):
        count_test_cases(study, n_cases=400)


def test_a_number_of_cases_that_cannot_be_is_refused(tmp_path):
    """One case has no spread."""
    with pytest.raises(InputError, match="--n-cases 1"):
        count_test_cases(study_of(tmp_path), n_cases=1)


# ---------------------------------------------------------------------- comparisons


def test_one_at_a_time_compares_with_the_base_and_as_hypotheses_say(tmp_path):
    """Two arms against the base, and the pair of the hypothesis."""
    study = study_of(tmp_path)
    assert planned_pairs(study) == (("base", "loss-ce"), ("base", "lr-0.01"), ("loss-ce", "lr-0.01"))
    design = design_of(study, count_test_cases(study)[0])
    assert (design.n_arms, design.n_comparisons, design.n_seeds, design.margin) == (3, 3, 4, 0.05)


def test_a_factorial_study_is_judged_on_effects_and_claims(tmp_path):
    """Two factors of two levels: two main effects, their interaction, and the pair of the hypothesis."""
    study = study_of(tmp_path, design="factorial")
    assert len(planned_effects(study)) == 3
    assert planned_pairs(study) == (("loss-ce", "lr-0.01"),)
    assert design_of(study, count_test_cases(study)[0]).n_comparisons == 4
    assert any(note.startswith("Effects of factors are means over arms") for note in api.plan(study).notes)


def test_a_list_of_arms_is_compared_with_its_base():
    """report-b-activation: two arms against the base, which its hypotheses name as well."""
    assert planned_pairs(read_study_file("report-b-activation")) == (("base", "leakyrelu"), ("base", "tanhshrink"))


@pytest.mark.parametrize("design", ["one-at-a-time", "factorial"])
def test_the_report_makes_the_comparisons_that_were_planned(tmp_path, make_study, design):
    """For one and the same study the verdicts are adjusted for as many comparisons as the plan counts."""
    study = study_of(tmp_path, design=design)
    settings = {
        arm.name: {key: value for key, value in arm.recipe.to_dict().items() if key in ("loss", "optimizer")}
        for arm in study.arms
    }
    folder = make_study(arms=settings, n_cases={"train": 12, "val": 8, "test": 60})
    write_json(folder.path / "plan.json", study_to_plan(replace(study, seeds=(0, 1, 2))).to_dict())
    found = api.compare(folder.path).primary
    assert found is not None
    assert len(found.comparisons) == design_of(study, count_test_cases(study)[0]).n_comparisons


# ---------------------------------------------------------------------- a pilot


def test_a_pilot_gives_the_comparisons_own_components(make_study):
    """The basis is `compare`'s variance components on the same scores; the reading of test rows is logged."""
    folder = make_study(n_cases={"train": 12, "val": 8, "test": 60})
    basis = pilot_basis(folder, "accuracy")
    openings = folder.test_openings()
    assert (openings[-1].by, openings[-1].purpose) == (
        "plan",
        "spreads over seeds and cases, as a pilot of another study",
    )
    scores = folder.open_predictions(folder.run_keys(), ["test"], by="test", purpose="check")
    found = compare(
        next(iter(scores.values()))[0].y_true,
        np.stack([parts[0].y_prob for parts in scores.values()]),
        arms=[key.arm for key in scores],
        seeds=[key.seed for key in scores],
    )
    assert found.components is not None
    assert basis.variances == from_components(found.components, source=basis.source)
    assert basis.cautious is not None
    assert basis.cautious.var_arm_seed >= basis.variances.var_arm_seed
    assert basis.source == f"pilot {folder.path.name}: 2 arms x 3 seeds on 60 test cases"


def test_a_pilot_of_one_seed_is_refused(make_study):
    """One seed shows no spread over seeds."""
    with pytest.raises(InputError, match="not have two evaluated arms with 3 seeds in common"):
        pilot_basis(make_study(seeds=(0,)), "accuracy")


# ---------------------------------------------------------------------- time


def timed(folder):
    """Write into each run how long it trained: 3 s and a bit more for each seed."""
    for path in folder.path.glob("runs/*/seed-*/run.json"):
        facts = json.loads(path.read_text())
        rewrite(folder, path, json.dumps({**facts, "times": {"train_s": 3.0 + 0.6 * facts["seed"]}}))
    return folder


def test_time_from_a_pilot_is_of_the_same_recipe(tmp_path, make_study):
    """Seconds of an epoch come from runs that differ in rate and length alone; other arms stay unknown."""
    folder = timed(make_study())
    study = study_of(tmp_path)
    recipe = folder.plan().arms[0].recipe
    longer = recipe.model_copy(update={"epochs": 50})
    arms = (replace(study.arms[0], recipe=longer), study.arms[1])
    found = time_from_pilot(replace(study, arms=arms), folder, n_train=None)
    expected = (3.0 + 3.6 + 4.2) / 3 / 6  # three seeds of six epochs
    assert found.arms[0].epoch_s == pytest.approx(expected)
    assert found.arms[0].run_s == pytest.approx(50 * expected)
    assert found.arms[1].epoch_s is None
    assert found.total_s is None


def test_more_training_cases_take_longer(tmp_path, make_study):
    """Times are scaled to the planned number of training cases, and that is said."""
    folder = timed(make_study())
    arm = replace(study_of(tmp_path).arms[0], recipe=folder.plan().arms[0].recipe)
    study = replace(study_of(tmp_path), arms=(arm,))
    once, twice = (time_from_pilot(study, folder, n_train=n) for n in (12, 24))
    assert once.total_s is not None
    assert twice.total_s == pytest.approx(2 * once.total_s)
    assert "scaled by 2 for the number of training cases" in twice.source


def test_a_rate_costs_nothing_a_batch_does():
    """Recipes that differ in rate, schedule or length share a time; batch size, network and loss do not."""
    base = Recipe()
    assert cost_key(base) == cost_key(Recipe(epochs=3, schedule="cosine", optimizer={"name": "adam", "lr": 0.5}))
    for other in ({"batch_size": 8}, {"model": "mlp-64x3"}, {"loss": "ce"}, {"optimizer": "sgd"}):
        assert cost_key(base) != cost_key(Recipe(**other))


def test_timing_trains_two_epochs_of_each_recipe_and_no_test_row(tmp_path, monkeypatch):
    """Two recipes of different cost are timed; the engine never gets a test case and leaves nothing behind."""
    study = study_of(tmp_path)
    scans = api.load_scans(study.spec.data)
    told: list[tuple[str, int, int]] = []
    found = measure_time(
        study,
        scans,
        replace(execution_of(study, None, {}), threads=1),
        progress=lambda what, done, total: told.append((what, done, total)),
    )
    assert told == [("timing recipes", 1, 2), ("timing recipes", 2, 2)]
    assert [arm.n_epochs for arm in found.arms] == [10, 10, 10]
    assert found.arms[0].epoch_s == found.arms[2].epoch_s
    assert found.total_s is not None
    assert found.total_s > 0
    assert "the second of two epochs of each recipe, measured on this machine: cpu, 1 thread" in found.source
    assert [path.name for path in tmp_path.iterdir()] == ["study.yaml"]
