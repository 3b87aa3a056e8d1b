"""Where reference data are that may not be copied into this repository."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def refdata() -> Path:
    """Return the folder that ``$SCANTRIAL_REFDATA`` names, else the one beside the checkout; skip without either."""
    beside = Path(__file__).parents[3] / "shared" / "refdata"
    folder = Path(os.environ.get("SCANTRIAL_REFDATA") or beside)
    if not folder.is_dir():
        pytest.skip("there is no folder of reference data, neither $SCANTRIAL_REFDATA nor ../shared/refdata")
    return folder.resolve()
