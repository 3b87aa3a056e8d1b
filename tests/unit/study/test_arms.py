"""Factors become arms that differ from the base in what the factors say, and in nothing else."""

from __future__ import annotations

import pytest

from scantrial.core.errors import StudyFileError
from scantrial.recipe.spec import Recipe
from scantrial.study.file import parse_study, study_to_yaml
from scantrial.study.to_plan import study_to_plan

from .conftest import FaultsOf, MakeStudy


def arms_of(study_with: MakeStudy, text: str) -> list[tuple[str, str]]:
    return [(arm.name, arm.label) for arm in study_with(text).arms]


def test_without_factors_there_is_the_base(study_with: MakeStudy) -> None:
    """A study that varies nothing has one arm, the recipe as it stands."""
    (arm,) = study_with("recipe: {epochs: 3}").arms
    assert (arm.name, arm.factor, arm.level, dict(arm.settings)) == ("base", None, None, {})
    assert arm.recipe == Recipe(epochs=3)


def test_one_at_a_time_is_the_base_and_each_other_level(study_with: MakeStudy) -> None:
    """A level equal to the base's, however it is written, is the base itself."""
    text = """
        recipe: {optimizer: {name: adam, lr: 0.001}}
        factors:
          optimizer.lr: [1e-4, 1e-3]
          loss: [{name: bce}, ce]
    """
    assert arms_of(study_with, text) == [("base", "base"), ("lr-0.0001", "lr = 0.0001"), ("loss-ce", "loss = ce")]
    arm = study_with(text).arms[1]
    assert (arm.factor, arm.level, dict(arm.settings)) == ("optimizer.lr", 0.0001, {"optimizer.lr": 0.0001})


def test_listed_arms_in_other_scripts_keep_their_letters(study_with: MakeStudy) -> None:
    """A slug has Latin letters only: where it would be empty, or two would be alike, the arm's own letters are taken."""
    text = """
        design:
          - {arm: 交叉熵 损失, set: {loss: ce}}
          - {arm: سمين, set: {epochs: 3}}
          - {arm: 方案 A, set: {epochs: 4}}
          - {arm: 对照 A, set: {epochs: 5}}
          - {arm: Größe, set: {epochs: 6}}
    """
    named = arms_of(study_with, text)
    assert [name for name, _ in named] == ["base", "交叉熵-损失", "سمين", "a", "对照-a", "gr-e"]
    assert named[1] == ("交叉熵-损失", "交叉熵 损失")


def test_the_base_of_one_factor_says_its_level(study_with: MakeStudy) -> None:
    """Where one factor is varied, the base's label tells the level it has, given or by default."""
    assert arms_of(study_with, "factors: {epochs: [10]}")[0] == ("base", "epochs = 30 (base)")
    assert arms_of(study_with, "factors: {model: [mlp-32x3]}")[0] == ("base", "model = mlp-256 (base)")


@pytest.mark.parametrize(
    ("factor", "name", "label"),
    [
        ("batch_size: [16]", "batch_size-16", "batch_size = 16"),
        ("model.activation: [LeakyReLU]", "activation-leakyrelu", "activation = LeakyReLU"),
        ("model.activation: [{name: LeakyReLU, negative_slope: 0.1}]", "activation-leakyrelu-negative-slope-0.1",
         "activation = LeakyReLU (negative_slope 0.1)"),
        ("optimizer.betas: [[0.8, 0.9]]", "betas-0.8-0.9", "betas = [0.8, 0.9]"),
        ("clip_grad_norm: [1, null]", "clip_grad_norm-1", "clip_grad_norm = 1"),
        ("loss.name: [ce]", "loss-ce", "loss = ce"),
        ("optimizer.lr: [1e-5]", "lr-1e-05", "lr = 1e-05"),
        ("train_eval: [true]", "train_eval-true", "train_eval = true"),
        ("schedule: [cosine-stepped-per-epoch]", "schedule-cosine-stepped-per-epoch",
         "schedule = cosine-stepped-per-epoch"),
    ],
)  # fmt: skip
def test_names_and_labels(study_with: MakeStudy, factor: str, name: str, label: str) -> None:
    """An arm is called by the end of its factor's key and its level, as a slug; its label is for people."""
    assert arms_of(study_with, f"factors: {{{factor}}}")[1] == (name, label)


