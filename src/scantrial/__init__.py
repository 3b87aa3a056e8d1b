"""Controlled trials for biomedical image classifiers.

The public functions live in `scantrial.api`; they are loaded when first used, so that
``import scantrial`` is quick and needs no PyTorch.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_PUBLIC = (
    "about",
    "audit",
    "compare",
    "compare_arrays",
    "compare_predictions",
    "init",
    "load_scans",
    "load_study",
    "plan",
    "predict",
    "report",
    "results",
    "run",
    "show",
    "status",
    "verify",
)

__all__ = ["__version__", *_PUBLIC]  # noqa: PLE0604 - the names are resolved by __getattr__


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        api = import_module("scantrial.api")
        # Loading it sets `report` and `audit` to the packages of that name: set all names to the functions again.
        globals().update({public: getattr(api, public) for public in _PUBLIC})
        return globals()[name]
    raise AttributeError(f"module 'scantrial' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
