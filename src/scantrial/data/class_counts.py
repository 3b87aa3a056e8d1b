"""For which parts of a split the design fixes how many cases of each class there are."""

from __future__ import annotations

from scantrial.core.records import SPLITS, Split
from scantrial.data.catalogue import CATALOGUE
from scantrial.data.spec import DataSpec, SourceSpec

_PHANTOM = "phantom"


def fixed_class_counts(data: DataSpec) -> tuple[Split, ...]:
    """Name the parts whose class counts the design fixes, in the order train, val, test.

    Numbers per class fix them. Fractions and folds divide every class as asked (as closely as whole patients allow), so
    that no class count is left to chance once the source is there. A part that is ``given`` has the counts of its
    source: fixed where the source was made that way, which is known of the phantom and stated in the catalogue.
    """
    split = data.split
    if split.kind in ("folds", "cross-validation"):
        return SPLITS
    shares = {part: getattr(split, part) for part in SPLITS}
    if shares["train"] is None and "given" in shares.values() and split.kind == "fractions":
        shares["train"] = "rest"
    return tuple(
        part
        for part, share in shares.items()
        if share is not None and (share != "given" or _is_made_so(data.source, part))
    )


def _is_made_so(source: SourceSpec, part: Split) -> bool:
    if source.name == _PHANTOM:
        # Labels of training scans may be flipped by chance, those of test scans never are.
        return part == "test" or not source.options.get("label_noise")
    return source.name in CATALOGUE and CATALOGUE[source.name].class_counts_fixed