def test_factors_with_the_same_end_are_called_in_full(study_with: MakeStudy) -> None:
    """Two factors that end alike are told apart by their whole keys."""
    text = "recipe: {schedule: step}\nfactors: {loss.name: [ce], loss: [{name: bce, focal_gamma: 2}]}"
    assert [name for name, _ in arms_of(study_with, text)] == ["base", "loss.name-ce", "loss-bce-focal-gamma-2"]


def test_factorial_is_all_combinations(study_with: MakeStudy) -> None:
    """Every combination of levels, the base's own among them; an arm is named by what differs from the base."""
    study = study_with("factors: {loss: [bce, ce], optimizer.lr: [1e-4, 1e-2]}\ndesign: factorial")
    assert [arm.name for arm in study.arms] == [
        "base", "lr-0.0001", "lr-0.01", "loss-ce", "loss-ce_lr-0.0001", "loss-ce_lr-0.01",
    ]  # fmt: skip
    last = study.arms[-1]
    assert (last.recipe.loss.name, last.recipe.optimizer.lr, last.factor) == ("ce", 0.01, None)
    assert last.label == "loss = ce, lr = 0.01"


def test_a_list_of_arms(study_with: MakeStudy) -> None:
    """Arms may be listed with settings of their own; the base comes first."""
    study = study_with("design:\n  - {arm: Tanhshrink 4, set: {model.activation: Tanhshrink, rounds: 4}}\n")
    base, other = study.arms
    assert (base.name, other.name, other.label) == ("base", "tanhshrink-4", "Tanhshrink 4")
    assert other.recipe == Recipe(model={"name": "mlp-256", "activation": "Tanhshrink"}, rounds=4)
    assert study.arm("tanhshrink-4") is other


def test_a_setting_changes_one_thing(study_with: MakeStudy) -> None:
    """A sub-key keeps its neighbours, a part replaces the whole part."""
    text = """
        recipe: {model: {name: mlp-256, activation: Tanh}, optimizer: {name: sgd, lr: 0.1, momentum: 0.9}}
        factors: {model: [mlp-64x3], model.dropout: [0.2], optimizer.lr: [0.2], optimizer: [adam]}
    """
    by_name = {arm.name: arm.recipe for arm in study_with(text).arms}
    base = by_name["base"]
    assert by_name["model-mlp-64x3"].model == Recipe(model={"name": "mlp-64x3"}).model
    assert by_name["dropout-0.2"].model == base.model.model_copy(update={"dropout": 0.2})
    assert by_name["lr-0.2"].optimizer == base.optimizer.model_copy(update={"lr": 0.2})
    assert by_name["optimizer-adam"].optimizer == Recipe().optimizer
    for name, part in [("dropout-0.2", "optimizer"), ("lr-0.2", "model"), ("optimizer-adam", "model")]:
        assert getattr(by_name[name], part) == getattr(base, part)


def test_a_bare_name_grows_keys_where_a_setting_needs_them(study_with: MakeStudy) -> None:
    """A sub-key of a part that is a bare name, or not there at all, is set beside its name."""
    study = study_with("recipe: {loss: ce}\nfactors: {loss.focal_gamma: [2], optimizer.lr: [0.5]}")
    assert (study.arms[1].recipe.loss.name, study.arms[1].recipe.loss.focal_gamma) == ("ce", 2.0)
    assert (study.arms[2].recipe.optimizer.name, study.arms[2].recipe.optimizer.lr) == ("adam", 0.5)


def test_a_varied_name_keeps_what_was_given_and_brings_its_own_defaults(study_with: MakeStudy) -> None:
    """A rate that the file gives holds for every optimiser; one that it does not is each one's own."""
    own = study_with("factors: {optimizer.name: [sgd]}").arms[1].recipe.optimizer
    given = study_with("recipe: {optimizer: {name: adam, lr: 0.2}}\nfactors: {optimizer.name: [sgd]}")
    assert own.lr == 0.01
    assert given.arms[1].recipe.optimizer.lr == 0.2


