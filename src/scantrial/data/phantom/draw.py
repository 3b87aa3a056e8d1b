"""Draw a chest as a radiograph sees it: a map of how much each line of sight is held back.

Every structure is a smooth function of the coordinates of `anatomy`, 0 where it is not; 1 is as dense as the picture
gets. Arrays are float32.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from scantrial.data.phantom.anatomy import Anatomy, Blob

Map = NDArray[np.float32]

_BODY_Y = (-1.0, -0.93, -0.86, -0.78, -0.66, -0.5, -0.2, 0.3, 1.0)
_BODY_HALF_WIDTH = (0.27, 0.29, 0.44, 0.74, 0.93, 0.96, 0.90, 0.86, 0.88)


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """Coordinates of the pixels in a patient's frame.

    Parameters
    ----------
    x : shape (size, size), from the body axis; `u` is its absolute value
    y : shape (size, 1)
    """

    x: Map
    u: Map
    y: Map

    def part(self, rows: slice, columns: slice) -> Grid:
        """The same coordinates in a window of the picture."""
        return Grid(x=self.x[rows, columns], u=self.u[rows, columns], y=self.y[rows])


def make_grid(size: int, *, dx: float, dy: float, zoom: float, lean: float) -> Grid:
    """Lay the patient's coordinates over `size` x `size` pixels, moved and enlarged as they stood before the plate."""
    line = ((np.arange(size, dtype=np.float32) + 0.5) * (2 / size) - 1).astype(np.float32)
    y = ((line - np.float32(dy)) / np.float32(zoom))[:, None]
    x = ((line - np.float32(dx)) / np.float32(zoom))[None, :] - np.float32(lean) * y
    return Grid(x=x, u=np.abs(x), y=y)


def draw_chest(grid: Grid, anatomy: Anatomy, opacities: Sequence[Blob]) -> Map:
    """Return the density of every line of sight, shape (size, size)."""
    density = _body(grid, anatomy)
    density *= np.float32(0.62) + np.float32(0.12) * _ramp(grid.y - np.float32(anatomy.base), 0.4)
    rows, columns = _window(grid, (-0.84, 0.80), (-0.80, 0.80))
    thorax = grid.part(rows, columns)
    density[rows, columns] += _inside(thorax, anatomy, opacities)
    density[rows, columns] += _ribs(thorax, anatomy)
    _add_middle(density, grid, anatomy)
    _add_shoulders(density, grid)
    return density


def _inside(grid: Grid, anatomy: Anatomy, opacities: Sequence[Blob]) -> Map:
    """Return how much less than solid tissue the lungs hold back, with what lies in them; 0 outside the lungs."""
    inside = _vessels(grid, anatomy)
    _add_blobs(inside, grid, opacities)
    inside *= _texture(inside.shape, anatomy.texture_seed)
    _add_blobs(inside, grid, _breasts(anatomy))
    # Lung that is filled is as dense as the tissue around it, and not denser.
    np.minimum(inside, np.float32(anatomy.lung_depth), out=inside)
    inside -= np.float32(anatomy.lung_depth)
    inside *= _lungs(grid, anatomy)
    rows, columns = _window(grid, (-0.55, 0.65), (-0.45, 0.65))
    inside[rows, columns] *= _beside_heart(grid.part(rows, columns), anatomy)
    return inside


def _ramp(distance: Map, width: float) -> Map:
    """Rise smoothly from 0 to 1 while `distance` goes from -width/2 to width/2."""
    t = distance * np.float32(1 / width)
    t += np.float32(0.5)
    np.clip(t, 0, 1, out=t)
    rest = t * np.float32(-2)
    rest += np.float32(3)
    t *= t
    t *= rest
    return t


def _body(grid: Grid, anatomy: Anatomy) -> Map:
    """Depth of the body along the line of sight, 1 in the middle, 0 at the skin."""
    half_width = np.interp(grid.y, _BODY_Y, np.array(_BODY_HALF_WIDTH) * anatomy.breadth).astype(np.float32)
    depth = grid.x / half_width
    depth *= -depth
    depth += np.float32(1)
    np.maximum(depth, 0, out=depth)
    np.sqrt(depth, out=depth)
    return depth


def _cage(y: Map, anatomy: Anatomy) -> Map:
    """Half width of the rib cage at each height, shape (size, 1)."""
    s = np.clip((y - np.float32(anatomy.apex)) / np.float32(anatomy.base - anatomy.apex), 0, 1)
    width: Map = np.float32(anatomy.chest) * (1 - (1 - s) ** 3) ** np.float32(0.55) * (1 - np.float32(0.05) * s)
    return width


def _lungs(grid: Grid, anatomy: Anatomy) -> Map:
    medial = np.float32(0.10) + np.float32(0.03) * _ramp(grid.y - np.float32(0.05), 0.7)
    middle, half = anatomy.chest * 0.50, anatomy.chest * 0.62
    arch = (grid.u - np.float32(middle)) * np.float32(1 / half)
    arch *= arch
    arch *= np.float32(anatomy.base - anatomy.domes[0])
    arch -= grid.y
    arch += np.where(grid.x[:1] < 0, np.float32(anatomy.domes[0]), np.float32(anatomy.domes[1]))
    lung = _ramp(arch, 0.035)
    lung *= _ramp(_cage(grid.y, anatomy) - grid.u, 0.05)
    lung *= _ramp(grid.u - medial, 0.06)
    lung *= _ramp(grid.y - np.float32(anatomy.apex + 0.02), 0.1)
    return lung


