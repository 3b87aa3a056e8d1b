"""The section of the author's own words."""

from __future__ import annotations

from scantrial.core.about import QUESTIONS
from scantrial.findings.reading import read_study_folder
from scantrial.findings.view import ReportView, build_view
from scantrial.prose.study import choice_sentences
from scantrial.report.document import Pairs, Paragraph, plain_text
from scantrial.report.sections.about import about, late_answers
from scantrial.store.folder import StudyFolder

WORDS = "<b>Nobody</b> & nothing"


def view_of(folder: StudyFolder) -> ReportView:
    return build_view(read_study_folder(folder, by="test", purpose="test"))


def answer(folder: StudyFolder, **given: str) -> None:
    """Write another version of the study file, after the runs are finished."""
    plan = folder.plan().model_copy(update={"about": given})
    text = folder.study_text() + "about:\n" + "".join(f"  {key}: '{value}'\n" for key, value in given.items())
    folder.write_study(text, plan, sha256="1" * 64, change="changed about")


def said(view: ReportView) -> dict[str, str]:
    (pairs,) = (block for block in about(view).blocks if isinstance(block, Pairs))
    return {term: plain_text(content) for term, content in pairs.items}


def test_what_is_not_answered_is_said_to_be(make_study):
    """Without ``about`` every question stands there, and none has an answer."""
    view = view_of(make_study())
    assert set(said(view).values()) == {"not answered"}
    assert list(said(view)) == [question.title for question in QUESTIONS]
    lead = about(view).blocks[0]
    assert isinstance(lead, Paragraph)
    assert f"{len(QUESTIONS)} of {len(QUESTIONS)} questions are not answered" in plain_text(lead.content)


def test_the_author_s_words_are_printed_as_they_are(make_study):
    """Word for word, and counted as written after results, which picks no arm."""
    folder = make_study()
    answer(folder, users=WORDS)
    view = view_of(folder)
    assert said(view)["Users"] == WORDS
    assert sum(words == "not answered" for words in said(view).values()) == len(QUESTIONS) - 1
    assert late_answers(view.protocol) == ("users",)
    note = about(view).blocks[1]
    assert isinstance(note, Paragraph)
    assert plain_text(note.content) == "1 answer was written or changed after results existed: Users."
    assert any(sentence.startswith("No arm was chosen") for sentence in choice_sentences(view))


def test_answers_from_before_the_runs_are_not_late(make_study):
    """What the first version of the file says was there before any result."""
    version = {"finished_runs": 0, "study_yaml": "study: q\nabout: {users: a, funding: b}\n"}
    later = {"finished_runs": 4, "study_yaml": "study: q\nabout: {users: a, funding: c}\n"}
    assert late_answers([version]) == ()
    assert late_answers([version, later]) == ("funding",)
