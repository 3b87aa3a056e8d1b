"""The compiled kernel of the fused engine, called through ctypes. Needs no PyTorch, so that any module may use it."""

from __future__ import annotations

import ctypes
import os
from dataclasses import dataclass
from functools import cache

from scantrial.core.errors import InputError, TrainingError
from scantrial.core.names import listed
from scantrial.train.native.build import LIBRARY, WHY_NOT, source_hash

VARIANT_VARIABLE = "SCANTRIAL_KERNEL"
"""Set to ``portable``, ``avx2`` or ``avx512`` to choose the instruction set; by default the widest available."""

ADAM, SGD = 0, 1
_FLOATS = ctypes.c_void_p


class SweepArguments(ctypes.Structure):
    """What one sweep works on: the mirror of `Sweep` in ``native/sweep.h``, where each field is described."""

    _fields_ = (
        *((name, _FLOATS) for name in ("weight", "average", "square", "pixels")),
        *((name, ctypes.c_int64) for name in ("pixel_bytes", "n_planes", "n_pixels", "n_units")),
        *((name, _FLOATS) for name in ("centre", "width")),
        ("n_tables", ctypes.c_int64),
        *((name, _FLOATS) for name in ("rows", "delta")),
        ("n_cases", ctypes.c_int64),
        *((name, _FLOATS) for name in ("next_rows", "next")),
        ("n_next", ctypes.c_int64),
        ("squares", _FLOATS),
        ("optimizer", ctypes.c_int64),
        *((name, ctypes.c_float) for name in ("shrink", "decay", "momentum")),
        ("nesterov", ctypes.c_int64),
        *((name, ctypes.c_float) for name in ("average_gain", "square_keep", "square_gain", "root_scale")),
        *((name, ctypes.c_float) for name in ("eps", "rate")),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelState:
    """Whether the kernel can be used here.

    Parameters
    ----------
    variants : instruction sets that this processor has, the widest first; empty where there is no kernel
    reason : why not, or which instruction set
    """

    variants: tuple[str, ...]
    reason: str

    @property
    def available(self) -> bool:
        """Whether there is a kernel."""
        return bool(self.variants)


@cache
def kernel_state() -> KernelState:
    """Tell whether the kernel was built for this machine, and which instruction sets it can use."""
    try:
        library = _library()
    except (OSError, AttributeError) as error:
        return KernelState(variants=(), reason=_why_not(error))
    if library.sweep_sources().decode() != source_hash():
        return KernelState(variants=(), reason="it was built from other sources: install scantrial again")
    there = tuple(name for i, name in enumerate(_variant_names(library)) if library.sweep_variant_is_there(i))
    return KernelState(variants=there, reason=f"instruction set {there[0]}")


def chosen_variant() -> str:
    """Return the instruction set to use: the one that the environment asks for, or the widest.

    Raises
    ------
    TrainingError
        If there is no kernel.
    InputError
        If the environment asks for one that this processor or this build does not have.
    """
    state = kernel_state()
    if not state.available:
        raise TrainingError(f"the fused engine is not available: {state.reason}", do="use --engine reference")
    asked = os.environ.get(VARIANT_VARIABLE)
    if asked is None:
        return state.variants[0]
    if asked not in state.variants:
        raise InputError(f"{VARIANT_VARIABLE}={asked}", expected=f"one of {listed(state.variants)} on this machine")
    return asked


class Kernel:
    """The kernel with its own threads; to be used in a ``with`` block, by one thread at a time.

    Equal calls give equal bits at equal numbers of threads.

    Parameters
    ----------
    threads : at least 1; the caller is one of them
    variant : instruction set, one of `kernel_state`'s
    """

    def __init__(self, *, threads: int, variant: str) -> None:
        self._library = _library()
        number = _variant_names(self._library).index(variant)
        self._engine = self._library.sweep_open(number, threads)
        if not self._engine:
            raise TrainingError(f"{threads} threads could not be started", do="use fewer threads or workers")

    def sweep(self, arguments: SweepArguments) -> None:
        """Move the weights by one batch's gradient, and multiply them with the next batch.

        The arrays that `arguments` points to must live until this returns, with the content that ``sweep.h`` describes.
        """
        if self._library.sweep_step(self._engine, ctypes.byref(arguments)):
            raise TrainingError("the kernel ran out of memory", do="use smaller batches or fewer workers")

    def __enter__(self) -> Kernel:
        return self

    def __exit__(self, *error: object) -> None:
        self._library.sweep_close(self._engine)
        self._engine = None


def _library() -> ctypes.CDLL:
    library = ctypes.CDLL(str(LIBRARY))
    library.sweep_sources.restype = ctypes.c_char_p
    library.sweep_variant_name.restype = ctypes.c_char_p
    library.sweep_open.restype = ctypes.c_void_p
    library.sweep_close.argtypes = [ctypes.c_void_p]
    library.sweep_close.restype = None
    library.sweep_step.argtypes = [ctypes.c_void_p, ctypes.c_void_p]
    return library


def _variant_names(library: ctypes.CDLL) -> list[str]:
    return [library.sweep_variant_name(i).decode() for i in range(library.sweep_n_variants())]


def _why_not(error: Exception) -> str:
    """Return the reason that the build recorded, if any."""
    if LIBRARY.is_file():
        return f"its library cannot be loaded: {error}"
    try:
        reason = WHY_NOT.read_text(encoding="utf-8").strip()
    except OSError:
        return "its kernel was not compiled when scantrial was installed"
    return f"its kernel could not be compiled: {reason}"
