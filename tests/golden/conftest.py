"""Where published data sets lie that are not ours to ship."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

BESIDE = Path(__file__).resolve().parents[3] / "shared" / "refdata"


@pytest.fixture(scope="session")
def refdata() -> Path:
    """Return the folder of reference data: $SCANTRIAL_REFDATA, or ../shared/refdata beside the checkout."""
    folder = Path(os.environ.get("SCANTRIAL_REFDATA") or BESIDE)
    if not folder.is_dir():
        pytest.skip("there is no folder of reference data; $SCANTRIAL_REFDATA names one")
    return folder
