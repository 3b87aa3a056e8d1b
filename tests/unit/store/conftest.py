"""A small finished run, and a folder that plans two arms at two seeds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scantrial.core.records import EpochRecord, RunFacts, RunResult, Split, SplitPredictions
from scantrial.recipe.plan import Plan
from scantrial.store.folder import StudyFolder

MakeResult = Callable[..., RunResult]


def _predictions(split: Split, cases: list[int], rng: np.random.Generator) -> SplitPredictions:
    logits = rng.normal(size=(len(cases), 1)).astype(np.float32)
    p = 1 / (1 + np.exp(-logits[:, 0].astype(np.float64)))
    return SplitPredictions(
        split=split,
        cases=np.array(cases, dtype=np.int64),
        y_true=rng.integers(0, 2, len(cases)),
        logits=logits,
        output_names=("sick",),
        y_prob=np.column_stack([1 - p, p]),
    )


@pytest.fixture
def make_result() -> MakeResult:
    """Return a function that makes the result of one run, the same for the same arm and seed."""

    def make(arm: str = "base", seed: int = 0, **changes: Any) -> RunResult:
        rng = np.random.default_rng([seed, len(arm)])
        history = tuple(
            EpochRecord(
                round=1,
                epoch=epoch,
                lr=1e-3,
                train_loss=float(rng.random()),
                train_accuracy=0.5,
                val_loss=float(rng.random()),
                val_accuracy=2 / 3,
            )
            for epoch in (1, 2)
        )
        facts = {
            "arm": arm,
            "seed": seed,
            "status": "finished",
            "n_epochs": 2,
            "chosen_epoch": 2,
            "selection": "best val_loss",
            "diverged_epoch": None,
            "engine": "reference",
            "engine_reason": "asked for",
            "device": "cpu",
            "threads": 1,
            "n_parameters": 17,
            "recipe": {"loss": "bce"},
            "preprocessing": {"mean": [0.5]},
            "class_names": ("well", "sick"),
            "image_shape": (1, 4, 4),
            "pixel_type": "uint8",
            "times": {"total": 1.5},
        }
        predictions = tuple(
            _predictions(split, cases, rng)
            for split, cases in (("train", [0, 2, 5]), ("val", [1, 4]), ("test", [3, 6, 7]))
        )
        fields = {
            "facts": RunFacts(**{**facts, **changes.pop("facts", {})}),
            "history": history,
            "predictions": predictions,
            "weights": {"layer.weight": rng.normal(size=(4, 4)).astype(np.float32), "count": np.array(3)},
        }
        return RunResult(**{**fields, **changes})

    return make


PLAN = Plan.from_dict(
    {
        "study": "Is CE better?",
        "arms": [{"name": "base", "recipe": {}}, {"name": "loss-ce", "recipe": {"loss": "ce"}}],
        "seeds": [0, 1],
    }
)


@pytest.fixture
def folder(tmp_path: Path) -> StudyFolder:
    """Return a study folder with a plan and no runs."""
    study = StudyFolder(tmp_path / "study")
    study.write_study("study: Is CE better?\n", PLAN, sha256="ab", change="first version")
    return study
