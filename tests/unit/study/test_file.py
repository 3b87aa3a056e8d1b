"""A study file is found, read, changed from the command line, and written back whole."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from scantrial.core.errors import InputError, StudyFileError
from scantrial.recipe.spec import Recipe
from scantrial.study.builtin import builtin_names
from scantrial.study.file import parse_study, read_study_file, study_to_yaml
from scantrial.study.to_plan import study_to_plan

from .conftest import HEAD, FaultsOf, MakeStudy


def test_a_file_knows_where_it_stands(tmp_path: Path) -> None:
    """Relative paths start from the file's folder, and the study is called after the file."""
    path = tmp_path / "my-trial.yaml"
    path.write_text(HEAD)
    study = read_study_file(path)
    assert (study.name, study.source_path, study.base) == ("my-trial", path, tmp_path)
    assert study.seeds == (0, 1, 2, 3, 4)


def test_a_byte_order_mark_is_no_fault(tmp_path: Path) -> None:
    """A file saved with a byte order mark reads like one without."""
    path = tmp_path / "s.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + HEAD.encode())
    assert read_study_file(str(path)).spec.study == "Which?"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty; it needs at least study and data"),
        (b"study: \xff\n", "not UTF-8 text (byte 0xff); save it as UTF-8"),
        ("study: é".encode("utf-16"), "not UTF-8 text (byte 0xff); save it as UTF-8"),
        (b"\x89PNG\r\n\x1a\n\x00", "not UTF-8 text (byte 0x89); save it as UTF-8"),
        (b"- a\n- b\n", "got ['a', 'b']; expected keys with values, such as study and data"),
        (b"just words\n", "got 'just words'; expected keys with values, such as study and data"),
        (b"x" * 600_000, "512,001 characters; a study file has at most 128,000"),
    ],
)
def test_what_is_no_study_file_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    """Whatever is in the file, the answer is one sentence that names the file."""
    path = tmp_path / "s.yaml"
    path.write_bytes(content)
    with pytest.raises(StudyFileError, match=r"s\.yaml has 1 fault") as caught:
        read_study_file(path)
    assert caught.value.faults[0].message == message


def test_an_unknown_name_meets_the_nearest_builtin() -> None:
    """A misspelt built-in is answered with the right one and the list of all."""
    with pytest.raises(InputError) as caught:
        read_study_file("report-a-los")
    assert "did you mean 'report-a-loss'?" in str(caught.value)
    assert ", ".join(builtin_names()) in str(caught.value)


@pytest.mark.parametrize("name", ["", "a\x00b", "x" * 5000, "~nobody/x.yaml", "no/such/file.yaml"])
def test_names_that_are_no_paths_are_refused(name: str) -> None:
    """No name brings the reader down."""
    with pytest.raises(InputError):
        read_study_file(name)


def test_a_folder_is_no_study_file(tmp_path: Path) -> None:
    """A folder is refused as such."""
    with pytest.raises(InputError, match="is a folder"):
        read_study_file(tmp_path)


