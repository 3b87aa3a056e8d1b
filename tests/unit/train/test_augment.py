"""What each operation of augmentation does to a scan, with its draws fixed, against values that are known."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from scantrial.recipe.augment import PRESETS, AugmentSpec
from scantrial.train.augment import PADDING, augmented
from scantrial.train.draws import CaseDraws, Draw, DrawTables

HIGHEST = 1 - 1e-12


@dataclass(slots=True, kw_only=True)
class Fixed(DrawTables):
    """Tables whose draws are given: by operation, one number for all columns or one for each."""

    given: dict[str, float | list[float]] = field(default_factory=dict)

    def first(self, operation: str, epoch: int, draw: Draw, n: int) -> NDArray[np.float64]:
        """Return the given numbers; the middle where none are given."""
        return np.broadcast_to(np.asarray(self.given.get(operation, 0.5), dtype=np.float64), (self.n_cases, n))


def fixed(n: int, **given: float | list[float]) -> CaseDraws:
    """Draws of n cases with given numbers."""
    return Fixed(seed=0, n_cases=n, given=given).of(1, np.arange(n))


def scans(n: int = 3, channels: int = 1, height: int = 12, width: int = 12) -> Tensor:
    """Smooth random scans."""
    rng = np.random.default_rng(0)
    return torch.from_numpy(rng.uniform(0.1, 0.9, (n, channels, height, width)).astype(np.float32))


def changed(images: Tensor, spec: dict, **given: float | list[float]) -> NDArray[np.float32]:
    """Augment with given draws."""
    return augmented(images, AugmentSpec(**spec), fixed(len(images), **given)).numpy()


def close(found: NDArray[np.float32], expected: NDArray[np.float32], *, within: float = 1e-4) -> None:
    """Compare up to the rounding of float32 coordinates."""
    np.testing.assert_allclose(found, expected, atol=within, rtol=0)


# ---------------------------------------------------------------------- geometry


@pytest.mark.parametrize(("u", "turns"), [(HIGHEST, 1), (0.0, -1)])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_rotation_by_90_degrees_is_a_quarter_turn(u: float, turns: int, channels: int):
    """The largest draw turns counter-clockwise, the smallest clockwise."""
    images = scans(channels=channels)
    close(changed(images, {"rotate": 90}, rotate=u), np.rot90(images.numpy(), turns, axes=(2, 3)))


def test_a_rotation_of_a_wide_scan_keeps_its_proportions():
    """By 180 degrees it is turned about its centre; by 90, a square in its middle is."""
    images = scans(height=8, width=16)
    close(changed(images, {"rotate": 180}, rotate=HIGHEST), images.numpy()[:, :, ::-1, ::-1])
    middle = changed(images, {"rotate": 90}, rotate=HIGHEST)[:, :, :, 4:12]
    close(middle, np.rot90(images.numpy()[:, :, :, 4:12], axes=(2, 3)))


def test_a_shift_by_one_pixel_right_and_down():
    """The share is of each side; what comes in is black."""
    images = scans(height=12, width=6)
    found = changed(images, {"shift": 0.5}, shift=[0.5 + 1 / 6, 0.5 + 1 / 12])
    expected = np.zeros_like(found)
    expected[:, :, 1:, 1:] = images.numpy()[:, :, :-1, :-1]
    close(found, expected)


@pytest.mark.parametrize(("fill", "coming_in"), [("edge", 0), ("reflect", 1)])
def test_what_comes_in_at_a_border(fill: str, coming_in: int):
    """Shifted by two pixels to the right, the second row from the border is the outermost pixel, or the second."""
    images = scans()
    found = changed(images, {"shift": 0.5, "fill": fill}, shift=[0.5 + 2 / 12, 0.5])
    close(found[:, :, :, 0], images.numpy()[:, :, :, coming_in])
    close(found[:, :, :, 2:], images.numpy()[:, :, :, :-2])


def test_scaling_by_two_enlarges_about_the_centre():
    """A pixel three from the centre stands six from it, and the middle half fills the scan."""
    images = torch.zeros(1, 1, 13, 13)
    images[0, 0, 6, 9] = 1
    found = changed(images, {"scale": 1 - 1e-9}, scale=HIGHEST)
    assert found[0, 0, 6, 12] == pytest.approx(1, abs=1e-4)
    flat = torch.linspace(0, 1, 13).expand(1, 1, 13, 13)
    close(changed(flat, {"scale": 1 - 1e-9}, scale=HIGHEST)[0, 0, 6], np.linspace(0.25, 0.75, 13))


def test_a_shear_of_45_degrees_moves_a_pixel_by_its_height():
    """Two rows below the centre, by two columns; the middle row stays."""
    images = torch.zeros(1, 1, 13, 13)
    images[0, 0, 8, 6] = images[0, 0, 6, 4] = 1
    found = changed(images, {"shear": 45}, shear=HIGHEST)
    assert found[0, 0, 8, 8] == pytest.approx(1, abs=1e-4)
    assert found[0, 0, 6, 4] == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize(
    ("flip", "u", "axes"),
    [
        ("horizontal", 0.9, (3,)),
        ("horizontal", 0.1, ()),
        ("vertical", 0.9, (2,)),
        ("vertical", 0.1, ()),
        ("both", 0.1, ()),
        ("both", 0.3, (3,)),
        ("both", 0.6, (2,)),
        ("both", 0.9, (2, 3)),
    ],
)
def test_flips(flip: str, u: float, axes: tuple[int, ...]):
    """Each with probability 1/2, and both independently."""
    images = scans(height=8, width=10)
    close(changed(images, {"flip": flip}, flip=u), np.flip(images.numpy(), axes))


def test_the_eight_symmetries_are_all_there_and_distinct():
    """They are the four quarter turns, and these of the mirror image."""
    image = scans(1)
    found = [changed(image, {"symmetries": True}, symmetries=(k + 0.5) / 8)[0, 0] for k in range(8)]
    plain = image.numpy()[0, 0]
    expected = [np.rot90(start, k) for start in (plain, plain[:, ::-1]) for k in range(4)]
    for one in expected:
        assert sum(np.allclose(one, other, atol=1e-4) for other in found) == 1
    close(found[0], plain)


def test_a_scan_that_is_not_square_keeps_its_shape_under_symmetries():
    """It takes one of four."""
    images = scans(1, height=8, width=12)
    found = [changed(images, {"symmetries": True}, symmetries=(k + 0.5) / 4)[0, 0] for k in range(4)]
    for axes in ((), (0,), (1,), (0, 1)):
        assert sum(np.allclose(np.flip(images.numpy()[0, 0], axes), other, atol=1e-4) for other in found) == 1


def test_a_crop_of_a_quarter_of_the_area_fills_the_scan():
    """Without a change of proportions, at the upper left: a ramp's first half, spread over the whole."""
    ramp = ((torch.arange(16) + 0.5) / 16).expand(1, 1, 16, 16)
    found = changed(ramp, {"crop": 0.25, "fill": "edge"}, crop=[0.0, 0.5, 0.0, 0.0])
    close(found[0, 0, 3, 1:], ((np.arange(16) + 0.5) / 32)[1:])
    whole = changed(ramp, {"crop": 0.25}, crop=[HIGHEST, 0.5, 0.0, 0.0])
    close(whole, ramp.numpy())


