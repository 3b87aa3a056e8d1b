"""A study file for some scans, each line with its reason: what `init` writes."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from scantrial.core.errors import DataError, itemised
from scantrial.core.format import counted, joined
from scantrial.core.names import nearest
from scantrial.core.plain import Plain
from scantrial.core.positive import classes_line, health_warning, stands_for_health, yaml_flow, yaml_value
from scantrial.core.records import SPLITS
from scantrial.core.text import printable
from scantrial.data.left_out import NO_FILE, NO_LABEL, left_out_items
from scantrial.data.masks import Masks
from scantrial.data.patient_names import PatientGuess, guess_patients
from scantrial.data.patients import FOLDER
from scantrial.data.scanset import CaseList
from scantrial.data.spec import SplitSpec
from scantrial.data.splits import apply_split
from scantrial.data.spread import ShapeSpread, image_line, proposed_image

FEW = 100
"""With fewer patients than this in the smallest class scans are divided into folds: a fixed test set would be small."""

SMALL_VALIDATION = 50
"""A source's own validation split with fewer scans than this is not used: it could not choose an epoch."""

UNBALANCED = 1.5
"""From this ratio of the largest class to the smallest on, classes are weighted."""

SMALL_IMAGE = 40
"""Images up to this side keep their size in the first convolution."""

