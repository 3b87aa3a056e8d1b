"""What an audit is made of: its subject, its checks, what they found."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from scantrial.audit.facts import CaseFacts
from scantrial.audit.files import FileFacts
from scantrial.core.notebook import notebook_html
from scantrial.core.plain import Plain
from scantrial.core.records import SPLITS
from scantrial.data.scanset import ScanSet
from scantrial.data.spread import ShapeSpread

Severity = Literal["blocker", "warning", "note"]
Outcome = Literal["found", "clear", "not applicable"]
SEVERITIES: tuple[Severity, ...] = ("blocker", "warning", "note")


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditSettings:
    """Thresholds and sizes; a finding records those it was found with.

    Parameters
    ----------
    alpha : below this p-value a test counts
    shift_auc, strong_shift_auc : a shift between splits counts from here on, and is called strong
    shortcut_auc : a shortcut counts where the 95 % interval of its AUC lies at or above this
    near_distance, suspect_distance : bits of 64 up to which two images are near duplicates, and suspected
    min_correlation : of two small pictures, plain and without the mean picture, that confirms a near duplicate
    majority_share : share of the commonest class above which classes are called unbalanced
    noise_share, doubt : suspicious labels count where, with 95 % confidence, more than this share of the cases has a
        probability of the recorded class of at most `doubt`
    n_permutations : of every permutation test
    seed : of permutations, folds and the choice of pairs to calibrate on
    """

    alpha: float = 0.01
    shift_auc: float = 0.60
    strong_shift_auc: float = 0.70
    shortcut_auc: float = 0.65
    near_distance: int = 4
    suspect_distance: int = 10
    min_correlation: float = 0.95
    majority_share: float = 0.75
    noise_share: float = 0.01
    doubt: float = 0.1
    n_permutations: int = 200
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelScores:
    """Probabilities of a study's own runs, averaged over arms and seeds, on cases that did not train them.

    Parameters
    ----------
    rows : positions among the audited cases, rising
    y_prob : shape (len(rows), n_classes)
    n_runs : runs that were averaged
    """

    rows: NDArray[np.int64]
    y_prob: NDArray[np.float64]
    n_runs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightsOrigin:
    """What is known of the scans that a file of weights was trained on.

    Parameters
    ----------
    sha256 : of the file
    run : the run that stored it, in words; empty where it is no file of a study folder
    unknown : what is not known of it, completing "of these weights", or nothing
    fingerprint : of the scans of that run's study
    learnt_from : case numbers there that trained the network or chose its epoch
    pictures : PNGs of these cases, None where that study keeps none
    """

    sha256: str
    run: str = ""
    unknown: str = ""
    fingerprint: str = ""
    learnt_from: tuple[int, ...] = ()
    pictures: tuple[bytes | None, ...] = ()

    @property
    def key(self) -> str:
        """A hash of all that is compared; empty where nothing is known."""
        if not self.run:
            return ""
        return hashlib.sha256(json.dumps([self.fingerprint, self.learnt_from]).encode()).hexdigest()


@dataclass(frozen=True, kw_only=True, eq=False)
class Subject:
    """What is audited: n cases and what is known about them. Checks refer to cases by their position, 0 to n - 1.

    Parameters
    ----------
    cases : shape (n,), case numbers
    parts : shape (n,), the split of each case; "" throughout where the scans have no split
    labels : shape (n,)
    units : shape (n,), one number for each patient; each case its own where patients are not known
    files : facts from the headers of the image files, or None where cases are not files
    scores : of a study's own runs, or None
    pretrained : what is known of the weights of files that networks start from
    memo : what checks share and compute once
    """

    scans: ScanSet
    settings: AuditSettings
    cases: NDArray[np.int64]
    parts: NDArray[np.str_]
    labels: NDArray[np.int64]
    units: NDArray[np.int64]
    facts: CaseFacts
    files: FileFacts | None = None
    scores: ModelScores | None = None
    pretrained: tuple[WeightsOrigin, ...] = ()
    memo: dict[str, Any] = field(default_factory=dict, repr=False)

    def __len__(self) -> int:
        return len(self.cases)

    @property
    def patients_known(self) -> bool:
        """Whether the source or the study names the patients."""
        return self.scans.patients is not None

    @cached_property
    def splits(self) -> tuple[str, ...]:
        """The splits that hold cases, in order."""
        return tuple(split for split in SPLITS if (self.parts == split).any())

    @cached_property
    def split_pairs(self) -> tuple[tuple[str, str], ...]:
        """Every two splits, the earlier one first."""
        return tuple((a, b) for i, a in enumerate(self.splits) for b in self.splits[i + 1 :])

    @cached_property
    def learnt_from(self) -> NDArray[np.int64]:
        """Positions of the cases that a network learns or chooses from: all but those that test."""
        return np.flatnonzero(self.parts != "test")

    def rows_of(self, *splits: str) -> NDArray[np.int64]:
        """Positions of the cases of some splits."""
        return np.flatnonzero(np.isin(self.parts, splits))

    @cached_property
    def sides(self) -> NDArray[np.int64]:
        """Shape (n, k): cases with unlike rows are trained and tested apart somewhere.

        One column with the split of each case, or in a cross-validation the fold that tests it, for each repeat.
        """
        if self.scans.folds is not None:
            return self.scans.folds.test[self.cases]
        return np.unique(self.parts, return_inverse=True)[1].reshape(-1, 1)

    @cached_property
    def tested(self) -> NDArray[np.bool_]:
        """Which cases test some network: those of the test split, in a cross-validation all."""
        return np.ones(len(self), dtype=bool) if self.scans.folds is not None else self.parts == "test"

    @property
    def side_word(self) -> str:
        """What a side is called."""
        return "split" if self.scans.folds is None else "fold"

    def are_apart(self, row: int, other: int) -> bool:
        """Whether two cases are on different sides, somewhere."""
        return bool((self.sides[row] != self.sides[other]).any())

    def rank(self, row: int) -> tuple[int, int]:
        """Order by split, then by position."""
        split = str(self.parts[row])
        return (SPLITS.index(split) if split in SPLITS else len(SPLITS)), int(row)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a check found, by position.

    Parameters
    ----------
    text : a sentence with the numbers
    rows : positions of the cases concerned
    pairs : pairs of positions, where it is pairs that were found
    numbers : everything that was measured, and the thresholds
    severity : where it differs from that of the check
    """

    text: str
    rows: Sequence[int] = ()
    pairs: Sequence[tuple[int, int]] | None = None
    numbers: Mapping[str, Any] = field(default_factory=dict)
    severity: Severity | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckOutcome:
    """The result of a check.

    Parameters
    ----------
    outcome : found, clear, or not applicable
    reason : why it was not applicable, or what is known where nothing was found
    found : what was found, one record for each finding
    numbers : everything that was measured
    """

    outcome: Outcome
    reason: str = ""
    found: tuple[Found, ...] = ()
    numbers: Mapping[str, Any] = field(default_factory=dict)


