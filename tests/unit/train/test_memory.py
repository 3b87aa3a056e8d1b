"""A run takes the memory that its network needs, and gives it back."""

from __future__ import annotations

import json
import platform
import subprocess
import sys

import pytest

TWO_RUNS = """
import json
from pathlib import Path
import numpy as np
from scantrial.recipe.spec import Recipe
from scantrial.recipe.task import RunTask
from scantrial.train.reference import train_run

def held_mb():
    # Libraries do not count: the system drops their pages when it is short of memory, and reads them again.
    kinds = dict(line.split(":") for line in Path("/proc/self/status").read_text().splitlines())
    return sum(int(kinds[kind].split()[0]) for kind in ("RssAnon", "VmSwap")) / 2**10

rng = np.random.default_rng(0)
n = {"train": range(0, 64), "val": range(64, 72), "test": range(72, 80)}
task = RunTask(
    arm="base", seed=0, recipe=Recipe.model_validate({"model": "mlp-256", "epochs": 2}),
    images=rng.integers(0, 256, (80, 256, 256), dtype=np.uint8), labels=np.arange(80) % 2, class_names=("a", "b"),
    cases={split: np.array(rows) for split, rows in n.items()}, device="cpu", threads=1,
    checkpoint_path=Path("none"), checkpoint_every_s=1e9, engine_reason="", open_test=lambda chosen_epoch: None,
)
seen = []
for _ in range(2):
    training = []
    result = train_run(task, lambda record, n_epochs: training.append(held_mb()))
    weights = sum(array.nbytes for array in result.weights.values()) / 2**20
    seen.append({"training": max(training), "after": held_mb(), "weights": weights})
print(json.dumps(seen))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="what is freed is kept by glibc alone")
def test_a_run_gives_its_memory_back():
    """After a run its gradients and running means are gone, and a second run in the process needs no more than one."""
    command = [sys.executable, "-c", TWO_RUNS]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    first, second = json.loads(done.stdout)
    # Gradient and two running means: three times the weights. The first run's own result is still there in the second.
    assert first["after"] < first["training"] - 2 * first["weights"]
    assert second["training"] < first["training"] + 1.5 * first["weights"]
