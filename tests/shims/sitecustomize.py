"""Lets torchvision be imported beside a PyTorch that it was not built for, as in the tests: PyTorch's CPU build.

Python runs this file where its folder is on PYTHONPATH. torchvision's own library of operators is not loaded then, and
its Python code refuses to be imported without two of them. They are declared just before it is; nothing calls them.
"""

from __future__ import annotations

import importlib.abc
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType

_OPERATORS = ("nms", "qnms")


class _DeclareFirst(importlib.abc.MetaPathFinder):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname == "torchvision":
            sys.meta_path.remove(self)
            declare()
        return None


_KEPT: list[object] = []
"""What is declared is forgotten with the object that declared it."""


def declare() -> None:
    """Declare the operators that torchvision's Python code expects of its library."""
    from torch.library import Library

    library = Library("torchvision", "FRAGMENT")
    for name in _OPERATORS:
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _KEPT.append(library)


sys.meta_path.insert(0, _DeclareFirst())
