"""The sections of a report: what each says, where it stands, and the outline of a whole document."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from scantrial.audit.records import Audit, CheckResult, ScanFinding
from scantrial.figures.all import build_figures
from scantrial.findings.reading import read_study_folder
from scantrial.findings.view import build_view
from scantrial.prose.warnings import weaknesses
from scantrial.report.compose import build_document, summary_of
from scantrial.report.document import (
    Details,
    FigureBlock,
    Note,
    Section,
    Table,
    numbered_figures,
    plain_text,
    walk,
    words,
)
from scantrial.report.sections.answer import FEW_ARMS, facts, short
from scantrial.report.sections.audit import audit
from scantrial.report.sections.compared import MOST_LEFT_OUT, compared
from scantrial.report.sections.outlook import outlook
from scantrial.report.sections.parts import number, slugs
from scantrial.report.sections.results import results_section
from scantrial.report.sections.verdicts import verdicts
from scantrial.report.sections.warnings import front
from scantrial.report.sections.worst import worst

SNAPSHOT = Path(__file__).parent / "snapshots" / "document.txt"


def view_of(folder):
    return build_view(read_study_folder(folder, by="report", purpose="report"))


@pytest.fixture(scope="module")
def view(make_study):
    return view_of(make_study(seeds=range(5)))


@pytest.fixture(scope="module")
def document(view):
    return build_document(view, build_figures(view), {})


def said(*blocks) -> str:
    return " ".join(piece for outer in blocks for block in walk(outer) for piece in words(block))


def table_of(section, name) -> Table:
    return next(block for block in walk(section) if block.id == name)


# ---------------------------------------------------------------------- the whole


ORDER = {
    "summary": ["short"],
    "chapter": ["verdicts", "compared", "curves", "results", "cases", "audit", "limits"],
    "appendix": ["about", "methods", "again", "crosswalk"],
}


def test_the_order_of_reading(document):
    """The answer, then chapters, then appendices; each but the first says in a line what it holds, no two the same."""
    assert [section.id for section in document.sections] == [name for names in ORDER.values() for name in names]
    for part, names in ORDER.items():
        assert [section.id for section in document.sections if section.part == part] == names
    gists = [section.gist for section in document.sections]
    assert gists[0] == ""
    assert all(gists[1:])
    assert len(set(gists)) == len(gists)


def test_sections_of_a_chapter_stand_within_it(document):
    """What belongs together is one chapter, and every part of it has the id that links have led to."""
    inside = {section.id: {block.id for block in walk(section)} for section in document.sections}
    assert {"uncertainty", "outlook", "hypotheses"} <= inside["verdicts"]
    assert {"diagnosis", "aggregates"} <= inside["curves"]
    assert {"belief", "ranking", "confusion", "results-test"} <= inside["results"]
    assert {"worst", "disputed"} <= inside["cases"]
    assert {"choices", "sources"} <= inside["methods"]


def test_the_first_page_stands_alone(make_study):
    """A summary has the head and the first page, and says what it leaves out instead of folding it away."""
    view = view_of(make_study(failed=[("base", seed) for seed in range(5)], seeds=range(5)))
    whole = build_document(view, build_figures(view), {})
    brief = summary_of(whole)
    assert [section.id for section in brief.sections] == ["short"]
    assert (brief.title, brief.facts) == (whole.title, whole.facts)
    assert [block.summary for block in walk(whole.front[0]) if isinstance(block, Details)] == ["2 more points"]
    assert not [block for block in walk(brief) if isinstance(block, Details)]
    assert "2 more points: see the whole report." in said(brief.front[0])


def test_the_outline_is_the_one_that_is_stored(make_study):
    """A change of the document shows as a change of this outline; SCANTRIAL_RENEW=1 writes it anew."""
    folder = make_study(seeds=range(5), epochs=4)
    view = view_of(folder)
    found = re.sub(r"\d{4}-\d\d-\d\d( \d\d:\d\d UTC)?", "DATE", outline(build_document(view, build_figures(view), {})))
    if os.environ.get("SCANTRIAL_RENEW"):
        SNAPSHOT.write_text(found, encoding="utf-8")
    assert found == SNAPSHOT.read_text(encoding="utf-8")


def outline(document) -> str:
    """Return a line for each block: its kind, its id, and how what it says begins."""
    lines = [document.title, *(f"  {term}: {number}" for term, number in document.facts), ""]

    def add(block, depth):
        lines.append(f"{'  ' * depth}{type(block).__name__} #{block.id}  {_begins(block)}".rstrip())
        for inner in getattr(block, "blocks", ()):
            add(inner, depth + 1)

    for block in (*document.front, *document.sections):
        add(block, 0)
    return "\n".join([*lines, ""])


def _begins(block) -> str:
    if isinstance(block, Table):
        return f"{block.caption[:60]} [{' | '.join(column.title for column in block.columns)}] {len(block.rows)} rows"
    if isinstance(block, FigureBlock):
        table = block.figure.table
        return f"{block.figure.title} [{' | '.join(table.column_names)}] {table.num_rows} rows"
    return re.sub(r"\s+", " ", " / ".join(words(block)))[:110]


def test_every_piece_of_a_document_is_plain_data_with_an_id_of_its_own(document):
    """Ids are addresses: small letters and hyphens, none twice; the whole is JSON without NaN."""
    import json

    json.dumps(document.to_dict(), allow_nan=False)
    ids = [block.id for block in walk(document)]
    assert len(ids) == len(set(ids))
    assert {"verdict-table", "forest", "curves-base-figure", "results-test-table", "flow"} <= set(ids)


def test_figures_and_tables_are_numbered_as_they_are_read(document):
    """The first table of the page is Table 1, and no number is left out."""
    names = numbered_figures(document)
    assert names["primary"] == "Table 1"
    for kind, word in ((FigureBlock, "Figure"), (Table, "Table")):
        found = [names[block.id] for block in walk(document) if isinstance(block, kind)]
        assert found == [f"{word} {n}" for n in range(1, len(found) + 1)]


# ---------------------------------------------------------------------- the first page


def test_the_answer_comes_first(view):
    """The verdict in short, the differences, the primary metric, and what weakens it; the whole verdict is said later."""
    section = short(view, build_figures(view).forest)
    lead, claim, figure, table, weak = section.blocks[:5]
    assert lead.role == "lead"
    assert plain_text(lead.content).startswith("Unclear whether loss-ce is better or worse than base: ")
    assert plain_text(claim.content) == "CE is more accurate than BCE: undecided."
    assert (figure.id, weak.id) == ("forest", "weak")
    sentence = view.judgement.primary.comparisons[0].sentence
    assert said(verdicts(view)).count(sentence) == 1
    assert said(compared(view)).startswith("What was compared This study has 2 arms and 5 seeds")
    titles = [column.title for column in table.columns]
    assert titles == ["Arm", "Runs", "Test, %", "95 % CI", "Training, %", "Validation, %"]
    cell = table.rows[0][2]
    assert cell.value == view.arms[0].summaries["test"]["accuracy"].mean
    assert cell.text == f"{100 * cell.value:.1f}"
    assert cell.strong
    found = view.judgement.primary.arm("base")
    assert table.rows[0][3].text == f"{100 * found.low:.1f} to {100 * found.high:.1f}"


def test_of_many_arms_the_weaknesses_come_before_the_table(make_study):
    """They would be out of sight below a long table."""
    many = {f"batch-{n}": {"batch_size": n} for n in range(1, FEW_ARMS + 2)}
    blocks = [block.id for block in short(view_of(make_study(arms=many)), None).blocks]
    assert blocks.index("weak") < blocks.index("primary")


def test_the_command_that_would_say_more_is_there(make_study):
    """Few seeds are followed by the command that adds some; its folder is no folder of the machine."""
    sizes = {"train": 12, "val": 8, "test": 200}
    said_next = said(short(view_of(make_study(seeds=range(3), n_cases=sizes)), None))
    assert "Next: scantrial run DIR/study.yaml --seeds 5 --out DIR: 2 more seeds" in said_next


def test_the_primary_metric_comes_first(make_study):
    """Whatever it is, in the first table and in those of the results; a metric of one class names the positive class."""
    found = view_of(make_study(primary="sensitivity", n_cases={"train": 12, "val": 8, "test": 60}))
    first, results = table_of(short(found), "primary"), table_of(results_section(found, None), "results-test-table")
    assert first.caption.startswith("Sensitivity of each arm")
    assert first.caption.endswith("The positive class is “pneumonia”.")
    assert [column.title for column in results.columns][2:4] == ["Sensitivity, %", "Accuracy, %"]
    assert "are about the positive class, “pneumonia”." in said(results_section(found, None))
    assert ("Positive class", "pneumonia") in facts(found)


def test_a_positive_class_named_like_health_and_turned_scores_stand_before_the_answer(make_study):
    """Both are notes of the first page, with what to do; right names and right scores have none."""
    sizes = {"train": 12, "val": 8, "test": 60}
    wrong = said(*front(view_of(make_study(class_names=("COVID", "Normal"), turned=["loss-ce"], n_cases=sizes))))
    assert "classes: [Normal, COVID]" in wrong
    assert "AUROC of loss-ce is 0." in wrong
    assert "its whole interval below 0.5: its networks rank the classes the wrong way round" in wrong
    right = said(*front(view_of(make_study(class_names=("Normal", "COVID"), n_cases=sizes))))
    assert "name for health" not in right
    assert "below 0.5" not in right


def test_few_seeds_have_no_advice(make_study):
    """With two seeds the section on what would change the answer says what is needed before anything can be said."""
    found = view_of(make_study(seeds=(0, 1)))
    (bullets,) = outlook(found, None).blocks
    assert list(words(bullets)) == [
        "2 seeds: at least 3 seeds are needed before the spread between seeds can be estimated, so nothing is advised on "
        "how many seeds or cases would decide."
    ]


@pytest.mark.parametrize(
    ("options", "words_of_it"),
    [
        ({"seeds": (4,)}, "There is only one seed"),
        ({"seeds": (4, 5)}, "There are only 2 seeds: seed-to-seed variation is hardly known, and a verdict needs 3."),
        ({"n_cases": {"train": 12, "val": 8, "test": 60}}, "The test set is small: it has 30 cases of"),
        ({"missing": [("base", 0)]}, "1 run of 6 is still missing"),
        ({"diverged": [("base", 0)]}, "diverged: its loss was not finite"),
        ({"seeds": range(3), "n_cases": {"train": 12, "val": 8, "test": 60}}, "1 of 1 verdict is provisional"),
    ],
    ids=["one-seed", "two-seeds", "small-test-set", "missing", "diverged", "provisional"],
)
def test_a_poor_study_says_so_on_its_first_page(make_study, options, words_of_it):
    """One seed, a missing or a diverged run, a provisional verdict: each is a note before the chapters."""
    found = view_of(make_study(**options))
    assert words_of_it in said(*front(found), short(found, None))


def test_an_open_blocker_and_a_missing_margin_weaken_the_answer(view):
    """Both stand on the first page; an acknowledged blocker and a margin do not."""
    from dataclasses import replace

    large = replace(view, data=replace(view.data, counts={"test": {"normal": 100, "pneumonia": 120}}))
    clean = replace(large, audit=an_audit(acknowledged="it is so"))
    assert weaknesses(clean) == []
    assert front(clean) == ()
    assert "2 blockers are not acknowledged" in weaknesses(replace(view, audit=an_audit()))[0]
    without = replace(clean, judgement=replace(view.judgement, margin=None))
    assert weaknesses(without) == ["The study file declares no margin, so arms cannot be called equivalent."]
    assert weaknesses(view)[0].startswith("The scans were not audited")


def test_warnings_of_the_audit_weaken_the_answer_once_each(view):
    """Copies in test, shortcuts, unknown patients, in this order; not what is acknowledged, a note, or elsewhere."""
    from dataclasses import replace

    warning = replace(an_audit().findings[0], severity="warning")
    of_test = {"n_test_cases": 3}
    found = [
        replace(warning, code="AU002"),
        replace(warning, code="AU024", numbers={"class": "ill"}),
        replace(warning, code="AU020"),
        replace(warning, code="AU005", numbers=of_test),
        replace(warning, code="AU004", numbers={"by_split": {"train": 2}}),
        replace(warning, code="AU021", acknowledged="looked at"),
        replace(warning, code="AU010"),
    ]
    large = replace(view, data=replace(view.data, counts={"test": {"normal": 100, "pneumonia": 120}}))

    def said_of(*findings):
        return weaknesses(replace(large, audit=replace(an_audit(), findings=findings)))

    assert said_of(*found) == [
        "Scans or patients that are judged are in another split as well, or known to the weights that training began with "
        "(AU005): results may be better than on new scans.",
        "A shortcut may give the label away (AU020 and AU024): the networks may have learnt it instead of what the scans "
        "show.",
        "Patients are not known (AU002): scans of one patient may be in two splits, and intervals may be too narrow.",
    ]
    elsewhere = [replace(found[3], numbers={"n_test_cases": 0}), replace(found[1], numbers={"splits": ["val", "test"]})]
    assert said_of(*elsewhere) == []
    twice = replace(found[4], numbers={"by_split": {"test": 2}})
    assert said_of(twice, replace(found[3], severity="note")) == [
        "Scans that are judged occur more than once (AU004): intervals may be too narrow."
    ]


# ---------------------------------------------------------------------- section by section


def test_no_file_gets_lost_in_the_flow_of_cases(view):
    """Found is what was left out, by reason, what stands in no split, and the splits; classes add up to their split."""
    flow = table_of(compared(view), "flow")
    counts = {row[0].text: [cell.value for cell in row[1:]] for row in flow.rows}
    assert counts["Left out: is truncated"][0] == 1
    assert counts["In no split"][0] == view.data.n_unused == 2
    assert counts["Found"][0] == sum(row[0] for name, row in counts.items() if name != "Found")
    for split in ("Training", "Validation", "Test"):
        assert counts[split][0] == sum(counts[split][1:])


def test_what_was_left_out_before_decoding_is_in_the_flow(view):
    """Files of a pattern and classes in no list are among those found, and have a row each."""
    left_out = {"files of the pattern *_mask*.png": 60, "scans of the class unsure": 3}
    flow = table_of(compared(replace(view, data=replace(view.data, left_out=left_out))), "flow")
    counts = {row[0].text: row[1].value for row in flow.rows}
    assert counts["Left out: files of the pattern *_mask*.png"] == 60
    assert counts["Left out: scans of the class unsure"] == 3
    assert counts["Found"] == sum(n for name, n in counts.items() if name != "Found")


def test_very_many_files_left_out_are_counted(view):
    """The table stops, and says where the others are listed."""
    many = [(f"{number}.png", "is truncated") for number in range(MOST_LEFT_OUT + 1)]
    fold = table_of(compared(replace(view, data=replace(view.data, skipped=tuple(many)))), "left-out")
    assert fold.summary == "501 files left out, and why (the first 500; data.json lists all)"
    assert len(fold.blocks[0].rows) == MOST_LEFT_OUT


def test_a_recipe_is_there_in_full(view):
    """Every setting of an arm's recipe stands in its fold."""
    recipe = table_of(compared(view), "recipe-base-text")
    assert "batch_size:" in recipe.content
    assert "loss:" in recipe.content


