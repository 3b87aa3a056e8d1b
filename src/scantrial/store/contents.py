"""What each JSON file of a study folder holds, as types that `scantrial.store.schema.read_record` checks.

A file may have more keys than its type, and lack those that are not required: later versions add some, and earlier
versions did not have all.
"""

from __future__ import annotations

import base64
import binascii
import struct
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, NotRequired, TypeVar

from pydantic import AfterValidator, ConfigDict, FailFast, Field
from typing_extensions import TypedDict

MAX_PICTURE_SIDE = 4096
"""Pixels; a stored picture is 128 at most, and no later version should need more than this."""

MAX_FINDINGS = 10_000
"""Findings, checks and pictures of each kind of an audit; an audit has three findings of a class at most."""

T = TypeVar("T")


class _StopAtFirst(FailFast):
    """Ends the check of a list at its first fault: a million wrong items would take gigabytes to be told."""

    __hash__ = object.__hash__  # for types that hold it, such as a union


Items = Annotated[list[T], _StopAtFirst()]
Count = Annotated[int, Field(ge=0, le=2**53)]
Threads = Annotated[int, Field(ge=1)]
Number = Annotated[float, Field(allow_inf_nan=False)]
Names = Annotated[Items[str], Field(min_length=1)]


def is_picture(content: bytes) -> bool:
    """Return whether these bytes begin as a PNG of a size that is safe to show."""
    if not content.startswith(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR") or len(content) < 24:
        return False
    width, height = struct.unpack(">II", content[16:24])
    return bool(0 < width <= MAX_PICTURE_SIDE and 0 < height <= MAX_PICTURE_SIDE)


def _picture_text(text: str) -> str:
    try:
        content = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError("not base64") from error
    if not is_picture(content):
        raise ValueError("not a small PNG picture")
    return text


PictureText = Annotated[str, AfterValidator(_picture_text)]


def _moment_text(text: str) -> str:
    at = datetime.fromisoformat(text)
    if at.tzinfo is None or not 0 <= at.timestamp() < _TOO_LATE:
        raise ValueError("not a time since 1970 with its zone")
    return text


_TOO_LATE = datetime(9999, 1, 1, tzinfo=UTC).timestamp()

Moment = Annotated[str, AfterValidator(_moment_text)]
"""A time in ISO 8601 with its zone, in years that every calendar of a zone and every format of a report has."""


class Content(TypedDict):
    """Base of all: keys that are not named stay as they are."""

    __pydantic_config__ = ConfigDict(extra="allow")  # type: ignore[misc] # read by pydantic


class ImageContent(Content):
    """How the scans were brought to one shape."""

    shape: Annotated[Items[Count], Field(min_length=3, max_length=3)]
    size: Annotated[int, Field(ge=1)] | Annotated[Items[Count], Field(min_length=2, max_length=2)] | None
    channels: Annotated[int, Field(ge=1)] | Items[Count | str] | None
    fit: Literal["stretch", "pad"]


class SourceContent(Content):
    """Where the scans are from."""

    name: NotRequired[str]
    title: NotRequired[str]
    licence: NotRequired[str]
    citation: NotRequired[str]
    homepage: NotRequired[str]
    format: NotRequired[str]
    path: NotRequired[str]
    notes: NotRequired[Items[str]]
    excluded: NotRequired[dict[str, Count]]
    n_folders: NotRequired[Count]
    like_patients: NotRequired[str]
    dicom: NotRequired[dict[str, Count]]


class DataContent(Content):
    """``data.json``."""

    fingerprint: str
    class_names: Names
    counts: dict[Literal["train", "val", "test"], dict[str, Count]]
    n_scans: Count
    n_used: Count
    has_patients: bool
    image: ImageContent
    pixel_type: NotRequired[str]
    split: dict[str, Any]
    source: SourceContent
    skipped: Items[Annotated[Items[str], Field(min_length=2, max_length=2)]]


class ChangeContent(Content):
    """A change of the environment between two runs."""

    at: Moment
    now: dict[str, Any]


class _Environment(Content):
    """Versions and machine."""

    versions: NotRequired[dict[str, str]]
    workers: NotRequired[dict[str, Any]]
    changes: NotRequired[Items[ChangeContent]]
    import_paths: NotRequired[Items[str]]
    python: NotRequired[str]
    machine: NotRequired[str]
    cpu: NotRequired[str | None]
    torch: NotRequired[str]


class ReusedContent(Content):
    """The run that a run was copied from."""

    folder: str
    arm: str
    seed: Count
    repeat: NotRequired[Count]
    fold: NotRequired[Count]


class ImagesContent(Content):
    """The images of an arm that has its own."""

    fingerprint: str
    n_enlarged: Count | None


class RunContent(Content):
    """``run.json``; `scantrial.core.records.RunFacts` says what each key means."""

    arm: str
    seed: Count
    status: Literal["finished", "diverged"]
    n_epochs: Count
    chosen_epoch: Count | None
    selection: str
    diverged_epoch: Count | None
    engine: str
    engine_reason: str
    device: str
    threads: Count
    n_parameters: Count
    recipe: dict[str, Any]
    preprocessing: dict[str, Any]
    class_names: Names
    image_shape: Annotated[Items[Annotated[int, Field(ge=1, le=2**20)]], Field(min_length=3, max_length=3)]
    pixel_type: Literal["uint8", "uint16"]
    times: NotRequired[dict[str, float | str]]
    identity: NotRequired[dict[str, str | None] | None]
    reused_from: NotRequired[ReusedContent | None]
    images: NotRequired[ImagesContent | None]
    repeat: NotRequired[Count]
    fold: NotRequired[Count]
    sha256: NotRequired[dict[str, str]]


class EnvironmentContent(_Environment):
    """``environment.json``."""

    threads: NotRequired[Threads]
    engine: NotRequired[str]
    device: NotRequired[str]


class FixedEnvironment(_Environment):
    """``environment.json``, with what further runs have to match."""

    threads: Threads
    engine: str
    device: str


class FindingContent(Content):
    """One finding of an audit."""

    code: Annotated[str, Field(pattern=r"^[A-Z]{2}[0-9]{3}$")]
    severity: Literal["blocker", "warning", "note"]
    title: str
    text: str
    action: str
    cases: Items[str] | Items[Annotated[Items[str], Field(min_length=2, max_length=2)]]
    case_numbers: Items[Count]
    numbers: dict[str, Any]
    acknowledged: NotRequired[str | None]


class CheckContent(Content):
    """The outcome of one check of an audit."""

    code: str
    title: str
    severity: Literal["blocker", "warning", "note"]
    outcome: Literal["found", "clear", "not applicable"]
    reason: str
    numbers: dict[str, Any]


_Bins = Annotated[int, Field(ge=1, le=4096)]

MeanContent = TypedDict("MeanContent", {"split": str, "class": str, "n": Count, "png": PictureText})
HistogramContent = TypedDict(
    "HistogramContent", {"split": str, "class": str, "n_bins": _Bins, "top": Count, "share": Items[Number]}
)


class AlikeCaseContent(Content):
    """A case that looks like another split."""

    case: Count
    path: str


class AlikeContent(Content):
    """The cases of two splits that look most alike."""

    splits: Annotated[Items[Annotated[str, Field(pattern="^[a-z]+$")]], Field(min_length=2, max_length=2)]
    auc: float
    second: Items[AlikeCaseContent]
    like_second: Items[AlikeCaseContent]


class PicturesContent(Content):
    """What an audit shows."""

    means: NotRequired[Annotated[Items[MeanContent], Field(max_length=MAX_FINDINGS)]]
    histograms: NotRequired[Annotated[Items[HistogramContent], Field(max_length=MAX_FINDINGS)]]
    most_alike: NotRequired[Annotated[Items[AlikeContent], Field(max_length=MAX_FINDINGS)]]


class AuditContent(Content):
    """``audit.json``."""

    key: str
    n_cases: dict[str, Count]
    class_names: Names
    findings: Annotated[Items[FindingContent], Field(max_length=MAX_FINDINGS)]
    checks: Annotated[Items[CheckContent], Field(max_length=MAX_FINDINGS)]
    pictures: PicturesContent


class FailureContent(Content):
    """``failure.json``."""

    message: str


class RunningContent(Content):
    """A run in progress."""

    arm: str
    seed: int
    repeat: NotRequired[int]
    fold: NotRequired[int]
    epoch: Count
    n_epochs: Count
    val_accuracy: NotRequired[float | None]


class ProgressContent(Content):
    """``progress.json``."""

    running: Items[RunningContent]
    seconds_left: NotRequired[Number | None]
    at: NotRequired[Number]
    pid: NotRequired[int]


class LiveContent(Content):
    """``live.json``."""

    columns: Items[str]
    epochs: Items[Items[float | None]]


class ProtocolLine(Content):
    """A line of ``protocol.jsonl``."""

    at: Moment
    kind: NotRequired[str]
    files: NotRequired[dict[str, str]]
    study_sha256: NotRequired[str]
    finished_runs: NotRequired[Count]
    change: NotRequired[str]
    study_yaml: NotRequired[str]


class OpeningLine(Content):
    """A line of ``test-openings.jsonl``."""

    at: Moment
    by: str
    purpose: str
    runs: Items[str]
