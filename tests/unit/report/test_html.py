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
from at_a_glance import Visible, n_words, said_twice
from scantrial.core.errors import InputError
from scantrial.core.text import printable
from scantrial.figures.all import shared_domains
from scantrial.findings.reading import read_study_folder
from scantrial.findings.view import build_view
from scantrial.report.document import (
    Bullets,
    Cell,
    Code,
    CodeBlock,
    Column,
    Details,
    Document,
    Gallery,
    Link,
    Note,
    Pairs,
    Paragraph,
    Picture,
    Section,
    Strong,
    Table,
    text,
)
from scantrial.report.formats import build_report, write_report
from scantrial.report.html import page_assets, render_fragment, render_html

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
        if not {"style", "script"} & set(self.stack):
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
        "How choices were made",
        "scantrial run study.yaml",
        "What was compared",
        "What would change the answer",
        "relative paths in it start from its folder",
        "Limits",
        "CC0",
        "Nobody (2020)",
        "is truncated",
        "f" * 64,
    ):
        assert words in page.text


MOST_WORDS, MOST_OF_TWO_ARMS = 3000, 600
"""Words of a page that are seen before anything is unfolded: of any study, and of one of two arms."""


def test_little_is_to_be_read_before_anything_is_unfolded(html, page):
    """A page of two arms shows a few hundred of its words, no long sentence twice, and each chapter in one line."""
    seen = Visible(html)
    assert n_words(seen.seen) <= MOST_OF_TWO_ARMS
    assert n_words(seen.all) > 10 * MOST_OF_TWO_ARMS
    assert said_twice(seen.seen) == []
    folds = [attributes for attributes in page.all("details") if attributes.get("class") == "fold"]
    assert len(folds) == len([span for span in page.all("span") if span.get("class") == "gist"]) >= 10
    assert all("open" not in fold for fold in folds)


def test_what_is_folded_is_not_counted_as_seen():
    """The count sees a summary's line and no more of its fold, nothing hidden, and a sentence that is said twice."""
    said = "One two three four five six seven eight."
    fold = f"<details><summary>nine</summary><p>{said}</p></details><p hidden>ten</p><br>"
    seen = Visible(f"<head><title>no</title></head><h1>{said}</h1>{fold}<p>Eleven: <b>twelve.</b></p>")
    assert n_words(seen.seen) == 11
    assert n_words(seen.all) == 21
    assert said_twice(seen.seen) == []
    assert said_twice([*seen.seen, f"So it is. {said}"]) == [said]


