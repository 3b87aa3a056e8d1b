"""What the server does to a study folder, and what a damaged folder does to the server."""

from __future__ import annotations

import html
import json
import shutil
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.conftest import HANGS_S
from tests.studies import TWO_ARMS, StudyShape, write_study
from tests.web.serving import served, wait_until

from scantrial.core.errors import InputError, StoreError
from scantrial.store.folder import RunKey, StudyFolder
from scantrial.web import built_report
from scantrial.web.built_report import written_report
from scantrial.web.cases import CaseIndex, read_cases
from scantrial.web.studies import Shelf

READ = ["", "/cases", "/cases?split=test", "/cases/1", "/cases/25", "/compare", "/threshold"]


def files_of(path: Path) -> dict[str, bytes]:
    return {
        str(file.relative_to(path)): file.read_bytes()
        for file in path.rglob("*")
        if file.is_file() and file.name != "test-openings.jsonl"
    }


def openings_of(path: Path) -> list[tuple[str, ...]]:
    return [opening.runs for opening in StudyFolder(path).test_openings() if opening.by == "serve"]


@pytest.fixture
def study(tmp_path: Path) -> Path:
    return write_study(tmp_path / "done", StudyShape(arms=TWO_ARMS)).path


def test_nothing_is_written_but_the_log(study):
    """Whatever is looked at, as often as one likes: the folder's files are the same bytes."""
    before = files_of(study)
    with served(study.parent) as reader:
        for path in READ * 2:
            assert reader.ask(f"/s/done{path}").status == 200
        reader.settled("/s/done")
    assert files_of(study) == before


def test_test_rows_are_logged_once_for_each_run_and_start(study):
    """However many pages are looked at; a second server logs again."""
    runs = {str(key) for key in StudyFolder(study).run_keys()}
    for n_starts in (1, 2):
        with served(study.parent) as reader:
            for path in READ * 2:
                reader.ask(f"/s/done{path}")
            reader.settled("/s/done")
        found = openings_of(study)
        assert len(found) == n_starts
        assert set(found[-1]) == runs


def test_validation_alone_opens_nothing(study):
    """Validation and training cases and their pictures are no reading of test rows."""
    with served(study.parent) as reader:
        for path in (
            "/s/done/cases?split=val",
            "/s/done/cases/1",
            "/s/done/cases/13",
            "/s/done/cases/13/thumb.png",
        ):
            assert reader.ask(path).status == 200
    assert openings_of(study) == []


def test_the_list_reads_the_answers_of_complete_studies_alone(tmp_path):
    """Once a run and start, and logged; of a study that still trains nothing is read."""
    done = write_study(tmp_path / "done", StudyShape(arms=TWO_ARMS)).path
    half = write_study(tmp_path / "half", StudyShape(arms=TWO_ARMS, missing=[("base", 1)])).path
    with served(tmp_path) as reader:
        wait_until(lambda: reader.json("/")["studies"][0]["answer"])
        cards = reader.json("/")["studies"]
        answer = reader.settled("/s/done")["results"]["answers"][0]
    assert [(card["answer"], bool(card["note"])) for card in cards] == [(answer, False), ("", True)]
    assert len(openings_of(done)) == 1
    assert openings_of(half) == []


@pytest.mark.parametrize("path", ["/s/done/cases?split=test", "/s/done/cases/25", "/s/done/cases/25/thumb.png"])
def test_a_look_at_a_test_scan_is_logged(study, path):
    """Also at its picture alone."""
    with served(study.parent) as reader:
        assert reader.ask(path).status == 200
    assert len(openings_of(study)) == 1


