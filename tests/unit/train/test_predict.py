"""New images under a trained network: files, arrays, networks of the user's own, and what is refused."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import sys
import time
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.studies import rewrite

from scantrial.api import predict, run
from scantrial.core.errors import InputError, TrainingError, UnreadableScansError
from scantrial.data.phantom import PhantomOptions, make_phantom
from scantrial.nets.build import build_network
from scantrial.recipe.plan import stored_recipe
from scantrial.store.folder import RunKey, StudyFolder
from scantrial.train import predict as module
from scantrial.train.predictor import Predictor, load_predictor

NETWORK = """
import torch
class Net(torch.nn.Module):
    def __init__(self, image_shape, n_outputs):
        super().__init__()
        c, h, w = image_shape
        self.last = torch.nn.Linear(c * h * w, n_outputs)
    def forward(self, x):
        return self.last(x.flatten(1))
class Blown(Net):
    def forward(self, x):
        return super().forward(x) * float("inf")
"""

STUDY = """
study: Does a network of my own learn?
data:
  source: {name: phantom, n_cases: 40, size: 32}
  split: {test: given, val: 0.25}
recipe: {model: "mine_for_judge:Net", loss: bce, batch_size: 8, epochs: 1, optimizer: adam}
factors: {model: ["mine_for_judge:Blown"]}
seeds: 1
"""


@pytest.fixture(autouse=True)
def _imported_anew():
    """Let each test import the network from where it finds it."""
    sys.modules.pop("mine_for_judge", None)


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> StudyFolder:
    """A study with a network of the user's own, one run of which diverged in its first epoch."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "mine_for_judge.py").write_text(NETWORK)
    (folder / "own.yaml").write_text(STUDY)
    out = folder / "own"
    outcome = run(folder / "own.yaml", out=out, threads=1, trust_code=True)
    assert outcome.failed == ()
    assert [key.arm for key in outcome.diverged] == [key.arm for key in outcome.finished if key.arm != "base"]
    return StudyFolder(out)


@pytest.fixture(scope="module")
def run_dir(study) -> Path:
    return study.run_path(RunKey("base", 0))


@pytest.fixture(scope="module")
def images():
    return make_phantom(PhantomOptions(n_cases=40, size=32)).images


@pytest.mark.parametrize("name", ["seed-\u00b2", "seed-\u0660", "seed-00", "seed--1", "seed-", "seed-0 ", "0"])
def test_a_folder_of_another_name_is_no_run(tmp_path, name):
    """Not even where Python takes it for a number."""
    (tmp_path / "runs" / "base" / name).mkdir(parents=True)
    (tmp_path / "runs" / "base" / name / "run.json").touch()
    with pytest.raises(InputError, match="is not a finished run"):
        predict(tmp_path / "runs" / "base" / name, [tmp_path / "x.png"])


def test_a_network_of_the_users_own_is_found_again(study, run_dir, images, tmp_path):
    """A run of a user's own network is loaded from where training found it; the import path stays as it was."""
    before = list(sys.path)
    Image.fromarray(images[5]).save(tmp_path / "five.png")
    judged = predict(run_dir, [tmp_path / "five.png"])
    assert sys.path == before
    stored = {
        int(case): p
        for part in study.predictions(RunKey("base", 0), ("train", "val", "test"), by="test", purpose="test")
        for case, p in zip(part.cases, part.y_prob, strict=True)
    }
    assert judged.rows[0].y_prob == pytest.approx(stored[5].tolist(), abs=1e-6)


def test_a_network_in_the_working_directory_is_found(study, images, tmp_path, monkeypatch):
    """In a folder in which nothing was allowed, the network of the working directory is taken, once it is trusted."""
    copy = shutil.copytree(study.path, tmp_path / "copy")
    (tmp_path / "mine_for_judge.py").write_text(NETWORK)
    monkeypatch.chdir(tmp_path)
    np.save("one.npy", images[5])
    copied, told = copy / "runs" / "base" / "seed-0", []
    with pytest.raises(InputError, match=re.escape(f"mine_for_judge:Net, from {tmp_path / 'mine_for_judge.py'}")):
        predict(copied, ["one.npy"])
    assert "mine_for_judge" not in sys.modules
    assert predict(copied, ["one.npy"], trust_code=True, on_trust=told.append).rows[0].file == "one.npy#0"
    assert [item.files for item in told] == [(str(tmp_path / "mine_for_judge.py"),)]
    sys.modules.pop("mine_for_judge")
    assert predict(copied, ["one.npy"], on_trust=told.append).rows[0].file == "one.npy#0"
    assert len(told) == 1