_WIDTH = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftLine(Plain):
    """One line of a study file: its dotted key, the line itself (empty if none is needed), and why it is as it is."""

    key: str
    line: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyDraft(Plain):
    """A study file, and each of its decisions.

    Parameters
    ----------
    text : the file, with the reasons as comments
    lines : in the order of the file
    """

    text: str
    lines: tuple[DraftLine, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What the study file has to say of the scans beside their place, as it was asked for or found in the files.

    Parameters
    ----------
    options : of the source, such as the columns of a table
    source_lines : how these were found
    classes : new names with the source's own, where these say little
    patient : the value of ``data.patient``
    image : frame, page and range, for ``data.image``
    image_lines : why
    """

    options: Mapping[str, Any] = field(default_factory=dict)
    source_lines: Sequence[str] = ()
    classes: Mapping[str, Sequence[str]] | None = None
    patient: str | None = None
    image: Mapping[str, Any] = field(default_factory=dict)
    image_lines: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LookedAt:
    """What is known of scans before a study of them is drafted.

    Parameters
    ----------
    name : what the scans are called, in words
    source : the value of ``data.source``
    cases : as the source lists them
    spread : of their sizes and channels
    colour_is_gray : whether RGB scans hold the same value in all channels
    skipped : files that cannot be read
    masks : files that look like masks; those that its patterns match are not among the cases
    folders : the folder of each scan that may be a patient's, or None
    said : what else the study file has to say
    """

    name: str
    source: str
    cases: CaseList
    spread: ShapeSpread
    colour_is_gray: bool
    skipped: Sequence[tuple[str, str]] = ()
    masks: Masks | None = None
    folders: Sequence[str] | None = None
    said: Said = Said()


def draft_study(seen: LookedAt) -> StudyDraft:
    """Draft a study that runs.

    Raises
    ------
    DataError
        If the scans are too few for any split.
    """
    guess = guess_patients(seen.cases.sources, folders=seen.folders) if seen.cases.patients is None else None
    cases = _positive_last(seen.cases if guess is None else replace(seen.cases, patients=guess.patients))
    data = list(_data(seen, cases, guess))
    in_folds = any(one.line.startswith("split: {folds") for one in data)
    lines = [
        DraftLine(
            key="study",
            line=f"study: {yaml_value(f'Is a residual network better than one hidden layer on {seen.name}?')}",
            reason="The question, in your words; it is the title of the report.",
        ),
        *data,
        *_recipe(seen, cases),
        *_judging(cases, in_folds=in_folds),
    ]
    return StudyDraft(text=_written(lines, seen, cases), lines=tuple(lines))


def _written(lines: Sequence[DraftLine], seen: LookedAt, cases: CaseList) -> str:
    head = (
        f"A draft by `scantrial init` for {seen.name}: {counted(len(cases), 'scan')} ({_by_class(cases)}). It runs as "
        "it is. Read each reason, correct what is wrong, and fill in the margin before you train."
    )
    parts, open_part = [_comment(head, "")], ""
    for one in lines:
        part, _, _rest = one.key.rpartition(".")
        if part != open_part:
            parts += ["", *([f"{part}:"] if part else [])]
            open_part = part
        indent = "  " if part else ""
        parts += [_comment(one.reason, indent), *([indent + one.line] if one.line else [])]
    return "\n".join(parts) + "\n"


def _comment(text: str, indent: str) -> str:
    wrapped = textwrap.wrap(printable(text), _WIDTH, break_long_words=False, break_on_hyphens=False)
    return "\n".join(f"{indent}# {line}" for line in wrapped)


def _by_class(cases: CaseList) -> str:
    counts = np.bincount(cases.labels, minlength=len(cases.class_names))
    return joined([f"{n:,} {name}" for name, n in zip(cases.class_names, counts.tolist(), strict=True)])


def _positive_last(cases: CaseList) -> CaseList:
    """Turn two classes round where the second, which is the positive one, has a name for health."""
    names = cases.class_names
    if health_warning(names) is None:
        return cases
    return replace(cases, class_names=names[::-1], labels=1 - cases.labels)


# ---------------------------------------------------------------------- data


def _data(seen: LookedAt, cases: CaseList, guess: PatientGuess | None) -> Iterator[DraftLine]:
    said = seen.said
    options = {"name": seen.source, **said.options}
    yield DraftLine(
        key="data.source",
        line=f"source: {yaml_flow(options) if said.options else yaml_value(seen.source)}",
        reason=" ".join(
            [
                "Where the scans are, from the folder of this file.",
                *(f"{line[0].upper()}{line[1:]}." for line in said.source_lines),
                *(["To be confirmed: the columns were found by what they hold."] if said.options else []),
            ]
        ),
    )
    if seen.masks is not None:
        name, scan = seen.masks.example
        yield DraftLine(
            key="data.ignore",
            line=seen.masks.line if seen.masks.patterns else "",
            reason=f"{counted(len(seen.masks.rows), 'file')} that look like masks, not scans ({name} beside {scan}): "
            f"{seen.masks.way_out if seen.masks.n_left else 'left out'}.",
        )
    image, why = proposed_image(seen.spread, colour_is_gray=seen.colour_is_gray)
    why = " ".join([why, *(f"{line[0].upper()}{line[1:]}." for line in said.image_lines)])
    yield DraftLine(key="data.image", line=image_line({**image, **said.image}), reason=why)
    yield _classes(cases.class_names, said.classes)
    yield _patients(cases, guess, said.patient)
    yield _split(cases)
    excluded = seen.cases.origin.get("excluded", {})
    faults = left_out_items({words: excluded[words] for words in (NO_FILE, NO_LABEL) if words in excluded})
    if seen.skipped:
        first, reason = seen.skipped[0]
        faults.append(f"{counted(len(seen.skipped), 'file')} that cannot be read, such as {first} ({reason})")
    if faults:
        yield DraftLine(
            key="data.skip_unreadable",
            line="skip_unreadable: true",
            reason=f"Left out, and counted in the report: {joined(faults)}. Repair them if you can.",
        )


def _classes(names: Sequence[str], own: Mapping[str, Sequence[str]] | None) -> DraftLine:
    if own is not None:
        why = f"“{names[1]}” is the positive class: 1 in its column. Other names may stand here."
        return DraftLine(
            key="data.classes", line=f"classes: {yaml_flow({name: own[name] for name in names})}", reason=why
        )
    if len(names) > 2:
        why = f"{len(names)} classes in the order of their names; give another order here."
        return DraftLine(key="data.classes", line=f"# {classes_line(names)}", reason=why)
    sure = stands_for_health(names[0], other=names[1])
    reason = f"“{names[1]}” comes last and is the positive class: sensitivity is the share of it that is found. "
    reason += f"“{names[0]}” is a name for health." if sure else "To be confirmed: no name says which is the disease."
    return DraftLine(key="data.classes", line=classes_line(names), reason=reason)


def _patients(cases: CaseList, guess: PatientGuess | None, asked: str | None) -> DraftLine:
    if asked is not None:
        line = f"patient: {asked if asked == FOLDER else _quoted(asked)}"
        return DraftLine(key="data.patient", line=line, reason=_known(cases))
    if guess is not None:
        pairs = list(dict.fromkeys(zip(guess.patients, cases.sources, strict=True)))
        some = pairs[:: len(pairs) // 3][:3]
        whose = "folders" if guess.pattern == FOLDER else "names"
        shown = joined(
            [
                f"“{patient}” for {source if guess.pattern == FOLDER else source.rsplit('/', 1)[-1]}"
                for patient, source in some
            ]
        )
        return DraftLine(
            key="data.patient",
            line="patient: folder" if guess.pattern == FOLDER else f"patient: {_quoted(guess.pattern)}",
            reason=f"To be confirmed: {whose} seem to say whose scan it is ({shown}), "
            f"{counted(len(set(guess.patients)), 'patient')} in all. If they do not, take this line out, and "
            "`by: patient` below.",
        )
    if cases.patients is not None:
        return DraftLine(key="data.patient", line="", reason=_known(cases))
    return DraftLine(
        key="data.patient",
        line="# patient: '(p[0-9]+)_'",
        reason="File names do not seem to say who the patient is. If a patient has several scans, give a pattern "
        "with one group that finds the patient in a name, and add `by: patient` to the split: else results are too "
        "good.",
    )


def _quoted(pattern: str) -> str:
    return "'{}'".format(pattern.replace("'", "''"))


def _known(cases: CaseList) -> str:
    return f"Known from the source: {counted(len(set(cases.patients or ())), 'patient')}."


def _split(cases: CaseList) -> DraftLine:
    """Return the first way to divide the scans that leaves every part with every class, of folds in each of them."""
    _refuse_rare(cases)
    faults = []
    for asked, reason in _ways_to_split(cases):
        try:
            divided = apply_split(cases, SplitSpec(**asked))
        except DataError as error:
            faults.append(error)
        else:
            n_left_out = divided.origin.get("left_out", 0)
            lost = f" {counted(n_left_out, 'scan')} of test patients are not used." if n_left_out else ""
            return DraftLine(key="data.split", line=f"split: {_flow(asked)}", reason=reason + lost)
    raise faults[-1]


def _refuse_rare(cases: CaseList) -> None:
    """Refuse classes of so few scans that they cannot be in training, validation and test."""
    counts = np.bincount(cases.labels, minlength=len(cases.class_names)).tolist()
    rare = [(name, n) for name, n in zip(cases.class_names, counts, strict=True) if n < len(SPLITS)]
    if not rare:
        return
    others = [name for name in cases.class_names if name not in dict(rare)]
    told = []
    for name, n in rare:
        guess = nearest(name, others)
        told.append(f"class {name!r} has {counted(n, 'scan')}" + (f" (did you mean {guess!r}?)" if guess else ""))
    raise DataError(
        told[0] if len(told) == 1 else f"rare classes:\n{itemised(told, alike=True)}",
        expected=f"{len(SPLITS)} scans or more of each class, for training, validation and test",
        do="correct these labels, or take the scans out; in a study file data.classes can join or leave out classes",
    )


def _ways_to_split(cases: CaseList) -> Iterator[tuple[dict[str, Any], str]]:
    """Yield ways to divide the scans, the best first, each with its reason."""
    units = cases.patients or cases.sources
    of_class = [{units[row] for row in np.flatnonzero(cases.labels == k)} for k in range(len(cases.class_names))]
    by, unit = ({}, "scan") if cases.patients is None else ({"by": "patient"}, "patient")
    smallest = min(map(len, of_class))
    number = f"The smallest class has {counted(smallest, unit)}"
    n_val, n_test = (int((cases.split == part).sum()) for part in ("val", "test"))
    if n_test and n_val >= SMALL_VALIDATION:
        three = {"train": "given", "val": "given", "test": "given"}
        yield three, "The source has its own three splits. The audit says whether a patient is in two of them."
    if n_test:
        few = f"only {n_val:,} to validate" if n_val else "none to validate"
        why = f"The source has its own test scans ({n_test:,}), and {few}: a fifth of the rest chooses the epoch."
        yield {"test": "given", "val": 0.2, **by}, why
    if smallest >= FEW:
        yield (
            {"train": 0.7, "val": 0.15, "test": 0.15, **by},
            f"{number}, enough for a test set of its own.{_apart(by)}",
        )
    folds = (
        f"{number}, too few for a test set of its own: a cross-validation tests every fold in its turn, and a fifth of "
        "the others chooses the epoch. With repeats: 4 the scans are divided four times."
    )
    for n_folds in (5, 4, 3):
        yield {"folds": n_folds, **by}, folds + _apart(by)
    if by:
        yield {"folds": 3}, f"{folds} There are too few patients to keep them apart."


def _apart(by: dict[str, str]) -> str:
    return " No patient is in two parts." if by else ""


def _flow(values: dict[str, Any]) -> str:
    if set(values.values()) == {"given"}:
        return "given"
    return f"{{{', '.join(f'{key}: {value}' for key, value in values.items())}}}"


# ---------------------------------------------------------------------- recipe and what is judged


def _recipe(seen: LookedAt, cases: CaseList) -> Iterator[DraftLine]:
    image, _ = proposed_image(seen.spread, colour_is_gray=seen.colour_is_gray)
    side = min(image["size"]) if isinstance(image["size"], list) else image["size"]
    small = side <= SMALL_IMAGE
    network = "{name: resnet-10, stem: 3x3}" if small else "resnet-10"
    if side < 8:
        network = "{name: mlp, hidden: [64]}"
    yield DraftLine(
        key="recipe.model",
        line=f"model: {network}",
        reason="A small network for small images" + (f"; stem 3x3 since they have {side} pixels." if small else "."),
    )
    counts = np.bincount(cases.labels, minlength=len(cases.class_names))
    ratio = counts.max() / counts.min()
    if ratio >= UNBALANCED:
        loss, why = (
            "{name: ce, class_weights: balanced}",
            f"The largest class has {ratio:.1f} times the scans of the smallest ({_by_class(cases)}): weights balance "
            "them.",
        )
    else:
        loss, why = "ce", f"The classes are about equally frequent ({_by_class(cases)}): no weights."
    yield DraftLine(key="recipe.loss", line=f"loss: {loss}", reason=why)
    yield DraftLine(
        key="recipe.optimizer",
        line="optimizer: {name: adamw, lr: 1e-3}",
        reason="A usual start; put it on trial later.",
    )
    yield DraftLine(
        key="recipe.normalize", line="normalize: dataset", reason="Pixels by mean and deviation of the training scans."
    )
    yield DraftLine(
        key="recipe.epochs",
        line="epochs: 20",
        reason="The best epoch is chosen on validation scans. If curves still fall at the end, give more.",
    )
    yield DraftLine(
        key="factors.model",
        line=f"model: [{network}, mlp-256]",
        reason="What is compared. Any key of the recipe can stand here, such as loss: [ce, bce].",
    )


def _judging(cases: CaseList, *, in_folds: bool) -> Iterator[DraftLine]:
    counts = np.bincount(cases.labels, minlength=len(cases.class_names))
    yield DraftLine(
        key="seeds",
        line="seeds: 1" if in_folds else "seeds: 5",
        reason=f"Each arm is trained so many times{' in each fold' * in_folds}. "
        "`scantrial plan` says what this can detect and how long it takes.",
    )
    if len(cases.class_names) == 2:
        metric, why = "auroc", "Does not depend on a threshold, nor on how frequent the disease is."
    elif counts.max() / counts.min() >= UNBALANCED:
        metric, why = "balanced_accuracy", "Each class counts the same, however rare it is."
    else:
        metric, why = "accuracy", "The classes are about equally frequent."
    yield DraftLine(key="primary.metric", line=f"metric: {metric}", reason=why)
    yield DraftLine(
        key="primary.margin",
        line="# margin: 0.02",
        reason="To be filled in before you train: the smallest difference that would change what you do, such as 0.02 "
        "for two points. Nobody but you can know it: think of how many patients it is worth, and what the better arm "
        "costs. Without it the file runs, and no two arms can be called equivalent.",
    )
