"""For which splits of a study the design fixed how many cases of each class there are."""

from __future__ import annotations

from scantrial.core.records import Split
from scantrial.data.class_counts import fixed_class_counts
from scantrial.data.spec import DataSpec
from scantrial.findings.reading import StudyData
from scantrial.recipe.plan import read_typed


def fixed_splits(study: StudyData) -> tuple[Split, ...]:
    """Name the splits whose class counts the design fixed; none where the plan names no split."""
    stated = study.plan.data
    return fixed_class_counts(read_typed(DataSpec, stated, where="plan.json")) if stated else ()
