"""The batch of a training step: the network's inputs, augmented if the recipe says so, and their labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from scantrial.nets.heads import Head, Mixed
from scantrial.recipe.augment import AugmentSpec
from scantrial.train.augment import augmented, box_mask
from scantrial.train.draws import Boxes, Drawn, DrawTables, pasted_boxes
from scantrial.train.scans import DeviceScans
from scantrial.train.steps import TrainingStep


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What a step trains on.

    Parameters
    ----------
    inputs : shape (n, channels, height, width)
    y_true : shape (n,), class indices, on the same device
    mixed : what the cases were mixed with; None where they were not
    """

    inputs: Tensor
    y_true: Tensor
    mixed: Mixed | None = None

    def loss(self, head: Head, logits: Tensor) -> Tensor:
        """Return the loss of the network's logits."""
        if self.mixed is None:
            return head.loss(logits, self.y_true)
        return head.mixed_loss(logits, self.y_true, self.mixed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Partners:
    """The partners of some cases, by mixup or CutMix.

    Parameters
    ----------
    rows : shape (n,), each partner's row of the training scans
    share : shape (n,), how much of the mixture is the case itself
    """

    rows: NDArray[np.int64]
    share: NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Batches:
    """Makes the batches of a run.

    Parameters
    ----------
    scans : the training scans
    labels : shape (n,), their class indices, on the same device
    cases : shape (n,), their case numbers
    spec : the recipe's augmentation, or None
    draws : of the run's seed
    """

    scans: DeviceScans
    labels: Tensor
    cases: NDArray[np.int64]
    spec: AugmentSpec | None
    draws: DrawTables

    def of(self, step: TrainingStep) -> Batch:
        """Return the batch of a step."""
        y_true = self.labels[step.rows]
        if self.spec is None:
            return Batch(inputs=self.scans.batch(step.rows), y_true=y_true)
        drawn = self._drawn(step)
        inputs = self._changed(step.rows, self.spec, drawn)
        if not self.spec.mixes:
            return Batch(inputs=inputs, y_true=y_true)
        partners = self._partners(self.spec, drawn)
        rows = torch.from_numpy(partners.rows).to(self.labels.device)
        # A partner looks as it does in its own step of this epoch.
        others = self._changed(rows, self.spec, self.draws.of(step.epoch, self.cases[partners.rows]))
        share = torch.from_numpy(partners.share).to(inputs.dtype).to(inputs.device)
        if self.spec.mixup:
            inputs = others.lerp(inputs, share[:, None, None, None])
        else:
            inputs = torch.where(box_mask(self._boxes(self.spec, drawn), inputs), others, inputs)
        return Batch(inputs=inputs, y_true=y_true, mixed=Mixed(y_other=self.labels[rows], share=share))

    def mixed(self, steps: Sequence[TrainingStep]) -> Mixed | None:
        """Return what the cases of some steps were mixed with, in their order, on the CPU; None where they were not."""
        if self.spec is None or not self.spec.mixes:
            return None
        found = [self._partners(self.spec, self._drawn(step)) for step in steps]
        rows = torch.from_numpy(np.concatenate([partners.rows for partners in found]))
        share = torch.from_numpy(np.concatenate([partners.share for partners in found]))
        return Mixed(y_other=self.labels.cpu()[rows], share=share)

    def _drawn(self, step: TrainingStep) -> Drawn:
        return self.draws.of(step.epoch, step.cases)

    def _changed(self, rows: Tensor, spec: AugmentSpec, drawn: Drawn) -> Tensor:
        return self.scans.inputs_of(augmented(self.scans.shares(rows), spec, drawn))

    def _partners(self, spec: AugmentSpec, drawn: Drawn) -> Partners:
        """Draw each case's partner among all training cases, and its share."""
        rows = (drawn.uniform("partner")[:, 0] * len(self.cases)).astype(np.int64)
        if spec.mixup:
            return Partners(rows=rows, share=drawn.share("mixup", spec.mixup))
        height, width = self._size
        # The box is cut off at the borders: the share is what is left of the case.
        return Partners(rows=rows, share=1 - self._boxes(spec, drawn).areas(height=height, width=width))

    def _boxes(self, spec: AugmentSpec, drawn: Drawn) -> Boxes:
        height, width = self._size
        return pasted_boxes(1 - drawn.share("cutmix", spec.cutmix), drawn, height=height, width=width)

    @property
    def _size(self) -> tuple[int, int]:
        return self.scans.pixels.shape[1], self.scans.pixels.shape[2]
