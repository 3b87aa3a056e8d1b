"""The page: one file, safe, complete, accessible."""

from __future__ import annotations

import ast
import itertools
import re
import subprocess
import sys
import time
from html.parser import HTMLParser
from pathlib import Path

import pytest

import scantrial
from scantrial.core.errors import InputError
from scantrial.report.html import build_report, fit_svg, shared_domains, write_report
from scantrial.report.reading import read_study
from scantrial.report.view import build_view

EVIL = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&"
VOID = {"meta", "img", "br", "link", "input", "hr"}


class Page(HTMLParser):
    """Collects what the tests ask about: elements, their attributes, and the text between them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.stack: list[str] = []
        self.words: list[str] = []
        self.table_texts: list[list[str]] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag == "table":
            self.table_texts.append([])
        if tag not in VOID:
            self.stack.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.stack.pop() == tag, f"</{tag}> closes something else"

    def handle_data(self, data):
        if "style" not in self.stack:
            self.words.append(data)
            if "table" in self.stack and data.strip():
                self.table_texts[-1].append(data.strip())

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture(scope="module")
def folder(make_study):
    return make_study()


@pytest.fixture(scope="module")
def html(folder):
    return build_report(folder)


@pytest.fixture(scope="module")
def page(html):
    return Page(html)


def test_the_page_is_well_formed_and_complete(page):
    """Every element is closed, and every section of a report is there with its heading."""
    assert page.stack == []
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    for link in page.all("a"):
        assert link["href"].startswith("#")
        assert link["href"][1:] in ids
    for words in (
        "Is cross-entropy better than BCE?",
        "In short",
        "Learning curves",
        "Confusion matrices",
        "Worst cases",
        "Mean over epochs without the first 3",
        "What was chosen by what",
        "scantrial run study.yaml",
        "relative paths in it start from the folder where it lies",
        "Limits",
        "CC0",
        "Nobody (2020)",
        "is truncated",
        "f" * 64,
    ):
        assert words in page.text


def test_nothing_is_fetched_and_nothing_runs(page):
    """No script, no link, no address but the page's own and pictures within it; the policy forbids all else."""
    tags = {tag for tag, _ in page.elements}
    assert not tags & {"script", "link", "iframe", "object", "embed", "form", "base", "use", "image"}
    for _, attributes in page.elements:
        assert not [name for name in attributes if name.startswith("on") or name == "style"]
        for name in ("src", "href", "xlink:href", "srcset", "data", "action"):
            value = attributes.get(name)
            assert value is None or value.startswith(("#", "data:image/png;base64,"))
    policy = next(m["content"] for m in page.all("meta") if m.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'; img-src data:; style-src 'sha256-")
    assert "unsafe" not in policy


def test_the_style_is_the_one_the_policy_names(html):
    """The hash in the policy is that of the style as it stands in the page, and the style fetches nothing."""
    import base64
    import hashlib

    style = re.search(r"<style>(.*?)</style>", html, re.S).group(1)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"'sha256-{digest}'" in html
    assert "url(" not in style
    assert "@import" not in style
    assert style.count("{") == style.count("}")


def test_hostile_names_stay_text(make_study):
    """Scripts in question, arm labels, class names, sources and messages are shown, never run."""
    folder = make_study(
        question=EVIL,
        labels={"base": EVIL, "loss-ce": f"b{EVIL}"},
        class_names=(f"n{EVIL}", f"p{EVIL}"),
        source=EVIL.replace("{", "") + "{case}",
        failed=[("loss-ce", 1)],
    )
    page = Page(build_report(folder))
    assert page.stack == []
    assert "script" not in {tag for tag, _ in page.elements}
    assert all((img["src"] or "").startswith("data:") for img in page.all("img"))
    assert not [name for _, attributes in page.elements for name in attributes if name.startswith("on")]
    assert "no room for 3 <b>GB</b>" in page.text
    assert EVIL in page.text


def test_tables_and_pictures_can_be_read_without_seeing(page):
    """Tables have captions and scoped headings, pictures and charts have words, headings go down step by step."""
    tables = page.all("table")
    assert len(tables) == len(page.all("caption")) > 10
    assert all(cell.get("scope") in ("col", "row") for cell in page.all("th"))
    assert all(img.get("alt") for img in page.all("img"))
    charts = [attributes for _, attributes in page.elements if attributes.get("role") == "img"]
    assert (
        len(charts) == 8
    )  # forest plot, power, two arms' curves, dots, confusion matrices, reliability, decision curves
    assert all(chart["aria-label"] for chart in charts)
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
    assert any(link["href"] == "#content" and link.get("class") == "skip" for link in page.all("a"))
    assert page.all("html")[0]["lang"] == "en"
    boxes = [attributes for _, attributes in page.elements if attributes.get("class") == "box"]
    assert len(boxes) == len(tables)
    assert all(box["tabindex"] == "0" and box["role"] == "region" and box["aria-label"] for box in boxes)


def test_every_metric_of_every_run_stands_in_the_page(folder, page):
    """The per-run table has each run's accuracy with two decimals, and the summary its mean with one."""
    view = build_view(read_study(folder, by="report", purpose="report"))
    cells = {text for table in page.table_texts for text in table}
    for arm in view.arms:
        assert f"{100 * arm.summaries['test']['accuracy'].mean:.1f}" in cells
        for run in arm.runs:
            assert f"{100 * run.metrics['test']['accuracy'].value:.2f}" in cells
            assert f"{run.metrics['test']['log_loss'].value:.4f}" in cells


def test_every_figure_offers_its_rows(page):
    """The table behind each learning curve has one row for each seed and epoch."""
    assert page.text.count("The 18 rows behind this figure") == 2
    assert "The 6 rows behind this figure" in page.text


def test_figures_take_the_pages_colours_and_names_of_their_own():
    """A drawn figure has no paper of its own, follows light and dark, and its ids are no one else's."""
    svg = (
        '<svg><rect width="9" height="9" fill="white"/><clipPath id="clip0"/>'
        '<g clip-path="url(#clip0)" stroke="#e3e6e9" fill="#1d2126"/><path stroke="#0072b2"/></svg>'
    )
    assert fit_svg(svg, prefix="f1-") == (
        '<svg><clipPath id="f1-clip0"/><g clip-path="url(#f1-clip0)" stroke="var(--grid)" fill="currentColor"/>'
        '<path stroke="var(--blue)"/></svg>'
    )


def test_arms_share_an_axis_where_that_stays_legible(folder):
    """Arms of like losses share both axes, and the shared accuracy axis holds every value."""
    view = build_view(read_study(folder, by="report", purpose="report"))
    domains = shared_domains(view)
    records = [record for arm in view.arms for run in arm.runs for record in run.history]
    assert domains["accuracy_domain"][0] <= min(min(r.train_accuracy, r.val_accuracy) for r in records)
    assert domains["loss_domain"][1] > max(max(r.train_loss, r.val_loss) for r in records)


@pytest.mark.parametrize(
    "options",
    [
        {"missing": [("base", 0), ("base", 1), ("base", 2)]},
        {"missing": [(arm, seed) for arm in ("base", "loss-ce") for seed in range(3)]},
        {"diverged": [("base", 0), ("base", 1), ("base", 2)]},
        {"seeds": (4,)},
        {"arms": {"base": {}}},
        {"rounds": 3, "epochs": 4},
        {"class_names": ("a", "b", "c"), "arms": {"base": {"loss": "ce"}}},
        {"n_cases": {"train": 12, "val": 8, "test": 1}},
        {"class_names": ("a", "b", "c"), "arms": {"base": {"loss": "ce"}}, "primary": "sensitivity"},
        {"epochs": 1},
        {"thumbnails": False},
    ],
    ids=[
        "an-arm-missing",
        "nothing-yet",
        "all-diverged",
        "one-seed",
        "one-arm",
        "rounds",
        "classes",
        "one-case",
        "primary-does-not-apply",
        "one-epoch",
        "blind",
    ],
)
def test_every_kind_of_study_has_a_report(make_study, options):
    """Unfinished, diverged, tiny and many-class studies give a whole page without NaN or None in it."""
    page = Page(build_report(make_study(**options)))
    assert page.stack == []
    assert not re.search(r"\b(nan|None|inf)\b", page.text)


def test_what_went_wrong_stands_at_the_top(make_study):
    """Missing, failed and diverged runs are said before the first section; a smooth study has no such box."""
    folder = make_study(missing=[("base", 0)], failed=[("loss-ce", 1)], diverged=[("loss-ce", 2)])
    text = Page(build_report(folder)).text
    box = text[text.index("Not everything went as planned") : text.index("This study has 2 arms")]
    assert "1 run of 6 is still missing: base (seed 0)" in box
    assert "failed: MemoryError" in box
    assert "diverged" in box


def test_a_smooth_study_has_no_box(page):
    """Where all runs finished, nothing is said to have gone wrong."""
    assert "Not everything went as planned" not in page.text


def test_the_report_is_written_into_the_folder(make_study):
    """The page lands in report/report.html; another format and another folder are refused."""
    folder = make_study()
    path = write_report(folder.path)
    assert path == folder.path / "report" / "report.html"
    assert path.read_text(encoding="utf-8").startswith("<!doctype html>")
    with pytest.raises(InputError, match="'docx'"):
        write_report(folder.path, format="docx")
    with pytest.raises(InputError, match="no study folder"):
        write_report(folder.path.parent)


def test_only_the_count_of_readings_changes_between_reports(make_study):
    """Built twice from one folder, the pages are equal but for the log of test readings."""
    folder = make_study()
    first, second = (build_report(folder) for _ in range(2))
    changed = [(a, b) for a, b in zip(first.splitlines(), second.splitlines(), strict=True) if a != b]
    assert all("report" in a or "read" in a for a, _ in changed)
    assert len(changed) <= 2


def test_the_report_needs_neither_torch_nor_training():
    """Importing the report loads no PyTorch, and one case shown needs neither scikit-learn nor Altair."""
    code = (
        "import sys, scantrial.report.case; assert not {'sklearn', 'altair'} & set(sys.modules);"
        "import scantrial.report.html; assert 'torch' not in sys.modules"
    )
    subprocess.run(
        [sys.executable, "-c", code], check=True, env={"PYTHONPATH": str(Path(scantrial.__file__).parents[1])}
    )


def test_report_and_analysis_look_only_downwards():
    """No module here imports from the training wing, and analysis imports from core alone."""
    root = Path(scantrial.__file__).parent
    allowed = {"analysis": {"analysis", "core"}, "report": {"analysis", "audit", "core", "report", "store", "data"}}
    for part, good in allowed.items():
        for path in (root / part).glob("*.py"):
            tree = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            modules = [node.module or "" for node in tree if isinstance(node, ast.ImportFrom)]
            parts = {module.split(".")[1] for module in modules if module.startswith("scantrial.")}
            assert parts <= good, path


@pytest.mark.slow
def test_a_hundred_runs_are_reported_in_twenty_seconds(make_study):
    """Ten arms at ten seeds of 30 epochs with 400 test cases give a report in under 20 s of a processor's time."""
    folder = make_study(
        arms={f"batch-{i}": {"batch_size": i} for i in range(1, 11)},
        seeds=range(10),
        epochs=30,
        n_cases={"train": 1600, "val": 400, "test": 400},
    )
    start = time.process_time()
    build_report(folder)
    assert time.process_time() - start < 20
