"""Settings that a training process makes once, before its first parallel operation."""

from __future__ import annotations

import os
from typing import Any

import torch

from scantrial.core.machine import glibc, processor_name
from scantrial.train.devices import choose_device
from scantrial.train.kernel import chosen_variant, kernel_state

KEEP_MEMORY_VARIABLE = "SCANTRIAL_KEEP_MEMORY"
"""Set to 0 to leave the C library's allocator unchanged."""

_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4  # from glibc's malloc.h
_KEPT_BYTES = 1 << 30


def prepare_process(device: str, threads: int) -> dict[str, Any]:
    """Make a worker process ready to train, and describe what its numbers depend on.

    Parameters
    ----------
    device : ``auto``, ``cpu``, ``cuda`` or ``mps``
    threads : of PyTorch's parallel operations, at least 1

    Returns
    -------
    dict
        ``device`` that was chosen, ``torch`` version, ``cpu_capability`` (the instruction set of its kernels),
        ``kernel`` (the same of the fused engine's, or None where it is not available), ``cpu`` (the processor's
        model); on ``cuda`` also ``gpu`` (the device's name), ``cuda`` and ``cudnn`` (versions).

    Raises
    ------
    InputError
        If the device does not exist.
    """
    set_process(threads)
    chosen = choose_device(device)
    return {
        "device": chosen,
        "torch": torch.__version__,
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "kernel": chosen_variant() if kernel_state().available else None,
        "cpu": processor_name(),
        **(_cuda_facts() if chosen == "cuda" else {}),
    }


def _cuda_facts() -> dict[str, Any]:
    return {
        "gpu": torch.cuda.get_device_name(),
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version(),  # type: ignore[no-untyped-call]
    }


def set_process(threads: int) -> None:
    """Set threads, flush-to-zero, deterministic kernels and the allocator, for the whole process.

    Weights of dead units decay into subnormal numbers, which processors handle up to a hundred times slower;
    flush-to-zero avoids that. Threads inherit the setting from the one that starts them, so call this before the
    first parallel operation. It may be called again.
    """
    torch.set_flush_denormal(True)
    torch.set_num_threads(threads)
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True
    if os.environ.get(KEEP_MEMORY_VARIABLE, "1") != "0":
        keep_freed_memory()


def keep_freed_memory() -> bool:
    """Ask glibc to keep up to 1 GiB of freed memory instead of returning it; return whether it agreed.

    A step of training frees and asks for the same large blocks. By default the system maps and zeroes each block
    again page by page, which for a gradient of 67 MB takes longer than its arithmetic.
    """
    libc = glibc()
    if libc is None:
        return False
    return bool(libc.mallopt(_M_MMAP_MAX, 0)) and bool(libc.mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES))
