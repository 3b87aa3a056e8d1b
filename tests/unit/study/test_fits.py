"""Faults that only show once the scans are there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from scantrial.core.errors import InputError
from scantrial.data.arm_images import decoding
from scantrial.data.scanset import ScanSet, ShapedScans
from scantrial.study.file import parse_study
from scantrial.study.fits import refuse_what_does_not_fit
from scantrial.study.study import Study


def scans_of(n_classes: int) -> ScanSet:
    n = 6 * n_classes
    return ScanSet(
        images=np.zeros((n, 8, 8), np.uint8),
        labels=np.arange(n) % n_classes,
        class_names=tuple("abcd"[:n_classes]),
        split=np.repeat(["train", "val", "test"], n // 3),
        sources=tuple(map(str, range(n))),
        patients=None,
        fingerprint="f",
        images_path=Path("images.npy"),
    )


def shaped(study: Study, *, side: int) -> ScanSet:
    """Return the scans as they are once the images of the only arm are decoded, here with so many pixels a side."""
    scans, image = scans_of(2), decoding(study.arms[0].recipe.image, study.spec.data.image)
    images = np.zeros((len(scans), side, side), np.uint8)
    own = ShapedScans(images=images, images_path=Path("own.npy"), fingerprint="g")
    return replace(scans, shapes={image: own})


def study_of(recipe: str, metric: str = "accuracy"):
    text = f"study: q\ndata: {{source: x.npz, split: given}}\nrecipe: {recipe}\nprimary: {{metric: {metric}}}\n"
    return parse_study(text.replace("x.npz", "phantom"))


def test_what_fits_is_let_through():
    """Two classes with sensitivity and two weights; three classes with accuracy."""
    refuse_what_does_not_fit(study_of("{loss: {name: ce, class_weights: [1, 2]}}", "sensitivity"), scans_of(2))
    refuse_what_does_not_fit(study_of("{loss: ce}"), scans_of(3))


def test_every_misfit_is_named_at_once():
    """A measure for two classes, too few weights and batches of one are told together, before any training."""
    recipe = "{model: mlp-64x3, batch_size: 1, loss: {name: ce, class_weights: [1, 2]}}"
    with pytest.raises(InputError) as caught:
        refuse_what_does_not_fit(study_of(recipe, "sensitivity"), scans_of(3))
    message = str(caught.value)
    assert "sensitivity needs two classes" in message
    assert "2 class weights for 3 classes" in message
    assert "batch_size 1" in message


def test_images_too_small_for_a_residual_network_are_refused_with_the_size():
    """Scans of 8 x 8: enough for a stem of 3 x 3, which halves them three times."""
    refuse_what_does_not_fit(study_of("{model: {name: resnet-10, stem: 3x3}}"), scans_of(2))
    with pytest.raises(InputError, match="resnet-10 with a 5x5 stem on images of 8x8 pixels; it takes 32x32 or more"):
        refuse_what_does_not_fit(study_of("{model: resnet-10}"), scans_of(2))


def test_a_crop_without_a_size_leaves_a_residual_network_fewer_pixels():
    """Scans of 8 x 8 without a quarter at each border have 4 x 4; with a size they have that size."""
    study = study_of("{model: {name: resnet-10, stem: 3x3}, image: {crop_border: 0.25}}")
    with pytest.raises(InputError, match="resnet-10 with a 3x3 stem on images of 4x4 pixels; it takes 8x8 or more"):
        refuse_what_does_not_fit(study, shaped(study, side=4))
    study = study_of("{model: {name: resnet-10, stem: 3x3}, image: {crop_border: 0.25, size: 8}}")
    refuse_what_does_not_fit(study, shaped(study, side=8))


def test_no_move_waits_for_more_batches_than_an_epoch_has():
    """Four training cases of two classes are four batches of one, drawn in equal numbers or not."""
    for sampling in ("shuffled", "undersampled"):
        recipe = f"{{batch_size: 1, accumulate: NUMBER, sampling: {sampling}}}"
        refuse_what_does_not_fit(study_of(recipe.replace("NUMBER", "4")), scans_of(2))
        with pytest.raises(InputError, match="arm base: accumulate 5, but an epoch has only 4 batches"):
            refuse_what_does_not_fit(study_of(recipe.replace("NUMBER", "5")), scans_of(2))


def test_a_size_that_the_scans_have_anyway_is_refused():
    """Without `data.image.size` only the scans tell that two arms would be the same."""
    study = study_of("{image: {size: 8}}")
    with pytest.raises(InputError, match=r"arm base: image\.size 8 x 8, which is the scans' own size: leave it out"):
        refuse_what_does_not_fit(study, shaped(study, side=8))
    study = study_of("{image: {size: [8, 9]}}")
    refuse_what_does_not_fit(study, shaped(study, side=9))
