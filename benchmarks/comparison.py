"""Seconds and memory of the comparison of arms.

    python benchmarks/comparison.py [--repeats 5]

Two sizes, each in processes of its own: 50 arms x 10 seeds x 624 cases, all 1,225 pairs, on AUROC and on accuracy; and
2 arms x 10 seeds x 100,000 cases on AUROC. Time is that of `compare` alone, after the import and one small comparison;
memory is the most that the process ever held, Python and its libraries included.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time

import numpy as np

SIZES = {
    "all pairs of 50 arms, 10 seeds, 624 cases: AUROC and accuracy": (50, 10, 624, ("auroc", "accuracy")),
    "2 arms, 10 seeds, 100,000 cases: AUROC": (2, 10, 100_000, ("auroc",)),
    "2 arms, 10 seeds, 100,000 cases: average precision": (2, 10, 100_000, ("average_precision",)),
}


def make_scores(n_arms, n_seeds, n_cases):
    """Scores that share the cases' difficulty, as those of trained networks do."""
    rng = np.random.default_rng(0)
    y_true = np.arange(n_cases) % 2
    shared = rng.normal(size=n_cases) + 1.5 * y_true
    scores = shared + 0.7 * rng.normal(size=(n_arms * n_seeds, n_cases))
    arms = [f"arm {arm:02d}" for arm in range(n_arms) for _ in range(n_seeds)]
    return y_true, scores, arms, list(range(n_seeds)) * n_arms


def measure_one(title):
    """Print the seconds and the peak of memory of one comparison, as JSON."""
    from scantrial.analysis.comparison import compare

    n_arms, n_seeds, n_cases, metrics = SIZES[title]
    y_true, scores, arms, seeds = make_scores(2, 3, 40)
    compare(y_true, scores, arms=arms, seeds=seeds, metric=metrics[0])
    y_true, scores, arms, seeds = make_scores(n_arms, n_seeds, n_cases)
    start = time.perf_counter()
    for metric in metrics:
        found = compare(y_true, scores, arms=arms, seeds=seeds, metric=metric, threshold=0.75)
    seconds = time.perf_counter() - start
    assert len(found.comparisons) == n_arms * (n_arms - 1) // 2
    # Kilobytes on Linux, bytes on macOS.
    unit = 2**20 if sys.platform == "darwin" else 2**10
    print(json.dumps([seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit]))


def measure_aside(title):
    done = subprocess.run([sys.executable, __file__, "--one", title], capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        measure_one(options.one)
        return
    print("| comparison | median | range | peak memory | runs |\n| --- | --- | --- | --- | --- |")
    for title in SIZES:
        found = [measure_aside(title) for _ in range(options.repeats)]
        seconds = [each[0] for each in found]
        print(
            f"| {title} | {statistics.median(seconds):.2f} s | {min(seconds):.2f} to {max(seconds):.2f} | "
            f"{max(each[1] for each in found):.0f} MB | {len(found)} |"
        )


if __name__ == "__main__":
    main()
