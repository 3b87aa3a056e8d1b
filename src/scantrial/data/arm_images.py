"""How the scans of an arm are decoded, from its recipe and the study's `data.image`."""

from __future__ import annotations

from scantrial.data.spec import ArmImageSpec, ImageSpec
from scantrial.recipe.image import ArmImage, unless_usual


def without_own_size(image: ArmImage | None, own: ImageSpec) -> ArmImage | None:
    """Return the images of an arm without a size that is that of the study anyway."""
    if image is None or image.shape is None or image.shape != own.shape:
        return image
    return unless_usual(image.model_copy(update={"size": None}))


def decoding(image: ArmImage | None, own: ImageSpec) -> ArmImageSpec | None:
    """Return how the scans of an arm are decoded; None if they are those of the study.

    Parameters
    ----------
    own : `data.image` of the study
    """
    if image is None or (image.size is None and image.crop_border is None):
        return None
    size = own.size if image.size is None else image.size
    return ArmImageSpec(**{**dict(own), "size": size}, crop_border=image.crop_border or 0.0)
