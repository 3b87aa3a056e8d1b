"""Every page, as HTML and as JSON, from one record."""

from __future__ import annotations

import html
import json
import re
import types
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, Union, get_args, get_origin, get_type_hints
from urllib.parse import quote

import pytest
from tests.studies import TWO_ARMS, StudyShape, write_study
from tests.web.conftest import HOSTILE
from tests.web.serving import served, wait_until

from scantrial.findings.case import case_view
from scantrial.findings.judging import judge
from scantrial.findings.reading import read_study_folder
from scantrial.store.folder import StudyFolder
from scantrial.web import app, records, rendering
from scantrial.web.cache import Kept

STUDIES = ["done", "half", "three", "one arm & more", "<hostile> ?#%2e", "folds"]
REFUSED = [
    ("half", "/cases?split=test&sort=mistaken&outcome=wrong"),
    ("folds", "/cases/1?saliency=base/1"),
]
OF_A_STUDY: dict[str, type] = {
    "": records.StudyPage,
    "?results=now": records.StudyPage,
    "/report": records.ReportPage,
    "/cases": records.CasesPage,
    "/cases?split=test&sort=mistaken&outcome=wrong": records.CasesPage,
    "/cases?split=train&arm=base": records.CasesPage,
    "/cases/1": records.CasePage,
    "/cases/25?split=test": records.CasePage,
    "/cases/1?saliency=base/1": records.CasePage,
    "/compare": records.ComparePage,
    "/compare?metric=auroc": records.ComparePage,
    "/threshold": records.ThresholdPage,
    "/threshold?threshold=0.8&prevalence=0.01": records.ThresholdPage,
}
ADDRESSES = [
    ("/", records.IndexPage),
    ("/nothing", records.ErrorPage),
    ("/s/none", records.ErrorPage),
    ("/s/done/cases/99999", records.ErrorPage),
    ("/s/done/cases?split=x", records.ErrorPage),
    *(
        (f"/s/{quote(study, safe='')}{path}", records.ErrorPage if (study, path) in REFUSED else kind)
        for study in STUDIES
        for path, kind in OF_A_STUDY.items()
        # To make a report takes seconds: of a study that is not complete there is none.
        if (kind is records.ReportPage) <= (study == "half")
    ),
]


def check_shape(value: Any, hint: Any, where: str) -> None:
    """Compare plain data with a record's types: the same fields, in all depths, no more and no fewer."""
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        kinds = [kind for kind in get_args(hint) if kind is not type(None)]
        if value is not None:
            check_shape(value, kinds[0], where)
    elif is_dataclass(hint):
        # Some fields are of a cross-validation only.
        maybe = {part.name for part in fields(hint) if part.metadata.get("plain") == "unless None"}
        assert value.keys() | maybe == {part.name for part in fields(hint)}, where
        hints = get_type_hints(hint)
        for name, item in value.items():
            check_shape(item, hints[name], f"{where}.{name}")
    elif origin is tuple:
        assert isinstance(value, list), where
        for item in value:
            check_shape(item, get_args(hint)[0], f"{where}[]")
    elif origin is not None and issubclass(origin, Mapping):
        assert isinstance(value, dict), where
        for key, item in value.items():
            check_shape(item, get_args(hint)[1], f"{where}.{key}")
    elif hint is float:
        # What is NaN is null.
        assert value is None or isinstance(value, int | float), where
    elif hint is not Any:
        assert isinstance(value, hint), where


def texts(value: Any) -> list[str]:
    """Return every text in plain data, at any depth; the raw numbers are shown rounded."""
    if isinstance(value, dict):
        return [text for item in value.values() for text in texts(item)]
    if isinstance(value, list):
        return [text for item in value for text in texts(item)]
    return [value] if isinstance(value, str) and value else []


def with_json(path: str) -> str:
    bare, _, query = path.partition("?")
    return f"{bare if bare != '/' else '/index'}.json{'?' + query if query else ''}"


