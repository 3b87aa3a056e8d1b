"""Whatever a study file holds, it is a study or it is refused with its faults; nothing else can happen."""

from __future__ import annotations

import copy
import datetime
import random
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scantrial.core.errors import Fault, StudyFileError
from scantrial.core.yaml import Tree, read_tree
from scantrial.study import builtin
from scantrial.study.arms import RECIPE_KEYS
from scantrial.study.file import parse_study, study_of, study_to_yaml
from scantrial.study.study import Study
from scantrial.study.to_plan import study_to_plan

FULL = """
study: Which of these is better?
data:
  source: {name: phantom, n_cases: 60, size: 32, seed: 3}
  image: {size: [64, 64], channels: 1, fit: pad}
  split: {train: 0.6, val: 0.2, test: 0.2, by: patient, seed: 1}
  classes: [normal, opacity]
  patient: "p([0-9]+)"
  thumbnails: false
recipe:
  model: {name: mlp, hidden: [8, 8], activation: {name: LeakyReLU, negative_slope: 0.1}, dropout: 0.1}
  loss: {name: ce, class_weights: balanced, label_smoothing: 0.1, focal_gamma: 2}
  optimizer: {name: sgd, lr: 0.1, momentum: 0.9, nesterov: true}
  schedule: {name: step, every: 2, gamma: 0.5, warmup_epochs: 1}
  normalize: dataset
  batch_size: 8
  epochs: 4
  rounds: 2
  clip_grad_norm: 1.0
  select: {name: best-val-metric, metric: auroc}
  train_eval: true
factors:
  loss.focal_gamma: [0, 2]
  optimizer.lr: [0.1, 1e-2]
  model.hidden: [[8, 8], [4]]
design: factorial
seeds: [3, 1, 2]
primary: {metric: auroc, split: test, margin: 0.05}
hypotheses:
  - {claim: A slower rate is better, better: {optimizer.lr: 0.01}, than: {optimizer.lr: 0.1}}
  - {claim: Focus does not matter, equivalent: [{loss.focal_gamma: 0}, {arm: base}]}
acknowledge:
  - {finding: AU003, reason: they are copies on purpose}
keep_weights: none
"""
TEXTS = [FULL, *(builtin.path(name).read_text(encoding="utf-8") for name in ("demo", "report-b-activation"))]
ODD: list[Any] = [
    None, True, False, 0, -1, 1, 3, 0.5, -0.0, 1e308, 1e-320, 10**30, -(10**400), "", " ", "no", "1e-3", "base", "x" * 300,
    "é☃", "a:b", "a.b:c", ".", "..", "/", "bce", "given", "mlp-256", "factorial", [], {}, [[]], [None], ["x", "x"], [1, 1],
    {"name": None}, {"name": "adam"}, {"name": "ce", "name.": 1}, {"x": {"x": {"x": []}}}, {"arm": "base"}, {"": 1},
    [{"arm": "a", "set": {"epochs": 3}}, {"arm": "a", "set": {"epochs": 5}}], {"loss": ["ce"]}, list(range(600)),
]  # fmt: skip
KEYS = [*RECIPE_KEYS, "name", "arm", "set", "", ".", "a.b", "model.activation.lambd", "model.args.x.y", "optimizer..lr"]


def outcome(tree: Tree) -> Study | None:
    """Return the study, or None where it was refused as it should be; let any other exception through."""
    try:
        return study_of(tree)
    except StudyFileError as error:
        refusal = error
    assert refusal.faults
    assert all(fault.message and "\n" not in fault.message for fault in refusal.faults)
    assert str(refusal).encode()
    return None


