"""`build_network`: from a recipe's model to a module with its initial weights."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from scantrial.core.errors import ScantrialError, ShapeError, TrainingError
from scantrial.core.names import resolve
from scantrial.core.rng import derive_seed
from scantrial.nets.generators import borrowed_generators
from scantrial.nets.initial import initialise
from scantrial.nets.pretrained import BUILD_FAULTS, NO_FILES, WeightsFiles, load_pretrained
from scantrial.recipe.networks import ModelSpec, is_timm, network_of

Builder = Callable[[ModelSpec, tuple[int, int, int], int], nn.Module]


def build_network(
    spec: ModelSpec,
    *,
    image_shape: tuple[int, int, int],
    n_outputs: int,
    seed: int,
    weights_files: WeightsFiles = NO_FILES,
) -> nn.Module:
    """Build a network with its initial weights, on the CPU, and try it once on images of zeros.

    Parameters
    ----------
    spec : the recipe's model
    image_shape : (channels, height, width) of the input
    n_outputs : logits that the head needs
    seed : of the replicate; where two networks agree in a parameter's name and shape, its initial values agree.
        A custom class, and all but the last layer of a network of timm, initialise themselves; PyTorch's generator
        is seeded for them.
    weights_files : where the file of pretrained weights is that the model names

    Raises
    ------
    ShapeError
        If the images are too small for it, or its output is not (batch, n_outputs).
    TrainingError
        If a custom class cannot be imported, constructed or called.
    InputError
        If the pretrained weights are not found or do not fit, or timm has no such network.
    MissingExtraError
        If timm is needed and not installed.

    Notes
    -----
    PyTorch's process-wide generator is restored afterwards.
    """
    builder: Builder = resolve(network_of(spec.name).builder)
    with borrowed_generators(derive_seed(seed, "weights")):
        network = _built(builder, spec, image_shape, n_outputs)
        if not spec.is_custom:
            initialise(network, seed=seed, only="head" if is_timm(spec.name) else None)
        if spec.is_pretrained:
            load_pretrained(network, spec, weights_files)
        _try_out(network, spec.name, image_shape, n_outputs)
    return network


def shapes_of(
    spec: ModelSpec, *, image_shape: tuple[int, int, int], n_outputs: int
) -> dict[str, tuple[int, ...]] | None:
    """Return the shape of each parameter and buffer by name, without memory for any; None for a custom class.

    Raises
    ------
    ShapeError
        If the images are too small for the network.
    TrainingError
        If it cannot be constructed.
    """
    if spec.is_custom:
        return None
    builder: Builder = resolve(network_of(spec.name).builder)
    with borrowed_generators(0), torch.device("meta"):
        network = _built(builder, spec, image_shape, n_outputs)
    return {name: tuple(values.shape) for name, values in network.state_dict().items()}


def _built(builder: Builder, spec: ModelSpec, image_shape: tuple[int, int, int], n_outputs: int) -> nn.Module:
    try:
        return builder(spec, image_shape, n_outputs)
    except ScantrialError:
        raise
    except BUILD_FAULTS as error:
        own = "if memory ran out, make data.image.size or the layers smaller; if not, fix the activation's arguments"
        raise TrainingError(
            f"{spec.name} could not be built for images of {image_shape}: {type(error).__name__}: {error}",
            do="choose another size of image or another network" if is_timm(spec.name) else own,
        ) from error


@torch.no_grad()
def _try_out(network: nn.Module, name: str, image_shape: tuple[int, int, int], n_outputs: int) -> None:
    """Refuse a network whose output does not have the shape that the head needs."""
    was_training = network.training
    network.eval()
    try:
        output = network(torch.zeros(2, *image_shape))
    except Exception as error:
        raise TrainingError(
            f"{name} failed on a batch of shape {(2, *image_shape)}: {type(error).__name__}: {error}",
            expected="a forward pass on (batch, channels, height, width)",
        ) from error
    finally:
        network.train(was_training)
    if not isinstance(output, torch.Tensor) or output.shape != (2, n_outputs):
        got = tuple(output.shape) if isinstance(output, torch.Tensor) else type(output).__name__
        raise ShapeError(
            f"{name} returned {got} for a batch of 2 images",
            expected=f"(2, {n_outputs}): one row of {n_outputs} logits for each image",
            do="give its last layer n_outputs outputs; a constructor argument n_outputs receives that number",
        )
