"""Several networks as one: its logits are the mean of theirs."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn


class Ensemble(nn.Module):
    """Networks that were trained apart (Lakshminarayanan et al. 2017), evaluated together.

    The mean of logits is the mean of log odds: for two classes, the odds are the geometric mean of the networks' odds.

    Parameters
    ----------
    members : networks with the same input and the same number of outputs
    """

    def __init__(self, members: Iterable[nn.Module]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)

    @staticmethod
    def weight_name(number: int, name: str) -> str:
        """Return the name in an ensemble of a weight of one of its networks."""
        return f"members.{number}.{name}"

    def forward(self, x: Tensor) -> Tensor:
        """Return the mean logits, shape (n, n_outputs)."""
        return torch.stack([member(x).float() for member in self.members]).mean(dim=0)
