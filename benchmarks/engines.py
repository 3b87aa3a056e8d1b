"""Seconds of both engines beside the loops that others write: one turn of all of them, kept as JSON.

    python benchmarks/engines.py --network M1 [--epochs 4] [--peers .venv-peers/bin/python] [--only LOOP ...]

Each loop is a process of its own, since an engine sets flush-to-zero and the allocator for its process, and Lightning
and JAX live in another environment (`make peers`); the loops take turns, so that a machine that drifts drifts for all.
The work is the course's: 1,600 training and 400 validation radiographs of 256x256, batches of 32, Adam; an epoch is
training and validation. Where the radiographs are not here, phantoms stand in, and the record says so. The first epoch
of each process warms up and does not count, but for `--epochs 30`, where the whole process counts. Each call adds a
turn to `docs/data/benchmarks.json`; `python benchmarks/pages.py` writes table and picture from it.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from scantrial import api
from scantrial.core.errors import ScantrialError
from scantrial.data.spec import DataSpec

HERE = Path(__file__).resolve().parent
RECORD = HERE.parent / "docs" / "data" / "benchmarks.json"
NETWORKS = ("M1", "M2", "cnn")


@dataclass(frozen=True, slots=True, kw_only=True)
class Loop:
    """A way to train: its script, its variant, and whether it lives in the peers' environment."""

    script: str
    variant: str = ""
    peer: bool = False


LOOPS = {
    "notebook": Loop(script="notebook"),
    "notebook, fused Adam": Loop(script="notebook", variant="fused"),
    "torch.compile": Loop(script="notebook", variant="compile"),
    "Lightning": Loop(script="lightning_loop", peer=True),
    "JAX, epoch in one scan": Loop(script="jax_scan", peer=True),
    "scantrial, reference engine": Loop(script="scantrial_engine", variant="reference"),
    "scantrial, fused engine": Loop(script="scantrial_engine", variant="fused"),
}
NOT_FOR = {"cnn": ("scantrial, fused engine",)}
"""The fused engine is for networks whose first layer is linear."""


def write_scans(folder):
    """Write the course's training and validation scans as two arrays; return what they are."""
    study = api.load_study("report-a-loss")
    try:
        scans, what = api.load_scans(study.spec.data), "chest-xray"
    except ScantrialError:
        phantom = {"source": {"name": "phantom", "n_cases": 2400}, "image": {"size": 256}}
        split = {"train": 800, "val": 200, "per": "class"}
        scans, what = api.load_scans(DataSpec.model_validate({**phantom, "split": split})), "phantom"
    rows = [np.flatnonzero(np.asarray(scans.split) == name) for name in ("train", "val")]
    order = np.concatenate(rows)
    np.save(folder / "images.npy", np.asarray(scans.images)[order])
    np.save(folder / "labels.npy", np.asarray(scans.labels)[order].astype(np.int64))
    np.save(folder / "n_train.npy", len(rows[0]))
    return what


def measure(loop, *, network, epochs, threads, data, peers, more=()):
    """Return one loop's measurement: seconds of each epoch, of the whole process, and its peak memory."""
    command = [peers if loop.peer else sys.executable, str(HERE / "loops" / f"{loop.script}.py")]
    command += ["--data", data, "--network", network, "--epochs", str(epochs), "--threads", str(threads)]
    begun = time.perf_counter()
    command += ["--variant", loop.variant, *more]
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False)
    whole_s = time.perf_counter() - begun
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, command))} failed:\n{done.stderr[-2000:]}")
    return {**json.loads(done.stdout.splitlines()[-1]), "whole_s": whole_s}


def line(network, name, found):
    """Return a measurement as a line for the terminal."""
    kept = found["epoch_s"][1:]
    spread = f"{np.median(kept):8.2f} s/epoch ({min(kept):.2f} to {max(kept):.2f})"
    return f"{network:<4}{name:<30}{spread}{found['whole_s']:9.1f} s whole{found['peak_mib']:8.0f} MiB"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", choices=NETWORKS, required=True)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--peers", type=Path, default=HERE.parent / ".venv-peers" / "bin" / "python")
    parser.add_argument("--only", nargs="+", choices=LOOPS)
    options = parser.parse_args()
    names = [name for name in options.only or LOOPS if name not in NOT_FOR.get(options.network, ())]
    left_out = [name for name in names if LOOPS[name].peer and not options.peers.exists()]
    if left_out:
        print(f"left out, because {options.peers} is not there (`make peers`): {', '.join(left_out)}", file=sys.stderr)
    turns = json.loads(RECORD.read_text()) if RECORD.exists() else []
    with tempfile.TemporaryDirectory() as folder:
        turn = {"network": options.network, "epochs": options.epochs, "threads": options.threads}
        turn |= {"scans": write_scans(Path(folder)), "limit": None, "loops": {}}
        same = {"network": options.network, "threads": options.threads, "data": folder, "peers": options.peers}
        if options.network != "cnn":
            limit = Loop(script="limit")
            turn["limit"] = measure(limit, epochs=1, **same)
        n_epochs = options.epochs if options.epochs >= 30 else options.epochs + 1
        for name in names:
            if name not in left_out:
                found = measure(LOOPS[name], epochs=n_epochs, **same)
                turn["loops"][name] = found
                print(line(options.network, name, found), flush=True)
                # Kept at once: a turn may take an hour, and what was measured before it was stopped counts.
                RECORD.write_text(json.dumps([*turns, turn], indent=1) + "\n")


if __name__ == "__main__":
    main()