@pytest.mark.parametrize(
    ("text", "path", "message"),
    [
        ("factors: {loss: [ce, ce]}", "factors.loss[1]", "the level 'ce' is listed twice"),
        ("factors: {loss: [ce, {name: ce}]}", "factors.loss[1]", "the level {'name': 'ce'} is listed twice"),
        ("factors: {optimizer.momentum: [0.1]}", "factors.optimizer.momentum[0]",
         "does not belong to adam; it belongs to sgd"),
        ("factors: {loss: [{name: ce, label_smoothing: 2}]}", "factors.loss[0].label_smoothing",
         "got 2; expected below 1"),
        ("recipe: {model: cnn}\nfactors: {model.hidden: [[3]]}", "factors.model.hidden[0]",
         "cnn has no hidden sizes to set"),
        ("factors: {epochs.x: [3]}", "factors.epochs.x",
         "the recipe has no such key; only its keys can be varied, such as loss or optimizer.lr"),
        ("factors: {data.image: [3]}", "factors.data.image",
         "the recipe has no such key; only its keys can be varied, such as loss or optimizer.lr"),
        ("factors: {loss: [ce], loss.name: [ce]}", "factors.loss.name[0]",
         "the arm loss.name-ce has the same settings as loss-ce"),
        ("factors: {loss: [ce], loss.name: [ce]}\ndesign: factorial", "factors",
         "loss and loss.name overlap: one would override the other"),
        ("factors: {loss: [ce]}\ndesign: [{arm: a, set: {epochs: 3}}]", "factors",
         "factors and a list of arms cannot be combined: move the settings of the factors into the arms"),
        ("design: [{arm: Base, set: {epochs: 3}}]", "design[0].arm",
         "the name base is reserved for the unchanged recipe"),
        ("recipe: {model: \"a:B\"}\nfactors: {model.args.a b: [1]}", "factors.model.args.a b[0]",
         "no folder is called 'a b-1': use a list of named arms"),
        ("design: [{arm: a b, set: {epochs: 3}}, {arm: a-b, set: {epochs: 4}}]", "design[1].arm",
         "two arms are called a-b: a b, and a-b; use a list of named arms"),
        (f"design: [{{arm: {'炎' * 40}, set: {{epochs: 3}}}}]", "design[0].arm",
         "the arm's name has 120 bytes: use a list of named arms with shorter names"),
        ("design: [{arm: a, set: {epochs: 30}}]", "design[0].arm",
         "the arm a has the same settings as base"),
        ("design: [{arm: a, set: {epoch: 3}}]", "design[0].set.epoch",
         "the recipe has no such key; only its keys can be varied, such as loss or optimizer.lr"),
        ("design: [{arm: a, set: {loss: bec}}]", "design[0].set.loss", "got 'bec'; expected 'bce' or 'ce'"),
        ("design: [{arm: a, set: {loss: ce, loss.focal_gamma: 1}}]", "design[0].set",
         "loss and loss.focal_gamma overlap: one would override the other"),
        (f"factors: {{epochs: {list(range(1, 300))}, batch_size: {list(range(1, 300))}}}", "factors",
         "596 levels in all; a study has at most 500 arms"),
        (f"factors: {{epochs: {list(range(1, 600))}}}", "factors.epochs", "599 levels; a study has at most 500 arms"),
        (f"factors: {{epochs: {list(range(1, 40))}, batch_size: {list(range(1, 40))}}}\ndesign: factorial", "factors",
         "1,521 combinations; a study has at most 500 arms"),
        ("recipe: {optimizer: {name: sgd, momentum: 0.5, nesterov: true}}\nfactors: {optimizer.momentum: [0.0]}",
         "factors.optimizer.momentum[0]", "nesterov needs momentum above 0"),
    ],
)  # fmt: skip
def test_arms_that_cannot_be_are_refused(faults_of: FaultsOf, text: str, path: str, message: str) -> None:
    """Each impossible arm has one fault, at the setting that makes it so."""
    (fault,) = faults_of(text)
    assert (fault.path, fault.message) == (path, message)


def test_a_fault_of_the_base_is_not_repeated_for_every_level(faults_of: FaultsOf) -> None:
    """What is wrong with the recipe is said once, and the levels' own faults beside it."""
    faults = faults_of("recipe: {epochs: 0}\nfactors: {loss: [bce, ce, cee], optimizer.lr: [1, -1]}")
    assert [fault.path for fault in faults] == ["recipe.epochs", "factors.loss[2]", "factors.optimizer.lr[1]"]


def test_levels_are_reported_on_their_own_lines(faults_of: FaultsOf) -> None:
    """Each level of a factor knows its line."""
    faults = faults_of("factors:\n  loss:\n    - bce\n    - be\n    - c\n")
    assert [fault.line for fault in faults] == [6, 7]


