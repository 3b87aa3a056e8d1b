"""A run takes the memory that its network needs, and gives it back."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

THREE_RUNS = """
import gc, json
from pathlib import Path
import numpy as np
import torch
from scantrial.recipe.spec import Recipe
from scantrial.recipe.task import RunTask
from scantrial.train.reference import train_run

def held_mb():
    # Libraries do not count: the system drops their pages when it is short of memory, and reads them again.
    kinds = dict(line.split(":") for line in Path("/proc/self/status").read_text().splitlines())
    return sum(int(kinds[kind].split()[0]) for kind in ("RssAnon", "VmSwap")) / 2**10

def n_large():
    # Tensors of the weights' size: the weights, the best ones, their gradient and its running means, and so on.
    kinds = (torch.Tensor, torch.nn.Parameter)
    return sum(type(found) in kinds and found.nbytes > 2**25 for found in gc.get_objects())

rng = np.random.default_rng(0)
n = {"train": range(0, 64), "val": range(64, 72), "test": range(72, 80)}
task = RunTask(
    arm="base", seed=0, recipe=Recipe.model_validate({"model": "mlp-256", "epochs": 2}),
    images=rng.integers(0, 256, (80, 256, 256), dtype=np.uint8), labels=np.arange(80) % 2, class_names=("a", "b"),
    cases={split: np.array(rows) for split, rows in n.items()}, device="cpu", threads=1,
    checkpoint_path=Path("none"), checkpoint_every_s=1e9, engine_reason="", open_test=lambda chosen_epoch: None,
)
seen = []
for _ in range(3):
    training, large = [], []
    def look(record, n_epochs):
        training.append(held_mb())
        large.append(n_large())
    result = train_run(task, look)
    weights = sum(array.nbytes for array in result.weights.values()) / 2**20
    seen.append({"training": max(training), "after": held_mb(), "weights": weights, "large": [max(large), n_large()]})
print(json.dumps(seen))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="what is freed is kept by glibc alone")
def test_a_run_gives_its_memory_back():
    """After a run its gradients and running means are gone, and a later run in the process needs no more than one.

    Whether the allocator returns a block at once depends on where in memory it lies, which differs from process to
    process. So what a run needs is counted in tensors, and memory is compared between the runs, when they are over.
    """
    command = [sys.executable, "-c", THREE_RUNS]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    first, second, third = json.loads(done.stdout)
    # What is left is the tensor that the result's own array lies in; in a later run that of the run before is there.
    (in_first, after_first), others = first["large"], [second["large"], third["large"]]
    assert after_first == 1
    assert others == [[in_first + 1, 1]] * 2
    # Gradient and two running means go, three times the weights, of which the allocator may keep one.
    assert first["after"] < first["training"] - 1.5 * first["weights"]
    assert third["after"] < second["after"] + 0.5 * first["weights"]


ONE_COPY = """
import json, sys
from pathlib import Path
import numpy as np
from scantrial.recipe.spec import Recipe
from scantrial.recipe.task import RunTask
from scantrial.train.engines import train_run

def held():
    kinds = dict(line.split(":") for line in Path("/proc/self/status").read_text().splitlines())
    return {kind: int(kinds[kind].split()[0]) / 2**10 for kind in ("RssAnon", "RssFile")}

images = np.load(sys.argv[1], mmap_mode="r")
n = len(images)
order = np.random.default_rng(0).permutation(n)
parts = {"train": np.sort(order[: n // 2]), "val": np.sort(order[n // 2 : n * 3 // 4]), "test": np.sort(order[n * 3 // 4 :])}
seen = []
def look(record, n_epochs):
    seen.append(held())
task = RunTask(
    arm="base", seed=0, images=images, labels=np.arange(n) % 2, class_names=("a", "b"), cases=parts, device="cpu", threads=1,
    recipe=Recipe.model_validate({"model": {"name": "mlp", "hidden": [16]}, "epochs": 1, "normalize": "image"}),
    checkpoint_path=Path("none"), checkpoint_every_s=1e9, engine_reason="", open_test=lambda chosen_epoch: None,
)
before = held()
train_run(task, look)
print(json.dumps([before, *seen, held()]))
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="tells memory by its kind on Linux alone")
def test_scans_that_are_mapped_are_not_held_again(tmp_path):
    """A run on 30,000 scans of 128 x 128 (469 MB) takes less than 150 MB of its own beside what it needs for any."""
    images = np.lib.format.open_memmap(tmp_path / "images.npy", "w+", np.uint8, (30_000, 128, 128))
    for block in np.array_split(images, 30):
        block[:] = np.random.default_rng(0).integers(0, 256, block.shape, dtype=np.uint8)
    images.flush()
    command = [sys.executable, "-c", ONE_COPY, str(tmp_path / "images.npy")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    before, *later = json.loads(done.stdout)
    assert max(at["RssAnon"] for at in later) < before["RssAnon"] + 150
    assert max(at["RssFile"] for at in later) > before["RssFile"] + 400
