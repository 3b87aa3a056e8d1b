"""The compiled kernel by itself, against NumPy in double precision."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass

import numpy as np
import pytest

from scantrial.core.errors import InputError, TrainingError
from scantrial.train import kernel as kernel_module
from scantrial.train.kernel import ADAM, SGD, Kernel, SweepArguments, chosen_variant, kernel_state
from scantrial.train.native import build

VARIANTS = kernel_state().variants
pytestmark = pytest.mark.skipif(not VARIANTS, reason=f"no kernel: {kernel_state().reason}")

OPTIMIZERS = {
    "adam": {"optimizer": ADAM, "average_gain": 0.1, "square_keep": 0.999, "square_gain": 0.001, "eps": 1e-8},
    "adamw": {"optimizer": ADAM, "average_gain": 0.2, "square_keep": 0.99, "square_gain": 0.01, "eps": 1e-6},
    "sgd": {"optimizer": SGD},
    "momentum": {"optimizer": SGD, "momentum": 0.9},
    "nesterov": {"optimizer": SGD, "momentum": 0.9, "nesterov": 1},
}
COMMON = {"shrink": 1.0, "decay": 0.01, "rate": 1e-2, "root_scale": 2.0}
SHRINK = 0.98


@dataclass(kw_only=True)
class Layer:
    """A first layer with everything that a sweep reads, in arrays."""

    pixels: np.ndarray
    weight: np.ndarray
    average: np.ndarray
    square: np.ndarray
    centre: np.ndarray
    width: np.ndarray


def make_layer(*, planes=1, n_pixels=70, units=37, pixel_type="uint8", per_image=False, n_images=40) -> Layer:
    rng = np.random.default_rng(0)
    shape = (planes * n_pixels, units)
    tables = (n_images if per_image else 1, planes)
    return Layer(
        pixels=rng.integers(0, np.iinfo(pixel_type).max, (n_images, n_pixels, planes), endpoint=True).astype(
            pixel_type
        ),
        weight=rng.normal(size=shape).astype(np.float32),
        average=rng.normal(size=shape).astype(np.float32),
        square=rng.uniform(0.5, 1, shape).astype(np.float32),
        centre=rng.uniform(0, 90, tables).astype(np.float32),
        width=rng.uniform(50, np.iinfo(pixel_type).max, tables).astype(np.float32),
    )


def inputs_of(layer: Layer, rows: np.ndarray) -> np.ndarray:
    """Return the network's input in double precision, channel after channel."""
    tables = rows if len(layer.centre) > 1 else np.zeros_like(rows)
    values = (layer.pixels[rows].astype(float) - layer.centre[tables][:, None]) / layer.width[tables][:, None]
    return values.transpose(0, 2, 1).reshape(len(rows), len(layer.weight))


def expected(layer: Layer, name: str, rows, delta, upcoming) -> tuple[np.ndarray, np.ndarray]:
    """Return the weights after one step, and the next batch's products with them."""
    how = {**COMMON, **OPTIMIZERS[name]}
    weight, average, square = (a.astype(float) for a in (layer.weight, layer.average, layer.square))
    slope = inputs_of(layer, rows).T @ delta.astype(float) + how["decay"] * weight
    if how["optimizer"] == ADAM:
        average += how["average_gain"] * (slope - average)
        square = how["square_keep"] * square + how["square_gain"] * slope**2
        shrink = SHRINK if name == "adamw" else 1.0
        weight = shrink * weight - how["rate"] * average / (np.sqrt(square) * how["root_scale"] + how["eps"])
    elif name == "sgd":
        weight -= how["rate"] * slope
    else:
        average = 0.9 * average + slope
        weight -= how["rate"] * (slope + 0.9 * average if name == "nesterov" else average)
    return weight, inputs_of(layer, upcoming) @ weight


def sweep(
    layer: Layer, name: str, rows, delta, upcoming, *, variant: str, threads: int = 2, squares: np.ndarray | None = None
) -> np.ndarray:
    """Move the layer's weights in place, and return the next batch's products; `squares` receives the gradient's."""
    products = np.empty((len(upcoming), layer.weight.shape[1]), dtype=np.float32)
    how = {**COMMON, **OPTIMIZERS[name]}
    if name == "adamw":
        how["shrink"] = SHRINK
    arguments = SweepArguments(
        weight=layer.weight.ctypes.data,
        average=None if name == "sgd" else layer.average.ctypes.data,
        square=layer.square.ctypes.data if "adam" in name else None,
        pixels=layer.pixels.ctypes.data,
        pixel_bytes=layer.pixels.itemsize,
        n_planes=layer.pixels.shape[2],
        n_pixels=layer.pixels.shape[1],
        n_units=layer.weight.shape[1],
        centre=layer.centre.ctypes.data,
        width=layer.width.ctypes.data,
        n_tables=len(layer.centre),
        rows=rows.ctypes.data,
        delta=delta.ctypes.data,
        n_cases=len(rows),
        next_rows=upcoming.ctypes.data,
        next=products.ctypes.data,
        n_next=len(upcoming),
        squares=None if squares is None else squares.ctypes.data,
        **how,
    )
    with Kernel(threads=threads, variant=variant) as kernel:
        kernel.sweep(arguments)
    return products