def test_a_combination_that_cannot_be_is_refused_once(faults_of: FaultsOf) -> None:
    """Where levels are sound alone but not together, the first such combination is named."""
    text = """
        recipe: {optimizer: {name: sgd, momentum: 0.5}}
        factors: {optimizer.momentum: [0.0], optimizer.nesterov: [true], loss: [ce]}
        design: factorial
    """
    (fault,) = faults_of(text)
    assert fault.message == "the arm momentum-0.0_nesterov-true: nesterov needs momentum above 0"


def test_a_size_that_is_the_studys_own_is_the_base(study_with: MakeStudy) -> None:
    """However `data.image.size` and the level are written: equal images are one arm, with the recipe of no size."""
    text = "factors: {image.size: [64, 112, [32, 48]]}"
    study = study_with(text, sets=["data.image.size=[64, 64]"])
    assert [arm.label for arm in study.arms] == ["size = [64, 64] (base)", "size = 112", "size = [32, 48]"]
    assert study.arms[0].recipe.image is None
    given = study_with(text, sets=["data.image.size=64", "recipe.image.size=64"])
    assert [arm.recipe for arm in given.arms] == [arm.recipe for arm in study.arms]
    assert arms_of(study_with, "factors: {image.size: [64]}") == [
        ("base", "size = as in the files (base)"),
        ("size-64", "size = 64"),
    ]


def test_what_changes_no_image_is_the_base(study_with: MakeStudy) -> None:
    """No crop, no clipping and CLAHE with its usual settings are spelt in several ways, and are one recipe each."""
    text = """
        recipe: {normalize: {name: clahe, clip_limit: 2}, image: {}}
        factors:
          normalize: [clahe, {name: clahe, tiles: 8}]
          image.crop_border: [0, 0.05]
          image.clip_percentiles: [none, [1, 99]]
    """
    with pytest.raises(StudyFileError, match="is listed twice"):
        study_with(text)
    study = study_with(text.replace("{name: clahe, tiles: 8}", "none"))
    assert [arm.name for arm in study.arms] == ["base", "normalize-none", "crop_border-0.05", "clip_percentiles-1-99"]
    assert study.arms[0].recipe == Recipe(normalize="clahe")
    assert parse_study(study_to_yaml(study)) == study


@pytest.mark.parametrize(
    ("text", "path", "message"),
    [
        ("recipe: {image: {size: 0}}", "recipe.image.size", "got 0; expected at least 4"),
        ("factors: {image.size: [64, 5000]}", "factors.image.size[1]", "got 5000; expected at most 4,096"),
        ("recipe: {image: {crop_border: 0.5}}", "recipe.image.crop_border", "got 0.5; expected at most 0.4"),
        ("recipe: {image: {clip_percentiles: [99, 1]}}", "recipe.image.clip_percentiles",
         "got [99, 1]; expected the lower percentile first, such as [1, 99]"),
        ("factors: {image.clip_percentiles: [[1, 101]]}", "factors.image.clip_percentiles[0][1]",
         "got 101; expected at most 100"),
        ("factors: {image.size: [64, [64, 64]]}", "factors.image.size[1]", "the level [64, 64] is listed twice"),
        ("recipe: {normalize: {name: clahe, clip_limit: 0}}", "recipe.normalize.clip_limit",
         "got 0; expected at least 1"),
        ("recipe: {normalize: {clip_limit: 3}}", "recipe.normalize.name",
         "is missing; expected one of 'clahe'"),
        ("factors: {normalize.clip_limit: [3]}", "factors.normalize.clip_limit[0]", "got 'none'; expected 'clahe'"),
    ],
)  # fmt: skip
def test_images_that_cannot_be_are_refused(faults_of: FaultsOf, text: str, path: str, message: str) -> None:
    """Sizes, crops, percentiles and settings of CLAHE out of bounds are faults at their place."""
    (fault,) = faults_of(text)
    assert (fault.path, fault.message) == (path, message)


def test_settings_of_clahe_are_told_beside_bare_names(study_with: MakeStudy) -> None:
    """Where an arm has settings of CLAHE, the table of arms has a column for each setting, not one for both spellings."""
    study = study_with("recipe: {normalize: clahe}\nfactors: {normalize.clip_limit: [2, 4]}")
    assert [arm.label for arm in study.arms] == ["clip_limit = 2.0 (base)", "clip_limit = 4"]
    differing = study_to_plan(study).differing()
    assert differing == {"base": {"normalize.clip_limit": 2.0}, "clip_limit-4": {"normalize.clip_limit": 4.0}}