def words_of(page: str) -> str:
    """Return what a page says, with the words of its attributes, as plain text."""
    inner = re.sub(r"<([^>]*)>", lambda tag: " ".join(["", *re.findall(r'="([^"]*)"', tag[1]), ""]), page)
    return re.sub(r"\s+", " ", html.unescape(inner))


SHOWN_OTHERWISE = {"train": "training", "val": "validation"}
"""Splits have their names in words on a page."""


@pytest.mark.parametrize(("path", "kind"), ADDRESSES, ids=lambda value: value if isinstance(value, str) else "")
def test_html_and_json_hold_the_same(reader, path, kind):
    """The JSON has exactly the fields of the record; each text in it stands on the page too, by either way of asking."""
    if kind is records.StudyPage:
        reader.settled(path)
    found = reader.json(path)
    check_shape(found, kind, kind.__name__)
    if kind is not records.ErrorPage:
        assert reader.ask(with_json(path)).json() == found
    page = reader.ask(path)
    assert page.headers["content-type"].startswith("text/html")
    said = words_of(page.text).lower()
    for text in texts(found):
        wanted = re.sub(r"\s+", " ", SHOWN_OTHERWISE.get(text, text)).strip().lower()
        assert wanted in said, text


@pytest.mark.parametrize("kind", [kind for kind in records.PAGES if kind is not records.ErrorPage])
def test_every_field_of_a_page_is_used_by_its_template(kind, reader, monkeypatch):
    """No field is there for JSON alone: each one is read while the page is rendered."""
    used: set[str] = set()
    real = rendering.render

    def watched(page: Any, **more: Any) -> bytes:
        class Watched(kind):  # type: ignore[misc, valid-type]
            def __getattribute__(self, name: str) -> Any:
                used.add(name)
                return super().__getattribute__(name)

        monkeypatch.setitem(rendering.TEMPLATES, Watched, rendering.TEMPLATES[kind])
        return real(Watched(**{part.name: getattr(page, part.name) for part in fields(page)}), **more)

    monkeypatch.setattr(app, "render", watched)
    monkeypatch.setattr(reader.site, "_quick", Kept(reader.site._pool, size=10))
    for path, of in ADDRESSES:
        if (of is kind and path.startswith(("/s/done", "/s/half"))) or path == "/":
            reader.ask(path)
    assert {part.name for part in fields(kind)} <= used


def test_the_pages_of_a_cross_validation_name_its_folds(reader, studies):
    """The runs have repeat and fold, every case stands under the folds that tested it, and pairs are judged by fold."""
    reader.settled("/s/folds")
    page = reader.json("/s/folds")
    runs = [(run["seed"], run["repeat"], run["fold"]) for run in page["arms"][0]["runs"]]
    assert runs == [(0, repeat, fold) for repeat in range(2) for fold in range(3)]
    assert "0, fold 2 of repeat 1" in words_of(reader.ask("/s/folds").text)
    found = judge(read_study_folder(StudyFolder(studies / "folds"), by="t", purpose="t")).by_fold
    assert page["results"]["verdicts"] == [item.sentence for item in found.comparisons]
    pair = reader.json("/s/folds/compare")["pair"]
    assert abs(pair["effect"]) == pytest.approx(abs(found.comparisons[0].evidence.effect))
    cases = reader.json("/s/folds/cases")
    assert (cases["n_cases"], cases["filter"]["split"]) == (30, "test")
    case = reader.json("/s/folds/cases/7")
    view = case_view(StudyFolder(studies / "folds"), 7)
    assert [(one["repeat"], one["fold"]) for one in case["arms"][0]["seeds"]] == [(0, 0), (1, 1)]
    assert [one["y_prob"] for one in case["arms"][0]["seeds"]] == [list(one.y_prob) for one in view.arms[0].seeds]
    assert "cross-validation" in reader.json("/s/folds/threshold")["note"]


