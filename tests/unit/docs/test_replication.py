"""The homework reports' numbers, and the document that sets ours beside them."""

from __future__ import annotations

import json
import math
import re
import shutil
import tarfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from tests.studies import rewrite

import replicate
from replicating import measures, reports, rules, runs, study_section
from scantrial.analysis.estimates import estimate
from scantrial.analysis.intervals import arm_estimate
from scantrial.analysis.metrics import measure
from scantrial.core.errors import InputError
from scantrial.core.format import decimal, proportion
from scantrial.core.records import EpochRecord, RunFacts, RunResult, Split, SplitPredictions
from scantrial.findings.judging import judge, run_scores
from scantrial.findings.reading import read_study_folder
from scantrial.recipe.plan import Plan
from scantrial.recipe.spec import Recipe
from scantrial.store.folder import RunKey, StudyFolder
from scantrial.study.file import read_study_file

ROOT = Path(__file__).resolve().parents[3]

REPORTS = reports.read_reports(ROOT / "docs" / "data" / "reports.yaml")

SHALLOW: dict[str, Any] = {"model": "mlp-256", "loss": "bce", "schedule": "cosine-stepped-per-epoch"}
DEEP = {**SHALLOW, "model": "mlp-64x3", "loss": "ce"}
ROUNDS = {**SHALLOW, "rounds": 3}
ARMS: dict[str, dict[str, dict[str, Any]]] = {
    "report-a-loss": {"base": SHALLOW, "loss-ce": {**SHALLOW, "loss": "ce"}},
    "report-a-learning-rate": {
        "base": DEEP,
        **{f"lr-{lr}": {**DEEP, "optimizer": {"name": "adam", "lr": lr}} for lr in (0.0001, 0.0005, 0.01)},
    },
    "report-a-epochs": {"base": DEEP, **{f"epochs-{n}": {**DEEP, "epochs": n} for n in (10, 50, 100)}},
    "report-b-depth": {"base": SHALLOW, "model-mlp-32x3": {**SHALLOW, "model": "mlp-32x3"}},
    "report-b-loss": {"base": ROUNDS, "loss-ce": {**ROUNDS, "loss": "ce"}},
    "report-b-batch-size": {"base": ROUNDS, **{f"batch_size-{n}": {**ROUNDS, "batch_size": n} for n in (16, 64)}},
    "report-b-activation": {
        "base": ROUNDS,
        "leakyrelu": {**ROUNDS, "model": {"name": "mlp-256", "activation": "LeakyReLU"}},
        "tanhshrink": {**ROUNDS, "rounds": 4, "model": {"name": "mlp-256", "activation": "Tanhshrink"}},
    },
}
CLASSES = ("NORMAL", "PNEUMONIA")
N_WRONG = {"val": 28, "test": 100, "train": 4}

# ---------------------------------------------------------------- made-up study folders

History = Callable[[Recipe, int], tuple[EpochRecord, ...]]


def made_up_history(recipe: Recipe, seed: int) -> tuple[EpochRecord, ...]:
    """Validation loss falls to epoch 18 and then rises; everything is a plain function of epoch, arm and seed."""
    shift = 0.001 * recipe.batch_size + 0.01 * seed
    return tuple(
        EpochRecord(
            round=(epoch - 1) // recipe.epochs + 1,
            epoch=epoch,
            lr=1e-3,
            train_loss=0.5 / epoch + shift,
            train_accuracy=1 - 0.3 / (epoch + 2) - shift,
            val_loss=0.2 + 0.005 * abs(epoch - 18) + shift,
            val_accuracy=0.93 - 0.2 / (epoch + 2),
        )
        for epoch in range(1, recipe.epochs * recipe.rounds + 1)
    )