def test_an_elastic_deformation_moves_pixels_by_about_its_standard_deviation():
    """On ramps a value says where it came from; mean 0, standard deviation near what was asked for, and smooth."""
    ramp = ((torch.arange(64) + 0.5) / 64).expand(200, 1, 64, 64)
    spec = AugmentSpec(elastic=0.02, elastic_grid=6, fill="edge")
    found = augmented(ramp, spec, DrawTables(seed=1, n_cases=200).of(1, np.arange(200))).numpy()
    moved = (found - ramp.numpy())[:, 0, 8:-8, 8:-8]
    assert abs(moved.mean()) < 0.002
    assert moved.std() == pytest.approx(0.02 * 0.85, rel=0.15)  # between the points, interpolation takes some of it
    assert np.abs(np.diff(moved, axis=1)).mean() < 0.15 * moved.std()


# ---------------------------------------------------------------------- intensity


def test_brightness_contrast_and_gamma_have_their_values():
    """A factor of all pixels, of their distance from the mean, and an exponent; cut off at black and white."""
    images = scans(channels=3)
    plain = images.numpy()
    close(changed(images, {"brightness": 0.5}, brightness=HIGHEST), np.minimum(plain * 1.5, 1), within=1e-6)
    mean = plain.mean(axis=(1, 2, 3), keepdims=True)
    expected = np.clip(mean + 0.5 * (plain - mean), 0, 1)
    close(changed(images, {"contrast": 0.5}, contrast=0.0), expected, within=1e-6)
    close(changed(images, {"gamma": 1.0}, gamma=HIGHEST), plain**2, within=1e-6)
    close(changed(images, {"gamma": 1.0}, gamma=0.0), plain**0.5, within=1e-6)


def test_saturation_and_hue_have_their_values():
    """No saturation is gray; a third of the circle turns red into green, green into blue, blue into red."""
    images = scans(channels=3)
    gray = np.einsum("nchw,c->nhw", images.numpy(), [0.299, 0.587, 0.114])[:, None].repeat(3, axis=1)
    close(changed(images, {"saturation": 1.0}, saturation=0.0), gray, within=1e-6)
    third = 0.5 + (1 / 3)
    found = changed(images, {"hue": 0.5}, hue=third)
    close(found, images.numpy()[:, [2, 0, 1]], within=1e-5)
    assert np.array_equal(changed(torch.full((1, 3, 4, 4), 0.25), {"hue": 0.5}, hue=third), np.full((1, 3, 4, 4), 0.25))


