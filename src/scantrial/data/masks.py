"""Masks that lie beside scans and would be trained on as scans, recognised by their names."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from glob import escape
from pathlib import PurePosixPath

from scantrial.data.ignore import matcher_of

_WORDS = "masks?|seg|segmentations?|segm|labels?|annotations?|annot|contours?|roi|gt|ground_?truth|lesion|superpixels"
_SUFFIX = re.compile(rf"(?P<scan>.+?)(?P<mark>[ _.-]+(?:{_WORDS}))(?:[ _.-]*\d+)?", re.IGNORECASE)

MASK_FOLDERS = re.compile(
    "masks?|segmentations?|segmentation[ _-]masks?|ground[ _-]?truths?|gt|annotations?|labels?|lung[ _-]masks?",
    re.IGNORECASE,
)
"""Names of folders of masks, where they lie beside folders of scans."""

IMAGE_FOLDERS = re.compile("images?|imgs?|scans?|pictures?|photos?|originals?|raw", re.IGNORECASE)
"""Names of folders of scans beside folders of masks."""

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


def find_masks(sources: Sequence[str]) -> Masks | None:
    """Find cases called X_mask.png (or _seg, _label ...) beside X.png, and cases in a folder of masks.

    A case in a folder whose name is that of masks counts where another folder holds a scan of the same name.
    None if there are none, or if they are all that there is.
    """
    paths = [PurePosixPath(source) for source in sources]
    beside = {(path.parent, path.stem.casefold()) for path in paths}
    in_masks = [_mask_folder(path) for path in paths]
    scan_stems = {path.stem.casefold() for path, folder in zip(paths, in_masks, strict=True) if folder is None}
    found: dict[int, tuple[str, str]] = {}
    candidates: dict[int, tuple[str, str]] = {}
    for row, (path, folder) in enumerate(zip(paths, in_masks, strict=True)):
        mark = _SUFFIX.fullmatch(path.stem)
        if folder is not None:
            own = {path.stem.casefold(), *([mark["scan"].casefold()] if mark else [])}
            if own & scan_stems:
                found[row] = str(path), f"{path.stem if mark is None else mark['scan']}{path.suffix}"
                candidates[row] = f"{folder}/*", f"{folder}/*{_tail(path, mark)}"
        elif mark and (path.parent, mark["scan"].casefold()) in beside:
            found[row] = path.name, f"{mark['scan']}{path.suffix}"
            candidates[row] = f"*{mark['mark']}*{escape(path.suffix)}", f"*{_tail(path, mark)}"
    if not found or len(found) == len(paths):
        return None
    rows = tuple(found)
    patterns, n_left = _patterns(candidates, sources)
    return Masks(rows=rows, patterns=patterns, n_left=n_left, example=found[rows[0]])


def _tail(path: PurePosixPath, mark: re.Match[str] | None) -> str:
    """Return what follows the name of the scan, as a pattern."""
    return escape(("" if mark is None else path.stem[mark.end("scan") :]) + path.suffix)


def _mask_folder(path: PurePosixPath) -> str | None:
    """Return the folder of masks that a path lies in: its name, with ``*/`` before it where it is not at the top."""
    for depth, name in enumerate(path.parts[:-1]):
        if MASK_FOLDERS.fullmatch(name):
            return f"*/{name}" if depth else name
    return None


def _patterns(candidates: Mapping[int, tuple[str, str]], sources: Sequence[str]) -> tuple[tuple[str, ...], int]:
    """Return patterns that match none but masks, and how many masks none of them matches.

    Parameters
    ----------
    candidates : by the row of a mask a wide pattern, and a narrow one for where the wide one matches other cases
    """
    others = [source for row, source in enumerate(sources) if row not in candidates]
    left = list(candidates)
    patterns: list[str] = []
    for width in (0, 1):
        counts = Counter(candidates[row][width] for row in left)
        for pattern, _ in counts.most_common(_MOST_PATTERNS):
            match = matcher_of([pattern])
            unmatched = [row for row in left if match(sources[row]) is None]
            if len(unmatched) < len(left) and not any(map(match, others)):
                patterns.append(pattern)
                left = unmatched
    return tuple(patterns), len(left)
