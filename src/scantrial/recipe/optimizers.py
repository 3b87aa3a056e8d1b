"""The optimisers that a recipe may name: their settings, and what a report calls them.

`scantrial.train.optimizers` builds each; a test holds its table to this one.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from scantrial.core.format import plain
from scantrial.core.registry import Registry
from scantrial.recipe.parts import NotNegative, Positive, RecipePart

OPTIMIZERS: Registry[str] = Registry(
    "optimizer", {"adam": "Adam [@adam]", "adamw": "AdamW [@adamw]", "sgd": "stochastic gradient descent"}
)
"""The name of each in the methods of a report; sources as ``[@key]``."""


class AdamSpec(RecipePart):
    """Adam (Kingma and Ba 2015) with weight decay as L2 penalty, or AdamW (Loshchilov and Hutter 2019), decoupled.

    Parameters
    ----------
    name : ``adam`` or ``adamw``
    lr : learning rate
    betas : decay of the running means of the gradient and of its square
    eps : added to the denominator
    weight_decay : 0 turns it off; by default 0 for ``adam`` and 0.01 for ``adamw``, as in PyTorch
    """

    name: Literal["adam", "adamw"]
    lr: Positive = 1e-3
    betas: tuple[Annotated[float, Field(ge=0, lt=1)], Annotated[float, Field(ge=0, lt=1)]] = (0.9, 0.999)
    eps: Positive = 1e-8
    weight_decay: NotNegative = 0.0

    @model_validator(mode="before")
    @classmethod
    def _spell_out(cls, value: Any) -> Any:
        if isinstance(value, dict) and value.get("name") == "adamw":
            return {"weight_decay": 0.01, **value}
        return value


class SgdSpec(RecipePart):
    """Stochastic gradient descent, with momentum or Nesterov's momentum.

    Parameters
    ----------
    name : ``sgd``
    lr : learning rate
    momentum : 0 turns it off
    nesterov : Nesterov's momentum; needs a momentum above 0
    weight_decay : as L2 penalty; 0 turns it off
    """

    name: Literal["sgd"]
    lr: Positive = 1e-2
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.0
    nesterov: bool = False
    weight_decay: NotNegative = 0.0

    @model_validator(mode="after")
    def _nesterov_has_momentum(self) -> SgdSpec:
        if self.nesterov and self.momentum == 0:
            raise ValueError("nesterov needs momentum above 0")
        return self


Optimizer = Annotated[AdamSpec | SgdSpec, Field(discriminator="name")]


def describe(optimizer: Optimizer) -> str:
    """Return an optimiser and its settings in words for the methods of a report; sources as ``[@key]``."""
    parts = [f"learning rate {optimizer.lr:g}"]
    if isinstance(optimizer, AdamSpec):
        parts.append(f"β = {plain(optimizer.betas)}, ε = {optimizer.eps:g}")
    else:
        parts += [f"momentum {optimizer.momentum:g}"] if optimizer.momentum else []
        parts += ["Nesterov's"] if optimizer.nesterov else []
    parts += [f"weight decay {optimizer.weight_decay:g}"] if optimizer.weight_decay else []
    return f"{OPTIMIZERS[optimizer.name]} with {', '.join(parts)}"
