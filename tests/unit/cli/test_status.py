"""``status``, ``predict`` and the listings: what is told of a study folder and of what there is."""

from __future__ import annotations

import json
import os
import time
from dataclasses import replace
from pathlib import Path

import pytest

from scantrial import api
from scantrial.cli import listing, main, predict, report, status
from scantrial.data import catalogue
from scantrial.recipe.training import stopped_words
from scantrial.report.formats import FORMATS
from scantrial.store.folder import RunKey
from scantrial.store.lock import StudyLock
from scantrial.train.predict import PredictedFile, PredictedFiles

RUNNING = {"arm": "base", "seed": 2, "epoch": 3, "n_epochs": 6, "val_accuracy": 0.9}


def write_note(folder, *runs, pid=None, age_s=0.0, seconds_left=100.0):
    note = {"running": list(runs), "seconds_left": seconds_left, "at": time.time() - age_s}
    folder.write_progress({**note, "pid": os.getpid() if pid is None else pid})


def test_a_run_is_running_or_finished_never_both(make_study):
    """A note that is older than a run's end does not make the finished run run."""
    folder = make_study(missing=[("base", 2)])
    with StudyLock(folder.path):
        write_note(folder, RUNNING, {**RUNNING, "arm": "loss-ce"})
        found = api.status(folder.path)
    assert [item["arm"] for item in found.running] == ["base"]
    assert RunKey("loss-ce", 2) in found.finished
    assert found.waiting == ()


def test_a_run_that_stopped_early_says_when_and_why(make_study, capsys):
    """Planned epochs, those trained, and the patience that ran out; other runs say nothing."""
    folder = make_study(arms={"base": {}, "early": {"epochs": 10, "early_stopping": {"patience": 2}}}, seeds=(0,))
    said = "stopped after epoch 6 of 10, since 2 epochs brought no better val_loss"
    assert api.status(folder.path).stopped_early == ((RunKey("early", 0), said),)
    status.status(folder.path, as_json=False)
    assert f"early/seed-0: {said}" in " ".join(capsys.readouterr().out.split())


def test_numbers_of_a_strangers_run_are_not_shown_where_no_recipe_could_have_them(make_study):
    """A product of thousands of digits cannot be written out: as if the recipe did not say how long a run is."""
    folder = make_study(arms={"base": {"epochs": 10, "early_stopping": {"patience": 2}}}, seeds=(0,))
    facts, huge = folder.facts(RunKey("base", 0)), 10**4000
    for key in ("epochs", "rounds"):
        other = replace(facts, recipe={**facts.recipe, key: huge})
        assert not other.stopped_early
        assert stopped_words(other).startswith("stopped after epoch 6 of 6")
    patient = replace(facts, recipe={**facts.recipe, "early_stopping": {"patience": huge}})
    assert patient.stopped_early
    assert stopped_words(patient) == "stopped after epoch 6 of 10"


def test_a_failed_run_that_runs_again_is_running(make_study):
    """What failed before and is tried again counts as running."""
    folder = make_study(failed=[("base", 2)])
    with StudyLock(folder.path):
        write_note(folder, RUNNING)
        found = api.status(folder.path)
    assert (len(found.running), found.failed) == (1, ())


@pytest.mark.parametrize("held", [True, False])
def test_the_note_of_a_dead_process_counts_for_nothing(make_study, held):
    """Without a holder, or with another one than wrote the note, its runs are waiting."""
    folder = make_study(missing=[("base", 2)])
    write_note(folder, RUNNING, pid=os.getpid() + 1 if held else None)
    if held:
        with StudyLock(folder.path):
            found = api.status(folder.path)
    else:
        found = api.status(folder.path)
    assert (found.running, found.seconds_left) == ((), None)
    assert found.waiting == (RunKey("base", 2),)
    assert (found.holder is not None) == held


@pytest.mark.parametrize(("age_s", "left"), [(0.0, 100.0), (40.0, 60.0), (500.0, 0.0), (-50.0, 100.0)])
def test_the_time_left_runs_down(make_study, age_s, left):
    """The note's age is taken off its time left, which never falls below zero nor grows."""
    folder = make_study(missing=[("base", 2)])
    with StudyLock(folder.path):
        write_note(folder, RUNNING, age_s=age_s)
        assert api.status(folder.path).seconds_left == pytest.approx(left, abs=5)


def test_status_says_how_to_go_on_only_where_nobody_is_at_it(make_study, capsys):
    """A held folder is told with its holder, an unfinished one that is free with the command."""
    folder = make_study(missing=[("base", 2)], question="Is [/b] better?")
    with StudyLock(folder.path):
        status.status(folder.path, as_json=False)
    held = capsys.readouterr().out
    assert held.startswith("Is [/b] better?\n")
    assert f"held by process {os.getpid()} since" in held
    assert "to continue" not in held
    status.status(folder.path, as_json=False)
    assert f"to continue: scantrial run {folder.path}/study.yaml --out {folder.path}" in capsys.readouterr().out


def test_status_in_json_has_the_documented_keys(make_study, capsys):
    """The keys of ``status --json``, of a running run and of the holder are those of docs/commands.md."""
    folder = make_study(missing=[("base", 2)])
    with StudyLock(folder.path):
        write_note(folder, RUNNING)
        status.status(folder.path, as_json=True)
    told = json.loads(capsys.readouterr().out)
    text = (Path(__file__).parents[3] / "docs" / "commands.md").read_text(encoding="utf-8")
    part = text.split("## scantrial status")[1].split("\n## ")[0]
    assert all(f"`{key}`" in part for key in told)
    assert "{" + ", ".join(told["running"][0]) + "}" in part
    assert "{" + ", ".join(told["holder"]) + "}" in part