def test_a_network_that_has_changed_is_asked_for_again(study, images, tmp_path, monkeypatch):
    """Other arguments and a copy of the folder elsewhere are refused without ``trust_code``, and other code always.

    The weights fit a file with another activation, whose decisions would be other ones.
    """
    copy = shutil.copytree(study.path, tmp_path / "copy")
    run_dir = copy / "runs" / "base" / "seed-0"
    monkeypatch.chdir(tmp_path)
    mine = tmp_path / "mine_for_judge.py"
    mine.write_text(NETWORK)
    np.save("one.npy", images[5])
    predict(run_dir, ["one.npy"], trust_code=True)
    changed = NETWORK + "\n"
    mine.write_text(changed)
    for trust_code in (False, True):
        told: list[object] = []
        with pytest.raises(InputError, match="mine_for_judge:Net is not in the file that was trained") as caught:
            predict(run_dir, ["one.npy"], trust_code=trust_code, on_trust=told.append)
        assert told == []
        for text in (changed, NETWORK):
            assert hashlib.sha256(text.encode()).hexdigest() in str(caught.value)
    mine.write_text(NETWORK)
    predict(run_dir, ["one.npy"])
    facts = json.loads((run_dir / "run.json").read_text())
    facts["recipe"]["model"]["args"] = {"n_outputs": 1}
    rewrite(StudyFolder(copy), run_dir / "run.json", json.dumps(facts))
    with pytest.raises(InputError, match="have not allowed"):
        predict(run_dir, ["one.npy"])


def test_another_file_that_the_network_imports_is_refused(images, tmp_path, monkeypatch):
    """Where it is gone, too; the files that were trained predict."""
    text = NETWORK.replace("import torch\n", "import torch\nfrom blocks_for_judge import OUT\n")
    (tmp_path / "mine_for_judge.py").write_text(text)
    blocks = tmp_path / "blocks_for_judge.py"
    blocks.write_text("OUT = 1\n")
    study_file = tmp_path / "own.yaml"
    study_file.write_text(STUDY)
    assert run(study_file, out=tmp_path / "own", threads=1, trust_code=True).failed == ()
    np.save(tmp_path / "one.npy", images[5])
    run_dir = tmp_path / "own" / "runs" / "base" / "seed-0"
    monkeypatch.chdir(tmp_path)
    assert len(predict(run_dir, ["one.npy"]).rows) == 1
    blocks.write_text("OUT = 2\n")
    with pytest.raises(InputError, match=r"blocks_for_judge\.py has SHA-256"):
        predict(run_dir, ["one.npy"], trust_code=True)
    blocks.unlink()
    with pytest.raises(InputError, match="there is no blocks_for_judge"):
        predict(run_dir, ["one.npy"], trust_code=True)


def test_an_array_is_judged_as_its_images_are(run_dir, images, tmp_path):
    """A .npy array of scans gives the probabilities of the same scans as PNG files, under numbered names."""
    files = [tmp_path / f"{k}.png" for k in range(6)]
    for file, image in zip(files, images, strict=False):
        Image.fromarray(image).save(file)
    array = tmp_path / "six.npy"
    np.save(array, images[:6])
    one = tmp_path / "one.NPY"
    with one.open("wb") as stream:
        np.save(stream, images[3])
    as_files = predict(run_dir, files)
    as_array = predict(run_dir, [array, one])
    assert [row.file for row in as_array.rows] == [*(f"{array}#{k}" for k in range(6)), f"{one}#0"]
    for row, of_file in zip(as_array.rows[:6], as_files.rows, strict=True):
        assert row.y_prob == pytest.approx(of_file.y_prob)
    assert as_array.rows[6].y_prob == pytest.approx(as_files.rows[3].y_prob)


