"""A network of the user's own is tried before any run: what it does wrong is told in words, and what is right passes."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from scantrial.core.custom_code import allowed, find_class
from scantrial.core.errors import ScantrialError
from scantrial.nets.one_step import try_one_step
from scantrial.recipe.spec import Recipe

SOURCE = """
import torch
from torch import nn
class Net(nn.Module):
    def __init__(self, image_shape, n_outputs):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(image_shape[0], 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
            nn.Linear(4, n_outputs))
    def forward(self, x):
        return self.layers(x)
class Sigmoid(Net):
    def forward(self, x):
        return torch.sigmoid(self.layers(x))
class Softmax(Net):
    def forward(self, x):
        return self.layers(x).softmax(dim=1)
class Tuple(Net):
    def forward(self, x):
        y = self.layers(x)
        return (y, y) if self.training else y
class Raises(Net):
    def forward(self, x):
        if self.training:
            raise RuntimeError("not here")
        return self.layers(x)
class Detached(Net):
    def forward(self, x):
        return self.layers(x).detach()
class Flat(Net):
    def forward(self, x):
        y = self.layers(x)
        return y.flatten() if self.training else y
class Infinite(Net):
    def forward(self, x):
        return self.layers(x) + float("inf")
class Spare(Net):
    def __init__(self, image_shape, n_outputs):
        super().__init__(image_shape, n_outputs)
        self.spare = nn.Linear(2, 2)
class Zero(Net):
    def forward(self, x):
        return self.layers(x) * 0
class Fixed(Net):
    def __init__(self, image_shape, n_outputs):
        super().__init__(image_shape, n_outputs)
        self.requires_grad_(False)
"""

Try = Callable[..., list[str]]


@pytest.fixture(name="attempt")
def give_attempt(tmp_path: Path) -> Iterator[Try]:
    """Try a class of the file above on two gray scans of two classes."""
    (tmp_path / "own_step.py").write_text(SOURCE)
    images = np.random.default_rng(0).integers(0, 255, (2, 12, 12), dtype=np.uint8)

    def attempt(name: str, loss: str = "bce", *, colour: bool = False) -> list[str]:
        recipe = Recipe(model={"name": f"own_step:{name}"}, loss=loss)
        scans = np.stack([images] * 3, axis=-1) if colour else images
        with allowed([find_class(f"own_step:{name}", [str(tmp_path)])]):
            return try_one_step(recipe, scans, [0, 1], n_classes=2)

    yield attempt
    sys.modules.pop("own_step", None)


@pytest.mark.parametrize("loss", ["bce", "ce"])
@pytest.mark.parametrize("colour", [False, True])
def test_a_sound_network_passes(attempt, loss, colour):
    """Logits near 0 are no probabilities, whatever the loss and the channels."""
    assert attempt("Net", loss, colour=colour) == []


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Tuple", "own_step:Tuple returned a tuple in training mode"),
        ("Raises", "failed in training mode on 2 scans of shape (1, 12, 12): RuntimeError: not here"),
        ("Detached", "no gradient of the loss reaches own_step:Detached"),
        ("Flat", "returned shape (2,) in training mode"),
        ("Infinite", "returned values that are not finite in evaluation mode"),
        ("Fixed", "has no parameter that can be trained"),
    ],
)
def test_a_mistake_is_told(attempt, name, words):
    """Each with what was got and what was expected."""
    with pytest.raises(ScantrialError) as caught:
        attempt(name)
    assert words in caught.value.got


@pytest.mark.parametrize(
    ("name", "loss", "words"),
    [
        ("Sigmoid", "bce", "outputs stay between 0 and 1"),
        ("Softmax", "ce", "outputs stay between 0 and 1"),
        ("Spare", "bce", "2 parameters of 8 get no gradient in training (spare.weight, spare.bias)"),
        ("Zero", "bce", "every gradient of the first step is 0"),
    ],
)
def test_what_is_probably_a_mistake_is_told_and_passes(attempt, name, loss, words):
    """One sentence."""
    said = attempt(name, loss)
    assert words in said[0]
