"""The studies that come with scantrial ask what the two reports asked."""

from __future__ import annotations

import pytest

from scantrial.core.errors import InputError
from scantrial.study import builtin
from scantrial.study.file import parse_study, read_study_file, study_to_yaml
from scantrial.study.study import Study

REPORTS = {
    "report-a-loss": ("mlp-256", {"base": "bce", "loss-ce": "ce"}),
    "report-a-learning-rate": ("mlp-64x3", {"base": 1e-3, "lr-0.0001": 1e-4, "lr-0.0005": 5e-4, "lr-0.01": 1e-2}),
    "report-a-epochs": ("mlp-64x3", {"base": 30, "epochs-10": 10, "epochs-50": 50, "epochs-100": 100}),
    "report-b-depth": ("mlp-256", {"base": "mlp-256", "model-mlp-32x3": "mlp-32x3"}),
    "report-b-loss": ("mlp-256", {"base": "bce", "loss-ce": "ce"}),
    "report-b-batch-size": ("mlp-256", {"base": 32, "batch_size-16": 16, "batch_size-64": 64}),
    "report-b-activation": ("mlp-256", {"base": "ReLU", "leakyrelu": "LeakyReLU", "tanhshrink": "Tanhshrink"}),
}
VARIED = {
    "loss": lambda recipe: recipe.loss.name,
    "learning-rate": lambda recipe: recipe.optimizer.lr,
    "epochs": lambda recipe: recipe.epochs,
    "depth": lambda recipe: recipe.model.name,
    "batch-size": lambda recipe: recipe.batch_size,
    "activation": lambda recipe: recipe.model.activation.name,
}


QUESTIONS = (
    "augmentation",
    "best-radiograph",
    "class-sampling",
    "ensemble",
    "equalization",
    "network-depth",
    "precision",
    "pretrained",
)


def test_there_are_both_reports_the_questions_and_the_demo() -> None:
    """Every part of the reports has its study, every question that people ask, and there is the demo."""
    assert builtin.builtin_names() == tuple(sorted([*REPORTS, *QUESTIONS, "demo"]))


@pytest.mark.parametrize("name", QUESTIONS)
def test_a_question_is_asked_with_five_seeds_and_a_margin(name: str) -> None:
    """On the official test scans; no patient's number stands in training and in test, and arms differ as asked."""
    study = read_study_file(name)
    assert (study.spec.data.source.name, study.spec.data.split.test, study.spec.data.split.by) == (
        "chest-xray",
        "given",
        "patient",
    )
    assert len(study.seeds) >= 5
    assert study.spec.primary.margin
    base = study.arms[0].recipe.to_dict()
    for arm in study.arms[1:]:
        other = arm.recipe.to_dict()
        assert {key for key in {*base, *other} if base.get(key) != other.get(key)} == {
            key.split(".")[0] for key in arm.settings
        }


@pytest.mark.parametrize("name", REPORTS)
def test_a_report_study_trains_what_the_report_trained(name: str) -> None:
    """Network, arms, data, optimiser, schedule, selection and measure are the reports'."""
    study = read_study_file(name)
    model, arms = REPORTS[name]
    value = VARIED[name.split("-", 2)[2]]
    assert {arm.name: value(arm.recipe) for arm in study.arms} == arms
    recipe, data = study.arms[0].recipe, study.spec.data
    assert (recipe.model.name, recipe.optimizer.name, recipe.optimizer.lr) == (model, "adam", 1e-3)
    assert (recipe.schedule.name, recipe.select.name, recipe.batch_size) == (
        "cosine-stepped-per-epoch",
        "best-val-loss",
        32,
    )
    assert (data.source.name, data.image.shape, data.image.channels) == ("chest-xray", (256, 256), 1)
    assert (data.split.train, data.split.val, data.split.test, data.split.per) == (800, 200, 200, "class")
    assert (study.spec.primary.metric, study.spec.primary.margin) == ("accuracy", 0.02)
    assert len(study.seeds) == (10 if name == "report-a-loss" else 5)
    assert study.hypotheses


def test_arms_differ_only_in_what_is_asked() -> None:
    """Beside the factor nothing differs; Tanhshrink alone has a fourth round, as in the report."""
    for name in REPORTS:
        study = read_study_file(name)
        base = study.arms[0].recipe.to_dict()
        for arm in study.arms[1:]:
            other = arm.recipe.to_dict()
            changed = {key for key in base if base[key] != other[key]}
            assert changed == {key.split(".")[0] for key in arm.settings}
    rounds = [arm.recipe.rounds for arm in read_study_file("report-b-activation").arms]
    assert rounds == [3, 3, 4]


@pytest.mark.parametrize("name", ["report-b-loss", "report-b-batch-size", "report-b-activation"])
def test_report_b_trains_in_rounds(name: str) -> None:
    """Where the report continued training, the study has three rounds of thirty epochs."""
    recipe = read_study_file(name).arms[0].recipe
    assert (recipe.rounds, recipe.epochs) == (3, 30)


def test_the_demo_is_small() -> None:
    """The demo has two arms, three seeds, and drawn scans, few enough for seconds."""
    study = read_study_file("demo")
    assert ([arm.name for arm in study.arms], study.seeds) == (["base", "loss-ce"], (0, 1, 2))
    assert study.spec.data.source.name == "phantom"
    assert study.spec.recipe.epochs * study.spec.data.source.options["n_cases"] <= 50_000


@pytest.mark.parametrize("name", builtin.builtin_names())
def test_each_file_tells_a_student_what_it_asks(name: str) -> None:
    """A file begins with words, its question can be listed, and it reads back equal when written whole."""
    text = builtin.path(name).read_text(encoding="utf-8")
    assert len([line for line in text.splitlines() if line.startswith("#")]) >= 5
    assert max(map(len, text.splitlines())) <= 120
    if name not in ("demo", "best-radiograph"):
        assert "224 x 224" in text
    study: Study = read_study_file(name)
    assert builtin.builtin_title(name) == study.spec.study
    assert study.spec.study.endswith("?")
    assert parse_study(study_to_yaml(study)) == study


def test_an_unknown_builtin_is_refused_with_the_nearest() -> None:
    """Asking for a study that is not there names the nearest."""
    with pytest.raises(InputError, match="did you mean 'report-b-depth'"):
        builtin.path("report-b-dept")
