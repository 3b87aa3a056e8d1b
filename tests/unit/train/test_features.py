"""Networks of timm in training: frozen features are computed once, and every bit is what it would be without a cache."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from scantrial.api import load_scans
from scantrial.api.trial import execution_of
from scantrial.core.progress import silent
from scantrial.nets.timm_network import TimmNetwork, import_timm
from scantrial.recipe.spec import Recipe
from scantrial.recipe.task import RunTask
from scantrial.study.file import parse_study
from scantrial.study.timing import measure_time
from scantrial.train import features
from scantrial.train.predictor import load_predictor
from scantrial.train.reference import train_run
from scantrial.train.saliency import explain

NAME = "timm/test_resnet"


class Stop(Exception):
    pass


@pytest.fixture(name="task")
def give_task(
    make_task: Callable[..., RunTask],
    timm_environment: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[..., RunTask]:
    """Make a task on images of 32 x 32 with pretrained weights, and a cache of its own."""
    monkeypatch.setenv("SCANTRIAL_CACHE", str(tmp_path / "cache"))
    torch.manual_seed(0)
    path = tmp_path / "own.safetensors"
    save_file(import_timm().create_model("test_resnet").state_dict(), path)
    digest = sha256(path.read_bytes()).hexdigest()
    weights = {"pretrained": "own.safetensors", "weights_sha256": digest}

    def make(*, freeze: int | str = "all", pretrained: bool = True, **fields: object) -> RunTask:
        model = {"name": NAME, "freeze": freeze, **(weights if pretrained else {})}
        task = make_task(model=model, epochs=2, optimizer={"name": "adam", "lr": 0.01})
        images = task.images.repeat(3, axis=1)[:, :32].repeat(4, axis=2)[:, :, :32]
        return replace(task, images=images, weights_files={digest: path}, **fields)

    return make


def run(task: RunTask):
    return train_run(task, lambda record, n_epochs: None)


def assert_equal_runs(one, other) -> None:
    assert one.history == other.history
    assert one.weights.keys() == other.weights.keys()
    assert all(np.array_equal(one.weights[name], other.weights[name]) for name in one.weights)
    for first, second in zip(one.predictions, other.predictions, strict=True):
        np.testing.assert_array_equal(first.logits, second.logits)


@pytest.fixture(name="passes")
def count_passes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The images that a backbone has seen for features, one number for each pass over a split."""
    seen: list[int] = []
    compute = features._computed

    def counting(backbone, scans, n_at_once):
        seen.append(len(scans))
        return compute(backbone, scans, n_at_once)

    monkeypatch.setattr(features, "_computed", counting)
    return seen


def test_ten_seeds_of_a_probe_cost_one_pass(task, passes):
    for seed in range(10):
        run(task(seed=seed))
    assert passes == [41, 18, 21]


def test_timing_takes_weights_from_their_file_and_keeps_no_features(task, tmp_path):
    """`plan --time` of a frozen backbone: the pass over it is not in the time, and that is said."""
    task()  # writes own.safetensors
    text = (
        "study: q\ndata: {source: {name: phantom, n_cases: 40, size: 32}, split: {test: given, val: 0.25}}\n"
        f"recipe: {{model: {{name: {NAME}, pretrained: own.safetensors, freeze: all}}, epochs: 2}}\n"
    )
    study = parse_study(text, base=tmp_path)
    execution = replace(execution_of(study, None, {}), threads=1)
    found = measure_time(study, load_scans(study.spec.data), execution, progress=silent)
    assert found.total_s is not None
    assert found.source.endswith("; not in it: the pass over a backbone that is frozen as a whole")
    assert not (tmp_path / "cache" / "features").exists()


def test_results_do_not_depend_on_the_cache(task, passes, tmp_path):
    first = run(task())
    assert_equal_runs(first, run(task()))
    (tmp_path / "cache").rename(tmp_path / "gone")
    (tmp_path / "cache").write_text("a file, so that nothing can be kept")
    assert_equal_runs(first, run(task()))
    assert passes == [41, 18, 21] * 2


def test_training_on_features_is_training_on_images(task, monkeypatch):
    """Where each step sees the images, the numbers agree but for the rounding of other batches."""
    first = run(task())
    monkeypatch.setattr(features, "uses_features", lambda recipe: False)
    second = run(task())
    np.testing.assert_allclose(
        [record.train_loss for record in first.history], [record.train_loss for record in second.history], rtol=1e-4
    )
    for one, other in zip(first.predictions, second.predictions, strict=True):
        np.testing.assert_allclose(one.logits, other.logits, rtol=1e-3, atol=1e-4)


def test_a_damaged_or_foreign_file_of_features_is_not_believed(task, passes, tmp_path):
    first = run(task())
    files = sorted((tmp_path / "cache/features").iterdir())
    assert len(files) == 3
    for file in files:
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 1
        file.write_bytes(content)
    assert_equal_runs(first, run(task()))
    assert passes == [41, 18, 21] * 2


@pytest.mark.parametrize("other", ["pixels", "normalize", "where"])
def test_features_of_anything_else_are_computed_anew(task, passes, other):
    first = task()
    run(first)
    second = {
        "pixels": lambda: replace(first, images=first.images ^ 1),
        "normalize": lambda: replace(
            first, recipe=Recipe.model_validate({**first.recipe.to_dict(), "normalize": "image"})
        ),
        "where": lambda: replace(first, where="another machine"),
    }[other]()
    run(second)
    assert passes == [41, 18, 21] * 2


def test_weights_that_a_seed_drew_are_not_kept(task, tmp_path):
    run(task(pretrained=False))
    assert not (tmp_path / "cache/features").exists()


@pytest.mark.parametrize("freeze", [0, 2, "all"])
def test_what_a_run_stored_predicts_what_it_did_without_the_file(task, freeze):
    trained = task(freeze=freeze)
    result = run(trained)
    assert result.facts.recipe["model"]["weights_sha256"] in trained.weights_files
    predictor = load_predictor(result.facts, result.weights)
    for part in result.predictions:
        np.testing.assert_array_equal(predictor(trained.images[part.cases]).logits, part.logits)
    assert isinstance(predictor.network, TimmNetwork)
    maps = explain(predictor, trained.images[0])
    assert maps.gradient.shape == maps.occlusion.shape == (32, 32)
    assert maps.gradient.max() > 0


@pytest.mark.parametrize("freeze", [2, "all"])
def test_a_killed_run_ends_with_the_same_bytes(task, freeze):
    whole = run(task(freeze=freeze))

    def stop(record, n_epochs):
        raise Stop

    killed = task(freeze=freeze, checkpoint_every_s=0.0)
    with pytest.raises(Stop):
        train_run(killed, stop)
    assert killed.checkpoint_path.exists()
    assert_equal_runs(whole, run(killed))
