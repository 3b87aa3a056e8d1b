"""Which items of reporting guidelines this document covers: where each is, or who has not answered it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from scantrial.core.about import QUESTIONS
from scantrial.core.format import counted, joined
from scantrial.report.crosswalk_items import GUIDELINES, Guideline, Item
from scantrial.report.document import Block, Cell, Column, Link, Paragraph, Section, Table, Text, children, text
from scantrial.report.sections.about import SECTION as ABOUT
from scantrial.report.sections.parts import paragraph

Status = Literal["filled", "in part", "ask the author", "not answered"]
STATUSES: tuple[Status, ...] = ("filled", "in part", "ask the author", "not answered")

_TITLES = {question.key: question.title for question in QUESTIONS}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """An item against one document.

    Parameters
    ----------
    found : those of its blocks that are there
    missing : those that are not
    partial : those that are there and say that something is not known
    answered, open : those of its questions that the author has answered, and those not
    """

    item: Item
    found: tuple[str, ...]
    missing: tuple[str, ...]
    partial: tuple[str, ...]
    answered: tuple[str, ...]
    open: tuple[str, ...]

    @property
    def status(self) -> Status:
        """*filled* where everything is there, *in part* where something is; else the author is asked, if possible."""
        if not (self.found or self.answered):
            return "ask the author" if self.open else "not answered"
        return "in part" if self.missing or self.partial or self.open else "filled"


def answer(
    item: Item, ids: Mapping[str, str], about: Mapping[str, str], *, partial: frozenset[str] = frozenset()
) -> Answered:
    """Compare an item with what a document holds.

    Parameters
    ----------
    ids : the title of the section that each block of the document is in, by the block's id
    about : the author's answers; they count only where the document prints them
    partial : ids of blocks that say that something is not known
    """
    printed = about if ABOUT in ids else {}
    return Answered(
        item=item,
        found=tuple(name for name in item.needs if name in ids),
        missing=tuple(name for name in item.needs if name not in ids),
        partial=tuple(name for name in item.needs if name in ids and name in partial),
        answered=tuple(key for key in item.asks if key in printed),
        open=tuple(key for key in item.asks if key not in printed),
    )


def places(sections: Sequence[Section]) -> dict[str, str]:
    """Return for every block of some sections the title of the outermost section that it is in."""
    return {name: section.short or section.title for section in sections for name in _ids(section)}


def _ids(block: Block) -> Iterator[str]:
    yield block.id
    for inner in children(block):
        yield from _ids(inner)


def crosswalk(
    sections: Sequence[Section], about: Mapping[str, str], *, partial: frozenset[str] = frozenset()
) -> Section:
    """Print one table a guideline: each item, its status, and where it is filled or who is asked.

    Parameters
    ----------
    sections : all the others of the document; what is not in them fills nothing
    partial : ids of blocks that say that something is not known
    """
    ids = places(sections)
    lead = (
        "An item is filled if this document holds what it asks for, and filled in part if something is missing; "
        "readers judge whether that is enough. What only the author knows comes from the study file; if it is "
        "missing there, the author "
        "is asked. Nothing is made up, and items that nobody can answer stay open. The item names "
        "are ours: submit the guideline's own form."
    )
    return Section(
        id="crosswalk",
        title="Reporting guidelines, item by item",
        short="Guidelines",
        gist=f"Where this report covers each item of {joined([one.name for one in GUIDELINES])}",
        blocks=(*paragraph("crosswalk-lead", lead), *(_guideline(one, ids, about, partial) for one in GUIDELINES)),
    )


def _guideline(
    guideline: Guideline, ids: Mapping[str, str], about: Mapping[str, str], partial: frozenset[str]
) -> Section:
    found = [answer(item, ids, about, partial=partial) for item in guideline.items]
    name = f"crosswalk-{guideline.key}"
    return Section(
        id=name,
        title=guideline.name,
        blocks=(
            Paragraph(id=f"{name}-counts", content=text(f"{counts(found)} {guideline.credit}"), role="small"),
            Table(
                id=f"{name}-items",
                caption=f"{guideline.name}: items, and where this document covers them",
                columns=(Column(title="Item"), Column(title="About"), Column(title="Status"), Column(title="Where")),
                rows=tuple(_row(one, ids) for one in found),
            ),
            Paragraph(id=f"{name}-links", content=_links(found, ids), role="small"),
        ),
    )


def counts(found: Sequence[Answered]) -> str:
    """Say how many items have which status, such as ``44 items: 23 filled, 8 in part, ...``."""
    each = [sum(one.status == status for one in found) for status in STATUSES]
    parts = ", ".join(f"{n} {status}" for n, status in zip(each, STATUSES, strict=True))
    return f"{counted(len(found), 'item')}: {parts}."


def _row(one: Answered, ids: Mapping[str, str]) -> tuple[Cell, ...]:
    where = [*dict.fromkeys(ids[name] for name in one.found)]
    where += [f"the author: {joined([_TITLES[key] for key in one.answered])}"] if one.answered else []
    asked = (f"not answered by the author: {joined([_TITLES[key] for key in one.open])}",) if one.open else ()
    unknown = ("part of it is not known to scantrial",) if one.partial else ()
    lacking = ("not in this document: the step that would fill it did not run",) if one.missing else ()
    return (
        Cell(text=one.item.number),
        Cell(text=one.item.label),
        Cell(text=one.status),
        Cell(text="; ".join(where) or "–", below=(*asked, *unknown, *lacking)),
    )


def _links(found: Sequence[Answered], ids: Mapping[str, str]) -> Text:
    """Lead to every place that fills an item."""
    targets: dict[str, str] = {}
    for one in found:
        for name in one.found:
            targets.setdefault(ids[name], name)
    links = [Link(text=title, target=f"#{name}") for title, name in targets.items()]
    if not links:
        return text("This document covers none of them.")
    parts: list[str | Link] = ["Covered in: "]
    for number, link in enumerate(links):
        parts += [", ", link] if number else [link]
    return text(*parts, ".")
