"""Many readers at the same time: each is answered, and work is done once."""

from __future__ import annotations

import statistics
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.conftest import HANGS_S
from tests.e2e.conftest import command
from tests.studies import TWO_ARMS, StudyShape, write_study
from tests.web.serving import Reader, served, wait_until

PATHS = ("/", "/s/done", "/s/done/cases", "/s/done/cases/1", "/s/done/cases/13/thumb.png", "/s/done/threshold")


def read_all(reader: Reader, paths: tuple[str, ...], *, n_readers: int, n_rounds: int) -> list[float]:
    """Let readers go through pages, each beginning elsewhere; return the seconds that each answer took."""

    def read(number: int) -> list[float]:
        took = []
        for i in range(n_rounds * len(paths)):
            begun = time.perf_counter()
            answer = reader.ask(paths[(number + i) % len(paths)])
            took.append(time.perf_counter() - begun)
            assert answer.status == 200
            assert answer.body
        return took

    with ThreadPoolExecutor(n_readers) as pool:
        return [seconds for took in pool.map(read, range(n_readers)) for seconds in took]


def test_ten_readers_are_all_answered(tmp_path, monkeypatch):
    """No request is lost, and what is slow is computed once for all of them."""
    question = "Is it computed once?"  # of this study: a server of another test may still be at work
    write_study(tmp_path / "done", StudyShape(arms=TWO_ARMS, question=question))
    computed = []
    from scantrial.web import study_page

    real = study_page.results_of
    monkeypatch.setattr(
        study_page, "results_of", lambda view, **more: computed.append(view.question) or real(view, **more)
    )
    with served(tmp_path) as reader:
        took = read_all(reader, PATHS, n_readers=10, n_rounds=2)
        reader.settled("/s/done")
    assert len(took) == 10 * 2 * len(PATHS)
    assert computed.count(question) == 1


def test_a_reader_of_the_feed_stops_nobody(tmp_path):
    """Many open feeds, and pages are answered as before; at the end the server ends though feeds are open."""
    write_study(tmp_path / "done", StudyShape(arms=TWO_ARMS))
    with served(tmp_path) as reader, ThreadPoolExecutor(20) as pool:
        feeds = [pool.submit(reader.ask, "/s/done/events") for _ in range(20)]
        wait_until(lambda: sum(feed._n_readers for feed in reader.site._feeds.values()) == 20)
        assert reader.ask("/s/done").status == 200
        assert not any(feed.done() for feed in feeds)
        reader.site._is_over = lambda: True
        for feed in reader.site._feeds.values():
            feed._is_over = lambda: True
        assert all(b"event: state" in feed.result(HANGS_S).body for feed in feeds)


STUDY = """
study: Is anybody reading?
data:
  source: {name: phantom, n_cases: 400, size: 64, difficulty: 0.3}
  split: {test: given, val: 0.25}
recipe:
  model: {name: mlp, hidden: [64]}
  loss: bce
  batch_size: 16
  epochs: 400
factors:
  optimizer.lr: [0.1]
seeds: 3
primary: {metric: accuracy, split: test, margin: 0.05}
"""


@pytest.mark.slow
def test_fifty_readers_before_a_study_that_trains(tmp_path, record_property):
    """Median answer below 0.3 s and no request lost, while the study trains in another process."""
    (tmp_path / "live.yaml").write_text(STUDY)
    words = (tmp_path / "words.txt").open("wb")
    live = tmp_path / "live"
    process = subprocess.Popen(
        command("run", tmp_path / "live.yaml", "--out", live, "--threads", "1", "--engine", "reference"),
        stdout=words,
        stderr=words,
    )
    try:
        wait_for_epochs(live, process)
        with served(tmp_path) as reader:
            paths = ("/", "/s/live", "/s/live/cases", "/s/live.json", "/s/live/cases/1/thumb.png")
            took = read_all(reader, paths, n_readers=50, n_rounds=4)
        assert process.poll() is None, "the training ended too soon to be watched"
    finally:
        process.kill()
        process.wait()
        words.close()
    record_property("median_s", statistics.median(took))
    assert len(took) == 50 * 4 * 5
    assert statistics.median(took) < 0.3


def wait_for_epochs(live: Path, process: subprocess.Popen[bytes]) -> None:
    wait_until(lambda: process.poll() is not None or any(live.glob("partial/*/*/live.json")))
    assert process.poll() is None
