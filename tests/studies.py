"""Study folders written through the store, with made-up scores: what a report is tested on."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image

from scantrial.core.files import sha256_of
from scantrial.core.fold_table import FoldTable
from scantrial.core.records import EpochRecord, RunFacts, RunResult, Split, SplitPredictions
from scantrial.recipe.plan import Plan
from scantrial.recipe.spec import Recipe
from scantrial.store.folder import RunKey, StudyFolder
from scantrial.store.tables import fold_columns
from scantrial.store.test_lock import Opening


@dataclass(frozen=True, kw_only=True)
class StudyShape:
    """What to write: sizes, names, runs that are missing, failed, diverged or evaluated twice (arm name, seed).

    Of a cross-validation `folds` has the folds and the repeats; `untested` are (arm name, repeat, fold) without a run.
    Collapsed runs give every case the first class. `turned` names arms whose scores are for the other class. `signal`
    says by arm how strong the scores are on a split.
    """

    arms: Mapping[str, Mapping[str, Any]]
    labels: Mapping[str, str] | None = None
    seeds: Sequence[int] = (0, 1, 2)
    epochs: int = 6
    rounds: int = 1
    class_names: Sequence[str] = ("normal", "pneumonia")
    n_cases: Mapping[str, int] | None = None
    question: str = "Is cross-entropy better than BCE?"
    source: str = "a/scan-{case}.png"
    cases_per_patient: int | None = None
    missing: Sequence[tuple[str, int]] = ()
    failed: Sequence[tuple[str, int]] = ()
    diverged: Sequence[tuple[str, int]] = ()
    evaluated_twice: Sequence[tuple[str, int]] = ()
    collapsed: Sequence[tuple[str, int]] = ()
    turned: Sequence[str] = ()
    signal: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    primary: str = "accuracy"
    split: Mapping[str, Any] | None = None
    about: Mapping[str, Any] | None = None
    thumbnails: bool = True
    weights: bool = False
    folds: tuple[int, int] | None = None
    untested: Sequence[tuple[str, int, int]] = ()
    rng_seed: int = 0


TWO_ARMS: Mapping[str, Mapping[str, Any]] = {"base": {}, "loss-ce": {"loss": "ce"}}


def recipe_of(settings: Mapping[str, Any], shape: StudyShape) -> dict[str, Any]:
    return Recipe(**{"epochs": shape.epochs, "rounds": shape.rounds, **settings}).to_dict()


def png_of(case: int) -> bytes:
    pixels = np.add.outer(np.arange(32), np.arange(32)) * 2 + case % 100
    stream = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(stream, format="PNG")
    return stream.getvalue()


def cases_of(shape: StudyShape) -> pa.Table:
    """Cases are numbered through train, val and test; labels go round the classes."""
    counts = shape.n_cases or {"train": 12, "val": 8, "test": 10}
    split = [name for name, n in counts.items() for _ in range(n)]
    cases = range(len(split))
    return pa.table(
        {
            "case": pa.array(cases, pa.int64()),
            "split": pa.array(split, pa.string()),
            "label": pa.array([case % len(shape.class_names) for case in cases], pa.int64()),
            "patient": pa.array(
                [shape.cases_per_patient and f"p{case // shape.cases_per_patient}" for case in cases], pa.string()
            ),
            "source": pa.array([shape.source.format(case=case) for case in cases], pa.string()),
            "thumbnail": pa.array([png_of(case) if shape.thumbnails else None for case in cases], pa.binary()),
        }
    )


def fold_table_of(shape: StudyShape, n_cases: int) -> FoldTable:
    """Two cases are a patient; patients go round the folds, in each repeat with another shift."""
    assert shape.folds is not None
    n_folds, n_repeats = shape.folds
    patient = np.arange(n_cases)[:, None] // 2
    repeat = np.arange(n_repeats)[None, :]
    test = (patient + repeat * (patient // n_folds)) % n_folds
    is_val = patient // n_folds % 4 == repeat % 4
    others = (1 << n_folds) - 1 - (1 << test)
    return FoldTable(n_folds=n_folds, test=test, val=np.where(is_val, others, 0))


def place_of_runs(shape: StudyShape) -> list[tuple[int, int] | tuple[None, None]]:
    if shape.folds is None:
        return [(None, None)]
    return [(repeat, fold) for repeat in range(shape.folds[1]) for fold in range(shape.folds[0])]


def data_of(shape: StudyShape, cases: pa.Table) -> dict[str, Any]:
    rows = list(zip(cases["split"].to_pylist(), cases["label"].to_pylist(), strict=True))
    counts = {
        split: {name: rows.count((split, index)) for index, name in enumerate(shape.class_names)}
        for split in ("train", "val", "test")
    }
    return {
        "fingerprint": "f" * 64,
        "class_names": list(shape.class_names),
        "counts": counts,
        "n_scans": len(rows) + 2,
        "n_used": len(rows),
        "has_patients": shape.cases_per_patient is not None,
        "image": {"shape": [1, 32, 32], "size": 32, "channels": 1, "fit": "stretch"},
        "pixel_type": "uint8",
        "split": dict(shape.split or {"train": 6, "val": 4, "test": 5, "per": "class"}),
        "source": dict(shape.about)
        if shape.about
        else {"name": "made-up", "licence": "CC0", "citation": "Nobody (2020)", "notes": ["First.", "Second."]},
        "skipped": [["b/torn.png", "is truncated"]],
    }


def history_of(shape: StudyShape, rng: np.random.Generator, *, broken_at: int | None) -> tuple[EpochRecord, ...]:
    records = []
    for epoch in range(1, shape.epochs * shape.rounds + 1):
        noise = float(rng.normal(0, 0.01))
        record = EpochRecord(
            round=(epoch - 1) // shape.epochs + 1,
            epoch=epoch,
            lr=1e-3,
            train_loss=0.6 / epoch**0.6,
            train_accuracy=1 - 0.3 / epoch**0.6,
            val_loss=0.62 / epoch**0.4 + abs(noise),
            val_accuracy=0.95 - 0.25 / epoch**0.6 + noise,
        )
        if epoch == broken_at:
            records.append(replace(record, train_loss=float("nan"), val_loss=float("inf")))
            break
        records.append(record)
    return tuple(records)


def predictions_of(
    shape: StudyShape,
    cases: pa.Table,
    rng: np.random.Generator,
    *,
    collapsed: bool = False,
    sign: float = 1.0,
    signal: Mapping[str, float] | None = None,
) -> tuple[SplitPredictions, ...]:
    names, split = tuple(shape.class_names), np.array(cases["split"].to_pylist())
    number, label = cases["case"].to_numpy(), cases["label"].to_numpy()
    parts = []
    for name, scatter in (("train", 0.6), ("val", 1.2), ("test", 2.0)):
        which: Split = name  # type: ignore[assignment]
        rows = split == name
        y_true = label[rows]
        strength = sign * (signal or {}).get(name, 2.0)
        logits = strength * np.eye(len(names))[y_true] + rng.normal(0, scatter, (len(y_true), len(names)))
        logits[:, 0] += 20 * collapsed
        scores = np.exp(logits)
        parts.append(
            SplitPredictions(
                split=which,
                cases=number[rows],
                y_true=y_true,
                logits=logits.astype(np.float32),
                output_names=names,
                y_prob=scores / scores.sum(axis=1, keepdims=True),
            )
        )
    return tuple(parts)


def run_of(shape: StudyShape, cases: pa.Table, arm: str, seed: int, *place: int | None) -> RunResult:
    drawn = [] if shape.folds is None else [number or 0 for number in place]
    rng = np.random.default_rng([shape.rng_seed, seed, list(shape.arms).index(arm), *drawn])
    diverged = (arm, seed) in shape.diverged
    history = history_of(shape, rng, broken_at=3 if diverged else None)
    facts = RunFacts(
        arm=arm,
        seed=seed,
        status="diverged" if diverged else "finished",
        n_epochs=len(history),
        chosen_epoch=None if diverged else len(history),
        selection="best val_loss",
        diverged_epoch=3 if diverged else None,
        engine="reference",
        engine_reason="asked for",
        device="cpu",
        threads=1,
        n_parameters=1234,
        recipe=recipe_of(shape.arms[arm], shape),
        preprocessing={},
        class_names=tuple(shape.class_names),
        image_shape=(1, 32, 32),
        pixel_type="uint8",
        times={"train": 1.0},
        repeat=place[0] if place else None,
        fold=place[1] if place else None,
    )
    collapsed, sign = (arm, seed) in shape.collapsed, -1.0 if arm in shape.turned else 1.0
    predictions = (
        ()
        if diverged
        else predictions_of(shape, cases, rng, collapsed=collapsed, sign=sign, signal=shape.signal.get(arm))
    )
    weights = {"w": rng.normal(size=(4, 4)).astype(np.float32)} if shape.weights else {}
    return RunResult(facts=facts, history=history, predictions=predictions, weights=weights)


def log_evaluation(folder: StudyFolder, shape: StudyShape, arm: str, seed: int, *place: int | None) -> None:
    """Log what a run logs when it evaluates itself on the test scans."""
    n = 0 if (arm, seed) in shape.diverged else 2 if (arm, seed) in shape.evaluated_twice else 1
    for _ in range(n):
        folder.log_test_opening(by="run", purpose="evaluation after training", runs=[RunKey(arm, seed, *place)])


def readings(folder: StudyFolder) -> list[Opening]:
    """Return the logged openings that are not a run's evaluation of itself."""
    return [opening for opening in folder.test_openings() if opening.by != "run"]