def made_up_predictions(split: Split, recipe: Recipe, *, n_wrong: int, n: int = 400) -> SplitPredictions:
    """The first `n_wrong` cases are decided wrongly, all with a probability of 0.95; normal cases come first."""
    y_true = np.repeat([0, 1], n // 2)
    decided = np.where(np.arange(n) < n_wrong, 1 - y_true, y_true)
    p = np.where(decided == 1, 0.95, 0.05)
    logit = np.log(p / (1 - p)).astype(np.float32)
    two = recipe.loss.name == "ce"
    return SplitPredictions(
        split=split,
        cases=np.arange(n, dtype=np.int64) + {"train": 0, "val": 400, "test": 800}[split],
        y_true=y_true.astype(np.int64),
        logits=np.column_stack([-logit / 2, logit / 2]) if two else logit[:, None],
        output_names=CLASSES if two else CLASSES[1:],
        y_prob=np.column_stack([1 - p, p]),
    )


def write_study(
    folder: Path,
    name: str,
    *,
    seeds: Sequence[int] = (0,),
    n_wrong: dict[str, int] = N_WRONG,
    history: History = made_up_history,
) -> StudyFolder:
    """Write a whole study folder through the store, as `scantrial run` would."""
    store = StudyFolder(folder)
    arms = {arm: Recipe.model_validate(recipe) for arm, recipe in ARMS[name].items()}
    plan = {
        "study": f"{name}?",
        "arms": [{"name": a, "label": a, "settings": {}, "recipe": r.to_dict()} for a, r in arms.items()],
        "seeds": list(seeds),
        "primary": {"metric": "accuracy", "split": "test", "margin": 0.02},
        "hypotheses": [],
        "design": "one-at-a-time",
        "data": read_study_file(name).spec.data.model_dump(mode="json", exclude_none=True),
    }
    store.write_study(f"study: {name}?\n", Plan.from_dict(plan), sha256="ab" * 32, change="first version")
    store.write_environment(
        {"torch": "9.9.9", "python": "3.11.0", "system": "Made-up-1.0", "device": "cpu", "threads": 2, "n_cores": 2}
    )
    store.write_data(made_up_data(), made_up_cases())
    for arm, recipe in arms.items():
        for seed in seeds:
            store.write_run(made_up_run(arm, seed, recipe, n_wrong, history))
    return store


def made_up_cases() -> pa.Table:
    """The cases of `made_up_predictions`."""
    n = 3 * 400
    return pa.table(
        {
            "case": range(n),
            "split": np.repeat(["train", "val", "test"], 400),
            "label": np.tile(np.repeat([0, 1], 200), 3),
            "patient": pa.nulls(n, pa.string()),
            "source": [f"{case}.png" for case in range(n)],
        }
    )


def made_up_data() -> dict[str, Any]:
    return {
        "fingerprint": "cd" * 32,
        "class_names": list(CLASSES),
        "counts": {split: dict.fromkeys(CLASSES, n) for split, n in (("train", 800), ("val", 200), ("test", 200))},
        "image": {"shape": [1, 256, 256], "size": 256, "channels": 1, "fit": "stretch"},
        "split": {"train": 800, "val": 200, "test": 200, "per": "class"},
        "source": {"name": "chest-xray", "title": "Made-up scans"},
        "n_scans": 2400,
        "n_used": 2400,
        "has_patients": False,
        "skipped": [],
    }


def made_up_run(arm: str, seed: int, recipe: Recipe, n_wrong: dict[str, int], history: History) -> RunResult:
    epochs = history(recipe, seed)
    facts = RunFacts(
        arm=arm,
        seed=seed,
        status="finished",
        n_epochs=len(epochs),
        chosen_epoch=18,
        selection="best val_loss",
        diverged_epoch=None,
        engine="reference",
        engine_reason="made up",
        device="cpu",
        threads=2,
        n_parameters=7,
        recipe=recipe.to_dict(),
        preprocessing={},
        class_names=CLASSES,
        image_shape=(1, 256, 256),
        pixel_type="uint8",
        times={"train_s": 61.4, "total_s": 70.0},
    )
    splits: tuple[Split, ...] = ("train", "val", "test")
    predictions = tuple(made_up_predictions(split, recipe, n_wrong=n_wrong[split]) for split in splits)
    return RunResult(facts=facts, history=epochs, predictions=predictions, weights={})


@pytest.fixture(scope="module")
def all_studies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every study of both reports with one seed; tests copy what they change."""
    out = tmp_path_factory.mktemp("replication")
    for name in ARMS:
        write_study(out / name, name)
    return out


@pytest.fixture(scope="module")
def page(all_studies: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The document of all studies with one seed."""
    return make_document(all_studies, tmp_path_factory.mktemp("page"))


def make_document(out: Path, target: Path, *more: str, code: int = 0) -> str:
    """Write the document from the folders under `out` and return it."""
    page = target / "replication.md"
    assert replicate.replicate(["--no-run", "--out", str(out), "--document", str(page), *more]) == code
    return page.read_text(encoding="utf-8")


def section(page: str, heading: str) -> str:
    """Return one section's text, its heading left out."""
    found = re.search(rf"^#+ {re.escape(heading)}$\n(.*?)(?=^#+ |\Z)", page, flags=re.MULTILINE | re.DOTALL)
    assert found, f"no section {heading}"
    return found[1]


def cells(text: str, *beginning: str) -> list[str]:
    """Return the cells of the one table row that begins with these cells."""
    rows = [[cell.strip() for cell in line.strip("| ").split("|")] for line in text.splitlines() if line[:1] == "|"]
    found = [row for row in rows if tuple(row[: len(beginning)]) == beginning]
    assert len(found) == 1, found
    return found[0]


# ---------------------------------------------------------------- the reports' file


def test_the_file_has_every_row_of_every_table() -> None:
    """Tables 1 to 7 are there, each with all its rows, in order."""
    expected = {
        1: ["bce", "ce"],
        2: ["bce", "ce"],
        3: ["batch-16", "batch-32", "batch-64"],
        4: ["batch-16", "batch-32", "batch-64"],
        5: ["relu", "leakyrelu", "tanhshrink"],
        6: ["relu", "leakyrelu", "tanhshrink"],
        7: ["tanhshrink"],
    }
    assert {table.table: [row.arm for row in table.rows] for table in REPORTS.tables} == expected
    own = [(t.table, row.arm) for t in REPORTS.tables for row in t.rows if row.same_as is None]
    assert len(own) == 13


def test_the_file_has_every_conclusion_and_accuracy() -> None:
    """A1 to A10 and B1 to B5 are there, and the eight test accuracies of report A by their arms."""
    assert [c.id for c in REPORTS.conclusions] == [f"A{k}" for k in range(1, 11)] + [f"B{k}" for k in range(1, 6)]
    printed = {arm.id: arm.test_accuracy for s in REPORTS.studies for arm in s.arms if arm.test_accuracy is not None}
    expected = {
        "bce": 72.0,
        "ce": 73.0,
        "lr-0.0001": 75.5,
        "lr-0.0005": 70.75,
        "lr-0.01": 75.0,
        "epochs-10": 75.75,
        "epochs-50": 71.25,
        "epochs-100": 74.0,
    }
    assert printed == expected
    shown = [arm.image.number for s in REPORTS.studies for arm in s.arms if arm.image]
    assert shown == [None, None, 252, 289, 207, 182, 370, 178]


def test_mean_and_end_are_told_apart() -> None:
    """Tables 1, 3 and 5 print means without three epochs, 2, 4 and 6 the end of round 3, 7 that of round 4."""
    kinds = {t.table: (t.aggregate.kind, t.aggregate.round, t.aggregate.skip) for t in REPORTS.tables}
    means = dict.fromkeys((1, 3, 5), ("mean", 1, 3))
    ends = dict.fromkeys((2, 4, 6), ("end", 3, 0))
    assert kinds == {**means, **ends, 7: ("end", 4, 0)}


def test_a_row_used_again_gives_the_first_rows_numbers() -> None:
    """Batch 32 and ReLU are the BCE rows of tables 1 and 2, typed once."""
    by_place = {(t.table, row.arm): REPORTS.printed(row) for t in REPORTS.tables for row in t.rows}
    assert by_place[3, "batch-32"] == by_place[5, "relu"] == by_place[1, "bce"]
    assert by_place[4, "batch-32"] == by_place[6, "relu"] == by_place[2, "bce"]
    assert by_place[1, "bce"].train_loss == 0.1845


def test_every_named_measure_exists() -> None:
    """The conclusions name only measures that can be computed."""
    for conclusion in REPORTS.conclusions:
        for name in (*conclusion.numbers, *(rule.measure for rule in conclusion.rules)):
            assert measures.find_measure(name).name == name


def test_a_reference_to_nothing_is_refused(tmp_path: Path) -> None:
    """A conclusion about an arm that is not there, and a row taken from no table, are both named at once."""
    text = (ROOT / "docs" / "data" / "reports.yaml").read_text(encoding="utf-8")
    wrong = text.replace("arm: ce, is: highest", "arm: cee, is: highest", 1).replace(
        "{table: 1, arm: bce}", "{table: 9, arm: bce}", 1
    )
    path = tmp_path / "reports.yaml"
    path.write_text(wrong, encoding="utf-8")
    with pytest.raises(InputError, match=r"no row 'bce' in table 9.*conclusion A1: no arm 'cee'"):
        reports.read_reports(path)


def test_each_reported_arm_is_one_arm_of_the_built_in_study() -> None:
    """Every `match` finds exactly one arm of the study file that scantrial brings."""
    for study in REPORTS.studies:
        recipes = [arm.recipe.to_dict() for arm in read_study_file(study.name).arms]
        for arm in study.arms:
            assert sum(runs.matches(recipe, arm.match) for recipe in recipes) == 1, (study.name, arm.id)


# ---------------------------------------------------------------- rules


def test_two_standard_errors_of_a_difference() -> None:
    """75 % and 72 % of 400 images each: 2 sqrt(75 x 25 / 400 + 72 x 28 / 400) = 6.238 points."""
    assert rules.chance_allows(75, 400, 72, 400) == pytest.approx(2 * math.sqrt(4.6875 + 5.04))


def test_agreement_with_one_seed_is_chance_alone() -> None:
    """With one seed 6 points apart agree, 7 do not."""
    near, far = rules.agreement(72.0, 400, [78.0], 400), rules.agreement(72.0, 400, [79.0], 400)
    assert near is not None
    assert far is not None
    assert near.seed_range == 0
    assert (near.agrees, far.agrees) == (True, False)
    assert near.difference == pytest.approx(6.0)


def test_agreement_with_seeds_adds_their_range() -> None:
    """Seeds at 76 and 84 %: their mean is 8 points off, and the range of 8 is added to what chance allows."""
    found = rules.agreement(72.0, 400, [76.0, 84.0], 400)
    assert found is not None
    assert found.allowed == pytest.approx(rules.chance_allows(72, 400, 80, 400) + 8)
    assert found.agrees


def test_agreement_without_a_run_is_none() -> None:
    """No number, no agreement."""
    assert rules.agreement(72.0, 400, [], 400) is None
    assert rules.agreement(72.0, 400, [float("nan")], 400) is None


# ---------------------------------------------------------------- the document


def test_the_document_has_every_number_and_conclusion(page: str) -> None:
    """Each conclusion with its claim, each study, each printed test accuracy and each of report B's figures."""
    for conclusion in REPORTS.conclusions:
        assert f"> {conclusion.claim}" in section(page, conclusion.id)
        assert "What the numbers here show" in section(page, conclusion.id)
    for study in REPORTS.studies:
        text = section(page, f"`{study.name}` (report {study.report})")
        for arm in study.arms:
            if arm.test_accuracy is not None:
                assert f"{arm.test_accuracy:.2f}" in text
        for table in REPORTS.tables_of(study.name):
            for row in table.rows:
                losses = (REPORTS.printed(row).train_loss, REPORTS.printed(row).val_loss)
                assert all(f"{loss:.4f}" in text or f"{loss:g}" in text for loss in losses)


def test_test_accuracies_stand_beside_the_printed_ones(page: str) -> None:
    """100 of 400 test cases are wrong: 75.00 %, 3 points above the printed 72.00, within what chance allows."""
    text = section(page, "`report-a-loss` (report A)").partition("The one image")[0]
    allowed = rules.chance_allows(72, 400, 75, 400)
    assert cells(text, "BCE") == ["BCE", f"agrees within {allowed:.2f}", "72.00", "75.00", "+3.00", f"{allowed:.2f}"]
    assert "8 of 8 compared" in section(page, "In short")


def test_report_b_numbers_are_the_curves_aggregates(page: str) -> None:
    """Table 3 is the mean of epochs 4 to 30, table 4 epoch 90, of the arm with batch 16."""
    text = section(page, "`report-b-batch-size` (report B)")
    history = made_up_history(Recipe.model_validate({**ROUNDS, "batch_size": 16}), 0)
    mean = float(np.mean([epoch.val_loss for epoch in history[3:30]]))
    end = history[89].val_loss
    assert cells(text, "3", "batch 16", "val loss")[3:] == ["higher", "0.2325", f"{mean:.4f}", f"{mean - 0.2325:+.4f}"]
    assert cells(text, "4", "batch 16", "val loss")[3:] == ["higher", "0.3341", f"{end:.4f}", f"{end - 0.3341:+.4f}"]


def test_a_changed_stored_number_changes_the_document(page: str, all_studies: Path, tmp_path: Path) -> None:
    """Nothing is typed: 40 more wrong test cases turn 75.00 into 65.00 and an agreement into none."""
    changed = shutil.copytree(all_studies, tmp_path / "changed")
    shutil.rmtree(changed / "report-a-loss")
    write_study(changed / "report-a-loss", "report-a-loss", n_wrong={**N_WRONG, "test": 140})
    after = make_document(changed, tmp_path)
    text = section(after, "`report-a-loss` (report A)").partition("The one image")[0]
    assert cells(text, "CE")[1].startswith("does not agree within")
    assert cells(text, "CE")[2:5] == ["73.00", "65.00", "-8.00"]
    assert "6 of 8 compared" in section(after, "In short")
    assert section(page, "A5") == section(after, "A5")
    assert section(page, "A2") != section(after, "A2")


def test_a_changed_curve_changes_the_document(page: str, all_studies: Path, tmp_path: Path) -> None:
    """The epoch of the lowest validation loss is read from the history: A9 holds at 18 and fails at 40."""

    def late(recipe: Recipe, seed: int) -> tuple[EpochRecord, ...]:
        shifted = made_up_history(recipe, seed)
        return tuple(
            EpochRecord(**{**{f: getattr(e, f) for f in EpochRecord.__slots__}, "val_loss": 1 + abs(e.epoch - 40)})
            for e in shifted
        )

    changed = shutil.copytree(all_studies, tmp_path / "changed")
    shutil.rmtree(changed / "report-a-epochs")
    write_study(changed / "report-a-epochs", "report-a-epochs", history=late)
    before, after = section(page, "A9"), section(make_document(changed, tmp_path), "A9")
    assert cells(before, "50 epochs")[1] == "18"
    assert cells(after, "50 epochs")[1] == "40"
    assert "**so in this run" in before
    assert "**not so in this run" in after


def test_one_seed_says_nothing_about_arms(page: str) -> None:
    """With one seed, every rule that compares arms ends in "one seed cannot say", however far apart the numbers are."""
    for conclusion in REPORTS.conclusions:
        text = section(page, conclusion.id)
        n_between = sum(rule.kind in ("extreme", "order") for rule in conclusion.rules)
        assert text.count("one seed cannot say") == n_between, conclusion.id
        assert text.count("(one seed)**") == len(conclusion.rules) - n_between
    assert "no arm can be called better than another" in section(page, "In short")


def test_several_seeds_give_ranges_and_counts(tmp_path: Path) -> None:
    """With three seeds the mean stands with its range, and a comparison of arms is counted over the seeds."""
    write_study(tmp_path / "report-b-batch-size", "report-b-batch-size", seeds=(0, 1, 2))
    page = make_document(tmp_path, tmp_path, "--studies", "report-b-batch-size")
    text = section(page, "`report-b-batch-size` (report B)")
    history = [made_up_history(Recipe.model_validate({**ROUNDS, "batch_size": 64}), seed)[89] for seed in (0, 1, 2)]
    losses = [epoch.train_loss for epoch in history]
    expected = f"{np.mean(losses):.4f} ({min(losses):.4f} to {max(losses):.4f})"
    assert cells(text, "4", "batch 64", "train loss")[5] == expected
    rising, flat, *verdicts = [line for line in section(page, "B4").splitlines() if line.startswith("- ")]
    assert len(verdicts) == 2
    assert all(line.startswith("- Verdict on test accuracy: ") for line in verdicts)
    assert "**so in 3 of 3 seeds, which is a count and no test**" in rising
    assert "**so in 0 of 3 seeds" in flat
    assert "one seed cannot say" not in section(page, "B4")


def test_a_gap_between_validation_and_test_is_held_against_chance(page: str) -> None:
    """93 % in validation and 75 % on the test images are 18 points apart, more than chance allows: A2 is not so."""
    text = section(page, "A2")
    allowed = rules.chance_allows(93, 400, 75, 400)
    assert f"BCE, seed 0: +18.00 points, chance allows {allowed:.2f}" in text
    assert "**not so in any of the 2 runs" in text


def test_shown_images_are_found_by_class_and_place(all_studies: Path) -> None:
    """Image 178 is the 179th pneumonia case and 252 the 53rd normal one, though our normal cases come first."""
    part = made_up_predictions("val", Recipe(), n_wrong=0)
    names = [name.casefold() for name in CLASSES]
    assert study_section.row_of_image(part, names, 178, REPORTS) == 200 + 178
    assert study_section.row_of_image(part, names, 252, REPORTS) == 52
    assert study_section.row_of_image(part, names, 400, REPORTS) is None
    smaller = made_up_predictions("val", Recipe(), n_wrong=0, n=100)
    assert study_section.row_of_image(smaller, names, 52, REPORTS) is None


def test_test_rows_are_opened_for_verdicts_and_where_the_report_has_a_test_accuracy(
    all_studies: Path, tmp_path: Path
) -> None:
    """A document opens each study once for its verdicts, and each run of report A once more; each by its name."""
    out = shutil.copytree(all_studies, tmp_path / "out")
    before = {name: len(StudyFolder(out / name).test_openings()) for name in ARMS}
    make_document(out, tmp_path)
    for name, arms in ARMS.items():
        new = StudyFolder(out / name).test_openings()[before[name] :]
        assert len(new) == 1 + (len(arms) if name.startswith("report-a") else 0)
        assert {opening.by for opening in new} == {"replicate"}


def test_the_page_tells_what_was_run(page: str) -> None:
    """Versions, threads, fingerprints, splits, the caveat about the scans, run times, and the command are there."""
    text = section(page, "What was run")
    assert cells(text, "all")[1:4] == ["9.9.9", "3.11.0", "Made-up-1.0"]
    assert cells(text, "all")[4:] == ["cpu", "reference", "2", "2"]
    assert cells(text, "`report-b-activation`")[1:] == [
        "3 x 30, 4 x 30",
        "`abababababab`",
        "`cdcdcdcdcdcd`",
        "3 of 3",
        "1",
    ]
    assert "224 x 224 pixels were scaled to 256" in text
    assert "the first 1,000 were used" in text
    assert "val: 200 NORMAL, 200 PNEUMONIA" in text
    assert "python examples/replication/replicate.py --seeds 1" in page
    assert cells(section(page, "Run times"), "`report-a-epochs`", "100 epochs")[2:] == ["100", "1 min 1 s"]
    assert "pytest" not in page


# ---------------------------------------------------------------- the script


def test_missing_and_unfinished_runs_are_named(all_studies: Path, tmp_path: Path) -> None:
    """A study without a folder and a study with a run missing are named on the page, and the exit code is 1."""
    out = shutil.copytree(all_studies, tmp_path / "out")
    shutil.rmtree(out / "report-b-depth")
    shutil.rmtree(out / "report-a-loss" / "runs" / "loss-ce")
    StudyFolder(out / "report-a-loss").write_failure(RunKey("loss-ce", 0), "the disk was full")
    page = make_document(out, tmp_path, code=1)
    short = section(page, "In short")
    assert "Not run: `report-b-depth`." in short
    assert "run loss-ce/seed-0 failed: the disk was full" in short
    assert "1 of 2 runs are finished" in short
    assert "7 of 7 compared (8 are printed)" in short
    assert "`report-b-depth` was not run" in section(page, "B2")
    assert "these numbers for every arm" in section(page, "A1")


def test_an_empty_folder_gives_a_page_that_says_so(tmp_path: Path) -> None:
    """Without any study the page claims nothing."""
    page = make_document(tmp_path / "nothing", tmp_path, code=1)
    assert "Nothing was run." in page
    assert "0 of 0 compared (8 are printed)" in page
    assert page.count("was not run") == len(REPORTS.conclusions)


def test_studies_are_run_by_the_public_command_and_failures_are_kept(tmp_path: Path) -> None:
    """Each asked study is run by `scantrial run`; one that ends with code 3 is named, the next is run all the same."""
    commands: list[Sequence[str]] = []

    def runner(command: Sequence[str]) -> int:
        commands.append(command)
        name = command[4]
        write_study(tmp_path / name, name, seeds=(0, 1))
        return 3 if name == "report-b-loss" else 0

    arguments = ["--out", str(tmp_path), "--seeds", "2", "--document", str(tmp_path / "page.md")]
    code = replicate.replicate([*arguments, "--studies", "report-b-depth", "report-b-loss"], runner)
    page = (tmp_path / "page.md").read_text(encoding="utf-8")
    assert code == 1
    assert [command[1:] for command in commands] == [
        ["-m", "scantrial", "run", name, "--out", str(tmp_path / name), "--seeds", "2"]
        for name in ("report-b-depth", "report-b-loss")
    ]
    assert "**report-b-loss**: `scantrial run` ended with code 3" in page
    assert "**report-b-depth**" not in page


def test_the_archive_gives_the_page(tmp_path: Path) -> None:
    """Whoever unpacks the runs' small files gets docs/replication.md from them, byte for byte, without training."""
    with tarfile.open(ROOT / "docs" / "data" / "replication.tar.xz") as archive:
        archive.extractall(tmp_path, filter="data")
    assert replicate.replicate(["--no-run", "--out", str(tmp_path), "--document", str(tmp_path / "page.md")]) == 0
    page = (tmp_path / "page.md").read_text(encoding="utf-8")
    assert page == (ROOT / "docs" / "replication.md").read_text(encoding="utf-8")


def test_a_wrong_study_name_is_refused_before_anything_runs(tmp_path: Path) -> None:
    """A name that no report has ends in a message with the right ones; no study is run."""
    with pytest.raises(InputError, match="no study of the reports is called report-c"):
        replicate.replicate(["--studies", "report-c"], lambda command: pytest.fail("it ran"))
    with pytest.raises(InputError, match="--seeds 0"):
        replicate.replicate(["--seeds", "0"], lambda command: pytest.fail("it ran"))


def test_a_folder_of_another_study_is_named_not_used(all_studies: Path, tmp_path: Path) -> None:
    """A folder whose recipes are not the report's arms is a problem on the page, and its numbers are left out."""
    out = shutil.copytree(all_studies, tmp_path / "out")
    shutil.rmtree(out / "report-a-loss")
    shutil.copytree(out / "report-b-batch-size", out / "report-a-loss")
    page = make_document(out, tmp_path, code=1)
    assert "**report-a-loss**: report-a-loss: the report's arm 'bce' is ['base', 'batch_size-16', " in page
    assert "`report-a-loss` was not run" in section(page, "A1")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"recipe": {"epochs": 1}}, "arm base.epochs is 1 instead of 30"),
        ({"data": {"split": {"train": 80}}}, "data.split.train is 80 instead of 800"),
    ],
)
def test_a_study_run_with_other_settings_is_no_replication(
    all_studies: Path, tmp_path: Path, change: dict[str, Any], said: str
) -> None:
    """A folder that was run with fewer epochs, or on fewer scans, is named, and its numbers are left out."""
    out = shutil.copytree(all_studies, tmp_path / "out")
    path = out / "report-a-loss" / "plan.json"
    plan = json.loads(path.read_text(encoding="utf-8"))
    plan["arms"][0]["recipe"].update(change.get("recipe", {}))
    plan["data"]["split"].update(change.get("data", {}).get("split", {}))
    path.write_text(json.dumps(plan), encoding="utf-8")
    page = make_document(out, tmp_path, code=1)
    assert f"**report-a-loss**: the folder is not of the built-in study report-a-loss: {said}" in page
    assert "`report-a-loss` was not run" in section(page, "A2")
    assert "6 of 6 compared (8 are printed)" in page


