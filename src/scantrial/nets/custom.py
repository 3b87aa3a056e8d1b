"""A custom `torch.nn.Module`, by its import path."""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any, TypeGuard, cast

from torch import nn

from scantrial.core.custom_code import CustomClass, SourceFile, allowed_class, allowed_classes
from scantrial.core.errors import ScantrialError, TrainingError
from scantrial.core.names import listed, nearest
from scantrial.recipe.networks import ModelSpec


def build_custom(spec: ModelSpec, image_shape: tuple[int, int, int], n_outputs: int) -> nn.Module:
    """Import ``package.module:Class``, if that is allowed (`scantrial.core.custom_code`), and construct it.

    The constructor receives `spec.args`, and `image_shape` (channels, height, width) and `n_outputs` if its signature
    has them. The class sets its own initial weights; the caller seeds PyTorch's generator.

    Raises
    ------
    InputError
        If its import is not allowed in this process.
    TrainingError
        If its files have changed since it was allowed, it cannot be imported, does not exist, is not a
        `torch.nn.Module` that this module defines, or its constructor fails; with the cause.
    """
    network_class = import_class(allowed_class(spec.name))
    arguments = {**_offered(network_class, image_shape=image_shape, n_outputs=n_outputs), **(spec.args or {})}
    try:
        network = network_class(**arguments)
    except Exception as error:
        raise TrainingError(
            f"{spec.name} could not be constructed with {_shown(arguments)}: {type(error).__name__}: {error}",
            expected="a constructor that takes model.args, and optionally image_shape and n_outputs",
        ) from error
    if not issubclass(type(network), nn.Module):
        raise TrainingError(f"{spec.name} returned a {type(network).__name__}", expected="a torch.nn.Module")
    return network


def import_class(item: CustomClass) -> type[nn.Module]:
    """Import a class from exactly the files that were allowed, and check that it is a network. Nothing is called.

    Raises
    ------
    TrainingError
        See `build_custom`.
    """
    try:
        module = _import_module(item)
    except ScantrialError:
        raise
    except Exception as error:
        raise TrainingError(
            f"the network {item.name} could not be imported: {type(error).__name__}: {error}",
            expected="package.module:Class, importable from where scantrial runs",
            do="install what it needs, or add its folder to PYTHONPATH; a module beside the network is found only if "
            "an import statement names it",
        ) from error
    module_name, _, attribute = item.name.partition(":")
    # Not getattr: a module's own __getattr__ would be called with a name from the study.
    found = vars(module).get(attribute)
    if not _is_network(found):
        classes = [name for name, value in vars(module).items() if _is_network(value)]
        guess = nearest(attribute, classes)
        there = attribute in vars(module)
        what = f"{item.name} is no class of networks" if there else f"{module_name} has no class {attribute!r}"
        raise TrainingError(
            what + (f" (did you mean {guess!r}?)" if guess else ""),
            expected=f"one of {listed(sorted(classes))}" if classes else "a module that defines a torch.nn.Module",
        )
    if found.__module__ != module_name:
        raise TrainingError(
            f"{item.name} is defined in another module",
            expected="a class under the name of the module that defines it",
            do=f"write {found.__module__}:{found.__name__}",
        )
    return found


def _is_network(found: object) -> TypeGuard[type[nn.Module]]:
    """Return whether something is a class of networks, without calling any of its methods."""
    return issubclass(type(found), type) and issubclass(cast(type, found), nn.Module)


class _Loader(importlib.machinery.SourceFileLoader):
    """Runs the source that was allowed, and neither a cached compilation nor a file that has changed since."""

    def __init__(self, source: SourceFile) -> None:
        super().__init__(source.module, source.path)
        self._sha256 = source.sha256

    def get_code(self, fullname: str) -> CodeType:  # noqa: ARG002 - importlib's
        content = Path(self.path).read_bytes()
        if sha256(content).hexdigest() != self._sha256:
            raise TrainingError(
                f"{self.path} has changed since it was allowed",
                do="read it; if you trust it, run the same command with --trust-code",
            )
        return self.source_to_code(content, self.path)


class _Finder(importlib.abc.MetaPathFinder):
    """Finds the modules of the classes that are allowed now, in the files that were allowed and nowhere else."""

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,  # noqa: ARG002 - importlib's
        target: ModuleType | None = None,  # noqa: ARG002 - importlib's
    ) -> importlib.machinery.ModuleSpec | None:
        for item in allowed_classes():
            for source in item.modules:
                if source.module == fullname:
                    return _module_spec(source, installed=item.installed)
        return None


_FINDER = _Finder()


def _import_module(item: CustomClass) -> ModuleType:
    """Import the module of a class, and before it the packages around it."""
    others = {source.module: source for other in allowed_classes() for source in other.modules}
    for source in item.modules:
        if source.module in sys.modules:
            _refuse_namesake(source, getattr(sys.modules[source.module], "__file__", None))
        if others.get(source.module, source).path != source.path:
            _refuse_namesake(source, others[source.module].path)
    if _FINDER not in sys.meta_path:
        # It stays: a network may import when it is constructed or applied. Where nothing is allowed it finds nothing.
        sys.meta_path.insert(0, _FINDER)
    return importlib.import_module(item.sources[-1].module)


def _module_spec(source: SourceFile, *, installed: bool) -> importlib.machinery.ModuleSpec:
    """Describe a module to Python; if it is an installed package, with the folder in which its other modules lie."""
    if source.sha256 is None:
        spec = importlib.machinery.ModuleSpec(source.module, None, is_package=True)
        spec.submodule_search_locations = [source.path] if installed else []
        return spec
    inside: list[str] | None = [str(Path(source.path).parent)] if source.is_package else None
    found = importlib.util.spec_from_file_location(
        source.module, source.path, loader=_Loader(source), submodule_search_locations=inside
    )
    assert found is not None  # a loader was given
    if source.is_package and not installed:
        found.submodule_search_locations = []  # else Python would look there by itself, for compiled files too
    return found


def _refuse_namesake(source: SourceFile, origin: str | None) -> None:
    """Refuse a module of another file, `origin`, that has the same name in this process."""
    if source.sha256 is None and origin is None:
        return
    if origin is None or source.sha256 is None or not Path(origin).samefile(source.path):
        raise TrainingError(
            f"the module {source.module} is {source.path}, but this process has loaded {origin or 'another one'}",
            do="give one of them another name, or use a new process",
        )


def _offered(factory: Callable[..., Any], **available: Any) -> dict[str, Any]:
    """Return the entries of `available` that the constructor's signature has."""
    try:
        names = inspect.signature(factory).parameters
    except (TypeError, ValueError):
        return {}
    return {name: value for name, value in available.items() if name in names}


def _shown(arguments: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in arguments.items()) or "no arguments"