def _ellipse(grid: Grid, x: float, y: float, radii: tuple[float, float], *, soft: float, tilt: float = 0.0) -> Map:
    """1 inside, 0 outside, with an edge `soft` wide relative to the radius."""
    dx = (grid.x - np.float32(x)) * np.float32(1 / radii[0])
    dy = dx * np.float32(-tilt)
    dy += (grid.y - np.float32(y)) * np.float32(1 / radii[1])
    dx *= -dx
    dx += np.float32(1)
    dy *= dy
    dx -= dy
    return _ramp(dx, 2 * soft)


def _beside_heart(grid: Grid, anatomy: Anatomy) -> Map:
    """0 where heart and great vessels lie before the lung, 1 elsewhere."""
    size = anatomy.heart_size
    heart = _ellipse(grid, anatomy.heart_x, 0.19, (0.33 * size, 0.28 * size), soft=0.16, tilt=0.32)
    free = 1 - np.float32(0.92) * heart
    free *= 1 - np.float32(0.8) * _ellipse(grid, 0.085, -0.29, (0.105, 0.11), soft=0.4)
    free *= 1 - np.float32(0.55) * _ellipse(grid, -0.06, -0.16, (0.11, 0.30), soft=0.4)
    return free


def _add_middle(density: Map, grid: Grid, anatomy: Anatomy) -> None:
    """Add spine, windpipe, heart and the stomach's bubble of air."""
    rows, columns = _window(grid, (-1.1, 1.1), (-0.2, 0.2))
    part = grid.part(rows, columns)
    wave = np.cos(part.y * np.float32(2 * np.pi / 0.125))
    middle = (np.float32(0.085) + np.float32(0.025) * wave) * _ramp(np.float32(0.072) - part.u, 0.025)
    middle += np.float32(0.06) * _ramp(np.float32(0.12) - part.u, 0.09)
    windpipe = np.float32(-0.13) * _ramp(np.float32(-0.28) - part.y, 0.12)
    middle += windpipe * _ramp(np.float32(0.042) - np.abs(part.x + np.float32(0.008)), 0.03)
    density[rows, columns] += middle
    y = anatomy.domes[1] + 0.19
    size = anatomy.heart_size
    heart = Blob(x=anatomy.heart_x, y=0.19, radius_x=0.25 * size, radius_y=0.2 * size, density=0.10)
    stomach = Blob(x=0.36, y=y, radius_x=0.13, radius_y=0.09, density=-0.14)
    _add_blobs(density, grid, (heart, stomach))


def _ribs(grid: Grid, anatomy: Anatomy) -> Map:
    u, y = grid.u, grid.y
    sag = (u - np.float32(0.20)) * np.float32(1 / 0.5)
    sag *= sag
    sag *= np.float32(-anatomy.rib_sag)
    sag += y - np.float32(anatomy.rib_start)
    ribs = _bands(sag, anatomy.rib_gap, last=9)
    ribs *= np.float32(0.085)
    front = u * np.float32(0.62)
    front += y - np.float32(anatomy.rib_start + 0.42)
    front = _bands(front, anatomy.rib_gap * 1.16, last=5)
    front *= np.float32(0.04) * _ramp(u[:1] - np.float32(0.30), 0.14)
    ribs += front
    ribs *= _ramp(_cage(y + np.float32(0.03), anatomy) + np.float32(0.035) - u, 0.03)
    ribs *= _ramp(u[:1] - np.float32(0.07), 0.06)
    ribs *= np.float32(1) - np.float32(0.85) * _ramp(y - np.float32(anatomy.base - 0.05), 0.35)
    return ribs


def _bands(across: Map, gap: float, *, last: int) -> Map:
    """Parallel bands, one each `gap` from 0 to `last`, with denser edges (the ribs' outer bone)."""
    across *= np.float32(1 / gap)
    outside = (across < 0) | (across >= last)
    across -= np.floor(across)
    across -= np.float32(0.5)
    across *= np.float32(2)
    across *= across
    # From here on the square of the distance from the band's middle: 0.2 is the band's edge.
    band = _ramp(np.float32(0.21) - across, 0.15)
    across *= np.float32(1.9)
    across += np.float32(0.62)
    band *= across
    band[outside] = 0
    return band


