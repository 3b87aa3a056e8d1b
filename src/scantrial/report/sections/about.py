"""The section of a report that only the author can fill: each question with the author's words, or *not answered*."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from scantrial.core.about import NOT_ANSWERED, QUESTIONS, answers
from scantrial.core.format import counted, joined
from scantrial.core.yaml import plain_yaml
from scantrial.findings.view import ReportView
from scantrial.report.document import Code, Pairs, Paragraph, Section, text

SECTION = "about"


def about(view: ReportView) -> Section:
    """Print every question with the author's own words, or that it is not answered."""
    n_open = len(QUESTIONS) - len(view.about)
    lead = (
        text(f"All {len(QUESTIONS)} questions are answered in the author's own words, which are not checked.")
        if not n_open
        else text(
            f"The answers are the author's own words and are not checked. {n_open} of {len(QUESTIONS)} questions "
            f"{'is' if n_open == 1 else 'are'} not answered. Answer them under ",
            Code("about"),
            " in the study file; nothing has to be trained again.",
        )
    )
    late = late_answers(view.protocol)
    titles = {question.key: question.title for question in QUESTIONS}
    after = (
        f"{counted(len(late), 'answer')} {'was' if len(late) == 1 else 'were'} written or changed after results "
        f"existed: {joined([titles[key] for key in late])}."
    )
    return Section(
        id=SECTION,
        title="About this study",
        short="About",
        blocks=(
            Paragraph(id="about-lead", content=lead),
            *((Paragraph(id="about-late", content=text(after), role="note"),) if late else ()),
            Pairs(
                id="about-answers",
                items=tuple(
                    (question.title, text(view.about.get(question.key, NOT_ANSWERED))) for question in QUESTIONS
                ),
            ),
        ),
    )


def late_answers(protocol: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """Return the questions whose present answer did not exist before the first run finished."""
    if not protocol:
        return ()
    before = [version for version in protocol if not version.get("finished_runs", 0)]
    early = _answers_in(before[-1]) if before else {}
    return tuple(key for key, value in _answers_in(protocol[-1]).items() if early.get(key) != value)


def _answers_in(version: Mapping[str, Any]) -> dict[str, str]:
    content = plain_yaml(str(version.get("study_yaml", "")))
    about = content.get("about") if isinstance(content, Mapping) else None
    return answers(about) if isinstance(about, Mapping) else {}
