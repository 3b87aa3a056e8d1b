"""Masks that lie beside scans and would be trained on as scans, recognised by their names."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from glob import escape
from pathlib import PurePosixPath
from typing import NamedTuple

from scantrial.data.codecs.base import split_suffix
from scantrial.data.codecs.table import CODECS
from scantrial.data.ignore import matcher_of
from scantrial.data.scanset import CaseList, ScanSet

_WORDS = "masks?|seg|segmentations?|segm|labels?|annotations?|annot|contours?|roi|gt|ground_?truth|lesion|superpixels"
_SUFFIX = re.compile(rf"(?P<scan>.+?)(?P<mark>[ _.-]+(?:{_WORDS}))(?:[ _.-]*\d+)?", re.IGNORECASE)

MASK_FOLDERS = re.compile(
    "masks?|segmentations?|segmentation[ _-]masks?|ground[ _-]?truths?|gt|annotations?|labels?|lung[ _-]masks?",
    re.IGNORECASE,
)
"""Names of folders of masks, where they lie beside folders of scans."""

IMAGE_FOLDERS = re.compile("images?|imgs?|scans?|pictures?|photos?|originals?|raw", re.IGNORECASE)
"""Names of folders of scans beside folders of masks."""

_NUMBER = re.compile(r"#\d+$")
"""Of a frame of a file, or of a row of an array, in the name of a case."""

_USUAL = frozenset(suffix for codec in CODECS.values() for suffix in codec.suffixes)
"""Suffixes of image files, in lower case."""

_MOST_PATTERNS = 10
"""Wide patterns, and narrow ones, that are tried at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Masks:
    """Cases that look like masks of other cases.

    Parameters
    ----------
    rows : their positions among the cases
    patterns : for `data.ignore`; they match no other case
    n_left : how many of these cases no pattern matches
    example : the name of a mask, and of the scan that it lies beside
    """

    rows: tuple[int, ...]
    patterns: tuple[str, ...]
    n_left: int
    example: tuple[str, str]

    @property
    def line(self) -> str:
        """The line of a study file that leaves them out."""
        shown = ", ".join(json.dumps(pattern, ensure_ascii=False) for pattern in self.patterns)
        return f"ignore: {shown if len(self.patterns) == 1 else f'[{shown}]'}"

    @property
    def way_out(self) -> str:
        """What to do with them, as the end of a sentence."""
        if not self.n_left:
            return f"leave them out with {self.line}"
        move = "to another folder, as no pattern matches them and no scan"
        if not self.patterns:
            return f"move them {move}"
        n = len(self.rows) - self.n_left
        return f"leave {n:,} of them out with {self.line}, and move the other {self.n_left:,} {move}"


class _Found(NamedTuple):
    """The names of a mask and of the scan that it lies beside, and the position of the scan."""

    mask: str
    scan: str
    row: int


class _Parts(NamedTuple):
    """The folder of a file, its name without its suffix, and this."""

    folder: PurePosixPath
    stem: str
    suffix: str


def find_masks(sources: Sequence[str], told: Sequence[str] | None = None) -> Masks | None:
    """Find cases called X_mask.png (or _seg, _label ...) beside X.png, and cases in a folder of masks.

    A case in a folder whose name is that of masks counts where another folder holds a scan of the same name.
    None if there are none, or if they are all that there is.

    Parameters
    ----------
    sources : where the cases come from
    told : what the cases are called instead, where names of files may be those of patients; then patterns hold nothing
        of a name but the mark of masks and a usual suffix
    """
    paths = [_NUMBER.sub("", source) for source in sources]
    parts = [_Parts(PurePosixPath(path).parent, *split_suffix(PurePosixPath(path).name)) for path in paths]
    beside = {(part.folder, part.stem.casefold()): row for row, part in enumerate(parts)}
    in_masks = [_mask_folder(part.folder) for part in parts]
    scan_stems = {
        part.stem.casefold(): row
        for row, (part, folder) in enumerate(zip(parts, in_masks, strict=True))
        if folder is None
    }
    found: dict[int, _Found] = {}
    candidates: dict[int, tuple[str, str]] = {}
    for row, (part, folder) in enumerate(zip(parts, in_masks, strict=True)):
        mark = _SUFFIX.fullmatch(part.stem)
        if folder is not None:
            own = [part.stem.casefold(), *([mark["scan"].casefold()] if mark else [])]
            scan = next((scan_stems[stem] for stem in own if stem in scan_stems), None)
            if scan is not None:
                found[row] = _Found(paths[row], f"{part.stem if mark is None else mark['scan']}{part.suffix}", scan)
                candidates[row] = f"{folder}/*", f"{folder}/*{_tail(part, mark, told)}"
        elif mark and (part.folder, mark["scan"].casefold()) in beside:
            scan = beside[part.folder, mark["scan"].casefold()]
            found[row] = _Found(part.stem + part.suffix, f"{mark['scan']}{part.suffix}", scan)
            wide = f"*{mark['mark']}*{_suffix(part, told).removeprefix('*')}"
            candidates[row] = wide, f"*{_tail(part, mark, told)}"
    if not found or len(found) == len(sources):
        return None
    rows = tuple(found)
    patterns, n_left = _patterns(candidates, paths)
    mask, scan_name, scan = found[rows[0]]
    example = (mask, scan_name) if told is None else (told[rows[0]], told[scan])
    return Masks(rows=rows, patterns=patterns, n_left=n_left, example=example)


def _tail(part: _Parts, mark: re.Match[str] | None, told: Sequence[str] | None) -> str:
    """Return what follows the name of the scan, as a pattern."""
    after = "" if mark is None else mark["mark"] if told is not None else part.stem[mark.end("scan") :]
    return escape(after) + _suffix(part, told)


def _suffix(part: _Parts, told: Sequence[str] | None) -> str:
    """Return the suffix of a file as the end of a pattern; any end where an unusual one may be a part of a name."""
    is_usual = told is None or not part.suffix or part.suffix.lower() in _USUAL
    return escape(part.suffix) if is_usual else "*"


def _mask_folder(place: PurePosixPath) -> str | None:
    """Return the folder of masks that a file lies in: its name, with ``*/`` before it where it is not at the top."""
    for depth, name in enumerate(place.parts):
        if MASK_FOLDERS.fullmatch(name):
            return f"*/{name}" if depth else name
    return None


def masks_among(cases: ScanSet | CaseList, rows: Sequence[int] | None = None) -> Masks | None:
    """Find masks among cases, or among some of them, whose positions are then counted; see `find_masks`."""
    numbers = range(len(cases)) if rows is None else rows
    sources = [cases.sources[number] for number in numbers]
    if cases.shown is None:
        return find_masks(sources)
    return find_masks([cases.shown[number] for number in numbers], sources)


def _patterns(candidates: Mapping[int, tuple[str, str]], paths: Sequence[str]) -> tuple[tuple[str, ...], int]:
    """Return patterns that match none but masks, and how many masks none of them matches.

    Parameters
    ----------
    candidates : by the row of a mask a wide pattern, and a narrow one for where the wide one matches other cases
    """
    others = [path for row, path in enumerate(paths) if row not in candidates]
    left = list(candidates)
    patterns: list[str] = []
    for width in (0, 1):
        counts = Counter(candidates[row][width] for row in left)
        for pattern, _ in counts.most_common(_MOST_PATTERNS):
            match = matcher_of([pattern])
            unmatched = [row for row in left if match(paths[row]) is None]
            if len(unmatched) < len(left) and not any(map(match, others)):
                patterns.append(pattern)
                left = unmatched
    return tuple(patterns), len(left)
