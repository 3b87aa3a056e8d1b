"""Whether `--workers auto` chooses what ends a study soonest: its estimates beside the seconds of every choice.

    python benchmarks/workers.py [--epochs 6] [--seeds 2]

Two studies of the course reports, short: `mlp-256` with two losses, and `mlp-64x3` at four learning rates. The audit of
the scans is left out. Needs ``$SCANTRIAL_DATA``.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from scantrial import api
from scantrial.store.folder import StudyFolder
from scantrial.study import worker_count
from scantrial.study.trial import Hooks, run_study
from scantrial.study.worker_count import candidates


def seconds(study, scans, folder, **options):
    execution = api._execution(study, None, {"checkpoint_every_s": 1e9, **options})
    chosen = []
    begun = time.perf_counter()
    hooks = Hooks(chosen=lambda choice: chosen.append((choice, time.perf_counter() - begun)))
    run_study(study, scans, StudyFolder(folder), execution, hooks)
    choice, chosen_s = chosen[0]
    return choice, chosen_s, time.perf_counter() - begun


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--seeds", type=int, default=2)
    options = parser.parse_args()
    cores = worker_count.n_cores()
    worker_count.TOO_SHORT_S = 0.0  # short as they are, measure them all the same
    print("| study | workers x threads | estimated s | measured s |\n| --- | --- | --- | --- |")
    for name, scale in (("report-a-loss", 1), ("report-a-learning-rate", 2)):
        study = api.load_study(name, seeds=options.seeds, sets=[f"recipe.epochs={scale * options.epochs}"])
        scans = api.load_scans(study.spec.data)
        with tempfile.TemporaryDirectory() as made:
            choice, probe_s, whole_s = seconds(study, scans, Path(made) / "auto", workers="auto")
            estimated = {item.workers: item.study_s for item in choice.measured}
            row = f"{choice.workers} x {choice.threads}, auto, of it {probe_s:.1f} s to choose"
            print(f"| {name} | {row} | {estimated[choice.workers]:.1f} | {whole_s:.1f} |", flush=True)
            for n in candidates(cores, len(study.arms) * options.seeds):
                threads = max(1, cores // n)
                _, before_s, whole_s = seconds(study, scans, Path(made) / str(n), workers=n, threads=threads)
                guess = f"{estimated[n]:.1f}" if n in estimated else "-"
                print(f"| {name} | {n} x {threads} | {guess} | {whole_s - before_s:.1f} |", flush=True)


if __name__ == "__main__":
    main()