def test_while_a_study_trains_its_test_rows_stay_closed(tmp_path):
    """Until every run is finished, or somebody says so; runs that are finished later are logged when they are read."""
    folder = write_study(tmp_path / "half", StudyShape(arms=TWO_ARMS, missing=[("loss-ce", 2)]))
    with served(tmp_path) as reader:
        found = reader.json("/s/half")
        assert (found["results_state"], found["results"]) == ("closed", None)
        assert reader.json("/s/half/report")["state"] == "closed"
        compared, tried = reader.json("/s/half/compare"), reader.json("/s/half/threshold")
        assert (compared["is_closed"], compared["pair"]) == (True, None)
        assert (tried["is_closed"], tried["locked"]) == (True, [])
        assert tried["validation"] is not None
        assert openings_of(folder.path) == []
        cases, case = reader.json("/s/half/cases?split=test"), reader.json("/s/half/cases/25")
        assert (cases["is_closed"], cases["n_matching"], case["is_closed"]) == (True, 10, True)
        said = ("decision", "confidence", "is_right", "disagreement")
        assert {card[key] for card in cases["cases"] for key in said} == {None}
        assert (case["arms"], case["saliency_choices"], case["saliency"]) == ([], [], None)
        for asked in ("arm=base&outcome=right", "decision=normal", "sort=mistaken", "sort=disagreement"):
            for path in ("cases?split=test&", "cases/25?"):
                assert reader.ask(f"/s/half/{path}{asked}").status == 400, asked
        # Another split in the address does not make a test case one of it.
        assert reader.ask("/s/half/cases/25?split=val&outcome=right").status == 400
        for path in ("25?saliency=base/0", "25/saliency/base/0/scan.png", "25/saliency/base/0/gradient.png"):
            assert reader.ask(f"/s/half/cases/{path}").status == 400, path
        assert reader.ask("/s/half/cases/25/thumb.png").status == 200
        link = 'href="/s/half/cases?split=test&amp;sort=case&amp;results=now"'
        assert link in reader.ask("/s/half/cases?split=test").text
        # Scans were looked at, which is logged; of what the runs said of them nothing was read.
        assert openings_of(folder.path) == [()]
        assert reader.json("/s/half/cases?split=val&outcome=right")["is_closed"] is False
        assert reader.settled("/s/half?results=now")["results"] is not None
        assert reader.json("/s/half/compare?results=now")["pair"] is not None
        assert reader.json("/s/half/threshold?results=now")["locked"] != []
        right = reader.json("/s/half/cases?split=test&arm=base&outcome=right&results=now")
        assert {card["is_right"] for card in right["cases"]} == {True}
        assert [arm["n_right"] for arm in reader.json("/s/half/cases/25?results=now")["arms"]] != []
        assert len(openings_of(folder.path)) == 2
        whole = write_study(tmp_path / "whole", StudyShape(arms=TWO_ARMS)).path
        shutil.copytree(whole / "runs" / "loss-ce" / "seed-2", folder.run_path(RunKey("loss-ce", 2)))
        # The folder is looked at once a second.
        wait_until(lambda: reader.json("/s/half")["results_state"] != "closed")
        assert reader.settled("/s/half")["results_state"] == "ready"
    assert openings_of(folder.path)[2:] == [("loss-ce/seed-2",)]


def test_without_a_log_no_test_rows(study):
    """Where the reading cannot be logged it does not happen; validation is still shown."""
    (study / "test-openings.jsonl").unlink()
    (study / "test-openings.jsonl").mkdir()
    with served(study.parent) as reader:
        assert reader.ask("/s/done/cases?split=test").status == 409
        assert reader.ask("/s/done/compare").status == 409
        assert reader.ask("/s/done/cases?split=val").status == 200