def test_the_report_is_the_document(reader):
    """Once computed: the document's words in HTML and JSON; while a study is not complete it stays closed."""
    found = reader.settled("/s/done/report", key="state")
    check_shape(found, records.ReportPage, "ReportPage")
    assert found["state"] == "ready"
    said = words_of(reader.ask("/s/done/report").text)
    for section in found["document"]["sections"]:
        assert section["title"] in said
    assert all(term in said and number in said for term, number in found["document"]["facts"])


@pytest.mark.parametrize("page", ["", "/compare", "/threshold"])
def test_an_interval_says_what_it_counts_as_random(reader, page):
    """With one seed, the cases alone; with several, both."""
    for name in ("one%20seed", "done"):
        reader.settled(f"/s/{name}")
    one, several = (reader.ask(f"/s/{name}{page}").text for name in ("one%20seed", "done"))
    assert "95 % CI over cases alone" in one
    assert "95 % CI over seeds and cases" in several
    assert "over seeds" not in one


def test_no_epoch_asks_for_the_report_anew(reader, studies):
    """Its state moves with results alone, and that of the study's page with both."""

    def states() -> list[str]:
        pages = (reader.ask(f"/s/half{page}").text for page in ("", "/report"))
        return [found[1] for page in pages if (found := re.search(r'data-state="([^"]+)"', page))]

    before = states()
    (studies / "half" / "partial").mkdir(exist_ok=True)
    (studies / "half" / "partial" / "epoch.json").write_text("{}")
    assert len(before) == 2
    wait_until(lambda: states()[0] != before[0])
    assert states()[1:] == before[1:]


def test_names_that_try_to_break_out_stay_words(reader):
    """Questions, labels, classes and sources are shown as they are and run nothing."""
    base = f"/s/{quote('<hostile> ?#%2e', safe='')}"
    for path in ("/", base, f"{base}/cases", f"{base}/cases/1", f"{base}/compare", f"{base}/threshold"):
        page = reader.ask(path).text
        assert "<script>alert" not in page
        assert "49" not in re.findall(r"<h1>(.*?)</h1>", page, flags=re.DOTALL)[0]
    assert html.escape(HOSTILE, quote=False)[:20] in reader.ask(base).text.replace("&#34;", '"')


def test_the_study_page_says_what_compare_says(reader, studies):
    """Verdicts and hypotheses are those of the report."""
    expected = judge(read_study_folder(StudyFolder(studies / "done"), by="test", purpose="a test"))
    found = reader.settled("/s/done")["results"]
    assert found["verdicts"] == [item.sentence for item in expected.primary.comparisons]
    assert [item["answer"] for item in found["hypotheses"]] == [item.answer for item in expected.hypotheses]


def test_arms_that_say_one_class_are_told_before_the_verdicts(tmp_path):
    """The sentence stands above the verdict in the HTML, and in the JSON under a key of its own."""
    shape = StudyShape(
        arms=TWO_ARMS, class_names=("nevus", "melanoma"), collapsed=[("loss-ce", seed) for seed in (0, 1)]
    )
    write_study(tmp_path / "moles", shape)
    expected = "loss-ce: 2 of 3 runs give every test case the class nevus."
    with served(tmp_path) as found:
        told = found.settled("/s/moles")["results"]
        page = html.unescape(found.ask("/s/moles").text)
    assert expected in told["decisions"]
    assert 0 < page.index(expected) < page.index(told["verdicts"][0])


def test_tables_are_downloaded_as_files_and_stay_closed_while_a_study_trains(reader):
    """As an attachment under the study's name; test results only where they are open or asked for."""
    found = reader.ask("/s/done/runs.csv")
    assert found.headers["content-type"].startswith("text/csv")
    assert found.headers["content-disposition"] == "attachment; filename*=UTF-8''done-runs.csv"
    assert "accuracy" in found.text.splitlines()[0].split(",")
    hostile = reader.ask(f"/s/{quote('<hostile> ?#%2e', safe='')}/arms.csv").headers["content-disposition"]
    assert hostile.endswith("''%3Chostile%3E%20%3F%23%252e-arms.csv")
    closed, opened = (reader.ask(f"/s/half/runs.csv{query}").text for query in ("", "?results=now"))
    assert "auroc" not in closed
    assert "auroc" in opened
    assert reader.ask("/s/done/cases.csv").status == 404


