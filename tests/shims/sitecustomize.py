"""Lets torchvision be imported beside a PyTorch that it was not built for, as in the tests: PyTorch's CPU build.

Python runs this file where its folder is on PYTHONPATH. torchvision's own library of operators is not loaded then, and
its Python code refuses to be imported without two of them. They are declared just before it is; nothing calls them.
"""

from __future__ import annotations

import importlib.abc
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from importlib.metadata import version
from types import ModuleType

_OPERATORS = ("nms", "qnms")


class _DeclareFirst(importlib.abc.MetaPathFinder):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname == "torchvision":
            uninstall()
            declare()
        return None


_FINDER = _DeclareFirst()
_KEPT: list[object] = []
"""What is declared is forgotten with the object that declared it."""


def install() -> None:
    """Declare the operators when torchvision is imported, unless it has been."""
    if "torchvision" not in sys.modules and _FINDER not in sys.meta_path:
        sys.meta_path.insert(0, _FINDER)


def uninstall() -> None:
    """Undo `install`."""
    sys.meta_path.remove(_FINDER)


def declare() -> None:
    """Declare the operators that torchvision's Python code expects of its library, if that cannot be loaded."""
    import torch
    from torch.library import Library

    if "+cpu" in torch.__version__ and "+cpu" not in version("torchvision"):
        library = Library("torchvision", "FRAGMENT")
        for name in _OPERATORS:
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _KEPT.append(library)


if __name__ == "sitecustomize":
    install()
