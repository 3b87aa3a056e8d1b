"""Two small convolutional networks."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from scantrial.core.errors import ShapeError
from scantrial.nets.layers import make_activation, make_dropout, named_sequence
from scantrial.recipe.spec import ModelSpec

_CNN_CHANNELS = (32, 32, 32)
_CNN_HIDDEN = 32
_GAP_CHANNELS = (64, 128, 256)


def build_cnn(spec: ModelSpec, image_shape: tuple[int, int, int], n_outputs: int) -> nn.Module:
    """Build three blocks of 32 channels, flatten, 32 hidden units, one linear layer out.

    A block is a 3x3 convolution (padding 1), batch normalisation if set, the activation, dropout if
    set, and 2x2 max pooling. Images must be at least 8x8.
    """
    pooled = _check_size(spec.name, image_shape, len(_CNN_CHANNELS))
    features = nn.Sequential()
    n_in = image_shape[0]
    for n_out in _CNN_CHANNELS:
        features.append(_block(spec, n_in, n_out, dropout=spec.dropout))
        n_in = n_out
    unit = named_sequence(
        linear=nn.Linear(n_in * pooled[0] * pooled[1], _CNN_HIDDEN),
        norm=nn.BatchNorm1d(_CNN_HIDDEN) if spec.batch_norm else None,
        activation=make_activation(spec.activation),
        dropout=make_dropout(spec.dropout),
    )
    return named_sequence(
        features=features, flatten=nn.Flatten(), hidden=nn.Sequential(unit), head=nn.Linear(_CNN_HIDDEN, n_outputs)
    )


def build_cnn_gap(spec: ModelSpec, image_shape: tuple[int, int, int], n_outputs: int) -> nn.Module:
    """Build blocks of 64, 128 and 256 channels, global average pooling, dropout, one linear layer out.

    A block is a 3x3 convolution (padding 1), batch normalisation, the activation, and 2x2 max pooling. Images must be
    at least 8x8. About 370,000 parameters whatever the image's size; slow on a CPU at 256x256.
    """
    _check_size(spec.name, image_shape, len(_GAP_CHANNELS))
    features = nn.Sequential()
    n_in = image_shape[0]
    for n_out in _GAP_CHANNELS:
        features.append(_block(spec, n_in, n_out, dropout=None))
        n_in = n_out
    return named_sequence(
        features=features,
        pool=nn.AdaptiveAvgPool2d(1),
        flatten=nn.Flatten(),
        dropout=make_dropout(spec.dropout),
        head=nn.Linear(n_in, n_outputs),
    )


def _block(spec: ModelSpec, n_in: int, n_out: int, *, dropout: float | None) -> nn.Module:
    return named_sequence(
        conv=nn.Conv2d(n_in, n_out, kernel_size=3, padding=1),
        norm=nn.BatchNorm2d(n_out) if spec.batch_norm else None,
        activation=make_activation(spec.activation),
        dropout=make_dropout(dropout),
        pool=nn.MaxPool2d(2),
    )


def _check_size(name: str, image_shape: Sequence[int], n_poolings: int) -> tuple[int, int]:
    """Return (height, width) after the poolings, each of which halves and rounds down."""
    _, height, width = image_shape
    smallest = 2**n_poolings
    if min(height, width) < smallest:
        raise ShapeError(
            f"{name} on images of {height}x{width} pixels",
            expected=f"at least {smallest}x{smallest}: each of its {n_poolings} poolings halves both sides",
            do="set a larger data.image.size, or choose an mlp",
        )
    return height // smallest, width // smallest
