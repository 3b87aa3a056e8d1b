"""What a listing left out, in words: the keys of `Listing.left_out`, and their counts as a text."""

from __future__ import annotations

from collections.abc import Mapping

IN_MASK_FOLDERS = "files in folders of masks, beside folders of images"
NO_FILE = "rows whose file is missing"
NO_LABEL = "rows without a label"


def of_class(name: str) -> str:
    """Return the words for scans of a class that `data.classes` does not name."""
    return f"scans of the class {name}"


def left_out_items(counts: Mapping[str, int]) -> list[str]:
    """Return each count with its words: ``60 files of the pattern *_mask*.png``."""
    return [f"{n:,} {words if n != 1 else _of_one(words)}" for words, n in counts.items()]


def _of_one(words: str) -> str:
    first, _, rest = words.partition(" ")
    return f"{first.removesuffix('s')} {rest}"
