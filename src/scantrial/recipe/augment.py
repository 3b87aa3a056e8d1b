"""Augmentation: what may be changed at random in a training scan, the presets, and what a report calls it.

`scantrial.train.augment` does it. Every operation is off at its default, and draws from a stream of its own, so that
switching one on changes no other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from scantrial.core.format import joined, percent
from scantrial.core.registry import Registry
from scantrial.recipe.parts import RecipePart, unknown_name

Share = Annotated[float, Field(ge=0, lt=1)]

PRESETS: Registry[Mapping[str, Any]] = Registry(
    "preset of augmentation",
    {
        "radiograph": {"rotate": 10.0, "shift": 0.1, "scale": 0.15, "brightness": 0.1},
        "histology": {
            "symmetries": True,
            "scale": 0.2,
            "elastic": 0.013,
            "brightness": 0.35,
            "contrast": 0.5,
            "saturation": 0.1,
            "hue": 0.1,
            "noise": 0.1,
            "fill": "reflect",
        },
        "dermoscopy": {
            "rotate": 90.0,
            "shear": 20.0,
            "scale": 0.1,
            "flip": "both",
            "crop": 0.4,
            "brightness": 0.3,
            "contrast": 0.3,
            "saturation": 0.3,
            "hue": 0.1,
            "fill": "reflect",
        },
        "oct": {
            "rotate": 10.0,
            "shift": 0.2,
            "scale": 0.13,
            "flip": "horizontal",
            "brightness": 0.2,
            "contrast": 0.2,
            "blur": 0.6,
        },
    },
)
"""What each preset switches on. A preset never changes: a better one gets another name.

radiograph
    Rotation, shift, zoom and brightness as in the code of COVID-Net (Wang, Lin and Wong 2020), borders black. Its
    horizontal flip is left out: it would move the heart to the other side.
histology
    Tellez et al. 2019, the set "HSV-light": quarter turns and mirror images, scale 0.8 to 1.2, elastic deformation,
    noise, brightness 0.65 to 1.35, contrast 0.5 to 1.5, hue and saturation 0.1. Their elastic deformation (alpha 100,
    sigma 10 on patches of 128 pixels) has a standard deviation of 1.6 pixels, 0.013 of the side. Their blur of at most
    0.1 pixels changes nothing and is left out.
dermoscopy
    Perez et al. 2018, their basic set: affine with rotation up to 90 degrees, shear up to 20 and area 0.8 to 1.2 (0.1
    of the side), borders mirrored; both flips; crops of at least 0.4 of the area; saturation, contrast and brightness
    0.7 to 1.3; hue 0.1.
oct
    Kulyabin et al. 2024 (the code of OCTDL): shift 0.2, brightness and contrast 0.2, scale 0.87 to 1.15, blur of 0.6
    pixels, horizontal flip. Their vertical flip and their rotation by any angle are left out, because the layers of the
    retina have an order; 10 degrees of rotation are our choice.