def test_a_verdict_has_its_numbers_unrounded(view):
    """Difference and p as computed stand behind what is printed."""
    section = verdicts(view)
    (row,) = table_of(section, "verdict-table").rows
    item = view.judgement.primary.comparisons[0]
    assert row[2].value == item.evidence.effect
    assert row[4].value == item.verdict.p_adjusted
    assert row[5].text.startswith(item.verdict.label)
    assert "CE is more accurate than BCE" in said(section)


def test_one_arm_has_neither_verdicts_nor_an_outlook(make_study):
    """What compares is left out where there is nothing to compare."""
    alone = view_of(make_study(arms={"base": {}}))
    assert verdicts(alone) is None
    assert outlook(alone, None) is None
    assert "Verdicts" not in said(short(alone))


def test_every_run_has_its_row_and_a_diverged_one_says_so(make_study):
    """The table of every run holds each finished run once, with its seed."""
    view = view_of(make_study(diverged=[("loss-ce", 2)]))
    rows = table_of(results_section(view, None), "runs-test-table").rows
    assert [(row[0].text, row[1].value) for row in rows] == [
        (arm.label, run.seed) for arm in view.arms for run in arm.runs
    ]
    assert rows[-1][3].text == "3, diverged"
    assert rows[-1][4].value is None