def test_the_hue_is_that_of_pillow():
    """Turned by a quarter of the circle, against Pillow's HSV in 8 bits."""
    rng = np.random.default_rng(3)
    pixels = rng.integers(0, 256, (16, 16, 3)).astype(np.uint8)
    hsv = np.array(Image.fromarray(pixels).convert("HSV")).astype(int)
    hsv[..., 0] = (hsv[..., 0] + 64) % 256
    expected = np.array(Image.fromarray(hsv.astype(np.uint8), "HSV").convert("RGB")) / 255
    images = torch.from_numpy(pixels.astype(np.float32) / 255).permute(2, 0, 1)[None]
    found = changed(images, {"hue": 0.25}, hue=HIGHEST)[0].transpose(1, 2, 0)
    assert np.abs(found - expected).max() < 0.03


def test_a_blur_is_a_gaussian():
    """A point spreads to the Gaussian's values, each scan by its own draw, and the sum stays."""
    images = torch.zeros(2, 3, 21, 21)
    images[:, :, 10, 10] = 1
    tables = Fixed(seed=0, n_cases=2, given={"blur": [[0.5], [1.0]]})
    found = augmented(images, AugmentSpec(blur=2.0), tables.of(1, np.arange(2))).numpy()
    for case, deviation in ((0, 1.0), (1, 2.0)):
        weights = np.exp(-0.5 * (np.arange(-6, 7) / deviation) ** 2)
        weights /= weights.sum()
        close(found[case, 1, 4:17, 4:17], np.outer(weights, weights), within=1e-6)
    assert found.sum(axis=(2, 3)) == pytest.approx(np.ones((2, 3)), abs=1e-5)


def test_low_resolution_is_a_small_scan_enlarged():
    """At a quarter of the side, against Pillow's triangle filter there and back."""
    images = scans(1, height=16, width=16)
    found = changed(images, {"low_resolution": 0.25}, low_resolution=0.0)[0, 0]
    small = Image.fromarray(images.numpy()[0, 0]).resize((4, 4), Image.Resampling.BILINEAR)
    close(found, np.array(small.resize((16, 16), Image.Resampling.BILINEAR)), within=1e-5)


def test_noise_has_the_drawn_standard_deviation_and_no_mean():
    """Half of the largest, here; each scan has its own noise."""
    images = torch.full((20, 1, 32, 32), 0.5)
    found = changed(images, {"noise": 0.1}, noise=0.5) - 0.5
    assert found.std() == pytest.approx(0.05, rel=0.03)
    assert abs(found.mean()) < 0.001
    assert np.abs(np.corrcoef(found.reshape(20, -1)) - np.eye(20)).max() < 0.15


def test_erasing_puts_the_mean_into_one_rectangle():
    """Of the drawn area and place; with probability 0 nothing changes."""
    images = scans(height=20, width=20)
    found = changed(images, {"erasing": 0.5}, erasing=[0.4, HIGHEST, 0.5, 0.0, HIGHEST])
    side = round(0.33**0.5 * 20)
    expected = images.numpy().copy()
    expected[:, :, :side, 20 - side :] = images.numpy().mean(axis=(1, 2, 3))[:, None, None, None]
    close(found, expected, within=1e-6)
    assert np.array_equal(changed(images, {"erasing": 0.3}, erasing=[0.4, 0.5, 0.5, 0.5, 0.5]), images.numpy())


# ---------------------------------------------------------------------- all together


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_changes_scans_and_keeps_their_range(preset: str):
    """Of a batch, every scan is changed, differently, and stays within black and white."""
    images = scans(6, channels=3, height=32, width=32)
    draws = DrawTables(seed=0, n_cases=6).of(1, np.arange(6))
    found = augmented(images, AugmentSpec(**PRESETS[preset]), draws)
    assert found.min() >= 0
    assert found.max() <= 1
    assert found.shape == images.shape
    differences = (found - images).abs().mean(dim=(1, 2, 3))
    assert (differences > 0.01).all()
    assert len(set(differences.tolist())) == 6


def test_middle_draws_change_nothing():
    """Where every draw is in the middle, scans come out as they were: no operation has an effect of its own."""
    images = scans(channels=3)
    spec = {"rotate": 30, "shift": 0.2, "scale": 0.3, "shear": 20, "brightness": 0.4, "contrast": 0.4}
    close(changed(images, {**spec, "saturation": 0.5, "hue": 0.3, "gamma": 0.5}), images.numpy(), within=1e-5)


def test_scans_are_not_written_to():
    """The input keeps its values."""
    images = scans(channels=3)
    before = images.clone()
    augmented(images, AugmentSpec(**PRESETS["histology"]), fixed(3))
    assert torch.equal(images, before)


def test_every_fill_is_known_to_the_resampling():
    """The spec's words and the table have the same names."""
    assert set(PADDING) == set(AugmentSpec.model_fields["fill"].annotation.__args__)