"""

SOURCES: Mapping[str, str] = {
    "radiograph": "covid-net",
    "histology": "tellez",
    "dermoscopy": "perez",
    "oct": "octdl",
}
"""The source of each preset, a key of `scantrial.prose.references`."""

NOT_IN_VIEWS = ("noise", "erasing", "mixup", "cutmix")
"""Operations that test-time augmentation leaves out, whose draws are the same for all scans: the same noise would be
added to each and the same rectangle erased, and mixing needs other cases."""


class AugmentSpec(RecipePart):
    """What is changed at random in every training scan, anew in every epoch; no case that is evaluated is changed.

    A number is the largest change; unless its line says otherwise, what is done to a scan is drawn uniformly up to it,
    in either direction. Factors are drawn from 1 - x to 1 + x. Sides, areas and crops are shares of the scan's own.

    Parameters
    ----------
    rotate : degrees, up to 180
    shift : share of the height and of the width
    scale : of both sides, as a factor
    shear : degrees, along the width
    flip : ``none``, ``horizontal`` (left and right change places), ``vertical`` or ``both``; each with probability 1/2
    symmetries : one of the eight of the square (quarter turns and mirror images), with equal probability; a scan that
        is not square takes one of the four that keep its shape
    crop : smallest share of the area that a cut-out has, enlarged to the whole; its sides differ by at most 4/3; 1
        turns it off
    elastic : standard deviation of a smooth displacement, as a share of the side
    elastic_grid : points along each side at which the displacement is drawn; between them it is interpolated
        (Ronneberger et al. 2015)
    fill : what comes in at the borders: ``black``, ``edge`` (the outermost pixels repeated) or ``reflect`` (mirrored)
    brightness : factor of all pixels
    contrast : factor of the distance from the scan's mean
    saturation : factor of the distance from gray; RGB scans only
    hue : share of the colour circle; RGB scans only
    gamma : x gives an exponent from 1 / (1 + x) to 1 + x, uniform in its logarithm
    blur : largest standard deviation of a Gaussian, in pixels
    low_resolution : smallest factor by which both sides are made smaller and then enlarged again; 1 turns it off
    noise : largest standard deviation of Gaussian noise, as a share of the range of the pixel type
    erasing : probability that a rectangle of 2 to 33 % of the area, sides up to 3.3 to 1, becomes the scan's mean
        (Zhong et al. 2020)
    mixup : each case is averaged with another training case, in shares from a Beta(x, x) distribution (Zhang et
        al. 2018); 0 turns it off
    cutmix : a rectangle comes from another training case, its share drawn from Beta(x, x) (Yun et al. 2019); 0 turns it
        off
    """

    rotate: Annotated[float, Field(ge=0, le=180)] = 0.0
    shift: Share = 0.0
    scale: Share = 0.0
    shear: Annotated[float, Field(ge=0, le=60)] = 0.0
    flip: Literal["none", "horizontal", "vertical", "both"] = "none"
    symmetries: bool = False
    crop: Annotated[float, Field(gt=0, le=1)] = 1.0
    elastic: Annotated[float, Field(ge=0, le=0.5)] = 0.0
    elastic_grid: Annotated[int, Field(ge=2, le=64)] = 6
    fill: Literal["black", "edge", "reflect"] = "black"
    brightness: Share = 0.0
    contrast: Share = 0.0
    saturation: Annotated[float, Field(ge=0, le=1)] = 0.0
    hue: Annotated[float, Field(ge=0, le=0.5)] = 0.0
    gamma: Annotated[float, Field(ge=0, le=9)] = 0.0
    blur: Annotated[float, Field(ge=0, le=50)] = 0.0
    low_resolution: Annotated[float, Field(gt=0, le=1)] = 1.0
    noise: Annotated[float, Field(ge=0, le=1)] = 0.0
    erasing: Annotated[float, Field(ge=0, le=1)] = 0.0
    mixup: Annotated[float, Field(ge=0, le=100)] = 0.0
    cutmix: Annotated[float, Field(ge=0, le=100)] = 0.0

    @model_validator(mode="before")
    @classmethod
    def _with_preset(cls, value: Any) -> Any:
        """Put the values of a preset where the mapping has none; the preset's name itself is not kept.

        What is stored is what was done: a later change of a preset changes no finished study.
        """
        if not isinstance(value, dict) or "preset" not in value:
            return value
        preset, own = value["preset"], {key: item for key, item in value.items() if key != "preset"}
        if preset is None or preset == "none":
            return own
        return {**PRESETS[_known(str(preset))], **own}

    @model_validator(mode="after")
    def _consistent(self) -> AugmentSpec:
        if self.symmetries and self.flip != "none":
            raise ValueError("symmetries contain the flips: leave flip out")
        if self.mixup and self.cutmix:
            raise ValueError("mixup and cutmix mix the same cases: choose one")
        return self

    @property
    def changes_something(self) -> bool:
        """Whether any operation is switched on."""
        usual = type(self).model_fields
        return any(getattr(self, key) != usual[key].default for key in usual if key not in ("elastic_grid", "fill"))

    @property
    def moves_pixels(self) -> bool:
        """Whether pixels change their places."""
        return bool(self.rotate or self.shift or self.scale or self.shear or self.elastic or self.symmetries) or (
            self.flip,
            self.crop,
        ) != ("none", 1.0)

    @property
    def changes_colours(self) -> bool:
        """Whether it needs RGB scans."""
        return bool(self.saturation or self.hue)

    @property
    def mixes(self) -> bool:
        """Whether cases are mixed with others, labels and all."""
        return bool(self.mixup or self.cutmix)

    @property
    def of_views(self) -> AugmentSpec:
        """What test-time augmentation does of it."""
        return self.model_copy(update=dict.fromkeys(NOT_IN_VIEWS, 0.0))

    @property
    def n_views(self) -> int | None:
        """How many different views there are, the scan itself among them, or None for any number.

        Flips and symmetries take turns; a scan that is not square has four symmetries, not eight.
        """
        flips = self.model_copy(update={"flip": "none", "symmetries": False})
        if flips.of_views.changes_something:
            return None
        return 8 if self.symmetries else {"none": 1, "both": 4}.get(self.flip, 2)

    @property
    def preset(self) -> str | None:
        """The name of the preset that does exactly this, or None."""
        return next((name for name in PRESETS if type(self)(**PRESETS[name]) == self), None)

    def beyond_defaults(self) -> dict[str, Any]:
        """Return what differs from doing nothing, as plain data."""
        plain, usual = self.model_dump(mode="json"), type(self).model_fields
        return {key: value for key, value in plain.items() if value != usual[key].default}


def augmentation(value: Any) -> Any:
    """Read a preset's name as ``{preset: NAME}`` and ``none`` as None."""
    if value == "none":
        return None
    return {"preset": _known(value)} if isinstance(value, str) else value


