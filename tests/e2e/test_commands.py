"""Every command as its user types it, on a small study that is trained once."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image
from tests.conftest import HANGS_S
from tests.e2e.conftest import SMALL_STUDY, command


@pytest.fixture
def study_folder(trained: Path, tmp_path: Path) -> Path:
    """A copy of the trained study that a test may change."""
    return Path(shutil.copytree(trained, tmp_path / "small"))


def test_run_tells_every_metric_of_every_run_in_json(trained):
    """``run --json`` prints, for val and test, each run's metrics and each arm's mean, spread and range."""
    told = json.loads((trained.parent / "run.json").read_text())
    assert [run["arm"] for run in told["runs"]] == ["base", "base", "loss-ce", "loss-ce"]
    names = {"accuracy", "balanced_accuracy", "sensitivity", "specificity", "auroc"}
    names |= {"average_precision", "log_loss", "brier"}
    for run in told["runs"]:
        for split in ("val", "test"):
            assert names <= run[split]["metrics"].keys()
            assert np.sum(run[split]["confusion"]) == told["n_cases"][split]
    for arm in told["arms"]:
        of_arm = [run["test"]["metrics"]["accuracy"] for run in told["runs"] if run["arm"] == arm["name"]]
        assert arm["test"]["accuracy"]["mean"] == pytest.approx(np.mean(of_arm))
        assert arm["test"]["accuracy"]["minimum"] == min(of_arm)
        assert arm["test"]["accuracy"]["maximum"] == max(of_arm)


def test_run_tells_what_the_curves_show_in_json(trained):
    """``run --json`` holds each arm's diagnosis: every check of every run with its numbers, the gaps, the sentences."""
    whole = json.loads((trained.parent / "run.json").read_text())
    told = whole["diagnosis"]
    assert [arm["arm"] for arm in told["arms"]] == ["base", "loss-ce"]
    for arm in told["arms"]:
        assert [part["n_runs"] for part in arm["rounds"]] == [2, 2]
        for run in (run for part in arm["rounds"] for run in part["runs"]):
            states = {finding["code"]: finding["state"] for finding in run["findings"]}
            assert states["LC013"] in ("found", "clear")
            assert run["grad_norm"][0] > 0
        assert arm["steps"][0]["name"] == "chance"
        assert arm["said"]
        assert arm["gap_said"]
        assert arm["shift_said"]


def test_stored_scores_give_the_printed_accuracy(trained):
    """The printed test accuracy is the share of right decisions in ``predictions.parquet``."""
    told = json.loads((trained.parent / "run.json").read_text())
    for run in told["runs"]:
        rows = pq.read_table(trained / "runs" / run["arm"] / f"seed-{run['seed']}" / "predictions.parquet").to_pylist()
        test = [row for row in rows if row["split"] == "test"]
        right = np.mean([(row["p_opacity"] > 0.5) == (row["label"] == 1) for row in test])
        assert run["test"]["metrics"]["accuracy"] == pytest.approx(right)


def test_the_same_seed_shows_every_arm_the_same_start(trained):
    """Contract of pairing: arms that differ in the loss alone start an epoch from equal hidden weights."""
    study = json.loads((trained / "plan.json").read_text())
    assert [arm["name"] for arm in study["arms"]] == ["base", "loss-ce"]
    assert [arm["settings"] for arm in study["arms"]] == [{}, {"loss": "ce"}]


def test_a_finished_study_trains_nothing_again(study_folder, cli):
    """The same command on a finished folder trains no run and changes no run's file."""
    before = {path: path.stat().st_mtime_ns for path in study_folder.glob("runs/*/*/*")}
    (study_folder.parent / "small.yaml").write_text(SMALL_STUDY)
    short = cli("run", "small.yaml").stdout
    assert "answer: No verdict on loss = ce against loss = bce: 2 seeds" in short
    assert len(short.splitlines()) <= 25
    full = cli("run", "small.yaml", "--verbose").stdout
    assert "- No verdict on loss = ce against loss = bce is possible: 2 seeds" in full
    result = cli("run", "small.yaml", "--json")
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["trained"] == []
    assert {path: path.stat().st_mtime_ns for path in study_folder.glob("runs/*/*/*")} == before