def test_nothing_is_fetched(page):
    """No address but the page's own and pictures within it; the policy forbids all else, and needs no eval."""
    tags = {tag for tag, _ in page.elements}
    assert not tags & {"link", "iframe", "object", "embed", "form", "base", "use", "image"}
    for _, attributes in page.elements:
        assert not [name for name in attributes if name.startswith("on") or name == "style"]
        for name in ("src", "href", "xlink:href", "srcset", "data", "action"):
            value = attributes.get(name)
            assert value is None or value.startswith(("#", "data:image/png;base64,"))
    policy = next(m["content"] for m in page.all("meta") if m.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'; img-src data:; style-src 'sha256-")
    assert "unsafe" not in policy


def test_style_and_script_are_those_the_policy_names(html):
    """The hashes in the policy are those of the style and the script as they stand; the style fetches nothing."""
    import base64
    import hashlib

    style = re.search(r"<style>(.*?)</style>", html, re.S).group(1)
    scripts = re.findall(r"<script>(.*?)</script>", html, re.S)
    assert len(scripts) == 1
    for content in (style, *scripts):
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in html
    assert "url(" not in style
    assert "@import" not in style
    assert style.count("{") == style.count("}")


def test_the_bundled_script_carries_its_licences():
    """Vega's and D3's notices travel with every page."""
    script = page_assets().script
    assert "University of Washington Interactive Data Lab" in script
    assert "Mike Bostock" in script
    assert "</script" not in script


def no_script_but_the_pages_own(page: Page) -> None:
    assert page.stack == []
    assert [script.get("type") for script in page.all("script")] == ["application/json", None]
    assert all((img["src"] or "").startswith("data:") for img in page.all("img"))
    assert not [name for _, attributes in page.elements for name in attributes if name.startswith("on")]


HOSTILE = {
    "script": EVIL,
    "path": "../../etc/passwd",
    "right-to-left": "\u202egnp.exe\u202c \u05e9\u05dc\u05d5\u05dd",
    "long": "x" * 300,
    "json": '</script><!-- ]]> "\\u003c',
}


@pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_names_stay_text(make_study, name):
    """Whatever stands in question, labels, classes, files, patients, notes and messages is shown and never run."""
    folder = make_study(
        question=name,
        labels={"base": name, "loss-ce": f"b{name}"},
        class_names=(f"n{name}", f"p{name}"),
        source=name.replace("{", "") + "{case}",
        about={"name": name, "notes": [name]},
        failed=[("loss-ce", 1)],
    )
    page = Page(build_report(folder))
    no_script_but_the_pages_own(page)
    assert "no room for 3 <b>GB</b>" in page.text
    assert re.sub(r"\s+", " ", printable(name)) in page.text


def test_a_hostile_patient_stays_text():
    """A patient's name and a link of an odd kind are text; a link leads to the page or the web alone."""
    odd = text(
        "patient ", Code(EVIL), Strong(EVIL), Link("odd", "javascript:alert(1)"), Link("web", 'https://a.b/?x="y')
    )
    page = Page(render_html(document(Paragraph(id="odd", content=odd))))
    no_script_but_the_pages_own(page)
    assert [link["href"] for link in page.all("a")][-1] == 'https://a.b/?x="y'
    assert not [link for link in page.all("a") if "javascript" in (link["href"] or "")]


# ---------------------------------------------------------------------- block by block


def document(*blocks, front=()) -> Document:
    section = Section(id="part", title="Part", blocks=blocks)
    return Document(title="Title", eyebrow="kind", facts=(("Arms", "2"),), sections=(section,), front=front)


PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x07\0\0\0\x05"  # 7 by 5 pixels, as far as its head goes


@pytest.mark.parametrize(
    ("block", "html"),
    [
        (Paragraph(id="p", content=text("a ", Code("b"), " ", Strong("c"))), "<p id=\"p\">a <code>b</code> <strong>c</strong></p>"),
        (Paragraph(id="p", content=text("a"), role="lead"), '<p id="p" class="lead">a</p>'),
        (Bullets(id="l", items=(text("a"), text("b")), ordered=True), '<ol id="l"><li>a</li><li>b</li></ol>'),
        (Pairs(id="d", items=(("a", text("b")),)), '<dl id="d" class="pairs"><dt>a</dt><dd>b</dd>'),
        (CodeBlock(id="c", content="a < b"), '<pre id="c" tabindex="0"><code>a &lt; b</code></pre>'),
        (Note(id="n", severity="blocker", title="T", blocks=()), '<section class="remark remark-blocker">\n<h3 id="n">T</h3>'),
        (Details(id="f", summary="S", blocks=()), '<details id="f"><summary>S</summary>'),
        (Gallery(id="g", caption="", pictures=(Picture(png=PNG, alt="A", caption="C"),)), 'alt="A" width="7" height="5"><figcaption>C</figcaption>'),
        (Gallery(id="g", caption="", pictures=(Picture(png=None, alt="A", caption=""),)), 'aria-label="A: no picture kept">no picture kept'),
    ],
    ids=["marks", "role", "list", "pairs", "code", "note", "details", "picture", "no-picture"],
)  # fmt: skip
def test_every_kind_of_block_has_its_element(block, html):
    """Each record is rendered as the element that says what it is."""
    page = render_html(document(block))
    assert html in page
    assert Page(page).stack == []


def test_a_number_keeps_its_per_cent_sign_and_code_stays_as_it_is():
    """Texts carry plain spaces; the page has no-break spaces between a number, its sign and CI, and none in code."""
    section = Section(
        id="share",
        title="About 5 %",
        blocks=(
            Paragraph(id="said", content=text("12.3 % (95 % CI 1 to 2) of ", Code("50 % off"))),
            CodeBlock(id="code", content="share: 50 % # a comment"),
        ),
    )
    html = render_fragment(section)
    assert "About 5\u00a0%</h2>" in html
    assert "12.3\u00a0% (95\u00a0%\u00a0CI 1 to 2) of <code>50 % off</code>" in html
    assert "share: 50 % # a comment" in html


def test_a_table_says_of_every_cell_whose_it_is():
    """Its name and caption, a scope for each heading, numbers to the right, what counts for less set apart."""
    columns = (Column(title="Arm"), Column(title="Runs", align="right", spare=True))
    cells = (Cell(text="base"), Cell(text="1.5", value=1.5, aside="± 1", below=("1 to 2",), strong=True))
    html = render_html(document(Table(id="t", caption="C", columns=columns, rows=(cells,))))
    assert '<caption id="t-caption"><b>Table 1.</b> C</caption>' in html
    assert '<th scope="col">Arm</th><th scope="col" class="n spare">Runs</th>' in html
    assert (
        '<th scope="row">base</th><td class="n spare strong">1.5 <span class="aside">± 1</span>'
        '<span class="below">1 to 2</span></td>'
    ) in re.sub(r">\s+<", "><", html)


def test_notes_of_the_front_stand_before_the_contents():
    """What went wrong is read before anything else."""
    note = Note(
        id="trouble", severity="warning", title="Trouble", blocks=(Paragraph(id="x", content=text("a run is missing")),)
    )
    html = render_html(document(front=(note,)))
    assert html.index("a run is missing") < html.index("Contents") < html.index('id="part"')


def test_a_fragment_is_the_inside_of_a_page_alone(folder):
    """It has the sections and what their figures need, and neither style, nor script that runs, nor a head."""
    page = Page(render_fragment(document(Paragraph(id="p", content=text("said")))))
    assert page.stack == []
    assert {tag for tag, _ in page.elements} == {"div", "section", "h2", "p", "script"}
    assert [script["type"] for script in page.all("script")] == ["application/json"]
    assert "said" in page.text
    part = Section(id="s", title="T", blocks=())
    assert '<h4 id="s">T</h4>' in render_fragment(part, level=4)


def test_tables_and_pictures_can_be_read_without_seeing(page):
    """Tables have captions and scoped headings, pictures and charts have words, headings go down step by step."""
    tables = page.all("table")
    assert len(tables) == len(page.all("caption")) > 10
    assert all(cell.get("scope") in ("col", "row") for cell in page.all("th"))
    assert all(img.get("alt") for img in page.all("img"))
    charts = [attributes for _, attributes in page.elements if attributes.get("role") == "img"]
    assert (
        len(charts) == 10
    )  # forest plot, power, two arms' curves, dots, confusion, reliability, decision curves, ROC, variances
    assert all(chart["aria-label"] for chart in charts)
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
    assert any(link["href"] == "#content" and link.get("class") == "skip" for link in page.all("a"))
    assert page.all("html")[0]["lang"] == "en"
    boxes = [attributes for _, attributes in page.elements if attributes.get("class") == "box"]
    ids = {attributes.get("id") for _, attributes in page.elements}
    assert len(boxes) == len(tables)
    assert all(box["tabindex"] == "0" and box["role"] == "region" and box["aria-labelledby"] in ids for box in boxes)
    assert {"header", "main", "footer"} <= {tag for tag, _ in page.elements}


def test_every_metric_of_every_run_stands_in_the_page(folder, page):
    """The per-run table has each run's accuracy with two decimals, and the summary its mean with one."""
    view = build_view(read_study_folder(folder, by="report", purpose="report"))
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


def test_rows_of_a_figure_stand_in_the_page_once(html, folder):
    """A chart is drawn from the table below it: its specification holds no row, and equal panels share one."""
    import json

    specs = json.loads(re.search(r'class="chart-specs">(.*?)</script>', html, re.S).group(1))
    panels = re.findall(r'data-spec="(\d+)"', html)
    assert {int(number) for number in panels} == set(range(len(specs)))
    assert len(specs) < len(panels)
    for spec in specs:
        (rows,) = [source for source in spec["data"] if source["name"] == "rows"]
        assert "values" not in rows


def test_arms_share_an_axis_where_that_stays_legible(folder):
    """Arms of like losses share both axes, and the shared accuracy axis holds every value."""
    view = build_view(read_study_folder(folder, by="report", purpose="report"))
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
    said = Page(build_report(folder)).text
    box = said[said.index("Not everything went as planned") : said.index("In short")]
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
    with pytest.raises(InputError, match="is not a study folder"):
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
        "import sys, scantrial.findings.case; assert not {'sklearn', 'altair'} & set(sys.modules);"
        "import scantrial.report.formats; assert 'torch' not in sys.modules"
    )
    subprocess.run(
        [sys.executable, "-c", code], check=True, env={"PYTHONPATH": str(Path(scantrial.__file__).parents[1])}
    )