DAMAGES = {
    "torn plan": ("plan.json", b'{"schema_version": 1, "arms"'),
    "plan that is a list": ("plan.json", b"[1, 2]"),
    "plan without arms": ("plan.json", b'{"schema_version": 1, "study": "x", "arms": [], "seeds": []}'),
    "plan of numbers": ("plan.json", b'{"schema_version": 1, "study": 3, "arms": [1], "seeds": ["a"]}'),
    "plan of another version": ("plan.json", b'{"schema_version": 99}'),
    "deep plan": ("plan.json", b"[" * 100_000),
    "binary plan": ("plan.json", bytes(range(256))),
    "torn data": ("data.json", b"{"),
    "data without classes": ("data.json", b'{"schema_version": 1}'),
    "torn cases": ("cases.parquet", b"PAR1 not really PAR1"),
    "empty cases": ("cases.parquet", b""),
    "torn audit": ("audit.json", b'{"schema_version": 1, "key": 1}'),
    "torn history": ("runs/base/seed-0/history.parquet", b"PAR1"),
    "torn predictions": ("runs/base/seed-0/predictions.parquet", b"PAR1\x00\x00PAR1"),
    "pickle for predictions": ("runs/base/seed-0/predictions.parquet", b"\x80\x04cos\nsystem\n(S'touch /tmp/x'\ntR."),
    "torn facts": ("runs/base/seed-0/run.json", b'{"schema_version": 1, "class_names": 5}'),
    "torn progress": ("partial/progress.json", b'{"schema_version": 1, "running": 7}'),
    "torn log": ("test-openings.jsonl", b'{"at": 1}\n\xff\xfe'),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_folder_harms_no_other(study, damage, tmp_path):
    """Its pages say what is wrong or do without; the list, the other study and the server go on."""
    name, content = DAMAGES[damage]
    write_study(tmp_path / "other", StudyShape(arms=TWO_ARMS))
    (study / name).parent.mkdir(exist_ok=True)
    (study / name).write_bytes(content)
    with served(tmp_path) as reader:
        for path in READ:
            answer = reader.ask(f"/s/done{path}")
            assert answer.status in (200, 400, 409)
            assert "Traceback" not in answer.text
            assert reader.ask(f"/s/done{path}", Accept="application/json").json() is not None
        assert reader.ask("/").status == 200
        assert {card["name"] for card in reader.json("/")["studies"]} == {"done", "other"}
        assert reader.ask("/s/other/cases").status == 200


@pytest.mark.parametrize("arm", ["../../other/runs/base", "..", "a/b", "a\\b", "", "x\0y", None, 3])
def test_a_plan_whose_arms_lead_elsewhere_is_refused(study, tmp_path, arm):
    """A name in a file never becomes a path out of the folder."""
    write_study(tmp_path / "other", StudyShape(arms=TWO_ARMS))
    plan = json.loads((study / "plan.json").read_text())
    plan["arms"][0]["name"] = arm
    (study / "plan.json").write_text(json.dumps(plan))
    with served(tmp_path) as reader:
        found = reader.json("/s/done")
        assert found["status"] == 409
        assert "plan.json is damaged" in found["got"]


TRICKS = [
    "/s/..",
    "/s/../done",
    "/s/%2e%2e",
    "/s/..%2fdone",
    "/s/done%2f..%2fdone",
    "/s/done/../../etc/passwd",
    "/s/done%00",
    "/s/%2fetc%2fpasswd",
    "/s/outside",
    "/static/..%2fapp.py",
    "/static/../app.py",
    "/static/%2fetc%2fpasswd",
    "/s/done/cases/-1",
    "/s/done/cases/1e9",
    "/s/done/cases/99999999999999999999999999",
    "/s/done/cases/1/saliency/..%2f..%2fx/0/scan.png",
    "/s/done/cases/1/saliency/base/0/..png",
    "/" + "a" * 8000,
]


@pytest.mark.parametrize("path", TRICKS, ids=lambda path: path[:60])
def test_no_path_leads_out(study, tmp_path, path):
    """Dots, encoded slashes, links and numbers beyond all bounds find nothing."""
    outside = tmp_path.with_name(f"{tmp_path.name}-outside")
    write_study(outside, StudyShape(arms=TWO_ARMS, question="Is this outside?"))
    (tmp_path / "outside").symlink_to(outside)
    with served(tmp_path) as reader:
        answer = reader.ask(path)
        assert answer.status in (400, 404, 414)
        assert "Is this outside?" not in answer.text
        assert "root:" not in answer.text
        assert reader.ask("/s/done").status == 200


def test_a_report_that_is_a_link_out_of_the_folder_is_not_shown(study, tmp_path):
    """Nor does a written report run anything: it comes with a policy of its own, in a sandbox."""
    secret = tmp_path.with_name(f"{tmp_path.name}-secret.html")
    secret.write_text("secret")
    (study / "report").mkdir()
    with served(tmp_path) as reader:
        assert reader.ask("/s/done/report.html").status == 404
        (study / "report" / "report.html").symlink_to(secret)
        assert reader.ask("/s/done/report.html").status == 404
        (study / "report" / "report.html").unlink()
        (study / "report" / "report.html").write_text("<style>p{}</style><script>alert(1)</script>")
        policy = reader.ask("/s/done/report.html").headers["content-security-policy"]
    assert "sandbox" in policy
    assert "default-src 'none'" in policy
    assert "script-src" not in policy
    assert "unsafe" not in policy


@pytest.mark.parametrize("part", [b"<style>", b"<style", b"<style></style>", b"<style>" * 2 + b"</style"])
def test_a_written_report_takes_time_in_proportion_to_its_size(tmp_path, part):
    """Styles that never end, or very many of them, hold nobody up; all but the first are not applied."""
    (tmp_path / "report").mkdir()
    (tmp_path / "report" / "report.html").write_bytes(part * (8_000_000 // len(part)))
    began = time.monotonic()
    _, policy = written_report(tmp_path)
    assert time.monotonic() - began < 2
    assert len(policy) < 8000


def test_a_written_report_without_end_is_refused(tmp_path, monkeypatch):
    """In words; one of the largest size is shown."""
    monkeypatch.setattr(built_report, "MOST_BYTES", 1 << 20)
    (tmp_path / "report").mkdir()
    (tmp_path / "report" / "report.html").write_bytes(b" " * (1 << 20))
    assert written_report(tmp_path)[0] == b" " * (1 << 20)
    (tmp_path / "report" / "report.html").write_bytes(b" " * ((1 << 20) + 1))
    with pytest.raises(StoreError, match="more than 1 MB"):
        written_report(tmp_path)


def test_what_is_no_folder_is_refused(tmp_path):
    """With what was expected."""
    with pytest.raises(InputError, match="is not a folder"):
        Shelf(tmp_path / "none")


def test_a_study_folder_alone_can_be_served(study):
    """It is then the one study of the list."""
    with served(study) as reader:
        assert [card["name"] for card in reader.json("/")["studies"]] == ["done"]
        assert reader.ask("/s/done").status == 200


def test_reading_pictures_stops_nobody_who_asks_for_a_study(study, tmp_path, monkeypatch):
    """Another study is handed out meanwhile; those who ask for the same pictures wait for one reading."""
    write_study(tmp_path / "other", StudyShape(arms=TWO_ARMS))
    begun, gate, n_reads, shelf = threading.Event(), threading.Event(), [], Shelf(tmp_path)

    def slowly(folder: StudyFolder) -> CaseIndex:
        n_reads.append(1)
        begun.set()
        assert gate.wait(HANGS_S)
        return read_cases(folder)

    monkeypatch.setattr("scantrial.web.studies.read_cases", slowly)
    with ThreadPoolExecutor(3) as pool:
        asked = [pool.submit(shelf.cases, shelf.study("done")) for _ in range(2)]
        assert begun.wait(HANGS_S)
        try:
            assert pool.submit(shelf.study, "other").result(HANGS_S).name == "other"
        finally:
            gate.set()
        first, second = (future.result(HANGS_S) for future in asked)
    assert first is second
    assert n_reads == [1]


def test_an_empty_folder_says_what_a_study_is(tmp_path):
    """And nothing breaks."""
    with served(tmp_path) as reader:
        assert "There is no study here" in reader.ask("/").text


@pytest.mark.parametrize(
    "element", ["<iframe src='http://192.0.2.1/'>", "<IFRAME\n>", "<object data=x>", "<link rel=x>"]
)
def test_a_written_report_that_reaches_elsewhere_is_refused(tmp_path, element):
    """A browser opens a connection for an iframe even under a policy that forbids it; text about one is shown."""
    (tmp_path / "report").mkdir()
    file = tmp_path / "report" / "report.html"
    file.write_text(f"<p>{element}</p>")
    with pytest.raises(StoreError, match="through which a page reaches elsewhere"):
        written_report(tmp_path)
    file.write_text(f"<p>{html.escape(element)} &lt;linked&gt; <linked></p>")
    assert written_report(tmp_path) is not None
