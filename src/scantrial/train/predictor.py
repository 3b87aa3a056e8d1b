"""A trained network on new scans."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from textwrap import shorten
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from scantrial.core.errors import InputError, ShapeError, TrainingError, itemised
from scantrial.core.records import RunFacts
from scantrial.data.preprocess import Preprocessing
from scantrial.data.scanset import Pixels
from scantrial.nets.build import build_network, shapes_of
from scantrial.nets.ensemble import Ensemble
from scantrial.nets.heads import Head, make_head
from scantrial.recipe.plan import stored_recipe
from scantrial.train.evaluate import cases_at_once, logits_of
from scantrial.train.scans import put_on_device
from scantrial.train.views import Views, views_of

MOST_LETTERS = 500
"""Of PyTorch's own words on the weights of a custom network that do not fit."""


class BatchScores(NamedTuple):
    """The scores of a network on n scans.

    Parameters
    ----------
    logits : shape (n, n_outputs), float32
    y_prob : shape (n, n_classes), float64, rows summing to 1
    """

    logits: NDArray[np.float32]
    y_prob: NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Predictor:
    """A trained network with its preprocessing and its head; call it with scans.

    Parameters
    ----------
    image_shape : (channels, height, width) that it was trained on
    class_names : in the order of the columns of the probabilities
    views : the views of each scan that are averaged; None where it is evaluated as it is
    precision : that it was trained and evaluated in
    """

    network: nn.Module
    head: Head
    preprocessing: Preprocessing
    image_shape: tuple[int, int, int]
    class_names: tuple[str, ...]
    device: str
    n_at_once: int
    views: Views | None = None
    precision: str = "float32"

    def __call__(self, images: Pixels, cases: NDArray[np.int64] | None = None) -> BatchScores:
        """Score scans.

        Parameters
        ----------
        images : shape (n, height, width) or (n, height, width, 3), of the size and pixel type trained on
        cases : rows of `images` to score; None for all

        Raises
        ------
        InputError
            If the pixel type differs from that in training.
        ShapeError
            If size or channels differ.
        TrainingError
            If a score is not finite.
        """
        self.preprocessing.check(images)
        if images.shape[1:3] != self.image_shape[1:]:
            raise ShapeError(
                f"images of {images.shape[1]}x{images.shape[2]} pixels",
                expected=f"{self.image_shape[1]}x{self.image_shape[2]}, as in training",
                do="resize them in the same way as the training scans",
            )
        n = len(images if cases is None else cases)
        if n == 0:
            empty = np.empty((0, self.head.n_outputs), dtype=np.float32)
            return BatchScores(logits=empty, y_prob=np.empty((0, self.head.n_classes)))
        scans = put_on_device(images, self.preprocessing, device=self.device, cases=cases)
        logits = logits_of(self.network, scans, n_at_once=self.n_at_once, precision=self.precision, views=self.views)
        n_wrong = int((~logits.isfinite()).any(dim=1).sum())
        if n_wrong:
            raise TrainingError(
                f"the network gives no finite score for {n_wrong} of {n} scans",
                do="use the weights of another run: these are too large for such scans",
            )
        return BatchScores(logits=logits.numpy(), y_prob=self.head.probabilities(logits).numpy())

    def probabilities(self, logits: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the probability of each class for logits of shape (n, n_outputs), shape (n, n_classes)."""
        y_prob: NDArray[np.float64] = self.head.probabilities(torch.from_numpy(logits)).numpy()
        return y_prob


def load_predictor(facts: RunFacts, weights: Mapping[str, NDArray[Any]], *, device: str = "cpu") -> Predictor:
    """Rebuild a trained network from the files of its run.

    Parameters
    ----------
    facts : the content of ``run.json``
    weights : parameters and buffers by name, as the run kept them

    Raises
    ------
    InputError
        If the weights are not those of the recipe's network (none were kept, or another run's).
    TrainingError
        If the network is a custom class that cannot be imported.
    """
    recipe = stored_recipe(facts)
    head = make_head(recipe.loss, n_classes=len(facts.class_names))
    model = recipe.model.without_weights()
    sizes: dict[str, Any] = {"image_shape": facts.image_shape, "n_outputs": head.n_outputs}
    expected = shapes_of(model, **sizes)
    if expected is not None:
        # Before memory is taken: a file of a few bytes may ask for any.
        _check_shapes(_stored_names(expected, recipe.ensemble), weights)
    networks = [build_network(model, **sizes, seed=facts.seed) for _ in range(recipe.ensemble)]
    network = Ensemble(networks) if recipe.ensemble > 1 else networks[0]
    load_weights(network, weights)
    network.to(device).eval()
    return Predictor(
        network=network,
        head=head,
        preprocessing=Preprocessing.from_dict(facts.preprocessing),
        image_shape=facts.image_shape,
        class_names=facts.class_names,
        device=device,
        n_at_once=cases_at_once(network, facts.image_shape, device=device),
        views=views_of(recipe),
        precision=recipe.precision,
    )


def _stored_names(shapes: Mapping[str, tuple[int, ...]], n_networks: int) -> dict[str, tuple[int, ...]]:
    """Return the shapes of a network's weights, or of several networks' under their names in an ensemble."""
    if n_networks == 1:
        return dict(shapes)
    return {Ensemble.weight_name(k, name): shape for k in range(n_networks) for name, shape in shapes.items()}


def load_weights(network: nn.Module, weights: Mapping[str, NDArray[Any]]) -> None:
    """Write stored weights into a network.

    Raises
    ------
    InputError
        If names, shapes or types differ, or a value is not finite.
    """
    own = network.state_dict()
    arrays = {name: torch.from_numpy(np.array(array)) for name, array in weights.items()}
    faults = [fault for name, array in arrays.items() if name in own and (fault := _unusable(name, array, own[name]))]
    if faults:
        raise _unfit(weights, f"\n{itemised(faults, alike=True)}")
    try:
        network.load_state_dict(arrays)
    except RuntimeError as error:
        raise _unfit(weights, f" {shorten(str(error), MOST_LETTERS)}") from error


def _unusable(name: str, stored: Tensor, own: Tensor) -> str | None:
    if stored.dtype != own.dtype:
        return f"{name}: {str(stored.dtype).removeprefix('torch.')}, expected {str(own.dtype).removeprefix('torch.')}"
    if not stored.isfinite().all():
        return f"{name}: {int((~stored.isfinite()).sum()):,} values are not finite"
    return None


def _check_shapes(expected: Mapping[str, tuple[int, ...]], weights: Mapping[str, NDArray[Any]]) -> None:
    """Raise InputError if names or shapes of the weights are not those of the network."""
    faults = [
        f"{name}: {_shape_word(weights, name)}, expected {expected.get(name, 'none')}"
        for name in dict.fromkeys((*expected, *weights))
        if name not in weights or weights[name].shape != expected.get(name)
    ]
    if faults:
        raise _unfit(weights, f"\n{itemised(faults, alike=True)}")


def _unfit(weights: Mapping[str, NDArray[Any]], why: str) -> InputError:
    return InputError(
        f"the weights do not fit the recipe's network:{why}",
        expected="the weights and the run.json of one run",
        do="keep weights with `keep_weights: best`, and do not move files between runs" if not weights else None,
    )


def _shape_word(weights: Mapping[str, NDArray[Any]], name: str) -> str:
    return str(weights[name].shape) if name in weights else "none"
