"""What the record of a source counts of its DICOM files, in words."""

from __future__ import annotations

from collections.abc import Mapping

from scantrial.core.format import counted

APPLIED = {
    "padding": "padding was set to black",
    "modality_rescaling": "stored values were rescaled to measured ones",
    "modality_table": "stored values were looked up in the modality's table",
    "values_table": "gray levels come from the file's table of values of interest",
    "values_window": "gray levels come from a window",
    "values_full_range": "gray levels span the full range of stored values, as no window applies",
    "turned": "white and black were exchanged (the lowest value was white)",
}
"""What is applied to gray files, by its key in the record."""

_HEADERS = {
    "burned_in_yes": "names or other text are burned into the pixels, as the header says",
    "burned_in_no": "nothing is burned into the pixels, as the header says",
    "burned_in_unknown": "the header does not say whether names are burned into the pixels",
}


def dicom_in_words(counts: Mapping[str, int]) -> str:
    """Return the counts of ``data.json`` as sentences' parts, each with its number of files."""
    sizes = [counted(counts[key], key.removesuffix("s")) for key in ("files", "frames", "cases") if key in counts]
    kinds = [f"{counts[key]:,} {words}" for key, words in (("gray", "gray"), ("colour", "in colour")) if key in counts]
    words = {**_HEADERS, **APPLIED}
    applied = [f"{words[key]}: {counts[key]:,}" for key in words if counts.get(key)]
    return "; ".join([", ".join([*sizes, *kinds]), *applied])
