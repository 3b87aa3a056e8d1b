"""One step of training a network of the user's own on two scans, in a process of its own, before any run begins.

Started as ``python -m scantrial.nets.one_step`` by `scantrial.study.own_networks`: a JSON object on one line of
standard input, which stays open, and one line on standard output; whatever a network prints goes to standard error.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from scantrial.core.custom_code import CustomClass, allowed
from scantrial.core.errors import ScantrialError, ShapeError, TrainingError
from scantrial.core.format import counted
from scantrial.core.names import listed
from scantrial.nets.build import build_network
from scantrial.nets.heads import Head, make_head
from scantrial.recipe.networks import ModelSpec
from scantrial.recipe.spec import Recipe

_SHOWN = 3
_FAR = 10.0
"""How far, to first order, an output is moved to see whether it can leave the range from 0 to 1."""


def try_one_step(recipe: Recipe, images: NDArray[Any], labels: Sequence[int], *, n_classes: int) -> list[str]:
    """Build a network, apply it in evaluation, and make one forward and backward pass in training.

    Parameters
    ----------
    images : two scans or more as stored, shape (n, height, width) or (n, height, width, channels)
    labels : n class indices

    Returns
    -------
    sentences about what is probably a mistake

    Raises
    ------
    ScantrialError
        If it cannot be built, fails, returns anything but finite logits of shape (n, n_outputs), or gets no finite
        gradient.
    """
    inputs = _scaled(images)
    head = make_head(recipe.loss, n_classes=n_classes)
    model = recipe.model
    network = build_network(model, image_shape=tuple(inputs.shape[1:]), n_outputs=head.n_outputs, seed=0)  # type: ignore[arg-type] # three sides
    if not any(parameter.requires_grad for parameter in network.parameters()):
        raise TrainingError(
            f"{model.name} has no parameter that can be trained", expected="a parameter with requires_grad"
        )
    with torch.no_grad():
        _checked(network.eval(), inputs, model, head)
    network.train()
    logits = _checked(network, inputs, model, head)
    _backward(head.loss(logits.float(), torch.tensor(labels)), network, model)
    notes = _without_gradient(network, model)
    with suppress(Exception):  # What follows only guesses at a mistake; the network has done what is asked of it.
        notes += _no_logits(network, inputs, model)
    return notes


def _scaled(images: NDArray[Any]) -> Tensor:
    planes = images[:, None] if images.ndim == 3 else images.transpose(0, 3, 1, 2)
    return torch.from_numpy(np.ascontiguousarray(planes, dtype=np.float32) / np.float32(np.iinfo(images.dtype).max))


def _checked(network: nn.Module, inputs: Tensor, model: ModelSpec, head: Head) -> Tensor:
    """Return the network's output if it is finite logits."""
    mode = "training" if network.training else "evaluation"
    expected = f"one tensor of logits, of shape {(len(inputs), head.n_outputs)}"
    try:
        output = network(inputs)
    except Exception as error:
        raise TrainingError(
            f"{model.name} failed in {mode} mode on {len(inputs)} scans of shape {tuple(inputs.shape[1:])}: "
            f"{type(error).__name__}: {error}",
            expected="a forward pass in training as in evaluation",
        ) from error
    if not isinstance(output, Tensor):
        raise ShapeError(
            f"{model.name} returned a {type(output).__name__} in {mode} mode",
            expected=expected,
            do="return the logits alone; auxiliary outputs have no loss here, and cannot be trained",
        )
    if output.shape != (len(inputs), head.n_outputs):
        raise ShapeError(f"{model.name} returned shape {tuple(output.shape)} in {mode} mode", expected=expected)
    if not torch.isfinite(output).all():
        raise TrainingError(f"{model.name} returned values that are not finite in {mode} mode", expected=expected)
    return output


def _backward(loss: Tensor, network: nn.Module, model: ModelSpec) -> None:
    try:
        loss.backward()  # type: ignore[no-untyped-call] # PyTorch's
    except Exception as error:
        raise TrainingError(
            f"no gradient of the loss reaches {model.name}: {type(error).__name__}: {error}",
            expected="logits that depend on the parameters, without detach(), no_grad() or changes in place",
        ) from error
    found = [parameter.grad for parameter in network.parameters() if parameter.grad is not None]
    if not found:
        raise TrainingError(f"no gradient of the loss reaches the parameters of {model.name}")
    if not all(torch.isfinite(gradient).all() for gradient in found):
        raise TrainingError(f"the first gradient of {model.name} is not finite", expected="finite gradients")


def _without_gradient(network: nn.Module, model: ModelSpec) -> list[str]:
    every = [(name, parameter.grad) for name, parameter in network.named_parameters() if parameter.requires_grad]
    if not any(gradient is not None and gradient.any() for _, gradient in every):
        return [f"{model.name}: every gradient of the first step is 0, so it may learn nothing."]
    without = [name for name, gradient in every if gradient is None]
    if not without:
        return []
    shown = listed(without[:_SHOWN]) + (" ..." if len(without) > _SHOWN else "")
    return [
        f"{model.name}: {counted(len(without), 'parameter')} of {len(every)} get no gradient in training ({shown})."
    ]


def _no_logits(network: nn.Module, inputs: Tensor, model: ModelSpec) -> list[str]:
    """Tell that the outputs stay in [0, 1] wherever the parameters are moved along the gradient of one of them."""
    network.eval()
    parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
    output = network(inputs)
    gradients = torch.autograd.grad(output[:, 0].mean(), parameters, allow_unused=True)
    power = sum(float(gradient.square().sum()) for gradient in gradients if gradient is not None)
    ranges = [output.detach()]
    with torch.no_grad():
        for step in (_FAR, -2 * _FAR) if power > 0 else ():  # there, and as far to the other side
            for parameter, gradient in zip(parameters, gradients, strict=True):
                if gradient is not None:
                    parameter.add_(gradient, alpha=step / power)
            ranges.append(network(inputs))
    if any(not ((values >= 0) & (values <= 1)).all() for values in ranges):
        return []
    return [
        f"{model.name}: its outputs stay between 0 and 1, as if forward ended in a sigmoid or a softmax. Logits are "
        "expected: the loss applies its own, and a second one slows training and spoils the probabilities."
    ]


def try_all(content: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Try each network of a message of `scantrial.study.own_networks`; return its notes, or what is wrong with it."""
    found: list[dict[str, Any]] = []
    with allowed(CustomClass.from_dict(item) for item in content["classes"]):
        for one in content["networks"]:
            images = np.load(one["images"], mmap_mode="r")[one["rows"]]
            try:
                notes = try_one_step(Recipe(**one["recipe"]), images, one["labels"], n_classes=one["n_classes"])
                found.append({"notes": notes, "error": None})
            except ScantrialError as error:
                found.append({"notes": [], "error": error.to_dict()})
    return found


def main() -> None:
    """Read the message, write the answer."""
    with os.fdopen(os.dup(1), "w", encoding="utf-8", errors="backslashreplace") as out:
        os.dup2(2, 1)
        message = json.loads(sys.stdin.readline())
        threading.Thread(target=_end_with_parent, daemon=True).start()
        out.write(json.dumps(try_all(message)) + "\n")


def _end_with_parent() -> None:
    """End the process when its input ends, as the parent keeps it open: no network may outlive who asked for it."""
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    main()
