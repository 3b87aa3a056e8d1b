"""A custom `torch.nn.Module`, by its import path."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

from scantrial.core.errors import TrainingError
from scantrial.core.names import listed, nearest
from scantrial.recipe.spec import ModelSpec


def build_custom(spec: ModelSpec, image_shape: tuple[int, int, int], n_outputs: int) -> nn.Module:
    """Import ``package.module:Class`` and construct it.

    The constructor receives `spec.args`, and `image_shape` (channels, height, width) and `n_outputs` if its signature
    has them. The class sets its own initial weights; the caller seeds PyTorch's generator.

    Raises
    ------
    TrainingError
        If it cannot be imported, does not exist, is not a `torch.nn.Module`, or its constructor fails; with the cause.
    """
    factory = _import_class(spec.name)
    arguments = {**_offered(factory, image_shape=image_shape, n_outputs=n_outputs), **(spec.args or {})}
    try:
        network = factory(**arguments)
    except Exception as error:
        raise TrainingError(
            f"{spec.name} could not be constructed with {_shown(arguments)}: {type(error).__name__}: {error}",
            expected="a constructor that takes model.args, and optionally image_shape and n_outputs",
        ) from error
    if not isinstance(network, nn.Module):
        raise TrainingError(f"{spec.name} returned a {type(network).__name__}", expected="a torch.nn.Module")
    return network


def _import_class(path: str) -> Callable[..., Any]:
    module_name, _, attribute = path.partition(":")
    try:
        module = importlib.import_module(module_name)
    except Exception as error:
        raise TrainingError(
            f"the network {path} could not be imported: {type(error).__name__}: {error}",
            expected="package.module:Class, importable from where scantrial runs",
            do="install the package, or add its folder to PYTHONPATH",
        ) from error
    found = getattr(module, attribute, None)
    if not callable(found):
        classes = [name for name, item in vars(module).items() if inspect.isclass(item) and issubclass(item, nn.Module)]
        guess = nearest(attribute, classes)
        raise TrainingError(
            f"{module_name} has no class {attribute!r}" + (f" (did you mean {guess!r}?)" if guess else ""),
            expected=f"one of {listed(sorted(classes))}" if classes else "a module that defines a torch.nn.Module",
        )
    return found  # type: ignore[no-any-return]


def _offered(factory: Callable[..., Any], **available: Any) -> dict[str, Any]:
    """Return the entries of `available` that the constructor's signature has."""
    try:
        names = inspect.signature(factory).parameters
    except (TypeError, ValueError):
        return {}
    return {name: value for name, value in available.items() if name in names}


def _shown(arguments: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in arguments.items()) or "no arguments"