def test_another_study_in_the_same_folder_is_refused_with_the_difference(study_folder, cli):
    """A changed recipe is refused (exit 2) and the message says what differs."""
    (study_folder.parent / "small.yaml").write_text(SMALL_STUDY)
    result = cli("run", "small.yaml", "--set", "recipe.batch_size=8")
    assert result.returncode == 2
    assert "batch_size: was 16, now 8" in result.stderr
    assert "Traceback" not in result.stderr


def test_arms_and_seeds_may_be_added(study_folder, cli):
    """An added level and an added seed train the new runs only, and the protocol log says so."""
    text = SMALL_STUDY.replace("loss: [bce, ce]", "loss: [bce, ce]\n  optimizer.lr: [0.001, 0.01]")
    (study_folder.parent / "small.yaml").write_text(text)
    result = cli("run", "small.yaml", "--seeds", "3", "--json")
    assert result.returncode == 0, result.stderr
    told = json.loads(result.stdout)
    assert sorted(told["trained"]) == sorted(
        [["base", 2], ["loss-ce", 2], ["lr-0.01", 0], ["lr-0.01", 1], ["lr-0.01", 2]]
    )
    lines = [json.loads(line) for line in (study_folder / "protocol.jsonl").read_text().splitlines()]
    versions = [line for line in lines if line["kind"] == "study"]
    assert "added arms: lr-0.01" in versions[-1]["change"]
    assert "added seeds: 2" in versions[-1]["change"]
    assert versions[-1]["finished_runs"] == 4


def test_every_reading_of_test_rows_is_logged(study_folder, cli):
    """The training's evaluation, the report and ``show`` each leave a line that says when, by what, for what."""

    def openings():
        return [json.loads(line) for line in (study_folder / "test-openings.jsonl").read_text().splitlines()]

    before = openings()
    assert {line["by"] for line in before} >= {"run", "report"}
    assert sum(line["by"] == "run" and "evaluation" in line["purpose"] for line in before) == 4
    case = (
        pq.read_table(study_folder / "cases.parquet")
        .filter(pq.read_table(study_folder / "cases.parquet")["split"].to_numpy() == "test")["case"][0]
        .as_py()
    )
    assert cli("show", "small", "--case", str(case)).returncode == 0
    after = openings()
    assert len(after) > len(before)
    assert after[-1]["by"] == "show"


def test_show_gives_one_case_under_every_arm(study_folder, cli, tmp_path):
    """``show`` prints class, probability, decision for the same case under all arms, and draws a PNG."""
    result = cli("show", "small", "--case", "3", "--json", "--png", "case.png")
    assert result.returncode == 0, result.stderr
    told = json.loads(result.stdout)
    assert [arm["name"] for arm in told["arms"]] == ["base", "loss-ce"]
    with Image.open(tmp_path / "case.png") as picture:
        assert picture.format == "PNG"
        assert picture.width > 100
    assert cli("show", "small", "--case", "3").stdout.count("\n") >= 4
    assert json.loads(cli("show", "small", "--case", told["source"], "--json").stdout)["case"] == 3
    missing = cli("show", "small", "--case", "99999")
    assert missing.returncode == 2
    assert "99999" in missing.stderr


def test_the_report_is_rebuilt_without_torch_and_without_the_scans(study_folder, tmp_path):
    """The report needs the study folder alone: neither PyTorch nor the scans nor the cache."""
    (study_folder / "report" / "report.html").unlink()
    program = (
        "import sys\n"
        "class NoTorch:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] == 'torch':\n"
        "            raise ModuleNotFoundError('No module named torch', name='torch')\n"
        "sys.meta_path.insert(0, NoTorch())\n"
        "sys.argv = ['scantrial', 'report', 'small']\n"
        "from scantrial.cli.main import main\n"
        "main()\n"
    )
    env = {key: value for key, value in os.environ.items() if key != "SCANTRIAL_DATA"}
    empty = {**env, "SCANTRIAL_CACHE": str(tmp_path / "no-cache")}
    result = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=empty, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    html = (study_folder / "report" / "report.html").read_text()
    assert "Does cross-entropy differ from BCE on small phantoms?" in html
    assert 'src="http' not in html


