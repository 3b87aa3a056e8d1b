"""The verdicts: every declared comparison with its interval, and what became of the hypotheses."""

from __future__ import annotations

from scantrial.analysis.comparison import Comparison
from scantrial.analysis.cross_validation import FoldCompared, FoldComparison
from scantrial.analysis.metrics import METRICS
from scantrial.analysis.verdict_words import interval_title, metric_heading
from scantrial.core import format as fmt
from scantrial.findings.view import ReportView
from scantrial.prose import verdicts as verdict_prose
from scantrial.report.document import Block, Cell, Details, Pairs, Section, Table, text
from scantrial.report.sections.parts import (
    blocks,
    bullets,
    difference_cell,
    left,
    p_cell,
    paragraph,
    paragraphs,
    right,
    settings,
    span,
    table,
    value_cell,
    whole,
)


def verdicts(view: ReportView) -> Section | None:
    """Show the verdicts; a study of a single arm has none."""
    if len(view.arms) < 2:
        return None
    judgement = view.judgement
    explained = paragraph("verdicts-explained", verdict_prose.what_verdicts_are(judgement))
    found = _verdicts(view, judgement.compared) if judgement.compared is not None else ()
    return Section(id="verdicts", title="Verdicts", blocks=blocks(explained, found))


def _verdicts(view: ReportView, primary: Comparison | FoldComparison) -> tuple[Block, ...]:
    title = METRICS[view.judgement.metric].title
    components = [] if isinstance(primary, FoldComparison) else verdict_prose.component_words(primary)
    said = [item.sentence for item in primary.comparisons]
    return blocks(
        [_table("verdict-table", primary, f"Verdicts on {title}")],
        bullets("verdict-sentences", said) if len(said) > 1 else paragraph("verdict-sentences", said),
        _by_fold(view, primary) if isinstance(primary, FoldComparison) else _best(view, primary),
        _hypotheses(view, primary),
        _effects(view),
        paragraphs("verdict-note", [*components, *verdict_prose.notes_on(primary)]),
        _leaks(view),
        _losses(view),
        _secondary(view, primary),
        _methods(primary),
    )


def _table(name: str, compared: Comparison | FoldComparison, caption: str) -> Table:
    metric, n = METRICS[compared.metric], len(compared.comparisons)
    unit = ", in points" if metric.unit == "proportion" else ""
    p = f"corrected for {n} comparisons" if n > 1 else "for one comparison"
    level = interval_title(compared.comparisons[0].evidence)
    unit_of = "Folds" if isinstance(compared, FoldComparison) else "Seeds"
    return table(
        name,
        f"{caption}{unit}. p is {p}.",
        [*left("Comparison"), *right(unit_of, "Difference", level, "p"), *left("Verdict")],
        [
            [
                item.result.contrast.title,
                whole(len(item.result.by_fold) if isinstance(item, FoldCompared) else item.result.n_seeds),
                difference_cell(metric, item.evidence.effect),
                span(metric, item.evidence.low, item.evidence.high),
                p_cell(item.verdict.p_adjusted),
                verdict_prose.verdict_label(item),
            ]
            for item in compared.comparisons
        ],
    )


def _by_fold(view: ReportView, found: FoldComparison) -> tuple[Details, ...]:
    """Show every arm and every difference in each fold."""
    metric = METRICS[found.metric]
    unit = " in points" if metric.unit == "proportion" else ""
    rows: list[list[Cell | str]] = [
        [
            *(whole(n) for n in (fold.repeat, fold.fold, fold.n_train, fold.n_test)),
            *(value_cell(metric, arm.by_fold[number]) for arm in found.arms),
            *(difference_cell(metric, item.result.by_fold[number]) for item in found.comparisons),
        ]
        for number, fold in enumerate(found.folds)
    ]
    names = [view.judgement.labels[arm.arm] for arm in found.arms]
    inside = table(
        "by-fold-table",
        f"{metric_heading(metric)}, of each arm in each fold. Differences are{unit or ' in its unit'}; positive is "
        "better. A fold's networks are trained on the other folds, of which a part chooses their epoch.",
        right(
            "Repeat",
            "Fold",
            "Trained on",
            "Tested on",
            *names,
            *(item.result.contrast.title for item in found.comparisons),
        ),
        rows,
        wide=True,
    )
    said = [f"{item.result.contrast.title}: {item.by_fold}." for item in found.comparisons]
    summary = f"The {len(found.folds)} folds one by one"
    return (Details(id="by-fold", summary=summary, blocks=blocks(bullets("by-fold-said", said), [inside])),)