def batches(n_cases: int, n_next: int, units: int):
    rng = np.random.default_rng(1)
    order = rng.permutation(40)
    delta = (rng.normal(size=(n_cases, units)) / max(1, n_cases)).astype(np.float32)
    return order[:n_cases].copy(), delta, order[n_cases : n_cases + n_next].copy()


def check(layer: Layer, name: str, batch, variant: str, threads: int = 2) -> None:
    weight, products = expected(layer, name, *batch)
    found = sweep(layer, name, *batch, variant=variant, threads=threads)
    np.testing.assert_allclose(layer.weight, weight, rtol=2e-6, atol=1e-6)
    np.testing.assert_allclose(found, products, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_each_optimiser_in_each_instruction_set(variant, name):
    """A step and the next products are those of double precision, with 37 units on 70 pixels, a multiple of nothing."""
    check(make_layer(), name, batches(13, 7, 37), variant)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("units", [1, 2, 15, 16, 17, 48, 64, 100, 256])
@pytest.mark.parametrize("n_pixels", [1, 63, 64, 65, 193])
def test_any_size_of_image_and_layer(variant, units, n_pixels):
    """No size has to be a multiple of anything."""
    check(make_layer(n_pixels=n_pixels, units=units), "adam", batches(5, 4, units), variant)


@pytest.mark.parametrize("planes", [1, 3])
@pytest.mark.parametrize("pixel_type", ["uint8", "uint16"])
@pytest.mark.parametrize("per_image", [False, True])
def test_any_pixels_and_any_preprocessing(planes, pixel_type, per_image):
    """8 and 16 bits, gray and RGB, one affine map for all images or one for each."""
    layer = make_layer(planes=planes, pixel_type=pixel_type, per_image=per_image)
    check(layer, "adam", batches(9, 9, 37), VARIANTS[0])


@pytest.mark.parametrize(("n_cases", "n_next"), [(0, 5), (5, 0), (1, 1), (4, 33), (33, 4), (20, 20)])
def test_any_batch(n_cases, n_next):
    """No case moves nothing; no next batch wants nothing; sizes need not agree."""
    layer = make_layer()
    before = layer.weight.copy()
    batch = batches(n_cases, n_next, 37)
    if n_cases:
        check(layer, "adam", batch, VARIANTS[0])
        return
    found = sweep(layer, "adam", *batch, variant=VARIANTS[0])
    np.testing.assert_array_equal(layer.weight, before)
    np.testing.assert_allclose(found, inputs_of(layer, batch[2]) @ before.astype(float), rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize(("units", "n_pixels", "threads"), [(1, 1, 1), (37, 70, 2), (64, 193, 3), (256, 65, 2)])
def test_the_gradients_sum_of_squares(variant, units, n_pixels, threads):
    """It is double precision's, without the decay, and taking it moves no bit of weights or products."""
    rows, delta, upcoming = batches(13, 7, units)
    layer, again = (make_layer(units=units, n_pixels=n_pixels) for _ in range(2))
    gradient = inputs_of(layer, rows).T @ delta.astype(float)
    squares = np.full(1, np.nan)
    products = sweep(layer, "adam", rows, delta, upcoming, variant=variant, threads=threads, squares=squares)
    assert squares[0] == pytest.approx((gradient**2).sum(), rel=1e-5)
    same = sweep(again, "adam", rows, delta, upcoming, variant=variant, threads=threads)
    np.testing.assert_array_equal(products, same)
    np.testing.assert_array_equal(layer.weight, again.weight)


@pytest.mark.parametrize("threads", [1, 2, 3, 50])
def test_equal_bits_every_time(threads):
    """At any number of threads, more than there are blocks among them; the weights do not even depend on it."""
    results = []
    for n_threads in (threads, threads, 1):
        layer = make_layer(n_pixels=700)
        products = sweep(layer, "adam", *batches(13, 7, 37), variant=VARIANTS[0], threads=n_threads)
        results.append((layer.weight, products))
    np.testing.assert_array_equal(results[0][0], results[1][0])
    np.testing.assert_array_equal(results[0][1], results[1][1])
    np.testing.assert_array_equal(results[0][0], results[2][0])


@pytest.mark.parametrize("variant", VARIANTS)
def test_nan_and_infinity_are_seen(variant):
    """Gradients that are not finite reach the weights and the products."""
    for bad in (np.nan, np.inf):
        layer = make_layer()
        rows, delta, upcoming = batches(13, 7, 37)
        delta[3, 5] = bad
        products = sweep(layer, "adam", rows, delta, upcoming, variant=variant)
        assert not np.isfinite(layer.weight[:, 5]).any()
        assert not np.isfinite(products[:, 5]).any()
        assert np.isfinite(np.delete(layer.weight, 5, axis=1)).all()


def test_subnormal_weights_are_flushed_in_every_thread():
    """In each of three threads, and afterwards the caller computes with subnormal numbers as before."""
    layer = make_layer(n_pixels=640)
    layer.weight[:] = 1e-39
    rows, delta, upcoming = batches(4, 2, 37)
    sweep(layer, "sgd", rows, np.zeros_like(delta), upcoming, variant=VARIANTS[0], threads=3)
    assert (layer.weight == 0).all()
    assert np.float32(1e-39) * np.float32(1) != 0


def test_reference_flushes_in_every_thread_of_pytorch():
    """A product over many subnormal numbers at two threads is zero everywhere, once a process is set."""
    program = (
        "import torch\n"
        "from scantrial.train.process import set_process\n"
        "set_process(2)\n"
        "x = torch.full((1 << 22,), 1e-39)\n"
        "assert (x.mul(1.0) == 0).all() and (x.add(x) == 0).all()\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


class TestBuild:
    @pytest.fixture(autouse=True)
    def _elsewhere(self, tmp_path, monkeypatch):
        for module in (build, kernel_module):
            monkeypatch.setattr(module, "LIBRARY", tmp_path / "sweep.so")
            monkeypatch.setattr(module, "WHY_NOT", tmp_path / "not-built.txt")
        kernel_state.cache_clear()
        yield
        kernel_state.cache_clear()

    def test_without_a_compiler(self, monkeypatch):
        """The reason is told by the build and kept, and who needs the kernel is told the way out."""
        monkeypatch.setenv("CXX", "/nowhere/c++")
        with pytest.raises(build.BuildError, match="/nowhere/c\\+\\+ could not be started"):
            build.build()
        assert not kernel_state().available
        assert kernel_state().reason.startswith("its kernel could not be compiled: the C++ compiler /nowhere/c++")
        with pytest.raises(TrainingError, match="could not be compiled") as caught:
            chosen_variant()
        assert "reference" in caught.value.do

    def test_a_compiler_that_fails(self, monkeypatch):
        """Its first error is the reason."""
        monkeypatch.setenv("CXX", f"{sys.executable} -c 1/0")
        with pytest.raises(build.BuildError, match="failed: ZeroDivisionError"):
            build.build()

    def test_never_built(self):
        """That is said, too."""
        assert kernel_state().reason == "its kernel was not compiled when scantrial was installed"

    def test_a_library_that_is_none(self):
        """A damaged file is no kernel."""
        kernel_module.LIBRARY.write_bytes(b"no library")
        assert "cannot be loaded" in kernel_state().reason

    def test_built_from_other_sources(self, monkeypatch):
        """A library that is older than its sources is not used."""
        build.build()
        monkeypatch.setattr(kernel_module, "source_hash", lambda: "0123456789abcdef")
        assert kernel_state().reason == "it was built from other sources: install scantrial again"

    def test_built_again(self):
        """A build takes the place of an earlier failure's note."""
        build.WHY_NOT.write_text("no compiler")
        assert build.build() == build.LIBRARY
        assert not build.WHY_NOT.exists()
        assert kernel_state().variants == VARIANTS


def test_the_instruction_set_can_be_chosen(monkeypatch):
    """By a variable, as long as the processor has it."""
    assert chosen_variant() == VARIANTS[0]
    monkeypatch.setenv("SCANTRIAL_KERNEL", "portable")
    assert chosen_variant() == "portable"
    monkeypatch.setenv("SCANTRIAL_KERNEL", "abacus")
    with pytest.raises(InputError, match="SCANTRIAL_KERNEL=abacus") as caught:
        chosen_variant()
    assert "portable" in caught.value.expected
