"""Seconds and memory of whole commands, as a user meets them.

    python benchmarks/whole_commands.py [--repeats 5] [--without-training]

Everything runs in processes of its own with a fresh cache: loading the chest radiographs the first and the second
time (needs ``$SCANTRIAL_DATA``), drawing the phantom, help and import, `status` and `report` on a study of 100
finished runs (trained here on small phantoms, about three minutes), and the peak memory of ``scantrial run
report-a-loss`` over two epochs, its worker included.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

SCANTRIAL = [sys.executable, "-m", "scantrial"]
LOAD = (
    "import time, scantrial\n"
    "from scantrial.data.spec import DataSpec\n"
    "spec = DataSpec.model_validate({'source': 'chest-xray', 'image': {'size': 256, 'channels': 1},\n"
    "    'split': {'train': 800, 'val': 200, 'test': 200, 'per': 'class'}})\n"
    "start = time.perf_counter(); scans = scantrial.load_scans(spec)\n"
    "print(time.perf_counter() - start)\n"
)
PHANTOM = (
    "import time\n"
    "from scantrial.data.phantom import PhantomOptions, make_phantom\n"
    "start = time.perf_counter(); make_phantom(PhantomOptions(n_cases=2400, size=256))\n"
    "print(time.perf_counter() - start)\n"
)
HUNDRED_RUNS = """
study: A hundred runs
data: {source: {name: phantom, n_cases: 2400, size: 32, difficulty: 0.3}, split: {test: given, val: 0.2}}
recipe: {model: {name: mlp, hidden: [8]}, normalize: dataset, batch_size: 256, epochs: 30}
factors: {optimizer.lr: [0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1]}
seeds: 10
"""


def seconds(command, **options):
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options)
    return time.perf_counter() - start


def printed(program, env):
    return float(subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, check=True).stdout)


def row(what, values, unit="s"):
    print(
        f"| {what} | {statistics.median(values):.2f} {unit} | {min(values):.2f} to {max(values):.2f} | {len(values)} |"
    )


def peak_memory_mb(command, cwd, env):
    """The largest sum over the command and its children of memory that is theirs (PSS), sampled every 50 ms."""
    process = psutil.Popen(command, cwd=cwd, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    peak = 0
    while process.poll() is None:
        total = 0
        for each in (process, *process.children(recursive=True)):
            try:
                total += each.memory_full_info().pss
            except psutil.Error:
                continue
        peak = max(peak, total)
        time.sleep(0.05)
    assert process.returncode == 0
    return peak / 2**20


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--without-training", action="store_true")
    options = parser.parse_args()
    print("| what | median | range | runs |\n| --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        env = {**os.environ, "SCANTRIAL_CACHE": str(folder / "cache")}
        row("`scantrial --help`", [seconds([*SCANTRIAL, "--help"]) for _ in range(options.repeats)])
        row("`import scantrial`", [seconds([sys.executable, "-c", "import scantrial"]) for _ in range(options.repeats)])
        row("drawing 2,400 phantoms of 256x256", [printed(PHANTOM, env) for _ in range(3)])
        has_scans = "SCANTRIAL_DATA" in os.environ
        if has_scans:
            first = [printed(LOAD, {**env, "SCANTRIAL_CACHE": str(folder / f"first-{i}")}) for i in range(3)]
            row("5,840 radiographs to 256x256, the first time", first)
            again = {**env, "SCANTRIAL_CACHE": str(folder / "first-0")}
            row("the same, the second time", [printed(LOAD, again) for _ in range(options.repeats)])
        if options.without_training:
            return
        (folder / "hundred.yaml").write_text(HUNDRED_RUNS)
        row(
            "training 100 small runs, report included",
            [seconds([*SCANTRIAL, "run", "hundred.yaml"], cwd=folder, env=env)],
        )
        for command in ("status", "report"):
            times = [seconds([*SCANTRIAL, command, "hundred"], cwd=folder, env=env) for _ in range(options.repeats)]
            row(f"`scantrial {command}` on those 100 runs", times)
        if has_scans:
            command = [*SCANTRIAL, "run", "report-a-loss", "--seeds", "1", "--set", "recipe.epochs=2"]
            env = {**env, "SCANTRIAL_CACHE": str(folder / "first-0")}
            peaks = [peak_memory_mb([*command, "--out", f"a{i}"], folder, env) for i in range(2)]
            row("peak memory of `scantrial run report-a-loss`", peaks, "MB")


if __name__ == "__main__":
    main()