def test_report_and_analysis_look_only_downwards():
    """No module here imports from the training wing, and analysis imports from core alone."""
    root = Path(scantrial.__file__).parent
    below_report = {"prose", "figures", "findings", "analysis", "audit", "store", "data", "recipe", "core"}
    allowed = {"analysis": {"analysis", "core"}, "report": {"report", *below_report}}
    for part, good in allowed.items():
        for path in (root / part).rglob("*.py"):
            tree = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            modules = [node.module or "" for node in tree if isinstance(node, ast.ImportFrom)]
            parts = {module.split(".")[1] for module in modules if module.startswith("scantrial.")}
            assert parts <= good, path


@pytest.mark.slow
def test_a_hundred_runs_are_reported_in_twenty_seconds(make_study):
    """Ten arms at ten seeds of 30 epochs with 400 test cases: under 20 s of a processor's time, and under 6 MB."""
    folder = make_study(
        arms={f"batch-{i}": {"batch_size": i} for i in range(1, 11)},
        seeds=range(10),
        epochs=30,
        n_cases={"train": 1600, "val": 400, "test": 400},
    )
    start = time.process_time()
    page = build_report(folder)
    assert time.process_time() - start < 20
    assert len(page.encode()) < 6_000_000
    assert n_words(Visible(page).seen) <= MOST_WORDS
