"""Do both engines train equally good networks? Two study folders, one an engine, compared arm by arm.

    python benchmarks/agreement.py FUSED_DIR REFERENCE_DIR [--margin 0.02]

Both folders hold the same study; its arms are compared across the folders over the seeds that both have finished, test
accuracy against test accuracy, paired by seed and case, seeds and cases both random. Equivalent (two one-sided tests,
Schuirmann 1987) is the answer hoped for. Reading test rows is logged in both folders.
"""

from __future__ import annotations

import argparse

import numpy as np

from scantrial import api
from scantrial.store.folder import open_folder


def scores_of(folder, arm):
    """Return the labels of the test cases, and by seed the score of the second class."""
    keys = [key for key in folder.run_keys() if key.arm == arm]
    read = folder.open_predictions(keys, ("test",), by="agreement", purpose="engines against each other")
    found = {key.seed: parts[0] for key, parts in read.items()}
    first = next(iter(found.values()))
    return first.y_true, {seed: part.y_prob[:, 1] for seed, part in found.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs=2, metavar="DIR")
    parser.add_argument("--margin", type=float, default=0.02)
    options = parser.parse_args()
    folders = [open_folder(path) for path in options.folders]
    shared = set.intersection(*({key.arm for key in folder.run_keys()} for folder in folders))
    for arm in sorted(shared):
        (y_true, fused), (_, reference) = (scores_of(folder, arm) for folder in folders)
        seeds = sorted(fused.keys() & reference.keys())
        scores = np.array([*(fused[seed] for seed in seeds), *(reference[seed] for seed in seeds)])
        arms = ["fused"] * len(seeds) + ["reference"] * len(seeds)
        found = api.compare_arrays(
            y_true, scores, arms=arms, seeds=[*seeds, *seeds], control="reference", margin=options.margin
        )
        print(f"{arm}: {len(seeds)} seeds, {len(y_true)} test cases")
        for name, of_seed in (("fused", fused), ("reference", reference)):
            accuracy = [100 * np.mean((of_seed[seed] > 0.5) == (y_true == 1)) for seed in seeds]
            print(f"  {name}: {np.mean(accuracy):.2f} % ({min(accuracy):.2f} to {max(accuracy):.2f})")
        print(*(f"  {item.sentence}" for item in found.comparisons), sep="\n")


if __name__ == "__main__":
    main()