def test_a_case_without_a_picture_keeps_its_place(view):
    """A worst case begins with its picture, or the place of one, so that a page can set it beside the words."""
    section = worst(view, {view.worst[0].case: b"png"})
    first, second = section.blocks[1:3]
    assert first.blocks[0].pictures[0].png == b"png"
    assert second.blocks[0].pictures[0].png is None
    assert view.worst[0].source in said(first)


def an_audit(acknowledged: str | None = None) -> Audit:
    found = {
        "title": "Copies across splits",
        "text": "2 scans are the same.",
        "action": "remove them",
        "severity": "blocker",
        "cases": (("a.png", "b.png"),),
        "case_numbers": (1, 2),
        "numbers": {},
        "acknowledged": acknowledged,
    }
    result = CheckResult(code="AU003", title="Copies", severity="blocker", outcome="found", reason="", numbers={})
    return Audit(
        key="0",
        n_cases={},
        class_names=("normal", "pneumonia"),
        results=(result,),
        findings=(ScanFinding(code="AU003", **found), ScanFinding(code="AU003", **found)),
        pictures={},
    )


def test_findings_are_notes_that_can_be_addressed(view):
    """A finding is a note named by its code, the second of a code by a number; its cases are folded away."""
    from dataclasses import replace

    section = audit(replace(view, audit=an_audit("it is so")), {}, None)
    notes = [block for block in walk(section) if isinstance(block, Note)]
    assert [note.id for note in notes] == ["finding-au003", "finding-au003-2"]
    assert notes[0].severity == "blocker"
    assert "Acknowledged in the study file: it is so" in said(notes[0])
    assert any(isinstance(block, Details) and block.summary == "The 1 pair" for block in notes[0].blocks)


