"""The list of studies: question, progress, and the answer where it is known."""

from __future__ import annotations

from collections.abc import Mapping

from scantrial.core.format import counted
from scantrial.web.records import IndexPage, Progress, StudyCard
from scantrial.web.steps import first_command, words_for
from scantrial.web.studies import Shelf
from scantrial.web.study_page import ResultsPart, fault_in_words, progress_of

NOTE_NO_RUN = "No run is finished yet."
NOTE_UNFINISHED = "The answer appears when the last run has ended."
NOTE_ONE_ARM = "One arm: there is nothing to compare."
NOTE_COMPUTING = "The answer is being computed."


MOST_ANSWERED = 50
"""Largest number of studies whose answers the list computes; an answer keeps a study's predictions in memory."""
NOTE_MANY = f"The list shows the answers of {MOST_ANSWERED} studies; open this one to see its own."


def index_page(shelf: Shelf, answers: Mapping[str, ResultsPart]) -> IndexPage:
    """List the studies; one that cannot be read says why and hides no other.

    Parameters
    ----------
    answers : results that are ready, by the name of their study
    """
    names = shelf.names()
    cards = (_card(shelf, name, answers.get(name), is_one_of_many=i >= MOST_ANSWERED) for i, name in enumerate(names))
    return IndexPage(
        folder=shelf.root.name,
        studies=tuple(cards),
        command=None if names else first_command(words_for(shelf.given)),
    )


def _card(shelf: Shelf, name: str, part: ResultsPart | None, *, is_one_of_many: bool) -> StudyCard:
    try:
        study = shelf.study(name)
        plan, found = study.plan(), study.status()
    except Exception as error:  # whatever a damaged folder raises, the other studies are still shown
        return StudyCard(
            name=name,
            question="",
            n_arms=0,
            n_seeds=0,
            n_planned=0,
            n_finished=0,
            n_failed=0,
            is_training=False,
            seconds_left=None,
            answer="",
            note="",
            fault=fault_in_words(error),
        )
    progress = progress_of(found)
    is_open = part is not None and progress.is_complete
    answer = _answer(part) if is_open else ""
    return StudyCard(
        name=name,
        question=plan.study,
        n_arms=len(plan.arms),
        n_seeds=len(plan.seeds),
        n_folds=len(plan.folds) or None,
        n_planned=plan.n_runs,
        n_finished=len(found.finished),
        n_failed=len(found.failed),
        is_training=found.holder is not None,
        seconds_left=found.seconds_left,
        answer=answer,
        note="" if answer else _note(progress, part if is_open else None, is_one_of_many=is_one_of_many),
        fault=None,
    )


def _answer(part: ResultsPart | None) -> str:
    if part is None or part.results is None or not part.results.answers:
        return ""
    doubts = len(part.results.warnings) + len(part.results.decisions)
    beware = f" ({counted(doubts, 'warning')}: open it)" if doubts else ""
    return f"{part.results.answers[0]}{beware}"


def _note(progress: Progress, part: ResultsPart | None, *, is_one_of_many: bool) -> str:
    if not progress.n_finished:
        return NOTE_NO_RUN
    if not progress.is_complete:
        return NOTE_UNFINISHED
    if part is not None:
        return part.note or NOTE_ONE_ARM
    return NOTE_MANY if is_one_of_many else NOTE_COMPUTING
