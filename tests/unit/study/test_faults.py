"""Every mistake in a study file is named at once, at its line, with the nearest right name."""

from __future__ import annotations

import pytest

from scantrial.core.errors import StudyFileError
from scantrial.study.file import parse_study

from .conftest import HEAD, FaultsOf

WRONG = """\
study: 5
data:
  source: {name: phantom, n_case: 3}
  image: {size: [64, 2], fitt: pad}
  split: {train: 1.5, val: givn, test: -3, per: class}
recipe:
  model: {name: mlp-65, hidden: [0, x]}
  loss: bcee
  optimizer: {name: adam, momentum: 0.9, lr: no}
  lr: 1e-3
  batchsize: 32
factors:
  loss: [bce, cee, bce]
  momentum: [0.1]
design: factoriall
seeds: [1, -2]
primary: {metric: accurcy, margin: 2}
hypotheses:
  - {claim: x, better: {loss: ce}, than: {loss: bce}}
acknowledge: [{finding: AU001}]
"""


def test_all_faults_come_at_once_in_the_order_of_the_file() -> None:
    """A file with a fault in every part is refused once, and each fault stands at its line with the right name."""
    with pytest.raises(StudyFileError) as caught:
        parse_study(WRONG)
    found = [(fault.line, fault.path, fault.suggestion) for fault in caught.value.faults]
    assert found == [
        (1, "study", None),
        (3, "data.source.n_case", None),
        (4, "data.image.size[1]", None),
        (4, "data.image.fitt", "fit"),
        (5, "data.split.train", None),
        (5, "data.split.val", "given"),
        (5, "data.split.test", None),
        (7, "recipe.model.name", "mlp-256"),
        (7, "recipe.model.hidden[0]", None),
        (7, "recipe.model.hidden[1]", None),
        (8, "recipe.loss", "bce"),
        (9, "recipe.optimizer.lr", None),
        (9, "recipe.optimizer.momentum", None),
        (10, "recipe.lr", "recipe.optimizer.lr"),
        (11, "recipe.batchsize", "batch_size"),
        (13, "factors.loss[1]", "ce"),
        (13, "factors.loss[2]", None),
        (14, "factors.momentum", "optimizer.momentum"),
        (15, "design", "factorial"),
        (16, "seeds[1]", None),
        (17, "primary.metric", "accuracy"),
        (19, "hypotheses[0].better", "cee"),
        (20, "acknowledge[0].reason", None),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("recipe: {optimizer: {name: adam, momentum: 0.9}}", "does not belong to adam; it belongs to sgd"),
        ("recipe: {optimizer: {name: sgd, betas: [0.9, 0.9]}}", "does not belong to sgd; it belongs to adam, adamw"),
        ("recipe: {optimizer: adm}", "got 'adm'; expected 'adam', 'adamw', 'sgd'"),
        ("recipe: {optimizer: {lr: 1}}", "name is missing; expected one of 'adam', 'adamw', 'sgd'"),
        ("recipe: {optimizer: {name: adam, betas: [0.9]}}", "got [0.9]; expected a longer list"),
        ("recipe: {optimizer: 3}", "got 3; expected keys with values"),
        ("recipe: {loss: {label_smoothing: 0.1}}", "is missing; expected one of 'bce', 'ce'"),
        ("recipe: {loss: {name: ce, class_weights: balance}}", "got 'balance'; expected 'balanced' or a list"),
        ("recipe: {loss: {name: ce, class_weights: [1, -1]}}", "got -1; expected above 0"),
        ("recipe: {epochs: 0}", "got 0; expected at least 1"),
        ("recipe: {epochs: 3.0}", "got 3.0; expected a whole number"),
        ("recipe: {epochs: true}", "got true; expected a whole number"),
        ("recipe: {epochs: '3'}", "got '3'; expected a whole number"),
        ("recipe: {epochs: }", "got nothing; expected a whole number"),
        ("recipe: {train_eval: no}", "got 'no'; expected true or false"),
        ("recipe: {train_eval: 1}", "got 1; expected true or false"),
        ("recipe: {clip_grad_norm: -1}", "got -1; expected above 0"),
        ("recipe: mlp", "got 'mlp'; expected keys with values"),
        ("recipe: {model: {name: mlp, activation: {name: Relu}}}", "torch.nn has no element-wise activation 'Relu'"),
        ("recipe: {model: {activation: {name: ELU, beta: 1}}}", "ELU takes no argument 'beta'; it takes alpha"),
        ("recipe: {model: {name: cnn, hidden: [3]}}", "cnn has no hidden sizes to set"),
        ("recipe: {model: 'a b:c'}", "'a b:c' is not the name of a class; write package.module:Class"),
        ("recipe: {schedule: {warmup_epochs: 31}}", "schedule.warmup_epochs is 31, but a round has only 30 epochs"),
        ("seeds: 0", "got 0; expected at least 1"),
        ("seeds: 100000000", "got 100000000; expected at most 1,000"),
        ("seeds: []", "got []; expected at least 1 in the list"),
        ("seeds: [1, 1]", "seed 1 is listed twice; a second run with it would add nothing"),
        ("seeds: five", "got 'five'; expected a whole number or a list"),
        ("primary: {margin: 2}", "margin 2 of accuracy (did you mean 0.02?), expected less than 1: two percentage points are 0.02"),
        ("primary: {metric: macro_f1, margin: 1}", "margin 1 of macro_f1 (did you mean 0.01?), expected less than 1: two percentage points"
         " are 0.02"),
        ("primary: {split: val}", "got 'val'; expected 'test'"),
        ("factors: {loss: []}", "got []; expected at least 1 in the list"),
        ("factors: {loss: ce}", "got 'ce'; expected a list"),
        ("factors:", "got nothing; expected keys with values"),
        ("design: [{arm: a, set: {}}]", "got {}; expected at least 1 in the list"),
        ("weights: none", "no such key; the keys are study, data, recipe, factors, design, seeds, primary, hypotheses, "
         "acknowledge, keep_weights, about"),
    ],
)  # fmt: skip
def test_each_mistake_has_one_sentence(faults_of: FaultsOf, text: str, message: str) -> None:
    """A single mistake gives a single fault on its line, whatever union the value stands in."""
    (fault,) = faults_of(text)
    assert fault.message == message
    assert fault.line == 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("data: {source: phantom, split: {train: 800, val: 200}}",
         "whole numbers are cases per class: write all shares as whole numbers, with per: class"),
        ("data: {source: phantom, split: {train: 0.9, val: 0.2}}", "the fractions add up to 1.1, more than 1"),
        ("data: {source: phantom, split: nothing}", "got 'nothing'; expected keys with values"),
        ("data: {source: phantom}", "is missing; for example: split: {train: 0.7, val: 0.15, test: 0.15}"),
        ("data: {source: 3, split: given}", "got 3; expected keys with values"),
        ("data: {source: phantom, split: given, classes: [a, a]}",
         "got ['a', 'a']; expected two or more different names"),
        ("data: {source: phantom, split: given, patient: 'p[0-9]+'}",
         "'p[0-9]+' has 0 groups; expected one, (...), around the patient, or the word folder"),
        ("data: {source: phantom, split: given, ignore: ['*.png', '../x']}",
         "got '../x'; expected a file name, or a path relative to the source"),
        ("data: {source: phantom, split: given, classes: {a: [x], b: [x]}}",
         "'x' is listed 2 times; expected once"),
        ("data: {source: phantom, split: given, classes: {a: [x], b: []}}",
         "'b' stands for no class; expected a list of names"),
    ],
)  # fmt: skip
def test_impossible_data_are_refused(text: str, message: str) -> None:
    """What is said about the scans is checked before any scan is looked at."""
    with pytest.raises(StudyFileError) as caught:
        parse_study(f"study: q\n{text}\n")
    (fault,) = caught.value.faults
    assert (fault.line, fault.message) == (2, message)


