"""One step on a set of scans in a process of its own: CPU seconds, and the memory that it takes at most.

    python benchmarks/scan_growth.py STEP SOURCE SCRATCH    # STEP: list, decode, open, split, audit or train

`growth.py` starts it; it prints one line of JSON. Importing is not counted. Memory is counted twice: `own_mb` is
anonymous memory, which no other process shares and no file holds; `mapped_mb` is pages of files, mapped scans among
them, of which the machine has one copy for all processes and which it drops where memory is short.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

STUDY = """
study: Does memory grow?
data:
  source: {{name: {source}}}
  split: {{train: 0.6, val: 0.2, test: 0.2}}
  thumbnails: false
recipe: {{model: {{name: mlp, hidden: [16]}}, epochs: 1, batch_size: 128}}
factors: {{loss: [bce, ce]}}
seeds: 1
primary: {{metric: accuracy, split: test, margin: 0.05}}
"""


def held(pid):
    """Return the anonymous memory and the pages of files that a process holds, in bytes."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    kinds = dict(line.split(":", 1) for line in lines if line.startswith("Rss"))
    return tuple(1024 * int(kinds[kind].split()[0]) for kind in ("RssAnon", "RssFile"))


def children():
    """Return the processes that this one has started and that run."""
    found = []
    for task in Path("/proc/self/task").iterdir():
        with suppress(OSError):  # a thread that has ended
            found += map(int, (task / "children").read_text().split())
    return found


class Watch:
    """Looks at the memory of this process and of those it starts, every 20 ms."""

    def __enter__(self):
        self.before = held("self")
        (self.own, self.mapped), self.largest_child = self.before, 0
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.look)
        self.thread.start()
        self.cpu = cpu_seconds()
        return self

    def look(self):
        while not self.ended.wait(0.02):
            all_own, all_mapped = held("self")
            for pid in children():
                try:
                    own, mapped = held(pid)
                except (OSError, KeyError):
                    continue
                all_own, all_mapped = all_own + own, max(all_mapped, mapped)
                self.largest_child = max(self.largest_child, own)
            self.own, self.mapped = max(self.own, all_own), max(self.mapped, all_mapped)

    def __exit__(self, *error):
        self.cpu = cpu_seconds() - self.cpu
        self.ended.set()
        self.thread.join()


def cpu_seconds():
    """Return user and system time of this process and of those it has started and that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def scans_of(source):
    """Return the scans of a source, from the cache."""
    from scantrial.data.load import load
    from scantrial.data.spec import SourceSpec

    return load(SourceSpec(name=source))


def split(scans):
    """Divide scans by the hash of their names."""
    from scantrial.data.spec import SplitSpec
    from scantrial.data.splits import apply_split

    return apply_split(scans, SplitSpec(train=0.6, val=0.2, test=0.2))


def train(source, scratch):
    """Train two runs side by side, as `scantrial run --workers 2 --threads 1` does, without audit and report."""
    from scantrial.api.trial import execution_of, load_study, load_study_scans
    from scantrial.store.folder import StudyFolder
    from scantrial.study.trial import Hooks, run_study

    file = Path(scratch) / "study.yaml"
    file.write_text(STUDY.format(source=source))
    study, folder = load_study(file), StudyFolder(Path(scratch) / f"out-{time.time_ns()}")
    execution = execution_of(study, folder, {"workers": 2, "threads": 1})
    return lambda: run_study(study, load_study_scans(study), folder, execution, Hooks())


def step(name, source, scratch):
    """Return what a step is, with all that it needs imported and made."""
    from scantrial.audit.audit import audit_scans
    from scantrial.data.load import list_cases
    from scantrial.data.spec import SourceSpec

    if name == "list":
        return lambda: list_cases(SourceSpec(name=source))
    if name in ("decode", "open"):
        return lambda: scans_of(source)
    if name == "train":
        return train(source, scratch)
    scans = scans_of(source)
    if name == "split":
        return lambda: split(scans)
    scans = split(scans)
    return lambda: audit_scans(scans)


def main():
    name, source, scratch = sys.argv[1:]
    os.environ["SCANTRIAL_CACHE"] = f"{scratch}/cache"
    todo = step(name, source, scratch)
    with Watch() as watch:
        todo()
    mega = 2**20
    found = {"seconds": watch.cpu, "own_mb": watch.own / mega, "before_mb": watch.before[0] / mega}
    print(json.dumps({**found, "mapped_mb": watch.mapped / mega, "worker_mb": watch.largest_child / mega}))


if __name__ == "__main__":
    main()
