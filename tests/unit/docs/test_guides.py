"""The guides: their examples are sound, their layouts of files are read, their numbers are the studies'."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.unit.study.test_docs import placed

import two_reports
from scantrial.core.yaml import read_tree
from scantrial.data.load import load
from scantrial.data.spec import SourceSpec
from scantrial.study.arms import ArmBuilder
from scantrial.study.claims import Claims
from scantrial.study.faults import validated
from scantrial.study.spec import StudySpec

ROOT = Path(__file__).resolve().parents[3]
DOCS = ROOT / "docs"

GUIDES = [*sorted((DOCS / "how-to").glob("*.md")), *(DOCS / name for name in ("quick-start.md", "concepts.md"))]
EXAMPLES = [
    (page, block)
    for page in [*GUIDES, two_reports.PAGE, ROOT / "README.md"]
    for block in re.findall(r"```yaml\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
]
OWN_SCANS = (DOCS / "how-to" / "own-scans.md").read_text(encoding="utf-8")


def chapter(heading: str) -> str:
    return OWN_SCANS.split(f"## {heading}\n")[1].split("\n## ")[0]


def block(heading: str, kind: str) -> str:
    (found,) = re.findall(rf"```{kind}\n(.*?)```", chapter(heading), re.DOTALL)
    return str(found)


def draw(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(len(str(path)))
    Image.fromarray(rng.integers(0, 256, (8, 8), dtype=np.uint8)).save(path)


@pytest.mark.parametrize(("page", "example"), EXAMPLES, ids=[page.stem for page, _ in EXAMPLES])
def test_every_example_of_a_study_file_is_sound(page: Path, example: str) -> None:
    """Whole, or put in its place, it is a study without faults."""
    tree = read_tree(example)
    assert not tree.faults
    study: dict[str, Any] = placed(tree.data)
    _, problems = validated(StudySpec, study)
    design = ArmBuilder(study)
    assert [*problems, *design.problems, *Claims(study, design).problems] == []


def test_image_folders_are_read_as_shown(tmp_path: Path) -> None:
    """The listed files are six cases of two classes and two splits."""
    for line in block("Folders of images", "text").split():
        draw(tmp_path / line)
    found = load(SourceSpec(name=str(tmp_path / "scans")), patient="(person[0-9]+)_")
    assert found.class_names == ("normal", "pneumonia")
    assert found.split.tolist() == ["train"] * 4 + ["test"] * 2
    assert len(set(found.patients or ())) == 6


def test_a_table_is_read_as_shown(tmp_path: Path) -> None:
    """Its four rows are four cases with patients."""
    table = block("A table of files", "csv")
    (tmp_path / "scans.csv").write_text(table)
    for line in table.splitlines()[1:]:
        draw(tmp_path / line.split(",")[0])
    found = load(SourceSpec(name=str(tmp_path / "scans.csv")))
    assert found.split.tolist() == ["train", "train", "test", "test"]
    assert tuple(found.patients or ()) == ("P1", "P2", "P3", "P4")


def test_arrays_by_class_are_read_as_shown(tmp_path: Path) -> None:
    """A name without a split means training where others have one."""
    for line in block("One array for each class", "text").split():
        (tmp_path / line).parent.mkdir(exist_ok=True)
        np.save(tmp_path / line, np.zeros((3, 8, 8), np.uint8))
    found = load(SourceSpec(name=str(tmp_path / "arrays")))
    assert found.class_names == ("normal", "pneumonia")
    assert sorted(found.split.tolist()) == ["test"] * 6 + ["train"] * 6


def test_one_file_is_read_as_described(tmp_path: Path) -> None:
    """The six arrays of an `.npz`; labels are numbers that `classes` names."""
    arrays = {f"{split}_images": np.zeros((4, 8, 8), np.uint8) for split in ("train", "val", "test")}
    arrays |= {f"{split}_labels": np.array([[0], [1], [0], [1]]) for split in ("train", "val", "test")}
    assert all(f"`{name}`" in chapter("One file for everything") for name in ("train_images", "train_labels"))
    np.savez(tmp_path / "some.npz", **arrays)
    found = load(SourceSpec(name=str(tmp_path / "some.npz")), classes=["normal", "pneumonia"])
    assert found.class_names == ("normal", "pneumonia")
    assert len(found) == 12


@pytest.mark.parametrize("loss", ["bce", "ce"])
def test_the_network_of_the_guide_gives_what_it_should(loss: str, tmp_path: Path) -> None:
    """Its class is built with `args` and answers (batch, n_outputs)."""
    torch = pytest.importorskip("torch")
    from scantrial.core.custom_code import allowed, find_class
    from scantrial.nets.build import build_network
    from scantrial.recipe.spec import ModelSpec

    (code,) = re.findall(r"```python\n(.*?)```", (DOCS / "how-to" / "own-network.md").read_text(), re.DOTALL)
    (tmp_path / f"guide_nets_{loss}.py").write_text(code)
    spec = ModelSpec(name=f"guide_nets_{loss}:TwoLayers", args={"width": 3})
    n_outputs = 1 if loss == "bce" else 2
    with allowed([find_class(spec.name, [str(tmp_path)])]):
        network = build_network(spec, image_shape=(1, 8, 8), n_outputs=n_outputs, seed=0)
    assert network(torch.zeros(5, 1, 8, 8)).shape == (5, n_outputs)


def test_the_tutorial_is_up_to_date() -> None:
    """`python examples/replication/two_reports.py` would write what is there."""
    assert two_reports.page() == two_reports.PAGE.read_text(encoding="utf-8")


def test_the_tutorial_has_every_conclusion_of_both_reports() -> None:
    """Each is quoted with its claim, and its table stands on the page."""
    text = two_reports.PAGE.read_text(encoding="utf-8")
    replication = (DOCS / "replication.md").read_text(encoding="utf-8")
    found = re.findall(r"^### ([AB]\d+)\n\n> (.*)\n(?:.*\n)*?(\|(?:.*\|\n)+)", replication, flags=re.MULTILINE)
    assert len(found) == 15
    for name, claim, table in found:
        assert f"**The report says:** {claim} (*[{name}]" in text
        assert table in text


def test_a_number_that_changes_is_changed_in_the_tutorial(tmp_path: Path) -> None:
    """Nothing is typed: another accuracy and another verdict in the replication are others in the tutorial."""
    for name in ("replication.md", "chest-xray-audit.md"):
        (tmp_path / name).write_text((DOCS / name).read_text().replace("73.", "83.").replace("equivalent", "unlike"))
    changed = two_reports.page(tmp_path)
    before = two_reports.page()
    assert before != changed
    assert not re.findall(r"\| 73\.\d\d", changed)


@pytest.mark.parametrize("number", ["67.4 to 76.2", "68.4 to 77.1"])
def test_numbers_of_the_tutorial_s_own_words_stand_where_they_are_computed(number: str) -> None:
    """What is said of 400 images is what a page prints that is itself a doctest."""
    assert number in two_reports.PAGE.read_text(encoding="utf-8")
    assert number in (DOCS / "is-it-a-difference.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("number", ["3.1 points", "2.4 points"])
def test_numbers_of_the_plan_stand_in_planning(number: str) -> None:
    """The smallest difference and the floor over seeds, as the command printed them."""
    assert number in two_reports.PAGE.read_text(encoding="utf-8")
    assert number in (DOCS / "planning.md").read_text(encoding="utf-8")