def spots(data: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the path of every value below `data`."""
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    return [spot for key, value in items for spot in ((*path, key), *spots(value, (*path, key)))]


def mutate(data: Any, rng: random.Random) -> None:
    """Change one thing somewhere: drop it, rename it, replace it, move a copy there."""
    everywhere = spots(data)
    if not everywhere:
        return
    path = rng.choice(everywhere)
    here = data
    for step in path[:-1]:
        here = here[step]
    last = path[-1]
    way = rng.randrange(5)
    if way == 0:
        del here[last]
    elif way == 1 and isinstance(here, dict):
        here[rng.choice(KEYS)] = here.pop(last)
    elif way == 2:
        source = data
        for step in rng.choice(everywhere):
            source = source[step]
        here[last] = copy.deepcopy(source)
    elif way == 3 and isinstance(here, list):
        here.append(copy.deepcopy(here[last]))
    else:
        here[last] = copy.deepcopy(rng.choice(ODD))


def test_changed_data_give_a_study_or_faults() -> None:
    """Thousands of valid studies, each changed in one to four places, are studies or are refused in words."""
    rng = random.Random(20)
    bases = [read_tree(text).data for text in TEXTS]
    n_good = 0
    for _ in range(2000):
        data = copy.deepcopy(rng.choice(bases))
        for _ in range(rng.randint(1, 4)):
            mutate(data, rng)
        n_good += outcome(Tree(data=data)) is not None
    assert 100 < n_good < 1500


def test_what_is_accepted_can_be_written_and_read_back() -> None:
    """A changed study that is accepted comes back equal from the YAML that is written of it."""
    rng = random.Random(21)
    bases = [read_tree(text).data for text in TEXTS]
    n_good = 0
    while n_good < 40:
        data = copy.deepcopy(rng.choice(bases))
        mutate(data, rng)
        study = outcome(Tree(data=data))
        if study is not None:
            n_good += 1
            again = parse_study(study_to_yaml(study))
            assert again == study
            assert study_to_plan(again) == study_to_plan(study)


@pytest.mark.parametrize("seed", range(4))
def test_changed_text_gives_a_study_or_faults(seed: int) -> None:
    """Valid files with bytes cut, doubled, swapped or replaced are studies or are refused in words."""
    rng = random.Random(seed)
    pieces = [
        "\t",
        "{",
        "[",
        "}",
        "]",
        ":",
        "- ",
        "&a ",
        "*a",
        "!!int ",
        "<<: ",
        "'",
        '"',
        "\x00",
        "|",
        ">",
        "%",
        "\n",
        "#",
        ".nan",
        "~",
    ]
    for _ in range(50):
        text = rng.choice(TEXTS)
        for _ in range(rng.randint(1, 3)):
            at, n = rng.randrange(len(text)), rng.choice([1, 1, 2, 5, 30])
            piece = rng.choice([*pieces, text[at : at + n] * 2, ""])
            text = text[:at] + piece + text[at + rng.choice([0, n]) :]
        outcome(read_tree(text[: rng.randrange(len(text))] if rng.random() < 0.2 else text))


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
@given(st.text(max_size=60) | st.text(alphabet="abn: -[]{}&*!|>'\"%@`#?,~\n\t0.e", max_size=60))
def test_any_text_gives_a_study_or_faults(text: str) -> None:
    """No text brings the reader down."""
    outcome(read_tree(text))


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
@given(st.text(max_size=30), st.text(max_size=30))
def test_any_change_from_the_command_line_gives_a_study_or_faults(key: str, value: str) -> None:
    """No --set brings the reader down, whatever stands on either side of its equals sign."""
    for change in (f"{key}={value}", f"recipe.{key}={value}", f"recipe.loss={value}"):
        faults: tuple[Fault, ...] = ()
        try:
            parse_study("study: q\ndata: {source: phantom, split: given}\n", sets=[change])
        except StudyFileError as error:
            faults = error.faults
        assert all(fault.origin == f"--set {change}" for fault in faults if fault.path != "")


CHARACTERS = st.characters(exclude_categories=("Cs", "Cc")) | st.sampled_from("\n\t\x85\u2028:#'\"-0")
TEXT_VALUES = st.text(CHARACTERS, min_size=1, max_size=20).filter(lambda text: text.strip() != "")


@settings(max_examples=40, deadline=None, derandomize=True)
@given(TEXT_VALUES, st.lists(st.integers(0, 2**63 - 1), min_size=1, max_size=5, unique=True), st.floats(1e-300, 1e300))
def test_words_and_numbers_survive_writing(question: str, seeds: list[int], lr: float) -> None:
    """Any question, seeds and learning rate come back equal from the YAML that is written of them."""
    data = {
        "study": question,
        "data": {"source": "phantom", "split": "given"},
        "recipe": {"optimizer": {"name": "adam", "lr": lr}},
        "seeds": seeds,
    }
    study = outcome(Tree(data=data))
    assert study is not None
    assert parse_study(study_to_yaml(study)) == study
    assert parse_study(study_to_yaml(study)).spec.recipe.optimizer.lr == lr


BOMBS = {
    "brackets": "[" * 100_000,
    "dashes": "- " * 100_000,
    "questions": "? " * 50_000,
    "laughs": "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 40)),
    "deep aliases": "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 200)),
    "itself": "study: &a [*a]\ndata: &b {x: *b}\n",
    "long": "x: " + "y" * 1_000_000,
    "many": "- a\n" * 60_000,
    "digits": "seeds: " + "9" * 200_000,
}


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_are_refused_soon(name: str) -> None:
    """Files made to exhaust a reader are refused with a fault within seconds."""
    started = time.process_time()
    assert outcome(read_tree(BOMBS[name])) is None
    assert time.process_time() - started < 5


def test_dates_are_texts() -> None:
    """A date is a text, as in YAML 1.2's core, not an object that nothing else understands."""
    assert read_tree("study: 2026-01-02").data == {"study": "2026-01-02"}
    assert not isinstance(read_tree("study: 2026-01-02").data["study"], datetime.date)


def test_files_of_random_bytes(tmp_path: Path) -> None:
    """A file of random bytes is refused with a fault."""
    from scantrial.study.file import read_study_file

    for seed in range(40):
        path = tmp_path / f"{seed}.yaml"
        path.write_bytes(random.Random(seed).randbytes(seed * 10))
        with pytest.raises(StudyFileError):
            read_study_file(path)
