"""Study folders of earlier versions: loaded, compared, reported, shown, and gone on with."""

from __future__ import annotations

import html
import json
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pyarrow.parquet as pq
import pytest
from tests.old_studies.make import STUDIES, verdicts_of
from tests.web.serving import Reader, served

from scantrial import api
from scantrial.cli.main import main
from scantrial.core.errors import DataError
from scantrial.data.places import remember_place
from scantrial.store.folder import open_folder
from scantrial.study.identity import Identities
from scantrial.train.kernel import kernel_state

HERE = Path(__file__).resolve().parent
VERSIONS = sorted(path.name for path in HERE.iterdir() if (path / "expected.json").is_file())
FOLDERS = [f"{version}/{name}" for version in VERSIONS for name in STUDIES]
FINISHED = [folder for folder in FOLDERS if "unfinished" not in folder]

Told = Callable[..., Any]


@pytest.fixture
def studies(tmp_path: Path) -> Path:
    """A copy of all folders that a test may change, with the study files and what they name beside them."""
    for version in VERSIONS:
        shutil.copytree(HERE / version, tmp_path / version, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Told:
    """Carry out a command in this process and return its JSON."""

    def carry_out(*words: str | Path) -> Any:
        monkeypatch.setattr(sys, "argv", ["scantrial", *map(str, words), "--json"])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        assert not ended.value.code, said.err
        return json.loads(said.out)

    return carry_out


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    """Somebody who reads all folders in a browser."""
    root = tmp_path_factory.mktemp("served")
    for folder in FOLDERS:
        shutil.copytree(HERE / folder, root / folder.replace("/", " "))
    with served(root) as found:
        yield found


def run_files(folder: Path) -> dict[str, bytes]:
    """Return every file of the finished runs."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.glob("runs/*/seed-*/*")}


def go_on(folder: Path, **options: Any) -> Any:
    """Run the study of a folder again by its file."""
    engine = json.loads((folder / "environment.json").read_text())["engine"]
    if engine != "scantrial.train.reference:train_run" and not kernel_state().available:
        pytest.skip(f"begun with the fused engine, and there is none here: {kernel_state().reason}")
    return api.run(folder.with_suffix(".yaml"), out=folder, trust_code=True, **options)


@pytest.mark.parametrize("folder", FOLDERS)
def test_its_state_is_told(folder, studies, told):
    """``status`` tells the question and every run: all are finished, but in the study that was killed."""
    state = told("status", studies / folder)
    plan = json.loads((studies / folder / "plan.json").read_text())
    planned = [[arm["name"], seed] for seed in plan["seeds"] for arm in plan["arms"]]
    finished = planned[:1] if "unfinished" in folder else planned
    assert state["study"] == plan["study"]
    assert sorted(state["finished"]) == sorted(finished)
    assert sorted(state["waiting"]) == sorted(run for run in planned if run not in finished)
    assert (state["failed"], state["diverged"], state["running"]) == ([], [], [])


@pytest.mark.parametrize("folder", FOLDERS)
def test_its_verdicts_are_what_they_were(folder, studies, told):
    """``compare`` gives the estimates, intervals, verdicts and answers that the version itself gave.

    But for those of ``corrected.json``, which the changelog tells under *Numbers changed*: by their place.
    """
    version, _, name = folder.partition("/")
    expected = leaves(json.loads((HERE / version / "expected.json").read_text())[name])
    corrected = json.loads((HERE / version / "corrected.json").read_text()).get(name, {})
    assert corrected.keys() <= expected.keys()
    found = verdicts_of(told("compare", studies / folder))
    assert leaves(found) == {place: about(leaf) for place, leaf in (expected | corrected).items()}


@pytest.mark.parametrize("version", VERSIONS)
def test_a_plan_that_was_edited_was_not_declared_before(version, studies):
    """A folder without hashes of its plan: what the study file does not say is declared at an unknown time."""
    folder = studies / version / "demo"
    path = folder / "plan.json"
    plan = json.loads(path.read_text())
    found = api.compare(folder)
    assert found.primary_declared.before_runs
    assert found.hypotheses[0].declared.before_runs
    plan["primary"]["margin"] = 0.2
    plan["hypotheses"][0]["arms"].reverse()
    path.write_text(json.dumps(plan))
    found = api.compare(folder)
    assert (found.primary_declared.before_runs, found.primary_declared.at) == (False, "")
    assert (found.hypotheses[0].declared.before_runs, found.hypotheses[0].declared.at) == (False, "")
    plan["hypotheses"][0]["arms"].reverse()
    plan["hypotheses"][0]["claim"] = "CE is less accurate than BCE"
    path.write_text(json.dumps(plan))
    assert not api.compare(folder).hypotheses[0].declared.before_runs


def leaves(value: Any, where: str = "") -> dict[str, Any]:
    """Return every leaf of plain data by its place."""
    if isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        return {place: leaf for key, item in items for place, leaf in leaves(item, f"{where}/{key}").items()}
    return {where: value}


def about(leaf: Any) -> Any:
    """Let a number differ in its last digits: another processor may sum in another order."""
    return pytest.approx(leaf, rel=1e-9, abs=1e-12) if isinstance(leaf, float) else leaf


@pytest.mark.parametrize("folder", FOLDERS)
def test_its_report_is_written(folder, studies):
    """``report`` writes files that hold the study's question and the label of every finished arm."""
    path = studies / folder
    # Markdown draws every figure to a file, which takes seconds for a large study.
    formats = ("html", "md") if folder.endswith(("demo", "classes")) else ("html",)
    written = api.reports(path, formats=formats).reports
    plan = json.loads((path / "plan.json").read_text())
    labels = [arm["label"] for arm in plan["arms"] if list(path.glob(f"runs/{arm['name']}/seed-*"))]
    for report in written.values():
        text = html.unescape(report.read_text())
        assert plan["study"] in text
        assert [label for label in labels if label not in text] == []


@pytest.mark.parametrize("folder", FOLDERS)
def test_its_pages_open(folder, reader):
    """The page of a study, its cases and one case open in a browser."""
    address = "/s/" + quote(folder.replace("/", " "))
    found = reader.settled(address)
    assert found["results_state"] == ("closed" if "unfinished" in folder else "ready")
    assert found["question"] in html.unescape(reader.ask(address).text)
    for page in (
        f"{address}/cases?split=val",
        f"{address}/cases/{reader.json(f'{address}/cases?split=val')['cases'][0]['case']}",
    ):
        assert reader.ask(page).status == 200


@pytest.mark.parametrize("folder", FINISHED)
def test_nothing_is_trained_again(folder, studies):
    """The same study file trains nothing in a finished folder and changes no byte of its runs."""
    before = run_files(studies / folder)
    outcome = go_on(studies / folder)
    assert outcome.trained == ()
    assert outcome.failed == ()
    assert run_files(studies / folder) == before != {}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    "named", [lambda folder: {"paths_start_above": 1}, lambda folder: {"import_paths": [str(folder.parent)]}]
)
def test_its_scans_are_found_from_where_the_study_file_lay(version, named, studies, tmp_path, monkeypatch):
    """By a number of folders above, or as 0.1.0 wrote it, by a path; a report tells neither."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SCANTRIAL_CACHE", str(tmp_path / "cache"))  # in which no place of these scans is kept
    folder = open_folder(studies / version / "classes")
    with pytest.raises(DataError):
        api.study_scans(folder.path)
    folder.write_environment({**folder.environment(), **named(folder.path)})
    # A place that is kept counts no longer once the scans do not lie there.
    name = folder.plan().data["source"]["name"]
    remember_place(folder.data()["fingerprint"], tmp_path / "moved away" / name, name)
    assert api.study_scans(folder.path).fingerprint == folder.data()["fingerprint"]
    written = api.report(folder.path).read_text()
    assert not any(word in written for word in ("import_paths", "paths_start_above", str(tmp_path)))


@pytest.mark.parametrize("version", VERSIONS)
def test_a_seed_may_be_added(version, studies, told):
    """A further seed trains the new runs alone, of a network of the user's own; the old ones stay byte for byte."""
    folder = studies / version / "custom"
    before = run_files(folder)
    outcome = go_on(folder, seeds=3)
    assert {key.seed for key in outcome.trained} == {2}
    assert outcome.failed == ()
    assert before.items() <= run_files(folder).items()
    assert {seed for arm in told("compare", folder)["primary"]["arms"] for seed in arm["by_seed"]} == {"0", "1", "2"}


