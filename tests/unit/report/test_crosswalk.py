"""The tables of reporting items: whole, and filled by nothing but what the document holds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from scantrial.core.about import QUESTIONS
from scantrial.figures.all import build_figures
from scantrial.findings.reading import read_study_folder
from scantrial.findings.view import ReportView, build_view
from scantrial.report.compose import build_document
from scantrial.report.crosswalk_items import CLAIM, GUIDELINES, STARD_AI, TRIPOD_AI
from scantrial.report.document import Paragraph, Section, Table, children, plain_text, walk
from scantrial.report.sections.crosswalk import STATUSES, Answered, answer, counts, crosswalk, places

ALL = {question.key: "words" for question in QUESTIONS}
NEEDS = sorted({name for guideline in GUIDELINES for item in guideline.items for name in item.needs})


@pytest.fixture(scope="module")
def view(make_study) -> ReportView:
    folder = make_study(n_cases={"train": 12, "val": 40, "test": 60})
    return build_view(read_study_folder(folder, by="test", purpose="test"))


@pytest.fixture(scope="module")
def sections(view) -> tuple[Section, ...]:
    """Every section of a report but the crosswalk itself."""
    return build_document(view, build_figures(view), {}).sections[:-1]


def without(sections: tuple[Section, ...], name: str) -> tuple[Section, ...]:
    """Take one block out, wherever it stands."""
    return tuple(cut for section in sections if (cut := _without(section, name)) is not None)


def _without(block: Any, name: str) -> Any:
    if block.id == name:
        return None
    if not children(block):
        return block
    return replace(block, blocks=tuple(cut for inner in block.blocks if (cut := _without(inner, name)) is not None))


def statuses(sections: tuple[Section, ...], about: dict[str, str]) -> Iterator[Answered]:
    ids = places(sections)
    yield from (answer(item, ids, about) for guideline in GUIDELINES for item in guideline.items)


def test_every_item_is_there_once():
    """CLAIM has 44 items, TRIPOD+AI 27 in 52 parts, STARD-AI 40 in 48 rows; none twice, each with a label."""
    for guideline, n_items, n_rows in ((CLAIM, 44, 44), (TRIPOD_AI, 27, 52), (STARD_AI, 40, 48)):
        numbers = [item.number for item in guideline.items]
        assert len(set(numbers)) == len(numbers) == n_rows
        assert [int(n.rstrip("abcdefg")) for n in numbers] == sorted(int(n.rstrip("abcdefg")) for n in numbers)
        assert {int(n.rstrip("abcdefg")) for n in numbers} == set(range(1, n_items + 1))
        assert all(item.label for item in guideline.items)


def test_only_questions_that_exist_are_asked():
    """And each question is asked by some item, but for the authors' names and what a network is not meant for."""
    asked = {key for guideline in GUIDELINES for item in guideline.items for key in item.asks}
    assert ALL.keys() - asked == {"authors", "out_of_scope"}
    assert asked <= ALL.keys()


def test_without_an_author_what_only_the_author_knows_is_open(sections):
    """No item that asks anything is filled; what nothing could fill is not answered."""
    for one in statuses(sections, {}):
        if one.item.asks:
            assert one.status == ("in part" if one.found else "ask the author")
        elif not one.item.needs:
            assert one.status == "not answered"


def test_answers_fill_what_they_answer(sections):
    """With every question answered an item is filled where the document holds what else it needs."""
    for one in statuses(sections, ALL):
        complete = not one.missing and (one.item.needs or one.item.asks)
        assert (one.status == "filled") == bool(complete)


@pytest.mark.parametrize("name", NEEDS)
def test_what_is_taken_out_of_the_document_fills_nothing(sections, name):
    """No item that needs a block is filled once the block is gone."""
    cut = without(sections, name)
    assert name not in places(cut)
    concerned = [one for one in statuses(cut, ALL) if name in one.item.needs]
    assert concerned
    assert all(one.status != "filled" and name in one.missing for one in concerned)


def test_answers_that_are_not_printed_fill_nothing(sections):
    """Without the section of the author's words there is no place to point at."""
    cut = without(sections, "about")
    assert all(not one.answered for one in statuses(cut, ALL))


def test_three_classes_leave_thresholds_open(make_study):
    """A study whose networks have no threshold does not claim the items on it."""
    folder = make_study(class_names=("a", "b", "c"), n_cases={"train": 12, "val": 12, "test": 15})
    view = build_view(read_study_folder(folder, by="test", purpose="test"))
    sections = build_document(view, build_figures(view), {}).sections[:-1]
    found = {one.item: one.status for one in statuses(sections, ALL)}
    by_number = {item.number: found[item] for item in TRIPOD_AI.items}
    assert by_number["15"] == by_number["24"] == "not answered"


def test_the_section_prints_tables_counts_and_credit(sections):
    """A table each with one row an item; counts add up; TRIPOD+AI and STARD-AI are credited, CLAIM's owner named."""
    section = crosswalk(sections, {"title": "T"})
    tables = [block for part in section.blocks for block in children(part) if isinstance(block, Table)]
    assert [len(table.rows) for table in tables] == [44, 52, 48]
    assert tables[0].rows[0][2].text == "filled"
    assert {row[2].text for table in tables for row in table.rows} <= set(STATUSES)
    firsts = [part.blocks[0] for part in section.blocks if isinstance(part, Section)]
    said = [plain_text(first.content) for first in firsts if isinstance(first, Paragraph)]
    assert len(said) == 3
    assert "© RSNA" in said[0]
    assert all("CC BY" in words for words in said[1:])
    found = list(statuses(sections, {"title": "T"}))[:44]
    assert said[0].startswith(counts(found))


def test_every_link_leads_somewhere(view):
    """The places named under a table are blocks of the document."""
    document = build_document(view, build_figures(view), {})
    ids = {block.id for block in walk(document)}
    targets = [
        part.target.removeprefix("#")
        for block in walk(document)
        if block.id.startswith("crosswalk") and block.id.endswith("links")
        for part in block.content  # type: ignore[union-attr] # their ids say that they are paragraphs
        if not isinstance(part, str)
    ]
    assert targets
    assert set(targets) <= ids