@pytest.mark.parametrize("terminal", [True, False])
def test_judged_files_are_named_in_full(monkeypatch, consoles, terminal):
    """``predict`` prints a file's name with its brackets and to its end, in a terminal and elsewhere."""
    name = "scan[left]" + "-and-so-on" * 12 + ".png"
    row = PredictedFile(file=name, predicted_class="[b]", y_prob=(0.25, 0.75))
    model = {"study": "[/q]", "arm": "base", "seed": 0, "chosen_epoch": 3, "weights_sha256": "a" * 64}
    judged = PredictedFiles(class_names=("[a]", "[b]"), rows=(row,), model=model)
    monkeypatch.setattr(api, "predict", lambda *what, **how: judged)
    console = consoles(terminal=terminal)
    monkeypatch.setattr(predict, "out", console)
    predict.predict(Path("run"), [Path(name)], trust_code=False, as_json=False)
    text = console.file.getvalue()
    assert "p [a]" in text
    assert "0.7500" in text
    assert "'[/q]', arm base" in text
    assert "…" not in text
    letters = "".join(
        part.split()[0] for part in text.splitlines()[1:] if part.strip() and not part.startswith("model")
    )
    assert letters == name


def test_the_list_of_data_sets_is_not_cut(consoles, monkeypatch, tmp_path):
    """``data list`` prints titles and paths in full where there is no terminal."""
    far = tmp_path / ("deep-" * 30)
    monkeypatch.setattr(catalogue, "locate", lambda name: far / name)
    console = consoles(terminal=False)
    listing.data_sets(as_json=False)
    lines = console.file.getvalue().splitlines()
    assert len(lines) == 1 + len(catalogue.data_set_names())
    for name in catalogue.data_set_names():
        assert any(catalogue.entry(name).title in line and str(far / name) in line for line in lines)


def test_fetch_tells_path_and_licence_in_json(monkeypatch, capsys, tmp_path):
    """``data fetch --json`` prints name, path and licence."""
    name = catalogue.data_set_names()[0]
    monkeypatch.setattr(catalogue, "fetch", lambda name, progress: tmp_path / name)
    listing.fetch(name, as_json=True)
    told = json.loads(capsys.readouterr().out)
    assert told == {"name": name, "path": str(tmp_path / name), "licence": catalogue.entry(name).licence}


def test_every_command_takes_json(cli):
    """Every command has --json, ``schema`` among them, whose output is the same without."""
    from scantrial.cli.main import app, data_app

    for one in (*app.registered_commands, *data_app.registered_commands):
        assert "as_json" in one.callback.__annotations__, one.callback.__name__
    plain = cli("schema")
    assert plain.returncode == 0, plain.stderr
    assert cli("schema", "--json").stdout == plain.stdout


class TestReport:
    """``scantrial report``."""

    def test_the_formats_asked_for_are_written_and_their_paths_printed(
        self, make_study, consoles, monkeypatch, tmp_path
    ):
        """Two formats and the assets: three paths, the assets' that of their index, and one reading."""
        folder = make_study(epochs=2)
        monkeypatch.setattr(report, "out", consoles(terminal=False, width=400))
        report.report(folder.path, formats=["pdf", "md"], assets=tmp_path / "assets", as_json=False)
        printed = report.out.file.getvalue().splitlines()
        assert printed == [
            str(folder.path / "report" / "report.pdf"),
            str(folder.path / "report" / "report.md"),
            str(tmp_path / "assets" / "index.md"),
        ]
        assert sum(opening.by == "report" for opening in folder.test_openings()) == 1

    @pytest.mark.parametrize(
        ("words", "formats"),
        [
            ((), ["html"]),
            (("--format", "md"), ["md"]),
            (("--format", "md", "--format", "html", "--format", "md"), ["md", "html"]),
            (("--format", "pdf", "--format", "all"), ["html", "pdf", "md"]),
        ],
    )
    def test_formats_are_those_asked_for_each_once(self, words, formats, monkeypatch):
        """HTML by default; `all` is every format that there is."""
        asked = {}
        monkeypatch.setattr(report, "report", lambda folder, **options: asked.update(options))
        main.app(["report", "DIR", *words], standalone_mode=False)
        assert asked["formats"] == formats
        assert set(formats) <= set(FORMATS)

    def test_the_json_is_documented(self, make_study, capsys):
        """The keys of ``report --json`` stand in docs/commands.md; the first format is told by itself."""
        folder = make_study(epochs=2)
        report.report(folder.path, formats=["md", "html"], assets=None, as_json=True)
        told = json.loads(capsys.readouterr().out)
        assert told["report"] == told["reports"]["md"]
        assert (told["format"], list(told["reports"]), told["assets"]) == ("md", ["md", "html"], [])
        text = (Path(__file__).parents[3] / "docs" / "commands.md").read_text(encoding="utf-8")
        section = text[text.index("## scantrial report") : text.index("## scantrial compare")]
        keys = section[section.index("JSON keys:") :]
        assert all(f"{key}" in keys for key in told)