def test_a_diverged_run_is_named(tmp_path: Path) -> None:
    """A run whose loss was not finite is named, is no failure, and gives no epoch of a lowest loss."""

    def diverging(recipe: Recipe, seed: int) -> tuple[EpochRecord, ...]:
        start = made_up_history(recipe, seed)[:8]
        last = {f: getattr(start[-1], f) for f in EpochRecord.__slots__}
        return (*start, EpochRecord(**{**last, "epoch": 9, "val_loss": math.nan}))

    store = write_study(tmp_path / "report-a-loss", "report-a-loss", history=diverging)
    path = store.run_path(RunKey("base", 0)) / "run.json"
    facts = json.loads(path.read_text(encoding="utf-8"))
    rewrite(store, path, json.dumps({**facts, "status": "diverged", "diverged_epoch": 9}))
    page = make_document(tmp_path, tmp_path, "--studies", "report-a-loss")
    assert "run base/seed-0 diverged at epoch 9" in section(page, "In short")
    run = runs.RunView(store, RunKey("base", 0))
    assert math.isnan(measures.find_measure("lowest_val_loss_epoch").compute(run))
    assert math.isnan(measures.find_measure("val_loss_rise").compute(run))


def test_accuracy_is_the_packages_metric(all_studies: Path) -> None:
    """The accuracy on the page is `scantrial.analysis.metrics.measure`, in per cent."""
    store = StudyFolder(all_studies / "report-a-loss")
    run = runs.RunView(store, RunKey("base", 0))
    (part,) = store.predictions(RunKey("base", 0), ("val",), by="test", purpose="compare")
    assert measures.accuracy(run, split="val") == 100 * measure("accuracy", part.y_true, part.y_prob).value == 93.0


