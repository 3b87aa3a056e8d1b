"""The losses that a recipe may name: one row each, and `LossSpec`, the choice of one with its settings.

A new loss is a head in `scantrial.nets` and a row here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from scantrial.core.format import joined, plain
from scantrial.core.registry import Registry
from scantrial.recipe.parts import NotNegative, Positive, RecipePart


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """A loss that a recipe may name.

    Parameters
    ----------
    head : ``"module:Class"`` of its `scantrial.nets.heads.Head`; text, because this module does not import PyTorch
    probabilities : the function that turns logits into probabilities
    describe : its name in the methods of a report, from the number of classes
    """

    name: str
    head: str
    probabilities: Literal["sigmoid", "softmax"]
    describe: Callable[[int], str]


def _bce(n_classes: int) -> str:
    on_one = "one output" if n_classes == 2 else "one output per class, each against the rest"
    return f"binary cross-entropy on {on_one}"


_ROWS = (
    Loss(name="bce", head="scantrial.nets.heads:BceHead", probabilities="sigmoid", describe=_bce),
    Loss(
        name="ce",
        head="scantrial.nets.heads:CeHead",
        probabilities="softmax",
        describe=lambda _: "cross-entropy on one output per class",
    ),
)

LOSSES: Registry[Loss] = Registry("loss", {row.name: row for row in _ROWS})

if TYPE_CHECKING:
    LossName = str
else:
    LossName = Literal[tuple(LOSSES)]


class LossSpec(RecipePart):
    """The loss and its head: outputs, target, probability and decision.

    Parameters
    ----------
    name : ``bce`` (one logit for two classes, one-vs-rest for more) or ``ce``
    class_weights : ``balanced`` (from the training split: n / (n_classes x n_class)), one weight for each class in the
        order of the classes, or None
    label_smoothing : epsilon; the target becomes (1 - epsilon) y + epsilon / n_classes (for ``bce`` with more than two
        classes, each against the rest: + epsilon / 2)
    focal_gamma : focusing parameter of the focal loss (Lin et al. 2017, eq. 4); 0 turns it off
    """

    name: LossName
    class_weights: Literal["balanced"] | tuple[Positive, ...] | None = None
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    focal_gamma: NotNegative = 0.0


def describe(loss: LossSpec, *, n_classes: int) -> str:
    """Return a loss and its settings in words for the methods of a report; sources as ``[@key]``."""
    parts = []
    if loss.class_weights:
        parts.append(
            "classes weighted by their inverse frequency in training"
            if loss.class_weights == "balanced"
            else f"class weights {plain(loss.class_weights)}"
        )
    parts += [f"label smoothing {loss.label_smoothing:g} [@label-smoothing]"] if loss.label_smoothing else []
    parts += [f"focal factor γ = {loss.focal_gamma:g} [@focal]"] if loss.focal_gamma else []
    return f"{LOSSES[loss.name].describe(n_classes)}{', ' if parts else ''}{joined(parts)}"
