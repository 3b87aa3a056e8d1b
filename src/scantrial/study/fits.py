"""Faults of a study file that show only once its scans are known; all are reported before any training."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from scantrial.analysis.metrics import metrics_for
from scantrial.core.errors import InputError, itemised
from scantrial.core.format import counted
from scantrial.core.names import listed
from scantrial.data.arm_images import decoding
from scantrial.data.scanset import CaseList, ScanSet
from scantrial.recipe.augment import colour_fault
from scantrial.recipe.networks import smallest_side
from scantrial.recipe.training import drawn_of_classes
from scantrial.study.study import Arm, Study


def refuse_what_does_not_fit(study: Study, scans: ScanSet | CaseList) -> None:
    """Refuse a primary measure, class weights, batches, colours or networks that do not fit these scans.

    Raises
    ------
    InputError
        Naming every fault.
    """
    faults = list(_faults(study, scans))
    if faults:
        raise InputError(f"the study does not fit its scans:\n{itemised(faults)}", do="correct these in the study file")


def _faults(study: Study, scans: ScanSet | CaseList) -> Iterator[str]:
    n_classes, metric = len(scans.class_names), study.spec.primary.metric
    if metric not in metrics_for(n_classes):
        known = listed(metrics_for(n_classes))
        yield f"primary.metric: {metric} needs two classes, but there are {n_classes}; use one of {known}"
    n_channels = scans.image_shape[0] if isinstance(scans, ScanSet) else study.spec.data.image.n_channels
    for arm in study.arms:
        yield from _arm_faults(arm, n_classes, n_channels=n_channels)
        if isinstance(scans, ScanSet):
            image = decoding(arm.recipe.image, study.spec.data.image)
            yield from _stride_faults(arm, scans.shaped(image).image_shape)
        if isinstance(scans, ScanSet) and arm.recipe.image is not None:
            yield from _size_faults(arm, scans.image_shape[1:])
        of_classes = np.bincount(scans.labels[scans.split == "train"]).tolist()
        yield from _step_faults(arm, sum(drawn_of_classes(arm.recipe.sampling, of_classes)))


def _step_faults(arm: Arm, n_cases: int) -> Iterator[str]:
    """Yield what does not fit an epoch of so many training cases."""
    n_steps, accumulate = math.ceil(n_cases / arm.recipe.batch_size), arm.recipe.accumulate
    if accumulate > max(1, n_steps):
        yield f"arm {arm.name}: accumulate {accumulate}, but an epoch has only {counted(n_steps, 'batch', 'batches')}"


def _size_faults(arm: Arm, own: tuple[int, ...]) -> Iterator[str]:
    image = arm.recipe.image
    if image is not None and image.crop_border is None and image.shape == own:
        size = " x ".join(map(str, own))
        yield f"arm {arm.name}: image.size {size}, which is the scans' own size: leave it out, or set data.image.size"


def _arm_faults(arm: Arm, n_classes: int, *, n_channels: int | None) -> Iterator[str]:
    weights = arm.recipe.loss.class_weights
    if isinstance(weights, tuple) and len(weights) != n_classes:
        yield f"arm {arm.name}: {len(weights)} class weights for {n_classes} classes"
    if arm.recipe.model.norm_needs_two and arm.recipe.batch_size == 1:
        yield f"arm {arm.name}: batch_size 1, but batch normalisation needs batches of two or more"
    colours = colour_fault(arm.recipe.augment, n_channels=n_channels)
    if colours is not None:
        yield f"arm {arm.name}: {colours}"


def _stride_faults(arm: Arm, image_shape: tuple[int, int, int]) -> Iterator[str]:
    _, height, width = image_shape
    smallest, model = smallest_side(arm.recipe.model), arm.recipe.model
    if min(height, width) < smallest:
        advice = "" if model.stem == "3x3" else ", or stem: 3x3"
        yield (
            f"arm {arm.name}: {model.name} with a {model.stem} stem on images of {height}x{width} pixels; it takes "
            f"{smallest}x{smallest} or more: set a larger image.size{advice}"
        )
