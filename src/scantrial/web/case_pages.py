"""The list of cases, and one case under every arm."""

from __future__ import annotations

import math
from statistics import stdev

from scantrial.core.errors import InputError
from scantrial.core.format import SPLIT_WORDS
from scantrial.core.records import Split
from scantrial.findings.case import ArmCase, CaseView, build_case
from scantrial.web.cases import CaseIndex, Chosen, choose, finding_titles, findings_by_case, split_scores
from scantrial.web.number_pages import NOTE_CLOSED
from scantrial.web.queries import PAGE_SIZE, CaseQuery, CasesQuery
from scantrial.web.records import ArmOnCaseLine, CaseFilter, CasePage, CasesPage, Saliency, SeedOnCaseLine
from scantrial.web.steps import show_command, words_for
from scantrial.web.studies import OpenStudy, Shelf

NOTE_TEST = (
    "Test cases: a decision is the class with the largest mean probability over an arm's runs. Nothing is chosen on "
    "these cases, and every opening of test rows is logged."
)
NOTE = "{split} cases: a decision is the class with the largest mean probability over an arm's runs. {learned}"
LEARNED = {
    "train": "The networks were trained on these cases, so their right decisions here say little.",
    "val": "Each run's epoch was chosen on these cases, unless the study keeps the last epoch.",
}


def note_of(split: str, *, is_closed: bool) -> str:
    """Return the note on decisions on a split."""
    if is_closed:
        return NOTE_CLOSED
    if split == "test":
        return NOTE_TEST
    return NOTE.format(split=SPLIT_WORDS[split].capitalize(), learned=LEARNED[split])


def cases_page(shelf: Shelf, study: OpenStudy, asked: CasesQuery, *, is_closed: bool) -> CasesPage:
    """Build one part of the list of cases; test cases have no decisions where test rows stay closed.

    Raises
    ------
    InputError
        If the query names an unknown class or arm, or asks for closed test cases by their decisions.
    """
    index = shelf.cases(study)
    if study.plan().folds:
        asked = asked.model_copy(update={"split": "test"})
    settled = asked.settled(is_closed=is_closed)
    is_closed = is_closed and settled.split == "test"
    chosen, wanted = _chosen(study, index, settled, is_closed=is_closed)
    n_pages = max(1, math.ceil(len(chosen.positions) / PAGE_SIZE))
    page = min(asked.page, n_pages)
    audit = study.audit()
    return CasesPage(
        name=study.name,
        question=study.plan().study,
        filter=wanted,
        arms=study.arms_with_runs(),
        class_names=study.class_names(),
        findings=finding_titles(audit),
        n_cases=len(chosen.scores.cases),
        n_matching=len(chosen.positions),
        page=page,
        n_pages=n_pages,
        cases=chosen.cards(chosen.positions[(page - 1) * PAGE_SIZE : page * PAGE_SIZE]),
        has_pictures=any(index.pictures),
        n_folds=len(study.plan().folds) or None,
        is_closed=is_closed,
        note=note_of(wanted.split, is_closed=is_closed),
    )


def _chosen(study: OpenStudy, index: CaseIndex, asked: CasesQuery, *, is_closed: bool) -> tuple[Chosen, CaseFilter]:
    class_names = study.class_names()
    wanted = asked.to_filter(arms=study.arms_with_runs(), class_names=class_names)
    assert asked.split is not None, "of a settled query"
    split: Split = asked.split
    if is_closed:
        asked.refuse_scores()
    if split == "test":
        study.open_test(with_runs=not is_closed)
    runs = study.runs(with_test=split == "test" and not is_closed)
    scores = split_scores(index, split, runs, n_classes=len(class_names))
    found = choose(scores, wanted, class_names=class_names, findings=findings_by_case(study.audit()))
    return found, wanted


def case_page(
    shelf: Shelf,
    study: OpenStudy,
    case: int,
    asked: CaseQuery,
    *,
    is_closed: bool,
    saliency: Saliency | None = None,
) -> CasePage:
    """Build the page of one case; its neighbours are those in the filter that led to it.

    Raises
    ------
    InputError
        If no split has a case of that number, or the query asks for decisions on a closed test case.
    """
    index = shelf.cases(study)
    if case not in index.row_of:
        raise InputError(f"case {case} is in no split of the study", do="choose one from the list of cases")
    place = index.row_of[case]
    row = index.rows[place]
    is_closed = is_closed and row["split"] == "test"
    # The case itself determines the split; a filter by another split has no neighbours for it.
    of_split = asked.model_copy(update={"split": row["split"]}).settled(is_closed=is_closed)
    chosen, wanted = _chosen(study, index, of_split, is_closed=is_closed)
    order = chosen.numbers()
    position = order.index(case) if case in order else None
    parts = {
        key: (run.predictions[row["split"]],)
        for key, run in study.runs(with_test=row["split"] == "test" and not is_closed).items()
        if row["split"] in run.predictions
    }
    view = build_case(study.labels(), {**row, "thumbnail": None}, parts, study.class_names())
    titles = finding_titles(study.audit())
    choices = tuple(f"{arm.name}/{seed.seed}" for arm in view.arms for seed in arm.seeds if seed.fold is None)
    return CasePage(
        name=study.name,
        question=study.plan().study,
        case=case,
        split=row["split"],
        source=row["source"],
        patient=row["patient"],
        truth=view.true_class,
        class_names=view.class_names,
        findings={code: titles[code] for code in findings_by_case(study.audit()).get(case, ())},
        arms=() if is_closed else tuple(_arm_on_case(view, arm) for arm in view.arms),
        has_picture=index.pictures[place] is not None,
        saliency=saliency,
        command=None if is_closed else show_command(words_for(study.shown), case),
        saliency_choices=choices,
        saliency_first=choices[0] if choices and saliency is None and study.knows_scans() else None,
        position=None if position is None else position + 1,
        n_matching=len(order),
        previous=None if not position else order[position - 1],
        following=None if position is None or position + 1 >= len(order) else order[position + 1],
        filter=wanted,
        is_closed=is_closed,
        note=note_of(row["split"], is_closed=is_closed),
    )


def _arm_on_case(view: CaseView, arm: ArmCase) -> ArmOnCaseLine:
    truth = view.class_names.index(view.true_class)
    of_truth = [seed.y_prob[truth] for seed in arm.seeds]
    return ArmOnCaseLine(
        name=arm.name,
        label=arm.label,
        p_truth=arm.y_prob[truth] if arm.y_prob else None,
        p_truth_sd=stdev(of_truth) if len(of_truth) > 1 else None,
        decision=arm.decision,
        is_right=arm.right,
        n_right=arm.n_right,
        seeds=tuple(
            SeedOnCaseLine(
                seed=seed.seed,
                repeat=seed.repeat,
                fold=seed.fold,
                y_prob=seed.y_prob,
                decision=seed.decision,
                is_right=seed.right,
            )
            for seed in arm.seeds
        ),
    )