def _add_shoulders(density: Map, grid: Grid) -> None:
    """Add collar bones and the heads of the upper arms."""
    rows, columns = _window(grid, (-0.95, -0.35), (-1.1, 1.1))
    part = grid.part(rows, columns)
    along = (part.u - np.float32(0.08)) * np.float32(1 / 0.60)
    line = np.float32(0.15) * along
    line -= np.float32(0.03) * np.sin(along * np.float32(2 * np.pi))
    line += part.y + np.float32(0.60)
    thick = np.float32(0.024) + np.float32(0.012) * np.abs(2 * along - 1)
    bones = _ramp(thick - np.abs(line), 0.022)
    bones *= _ramp(np.float32(0.5) - np.abs(along - np.float32(0.5)), 0.12)
    bones *= np.float32(0.11)
    head = (part.u - np.float32(0.84)) ** 2 + np.float32(0.8) * (part.y + np.float32(0.58)) ** 2
    bones += np.float32(0.08) * _ramp(np.float32(0.012) - head, 0.020)
    density[rows, columns] += bones * (density[rows, columns] > 0.02)


def _window(grid: Grid, y: tuple[float, float], x: tuple[float, float]) -> tuple[slice, slice]:
    """Rows and columns that hold a part of the picture: pixels outside need no computation."""
    across = grid.x[len(grid.x) // 2]
    return slice(*np.searchsorted(grid.y[:, 0], y)), slice(*np.searchsorted(across, x))


def _add_blobs(density: Map, grid: Grid, blobs: Sequence[Blob]) -> None:
    """Add soft spots, each computed only where it is."""
    for blob in blobs:
        wide, tall = 1.5 * blob.radius_x, 1.5 * blob.radius_y
        # The lean of the axis moves x by less than 0.05 over the height: the window leaves room for it.
        y, x = _window(grid, (blob.y - tall, blob.y + tall), (blob.x - wide - 0.05, blob.x + wide + 0.05))
        dx = (grid.x[y, x] - np.float32(blob.x)) * np.float32(1 / wide)
        dy = (grid.y[y] - np.float32(blob.y)) * np.float32(1 / tall)
        bump = np.maximum(1 - dx * dx - dy * dy, 0)
        bump *= bump
        bump *= np.float32(blob.density)
        density[y, x] += bump


def _breasts(anatomy: Anatomy) -> tuple[Blob, ...]:
    y = anatomy.domes[0] - 0.10
    return tuple(Blob(x=x, y=y, radius_x=0.26, radius_y=0.20, density=anatomy.breast) for x in (-0.42, 0.42))


def _texture(shape: tuple[int, ...], seed: int) -> Map:
    """Uneven factor about 1: smooth noise of 32 x 32 spots over the thorax."""
    spots = np.random.Generator(np.random.PCG64(seed)).uniform(0.7, 1.3, (32, 32)).astype(np.float32)
    height, width = shape
    return np.asarray(Image.fromarray(spots).resize((width, height), Image.Resampling.BICUBIC), dtype=np.float32)


def _vessels(grid: Grid, anatomy: Anatomy) -> Map:
    """Hila and the vessels that branch from them, finer and fainter outwards."""
    height, width = grid.x.shape
    picture = Image.new("L", (width, height))
    pen = ImageDraw.Draw(picture)
    step = float(grid.y[1, 0] - grid.y[0, 0])
    origin = np.array([grid.x[height // 2, 0], grid.y[0, 0]])
    for piece, ends in enumerate(_vessel_tree(anatomy.vessel_seed)):
        # Pieces and twigs take turns; both grow thinner and fainter from the hilum outwards.
        rank, is_twig = divmod(piece, 2)
        brightness = (210 - 42 * rank) // (1 + is_twig)
        thickness = max(1, round((0.024 - 0.005 * rank) / (step * (1 + is_twig))))
        for line in ((ends - origin) / step).reshape(-1, 4).tolist():
            pen.line(line, fill=brightness, width=thickness)
    vessels = np.asarray(picture).astype(np.float32)
    vessels *= np.float32(0.11 / 255)
    hila = tuple(Blob(x=x, y=-0.02, radius_x=0.085, radius_y=0.13, density=0.12) for x in (-0.17, 0.17))
    _add_blobs(vessels, grid, hila)
    return vessels


def _vessel_tree(seed: int) -> NDArray[np.float64]:
    """Draw six vessels from each hilum, of four pieces with a twig each.

    Returns
    -------
    shape (8, 12, 2, 2)
        Piece and twig in turn; vessel; the two ends; x and y.
    """
    rng = np.random.Generator(np.random.PCG64(seed))
    side = np.repeat([-1.0, 1.0], 6)
    start = np.stack([0.15 * side, np.where(side < 0, -0.03, -0.06)], axis=1)
    turns = rng.normal(0, 0.16, (4, 12))
    turns[0] += np.tile(np.linspace(-1.35, 1.35, 6), 2)
    angle = np.cumsum(turns, axis=0)
    joints = start + np.cumsum(0.11 * _heading(angle, side), axis=0)
    fork = np.array([-0.6, 0.6, -0.6, 0.6])[:, None] + rng.normal(0, 0.16, (4, 12))
    tips = joints + 0.12 * _heading(angle + fork, side)
    pieces = np.stack([np.concatenate([start[None], joints[:-1]]), joints], axis=2)
    return np.stack([pieces, np.stack([joints, tips], axis=2)], axis=1).reshape(8, 12, 2, 2)


def _heading(angle: NDArray[np.float64], side: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.stack([side * np.cos(angle), np.sin(angle)], axis=-1)