def test_names_become_ids_that_no_other_has():
    """Small letters, digits and hyphens; a name that looks like another gets a number."""
    assert slugs(["lr=0.01", "LR 0.01", "é", "??"]) == {
        "lr=0.01": "lr-0-01",
        "LR 0.01": "lr-0-01-2",
        "é": "x",
        "??": "x-2",
    }


def test_what_is_no_number_is_none_behind_the_cell():
    """NaN has no place in JSON; an interval without an end has no number for it either."""
    assert number("–", float("nan")).value is None
    table = Table(id="t", caption="", columns=(), rows=())
    assert table.to_dict()["rows"] == []
    assert Section(id="s", title="", blocks=()).to_dict()["kind"] == "section"
    assert np.isfinite(number("1", 1.0).value)


# ---------------------------------------------------------------------- which arm is best


def test_three_arms_get_a_table_of_the_best(make_study):
    """Every arm against the best of the others; the sentence leads the answer; the methods cite what was used."""
    view = view_of(make_study(arms={"base": {}, "loss-ce": {"loss": "ce"}, "long": {"epochs": 9}}, seeds=range(5)))
    document = build_document(view, build_figures(view), {})
    best = view.judgement.primary.best
    sections = {section.id: section for section in document.sections}
    assert said(sections["short"]).startswith(best.sentence) or best.sentence in said(sections["short"])
    rows = table_of(sections["verdicts"], "best-table").rows
    assert [row[0].text for row in rows] == [view.labels[arm.arm] for arm in best.arms]
    assert [row[1].value for row in rows] == [arm.effect for arm in best.arms]
    assert [row[3].text for row in rows] == ["yes" if arm.may_be_best else "no" for arm in best.arms]
    methods = said(sections["methods"])
    assert "Hsu JC. Multiple comparisons: theory and methods" in methods
    assert "Edwards DG, Hsu JC. Multiple comparisons with the best treatment" in methods


def test_two_arms_have_no_table_of_the_best(document):
    """Their verdict is the answer, and no method is cited that was not used."""
    assert not [block for section in document.sections for block in walk(section) if block.id == "best-table"]
    assert "Hsu JC" not in said(*document.sections)
