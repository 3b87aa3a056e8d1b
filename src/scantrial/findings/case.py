"""One case under every arm: what each network predicted for one scan, and whether it was right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from scantrial.core.errors import InputError, itemised
from scantrial.core.format import counted, percent
from scantrial.core.names import listed, nearest
from scantrial.core.plain import LEFT_OUT, LEFT_OUT_IF_NONE, Plain, fields_of
from scantrial.core.records import Split, SplitPredictions
from scantrial.core.text import printable
from scantrial.recipe.plan import Plan
from scantrial.store.folder import RunKey, StudyFolder

_Parts = Mapping[RunKey, tuple[SplitPredictions, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedOnCase(Plain):
    """One run on the case: `y_prob` by class, the class it decided for, and whether that is the true one.

    Parameters
    ----------
    repeat, fold : of a cross-validation, the fold that tests the case; else None
    """

    seed: int
    y_prob: tuple[float, ...]
    decision: str
    right: bool
    repeat: int | None = field(default=None, metadata=LEFT_OUT_IF_NONE)
    fold: int | None = field(default=None, metadata=LEFT_OUT_IF_NONE)

    @property
    def words(self) -> str:
        """Its seed, and its fold where it has one."""
        return RunKey("", self.seed, self.repeat, self.fold).words


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmCase(Plain):
    """One arm on the case.

    Parameters
    ----------
    y_prob : mean probability over the arm's runs by class; empty where there is no run
    decision : class with the largest mean probability, the first of equal ones; None where there is no run
    right : whether that is the true class
    seeds : each run by itself
    """

    name: str
    label: str
    y_prob: tuple[float, ...]
    decision: str | None
    right: bool | None
    seeds: tuple[SeedOnCase, ...]

    @property
    def n_right(self) -> int:
        """Number of runs that were right."""
        return sum(seed.right for seed in self.seeds)

    def _content(self) -> dict[str, Any]:
        found = fields_of(self)
        seeds = found.pop("seeds")
        return {**found, "n_right": self.n_right, "n_runs": len(seeds), "seeds": seeds}


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseView(Plain):
    """One case under the arms of a study.

    Parameters
    ----------
    case : case number
    class_names : the order of every `y_prob`
    thumbnail : PNG bytes, or None where the folder keeps no pictures
    """

    case: int
    split: Split
    source: str
    patient: str | None
    true_class: str
    class_names: tuple[str, ...]
    arms: tuple[ArmCase, ...]
    thumbnail: bytes | None = field(metadata=LEFT_OUT)

    def to_text(self) -> str:
        """Return the case as lines to print; what cannot be seen in a name is written out."""
        lines = [*self.heading(), "", *(line for arm in self.arms for line in self._arm_lines(arm))]
        return "\n".join(map(printable, lines))

    def heading(self) -> list[str]:
        """Return the lines about the case itself."""
        patient = f", patient {self.patient}" if self.patient else ""
        return [f"case {self.case} ({self.split}), truly {self.true_class}", f"source: {self.source}{patient}"]

    def verdict(self, arm: ArmCase) -> str:
        """Say what an arm decided in the mean over its runs, and how many runs were right."""
        if arm.decision is None:
            return "no finished run with a prediction"
        p = arm.y_prob[self.class_names.index(arm.decision)]
        word = "right" if arm.right else "wrong"
        return f"{arm.decision} {percent(p, 2)}, {word}; right in {arm.n_right} of {counted(len(arm.seeds), 'run')}"

    def _arm_lines(self, arm: ArmCase) -> list[str]:
        lines = [f"{arm.label}: {self.verdict(arm)}"]
        for seed in arm.seeds:
            shown = zip(self.class_names, seed.y_prob, strict=True)
            chances = ", ".join(f"{name} {percent(p, 2)}" for name, p in shown)
            lines.append(f"  {seed.words}: {chances} ({'right' if seed.right else 'wrong'})")
        return lines


def case_view(folder: StudyFolder, case: int | str, *, arm: str | None = None, seed: int | None = None) -> CaseView:
    """Return one case under every arm, or under one arm or seed; of a cross-validation under the folds that tested it.

    Looking at a test case is logged before anything of it is read, even where no run has predicted it yet.

    Raises
    ------
    InputError
        If no split holds a case of that number or name, several have the name, or the study has no such arm or seed.
    """
    plan = folder.plan()
    arms = _chosen_arms(plan, arm)
    if seed is not None and seed not in plan.seeds:
        raise InputError(f"the study has no seed {seed}", expected=f"one of {listed(map(str, plan.seeds))}")
    keys = [key for key in folder.run_keys() if key.arm in arms and seed in (None, key.seed)]
    number = case_named(folder, case) if isinstance(case, str) else case
    index, split = _find_case(folder, number)
    folds = folder.fold_table()
    if folds is not None:
        split = "test"
        tested_in = {(repeat, int(fold)) for repeat, fold in enumerate(folds.test[index])}
        keys = [key for key in keys if key.place in tested_in]
    parts = _open_case(folder, keys, number, split)
    row = {**folder.cases().slice(index, 1).to_pylist()[0], "split": split}
    return build_case(arms, row, parts, tuple(folder.data()["class_names"]))


def build_case(
    arms: Mapping[str, str], row: Mapping[str, Any], parts: _Parts, class_names: tuple[str, ...]
) -> CaseView:
    """Build the view of one case from what was read of it; the caller has logged any reading of test rows.

    Parameters
    ----------
    arms : what to call each, by its name
    row : of ``cases.parquet``
    parts : predictions of the finished runs, by run
    """
    return CaseView(
        case=row["case"],
        split=row["split"],
        source=row["source"],
        patient=row["patient"],
        true_class=class_names[row["label"]],
        class_names=class_names,
        arms=tuple(
            _arm_case(name, label, {key: part for key, part in parts.items() if key.arm == name}, row, class_names)
            for name, label in arms.items()
        ),
        thumbnail=row["thumbnail"],
    )


def _chosen_arms(plan: Plan, wanted: str | None) -> dict[str, str]:
    """Return what to call each arm by its name: all, or the one with this name or label."""
    labels = plan.labels
    if wanted is None:
        return labels
    found = {arm.name: labels[arm.name] for arm in plan.arms if wanted in (arm.name, arm.label, labels[arm.name])}
    if not found:
        guess = nearest(wanted, plan.arm_names)
        hint = f" (did you mean {guess!r}?)" if guess else ""
        raise InputError(f"the study has no arm {wanted!r}{hint}", expected=f"one of {listed(plan.arm_names)}")
    return found


def case_named(folder: StudyFolder, name: str) -> int:
    """Return the number of the case with this source, this end of it, or this file name without its suffix.

    Raises
    ------
    InputError
        If no case in a split has the name, or several have it; up to ten of them are named.
    """
    table = folder.cases(["case", "source"])
    sources: list[str] = table["source"].to_pylist()
    for is_meant in (
        lambda source: source == name,
        lambda source: source.endswith(f"/{name}"),
        lambda source: PurePosixPath(source).stem == name,
    ):
        rows = [row for row, source in enumerate(sources) if is_meant(source)]
        if len(rows) > 1:
            raise InputError(
                f"{len(rows):,} cases are called {name!r}:\n{itemised([sources[row] for row in rows], alike=True)}",
                expected="the name of one case",
                do="give more of its path, or its number",
            )
        if rows:
            return int(table["case"][rows[0]].as_py())
    guess = nearest(name, sources) or nearest(name, (PurePosixPath(source).name for source in sources))
    hint = f" (did you mean {guess!r}?)" if guess else ""
    raise InputError(
        f"no case of the study is called {name!r}{hint}",
        expected="a case number, or the name of a scan's file",
        do="scantrial show DIR --files lists cases and their files; cases.parquet has the split of each",
    )


def _find_case(folder: StudyFolder, case: int) -> tuple[int, Split]:
    """Return the case's row in the table of cases, and its split."""
    table = folder.cases(["case", "split"])
    numbers = table["case"].to_numpy()
    rows = np.flatnonzero(numbers == case)
    if not len(rows):
        within = len(numbers) and numbers.min() <= case <= numbers.max()
        why = f"no split of the study holds case {case}" if within else f"there is no case {case}"
        span = f"a case number from {numbers.min()} to {numbers.max()}" if len(numbers) else "a study with cases"
        raise InputError(why, expected=span, do="the report and cases.parquet name the cases of each split")
    split: Split = table["split"][int(rows[0])].as_py()
    return int(rows[0]), split


