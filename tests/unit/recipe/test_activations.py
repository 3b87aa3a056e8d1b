"""The table of activations is what `torch.nn` offers."""

from __future__ import annotations

import inspect

import pytest

from scantrial.recipe.activations import ACTIVATIONS

torch = pytest.importorskip("torch")
CHANGES_SHAPE = {"GLU", "Softmax", "Softmax2d", "Softmin", "LogSoftmax", "MultiheadAttention"}
EXAMPLES = {"Threshold": {"threshold": 0.1, "value": 20.0}}


def test_the_table_holds_every_element_wise_activation() -> None:
    """No activation of `torch.nn` is missing, and none is made up."""
    module = torch.nn.modules.activation
    offered = {name for name in module.__all__ if name not in CHANGES_SHAPE}
    assert {name for name in ACTIVATIONS if name != "Identity"} == offered


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_arguments_are_those_of_the_module(name: str) -> None:
    """Every listed argument is one of the module's, and only layout and in-place work are left out."""
    taken = set(inspect.signature(getattr(torch.nn, name).__init__).parameters) - {"self", "args", "kwargs"}
    left_out = {"inplace", "device", "dtype", "min_value", "max_value"}
    assert set(ACTIVATIONS[name]) == taken - left_out


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_each_works_element_by_element(name: str) -> None:
    """Each is made with its defaults and keeps the shape; a column is treated as it is alone."""
    layer = getattr(torch.nn, name)(**EXAMPLES.get(name, {})).eval()
    values = torch.linspace(-3, 3, 12).reshape(4, 3)
    whole = layer(values)
    assert whole.shape == values.shape
    torch.testing.assert_close(layer(values[:, :1]), whole[:, :1])
