"""A patient of the phantom: the numbers that make one chest differ from the next.

Lengths are in half image sides: x runs from -1 (the patient's right, drawn on the left as radiographs are) to 1, y from
-1 (neck) to 1 (abdomen).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True, kw_only=True)
class Blob:
    """One soft round spot: where it is, how large, how much denser than what is around it."""

    x: float
    y: float
    radius_x: float
    radius_y: float
    density: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Anatomy:
    """One chest.

    Parameters
    ----------
    breadth : of the body, relative to the usual one
    chest, apex, base : half width of the rib cage; y of the lungs' upper and lower ends
    domes : y of the diaphragm's dome on the patient's right and left side
    lean : sideways tilt of the body axis
    heart_size, heart_x : relative to the usual size; x of its middle
    rib_start, rib_gap, rib_sag : y of the first rib at the spine, distance of ribs, how far they fall to the side
    lung_depth : how much less dense the lungs are than the tissue around them
    breast : density of the soft-tissue shadow over the lower lungs
    vessel_seed, texture_seed : of the vessel tree and of the fine structure
    """

    breadth: float
    chest: float
    apex: float
    base: float
    domes: tuple[float, float]
    lean: float
    heart_size: float
    heart_x: float
    rib_start: float
    rib_gap: float
    rib_sag: float
    lung_depth: float
    breast: float
    vessel_seed: int
    texture_seed: int


def draw_anatomy(rng: np.random.Generator) -> Anatomy:
    """Draw one patient."""

    def about(middle: float, spread: float) -> float:
        return float(middle + spread * np.clip(rng.standard_normal(), -2.2, 2.2))

    base = about(0.52, 0.03)
    right_dome = base - about(0.20, 0.025)
    return Anatomy(
        breadth=about(1.0, 0.035),
        chest=about(0.69, 0.025),
        apex=about(-0.74, 0.02),
        base=base,
        domes=(right_dome, right_dome + about(0.06, 0.02)),
        lean=about(0.0, 0.015),
        heart_size=about(1.0, 0.07),
        heart_x=about(0.09, 0.02),
        rib_start=about(-0.78, 0.02),
        rib_gap=about(0.148, 0.006),
        rib_sag=about(0.30, 0.03),
        lung_depth=about(0.40, 0.02),
        breast=abs(about(0.0, 0.03)),
        vessel_seed=int(rng.integers(2**62)),
        texture_seed=int(rng.integers(2**62)),
    )


def draw_opacities(rng: np.random.Generator, anatomy: Anatomy, difficulty: float) -> tuple[Blob, ...]:
    """Draw one patient's opacities: one or two patches in the lungs, each of a few lobes.

    Large and dense at difficulty 0, small and faint at 1; the draws are the same at every difficulty.
    """
    radius = 0.21 - 0.10 * difficulty
    density = 0.36 - 0.28 * difficulty**0.5
    lobes: list[Blob] = []
    for _ in range(int(rng.integers(1, 3))):
        side = -1 if rng.random() < 0.5 else 1
        height = float(rng.random())
        x = side * float(rng.uniform(0.26, 0.52)) * anatomy.chest / 0.69
        y = anatomy.apex + 0.28 + height * (min(anatomy.domes) - anatomy.apex - 0.40)
        for _ in range(int(rng.integers(3, 6))):
            dx, dy = rng.normal(0, 0.55, 2) * radius
            wide, tall = rng.uniform(0.45, 1.0, 2) * radius
            lobes.append(
                Blob(
                    x=x + float(dx),
                    y=y + float(dy),
                    radius_x=float(wide),
                    radius_y=float(tall),
                    density=density * float(rng.uniform(0.6, 1.0)),
                )
            )
    return tuple(lobes)
