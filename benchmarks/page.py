"""How quickly the page answers, and what it costs a training.

    python benchmarks/page.py [--seconds 20]

1. A folder with a study of 100 finished runs (10 arms, 10 seeds, 30 epochs, 2,400 cases with pictures), served by a
   process of its own: seconds until the first and the second answer of its pages, and until the results are there.
2. A study that trains by the reference engine with one thread, first alone, then before 50 readers at the same time who
   each ask for one page a second: epochs a second with and without them, in four turns, and how long answers took.
"""

from __future__ import annotations

import argparse
import http.client
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests.studies import StudyShape, write_study

STUDY = """
study: Is anybody reading?
data:
  source: {name: phantom, n_cases: 600, size: 128, difficulty: 0.3}
  split: {test: given, val: 0.25}
recipe: {model: {name: mlp, hidden: [64]}, loss: bce, batch_size: 16, epochs: 100000}
factors: {optimizer.lr: [0.1]}
seeds: 1
primary: {metric: accuracy, split: test, margin: 0.05}
"""
N_READERS = 50


@contextmanager
def serving(folder):
    command = [sys.executable, "-m", "scantrial", "serve", str(folder), "--no-browser", "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    lines = ""
    while not lines.rstrip().endswith("}"):
        lines += process.stdout.readline()
    info = json.loads(lines)
    connection = http.client.HTTPConnection("127.0.0.1", info["port"])
    connection.request("GET", f"/?token={info['token']}")
    cookie = connection.getresponse().getheader("set-cookie").split(";")[0]
    connection.close()
    try:
        yield info["port"], cookie
    finally:
        process.kill()
        process.wait()


def ask(port, cookie, path):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    begun = time.perf_counter()
    connection.request("GET", path, headers={"Cookie": cookie})
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return time.perf_counter() - begun, answer.status, body


def first_views(root):
    arms = {f"arm-{i}": {"optimizer": {"name": "adam", "lr": 10 ** (-1 - i / 3)}} for i in range(9)}
    cases = {"train": 1600, "val": 400, "test": 400}
    shape = StudyShape(arms={"base": {}, **arms}, seeds=range(10), epochs=30, n_cases=cases)
    write_study(root / "hundred", shape)
    with serving(root) as (port, cookie):
        for path in ("/s/hundred", "/s/hundred/cases", "/s/hundred/cases/1700", "/s/hundred/compare"):
            first, second = (ask(port, cookie, path) for _ in range(2))
            print(
                f"{path}: first {first[0]:.3f} s, again {second[0]:.3f} s, {len(second[2]) / 1024:.0f} KB", flush=True
            )
            if path == "/s/hundred":
                begun = time.perf_counter()
                while b'data-results="ready"' not in ask(port, cookie, path)[2]:
                    time.sleep(0.05)
                print(f"  its results {time.perf_counter() - begun:.1f} s later", flush=True)


def epochs_done(live):
    note = json.loads((live / "partial" / "progress.json").read_text())
    return sum(run["epoch"] for run in note["running"])


def pace(live, seconds):
    """Epochs a second over some seconds, by the training's own note."""
    first, begun = epochs_done(live), time.monotonic()
    time.sleep(seconds)
    return (epochs_done(live) - first) / (time.monotonic() - begun)


@contextmanager
def readers(port, cookie, took, lost):
    over = threading.Event()
    paths = ("/s/live", "/", "/s/live/cases", "/s/live.json")

    def read(number):
        i = number
        while not over.wait(1.0):
            try:
                seconds, status, _ = ask(port, cookie, paths[i % len(paths)])
                (took if status == 200 else lost).append(seconds)
            except OSError as error:
                lost.append(error)
            i += 1

    threads = [threading.Thread(target=read, args=(number,)) for number in range(N_READERS)]
    for thread in threads:
        thread.start()
        time.sleep(1 / N_READERS)
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()


def readers_and_training(root, seconds):
    (root / "live.yaml").write_text(STUDY)
    live = root / "studies" / "live"
    command = ["run", str(root / "live.yaml"), "--out", str(live), "--threads", "1", "--engine", "reference"]
    training = subprocess.Popen([sys.executable, "-m", "scantrial", *command], stderr=subprocess.DEVNULL)
    took, lost, alone, watched = [], [], [], []
    try:
        while not any(live.glob("partial/*/*/live.json")):
            time.sleep(0.2)
        time.sleep(5)
        with serving(root / "studies") as (port, cookie):
            ask(port, cookie, "/s/live")
            for _ in range(2):
                alone.append(pace(live, seconds))
                with readers(port, cookie, took, lost):
                    watched.append(pace(live, seconds))
    finally:
        training.kill()
        training.wait()
    ratio = statistics.mean(watched) / statistics.mean(alone)
    print(
        f"{N_READERS} readers, {len(took)} answers, {len(lost)} lost: median {statistics.median(took):.3f} s, ", end=""
    )
    print(f"95 % below {statistics.quantiles(took, n=20)[-1]:.3f} s")
    shown = ", ".join(f"{a:.1f} and {w:.1f}" for a, w in zip(alone, watched, strict=True))
    print(f"epochs a second alone and watched, two turns: {shown}; watched to alone {ratio:.2f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--only", choices=["views", "readers"])
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        if asked.only != "readers":
            first_views(root / "views")
        if asked.only != "views":
            readers_and_training(root, asked.seconds)


if __name__ == "__main__":
    main()
