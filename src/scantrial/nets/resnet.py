"""Residual networks of basic blocks for small images."""

from __future__ import annotations

from torch import Tensor, nn

from scantrial.core.errors import ShapeError
from scantrial.nets.layers import make_activation, make_dropout, named_sequence
from scantrial.recipe.networks import BLOCKS, smallest_side
from scantrial.recipe.spec import ModelSpec


class BasicBlock(nn.Module):
    """Two 3x3 convolutions, with batch normalisation if set, and the block's input added before the last activation.

    Where width or size changes, the input passes a 1x1 convolution and batch normalisation (He et al. 2016, option B).
    """

    def __init__(self, spec: ModelSpec, n_in: int, n_out: int, *, stride: int) -> None:
        super().__init__()
        bias = not spec.batch_norm
        self.conv1 = nn.Conv2d(n_in, n_out, kernel_size=3, stride=stride, padding=1, bias=bias)
        self.norm1 = _norm(spec, n_out)
        self.activation1 = make_activation(spec.activation)
        self.conv2 = nn.Conv2d(n_out, n_out, kernel_size=3, padding=1, bias=bias)
        self.norm2 = _norm(spec, n_out)
        self.activation2 = make_activation(spec.activation)
        self.shortcut = nn.Sequential()
        if stride > 1 or n_in != n_out:
            self.shortcut = named_sequence(
                conv=nn.Conv2d(n_in, n_out, kernel_size=1, stride=stride, bias=bias), norm=_norm(spec, n_out)
            )

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output, shape (n, n_out, height / stride, width / stride)."""
        inner: Tensor = self.activation1(self.norm1(self.conv1(x)))
        out: Tensor = self.activation2(self.norm2(self.conv2(inner)) + self.shortcut(x))
        return out


def build_resnet(spec: ModelSpec, image_shape: tuple[int, int, int], n_outputs: int) -> nn.Module:
    """Build a stem, four stages of basic blocks, global average pooling, dropout if set, one linear layer out.

    The first block of each stage but the first halves both sides. Stem ``3x3`` keeps the size; ``5x5`` and ``7x7``
    halve it and pool by 3x3 with stride 2. Convolutions have a bias only without batch normalisation.

    Raises
    ------
    ShapeError
        If less than one pixel of the last stage would see the image.
    """
    _, height, width = image_shape
    smallest = smallest_side(spec)
    if min(height, width) < smallest:
        raise ShapeError(
            f"{spec.name} with a {spec.stem} stem on images of {height}x{width} pixels",
            expected=f"at least {smallest}x{smallest}: that is how often it halves both sides",
            do="set a larger data.image.size" + ("" if spec.stem == "3x3" else ", or stem: 3x3"),
        )
    widths = spec.widths or ()
    stages = nn.Sequential()
    n_in = widths[0]
    for number, n_out in enumerate(widths):
        stage = nn.Sequential()
        for block in range(BLOCKS[spec.name]):
            stage.append(BasicBlock(spec, n_in, n_out, stride=2 if number and not block else 1))
            n_in = n_out
        stages.append(stage)
    return named_sequence(
        stem=_stem(spec, image_shape[0], widths[0]),
        stages=stages,
        pool=nn.AdaptiveAvgPool2d(1),
        flatten=nn.Flatten(),
        dropout=make_dropout(spec.dropout),
        head=nn.Linear(n_in, n_outputs),
    )


def _stem(spec: ModelSpec, n_in: int, n_out: int) -> nn.Module:
    side = int((spec.stem or "5x5")[0])
    keeps_size = side == 3
    return named_sequence(
        conv=nn.Conv2d(n_in, n_out, side, stride=1 if keeps_size else 2, padding=side // 2, bias=not spec.batch_norm),
        norm=_norm(spec, n_out),
        activation=make_activation(spec.activation),
        pool=None if keeps_size else nn.MaxPool2d(kernel_size=3, stride=2, padding=1),
    )


def _norm(spec: ModelSpec, n_channels: int) -> nn.Module:
    return nn.BatchNorm2d(n_channels) if spec.batch_norm else nn.Identity()
