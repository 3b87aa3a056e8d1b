"""In a notebook every record shows itself as a table, with words escaped and without a script."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

import pytest
from tests.unit.prose.test_limits import audit_of, finding

from scantrial.core.notebook import notebook_html
from scantrial.findings.reading import read_study_folder
from scantrial.findings.view import build_view
from scantrial.store.folder import Failure, RunKey
from scantrial.study.file import parse_study
from scantrial.study.trial import Outcome

EVIL = "<script>alert('x')</script> & <b>"


class Tags(HTMLParser):
    """Collects tags and checks that each is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.open.append(tag)
        self.seen.add(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def records(make_study) -> dict[str, object]:
    folder = make_study(labels={"base": EVIL, "loss-ce": "CE"}, question=EVIL)
    view = build_view(read_study_folder(folder, by="test", purpose="test"))
    text = f'study: "{EVIL}"\ndata: {{source: phantom, split: given}}\nseeds: 2\n'
    return {
        "view": view,
        "judgement": view.judgement,
        "comparison": view.judgement.primary,
        "compared": view.judgement.primary.comparisons[0],
        "audit": audit_of(finding(text=EVIL)),
        "finding": finding(title=EVIL, acknowledged=EVIL),
        "outcome": Outcome(
            folder=Path("x"),
            finished=(RunKey("base", 0),),
            trained=(),
            diverged=(),
            failed=(Failure(key=RunKey("base", 1), message=EVIL),),
        ),
        "study": parse_study(text),
    }


def test_every_record_shows_itself(make_study):
    """Sound HTML of the tags that we write, and whatever a user wrote is text."""
    for name, record in records(make_study).items():
        html = record._repr_html_()  # type: ignore[attr-defined]
        tags = Tags()
        tags.feed(html)
        assert tags.open == [], name
        assert tags.seen <= {"div", "p", "strong", "table", "thead", "tbody", "tr", "th", "td", "ul", "li"}, name


def test_a_table_without_rows_is_left_out():
    """And an empty list, too."""
    assert notebook_html("<t>", columns=["a"]) == "<div><p><strong>&lt;t&gt;</strong></p></div>"


@pytest.mark.parametrize("words", ["better", "worse", "not enough to judge", "inconclusive", "equivalent"])
def test_the_verdict_is_in_the_table(make_study, words):
    """The label stands in the row of the comparison that has it."""
    compared = records(make_study)["compared"]
    shown = compared._repr_html_()  # type: ignore[attr-defined]
    assert (f"<td>{words}</td>" in shown) == (compared.verdict.label == words)  # type: ignore[attr-defined]