def test_faults_of_the_source_stand_at_its_options() -> None:
    """What a source finds wrong with its options is reported with the other faults, at the option's line."""
    with pytest.raises(StudyFileError) as caught:
        parse_study("study: q\ndata:\n  source:\n    name: phantom\n    size: 7\n  split: given\nseeds: 0\n")
    assert [(fault.line, fault.path) for fault in caught.value.faults] == [(5, "data.source.size"), (7, "seeds")]


def test_a_source_that_is_not_there_may_lie_elsewhere() -> None:
    """A study folder names no folders of the machine, so its study file needs to be told; an option's fault does not."""
    with pytest.raises(StudyFileError) as caught:
        parse_study("study: q\ndata: {source: nowhere-scans, split: given}\n")
    (fault,) = caught.value.faults
    assert fault.path == "data.source"
    assert fault.message.endswith("; if it lies elsewhere, add --set data.source.name=PATH")


def test_a_missing_question_and_missing_data_are_named(faults_of: FaultsOf) -> None:
    """An all but empty file is told what it needs."""
    with pytest.raises(StudyFileError) as caught:
        parse_study("seeds: 3\n")
    assert [str(fault).partition("; for example: ")[0] for fault in caught.value.faults] == [
        "study: is missing",
        "data: is missing",
    ]
    example = str(caught.value.faults[1]).partition("; for example: ")[2]
    assert parse_study(f"study: A question?\n{example.replace('my-scans', 'phantom')}\n").spec.data.split.test == 0.15


def test_long_values_are_cut_in_messages(faults_of: FaultsOf) -> None:
    """A message stays one short line, however long the value."""
    (fault,) = faults_of(f"seeds: {'x' * 500}")
    assert len(fault.message) < 120


def test_the_message_says_how_many_and_what_to_do() -> None:
    """The error counts the faults and says what comes next."""
    with pytest.raises(StudyFileError) as caught:
        parse_study(HEAD + "seeds: 0\nrecipe: {epochs: 0}\n", source="trial.yaml")
    assert str(caught.value) == (
        "trial.yaml has 2 faults:\n"
        "  line 3: seeds: got 0; expected at least 1\n"
        "  line 4: recipe.epochs: got 0; expected at least 1\n"
        "do this: fix these, then run the same command again; `scantrial schema` prints every key"
    )
    assert caught.value.exit_code == 2


def test_a_misspelt_name_hides_no_other_fault(faults_of: FaultsOf) -> None:
    """Values of a part are judged by the nearest name; keys are not, since only the right name tells what belongs."""
    text = (
        "recipe:\n"
        "  optimizer: {name: adamm, lr: -1, momentum: 0.9}\n"
        "  schedule: {name: stepp, every: 0, gamma: 0.5}\n"
        "  loss: {name: cee, focal_gamma: -2}\n"
    )
    assert {fault.path: fault.suggestion for fault in faults_of(text)} == {
        "recipe.optimizer.name": "adam",
        "recipe.optimizer.lr": None,
        "recipe.schedule.name": "step",
        "recipe.schedule.every": None,
        "recipe.loss.name": "ce",
        "recipe.loss.focal_gamma": None,
    }


def test_a_precision_by_another_name_is_understood(faults_of):
    """What PyTorch and others call it; the nearest letters would name the other one."""
    meant = {"bfloat16": "bf16", "fp16": "bf16", "fp32": "float32", "flaot32": "float32"}
    found = {name: faults_of(f"recipe: {{precision: {name}}}")[0].suggestion for name in meant}
    assert found == meant