def test_a_builtin_comes_before_a_file_of_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``demo`` is the built-in study whatever lies in the folder; ``./demo`` is the file."""
    monkeypatch.chdir(tmp_path)
    Path("demo").write_text(HEAD)
    assert "phantom?" in read_study_file("demo").spec.study
    assert read_study_file("./demo").spec.study == "Which?"
    assert read_study_file(Path("demo")).spec.study == "Which?"


# ---------------------------------------------------------------------- --set and --seeds


def test_sets_reach_every_depth(study_with: MakeStudy) -> None:
    """Dotted keys set values of YAML; a bare name or a missing part grows the keys they need."""
    study = study_with(
        "recipe: {loss: ce}\nfactors: {optimizer.lr: [0.1]}",
        sets=[
            "recipe.epochs=2",
            "recipe.optimizer.lr=1e-4",
            "recipe.loss.focal_gamma=2",
            "recipe.model.activation.negative_slope=0.2",
            "recipe.model.activation.name=LeakyReLU",
            "data.image.size=64",
            "data.source.n_cases=99",
            "data.split.seed=7",
            "factors.optimizer.lr=[1e-2, 1e-3]",
        ],
    )
    recipe, data = study.spec.recipe, study.spec.data
    assert (recipe.epochs, recipe.optimizer.lr, recipe.loss.name, recipe.loss.focal_gamma) == (2, 1e-4, "ce", 2.0)
    assert recipe.to_dict()["model"]["activation"] == {"name": "LeakyReLU", "negative_slope": 0.2}
    assert (data.image.size, data.source.options, data.split.kind, data.split.seed) == (64, {"n_cases": 99}, "given", 7)
    assert [arm.name for arm in study.arms] == ["base", "lr-0.01", "lr-0.001"]


def test_the_last_of_two_sets_holds(study_with: MakeStudy) -> None:
    """Changes are made in their order; an empty value is nothing."""
    assert study_with(sets=["recipe.epochs=2", "recipe.epochs=3"]).spec.recipe.epochs == 3
    assert study_with("recipe: {clip_grad_norm: 1}", sets=["recipe.clip_grad_norm="]).spec.recipe.clip_grad_norm is None


def test_seeds_replace_the_files(study_with: MakeStudy, faults_of: FaultsOf) -> None:
    """--seeds N means the seeds 0 to N - 1, whatever the file says."""
    assert study_with("seeds: [4, 5]", seeds=2).seeds == (0, 1)
    (fault,) = faults_of(seeds=0)
    assert str(fault) == "--seeds 0: seeds: got 0; expected at least 1"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("recipe.epohcs=2", "--set recipe.epohcs=2: recipe.epohcs: no such key; recipe takes "
         f"{', '.join(Recipe.model_fields)} (did you mean 'epochs'?)"),
        ("recipe.epochs", "--set recipe.epochs: expected KEY=VALUE, such as recipe.epochs=10"),
        ("=3", "--set =3: expected KEY=VALUE, such as recipe.epochs=10"),
        ("recipe..epochs=3", "--set recipe..epochs=3: expected KEY=VALUE, such as recipe.epochs=10"),
        ("recipe.epochs=x", "--set recipe.epochs=x: recipe.epochs: got 'x'; expected a whole number"),
        ("recipe.epochs=[", "--set recipe.epochs=[: recipe.epochs: not YAML: expected the node content, but found "
         "'<stream end>'"),
        ("seeds.a=3", "--set seeds.a=3: seeds.a: seeds is 4, which has no keys"),
        ("recipe.optimizer.momentum=1", "--set recipe.optimizer.momentum=1: recipe.optimizer.momentum: does not belong "
         "to adam; it belongs to sgd"),
        ("factors.loss=[ce, cee]", "--set factors.loss=[ce, cee]: factors.loss[1]: got 'cee'; expected 'bce' or 'ce' "
         "(did you mean 'ce'?)"),
        ("data.source.n_case=3", "--set data.source.n_case=3: data.source.n_case: the phantom takes no option 'n_case' "
         "(did you mean 'n_cases'?)"),
    ],
)  # fmt: skip
def test_faults_of_changes_name_the_change(faults_of: FaultsOf, change: str, message: str) -> None:
    """A fault that a --set brought is reported as that, not at a line of the file."""
    (fault,) = faults_of("seeds: 4", sets=[change])
    assert str(fault).startswith(message)
    assert fault.line is None


def test_a_change_can_mend_the_file(study_with: MakeStudy) -> None:
    """What a --set replaces is not held against the file."""
    assert study_with("recipe: {epochs: x}", sets=["recipe.epochs=3"]).spec.recipe.epochs == 3


# ---------------------------------------------------------------------- writing


VARIED = """
recipe: {loss: ce, model: {activation: Tanh}}
factors: {optimizer.name: [adam, sgd], schedule.name: [step], model.name: [mlp-64x3], clip_grad_norm: [null, 2]}
"""


@pytest.mark.parametrize("text", ["", VARIED, "design: [{arm: B, set: {select.name: last, clip_grad_norm: 3}}]"])
def test_a_written_study_reads_back_equal(study_with: MakeStudy, text: str) -> None:
    """Writing spells out the defaults and changes nothing, arms whose kind is varied among it."""
    study = study_with(text)
    again = parse_study(study_to_yaml(study))
    assert again == study
    assert study_to_yaml(again) == study_to_yaml(study)


def test_every_default_is_spelled_out(study_with: MakeStudy) -> None:
    """A reader of the written file need not know any default."""
    written = study_to_yaml(study_with())
    for line in ("  epochs: 30", "  batch_size: 32", "    eps: 1e-08", "seeds: 5", "design: one-at-a-time"):
        assert line in written.splitlines()


def test_the_plan_is_plain_data(study_with: MakeStudy) -> None:
    """What a study comes to survives JSON unchanged, and names every arm with its recipe."""
    text = VARIED + "hypotheses: [{claim: c, better: {schedule.name: step}, than: {arm: base}}]"
    study = study_with(text)
    plan = study_to_plan(study).to_dict()
    assert json.loads(json.dumps(plan, allow_nan=False)) == plan
    assert [arm["name"] for arm in plan["arms"]] == [arm.name for arm in study.arms]
    assert plan["arms"][1]["recipe"] == study.arms[1].recipe.to_dict()
    assert plan["hypotheses"] == [{"claim": "c", "kind": "better", "arms": ["schedule-step", "base"]}]
    assert plan["seeds"] == [0, 1, 2, 3, 4]


def test_studies_are_equal_wherever_they_were_read(study_with: MakeStudy, tmp_path: Path) -> None:
    """Equality is about what is done and decided, not about names and places."""
    assert study_with(name="a", base=tmp_path) == study_with(name="b")
    assert study_with() != study_with("recipe: {epochs: 3}")
