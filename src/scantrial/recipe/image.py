"""What an arm makes of the scans before its network sees them: their size, a crop, their contrast."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator

from scantrial.core.plain import Plain
from scantrial.recipe.parts import RecipePart, Side, none_word

SIZE = "image.size"
"""The dotted key of an arm's size."""

CHANGING = ("equalize", "clahe")
"""The normalisations that make other pixels of an image's, beside clipping at percentiles."""

Percentile = Annotated[float, Field(ge=0, le=100)]


class ArmImage(RecipePart):
    """The images of one arm, where they differ from those of the study.

    What is left out, or says what holds anyway, is None.

    Parameters
    ----------
    size : side in pixels of the square images, or (height, width), decoded from the scans themselves; ``none`` takes
        `data.image.size`
    crop_border : share of the height and of the width to cut off at each border, before resizing; at most 0.4
    clip_percentiles : clip each channel of each image at these two of its percentiles, and stretch what is between to
        the full range; ``none`` does not
    """

    size: Annotated[Side | tuple[Side, Side] | None, BeforeValidator(none_word)] = None
    crop_border: Annotated[float, Field(ge=0, le=0.4)] | None = None
    clip_percentiles: Annotated[tuple[Percentile, Percentile] | None, BeforeValidator(none_word)] = None

    @field_validator("size")
    @classmethod
    def _square_in_short(cls, size: int | tuple[int, int] | None) -> int | tuple[int, int] | None:
        return size[0] if isinstance(size, tuple) and size[0] == size[1] else size

    @field_validator("crop_border")
    @classmethod
    def _no_crop(cls, share: float | None) -> float | None:
        return share or None

    @field_validator("clip_percentiles")
    @classmethod
    def _rising(cls, percentiles: tuple[float, float] | None) -> tuple[float, float] | None:
        if percentiles is not None and percentiles[0] >= percentiles[1]:
            low, high = percentiles
            raise ValueError(f"got [{low:g}, {high:g}]; expected the lower percentile first, such as [1, 99]")
        return percentiles

    @property
    def shape(self) -> tuple[int, int] | None:
        """(height, width), or None for those of the study."""
        return (self.size, self.size) if isinstance(self.size, int) else self.size


def own_size(size: int | Sequence[int] | None) -> int | list[int] | str:
    """Return the size of an arm that has none of its own, as a table of arms shows it."""
    return "as in the files" if size is None else size if isinstance(size, int) else list(size)


def unless_usual(value: ArmImage | None) -> ArmImage | None:
    """Return None for images like those of the study, so that spelling this out makes no other recipe."""
    return None if value == ArmImage() else value


@dataclass(frozen=True, slots=True, kw_only=True)
class Clahe(Plain):
    """Settings of contrast-limited adaptive histogram equalisation.

    Parameters
    ----------
    clip_limit : the largest height of a bin of a tile's histogram, as a multiple of the mean height
    tiles : tiles along each side of an image, at most
    """

    clip_limit: float = 2.0
    tiles: int = 8


class ClaheSpec(RecipePart):
    """Contrast-limited adaptive histogram equalisation.

    Parameters
    ----------
    name : ``clahe``
    clip_limit : the largest height of a bin of a tile's histogram, as a multiple of the mean height; 1 hardly changes
        an image, 256 does not limit the contrast
    tiles : tiles along each side of an image, each with a histogram of its own
    """

    name: Literal["clahe"]
    clip_limit: Annotated[float, Field(ge=1, le=256)] = Clahe().clip_limit
    tiles: Annotated[int, Field(ge=1, le=64)] = Clahe().tiles


CLAHE = ClaheSpec(name="clahe")
"""The usual settings, which the bare name means."""


def name_if_usual(value: Any) -> Any:
    """Return the bare name of a normalisation with the usual settings, so that both spellings are one recipe."""
    return value.name if value == CLAHE else value


def bare_name(value: Any) -> Any:
    """Return the name of ``{name: ...}`` with nothing else in it."""
    return value["name"] if isinstance(value, dict) and set(value) == {"name"} else value


def describe_clahe(spec: ClaheSpec) -> str:
    """Return its description in the methods of a report."""
    return (
        f"each image was equalised in at most {spec.tiles} × {spec.tiles} tiles with a clip limit of "
        f"{spec.clip_limit:g} (contrast-limited adaptive histogram equalisation [@clahe; @ahe], by scikit-image "
        "[@scikit-image]) and its pixels divided by the largest value of their type"
    )


def describe_contrast(image: ArmImage | None) -> str:
    """Return what was done to the contrast before normalisation, for the methods of a report; empty if nothing."""
    if image is None or image.clip_percentiles is None:
        return ""
    low, high = image.clip_percentiles
    return f"each image was clipped at its percentiles {low:g} and {high:g} and stretched to the full range"