def test_no_page_is_offered_that_cannot_apply(reader):
    """No threshold with three classes, no comparison of one arm; all others are there."""
    links = {
        name: set(re.findall(r'href="/s/[^"/]+/(\w+)"', reader.ask(f"/s/{quote(name, safe='')}").text))
        for name in ("done", "three", "one arm & more")
    }
    pages = {"report", "cases", "compare", "threshold"}
    assert pages <= links["done"]
    assert pages - links["three"] == {"threshold"}
    assert pages - links["one arm & more"] == {"compare"}


def test_the_cases_open_on_test_with_the_most_mistaken_first(reader):
    """Once test rows are open; while a study trains, on validation."""
    found, closed = reader.json("/s/done/cases"), reader.json("/s/half/cases")
    assert (found["filter"]["split"], found["filter"]["sort"]) == ("test", "mistaken")
    assert (closed["filter"]["split"], closed["filter"]["sort"], closed["is_closed"]) == ("val", "mistaken", False)
    marks = [mark["case"] for mark in reader.settled("/s/done")["results"]["mistaken"]]
    listed = [card["case"] for card in found["cases"]]
    # The page weighs runs equally, the list arms: here one arm lacks a run.
    assert marks[0] == listed[0]
    assert set(marks) == set(listed[: len(marks)])


def test_a_case_says_what_show_says(reader, studies):
    """Every probability and every decision, unrounded."""
    expected = case_view(StudyFolder(studies / "done"), 25)
    found = reader.json("/s/done/cases/25")
    assert found["truth"] == expected.true_class
    for arm, wanted in zip(found["arms"], expected.arms, strict=True):
        assert (arm["decision"], arm["is_right"], arm["n_right"]) == (wanted.decision, wanted.right, wanted.n_right)
        assert [seed["y_prob"] for seed in arm["seeds"]] == [list(seed.y_prob) for seed in wanted.seeds]


def test_neighbours_follow_the_filter(reader):
    """Next and previous go through the list as it was filtered and sorted, and keep the filter in the address."""
    query = "split=test&sort=mistaken"
    order = [card["case"] for card in reader.json(f"/s/done/cases?{query}")["cases"]]
    for place, case in enumerate(order):
        found = reader.json(f"/s/done/cases/{case}?{query}")
        assert found["position"] == place + 1
        assert found["previous"] == (order[place - 1] if place else None)
        assert found["following"] == (order[place + 1] if place + 1 < len(order) else None)
    page = reader.ask(f"/s/done/cases/{order[1]}?{query}").text
    assert f'rel="next" href="/s/done/cases/{order[2]}?{html.escape(query)}"' in page


def test_a_pair_turned_round_is_the_same_pair(reader):
    """The effect changes its sign, better becomes worse, p stays; two seeds give no interval."""
    one = reader.json("/s/done/compare?first=loss-ce&second=base&metric=auroc")["pair"]
    two = reader.json("/s/done/compare?first=base&second=loss-ce&metric=auroc")["pair"]
    assert two["effect"] == pytest.approx(-one["effect"])
    assert one["low"] is one["high"] is two["low"] is two["high"] is None
    assert (two["p"], two["p_adjusted"], two["sentence"]) == (one["p"], one["p_adjusted"], one["sentence"])