def test_compare_judges_a_study_by_its_own_metric_and_margin(study_folder, cli):
    """Verdicts in words and as JSON: the study's metric, margin, family and hypotheses; the reading is logged."""
    said = cli("compare", "small")
    assert said.returncode == 0, said.stderr
    words = " ".join(said.stdout.split())
    assert "No verdict on loss = ce against loss = bce is possible: 2 seeds in each arm" in words
    assert "CE is more accurate than BCE: undecided, declared before the first run finished" in words
    told = json.loads(cli("compare", "small", "--json").stdout)
    assert (told["metric"], told["split"], told["margin"]) == ("accuracy", "test", 0.05)
    (compared,) = told["primary"]["comparisons"]
    assert compared["name"] == "loss-ce - base"
    assert compared["verdict"] == "not enough to judge"
    arms = {arm["arm"]: arm for arm in told["primary"]["arms"]}
    by_seed = [arms["loss-ce"]["by_seed"][seed] - arms["base"]["by_seed"][seed] for seed in ("0", "1")]
    assert compared["effect"] == pytest.approx(np.mean(by_seed))
    assert told["hypotheses"][0]["answer"] == "undecided"
    openings = [json.loads(line) for line in (study_folder / "test-openings.jsonl").read_text().splitlines()]
    assert sum(opening["by"] == "compare" for opening in openings) == 2


def test_compare_takes_other_wishes_and_refuses_what_makes_no_sense(study_folder, cli):
    """Another metric, control, level and all pairs are taken; options of a predictions file are refused by name."""
    told = json.loads(cli("compare", "small", "--metric", "auroc", "--control", "loss-ce", "--json").stdout)
    assert [item["name"] for item in told["primary"]["comparisons"]] == ["base - loss-ce"]
    assert told["margin"] is None
    assert "bootstrap CI" in cli("compare", "small", "--bootstrap", "--pairs", "all").stdout
    for words, says in (
        (("small", "--threshold", "0.3"), "--threshold with a study folder"),
        (("small", "--split", "val"), "--split with a study folder"),
        (("small", "--class-counts-fixed"), "--class-counts-fixed with a study folder"),
        (("small", "--metric", "acuracy"), "did you mean 'accuracy'"),
        (("small", "--control", "nobody"), "no arm is called 'nobody'"),
        ((), "neither DIR nor --predictions FILE"),
        (("nowhere",), "nowhere"),
    ):
        refused = cli("compare", *words)
        assert refused.returncode == 2, refused.stdout
        assert says in refused.stderr
        assert "Traceback" not in refused.stderr


def test_predict_judges_new_files_as_the_run_did(study_folder, cli, tmp_path):
    """``predict`` on a case's own pixels gives the probability that the run stored for it."""
    from scantrial.data.phantom import PhantomOptions, make_phantom

    phantom = make_phantom(PhantomOptions(n_cases=144, size=32, difficulty=0.3))
    Image.fromarray(phantom.images[5]).save(tmp_path / "five.png")
    run_dir = study_folder / "runs" / "base" / "seed-1"
    result = cli("predict", run_dir, "five.png", "--json")
    assert result.returncode == 0, result.stderr
    told = json.loads(result.stdout)
    rows = {row["case"]: row for row in pq.read_table(run_dir / "predictions.parquet").to_pylist()}
    stored = [rows[5][f"p_{name}"] for name in told["class_names"]]
    assert told["rows"][0]["y_prob"] == pytest.approx(stored, abs=1e-6)
    assert told["model"]["arm"] == "base"


