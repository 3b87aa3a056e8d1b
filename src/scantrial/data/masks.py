"""Masks that lie beside scans and would be trained on as scans, recognised by their names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Masks:
    """Cases that look like masks of other cases.

    Parameters
    ----------
    rows : their positions among the cases
    patterns : for `data.ignore`: together they match these cases and no others
    example : the name of a mask, and of the scan that it lies beside
    """

    rows: tuple[int, ...]
    patterns: tuple[str, ...]
    example: tuple[str, str]

    @property
    def line(self) -> str:
        """The line of a study file that leaves them out."""
        shown = ", ".join(f'"{pattern}"' for pattern in self.patterns)
        return f"ignore: {shown if len(self.patterns) == 1 else f'[{shown}]'}"


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
    patterns: dict[str, None] = {}
    for row, (path, folder) in enumerate(zip(paths, in_masks, strict=True)):
        mark = _SUFFIX.fullmatch(path.stem)
        if folder is not None:
            own = {path.stem.casefold(), *([mark["scan"].casefold()] if mark else [])}
            if own & scan_stems:
                found[row] = str(path), f"{path.stem if mark is None else mark['scan']}{path.suffix}"
                patterns.setdefault(f"{folder}/*")
        elif mark and (path.parent, mark["scan"].casefold()) in beside:
            found[row] = path.name, f"{mark['scan']}{path.suffix}"
            patterns.setdefault(f"*{mark['mark']}*{path.suffix}")
    if not found or len(found) == len(paths):
        return None
    rows = tuple(found)
    return Masks(rows=rows, patterns=_that_match(tuple(patterns), sources, rows), example=found[rows[0]])


def _mask_folder(path: PurePosixPath) -> str | None:
    """Return the folder of masks that a path lies in: its name, with ``*/`` before it where it is not at the top."""
    for depth, name in enumerate(path.parts[:-1]):
        if MASK_FOLDERS.fullmatch(name):
            return f"*/{name}" if depth else name
    return None


def _that_match(patterns: tuple[str, ...], sources: Sequence[str], rows: Sequence[int]) -> tuple[str, ...]:
    """Return the patterns if they match no other case, otherwise the paths themselves."""
    match = matcher_of(patterns)
    wanted = set(rows)
    if all((match(source) is not None) == (row in wanted) for row, source in enumerate(sources)):
        return patterns
    return tuple(sources[row] for row in rows)