def test_every_table_is_a_markdown_table(page: str) -> None:
    """All rows of a table have as many cells as its header, and no line of a table is broken."""
    lines = page.splitlines()
    n_cells = 0
    for line, before in zip(lines, ["", *lines], strict=False):
        if line.startswith("|"):
            n_cells = n_cells if before.startswith("|") else line.count("|")
            assert line.count("|") == n_cells, line


def test_the_command_to_reproduce_names_the_seeds(tmp_path: Path) -> None:
    """The page's command has the number of seeds that the folders hold, whatever was asked for the page."""
    write_study(tmp_path / "report-b-depth", "report-b-depth", seeds=(0, 1, 2))
    page = make_document(tmp_path, tmp_path, "--studies", "report-b-depth")
    assert "python examples/replication/replicate.py --seeds 3" in page


def test_the_readme_shows_what_the_archive_gives(tmp_path: Path) -> None:
    """The verdict and the table of both losses at the head of the README are those of the packed runs."""
    with tarfile.open(ROOT / "docs" / "data" / "replication.tar.xz") as archive:
        members = [member for member in archive if member.name.startswith("report-a-loss/")]
        archive.extractall(tmp_path, members, filter="data")
    study = read_study_folder(StudyFolder(tmp_path / "report-a-loss"), by="test", purpose="the README")
    primary = judge(study).primary
    assert primary is not None
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert primary.comparisons[0].sentence in " ".join(readme.replace("\n> ", " ").split())
    test, val = run_scores(study, "test"), run_scores(study, "val")
    assert test is not None
    assert val is not None
    for arm, label in (("base", "loss = bce (base)"), ("loss-ce", "loss = ce")):
        shown = [proportion(arm_estimate(estimate(val, "accuracy"), arm).mean)]
        for metric in ("accuracy", "sensitivity", "specificity", "auroc"):
            found, show = arm_estimate(estimate(test, metric), arm), decimal if metric == "auroc" else proportion
            shown.append(f"{show(found.mean)} ({show(found.low)} to {show(found.high)})")
        assert f"| {label} | {' | '.join(shown)} |" in readme