def test_predict_refuses_files_it_cannot_judge_by_name(study_folder, cli, tmp_path):
    """Unreadable files and files of another size or depth are all named, and none is judged."""
    (tmp_path / "broken.png").write_bytes(b"no picture")
    Image.fromarray(np.zeros((32, 32, 3), np.uint8)).save(tmp_path / "colour.png")
    Image.fromarray(np.zeros((40, 40), np.uint8)).save(tmp_path / "large.png")
    Image.fromarray(np.zeros((32, 32), np.uint16)).save(tmp_path / "deep.png")
    run_dir = study_folder / "runs" / "base" / "seed-0"
    result = cli("predict", run_dir, "broken.png", "colour.png", "large.png", "deep.png")
    assert result.returncode == 2
    assert result.stdout == ""
    for name in ("broken.png", "colour.png", "large.png", "deep.png"):
        assert name in result.stderr
    assert "Traceback" not in result.stderr


def test_faults_of_a_study_file_come_all_at_once_and_before_anything(cli, tmp_path):
    """Three faults in one file are listed with their lines, exit 2, and no folder is made."""
    bad = (
        SMALL_STUDY.replace("batch_size: 16", "batch_sise: 16")
        .replace("loss: bce", "loss: bse")
        .replace("epochs: 3", "epochs: 0")
    )
    (tmp_path / "bad.yaml").write_text(bad)
    result = cli("run", "bad.yaml")
    assert result.returncode == 2
    assert "batch_size" in result.stderr
    assert "bce" in result.stderr
    assert "epochs" in result.stderr
    assert result.stderr.count("line ") >= 3
    assert not (tmp_path / "bad").exists()


def test_a_run_that_fails_leaves_the_others_and_exits_3(cli, tmp_path):
    """A network of the user's that raises fails its own runs; the other arm is finished and reported.

    It is imported once the user has said so, and then without being asked again.
    """
    (tmp_path / "mine.py").write_text(
        "import torch\n"
        "class Net(torch.nn.Module):\n"
        "    def __init__(self, image_shape, n_outputs):\n"
        "        super().__init__()\n"
        "        c, h, w = image_shape\n"
        "        self.last = torch.nn.Linear(c * h * w, n_outputs)\n"
        "        self.calls = 0\n"
        "    def forward(self, x):\n"
        "        self.calls += 1\n"
        "        if self.calls > 4:\n"
        "            raise RuntimeError('out of luck')\n"
        "        return self.last(x.flatten(1))\n"
    )
    study = SMALL_STUDY.replace("loss: [bce, ce]", 'model: ["mlp-32x3", "mine:Net"]').replace("seeds: 2", "seeds: 1")
    study = study.split("hypotheses")[0].replace(
        "{name: mlp, hidden: [16], batch_norm: true, dropout: 0.3}", "mlp-32x3"
    )
    (tmp_path / "custom.yaml").write_text(study)
    refused = cli("run", "custom.yaml", "--json")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert f"mine:Net, from {tmp_path / 'mine.py'}" in refused.stderr
    assert not (tmp_path / "custom").exists()
    result = cli("run", "custom.yaml", "--trust-code", "--json")
    assert result.returncode == 3, result.stderr
    assert f"--trust-code imports mine:Net from {tmp_path / 'mine.py'}" in result.stderr
    assert str(tmp_path) not in (tmp_path / "custom" / "environment.json").read_text()
    again = cli("run", "custom.yaml", "--json")
    assert again.returncode == 3, again.stderr
    assert "out of luck" in json.loads(again.stdout)["failed"][0]["message"]
    told = json.loads(result.stdout)
    assert [run["arm"] for run in told["runs"]] == ["base"]
    assert "out of luck" in told["failed"][0]["message"]
    status = cli("status", "custom")
    assert "out of luck" in status.stdout
    assert "Traceback" not in result.stderr