def clear(reason: str = "", **numbers: Any) -> CheckOutcome:
    """Return that nothing was found."""
    return CheckOutcome(outcome="clear", reason=reason, numbers=numbers)


def not_applicable(reason: str) -> CheckOutcome:
    """Return that a check could not be made."""
    return CheckOutcome(outcome="not applicable", reason=reason)


def verdict_of(found: Sequence[Found], reason: str = "", **numbers: Any) -> CheckOutcome:
    """Return what was found, or that nothing was found, with everything that was measured."""
    return CheckOutcome(outcome="found" if found else "clear", reason=reason, found=tuple(found), numbers=numbers)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanCheck:
    """One check.

    Parameters
    ----------
    code : ``AU`` and three digits; never used twice
    title : what is wrong where it finds something
    severity : blocker (no verdict on arms until acknowledged), warning or note
    needs : what it needs to be made
    rule : when it counts as found
    source : where the rule is from
    action : what to do
    run : makes it
    """

    code: str
    title: str
    severity: Severity
    needs: str
    rule: str
    source: str
    action: str
    run: Callable[[Subject], CheckOutcome]

    @property
    def anchor(self) -> str:
        """Where the documentation describes it."""
        return f"docs/audit.md#{self.code.lower()}"


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult(Plain):
    """The result of one check: found, clear or not applicable, and why."""

    code: str
    title: str
    severity: Severity
    outcome: Outcome
    reason: str
    numbers: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanFinding(Plain):
    """One thing that is wrong with the scans, or may be.

    Parameters
    ----------
    text : a sentence with the numbers
    action : what to do
    cases : where these cases come from, or pairs of such, where it is pairs that were found; never cut
    case_numbers : every case concerned, rising
    numbers : everything that was measured, and the thresholds
    acknowledged : the reason that the study file gives for accepting it, or None
    """

    code: str
    severity: Severity
    title: str
    text: str
    action: str
    cases: tuple[str, ...] | tuple[tuple[str, str], ...]
    case_numbers: tuple[int, ...]
    numbers: Mapping[str, Any]
    acknowledged: str | None = None

    @property
    def is_open_blocker(self) -> bool:
        """Whether it prevents a verdict on the study."""
        return self.severity == "blocker" and self.acknowledged is None

    def _repr_html_(self) -> str:
        """Show the finding in a notebook."""
        agreed = [] if self.acknowledged is None else [f"acknowledged: {self.acknowledged}"]
        return notebook_html(
            f"{self.severity} {self.code}: {self.title}", lines=[self.text, f"do this: {self.action}", *agreed]
        )

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ScanFinding:
        """Build from what `to_dict` gave, ignoring keys that are not fields."""
        cases = tuple(tuple(case) if isinstance(case, list) else case for case in data["cases"])
        return cls(**{**_known(cls, data), "cases": cases, "case_numbers": tuple(data["case_numbers"])})


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit(Plain):
    """What is wrong with some scans.

    Parameters
    ----------
    key : of the scans, their split and the settings: an audit with the same key need not be made again
    n_cases : cases audited, by split
    results : of every check, in the order of the table
    findings : ranked: blockers, warnings, notes
    pictures : see `scantrial.audit.pictures`
    spread : sizes and channels of the files, where a source was audited
    read_as : what was guessed of such a source, in sentences: columns of a table, frames
    """

    key: str
    n_cases: Mapping[str, int]
    class_names: tuple[str, ...]
    results: tuple[CheckResult, ...]
    findings: tuple[ScanFinding, ...]
    pictures: Mapping[str, Any]
    spread: ShapeSpread | None = None
    read_as: tuple[str, ...] = ()

    def result(self, code: str) -> CheckResult | None:
        """Return the result of a check, by its code; None where it was not made."""
        return next((result for result in self.results if result.code == code), None)

    def _repr_html_(self) -> str:
        """Show the findings in a notebook."""
        rows = [(one.severity, one.code, one.title, one.text) for one in self.findings]
        counts = ", ".join(f"{n:,} {split or 'scans'}" for split, n in self.n_cases.items())
        return notebook_html(
            f"{len(self.findings)} findings of {len(self.results)} checks ({counts})",
            columns=("severity", "code", "finding", "in numbers"),
            rows=rows,
        )

    @property
    def open_blockers(self) -> tuple[ScanFinding, ...]:
        """The blockers that nobody has acknowledged: while there are any, no arm is called better."""
        return tuple(finding for finding in self.findings if finding.is_open_blocker)

    def _content(self) -> dict[str, Any]:
        spread: dict[str, Any] = {} if self.spread is None else {"spread": self.spread}
        spread |= {"read_as": self.read_as} if self.read_as else {}
        found = {**spread, "findings": self.findings, "checks": self.results, "pictures": self.pictures}
        return {"key": self.key, "n_cases": self.n_cases, "class_names": self.class_names, **found}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Audit:
        """Build from what `to_dict` gave."""
        return cls(
            key=data["key"],
            n_cases=data["n_cases"],
            class_names=tuple(data["class_names"]),
            findings=tuple(ScanFinding.from_dict(item) for item in data["findings"]),
            results=tuple(CheckResult(**_known(CheckResult, item)) for item in data["checks"]),
            pictures=data["pictures"],
            spread=ShapeSpread.from_dict(data["spread"]) if data.get("spread") else None,
            read_as=tuple(data.get("read_as", ())),
        )


def _known(cls: type[CheckResult | ScanFinding], data: Mapping[str, Any]) -> dict[str, Any]:
    return {item.name: data[item.name] for item in fields(cls) if item.name in data}
