"""The batch of a training step: the network's inputs, augmented if the recipe says so, and their labels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from scantrial.data.preprocess import fit_preprocessing
from scantrial.data.scanset import Pixels
from scantrial.nets.heads import Head, Mixed
from scantrial.recipe.augment import AugmentSpec
from scantrial.recipe.spec import Recipe
from scantrial.train.augment import augmented, box_mask
from scantrial.train.draws import Boxes, CaseDraws, DrawTables, pasted_boxes
from scantrial.train.features import Inputs
from scantrial.train.scans import DeviceScans, put_on_device
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
    scans : the training scans; where none is augmented, they may be features
    labels : shape (n,), their class indices, on the same device
    cases : shape (n,), their case numbers
    spec : the recipe's augmentation, or None
    draws : of the run's seed
    """

    scans: Inputs
    labels: Tensor
    cases: NDArray[np.int64]
    spec: AugmentSpec | None
    draws: DrawTables

    def of(self, step: TrainingStep) -> Batch:
        """Return the batch of a step."""
        y_true = self.labels[step.rows]
        if self.spec is None:
            return Batch(inputs=self.scans.batch(step.rows), y_true=y_true)
        inputs, mixed = self._augmented(step.rows, self.spec, self._drawn(step), self.pixels.inputs_of)
        return Batch(inputs=inputs, y_true=y_true, mixed=mixed)

    def pictures(self, rows: NDArray[np.int64], epoch: int) -> Tensor:
        """Return training scans as they are shown in an epoch, before normalisation, in [0, 1]."""
        on_device = torch.from_numpy(rows).to(self.labels.device)
        if self.spec is None:
            return self.pixels.shares(on_device)
        return self._augmented(on_device, self.spec, self.draws.of(epoch, self.cases[rows]), lambda shares: shares)[0]

    def mixed(self, steps: Sequence[TrainingStep]) -> Mixed | None:
        """Return what the cases of some steps were mixed with, in their order, on the CPU; None where they were not."""
        if self.spec is None or not self.spec.mixes:
            return None
        found = [self._partners(self.spec, self._drawn(step)) for step in steps]
        rows = torch.from_numpy(np.concatenate([partners.rows for partners in found]))
        share = torch.from_numpy(np.concatenate([partners.share for partners in found]))
        return Mixed(y_other=self.labels.cpu()[rows], share=share)

    def _drawn(self, step: TrainingStep) -> CaseDraws:
        return self.draws.of(step.epoch, step.cases, step.repeats)

    def _augmented(
        self, rows: Tensor, spec: AugmentSpec, drawn: CaseDraws, finish: Callable[[Tensor], Tensor]
    ) -> tuple[Tensor, Mixed | None]:
        """Return some scans augmented, finished (normalised, say) and then mixed, and what they are mixed with."""
        images = finish(augmented(self.pixels.shares(rows), spec, drawn))
        if not spec.mixes:
            return images, None
        partners = self._partners(spec, drawn)
        other_rows = torch.from_numpy(partners.rows).to(self.labels.device)
        # A partner looks as it does in its own step of this epoch.
        theirs = self.draws.of(drawn.epoch, self.cases[partners.rows])
        others = finish(augmented(self.pixels.shares(other_rows), spec, theirs))
        share = torch.from_numpy(partners.share).to(images.dtype).to(images.device)
        if spec.mixup:
            images = others.lerp(images, share[:, None, None, None])
        else:
            images = torch.where(box_mask(self._boxes(spec, drawn), images), others, images)
        return images, Mixed(y_other=self.labels[other_rows], share=share)

    def _partners(self, spec: AugmentSpec, drawn: CaseDraws) -> Partners:
        """Draw each case's partner among all training cases, and its share."""
        rows = (drawn.uniform("partner")[:, 0] * len(self.cases)).astype(np.int64)
        if spec.mixup:
            return Partners(rows=rows, share=drawn.share("mixup", spec.mixup))
        height, width = self._size
        # The box is cut off at the borders: the share is what is left of the case.
        return Partners(rows=rows, share=1 - self._boxes(spec, drawn).areas(height=height, width=width))

    def _boxes(self, spec: AugmentSpec, drawn: CaseDraws) -> Boxes:
        height, width = self._size
        return pasted_boxes(1 - drawn.share("cutmix", spec.cutmix), drawn, height=height, width=width)

    @property
    def pixels(self) -> DeviceScans:
        """The training scans, where they are augmented."""
        assert isinstance(self.scans, DeviceScans)  # a recipe that augments has no features
        return self.scans

    @property
    def _size(self) -> tuple[int, int]:
        return self.pixels.pixels.shape[1], self.pixels.pixels.shape[2]


def batches_of(
    recipe: Recipe, images: Pixels, labels: NDArray[np.int64], cases: NDArray[np.int64], *, seed: int
) -> Batches:
    """Return what makes the batches of a run that is not trained here, on the CPU.

    Parameters
    ----------
    images, labels : of all cases
    cases : case numbers of the training cases, rising
    """
    # The moments of pretrained weights are not needed: pictures are taken before the affine stage.
    method = "none" if recipe.method == "pretrained" else recipe.method
    preprocessing = fit_preprocessing(
        images, cases, method, clip_percentiles=recipe.clip_percentiles, clahe=recipe.clahe
    )
    return Batches(
        scans=put_on_device(images, preprocessing, device="cpu", cases=cases),
        labels=torch.from_numpy(labels[cases]),
        cases=cases,
        spec=recipe.augment,
        draws=DrawTables(seed=seed, n_cases=len(images)),
    )