def test_a_run_that_diverges_is_a_result(cli, tmp_path):
    """A loss that is not finite ends its run as diverged, with its epoch, and the study exits 0."""
    study = SMALL_STUDY.replace("loss: [bce, ce]", "optimizer: [{name: adam}, {name: sgd, lr: 1.0e+30}]")
    (tmp_path / "blown.yaml").write_text(study.split("hypotheses")[0].replace("seeds: 2", "seeds: 1"))
    result = cli("run", "blown.yaml", "--json")
    assert result.returncode == 0, result.stderr
    told = json.loads(result.stdout)
    assert len(told["diverged"]) == 1
    blown = next(run for run in told["runs"] if run["status"] == "diverged")
    assert blown["diverged_epoch"] == 1


@pytest.mark.parametrize(
    ("gigabytes", "words"),
    [
        (0.5, "expected: at least 0.7 GB"),
        (4.0, "the figures cannot be drawn: this process may use addresses for 4.0 GB (ulimit -v)"),
    ],
)
@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not hold a process to this limit")
def test_a_limit_on_memory_is_told_in_words(study_folder, gigabytes, words):
    """Before the libraries are loaded, and before the figures: no dump, no traceback."""
    program = (
        f"import resource, sys; resource.setrlimit(resource.RLIMIT_AS, (int({gigabytes}e9),) * 2);"
        "sys.argv = ['scantrial', 'report', sys.argv[1]]; from scantrial.cli.main import main; main()"
    )
    command = [sys.executable, "-c", program, str(study_folder)]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=HANGS_S)
    assert result.returncode == 1, result.stderr
    assert words in result.stderr
    assert "Traceback" not in result.stderr
    assert len(result.stderr.splitlines()) < 10


@pytest.mark.parametrize("place", ["/proc/scantrial", "/dev/null/study"])
def test_a_folder_that_cannot_be_written_is_told_in_words(small_study, cli, place):
    """An --out that cannot be made ends in words, not in a traceback."""
    result = cli("run", small_study, "--out", place)
    assert result.returncode == 1
    assert place.split("/study")[0] in result.stderr
    assert "Traceback" not in result.stderr


def test_help_is_quick():
    """``scantrial --help`` answers in under 0.4 s of a processor's time (the best of five: others fill its caches)."""
    times = []
    for _ in range(5):
        with subprocess.Popen(command("--help"), stdout=subprocess.DEVNULL) as process:
            _, status, used = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        assert process.returncode == 0
        times.append(used.ru_utime + used.ru_stime)
    assert min(times) < 0.4


@pytest.mark.parametrize(
    ("words", "key"),
    [
        (("studies", "--json"), "studies"),
        (("schema",), "properties"),
        (("data", "list", "--json"), "data_sets"),
        (("data", "--json"), "data_sets"),
        (("env", "--json"), "engines"),
    ],
)
def test_listings_are_json(cli, words, key):
    """The listing commands print valid JSON with their main key."""
    result = cli(*words)
    assert result.returncode == 0, result.stderr
    assert key in json.loads(result.stdout)


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("run", "report-a-los"), 2, "report-a-loss"),
        (("status", "nowhere"), 2, "nowhere"),
        (("report", "."), 2, "is not a study folder"),
        (("run", "demo", "--engine", "fused", "--set", "recipe.model=cnn"), 2, "the first layer of cnn"),
        (("run", "demo", "--workers", "0"), 2, "1 or more"),
        (("data", "fetch", "pneumoniamnits"), 2, "pneumoniamnist"),
        (("data", "--json", "fetch", "pneumoniamnist"), 2, "put --json after fetch"),
        (("predict", ".", "x.png"), 2, "not a finished run"),
        (("frobnicate",), 2, "No such command"),
    ],
)
def test_wrong_words_are_answered_with_the_right_ones(cli, words, code, says):
    """A wrong name, folder or option gets its exit code and the way out, never a traceback."""
    result = cli(*words)
    assert result.returncode == code, result.stderr
    assert says in result.stderr
    assert "Traceback" not in result.stderr