def test_a_threshold_moves_validation_and_not_test(reader):
    """The locked rows are the same wherever the slider stands; validation follows it as counted by hand."""
    folder = StudyFolder(reader.site.shelf.root / "done")
    found = {at: reader.json(f"/s/done/threshold?arm=base&threshold={at}") for at in (0.2, 0.5, 0.9)}
    assert found[0.2]["locked"] == found[0.5]["locked"] == found[0.9]["locked"]
    for at, page in found.items():
        shares = []
        for key in [key for key in folder.run_keys() if key.arm == "base"]:
            (part,) = folder.predictions(key, ["val"], by="test", purpose="a test")
            called = part.y_prob[:, 1] > at
            shares.append((called[part.y_true == 1].mean(), (~called[part.y_true == 0]).mean()))
        sensitivity, specificity = (sum(column) / len(shares) for column in zip(*shares, strict=True))
        assert page["validation"]["sensitivity"]["value"] == pytest.approx(sensitivity)
        assert page["validation"]["specificity"]["value"] == pytest.approx(specificity)


def test_the_bayes_rule_holds_at_the_stated_prevalence(reader):
    """PPV follows from sensitivity, specificity and prevalence."""
    at = reader.json("/s/done/threshold?arm=base&threshold=0.5&prevalence=0.3")["validation"]
    se, sp = at["sensitivity"]["value"], at["specificity"]["value"]
    if 0 < se < 1 and 0 < sp < 1:
        assert at["ppv"]["value"] == pytest.approx(0.3 * se / (0.3 * se + 0.7 * (1 - sp)))


def test_pictures_are_kept_by_their_tag(reader):
    """A picture that the browser has is not sent again; a case without one is not found."""
    first = reader.ask("/s/done/cases/3/thumb.png")
    assert first.headers["content-type"] == "image/png"
    assert first.body.startswith(b"\x89PNG")
    again = reader.ask("/s/done/cases/3/thumb.png", **{"If-None-Match": first.headers["etag"]})
    assert (again.status, again.body) == (304, b"")
    assert reader.ask("/s/one%20arm%20%26%20more/cases/3/thumb.png").status == 404
    assert reader.ask("/s/done/cases/9999/thumb.png").status == 404


@pytest.mark.parametrize("path", ["{}", "{}.json", "{}/thumb.png", "1/saliency/base/{}/scan.png", "\u00b2"])
def test_a_number_of_thousands_of_digits_is_no_address(reader, path):
    """Python would not convert it; in a query it is refused as any other wrong word."""
    assert reader.ask(quote(f"/s/done/cases/{path}".format("9" * 5000))).status == 404
    assert reader.ask(f"/s/done/cases/3?saliency=base/{'9' * 5000}").status == 400


def test_json_is_strict(reader):
    """No NaN and no infinity: what is not a number is null."""
    for path in ("/s/done?results=now", "/s/three/compare?metric=auroc", "/s/one%20arm%20%26%20more"):
        json.loads(reader.ask(path, Accept="application/json").text, parse_constant=pytest.fail)


def test_the_positive_class_and_turned_scores_stand_above_the_verdict(reader):
    """A name for health and an AUROC below 0.5 are told before the answer; the first table is of the primary metric."""
    found = reader.settled("/s/wrong%20way")
    assert found["positive_class"] == "Normal"
    assert "classes: [Normal, COVID]" in found["positive_class_warning"]
    (warning,) = found["results"]["warnings"]
    assert warning.startswith("AUROC of loss-ce is 0.")
    page = html.unescape(reader.ask("/s/wrong%20way").text)
    verdict = page.index(found["results"]["verdicts"][0])
    assert page.index(found["positive_class_warning"]) < page.index(warning) < verdict
    assert "positive class: Normal" in page
    assert found["results"]["metric"] == "balanced_accuracy"
    assert "<h2>Balanced accuracy</h2>" in page
    pair = reader.json("/s/wrong%20way/compare?metric=accuracy")
    assert (pair["positive_class"], pair["warnings"]) == ("Normal", [warning])
    assert reader.json("/s/three")["positive_class"] is None
    assert reader.json("/s/done")["positive_class_warning"] is None
