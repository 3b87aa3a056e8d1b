"""The random numbers of augmentation: each is a function of seed, epoch, case and how often the case came before.

Every operation draws from a stream of its own, a table with a row for each case; where a case comes again in
an epoch, it has a stream of its own. The order of the cases, the batch size, and what else is switched on therefore
change no draw. Geometry is one affine map for each scan.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from scantrial.core.rng import stream
from scantrial.recipe.augment import AugmentSpec

Floats = NDArray[np.float64]

Draw = Callable[[np.random.Generator, int], Floats]

ERASED_AREA, ERASED_SIDES = (0.02, 0.33), 3.3
CROP_SIDES = 4 / 3
"""Bounds of erasing (Zhong et al. 2020) and of crops (Szegedy et al. 2015), as in torchvision."""

OF_VIEWS = 0
"""The epoch of the draws for test-time views."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseDraws:
    """The draws of some cases in one epoch.

    Parameters
    ----------
    tables : those of the seed
    epoch : counts from 1; `OF_VIEWS` for test time
    cases : shape (n,), case numbers; for views, the number of the view
    repeats : shape (n,), how often each case came before in this epoch
    """

    tables: DrawTables
    epoch: int
    cases: NDArray[np.int64]
    repeats: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.cases)

    def uniform(self, operation: str, n: int = 1) -> Floats:
        """Return n numbers in [0, 1) for each case, shape (len(self), n)."""
        return self._rows(operation, lambda drawn, n_rows: drawn.random((n_rows, n)), (n,))

    def within(self, operation: str, largest: float, n: int = 1) -> Floats:
        """Return n numbers from -largest to largest for each case."""
        return (2 * self.uniform(operation, n) - 1) * largest if largest else np.zeros((len(self), n))

    def choice(self, operation: str, n: int) -> NDArray[np.int64]:
        """Return a number from 0 to n - 1 for each case, shape (len(self),); views take them in turn."""
        if self.epoch == OF_VIEWS:
            return self.cases % n
        return (self.uniform(operation)[:, 0] * n).astype(np.int64)

    def share(self, operation: str, alpha: float) -> Floats:
        """Return a number in [0, 1] from Beta(alpha, alpha) for each case, shape (len(self),)."""
        return self._rows(operation, lambda drawn, n_rows: drawn.beta(alpha, alpha, n_rows), (), alpha)

    def normals(self, operation: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
        """Return an array of standard normal numbers for each case, shape (len(self), *shape)."""
        rows = [
            self.tables.named(operation, self.epoch, int(repeat), int(case)).standard_normal(shape, dtype=np.float32)
            for case, repeat in zip(self.cases, self.repeats, strict=True)
        ]
        return np.stack(rows)

    def _rows(self, operation: str, draw: Draw, shape: tuple[int, ...], *settings: float) -> Floats:
        """Return what is drawn for each case: its row of a table where it comes first, later a draw of its own.

        A table for each repeat would need much memory where few cases are repeated very often.
        """
        found = np.empty((len(self), *shape))
        first = self.repeats == 0
        if first.any():
            found[first] = self.tables.first(operation, self.epoch, draw, *shape, *settings)[self.cases[first]]
        for row in np.flatnonzero(~first):
            own = self.tables.named(operation, self.epoch, int(self.repeats[row]), int(self.cases[row]))
            found[row] = draw(own, 1)[0]
        return found


@dataclass(slots=True, kw_only=True)
class DrawTables:
    """The draws of one seed; those of the current epoch are kept.

    Parameters
    ----------
    seed : of the replicate
    n_cases : rows of a table; a row does not depend on how many there are
    """

    seed: int
    n_cases: int
    _epoch: int = -1
    _kept: dict[tuple[str | int | float, ...], Floats] = field(default_factory=dict)

    def of(self, epoch: int, cases: NDArray[np.int64], repeats: NDArray[np.int64] | None = None) -> CaseDraws:
        """Return the draws of some cases; without `repeats` no case came before."""
        return CaseDraws(
            tables=self, epoch=epoch, cases=cases, repeats=np.zeros_like(cases) if repeats is None else repeats
        )

    def named(self, operation: str, epoch: int, *names: int) -> np.random.Generator:
        """Return a fresh generator for one operation."""
        return stream(self.seed, "augment", operation, epoch, *names)

    def first(self, operation: str, epoch: int, draw: Draw, *settings: float) -> Floats:
        """Return the table of an operation: a row for each case, for the first time that it comes in an epoch.

        Parameters
        ----------
        draw : draws a number of rows
        settings : all that `draw` depends on
        """
        key: tuple[str | int | float, ...] = (operation, epoch, *settings)
        if key not in self._kept_of(epoch):
            self._kept[key] = draw(self.named(operation, epoch, 0), self.n_cases)
        return self._kept[key]

    def _kept_of(self, epoch: int) -> dict[tuple[str | int | float, ...], Floats]:
        if epoch != self._epoch:
            self._kept.clear()
            self._epoch = epoch
        return self._kept


def affine_maps(spec: AugmentSpec, drawn: CaseDraws, *, height: int, width: int) -> Floats:
    """Return for each case the map from a pixel of the changed scan to its place in the scan, shape (n, 2, 3).

    Both places are (right, down) from the centre, in pixels. The scan is cropped, mirrored or turned by a quarter,
    scaled, sheared, rotated counter-clockwise, then shifted.
    """
    turn = np.deg2rad(drawn.within("rotate", spec.rotate)[:, 0])
    slant = np.tan(np.deg2rad(drawn.within("shear", spec.shear)[:, 0]))
    size = 1 + drawn.within("scale", spec.scale)[:, 0]
    shift = drawn.within("shift", spec.shift, 2) * (width, height)
    rotation = _matrices(np.cos(turn), np.sin(turn), -np.sin(turn), np.cos(turn))
    one, none = np.ones_like(slant), np.zeros_like(slant)
    there = rotation @ _matrices(one, slant, none, one) * size[:, None, None]
    mirrored = _symmetries(spec, drawn, square=height == width)
    cut, centre = _crops(spec, drawn, height=height, width=width)
    back = cut @ mirrored.transpose(0, 2, 1) @ np.linalg.inv(there)
    offset = centre[:, :, None] - back @ shift[:, :, None]
    return np.concatenate([back, offset], axis=2)


def _matrices(a: Floats, b: Floats, c: Floats, d: Floats) -> Floats:
    """Return matrices ((a, b), (c, d)), shape (n, 2, 2)."""
    return np.stack([np.stack([a, b], axis=-1), np.stack([c, d], axis=-1)], axis=-2)


def _symmetries(spec: AugmentSpec, drawn: CaseDraws, *, square: bool) -> Floats:
    """Return the flip or symmetry of each case, an orthogonal matrix, shape (n, 2, 2)."""
    none: Floats = np.zeros(len(drawn))
    across, down, swaps = none + 1, none + 1, none > 0
    if spec.symmetries:
        number = drawn.choice("symmetries", 8 if square else 4)
        across, down, swaps = _signs(number, 1), _signs(number, 2), number >= 4
    if spec.flip == "both":
        number = drawn.choice("flip", 4)
        across, down = _signs(number, 1), _signs(number, 2)
    elif spec.flip != "none":
        mirrored = _signs(drawn.choice("flip", 2), 1)
        across, down = (mirrored, down) if spec.flip == "horizontal" else (across, mirrored)
    return np.where(swaps[:, None, None], _matrices(none, across, down, none), _matrices(across, none, none, down))


def _signs(numbers: NDArray[np.int64], bit: int) -> Floats:
    """Return -1 for the numbers that have a bit, 1 for the others."""
    return np.where(numbers & bit, -1.0, 1.0)


def _crops(spec: AugmentSpec, drawn: CaseDraws, *, height: int, width: int) -> tuple[Floats, Floats]:
    """Return each case's cut-out: its sides as shares, diagonal matrices, and its centre from the scan's, in pixels."""
    none = np.zeros(len(drawn))
    if spec.crop == 1:
        return _matrices(none + 1, none, none, none + 1), np.zeros((len(drawn), 2))
    u = drawn.uniform("crop", 4)
    area = spec.crop + (1 - spec.crop) * u[:, 0]
    ratio = np.exp((2 * u[:, 1] - 1) * math.log(CROP_SIDES))
    across, down = np.minimum(1, np.sqrt(area * ratio)), np.minimum(1, np.sqrt(area / ratio))
    centre = (u[:, 2:] - 0.5) * np.stack([(1 - across) * width, (1 - down) * height], axis=1)
    return _matrices(across, none, none, down), centre


@dataclass(frozen=True, slots=True, kw_only=True)
class Boxes:
    """A rectangle in each scan: rows ``top <= row < bottom`` and columns ``left <= column < right``, shape (n,)."""

    top: NDArray[np.int64]
    bottom: NDArray[np.int64]
    left: NDArray[np.int64]
    right: NDArray[np.int64]

    def areas(self, *, height: int, width: int) -> Floats:
        """Return the share of the scan that each covers."""
        return (self.bottom - self.top) * (self.right - self.left) / (height * width)


def erased_boxes(spec: AugmentSpec, drawn: CaseDraws, *, height: int, width: int) -> Boxes:
    """Return what is erased of each case; an empty rectangle where nothing is."""
    u = drawn.uniform("erasing", 5)
    area = ERASED_AREA[0] + (ERASED_AREA[1] - ERASED_AREA[0]) * u[:, 1]
    ratio = np.exp((2 * u[:, 2] - 1) * math.log(ERASED_SIDES))
    erased = u[:, 0] < spec.erasing
    tall = np.where(erased, np.minimum(height, np.rint(np.sqrt(area / ratio) * height)), 0).astype(np.int64)
    wide = np.where(erased, np.minimum(width, np.rint(np.sqrt(area * ratio) * width)), 0).astype(np.int64)
    top = (u[:, 3] * (height - tall + 1)).astype(np.int64)
    left = (u[:, 4] * (width - wide + 1)).astype(np.int64)
    return Boxes(top=top, bottom=top + tall, left=left, right=left + wide)


def pasted_boxes(share: Floats, drawn: CaseDraws, *, height: int, width: int) -> Boxes:
    """Return what CutMix pastes into each case: `share` of the scan about a random centre, cut off at its borders."""
    u = drawn.uniform("cutmix-place", 2)
    edges = []
    for centre, side in ((u[:, 0], height), (u[:, 1], width)):
        half = np.sqrt(share) * side / 2
        edges += [np.rint(np.clip(centre * side + sign * half, 0, side)).astype(np.int64) for sign in (-1, 1)]
    return Boxes(top=edges[0], bottom=edges[1], left=edges[2], right=edges[3])
