"""What was compared: the arms, the scans, and what became of every file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from io import StringIO
from pathlib import PurePath
from typing import Any

from ruamel.yaml import YAML

from scantrial.core import format as fmt
from scantrial.core.format import SPLIT_WORDS
from scantrial.data.dicom_words import dicom_in_words
from scantrial.findings.view import ReportView
from scantrial.prose import study as study_prose
from scantrial.report.document import Block, Cell, Code, CodeBlock, Details, Pairs, Section, Table, Text, text
from scantrial.report.sections.parts import blocks, left, paragraph, right, slugs, table, whole

MOST_LEFT_OUT = 500
"""Files left out that a report names; it counts the others."""


def compared(view: ReportView) -> Section:
    """Show design, arms, seeds and scans."""
    done = paragraph("done", study_prose.what_was_done(view))
    return Section(id="compared", title="What was compared", blocks=(*done, _arms(view), _data(view)))


# ---------------------------------------------------------------------- arms


def _arms(view: ReportView) -> Section:
    names = slugs(arm.name for arm in view.arms)
    recipes = tuple(
        Details(
            id=f"recipe-{names[arm.name]}",
            summary=f"Full recipe of {arm.label}",
            blocks=(
                CodeBlock(id=f"recipe-{names[arm.name]}-text", content=as_yaml(arm.recipe.to_dict()), language="yaml"),
            ),
        )
        for arm in view.arms
    )
    each = "In every fold the same seeds, whose draws differ from fold to fold: " if view.folds else "Seeds: "
    seeds = paragraph("seeds", f"{each}{', '.join(map(str, view.seeds))}.", "small")
    said = paragraph("arms-differ", _how_arms_differ(view))
    return Section(id="arms", title="Arms", blocks=blocks(said, [_arms_table(view)], seeds, recipes))


def _how_arms_differ(view: ReportView) -> str:
    if len(view.arms) == 1:
        return "The study has a single arm."
    design = f" (design: {view.design})" if view.design else ""
    return f"The arms differ only in what this table shows{design}. {study_prose.how_arms_start(view)}"


def _arms_table(view: ReportView) -> Table:
    return table(
        "arms-table",
        "Arms and their settings",
        [*left("Arm", *view.arms[0].differing), *right("Parameters", "Runs finished")],
        [
            [
                arm.label,
                *(fmt.plain(value) for value in arm.differing.values()),
                whole(arm.n_parameters),
                Cell(text=f"{len(arm.runs)} of {view.n_planned // len(view.arms)}", value=len(arm.runs)),
            ]
            for arm in view.arms
        ],
    )


def as_yaml(settings: Mapping[str, Any]) -> str:
    """Return settings as YAML."""
    stream = StringIO()
    YAML().dump(dict(settings), stream)
    return stream.getvalue()


# ---------------------------------------------------------------------- scans


def _data(view: ReportView) -> Section:
    two = len(view.data.class_names) == 2
    positive = f"The positive class is “{view.data.class_names[1]}”." if two else ""
    return Section(
        id="data",
        title="Data",
        blocks=blocks([_flow(view)], paragraph("positive", positive, "small"), [_about(view)], _left_out(view)),
    )


def _flow(view: ReportView) -> Table:
    """Follow the files: found, left out and why, in no split, and by split and class."""
    data, names = view.data, view.data.class_names
    n_used = data.n_of("test") if view.folds else sum(data.n_of(split) for split in data.counts)
    nothing = [""] * len(names)
    reasons = Counter(reason for _, reason in data.skipped)
    rows: list[list[Cell | str]] = [
        ["Found", whole(n_used + data.n_unused + len(data.skipped) + sum(data.left_out.values())), *nothing]
    ]
    rows += [[f"Left out: {reason}", whole(n), *nothing] for reason, n in data.left_out.items()]
    rows += [[f"Left out: {reason}", whole(n), *nothing] for reason, n in reasons.most_common(_MAX_REASONS)]
    others = sum(n for _, n in reasons.most_common()[_MAX_REASONS:])
    rows += [["Left out: other reasons", whole(others), *nothing]] if others else []
    rows += [["In no split", whole(data.n_unused), *nothing]] if data.n_unused > 0 else []
    rows += [
        [
            _OF_FOLDS[split] if view.folds else SPLIT_WORDS[split].capitalize(),
            whole(data.n_of(split)),
            *(whole(counts.get(name, 0)) for name in names),
        ]
        for split, counts in data.counts.items()
    ]
    return table(
        "flow",
        "Flow of the cases: from the files found to the splits, by class",
        [*left("Cases"), *right("All", *names)],
        rows,
    )


_OF_FOLDS = {
    "train": "Training, in the first fold",
    "val": "Validation, in the first fold",
    "test": "Test, each once in every repeat",
}
"""What the splits of a cross-validation are: nearly as many train and validate in the other folds."""

_MAX_REASONS = 6
"""Reasons for leaving files out that the flow names one by one; the list of files has them all."""


_TITLES = {"dicom": "DICOM"}
"""Of facts about the source that are not called by their keys."""


def _about(view: ReportView) -> Pairs:
    data = view.data
    items: list[tuple[str, Text]] = [
        (_TITLES.get(key, key.capitalize()), text(_described(key, value))) for key, value in data.about.items()
    ]
    items += [(name, text(fmt.plain(value))) for name, value in (("Image", data.image), ("Split", data.split)) if value]
    return Pairs(id="about-data", items=(*items, ("Fingerprint", text(Code(data.fingerprint)))))


def _described(key: str, value: Any) -> str:
    if key == "path" and isinstance(value, str):  # its fingerprint says what it is, wherever it was
        return PurePath(value).name
    if key == "dicom" and isinstance(value, Mapping):
        return dicom_in_words(value)
    return " ".join(map(str, value)) if isinstance(value, list | tuple) else fmt.plain(value)


def _left_out(view: ReportView) -> tuple[Block, ...]:
    skipped = view.data.skipped
    if not skipped:
        return ()
    rows = [list(pair) for pair in skipped[:MOST_LEFT_OUT]]
    files = table("left-out-files", "Files left out", left("File", "Why"), rows)
    summary = f"{fmt.counted(len(skipped), 'file')} left out, and why"
    if len(skipped) > MOST_LEFT_OUT:
        summary += f" (the first {MOST_LEFT_OUT}; data.json lists all)"
    return (Details(id="left-out", summary=summary, blocks=(files,)),)