@pytest.mark.parametrize("version", VERSIONS)
def test_an_unfinished_study_ends_complete(version, studies, told):
    """A study that was killed in the middle of a run ends with every run; the run that was finished is kept."""
    folder = studies / version / "unfinished"
    before = run_files(folder)
    assert list(folder.glob("partial/*/*/checkpoint.pt"))
    outcome = go_on(folder)
    assert (len(outcome.finished), len(outcome.trained), outcome.failed) == (4, 3, ())
    assert before.items() <= run_files(folder).items()
    assert not list(folder.glob("partial/*/*/checkpoint.pt"))
    assert len(told("compare", folder)["primary"]["comparisons"]) == 1


@pytest.mark.parametrize("folder", [folder for folder in FINISHED if "custom" not in folder])
def test_its_networks_judge_as_they_did(folder, studies, tmp_path):
    """The kept weights give the stored probability for each test case."""
    study = api.load_study((studies / folder).with_suffix(".yaml"))
    scans = api.load_scans(study.spec.data, base=study.base)
    run = studies / folder / "runs" / "loss-ce" / "seed-1"
    rows = [row for row in pq.read_table(run / "predictions.parquet").to_pylist() if row["split"] == "test"]
    np.save(tmp_path / "test.npy", scans.images[[row["case"] for row in rows]])
    judged = api.predict(run, [tmp_path / "test.npy"])
    stored = [[row[f"p_{name}"] for name in judged.class_names] for row in rows]
    assert np.allclose([row.y_prob for row in judged.rows], stored, atol=1e-5)


@pytest.mark.parametrize("folder", FINISHED)
def test_its_runs_are_what_they_were(folder, studies):
    """A run is known by the hash that it was stored with, so that a study of today may take it over."""
    store = open_folder(studies / folder)
    identities = Identities(store)
    for key in store.run_keys():
        facts = store.facts(key)
        assert identities.what(key) == identities.what_stored(facts)
        # What a module of the user's own imports is not known, so that such a run has no hash.
        assert (identities.what(key) is None) == (facts.identity["what"] is None) == (folder == "0.1.0/custom")


@pytest.mark.parametrize("version", VERSIONS)
def test_its_report_names_no_folder_of_the_source(version, studies):
    """Earlier versions kept the source as it was typed; who is given the report does not see where it lay."""
    folder, place = studies / version / "classes", "/home/somebody/private scans"
    for name, old, new in (
        ("study.yaml", "name: blobs.npz", f"name: {place}/blobs.npz"),
        ("plan.json", '"name": "blobs.npz"', f'"name": "{place}/blobs.npz"'),
        ("data.json", '"blobs.npz"', f'"{place}/blobs.npz"'),
    ):
        text = (folder / name).read_text()
        assert old in text
        (folder / name).write_text(text.replace(old, new))
    page = api.report(folder, format="md").read_text()
    assert "blobs.npz" in page
    assert "somebody" not in page
