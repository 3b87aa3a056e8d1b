"""Make the study folders that every later version has to read.

    python tests/old_studies/make.py

It was run once with scantrial 0.1.0, and what it wrote stays as it is: do not run it to bring a folder up to date.
Another version gets a folder of its own beside ``0.1.0``. It trains the studies of ``VERSION/*.yaml`` in a scratch
folder and keeps what a user's folder holds, but for the reports, the lock and the names of folders of this machine.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

import scantrial

HERE = Path(__file__).resolve().parent / scantrial.__version__
ENGINES = {"demo": "auto", "rounds": "auto"}
"""The others are trained by the reference engine, which is there on every machine: tests go on with them."""
STUDIES = ("demo", "rounds", "classes", "custom", "unfinished")
LEFT_OUT = {"report", ".lock"}


def write_blobs(path: Path) -> None:
    """Draw three classes that differ in where the bright corner is."""
    rng = np.random.default_rng(0)
    arrays = {}
    for split, n in (("train", 90), ("val", 30), ("test", 30)):
        labels = np.arange(n) % 3
        images = rng.integers(0, 160, (n, 12, 12), dtype=np.uint8)
        for image, label in zip(images, labels, strict=True):
            image[6 * (label // 2) : 6 * (label // 2) + 6, 6 * (label % 2) : 6 * (label % 2) + 6] += 24
        arrays |= {f"{split}_images": images, f"{split}_labels": labels[:, None]}
    np.savez_compressed(path, **arrays)


def start(name: str, scratch: Path) -> subprocess.Popen[bytes]:
    """Start the training of one study by the command line, with names that hold on any machine."""
    words = ["run", f"{name}.yaml", "--out", name, "--threads", "1", "--device", "cpu", "--checkpoint-every", "0"]
    words += ["--engine", ENGINES.get(name, "reference")]
    return subprocess.Popen([sys.executable, "-m", "scantrial", *words], cwd=scratch)


def kill_in_mid_run(process: subprocess.Popen[bytes], folder: Path) -> None:
    """Kill a study and its workers where one run is finished and the next one has a checkpoint."""
    while not is_in_second_run(folder):
        if process.poll() is not None:
            raise SystemExit("it ended before it could be killed")
        time.sleep(0.001)
    workers = [
        int(pid) for path in Path(f"/proc/{process.pid}/task").glob("*/children") for pid in path.read_text().split()
    ]
    process.send_signal(signal.SIGSTOP)  # so that it does not see a worker die
    for pid in workers:
        os.kill(pid, signal.SIGKILL)
    process.kill()
    process.wait()
    if not is_in_second_run(folder):
        raise SystemExit("the second run ended as it was killed; start anew")


def is_in_second_run(folder: Path) -> bool:
    """Return whether one run is finished and another one has a checkpoint."""
    finished = {path.parent.relative_to(folder / "runs") for path in folder.glob("runs/*/seed-*/run.json")}
    begun = {path.parent.relative_to(folder / "partial") for path in folder.glob("partial/*/*/checkpoint.pt")}
    return len(finished) == 1 and bool(begun - finished)


def keep(folder: Path, target: Path) -> None:
    """Copy a study folder without what names this machine's folders."""
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        if path.is_file() and not LEFT_OUT & set(relative.parts):
            (target / relative).parent.mkdir(parents=True, exist_ok=True)
            (target / relative).write_bytes(content_of(path))


def content_of(path: Path) -> bytes:
    """Return a file as it is kept."""
    if path.name not in ("environment.json", "data.json"):
        return path.read_bytes()
    facts: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    facts.pop("import_paths", None)
    if "path" in facts.get("source", {}):
        facts["source"]["path"] = Path(facts["source"]["path"]).name
    return (json.dumps(facts, indent=2) + "\n").encode()


def verdicts_of(told: dict[str, Any]) -> dict[str, Any]:
    """Return what somebody would cite of ``compare --json``: arms, comparisons, answers."""
    primary = told["primary"] or {"arms": [], "comparisons": []}
    return {
        **{name: told[name] for name in ("metric", "split", "margin", "family", "reason")},
        "arms": {
            arm["arm"]: {name: arm[name] for name in ("by_seed", "mean", "low", "high")} for arm in primary["arms"]
        },
        "comparisons": {
            item["name"]: {
                **{name: item[name] for name in ("verdict", "effect", "se", "p", "p_adjusted")},
                "interval": [item["interval"][side] for side in ("low", "high")],
            }
            for item in primary["comparisons"]
        },
        "hypotheses": {item["claim"]: item["answer"] for item in told["hypotheses"]},
    }


def compared(name: str) -> dict[str, Any]:
    """Return what ``compare --json`` says of a folder; of a copy, since reading test rows is logged in it."""
    with tempfile.TemporaryDirectory() as copy:
        shutil.copytree(HERE / name, Path(copy) / name)
        words = [sys.executable, "-m", "scantrial", "compare", name, "--json"]
        return verdicts_of(json.loads(subprocess.run(words, cwd=copy, capture_output=True, check=True).stdout))


def main() -> None:
    """Make every study folder that is not there yet, and what each says."""
    if scantrial.__version__ != "0.1.0":
        raise SystemExit(f"scantrial {scantrial.__version__}; expected 0.1.0: a later version is to read these folders")
    if not (HERE / "blobs.npz").exists():
        write_blobs(HERE / "blobs.npz")
    for name in STUDIES:
        if (HERE / name).exists():
            print(f"{name} is there and stays as it is")
            continue
        with tempfile.TemporaryDirectory() as made:
            scratch = Path(made)
            shutil.copytree(HERE / "networks", scratch / "networks", ignore=shutil.ignore_patterns("__pycache__"))
            for file in (f"{name}.yaml", "blobs.npz"):
                shutil.copyfile(HERE / file, scratch / file)
            process = start(name, scratch)
            if name == "unfinished":
                kill_in_mid_run(process, scratch / name)
            elif process.wait() != 0:
                raise SystemExit(f"{name} failed")
            keep(scratch / name, HERE / name)
    expected = HERE / "expected.json"
    if not expected.exists():
        expected.write_text(json.dumps({name: compared(name) for name in STUDIES}, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