def _known(preset: str) -> str:
    if preset not in PRESETS:
        raise unknown_name("no preset of augmentation is called", preset, ("none", *PRESETS))
    return preset


def without_idle(spec: AugmentSpec | None) -> AugmentSpec | None:
    """Return None for a spec that changes nothing, so that ``rotate: 0`` and ``none`` are one recipe.

    For the same reason, settings of what is off take their defaults.
    """
    if spec is None or not spec.changes_something:
        return None
    usual = type(spec).model_fields
    idle = {"elastic_grid": not spec.elastic, "fill": not spec.moves_pixels}
    return spec.model_copy(update={key: usual[key].default for key, is_idle in idle.items() if is_idle})


_FLIPS = {
    "horizontal": "a horizontal flip with probability 0.5",
    "vertical": "a vertical flip with probability 0.5",
    "both": "horizontal and vertical flips, each with probability 0.5",
}
_FILLS = {"black": "black", "edge": "the outermost pixels", "reflect": "mirrored pixels"}

_GEOMETRY: Mapping[str, Callable[[Any], str]] = {
    "crop": lambda x: f"cut-outs of {percent(x)} to 100 % of the area",
    "symmetries": lambda _: "one of the eight symmetries of the square",
    "flip": lambda x: _FLIPS[x],
    "rotate": lambda x: f"rotation up to ±{x:g}°",
    "shear": lambda x: f"shear up to ±{x:g}°",
    "scale": lambda x: f"scaling by {1 - x:g} to {1 + x:g}",
    "shift": lambda x: f"shifts up to ±{percent(x)} of each side",
    "elastic": lambda x: f"elastic deformation, normal with a standard deviation of {100 * x:g} % of the side [@u-net]",
}
_INTENSITY: Mapping[str, Callable[[Any], str]] = {
    "brightness": lambda x: f"brightness times {1 - x:g} to {1 + x:g}",
    "contrast": lambda x: f"contrast times {1 - x:g} to {1 + x:g}",
    "saturation": lambda x: f"saturation times {1 - x:g} to {1 + x:g}",
    "hue": lambda x: f"hue up to ±{x:g} of the circle",
    "gamma": lambda x: f"gamma of {1 / (1 + x):.3g} to {1 + x:g}, uniform in its logarithm",
    "blur": lambda x: f"Gaussian blur with a standard deviation up to {x:g} pixels",
    "low_resolution": lambda x: f"down- and up-sampling by {x:g} to 1",
    "noise": lambda x: f"Gaussian noise with a standard deviation up to {100 * x:g} % of the range",
    "erasing": lambda x: f"random erasing with probability {x:g} [@erasing]",
}
_MIXING: Mapping[str, Callable[[Any], str]] = {
    "mixup": lambda x: f"mixup of normalised scans, shares from Beta({x:g}, {x:g}) [@mixup]",
    "cutmix": lambda x: f"CutMix of normalised scans, shares from Beta({x:g}, {x:g}) [@cutmix]",
}


def colour_fault(augment: AugmentSpec | None, *, n_channels: int | None) -> str | None:
    """Return why scans cannot be augmented for their colours, or None if they can.

    Parameters
    ----------
    n_channels : of the scans; None where it is not known yet
    """
    if augment is None or not augment.changes_colours or n_channels in (None, 3):
        return None
    what = "are gray" if n_channels == 1 else f"have {n_channels} channels, not red, green and blue"
    return f"augment changes hue or saturation, but the scans {what}; set hue: 0 and saturation: 0"


def describe(augment: AugmentSpec | None) -> str:
    """Return an augmentation in words for the methods of a report; sources as ``[@key]``."""
    if augment is None:
        return "not augmented"
    on = augment.beyond_defaults()
    parts = [say(on[key]) for key, say in {**_GEOMETRY, **_INTENSITY}.items() if key in on]
    mixing = [say(on[key]) for key, say in _MIXING.items() if key in on]
    borders = f", borders filled with {_FILLS[augment.fill]}" if augment.moves_pixels else ""
    after = f", as in the preset {augment.preset} [@{SOURCES[augment.preset]}]" if augment.preset else ""
    return ", then ".join(filter(None, (f"{joined(parts)}{borders}{after}", *mixing)))
