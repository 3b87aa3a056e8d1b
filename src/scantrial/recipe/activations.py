"""Activations by their `torch.nn` names, with their arguments, known without PyTorch.

Element-wise modules only: ``GLU``, ``Softmax`` and ``MultiheadAttention`` change shapes or mix
elements and are no activation of a hidden layer. A test holds this table against `torch.nn`.
"""

from __future__ import annotations

import math
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, field_validator, model_validator

from scantrial.core.format import plain
from scantrial.core.names import listed
from scantrial.recipe.parts import named, unknown_name

ACTIVATIONS: dict[str, tuple[str, ...]] = {
    "CELU": ("alpha",),
    "ELU": ("alpha",),
    "GELU": ("approximate",),
    "Hardshrink": ("lambd",),
    "Hardsigmoid": (),
    "Hardswish": (),
    "Hardtanh": ("min_val", "max_val"),
    "Identity": (),
    "LeakyReLU": ("negative_slope",),
    "LogSigmoid": (),
    "Mish": (),
    "PReLU": ("num_parameters", "init"),
    "RReLU": ("lower", "upper"),
    "ReLU": (),
    "ReLU6": (),
    "SELU": (),
    "SiLU": (),
    "Sigmoid": (),
    "Softplus": ("beta", "threshold"),
    "Softshrink": ("lambd",),
    "Softsign": (),
    "Tanh": (),
    "Tanhshrink": (),
    "Threshold": ("threshold", "value"),
}

REQUIRED_ARGUMENTS: dict[str, tuple[str, ...]] = {"Threshold": ("threshold", "value")}
"""Arguments without a default in `torch.nn`."""


class ActivationSpec(BaseModel):
    """A `torch.nn` activation by its name, with its own arguments: ``{name: LeakyReLU, negative_slope: 0.1}``.

    Parameters
    ----------
    name : its name in `torch.nn`, such as ``ReLU``
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    name: str

    @property
    def arguments(self) -> dict[str, Any]:
        """The keyword arguments for the module."""
        return dict(self.model_extra or {})

    @field_validator("name")
    @classmethod
    def _known(cls, name: str) -> str:
        if name not in ACTIVATIONS:
            raise unknown_name("torch.nn has no element-wise activation", name, ACTIVATIONS)
        return name

    @model_validator(mode="after")
    def _arguments_known(self) -> ActivationSpec:
        for argument, value in self.arguments.items():
            if argument not in ACTIVATIONS[self.name]:
                known = listed(ACTIVATIONS[self.name]) or "no arguments"
                raise ValueError(f"{self.name} takes no argument {argument!r}; it takes {known}")
            _check_argument(self.name, argument, value)
        missing = [name for name in REQUIRED_ARGUMENTS.get(self.name, ()) if name not in self.arguments]
        if missing:
            raise ValueError(f"{self.name} needs {listed(missing)}: torch.nn has no default")
        bounds = {"min_val": -1.0, "max_val": 1.0, "lower": 1 / 8, "upper": 1 / 3, **self.arguments}
        if bounds["min_val"] >= bounds["max_val"] or bounds["lower"] > bounds["upper"]:
            raise ValueError(f"{self.name}: the lower bound must be below the upper one, not {self.arguments}")
        return self


def _check_argument(activation: str, argument: str, value: Any) -> None:
    if argument == "approximate":
        good, kind = value in ("none", "tanh"), "'none' or 'tanh'"
    elif argument == "num_parameters":
        good, kind = type(value) is int and 1 <= value <= 1_000_000, "a whole number, 1 or more"
    else:
        good, kind = type(value) in (int, float) and abs(value) < math.inf, "a finite number"
    if not good:
        raise ValueError(f"{activation}: {argument} must be {kind}, not {value!r}")


Activation = Annotated[ActivationSpec, BeforeValidator(named)]


def describe(activation: ActivationSpec) -> str:
    """Return an activation with its arguments in words for the methods of a report."""
    arguments = [f"{name} = {plain(value)}" for name, value in activation.arguments.items()]
    said = f"{activation.name} activations"
    return f"{said} ({', '.join(arguments)})" if arguments else said
