"""What a listing left out, in words: the keys of `Listing.left_out`, and their counts as a text."""

from __future__ import annotations

from collections.abc import Mapping

IN_MASK_FOLDERS = "files in folders of masks, beside folders of images"
NO_FILE = "rows whose file is missing"
NO_LABEL = "rows without a label"


_MOST_CLASSES = 10


def of_classes(counts: Mapping[str, int]) -> dict[str, int]:
    """Return counts of scans by class as they are told: the ten commonest classes by name, the others together."""
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    found = {f"scans of the class {name}": n for name, n in ranked[:_MOST_CLASSES]}
    others = ranked[_MOST_CLASSES:]
    return {**found, **({f"scans of {len(others):,} other classes": sum(n for _, n in others)} if others else {})}


def left_out_items(counts: Mapping[str, int]) -> list[str]:
    """Return each count with its words: ``60 files of the pattern *_mask*.png``."""
    return [f"{n:,} {words if n != 1 else _of_one(words)}" for words, n in counts.items()]


def _of_one(words: str) -> str:
    first, _, rest = words.partition(" ")
    return f"{first.removesuffix('s')} {rest}" if first.endswith("s") else words.removesuffix("s")
