"""Files of pretrained weights: found, hashed and refused when the study file is read."""

from __future__ import annotations

import os
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

import pytest

from scantrial.core.errors import StudyFileError
from scantrial.core.files import sha256_of
from scantrial.recipe.pretrained import PACKAGES
from scantrial.recipe.spec import Recipe
from scantrial.study import weights
from scantrial.study.costs import cost_key
from scantrial.study.environment import versions_of
from scantrial.study.file import parse_study, read_study_file, study_to_yaml
from scantrial.study.to_plan import study_to_plan
from scantrial.study.weights import frozen_untrained

STUDY = """
study: Which?
data: {source: phantom, split: given}
recipe:
  model: {name: timm/resnet18, pretrained: PRETRAINED}
factors:
  model.freeze: [0, all]
"""


def faults(base: Path, pretrained: str, text: str = STUDY) -> list[str]:
    with pytest.raises(StudyFileError) as caught:
        parse_study(text.replace("PRETRAINED", pretrained), base=base)
    return [str(fault) for fault in caught.value.faults]


def test_every_arm_names_the_hash_and_no_folder(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in/own.safetensors").write_bytes(b"weights")
    (tmp_path / "s.yaml").write_text(STUDY.replace("PRETRAINED", "in/own.safetensors"))
    study = read_study_file(tmp_path / "s.yaml")
    digest = sha256(b"weights").hexdigest()
    assert [arm.recipe.model.weights_sha256 for arm in study.arms] == [digest, digest]
    assert study.weights_files == {digest: tmp_path / "in/own.safetensors"}
    written = str(study_to_plan(study).to_dict()) + study_to_yaml(study)
    assert str(tmp_path) not in written
    assert "in/own.safetensors" in written
    assert read_study_file(tmp_path / "s.yaml") == parse_study(study_to_yaml(study), base=tmp_path)


def test_a_package_is_named_by_the_hash_of_its_file() -> None:
    study = parse_study(STUDY.replace("timm/resnet18", "timm/tf_efficientnet_lite0").replace("PRETRAINED", "package"))
    assert study.arms[0].recipe.model.weights_sha256 == PACKAGES["timm/tf_efficientnet_lite0"].sha256
    assert study.weights_files == {}


def test_a_missing_file_is_told_once_at_its_line(tmp_path: Path) -> None:
    (found,) = faults(tmp_path, "none.safetensors")
    assert found.startswith("line 5: recipe.model.pretrained: none.safetensors: No such file or directory")


def test_a_file_is_hashed_once_for_all_arms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own.safetensors").write_bytes(b"weights")
    read: list[Path] = []
    monkeypatch.setattr(weights, "sha256_of", lambda path: read.append(path) or sha256_of(path))
    study = parse_study(STUDY.replace("PRETRAINED", "own.safetensors"), base=tmp_path)
    assert len(study.arms) == 2
    assert read == [tmp_path / "own.safetensors"]


def test_what_is_no_file_says_why(tmp_path: Path) -> None:
    """A pipe has no message of the system."""
    os.mkfifo(tmp_path / "pipe.safetensors")
    (found,) = faults(tmp_path, "pipe.safetensors")
    assert "pipe.safetensors is not a regular file; expected a file, relative to" in found


def test_the_environment_names_the_packages_of_the_arms() -> None:
    """Equalisation around each pixel depends on scikit-image, in the arms that have it."""
    plain = "study: Which?\ndata: {source: phantom, split: given}\n"
    assert "scikit-image" not in versions_of(parse_study(plain))
    found = versions_of(parse_study(plain + "factors: {normalize: [none, clahe]}\n"))
    assert found["scikit-image"] == version("scikit-image")


def test_weights_do_not_change_how_long_an_epoch_takes() -> None:
    """Neither the name of their file nor what they hold: an estimate holds for a copy under another name."""
    keys = {
        cost_key(Recipe.model_validate({"model": {"name": "timm/resnet18", **weights}}))
        for weights in ({"pretrained": "a.safetensors"}, {"pretrained": "b.safetensors", "weights_sha256": "0" * 64})
    }
    assert len(keys) == 1
    frozen = {"name": "timm/resnet18", "pretrained": "a.safetensors", "freeze": "all"}
    assert cost_key(Recipe.model_validate({"model": frozen})) not in keys


def test_a_level_is_told_at_its_own_line(tmp_path: Path) -> None:
    text = STUDY.replace("model.freeze: [0, all]", "model.pretrained: [none, x.safetensors]")
    (found,) = faults(tmp_path, "none", text)
    assert found.startswith("line 7: factors.model.pretrained")


def test_frozen_weights_that_nobody_trained_are_told(tmp_path: Path) -> None:
    (tmp_path / "own.safetensors").write_bytes(b"weights")
    text = STUDY.replace("model.freeze: [0, all]", "model.pretrained: [none, own.safetensors]")
    (tmp_path / "s.yaml").write_text(text.replace("pretrained: PRETRAINED", "pretrained: none, freeze: all"))
    (said,) = frozen_untrained(read_study_file(tmp_path / "s.yaml").arms)
    assert said == "arm base: freeze: all keeps random weights (pretrained: none); only the last layer learns."


def test_another_hash_than_the_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "own.safetensors").write_bytes(b"weights")
    (found,) = faults(tmp_path, "own.safetensors, weights_sha256: '" + "0" * 64 + "'")
    assert f"have SHA-256 {sha256(b'weights').hexdigest()}; weights_sha256 says 000" in found


@pytest.mark.parametrize(
    ("pretrained", "message"),
    [
        ("/home/me/x.safetensors", "expected a path relative to the study file"),
        ("~/x.safetensors", "expected a path relative to the study file"),
        ("x.pth", "expected none, package, or a .safetensors file"),
        ("package", "no package is known that has weights of timm/resnet18"),
    ],
)
def test_what_cannot_be_weights_is_refused(tmp_path: Path, pretrained: str, message: str) -> None:
    assert message in faults(tmp_path, pretrained)[0]


def test_freeze_and_normalize_belong_to_networks_of_timm(tmp_path: Path) -> None:
    assert (
        "cnn has no freeze to set"
        in faults(
            tmp_path, "", STUDY.replace("{name: timm/resnet18, pretrained: PRETRAINED}", "{name: cnn, freeze: 1}")
        )[0]
    )
    with pytest.raises(ValueError, match="normalize: pretrained is for a network of timm"):
        Recipe(model="cnn", normalize="pretrained")


def test_an_identity_counts_what_weights_hold_and_not_what_their_file_is_called() -> None:
    def identity(pretrained: str, digest: str) -> object:
        model = {"name": "timm/resnet18", "pretrained": pretrained, "weights_sha256": digest * 64}
        return Recipe(model=model).beyond_defaults()

    assert identity("a.safetensors", "1") == identity("b/c.safetensors", "1")
    assert identity("a.safetensors", "1") != identity("a.safetensors", "2")
    assert Recipe(model="timm/resnet18").beyond_defaults() == {"model": {"name": "timm/resnet18"}}