def _best(view: ReportView, primary: Comparison) -> tuple[Section, ...]:
    """Show how far every arm is behind the best at most; with three arms or more."""
    found = primary.best
    if found is None:
        return ()
    metric = METRICS[found.metric]
    unit = ", in points" if metric.unit == "proportion" else ""
    inside = table(
        "best-table",
        f"{metric.title} of each arm minus that of the best other arm{unit}; positive is better.",
        [*left("Arm"), *right("Difference", f"{fmt.percent(found.level)} CI, all together"), *left("May be best")],
        [
            [
                view.judgement.labels[arm.arm],
                difference_cell(metric, arm.effect),
                span(metric, arm.low, arm.high),
                "yes" if arm.may_be_best else "no",
            ]
            for arm in found.arms
        ],
    )
    said = paragraph("best-said", [found.sentence, *verdict_prose.what_best_is(found)])
    return (Section(id="best", title="Which arm is best", blocks=blocks(said, [inside])),)


def _hypotheses(view: ReportView, primary: Comparison | FoldComparison) -> tuple[Section, ...]:
    found = view.judgement.hypotheses
    titles = {item.name: item.result.contrast.title for item in primary.comparisons}
    if not found:
        return ()
    items = tuple(
        (
            item.claim,
            text(
                f"{verdict_prose.answer_of(item, titles)} The claim was {verdict_prose.when_declared(item.declared)}."
            ),
        )
        for item in found
    )
    return (
        Section(
            id="hypotheses",
            title="The hypotheses",
            blocks=(Pairs(id="hypotheses-answers", items=items, sentences=True),),
        ),
    )


def _effects(view: ReportView) -> tuple[Section, ...]:
    effects = view.judgement.effects
    if effects is None:
        return ()
    title = verdict_prose.effects_title(effects)
    return (Section(id="effects", title=title, blocks=(_table("effects-table", effects, title),)),)


def _leaks(view: ReportView) -> tuple[Section, ...]:
    said = verdict_prose.without_leaks(view.judgement)
    if not said:
        return ()
    inside = blocks(paragraph("leaks-what", said[0]), bullets("leaks-list", said[1:]))
    return (Section(id="leaks", title="With and without cases in two splits", blocks=inside),)


def _losses(view: ReportView) -> tuple[Section, ...]:
    said = verdict_prose.loss_note(view.recipes, n_classes=len(view.data.class_names))
    return (Section(id="bce-and-ce", title="BCE and CE", blocks=paragraph("bce-and-ce-text", said)),) if said else ()


def _secondary(view: ReportView, primary: Comparison | FoldComparison) -> tuple[Details, ...]:
    found = view.judgement.secondary
    if not found:
        return ()
    rows: list[list[Cell | str]] = [
        [
            item.name,
            METRICS[item.metric].title + (", points" if METRICS[item.metric].unit == "proportion" else ""),
            difference_cell(METRICS[item.metric], item.effect),
            span(METRICS[item.metric], item.low, item.high),
        ]
        for item in found
    ]
    inside = table(
        "secondary-table",
        f"Secondary metrics: differences with {fmt.percent(primary.level)} CI, positive is better. They are "
        "exploratory: no verdict follows from them.",
        [*left("Comparison", "Metric"), *right("Difference", "Interval")],
        rows,
    )
    summary = "The same comparisons on other metrics, uncorrected and without verdicts"
    return (Details(id="secondary", summary=summary, blocks=(inside,)),)


def _methods(primary: Comparison | FoldComparison) -> tuple[Details, ...]:
    steps = {step.capitalize(): method for step, method in primary.methods.items()}
    inside = settings("verdict-methods-list", steps)
    return (Details(id="verdict-methods", summary="Methods that were used", blocks=inside),) if inside else ()