def test_a_folder_stands_for_the_images_in_it(run_dir, images, tmp_path):
    """Every image file below, sorted by path; masks beside images and files of other kinds are left out and counted."""
    files = [tmp_path / "new" / name for name in ("p1/1.png", "p1/2.png", "p2/images/3.png")]
    for file, image in zip(files, images, strict=False):
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(file)
    (tmp_path / "new" / "p2" / "masks").mkdir()
    Image.fromarray(images[0]).save(tmp_path / "new" / "p2" / "masks" / "3.png")
    (tmp_path / "new" / "notes.txt").touch()
    found = predict(run_dir, [tmp_path / "new"])
    assert found.rows == predict(run_dir, files).rows
    assert found.left_out == {"files in folders of masks, beside folders of images": 1, ".txt files": 1}
    with zipfile.ZipFile(tmp_path / "new.zip", "w") as archive:
        for file in files:
            archive.write(file, file.relative_to(tmp_path / "new"))
    packed = predict(run_dir, [tmp_path / "new.zip"])
    assert [row.y_prob for row in packed.rows] == [row.y_prob for row in found.rows]
    assert [row.file for row in packed.rows] == [
        str(tmp_path / "new.zip" / file.relative_to(tmp_path / "new")) for file in files
    ]


def test_a_folder_without_images_is_refused(run_dir, tmp_path):
    """What lies there instead is said."""
    (tmp_path / "a.txt").touch()
    with pytest.raises(InputError, match=r"holds no image file \(seen: 1 \.txt\)"):
        predict(run_dir, [tmp_path])


def test_arrays_that_cannot_be_judged_are_named(run_dir, images, tmp_path):
    """Wrong types, shapes and sizes, damaged and missing files and archives are each named once with the reason."""
    faults = {
        "floats.npy": (images[:2] / 255, "floating-point values from .* to 1: set data.image.range"),
        "signed.npy": (images[:2].astype(np.int16), "signed values"),
        "complex.npy": (images[:2] * 1j, "type complex128"),
        "line.npy": (np.zeros(16, np.uint8), r"shape \(16,\)"),
        "none.npy": (images[:0], "holds no pixels"),
        "large.npy": (np.zeros((3, 40, 30), np.uint8), "is 40x30 gray, but the network was trained on 32x32"),
        "colour.npy": (np.zeros((32, 32, 3), np.uint8), "is 32x32 3 channels"),
        "deep.npy": (images[:2].astype(np.uint16), "the network was trained on uint8"),
    }
    for name, (array, _) in faults.items():
        np.save(tmp_path / name, array)
    np.savez(tmp_path / "all.npz", images=images)
    shutil.copy(tmp_path / "all.npz", tmp_path / "misnamed.npy")
    (tmp_path / "broken.npy").write_bytes(b"\x93NUMPY\x01\x00")
    reasons = {name: reason for name, (_, reason) in faults.items()}
    reasons |= {
        "all.npz": "archive",
        "misnamed.npy": "archive",
        "broken.npy": "not a complete",
        "gone.npy": "no such file",
    }
    with pytest.raises(UnreadableScansError) as caught:
        predict(run_dir, [tmp_path / name for name in reasons])
    problems = {Path(path).name: reason for path, reason in caught.value.problems}
    assert len(caught.value.problems) == len(problems)
    assert list(problems) == list(reasons)
    for name, reason in reasons.items():
        assert re.search(reason, problems[name]), (name, problems[name])


def test_images_are_predicted_some_at_a_time(run_dir, images, tmp_path, monkeypatch):
    """In batches over the borders of files, in order; a fault in the last file still names every fault, once."""
    np.save(tmp_path / "some.npy", images[:5])
    np.save(tmp_path / "rest.npy", images[5:12])
    files = [tmp_path / "some.npy", tmp_path / "rest.npy"]
    at_once = predict(run_dir, files)
    sizes = []

    def in_fours(facts, weights):
        predictor = replace(load_predictor(facts, weights), n_at_once=4)
        monkeypatch.setattr(Predictor, "__call__", lambda self, part: sizes.append(len(part)) or scored(self, part))
        return predictor

    scored = Predictor.__call__
    monkeypatch.setattr(module, "load_predictor", in_fours)
    in_parts = predict(run_dir, files)
    assert sizes == [4, 4, 4]
    assert [row.file for row in in_parts.rows] == [row.file for row in at_once.rows]
    for one, other in zip(in_parts.rows, at_once.rows, strict=True):
        assert one.y_prob == pytest.approx(other.y_prob, abs=1e-6)
    with pytest.raises(UnreadableScansError) as caught:
        predict(run_dir, [tmp_path / "gone.png", *files, tmp_path / "none.png"])
    assert [Path(path).name for path, _ in caught.value.problems] == ["gone.png", "none.png"]