def rewrite(folder: StudyFolder, path: Path, text: str) -> None:
    """Write a file of a study folder as if it had been written like that: the protocol has its hash."""
    path.write_text(text)
    folder.hashes.bind("run", {path.relative_to(folder.path).as_posix(): sha256_of(path)})


def with_split(cases: pa.Table, split: np.ndarray) -> pa.Table:
    return cases.set_column(1, "split", pa.array(split.tolist(), pa.string()))


def write_study(path: Path, shape: StudyShape) -> StudyFolder:
    folder = StudyFolder(path)
    labels = shape.labels or {name: name for name in shape.arms}
    plan = {
        "study": shape.question,
        "arms": [
            {"name": name, "label": labels[name], "settings": dict(settings), "recipe": recipe_of(settings, shape)}
            for name, settings in shape.arms.items()
        ],
        "seeds": list(shape.seeds),
        "primary": {"metric": shape.primary, "split": "test", "margin": 0.02},
        "hypotheses": [{"claim": "CE is more accurate than BCE", "kind": "better", "arms": ["loss-ce", "base"]}],
        "design": "one-at-a-time",
    }
    cases = cases_of(shape)
    table = cases
    if shape.folds is not None:
        folds = fold_table_of(shape, len(cases))
        cases = with_split(cases, folds.parts(0, 0))
        table = cases
        for name, column in fold_columns(folds, slice(None)).items():
            table = table.append_column(name, column)
        split = {"folds": shape.folds[0], "repeats": shape.folds[1], "val": 0.2, "by": "patient", "seed": 0}
        plan["data"] = {"source": {"name": "made-up"}, "split": split}
        shape = replace(shape, split=split)
    folder.write_data(data_of(shape, cases), table)
    folder.write_environment({"versions": {"python": "3.11", "numpy": "2"}, "threads": 1, "device": "cpu"})
    text = f"study: {shape.question}\nseeds: {len(shape.seeds)}\n"
    folder.write_study(text, Plan.from_dict(plan), sha256="0" * 64, change="first")
    absent = {*shape.missing, *shape.failed}
    for name in shape.arms:
        for seed in shape.seeds:
            if (name, seed) not in absent:
                for place in place_of_runs(shape):
                    if (name, *place) in shape.untested:
                        continue
                    mine = cases if shape.folds is None else with_split(cases, folds.parts(*place))
                    log_evaluation(folder, shape, name, seed, *place)
                    folder.write_run(run_of(shape, mine, name, seed, *place), keep_weights=shape.weights)
    for name, seed in shape.failed:
        folder.write_failure(RunKey(name, seed), "MemoryError: no room for 3 <b>GB</b>")
    return folder