def _open_case(folder: StudyFolder, keys: Sequence[RunKey], case: int, split: Split) -> _Parts:
    purpose = f"case {case}"
    if split == "test" and not keys:
        # No run's rows are read, but the scan and its true class are shown.
        folder.log_test_opening(by="show", purpose=purpose, runs=[])
    return folder.open_predictions(keys, [split], by="show", purpose=purpose)


def _arm_case(name: str, label: str, parts: _Parts, row: Mapping[str, Any], class_names: tuple[str, ...]) -> ArmCase:
    found = [_seed_case(key, of_run, row, class_names) for key, of_run in parts.items()]
    seeds = [seed for seed in found if seed is not None]
    mean = np.mean([seed.y_prob for seed in seeds], axis=0) if seeds else np.empty(0)
    decision = class_names[int(mean.argmax())] if seeds else None
    return ArmCase(
        name=name,
        label=label,
        y_prob=tuple(mean.tolist()),
        decision=decision,
        right=decision == class_names[row["label"]] if seeds else None,
        seeds=tuple(seeds),
    )


def _seed_case(
    key: RunKey, parts: Sequence[SplitPredictions], row: Mapping[str, Any], class_names: tuple[str, ...]
) -> SeedOnCase | None:
    for part in parts:
        for i in np.flatnonzero(part.cases == row["case"]):
            decided = int(part.y_pred[i])
            return SeedOnCase(
                seed=key.seed,
                repeat=key.repeat,
                fold=key.fold,
                y_prob=tuple(part.y_prob[i].tolist()),
                decision=class_names[decided],
                right=decided == row["label"],
            )
    return None