def test_a_small_file_of_very_many_images_is_refused(run_dir, tmp_path):
    """By their number, and by what they take at the network's size; before any is decoded."""
    np.save(tmp_path / "dots.npy", np.zeros((4_900_000, 1, 2), np.uint8))
    np.save(tmp_path / "lines.npy", np.zeros((250_000, 1, 32), np.uint8))
    began = time.monotonic()
    with pytest.raises(UnreadableScansError) as caught:
        predict(run_dir, [tmp_path / "dots.npy", tmp_path / "lines.npy"])
    assert time.monotonic() - began < 10
    dots, lines = (reason for _, reason in caught.value.problems)
    assert dots == "4,900,000 images, at most 250,000 in one file: divide it"
    assert "250,000 images would take 256,000,000 pixels at the network's size of 32x32" in lines


def test_a_run_without_weights_says_why(study, run_dir, images, tmp_path, monkeypatch):
    """A run that diverged at once, and one of a study that keeps no weights, are refused in different words."""
    np.save(tmp_path / "one.npy", images[0])
    diverged = next(key for key in study.run_keys() if key.arm != "base")
    with pytest.raises(InputError, match="diverged before any epoch could be chosen"):
        predict(study.run_path(diverged), [tmp_path / "one.npy"])
    copy = shutil.copytree(study.path, tmp_path / "copy")
    facts = json.loads((copy / "runs" / "base" / "seed-0" / "run.json").read_text())
    del facts["sha256"]["best.safetensors"]
    rewrite(StudyFolder(copy), copy / "runs" / "base" / "seed-0" / "run.json", json.dumps(facts))
    (copy / "runs" / "base" / "seed-0" / "best.safetensors").unlink()
    monkeypatch.chdir(study.path.parent)
    with pytest.raises(InputError, match="holds no weights") as caught:
        predict(copy / "runs" / "base" / "seed-0", [tmp_path / "one.npy"], trust_code=True)
    assert "keep_weights: best" in caught.value.do


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda array: np.full_like(array, np.nan), "values are not finite"),
        (lambda array: array.astype(np.float64), "float64, expected float32"),
        (lambda array: array.astype(np.complex64), "complex64, expected float32"),
        (lambda array: array != 0, "bool, expected float32"),
    ],
    ids=["nan", "float64", "complex64", "bool"],
)
def test_weights_that_no_training_writes_are_refused(study, change, said):
    """With NaN as weights every scan would be of the first class."""
    facts, weights = untrained(study)
    wrong = {name: change(array) for name, array in weights.items()}
    with pytest.raises(InputError, match="do not fit the recipe's network") as caught:
        load_predictor(facts, wrong)
    assert said in str(caught.value)


def test_a_score_that_is_not_finite_is_no_answer(study, images):
    """Finite weights may be too large for a scan."""
    facts, weights = untrained(study)
    predictor = load_predictor(facts, {name: np.full_like(array, 3e38) for name, array in weights.items()})
    with pytest.raises(TrainingError, match="no finite score for 3 of 3 scans"):
        predictor(images[:3])


def untrained(study):
    """A run of the study with a small network of scantrial's own, and initial weights of that."""
    facts = study.facts(RunKey("base", 0))
    facts = replace(facts, recipe={**facts.recipe, "model": {"name": "mlp", "hidden": [4]}})
    model = stored_recipe(facts).model
    network = build_network(model, image_shape=facts.image_shape, n_outputs=1, seed=0)
    return facts, {name: tensor.numpy() for name, tensor in network.state_dict().items()}
