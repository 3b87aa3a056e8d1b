"""A network of timm: its backbone without the classifier, and a linear layer of our own behind it."""

from __future__ import annotations

import os
from collections.abc import Iterable
from functools import cache
from types import ModuleType
from typing import Any

from torch import Tensor, nn

from scantrial.core.errors import InputError, MissingExtraError, ScantrialError
from scantrial.core.names import nearest
from scantrial.recipe.networks import TIMM_PREFIX, ModelSpec

BACKBONE = "backbone."


class TimmNetwork(nn.Module):
    """A backbone, which turns images into features, and a linear layer, which turns features into logits.

    Parameters
    ----------
    backbone : images of shape (n, channels, height, width) in, features of shape (n, n_features) out
    head : features in, logits out
    """

    def __init__(self, backbone: nn.Module, head: nn.Linear) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = head
        self._frozen: tuple[nn.Module, ...] = ()

    def forward(self, x: Tensor) -> Tensor:
        """Return logits of images, or of features, shape (n, n_features), that the backbone has made before."""
        logits: Tensor = self.head(x if x.ndim == 2 else self.backbone(x))
        return logits

    def train(self, mode: bool = True) -> TimmNetwork:
        """Set the mode of all that is not frozen; that stays in evaluation mode."""
        super().train(mode)
        for module in self._frozen:
            module.eval()
        return self

    def freeze(self, names: Iterable[str]) -> None:
        """Keep these parameters of the backbone as they are, and the modules that have no others in evaluation mode."""
        for name in names:
            self.get_parameter(name).requires_grad_(False)
        self._frozen = tuple(module for module in self.backbone.modules() if _is_frozen(module))


def _is_frozen(module: nn.Module) -> bool:
    trained = [parameter.requires_grad for parameter in module.parameters()]
    return bool(trained) and not any(trained)


def build_timm(spec: ModelSpec, image_shape: tuple[int, int, int], n_outputs: int) -> nn.Module:
    """Build the network with the initial weights that timm draws; nothing is downloaded.

    Raises
    ------
    MissingExtraError
        If timm is not installed.
    InputError
        If timm has no such network or cannot be imported, or the network has fewer stages than are to be frozen.
    """
    timm = import_timm()
    name = _known(timm, spec.name)
    size: dict[str, Any] = {"img_size": image_shape[1:]} if _has_fixed_size(timm, name) else {}
    backbone = timm.create_model(name, pretrained=False, in_chans=image_shape[0], num_classes=0, **size)
    n_features = getattr(backbone, "head_hidden_size", backbone.num_features)
    network = TimmNetwork(backbone, nn.Linear(n_features, n_outputs))
    network.freeze(frozen_parameters(network, spec))
    return network


def frozen_parameters(network: nn.Module, spec: ModelSpec) -> list[str]:
    """Return the names of the parameters that `spec.freeze` freezes.

    Raises
    ------
    InputError
        If the network has fewer stages, or timm does not name them.
    """
    if not spec.freeze:
        return []
    if spec.freeze == "all":
        return list(backbone_as_one(network))
    try:
        stages = backbone_depths(network, coarse=True)
    except (AttributeError, AssertionError, NotImplementedError) as error:
        raise InputError(f"timm names no stages of {spec.name}", expected="freeze: 0 or all") from error
    n_parts = 1 + max(stages.values())
    if spec.freeze > n_parts:
        raise InputError(
            f"model.freeze is {spec.freeze}, but {spec.name} has {n_parts} parts: a stem and {n_parts - 1} stages",
            expected=f"0 to {n_parts}, or all",
        )
    return [name for name, stage in stages.items() if stage < spec.freeze]


def backbone_depths(network: nn.Module, *, coarse: bool = False) -> dict[str, int]:
    """Return the group of each of the backbone's parameters, from 0 at the input, by its name in the whole network.

    Parameters
    ----------
    coarse : whether to count stages instead of the blocks in them
    """
    from timm.models import group_parameters  # noqa: PLC0415 - timm is an extra

    backbone: nn.Module = network.get_submodule(BACKBONE[:-1])
    matcher = backbone.group_matcher(coarse=coarse)  # type: ignore[operator]
    groups = group_parameters(backbone, matcher, reverse=True)
    return {f"{BACKBONE}{name}": int(group) for name, group in groups.items()}


def backbone_as_one(network: nn.Module) -> dict[str, int]:
    """Return 0 for each of the backbone's parameters, by its name in the whole network."""
    return {name: 0 for name, _ in network.named_parameters() if name.startswith(BACKBONE)}


def pretrained_moments(spec: ModelSpec) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and standard deviation of each channel, of pixels in [0, 1], that timm says a network's weights take.

    Raises
    ------
    As `build_timm`.
    """
    timm = import_timm()
    config = timm.models.get_pretrained_cfg(_known(timm, spec.name))
    return tuple(config.mean), tuple(config.std)


def classifier_of(spec: ModelSpec) -> tuple[str, ...]:
    """Return the names, in timm's network, of the layers that it has where ours has its head."""
    timm = import_timm()
    named = timm.models.get_pretrained_cfg(_known(timm, spec.name)).classifier or ()
    return (named,) if isinstance(named, str) else tuple(named)


@cache
def import_timm() -> ModuleType:
    """Import timm, which then looks for nothing on the network.

    Raises
    ------
    MissingExtraError
        If it is not installed.
    InputError
        If it, or torchvision, cannot be imported beside the installed PyTorch.
    """
    os.environ["HF_HUB_OFFLINE"] = "1"
    try:
        import timm  # noqa: PLC0415 - an extra, and slow
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] in ("timm", "torchvision"):
            raise MissingExtraError(extra="nets", package=str(error.name), needed_for="a network of timm") from error
        raise _unfit(error) from error
    except (ImportError, OSError, RuntimeError) as error:
        raise _unfit(error) from error
    found: ModuleType = timm
    return found


def _unfit(error: Exception) -> ScantrialError:
    return InputError(
        f"timm cannot be imported: {type(error).__name__}: {error}",
        expected="torchvision built for the PyTorch that is installed; another one fails, often with "
        "'operator torchvision::nms does not exist'",
        do="install torchvision from the index torch came from, in the version that belongs to it",
    )


def _known(timm: ModuleType, name: str) -> str:
    """Return a network's name as timm knows it, with the tag of its weights if it has one."""
    bare = name.removeprefix(TIMM_PREFIX)
    architecture, _, tag = bare.partition(".")
    names = timm.list_models()
    if architecture not in names:
        guess = nearest(architecture, names)
        hint = f" (did you mean {TIMM_PREFIX + guess!r}?)" if guess else ""
        raise InputError(
            f"timm {timm.__version__} has no network {architecture!r}{hint}",
            expected="timm/NAME, of the names that timm.list_models() gives",
        )
    if tag and bare not in timm.list_pretrained(f"{architecture}.*"):
        raise InputError(f"timm {timm.__version__} knows no weights {bare!r}", do=f"write timm/{architecture}")
    return bare


def _has_fixed_size(timm: ModuleType, name: str) -> bool:
    return bool(timm.models.get_pretrained_cfg(name).fixed_input_size)
